//! `[[routes]]`: which requests there are, and what each needs.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use http::Method;

use super::parse::{ValueError, ValueErrors, duration, list, one_of, size, text, truth};
use super::quantity::{hours, millis};
use super::rate::RateSettings;
use super::reader::{Section, TakesEffect};
use super::upstream::{UpstreamSettings, is_name};
use super::upstream_url::{UpstreamUrls, urls};
use super::value::{Origin, Value};
use crate::diagnostics::nearest;
use crate::model::{Action, PathTemplate, SpaceId, Specificity};

/// More routes than anybody keeps an overview of.
const ROUTES_MAX: usize = 1000;
/// The longest name that is written, in bytes.
const NAME_MAX: usize = 100;

/// An entry of `[[routes]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteSettings {
    /// What metrics and logs call it. Routes of one name are counted together.
    pub name: String,
    /// Which paths.
    pub path: PathTemplate,
    /// Which methods; none: every one. `GET` says `HEAD`, too.
    pub methods: Vec<Method>,
    /// Which hosts; none: every one.
    pub hosts: Vec<HostPattern>,
    /// Whether a key is needed.
    pub auth: RouteAuth,
    /// The space that a request is about: its token speaks of that one alone.
    pub space: Option<RouteSpace>,
    /// What the key must be allowed to do in that space.
    pub require: Option<Action>,
    /// Whether CORS preflights of it pass without a key.
    pub cors_preflight: bool,
    /// Instead of `upstream.response_timeout`.
    pub response_timeout: Option<Duration>,
    /// How long a request's body may be.
    pub max_body_bytes: Option<u64>,
    /// How many requests may pass, whoever sends them.
    pub rate: Option<RateSettings>,
    /// Instead of `[upstream]`.
    pub upstream: Option<RouteUpstream>,
}

/// The upstream of a route.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteUpstream {
    /// Its name in `[upstreams]`; `None`: the route says its url, and nothing else is said of it.
    pub name: Option<String>,
    /// What is said of it.
    pub settings: UpstreamSettings,
}

/// What a route says of its upstream.
#[derive(Clone, Debug)]
enum RouteTarget {
    Named(String),
    At(UpstreamUrls, bool),
}

/// Whether a route needs a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteAuth {
    /// One that works.
    Required,
    /// None: anybody passes, and no key is looked at.
    None,
}

/// Which space a route is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteSpace {
    /// The one that the path names in this segment, counted from 0.
    Segment(usize),
    /// Always this one.
    Fixed(SpaceId),
}

/// Hosts, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HostPattern {
    /// This one.
    Exact(String),
    /// Every host below this one: `*.example.com` is kept as `.example.com`.
    Below(String),
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(host) => f.write_str(host),
            Self::Below(suffix) => write!(f, "*{suffix}"),
        }
    }
}

impl RouteAuth {
    /// As the configuration spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::None => "none",
        }
    }
}

impl RouteSettings {
    /// All of them, each with its number, held against each other. `upstreams`: those that they may name; `None`: there is one of that name,
    /// and it has a fault.
    pub(super) fn read_all(top: &mut Section<'_, '_>, upstreams: &BTreeMap<String, Option<UpstreamSettings>>) -> Vec<Self> {
        let routes = top.list("routes", |section| Self::read(section, upstreams));
        if routes.len() > ROUTES_MAX {
            top.fault_of(&format!("routes.{ROUTES_MAX}"), format!("there are more than {ROUTES_MAX} routes"), None);
        }
        // What is wrong with one of these makes routes look alike that are not meant to be.
        let is_sound = |number: &usize| !["path", "methods", "hosts"].iter().any(|key| top.is_faulty(&format!("routes.{number}.{key}")));
        let sound: Vec<(usize, &Self)> = routes
            .iter()
            .enumerate()
            .filter_map(|(number, route)| Some((number, route.as_ref()?)))
            .filter(|(number, _)| is_sound(number))
            .collect();
        for (place, (number, route)) in sound.iter().enumerate() {
            for (earlier_number, earlier) in sound.iter().take(place) {
                if let Some(clash) = route.clash_with(earlier) {
                    let place = top.place_of(&format!("routes.{earlier_number}.path"));
                    let (reason, suggestion) = clash.told(route, earlier, &place);
                    top.fault_of(&format!("routes.{number}.path"), reason, Some(suggestion));
                }
            }
        }
        routes.into_iter().flatten().collect()
    }

    /// `None`: the path is missing or wrong, and there is a fault.
    fn read(section: &mut Section<'_, '_>, upstreams: &BTreeMap<String, Option<UpstreamSettings>>) -> Option<Self> {
        let path = section.required("path", TakesEffect::Live, text(template));
        let methods = section.live("methods", Vec::new(), methods);
        let hosts = section.live("hosts", Vec::new(), hosts);
        let auth =
            section.live("auth", RouteAuth::Required, one_of(&[RouteAuth::Required, RouteAuth::None].map(|auth| (auth.as_str(), auth))));
        let space = section.live("space", None, |value, at| text(|text| space(text, path.as_ref()))(value, at));
        let require = section.live("require", None, |value, at| text(action)(value, at).map(Some));
        let cors_preflight = section.live("cors_preflight", false, truth);
        let response_timeout = section.live("response_timeout", None, |value, at| duration(millis(1)..=hours(24))(value, at).map(Some));
        let max_body_bytes = section.live("max_body_bytes", None, |value, at| {
            size(0..=1 << 40)(value, at).map(|bytes| Some(u64::try_from(bytes).unwrap_or(u64::MAX)))
        });
        let rate = section.optional("rate", RateSettings::read).flatten();
        let target = section.live("upstream", None, target);
        let upstream = target.and_then(|target| target.found(section, upstreams));
        let name = section.live("name", None, |value, at| text(name)(value, at).map(Some));
        if require.is_some() && space.is_none() && !section.is_faulty("space") {
            let suggestion = match path.as_ref().and_then(|path| path.parameters().next()) {
                Some(parameter) => format!("say space = \"{{{parameter}}}\" if the path names it, or space = \"root\""),
                None => "say space = \"root\", or the space that this is about".to_owned(),
            };
            section.fault_of_own("require", "an action is allowed in a space, and none is named", Some(suggestion));
        }
        if auth == RouteAuth::None {
            for (said, key) in [(require.is_some(), "require"), (space.is_some(), "space")] {
                if said {
                    let reason = "where no key is looked at, nothing is known of what its holder may do";
                    section.fault_of_own(key, reason, Some("leave it out, or say auth = \"required\"".to_owned()));
                }
            }
        }
        let path = path?;
        let name = name.unwrap_or_else(|| default_name(&path, &methods, &hosts));
        Some(Self { name, path, methods, hosts, auth, space, require, cors_preflight, response_timeout, max_body_bytes, rate, upstream })
    }

    /// Whether it says this method itself, or says nothing of methods.
    #[must_use]
    pub fn takes(&self, method: &Method) -> bool {
        let names = |method: &Method| self.methods.contains(method);
        self.methods.is_empty() || names(method) || (*method == Method::HEAD && names(&Method::GET))
    }

    /// Why some request is for both, and neither more for one than for the other.
    fn clash_with(&self, other: &Self) -> Option<Clash> {
        // Of two patterns the one that says more of the host decides, so only the same one brings them together.
        let same_host = if self.hosts.is_empty() || other.hosts.is_empty() {
            self.hosts.is_empty() && other.hosts.is_empty()
        } else {
            self.hosts.iter().any(|host| other.hosts.contains(host))
        };
        let common = || self.methods.iter().find(|method| other.methods.contains(method));
        let named = || self.methods.first().or(other.methods.first()).cloned().unwrap_or(Method::GET);
        match self.path.compared_with(&other.path) {
            Specificity::Apart | Specificity::More | Specificity::Less => None,
            Specificity::Same | Specificity::Crossing if !same_host => None,
            // Whoever names the method counts before whoever names none.
            Specificity::Same => match (self.methods.is_empty(), other.methods.is_empty()) {
                (true, true) => Some(Clash::Same(Method::GET)),
                (false, false) => common().cloned().map(Clash::Same),
                (true, false) | (false, true) => None,
            },
            Specificity::Crossing => {
                let head = Method::HEAD;
                let mut methods = self.methods.iter().chain(&other.methods).chain([&head]);
                let both = methods.any(|method| self.takes(method) && other.takes(method));
                both.then(|| Clash::Crossing(common().cloned().unwrap_or_else(named)))
            }
        }
    }
}

impl RouteTarget {
    /// The upstream that is meant. `None`: there is none, and there is a fault.
    fn found(self, section: &mut Section<'_, '_>, upstreams: &BTreeMap<String, Option<UpstreamSettings>>) -> Option<RouteUpstream> {
        let name = match self {
            Self::Named(name) => name,
            Self::At(url, h2c) => {
                let base = section.base_of("upstream");
                let url = url.resolved(|path| base.join(path));
                if let Some(reason) = url.too_long() {
                    section.fault_of_own("upstream", reason, Some("name a shorter one, or a link to it".to_owned()));
                }
                return Some(RouteUpstream { name: None, settings: UpstreamSettings::of(url, h2c) });
            }
        };
        if let Some(known) = upstreams.get(&name) {
            return known.clone().map(|settings| RouteUpstream { name: Some(name), settings });
        }
        let suggestion = match nearest(&name, upstreams.keys().map(String::as_str)) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("write its url here, or a section `[upstreams.{name}]` with its url"),
        };
        section.fault_of_own("upstream", format!("there is no upstream {name:?}"), Some(suggestion));
        None
    }
}

/// Why two routes cannot both stand.
enum Clash {
    Same(Method),
    Crossing(Method),
}

impl Clash {
    fn told(&self, route: &RouteSettings, earlier: &RouteSettings, place: &str) -> (String, String) {
        match self {
            Self::Same(method) => (
                format!("{method} {} is for this route and for another one, at {place}", route.path.common_path(&earlier.path)),
                "leave one of them out, or give them different methods or hosts".to_owned(),
            ),
            Self::Crossing(method) => (
                format!(
                    "{method} {} is for this route and for {}, at {place}, and neither is more specific",
                    route.path.common_path(&earlier.path),
                    earlier.path
                ),
                "change one of the paths so that one says more than the other wherever they differ, or give them different methods or hosts"
                    .to_owned(),
            ),
        }
    }
}

/// What tells the route from others, as it is read aloud: `POST /v1/runs`.
fn default_name(path: &PathTemplate, methods: &[Method], hosts: &[HostPattern]) -> String {
    let methods = methods.iter().map(Method::as_str).collect::<Vec<_>>().join(",");
    let host = hosts.first().map(ToString::to_string).unwrap_or_default();
    if methods.is_empty() { format!("{host}{path}") } else { format!("{methods} {host}{path}") }
}

fn name(text: &str) -> Result<String, ValueError> {
    let printable = text.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\');
    match text {
        "" => Err(ValueError::new("a route without a name of its own is called by its path: leave it out")),
        "-" | "*" => Err(ValueError::new(format!("{text:?} has a meaning of its own in metrics"))),
        text if text.len() > NAME_MAX || !printable => {
            Err(ValueError::new(format!("a name has at most {NAME_MAX} bytes of printable ASCII, without quotes and backslashes")))
        }
        text => Ok(text.to_owned()),
    }
}

fn template(text: &str) -> Result<PathTemplate, ValueError> {
    text.parse()
        .map_err(|fault: crate::model::TemplateFault| ValueError { suggestion: fault.suggestion.clone(), ..ValueError::new(fault.reason) })
}

fn action(text: &str) -> Result<Action, ValueError> {
    text.parse().map_err(|invalid: crate::model::Invalid| ValueError::new(invalid.to_string()).suggest("actions look like \"run:trigger\""))
}

fn space(text: &str, path: Option<&PathTemplate>) -> Result<Option<RouteSpace>, ValueError> {
    let Some(parameter) = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) else {
        let fixed = text.parse().map_err(|invalid: crate::model::Invalid| ValueError::new(invalid.to_string()));
        return fixed.map(|space| Some(RouteSpace::Fixed(space)));
    };
    // What is wrong with the path has been told.
    let Some(path) = path else { return Ok(None) };
    if let Some(place) = path.position(parameter) {
        return Ok(Some(RouteSpace::Segment(place)));
    }
    let wrong = ValueError::new(format!("the path has no segment {{{parameter}}}"));
    Err(match nearest(parameter, path.parameters()) {
        Some(near) => wrong.suggest(format!("did you mean \"{{{near}}}\"?")),
        None => wrong.suggest("name a segment of the path that is written in braces, or a space"),
    })
}

/// A name, or what `upstream.url` may hold.
fn target(value: &Value, at: &Origin) -> Result<Option<RouteTarget>, ValueErrors> {
    match value {
        Value::Text(text) | Value::Bare(text) if is_name(text) => Ok(Some(RouteTarget::Named(text.clone()))),
        Value::Text(_) | Value::Bare(_) | Value::List(_) => urls(value, at).map(|(url, h2c)| Some(RouteTarget::At(url, h2c))),
        Value::Integer(_) | Value::Boolean(_) | Value::Table(_) | Value::Other(_) => {
            let wrong = ValueError::new(format!("a url, a list of urls or the name of an upstream is wanted, not {}", value.kind()));
            Err(wrong.suggest("what else there is to say of an upstream stands in a section of its own, `[upstreams.NAME]`").into())
        }
    }
}

fn methods(value: &Value, at: &Origin) -> Result<Vec<Method>, ValueErrors> {
    let methods = list(text(method))(value, at)?;
    none_twice(&methods, value)?;
    if methods.is_empty() {
        return Err(ValueError::new("no request has none of all methods").suggest("leave it out for every method").into());
    }
    Ok(methods)
}

fn method(text: &str) -> Result<Method, ValueError> {
    let Ok(method) = Method::try_from(text) else {
        return Err(ValueError::new(format!("{text:?} is no method")).suggest("methods look like \"GET\""));
    };
    if matches!(method, Method::CONNECT | Method::TRACE) {
        return Err(ValueError::new(format!("{method} is never forwarded")));
    }
    // Methods tell cases apart (RFC 9110, section 9.1), so this would be another one.
    let upper = text.to_ascii_uppercase();
    let usual = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"];
    if upper != text && usual.contains(&&*upper) {
        return Err(ValueError::new(format!("{text:?} is another method than {upper}")).suggest(format!("write \"{upper}\"")));
    }
    Ok(method)
}

fn hosts(value: &Value, at: &Origin) -> Result<Vec<HostPattern>, ValueErrors> {
    let hosts = list(text(host))(value, at)?;
    none_twice(&hosts, value)?;
    if hosts.is_empty() {
        return Err(ValueError::new("no request has none of all hosts").suggest("leave it out for every host").into());
    }
    Ok(hosts)
}

fn host(text: &str) -> Result<HostPattern, ValueError> {
    let lower = text.to_ascii_lowercase();
    let lower = lower.strip_suffix('.').unwrap_or(&lower);
    if lower == "*" {
        return Err(ValueError::new("every host").suggest("leave hosts out"));
    }
    if let Some((_, rest)) = lower.split_once("://") {
        return Err(ValueError::new("a host is wanted, not a url").suggest(format!("write \"{}\"", rest.trim_end_matches('/'))));
    }
    let is_address = lower.starts_with('[') && lower.ends_with(']') && lower.trim_matches(['[', ']']).parse::<std::net::Ipv6Addr>().is_ok();
    if is_address {
        return Ok(HostPattern::Exact(lower.to_owned()));
    }
    if let Some((name, port)) = lower.rsplit_once(':')
        && port.bytes().all(|byte| byte.is_ascii_digit())
    {
        return Err(ValueError::new("routes do not tell ports apart").suggest(format!("write \"{name}\"")));
    }
    let name = lower.strip_prefix("*.").unwrap_or(lower);
    let label = |label: &str| {
        !label.is_empty() && label.len() <= 63 && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    if !name.split('.').all(label) {
        return Err(ValueError::new(format!("{text:?} is no host"))
            .suggest("hosts look like \"api.example.com\", or \"*.example.com\" for all below"));
    }
    Ok(if name == lower { HostPattern::Exact(lower.to_owned()) } else { HostPattern::Below(format!(".{name}")) })
}

fn none_twice<T: PartialEq + fmt::Display>(items: &[T], value: &Value) -> Result<(), ValueErrors> {
    for (index, item) in items.iter().enumerate() {
        if items.iter().take(index).any(|earlier| earlier == item) {
            let at = if let Value::List(items) = value { items.get(index).map(|(_, at)| at.clone()) } else { None };
            return Err(ValueError { at, ..ValueError::new(format!("{item} stands here twice")) }.into());
        }
    }
    Ok(())
}
