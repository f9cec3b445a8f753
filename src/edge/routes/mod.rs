//! Which route a request is for, and what that one needs.
//!
//! The host decides first (one that is named, then the longest `*.example.com`, then routes without hosts), the path next, and the method last.
//! A more specific route that does not take the method leaves the request to a less specific one. Nothing is allocated to find a route.

mod strict_path;
mod tree;

use std::cmp::Reverse;
use std::rc::Rc;

use http::header::{ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderValue, ORIGIN};
use http::{Method, Request, Version};

use self::tree::{Node, Walk};
use crate::config::{HeaderPattern, HostPattern, RouteAuth, RouteSettings, RouteSpace};
use crate::exchange::Purpose;
use crate::model::{Outcome, SpaceId};

/// By these a client asks some frameworks to take its method for another one.
const METHOD_OVERRIDES: [&str; 3] = ["x-http-method-override", "x-http-method", "x-method-override"];

/// The routes of a configuration.
#[derive(Debug)]
pub(crate) struct Routes {
    all: Vec<Rc<Route>>,
    /// Sorted by the host.
    exact: Vec<(String, Node)>,
    /// What hosts end with, the longest first.
    below: Vec<(String, Node)>,
    any: Node,
}

/// A route.
#[derive(Debug)]
pub(crate) struct Route {
    /// Its place in the configuration.
    pub(crate) number: usize,
    pub(crate) settings: RouteSettings,
}

/// The route of a request, and what the request says of what the route leaves open.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    pub(crate) route: Rc<Route>,
    /// The space that the request is about.
    pub(crate) space: Option<SpaceId>,
    open: bool,
}

/// That a request's route needs no key. Only a [`Selection`] makes one.
#[derive(Debug)]
pub(crate) struct OpenRoute(());

/// Why there is no route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unrouted {
    /// None is for such a request.
    Nowhere,
    /// The path may be read in two ways.
    Ambiguous(&'static str),
}

impl Unrouted {
    pub(crate) fn outcome(self) -> Outcome {
        match self {
            Self::Nowhere => Outcome::NoRoute,
            Self::Ambiguous(what) => Outcome::BadRequest(what),
        }
    }
}

impl Selection {
    /// What is to be asked of the exchange.
    pub(crate) fn purpose(&self) -> Purpose<'_> {
        Purpose { space: self.space.as_ref(), require: self.route.settings.require.as_ref() }
    }

    /// Whether anybody may pass.
    pub(crate) fn open(&self) -> Option<OpenRoute> {
        self.open.then_some(OpenRoute(()))
    }
}

impl Routes {
    /// `None`: there are none, and every request is for the same.
    pub(crate) fn of(settings: &[RouteSettings]) -> Option<Self> {
        if settings.is_empty() {
            return None;
        }
        let mut this = Self { all: Vec::with_capacity(settings.len()), exact: Vec::new(), below: Vec::new(), any: Node::default() };
        for (number, route) in settings.iter().enumerate() {
            if route.hosts.is_empty() {
                this.any.insert(&route.path, &route.methods, number);
            }
            for host in &route.hosts {
                let (nodes, text) = match host {
                    HostPattern::Exact(text) => (&mut this.exact, text),
                    HostPattern::Below(text) => (&mut this.below, text),
                };
                node_of(nodes, text).insert(&route.path, &route.methods, number);
            }
            this.all.push(Rc::new(Route { number, settings: route.clone() }));
        }
        this.exact.sort_by(|(one, _), (other, _)| one.cmp(other));
        this.below.sort_by_key(|(suffix, _)| Reverse(suffix.len()));
        Some(this)
    }

    /// The route of this request, whose target has been checked. `was_absolute`: the target named its host.
    pub(crate) fn select<B>(&self, request: &Request<B>, host: Option<&HeaderValue>, was_absolute: bool) -> Result<Selection, Outcome> {
        if was_absolute && request.version() != Version::HTTP_2 {
            return Err(Outcome::BadRequest("where routes are in use, the target is a path"));
        }
        let host = host.map(HeaderValue::as_bytes);
        let path = request.uri().path();
        if let Some(asked) = preflight(request.method(), request.headers())
            && let Ok(selection) = self.find(&asked, host, path)
            && selection.route.settings.cors_preflight
        {
            // Browsers send no credentials with it (Fetch, section 4.8), and what follows from it needs a key again.
            return Ok(Selection { open: true, ..selection });
        }
        self.find(request.method(), host, path).map_err(Unrouted::outcome)
    }

    /// The route for this method, authority and path.
    pub(crate) fn find(&self, method: &Method, host: Option<&[u8]>, path: &str) -> Result<Selection, Unrouted> {
        strict_path::check(path).map_err(Unrouted::Ambiguous)?;
        let host = host.map(without_port).unwrap_or_default();
        if host.contains(&b'%') && !(self.exact.is_empty() && self.below.is_empty()) {
            return Err(Unrouted::Ambiguous("the host has an escape"));
        }
        let exact = self.exact.binary_search_by(|(known, _)| known.bytes().cmp(host.iter().map(u8::to_ascii_lowercase)));
        let exact = exact.ok().and_then(|place| self.exact.get(place));
        let below = self.below.iter().filter(|(suffix, _)| is_below(host, suffix));
        for (_, node) in exact.into_iter().chain(below) {
            let found = node.find(method, path);
            if found != Walk::Nowhere {
                return self.found(found, path);
            }
        }
        self.found(self.any.find(method, path), path)
    }

    fn found(&self, walk: Walk, path: &str) -> Result<Selection, Unrouted> {
        let route = match walk {
            Walk::Ends(route) | Walk::Open(route) => self.all.get(route).ok_or(Unrouted::Nowhere)?,
            Walk::Respelt => return Err(Unrouted::Ambiguous("the path is another spelling of a route's")),
            Walk::Nowhere => return Err(Unrouted::Nowhere),
        };
        let space = match &route.settings.space {
            None => None,
            Some(RouteSpace::Fixed(space)) => Some(space.clone()),
            // What can be no space is no such request, whoever sends it.
            Some(RouteSpace::Segment(place)) => {
                let text = path.split('/').nth(place.saturating_add(1)).ok_or(Unrouted::Nowhere)?;
                Some(text.parse().map_err(|_| Unrouted::Nowhere)?)
            }
        };
        Ok(Selection { route: Rc::clone(route), space, open: route.settings.auth == RouteAuth::None })
    }

    /// Every one, in the order of the configuration.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Rc<Route>> {
        self.all.iter()
    }
}

/// What clients must not send where these are the routes: a route that names its methods is for the method that the API sees.
pub(crate) fn removed_for(routes: &[RouteSettings]) -> Vec<HeaderPattern> {
    if routes.iter().all(|route| route.methods.is_empty()) {
        return Vec::new();
    }
    METHOD_OVERRIDES.map(|name| HeaderPattern::Name(name.to_owned())).into()
}

fn node_of<'n>(nodes: &'n mut Vec<(String, Node)>, host: &str) -> &'n mut Node {
    let place = nodes.iter().position(|(known, _)| known == host).unwrap_or_else(|| {
        nodes.push((host.to_owned(), Node::default()));
        nodes.len() - 1
    });
    let (_, node) = nodes.get_mut(place).expect("it was found, or put there just now");
    node
}

/// The method that a CORS preflight asks for (Fetch, section 3.2.2).
fn preflight(method: &Method, headers: &HeaderMap) -> Option<Method> {
    if *method != Method::OPTIONS || !headers.contains_key(ORIGIN) {
        return None;
    }
    Method::from_bytes(headers.get(ACCESS_CONTROL_REQUEST_METHOD)?.as_bytes()).ok()
}

/// The host of an authority, without the dot that ends a full name.
fn without_port(authority: &[u8]) -> &[u8] {
    let end = match authority.first() {
        Some(b'[') => authority.iter().position(|byte| *byte == b']').map_or(authority.len(), |end| end + 1),
        _ => authority.iter().position(|byte| *byte == b':').unwrap_or(authority.len()),
    };
    let host = authority.get(..end).unwrap_or_default();
    host.strip_suffix(b".").unwrap_or(host)
}

fn is_below(host: &[u8], suffix: &str) -> bool {
    let name = host.len().checked_sub(suffix.len()).filter(|length| *length > 0);
    name.and_then(|length| host.get(length..)).is_some_and(|end| end.eq_ignore_ascii_case(suffix.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    fn routes(toml: &str) -> Routes {
        let settings = Settings::from_toml(toml).unwrap_or_else(|faults| panic!("{faults}")).settings;
        Routes::of(&settings.routes).unwrap()
    }

    fn found(routes: &Routes, method: &str, host: &str, path: &str) -> Result<usize, Unrouted> {
        routes.find(&method.parse().unwrap(), Some(host.as_bytes()), path).map(|selection| selection.route.number)
    }

    #[test]
    fn the_host_decides_before_the_path() {
        let routes = routes(
            r#"
            [[routes]]
            path = "/{*rest}"
            [[routes]]
            path = "/health"
            auth = "none"
            [[routes]]
            path = "/{*rest}"
            hosts = ["*.example.com"]
            [[routes]]
            path = "/{*rest}"
            hosts = ["*.eu.example.com"]
            [[routes]]
            path = "/v1"
            hosts = ["api.example.com", "[::1]"]
            "#,
        );
        for (host, path, route) in [
            ("other", "/v1", 0),
            ("other:8080", "/health", 1),
            ("", "/health", 1),
            ("api.example.com", "/v1", 4),
            ("API.Example.com.:8080", "/v1", 4),
            ("[::1]:80", "/v1", 4),
            ("api.example.com", "/health", 2),
            ("a.b.example.com", "/health", 2),
            ("a.eu.example.com", "/", 3),
            ("example.com", "/", 0),
            ("xexample.com", "/", 0),
        ] {
            assert_eq!(found(&routes, "GET", host, path), Ok(route), "{host} {path}");
        }
        assert!(matches!(found(&routes, "GET", "api%2eexample.com", "/v1"), Err(Unrouted::Ambiguous(_))));
    }

    #[test]
    fn a_space_is_named_by_the_path_as_it_stands_there() {
        let routes = routes(
            "[[routes]]\npath = \"/v1/spaces/{space}/runs\"\nspace = \"{space}\"\n[[routes]]\npath = \"/{*rest}\"\nauth = \"none\"\n",
        );
        let space = |path| routes.find(&Method::GET, None, path).map(|selection| selection.space.map(|space| space.to_string()));
        assert_eq!(space("/v1/spaces/production/runs"), Ok(Some("production".to_owned())));
        assert_eq!(space("/other"), Ok(None));
        // Whoever undoes escapes, or takes no notice of case, must not find it behind a route that needs nothing.
        for path in ["/v1/spaces/Production/runs", "/v1/spaces/%70roduction/runs", "/v1/spaces/a.b/runs", "/v1/spaces/production/runs/"] {
            assert_eq!(space(path), Err(Unrouted::Nowhere), "{path}");
        }
    }

    #[test]
    fn a_preflight_passes_where_the_route_that_it_asks_for_says_so() {
        let routes = routes("[[routes]]\npath = \"/a\"\nmethods = [\"PUT\"]\ncors_preflight = true\n[[routes]]\npath = \"/b\"\n");
        let select = |path: &str, headers: &[(&str, &str)]| {
            let mut request = Request::builder().method("OPTIONS").uri(path);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            routes.select(&request.body(()).unwrap(), None, false).map(|selection| selection.open().is_some())
        };
        let asked = [("origin", "https://a"), ("access-control-request-method", "PUT")];
        assert_eq!(select("/a", &asked), Ok(true));
        assert_eq!(select("/a", &asked[..1]), Err(Outcome::NoRoute));
        assert_eq!(select("/a", &[asked[0], ("access-control-request-method", "POST")]), Err(Outcome::NoRoute));
        assert_eq!(select("/b", &asked), Ok(false));
    }
}
