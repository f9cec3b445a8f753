//! Which paths a route is for: `/v1/spaces/{space}/runs`, `/files/{*rest}`.

use std::fmt;
use std::str::FromStr;

/// The longest template, in bytes and in segments.
const LENGTH_MAX: usize = 1024;
const SEGMENTS_MAX: usize = 64;

/// The paths that have these segments. `{name}` stands for one segment that is not empty; `{*name}`, at the end, for any number of them,
/// none included: `/files/{*rest}` is `/files`, `/files/` and everything below.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PathTemplate {
    text: Box<str>,
    segments: Box<[TemplateSegment]>,
}

/// What may stand between two slashes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TemplateSegment {
    /// This text. Only the last one may be empty: the path ends with a slash then.
    Literal(Box<str>),
    /// Any text but none.
    Parameter(Box<str>),
    /// Whatever is left of the path.
    Rest(Box<str>),
}

/// How the paths of one template lie to those of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Specificity {
    /// The same paths.
    Same,
    /// All of its paths are also the other's.
    More,
    /// All paths of the other are also its own.
    Less,
    /// No path is both's.
    Apart,
    /// Some paths are both's, and each has others.
    Crossing,
}

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct TemplateFault {
    /// What is wrong.
    pub reason: String,
    /// What to write instead.
    pub suggestion: Option<String>,
}

impl TemplateFault {
    fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), suggestion: None }
    }

    fn suggest(self, suggestion: impl Into<String>) -> Self {
        Self { suggestion: Some(suggestion.into()), ..self }
    }
}

impl PathTemplate {
    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// From left to right; never empty.
    #[must_use]
    pub fn segments(&self) -> &[TemplateSegment] {
        &self.segments
    }

    /// Which segment the parameter of this name stands for, counted from 0.
    #[must_use]
    pub fn position(&self, parameter: &str) -> Option<usize> {
        self.segments.iter().position(|segment| matches!(segment, TemplateSegment::Parameter(name) if **name == *parameter))
    }

    /// The names of its parameters.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            TemplateSegment::Parameter(name) => Some(&**name),
            TemplateSegment::Literal(_) | TemplateSegment::Rest(_) => None,
        })
    }

    /// How its paths lie to those of the other one.
    #[must_use]
    pub fn compared_with(&self, other: &Self) -> Specificity {
        use TemplateSegment::{Literal, Parameter, Rest};
        let (mut more, mut less) = (false, false);
        let (mut ours, mut theirs) = (self.segments.iter(), other.segments.iter());
        loop {
            match (ours.next(), theirs.next()) {
                (None, None) | (Some(Rest(_)), Some(Rest(_))) => break,
                (None | Some(Literal(_) | Parameter(_)), Some(Rest(_))) => {
                    more = true;
                    break;
                }
                (Some(Rest(_)), None | Some(Literal(_) | Parameter(_))) => {
                    less = true;
                    break;
                }
                (Some(Literal(one)), Some(Literal(two))) if one == two => {}
                (None, Some(_)) | (Some(_), None) | (Some(Literal(_)), Some(Literal(_))) => return Specificity::Apart,
                (Some(Literal(text)), Some(Parameter(_))) | (Some(Parameter(_)), Some(Literal(text))) if text.is_empty() => {
                    return Specificity::Apart;
                }
                (Some(Literal(_)), Some(Parameter(_))) => more = true,
                (Some(Parameter(_)), Some(Literal(_))) => less = true,
                (Some(Parameter(_)), Some(Parameter(_))) => {}
            }
        }
        match (more, less) {
            (false, false) => Specificity::Same,
            (true, false) => Specificity::More,
            (false, true) => Specificity::Less,
            (true, true) => Specificity::Crossing,
        }
    }

    /// A path that both are for, if they are not apart.
    #[must_use]
    pub fn common_path(&self, other: &Self) -> String {
        let mut path = String::new();
        let longest = self.segments.len().max(other.segments.len());
        for place in 0..longest {
            let pair = [self.segments.get(place), other.segments.get(place)];
            let literal = pair.iter().find_map(|segment| match segment {
                Some(TemplateSegment::Literal(text)) => Some(&**text),
                Some(TemplateSegment::Parameter(_) | TemplateSegment::Rest(_)) | None => None,
            });
            let is_wanted = pair.iter().any(|segment| matches!(segment, Some(TemplateSegment::Parameter(_))));
            match literal {
                Some(text) => path.extend(["/", text]),
                None if is_wanted => path.push_str("/x"),
                None => {}
            }
        }
        if path.is_empty() { "/".to_owned() } else { path }
    }
}

impl FromStr for PathTemplate {
    type Err = TemplateFault;

    fn from_str(text: &str) -> Result<Self, TemplateFault> {
        let Some(path) = text.strip_prefix('/') else {
            let wrong = TemplateFault::new("a path begins with a slash");
            return Err(match text {
                "" | "*" => wrong.suggest("write \"/{*rest}\" for every path"),
                text if text.contains("://") => wrong.suggest("name the host in `hosts`, and here the path alone"),
                text => wrong.suggest(format!("write \"/{text}\"")),
            });
        };
        if text.len() > LENGTH_MAX {
            return Err(TemplateFault::new(format!("a path has at most {LENGTH_MAX} bytes")));
        }
        let mut segments: Vec<TemplateSegment> = Vec::new();
        let mut pieces = path.split('/').peekable();
        while let Some(piece) = pieces.next() {
            let segment = segment(piece)?;
            match &segment {
                TemplateSegment::Literal(text) if text.is_empty() && pieces.peek().is_some() => {
                    return Err(TemplateFault::new("no path with two slashes in a row is ever matched").suggest("write one"));
                }
                TemplateSegment::Rest(name) if pieces.peek().is_some() => {
                    let wrong = TemplateFault::new(format!("{{*{name}}} is whatever is left of the path, so nothing stands behind it"));
                    return Err(wrong.suggest(format!("write {{{name}}} for one segment")));
                }
                TemplateSegment::Literal(_) | TemplateSegment::Rest(_) | TemplateSegment::Parameter(_) => {}
            }
            if let TemplateSegment::Parameter(name) | TemplateSegment::Rest(name) = &segment
                && segments.iter().any(|earlier| matches!(earlier, TemplateSegment::Parameter(before) if before == name))
            {
                return Err(TemplateFault::new(format!("two segments are called {name}")));
            }
            segments.push(segment);
        }
        if segments.len() > SEGMENTS_MAX {
            return Err(TemplateFault::new(format!("a path has at most {SEGMENTS_MAX} segments")));
        }
        Ok(Self { text: text.into(), segments: segments.into() })
    }
}

fn segment(piece: &str) -> Result<TemplateSegment, TemplateFault> {
    if let Some(name) = piece.strip_prefix('{').and_then(|piece| piece.strip_suffix('}')) {
        let (rest, name) = name.strip_prefix('*').map_or((false, name), |name| (true, name));
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-') {
            let wrong = TemplateFault::new(format!("{piece} has no name of letters, digits, `_` and `-`"));
            return Err(wrong.suggest(if rest { "write {*rest}" } else { "write {name}, or {*rest} for whatever is left" }));
        }
        return Ok(if rest { TemplateSegment::Rest(name.into()) } else { TemplateSegment::Parameter(name.into()) });
    }
    if piece.contains(['{', '}']) {
        return Err(TemplateFault::new(format!("{piece:?}: a name in braces takes a whole segment")));
    }
    match piece {
        "." | ".." => return Err(TemplateFault::new("no path with a segment of dots is ever matched")),
        "*" | "**" => return Err(TemplateFault::new(format!("{piece:?} would stand for itself alone")).suggest("write {*rest}")),
        _ => {}
    }
    if let Some(name) = piece.strip_prefix(':').filter(|name| !name.is_empty()) {
        return Err(TemplateFault::new(format!("{piece:?} would stand for itself alone")).suggest(format!("write {{{name}}}")));
    }
    match piece.chars().find(|character| !may_stand_in_literal(*character)) {
        None => Ok(TemplateSegment::Literal(piece.into())),
        Some('?') => {
            Err(TemplateFault::new("routes go by the path alone, and a query never decides").suggest("leave out what stands from `?` on"))
        }
        Some('%') => {
            Err(TemplateFault::new("what is escaped has two spellings, and routes know one").suggest("write {name} for the segment"))
        }
        Some(other) => {
            Err(TemplateFault::new(format!("{other:?} does not stand in a path as it is")).suggest("write {name} for the segment"))
        }
    }
}

/// Of what RFC 3986, section 3.3, lets stand in a segment, all but escapes and the `;` that begins parameters.
fn may_stand_in_literal(character: char) -> bool {
    character.is_ascii_alphanumeric() || "-._~!$&'()*+,=:@".contains(character)
}

impl fmt::Display for PathTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for PathTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> PathTemplate {
        text.parse().unwrap_or_else(|fault| panic!("{text}: {fault}"))
    }

    /// Whether it is for this path, as slowly as its description says it.
    fn is_for(template: &PathTemplate, path: &str) -> bool {
        let pieces: Vec<&str> = path[1..].split('/').collect();
        let mut place = 0;
        for segment in template.segments() {
            match (segment, pieces.get(place)) {
                (TemplateSegment::Rest(_), _) => return true,
                (TemplateSegment::Literal(text), Some(piece)) if **text == **piece => {}
                (TemplateSegment::Parameter(_), Some(piece)) if !piece.is_empty() => {}
                _ => return false,
            }
            place += 1;
        }
        place == pieces.len()
    }

    const TEMPLATES: [&str; 16] = [
        "/",
        "/a",
        "/a/",
        "/{x}",
        "/{x}/",
        "/a/b",
        "/a/{x}",
        "/{x}/b",
        "/{x}/{y}",
        "/{*rest}",
        "/a/{*rest}",
        "/{x}/{*rest}",
        "/a/b/{*rest}",
        "/{x}/b/{*rest}",
        "/a/{x}/c",
        "/a/b/c",
    ];

    #[test]
    fn templates_lie_to_each_other_as_their_paths_do() {
        let mut paths = vec!["/".to_owned()];
        for one in ["a", "b", "z"] {
            paths.extend([format!("/{one}"), format!("/{one}/")]);
            for two in ["a", "b", "c", "z"] {
                paths.extend([format!("/{one}/{two}"), format!("/{one}/{two}/"), format!("/{one}/{two}/c"), format!("/{one}/{two}/z/z")]);
            }
        }
        for (one, two) in TEMPLATES.iter().flat_map(|one| TEMPLATES.iter().map(move |two| (template(one), template(two)))) {
            let (ours, theirs): (Vec<_>, Vec<_>) =
                paths.iter().map(|path| (is_for(&one, path), is_for(&two, path))).filter(|(ours, theirs)| *ours || *theirs).unzip();
            let both = ours.iter().zip(&theirs).any(|(ours, theirs)| *ours && *theirs);
            let expected = match (both, theirs.iter().all(|is| *is), ours.iter().all(|is| *is)) {
                (false, ..) => Specificity::Apart,
                (true, true, true) => Specificity::Same,
                (true, true, false) => Specificity::More,
                (true, false, true) => Specificity::Less,
                (true, false, false) => Specificity::Crossing,
            };
            assert_eq!(one.compared_with(&two), expected, "{one} {two}");
            if expected != Specificity::Apart {
                let path = one.common_path(&two);
                assert!(is_for(&one, &path) && is_for(&two, &path), "{one} {two}: {path}");
            }
        }
    }

    #[test]
    fn what_is_no_template_says_what_to_write() {
        for (text, suggestion) in [
            ("v1/runs", Some("write \"/v1/runs\"")),
            ("", Some("write \"/{*rest}\" for every path")),
            ("https://api/v1", Some("name the host in `hosts`, and here the path alone")),
            ("/v1//runs", Some("write one")),
            ("/v1/:id", Some("write {id}")),
            ("/v1/*", Some("write {*rest}")),
            ("/v1/{*rest}/x", Some("write {rest} for one segment")),
            ("/v1/{}", Some("write {name}, or {*rest} for whatever is left")),
            ("/v1/run-{id}", None),
            ("/v1/{id}/{id}", None),
            ("/v1/../x", None),
            ("/v1/a%20b", Some("write {name} for the segment")),
            ("/v1/a;b", Some("write {name} for the segment")),
            ("/v1/caf\u{e9}", Some("write {name} for the segment")),
            ("/v1?x=y", Some("leave out what stands from `?` on")),
        ] {
            let fault = text.parse::<PathTemplate>().expect_err(text);
            assert_eq!(fault.suggestion.as_deref(), suggestion, "{text}: {fault}");
        }
        assert!(format!("/{}", "a".repeat(LENGTH_MAX)).parse::<PathTemplate>().is_err());
        assert!("/a".repeat(SEGMENTS_MAX + 1).parse::<PathTemplate>().is_err());
    }

    #[test]
    fn a_parameter_is_found_by_its_name() {
        let template = template("/v1/spaces/{space}/runs/{*rest}");
        assert_eq!((template.position("space"), template.position("rest"), template.position("v1")), (Some(2), None, None));
        assert_eq!(template.parameters().collect::<Vec<_>>(), ["space"]);
    }
}
