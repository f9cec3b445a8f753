//! Templates as a tree of segments: the most specific of those that a path and a method fit is found in one walk.
//!
//! A literal is tried before a parameter, and that before the rest of the path. Since no two templates of the configuration cross, what is
//! found first is the most specific.

use http::Method;

use super::strict_path::is_another_spelling;
use crate::model::{PathTemplate, TemplateSegment};

/// A node stands for the segments on the way to it.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// Sorted by their texts.
    literals: Vec<(Box<str>, Node)>,
    parameter: Option<Box<Node>>,
    /// For paths that end here.
    ends: Vec<Leaf>,
    /// For paths that end here or go on.
    rests: Vec<Leaf>,
}

/// A route, by its place in the list, and what it says of methods.
#[derive(Debug)]
struct Leaf {
    /// Empty: every one.
    methods: Vec<Method>,
    route: usize,
}

/// What a walk comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Walk {
    /// This route's.
    Ends(usize),
    /// This route's, whose template leaves the end of the path open.
    Open(usize),
    /// A segment is another spelling of what a route is named by: to whoever undoes escapes it is that route's.
    Respelt,
    Nowhere,
}

/// What is left of a path, each segment behind its slash.
#[derive(Clone, Copy)]
struct Left<'p> {
    text: Option<&'p str>,
    /// As if a slash stood behind it.
    slash: bool,
}

impl<'p> Left<'p> {
    fn next(self) -> Option<(&'p str, Self)> {
        match self.text {
            Some(text) => Some(match text.split_once('/') {
                Some((segment, rest)) => (segment, Self { text: Some(rest), ..self }),
                None => (text, Self { text: None, ..self }),
            }),
            None if self.slash => Some(("", Self { text: None, slash: false })),
            None => None,
        }
    }
}

impl Node {
    pub(super) fn insert(&mut self, template: &PathTemplate, methods: &[Method], route: usize) {
        let leaf = Leaf { methods: methods.to_vec(), route };
        let mut node = self;
        for segment in template.segments() {
            node = match segment {
                TemplateSegment::Literal(text) => node.literal(text),
                TemplateSegment::Parameter(_) => node.parameter.get_or_insert_default().as_mut(),
                TemplateSegment::Rest(_) => return node.rests.push(leaf),
            };
        }
        node.ends.push(leaf);
    }

    fn literal(&mut self, text: &str) -> &mut Self {
        let place = match self.literals.binary_search_by(|(known, _)| (**known).cmp(text)) {
            Ok(place) => place,
            Err(place) => {
                self.literals.insert(place, (text.into(), Self::default()));
                place
            }
        };
        let (_, node) = self.literals.get_mut(place).expect("it was found, or put there just now");
        node
    }

    /// Whose this path is, which begins with a slash.
    pub(super) fn find(&self, method: &Method, path: &str) -> Walk {
        let text = path.strip_prefix('/').unwrap_or(path);
        let found = self.walk(method, Left { text: Some(text), slash: false });
        let Walk::Open(open) = found else { return found };
        // Many servers take `/a/` for `/a`. What only differs from a route's path by that is not whatever else is left over.
        let other = match text.strip_suffix('/') {
            Some(shorter) => Left { text: Some(shorter), slash: false },
            None if text.is_empty() => return found,
            None => Left { text: Some(text), slash: true },
        };
        match self.walk(method, other) {
            Walk::Ends(route) if route != open => Walk::Nowhere,
            Walk::Ends(_) | Walk::Open(_) | Walk::Respelt | Walk::Nowhere => found,
        }
    }

    fn walk(&self, method: &Method, left: Left<'_>) -> Walk {
        let Some((segment, behind)) = left.next() else {
            return match leaf_for(&self.ends, method) {
                Some(route) => Walk::Ends(route),
                None => leaf_for(&self.rests, method).map_or(Walk::Nowhere, Walk::Open),
            };
        };
        if let Ok(place) = self.literals.binary_search_by(|(text, _)| (**text).cmp(segment))
            && let Some((_, node)) = self.literals.get(place)
        {
            let found = node.walk(method, behind);
            if found != Walk::Nowhere {
                return found;
            }
        } else if segment.contains('%') && self.literals.iter().any(|(text, _)| is_another_spelling(segment, text)) {
            return Walk::Respelt;
        }
        if let Some(node) = self.parameter.as_ref().filter(|_| !segment.is_empty()) {
            let found = node.walk(method, behind);
            if found != Walk::Nowhere {
                return found;
            }
        }
        leaf_for(&self.rests, method).map_or(Walk::Nowhere, Walk::Open)
    }
}

/// Whoever names the method counts before whoever names `GET` alone, and that before whoever names none.
fn leaf_for(leaves: &[Leaf], method: &Method) -> Option<usize> {
    let named = |method: &Method| leaves.iter().find(|leaf| leaf.methods.contains(method));
    let leaf = named(method)
        .or_else(|| if *method == Method::HEAD { named(&Method::GET) } else { None })
        .or_else(|| leaves.iter().find(|leaf| leaf.methods.is_empty()))?;
    Some(leaf.route)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::Specificity;

    fn tree(templates: &[&str]) -> Node {
        let mut node = Node::default();
        for (route, text) in templates.iter().enumerate() {
            let (methods, path) = text.split_once(' ').map_or((Vec::new(), *text), |(method, path)| (vec![method.parse().unwrap()], path));
            node.insert(&path.parse().unwrap(), &methods, route);
        }
        node
    }

    fn found(node: &Node, method: &str, path: &str) -> Option<usize> {
        match node.find(&method.parse().unwrap(), path) {
            Walk::Ends(route) | Walk::Open(route) => Some(route),
            Walk::Respelt | Walk::Nowhere => None,
        }
    }

    #[test]
    fn the_most_specific_one_wins_and_a_method_that_it_does_not_take_goes_on_to_the_next() {
        let node = tree(&["/{*rest}", "/v1/{x}", "/v1/runs", "POST /v1/runs", "/v1/runs/{*rest}", "/", "GET /w/{x}/y"]);
        for (method, path, route) in [
            ("GET", "/", 5),
            ("GET", "/v1", 0),
            ("GET", "/v1/a", 1),
            ("GET", "/v1/runs", 2),
            ("POST", "/v1/runs", 3),
            ("GET", "/v1/runs/a/b", 4),
            ("GET", "/v1/a/b", 0),
            ("GET", "/w/a/y", 6),
            ("HEAD", "/w/a/y", 6),
            ("POST", "/w/a/y", 0),
            ("GET", "/w/a/z", 0),
        ] {
            assert_eq!(found(&node, method, path), Some(route), "{method} {path}");
        }
    }

    #[test]
    fn a_rest_may_be_empty_and_a_parameter_not() {
        let node = tree(&["/files/{*rest}", "/v1/{x}"]);
        for (path, route) in
            [("/files", Some(0)), ("/files/", Some(0)), ("/files/a/", Some(0)), ("/filesa", None), ("/v1/", None), ("/v1", None)]
        {
            assert_eq!(found(&node, "GET", path), route, "{path}");
        }
    }

    #[test]
    fn what_differs_from_a_route_by_a_slash_is_nobodys() {
        let node = tree(&["/{*rest}", "/admin", "/v1/{x}", "/w/", "POST /p", "/both", "/both/"]);
        for (path, route) in [
            ("/admin", Some(1)),
            ("/admin/", None),
            ("/v1/a/", None),
            ("/w", None),
            ("/w/", Some(3)),
            ("/p/", Some(0)),
            ("/both", Some(5)),
            ("/both/", Some(6)),
            ("/other/", Some(0)),
        ] {
            assert_eq!(found(&node, "GET", path), route, "{path}");
        }
        assert_eq!(found(&node, "POST", "/p/"), None);
    }

    #[test]
    fn another_spelling_of_a_routes_name_is_no_other_route() {
        let node = tree(&["/{*rest}", "/admin/x", "/v1/{x}"]);
        let find = |path| node.find(&Method::GET, path);
        assert_eq!((find("/%61dmin/x"), find("/admin/%78")), (Walk::Respelt, Walk::Respelt));
        assert_eq!((find("/v1/%61dmin"), find("/%61dmin2/x")), (Walk::Ends(2), Walk::Open(0)));
    }

    proptest! {
        /// Of all that are for a path, the one that lies within every other.
        #[test]
        fn what_is_found_lies_within_all_others_that_are_for_the_path(
            drawn in proptest::collection::vec("/(a|b|[{]x[}])?(/(a|b|[{]y[}]))?(/[{][*]r[}])?", 1..8),
            path in "/[ab]?(/[abc]){0,3}",
        ) {
            let mut templates: Vec<PathTemplate> = Vec::new();
            for template in drawn.iter().filter_map(|text| text.parse::<PathTemplate>().ok()) {
                let fits = |other: &PathTemplate| !matches!(template.compared_with(other), Specificity::Same | Specificity::Crossing);
                if templates.iter().all(fits) {
                    templates.push(template);
                }
            }
            let texts: Vec<&str> = templates.iter().map(PathTemplate::as_str).collect();
            // A path as a template is for itself alone.
            prop_assume!(path.parse::<PathTemplate>().is_ok());
            let exact: PathTemplate = path.parse().unwrap();
            let for_it = |template: &PathTemplate| matches!(exact.compared_with(template), Specificity::Same | Specificity::More);
            let node = tree(&texts);
            match node.walk(&Method::GET, Left { text: Some(&path[1..]), slash: false }) {
                Walk::Ends(route) | Walk::Open(route) => {
                    let best = &templates[route];
                    prop_assert!(for_it(best), "{} {}", best, path);
                    for other in templates.iter().filter(|other| for_it(other)) {
                        prop_assert!(matches!(best.compared_with(other), Specificity::Same | Specificity::More), "{} {} {}", path, best, other);
                    }
                }
                Walk::Nowhere => prop_assert!(!templates.iter().any(for_it), "{} {:?}", path, texts),
                Walk::Respelt => prop_assert!(false),
            }
        }
    }
}
