//! `claviger route test`: which route a request is for, what it needs, and what would be sent.
//!
//! It goes by the configuration that is here, and by the very steps of the data plane; no request is made.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use serde::Serialize;

use super::args::certificate::certificate;
use super::args::value::joined;
use super::failure::Failure;
use super::output::{Format, Output};
use super::place::Place;
use crate::clock::Moment;
use crate::config::{HostPattern, RateSettings, RouteAuth, RouteSettings, Settings, UpstreamSettings, show_duration, show_size};
use crate::edge::routes::{Routes, Selection, Unrouted};
use crate::exchange::Origin;
use crate::model::{
    ActionPattern, ClientCertificate, Grants, KeyName, MissingAction, Outcome, Refusal, Rights, RoleId, RolesBySpace, Snapshot, SpaceId,
};

#[derive(Debug, clap::Args)]
pub(crate) struct RouteCommand {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    verb: RouteVerb,
}

#[derive(Debug, clap::Subcommand)]
enum RouteVerb {
    /// Which route a request is for, why others are not, what it needs, and what would be sent
    Test {
        /// The method
        #[arg(value_name = "METHOD")]
        method: String,
        /// The path, as a client sends it; a query is passed over
        #[arg(value_name = "PATH")]
        path: String,
        /// The host that the request is for; else none that a route names
        #[arg(long, value_name = "HOST")]
        host: Option<String>,
        /// Whether this key may
        #[arg(long, value_name = "NAME_OR_ID")]
        key: Option<String>,
        /// The client's address that policies see; else 127.0.0.1
        #[arg(long, value_name = "ADDR")]
        ip: Option<IpAddr>,
        /// The certificate that the client has shown, a PEM file; else none
        #[arg(long, value_name = "FILE")]
        certificate: Option<PathBuf>,
    },
}

/// What was found, as JSON has it.
#[derive(Serialize)]
struct Tested {
    method: String,
    path: String,
    host: Option<String>,
    /// What the client would get: `ok`, or the code of the refusal, as far as that can be told.
    code: &'static str,
    /// In words.
    reason: String,
    route: Option<RouteView>,
    /// The space that the request is about.
    space: Option<SpaceId>,
    /// The other routes, and why the request is not for them.
    others: Vec<OtherRoute>,
    key: Option<KeyName>,
    sent: Option<Sent>,
}

#[derive(Serialize)]
struct RouteView {
    name: String,
    /// Counted from 0, as variables and faults name it.
    number: usize,
    path: String,
    methods: Vec<String>,
    hosts: Vec<String>,
    auth: &'static str,
    require: Option<String>,
    cors_preflight: bool,
    response_timeout: String,
    max_body_bytes: Option<u64>,
    rate: Option<RateView>,
    /// What the route calls its upstream; none: it has none of its own, or says its url.
    upstream: Option<String>,
}

#[derive(Serialize)]
struct RateView {
    requests_per_second: u32,
    burst: u32,
}

#[derive(Serialize)]
struct OtherRoute {
    name: String,
    number: usize,
    why: String,
}

/// What the upstream gets.
#[derive(Serialize)]
struct Sent {
    upstream: String,
    target: String,
    /// Where the token stands; none: there is no token.
    header: Option<String>,
    /// What the token says of the key's rights, if the key is known.
    claims: Option<Claims>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Claims {
    Everywhere { roles: RolesBySpace },
    There { space: SpaceId, roles: BTreeSet<RoleId>, actions: Option<BTreeSet<ActionPattern>> },
}

impl RouteCommand {
    pub(crate) async fn run(self, out: &Output) -> Result<(), Failure> {
        let RouteVerb::Test { method, path, host, key, ip, certificate: shown } = self.verb;
        let method = Method::try_from(&*method).map_err(|_| Failure::usage(format_args!("{method:?} is no method")))?;
        let path = path.split_once('?').map_or(&*path, |(path, _)| path).to_owned();
        if !path.starts_with('/') || path.parse::<http::uri::PathAndQuery>().is_err() {
            return Err(Failure::usage("the path begins with a slash, and holds what a request line may hold"));
        }
        let settings = self.place.settings_here(out)?;
        let mut tested = Tested::of(&settings, &method, path, host);
        let selected = tested.select(&settings, &method);
        let shown = certificate(shown.as_deref())?;
        if let (Some(name), Ok(selection)) = (key, selected) {
            tested.ask_for(&name, selection.as_ref(), (ip, shown), &settings, &self.place, out).await?;
        }
        tested.show(out)?;
        if tested.code == Outcome::Forwarded.code() { Ok(()) } else { Err(Failure::refused(&tested.reason)) }
    }
}

impl Tested {
    fn of(settings: &Settings, method: &Method, path: String, host: Option<String>) -> Self {
        let reason = match settings.routes.len() {
            0 => "there are no routes: every path is forwarded, with a key that works".to_owned(),
            _ => String::new(),
        };
        let code = Outcome::Forwarded.code();
        Self { method: method.to_string(), path, host, code, reason, route: None, space: None, others: Vec::new(), key: None, sent: None }
    }

    /// Finds the route. `None`: there are no routes, and the request is for nothing in particular.
    fn select(&mut self, settings: &Settings, method: &Method) -> Result<Option<Selection>, Unrouted> {
        let Some(routes) = Routes::of(&settings.routes) else {
            self.sent = Some(self.sends(settings, &settings.upstream, RouteAuth::Required));
            return Ok(None);
        };
        let found = routes.find(method, self.host.as_ref().map(String::as_bytes), &self.path);
        let number = found.as_ref().ok().map(|selection| selection.route.number);
        let others = routes.iter().filter(|route| Some(route.number) != number);
        self.others = others
            .map(|route| {
                let why = why_not(&route.settings, method, self.host.as_deref(), &self.path, number);
                OtherRoute { name: route.settings.name.clone(), number: route.number, why }
            })
            .collect();
        match found {
            Ok(selection) => {
                let route = &selection.route.settings;
                self.route = Some(RouteView::of(route, selection.route.number, settings));
                self.space.clone_from(&selection.space);
                self.sent = Some(self.sends(settings, settings.upstream_of(route), route.auth));
                self.reason = needs(&selection);
                Ok(Some(selection))
            }
            Err(unrouted) => {
                self.code = unrouted.outcome().code();
                self.reason = match unrouted {
                    Unrouted::Nowhere => "no route is for such a request".to_owned(),
                    Unrouted::Ambiguous(what) => what.to_owned(),
                };
                Err(unrouted)
            }
        }
    }

    /// Whether this key may.
    async fn ask_for(
        &mut self,
        name: &str,
        selection: Option<&Selection>,
        (ip, certificate): (Option<IpAddr>, Option<Arc<ClientCertificate>>),
        settings: &Settings,
        place: &Place,
        out: &Output,
    ) -> Result<(), Failure> {
        let store = place.look(out).await?;
        let key = store.key(name).await?;
        self.key = Some(key.name.clone());
        if selection.and_then(Selection::open).is_some() {
            return Ok(());
        }
        let explainer = store.explainer(out).await?;
        let address = ip.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |ip| ip.to_canonical());
        let there = Origin::at_address(Some(address), Moment { wall: store.now(), monotonic: Duration::ZERO });
        let origin = Origin { certificate, ..there };
        let told = explainer.explain(&key, &origin).await;
        let snapshot = Arc::new(explainer.snapshot().clone());
        let grants = told.decision.map(|decision| decision.grants).unwrap_or_default();
        let space = selection.and_then(|selection| selection.space.clone());
        let action = selection.and_then(|selection| selection.route.settings.require.clone());
        // A token about one space is small, whatever the key holds elsewhere.
        let outcome = match told.outcome {
            Err(Refusal::TokenTooLarge(_)) if space.is_some() => Ok(()),
            outcome => outcome,
        };
        let refusal = match (outcome, action, &space) {
            (Err(refusal), ..) => Some(refusal),
            (Ok(()), Some(action), Some(space)) if !Rights::of(&grants, &snapshot).may(&action, space) => {
                Some(Refusal::MissingAction(Box::new(MissingAction { action, space: space.clone() })))
            }
            (Ok(()), Some(_) | None, Some(_) | None) => None,
        };
        if let Some(refusal) = refusal {
            (self.code, self.reason) = (refusal.code(), refusal.sentence());
            self.sent = None;
        } else {
            self.reason = format!("{}; {} may pass", self.reason, key.name);
            if let Some(sent) = &mut self.sent {
                sent.claims = Some(claims(&grants, space, &snapshot, settings.token.include_actions));
            }
        }
        Ok(())
    }

    fn sends(&self, settings: &Settings, upstream: &UpstreamSettings, auth: RouteAuth) -> Sent {
        let header = match auth {
            RouteAuth::Required => Some(settings.token.header.to_string()),
            RouteAuth::None => None,
        };
        Sent { upstream: upstream.url.to_string(), target: format!("{} {}", self.method, self.path), header, claims: None }
    }

    fn show(&self, out: &Output) -> Result<(), Failure> {
        if out.format() == Format::Json {
            return out.record(self, []);
        }
        let request = format!("{} {}{}", self.method, self.host.as_deref().unwrap_or_default(), self.path);
        let head = [("request", request), ("answer", format!("{}: {}", self.code, self.reason))];
        let route = self.route.iter().flat_map(RouteView::rows);
        let space = self.space.iter().map(|space| ("space", space.to_string()));
        let sent = self.sent.iter().flat_map(Sent::rows);
        out.record(self, head.into_iter().chain(route).chain(space).chain(sent))?;
        let others = self.others.iter().map(|other| vec![other.number.to_string(), other.name.clone(), other.why.clone()]);
        if self.others.is_empty() { Ok(()) } else { out.list("other routes", &["NUMBER", "OTHER ROUTE", "WHY NOT"], others, self) }
    }
}

impl RouteView {
    fn of(route: &RouteSettings, number: usize, settings: &Settings) -> Self {
        Self {
            name: route.name.clone(),
            number,
            path: route.path.to_string(),
            methods: route.methods.iter().map(ToString::to_string).collect(),
            hosts: route.hosts.iter().map(ToString::to_string).collect(),
            auth: route.auth.as_str(),
            require: route.require.as_ref().map(ToString::to_string),
            cors_preflight: route.cors_preflight,
            response_timeout: show_duration(route.response_timeout.unwrap_or(settings.upstream_of(route).response_timeout)),
            max_body_bytes: route.max_body_bytes,
            rate: route.rate.map(|RateSettings { requests_per_second, burst }| RateView { requests_per_second, burst }),
            upstream: route.upstream.as_ref().and_then(|upstream| upstream.name.clone()),
        }
    }

    fn rows(&self) -> Vec<(&'static str, String)> {
        let any = |words: &[String], every: &str| if words.is_empty() { every.to_owned() } else { joined(words) };
        let mut rows = vec![
            ("route", format!("{} (routes.{})", self.name, self.number)),
            ("for", format!("{} {} of {}", any(&self.methods, "every method"), self.path, any(&self.hosts, "every host"))),
            ("auth", self.auth.to_owned()),
        ];
        rows.extend(self.require.iter().map(|action| ("require", action.clone())));
        rows.push(("response_timeout", self.response_timeout.clone()));
        rows.extend(self.max_body_bytes.map(|most| ("max_body_bytes", show_size(most))));
        let rate = self.rate.as_ref().map(|rate| format!("{} a second, {} at once", rate.requests_per_second, rate.burst));
        rows.extend(rate.map(|rate| ("rate", rate)));
        rows.extend(self.upstream.iter().map(|name| ("upstream", name.clone())));
        rows
    }
}

impl Sent {
    fn rows(&self) -> Vec<(&'static str, String)> {
        let token = match (&self.header, &self.claims) {
            (None, _) => "no token, and no key".to_owned(),
            (Some(header), None) => format!("a token in {header}"),
            (Some(header), Some(Claims::Everywhere { roles })) => {
                let roles = roles.iter().flat_map(|(space, roles)| roles.iter().map(move |role| format!("{role}@{space}")));
                format!("a token in {header}, with the roles {}", joined(roles.collect::<Vec<_>>()))
            }
            (Some(header), Some(Claims::There { space, roles, .. })) => {
                let roles: Vec<String> = roles.iter().map(ToString::to_string).collect();
                format!("a token in {header}, about {space}, with the roles {}", joined(&roles))
            }
        };
        vec![("sent", format!("{} to {}, with {token}", self.target, self.upstream))]
    }
}

/// What the route asks of whoever sends the request.
fn needs(selection: &Selection) -> String {
    let route = &selection.route.settings;
    match (selection.open().is_some(), &route.require, &selection.space) {
        (true, ..) => "anybody may, and no key is looked at".to_owned(),
        (false, Some(action), Some(space)) => format!("it takes a key that may {action} in space {space}"),
        (false, Some(_) | None, Some(_) | None) => "it takes a key that works".to_owned(),
    }
}

/// Why the request is not for this route, but for another one, by its number, or for none.
fn why_not(route: &RouteSettings, method: &Method, host: Option<&str>, path: &str, other: Option<usize>) -> String {
    let Some(alone) = Routes::of(std::slice::from_ref(route)) else { return String::new() };
    let fits = |method: &Method, host: Option<&str>| alone.find(method, host.map(str::as_bytes), path).is_ok();
    let own_method = route.methods.first().unwrap_or(method);
    let own_host = route.hosts.first().map(|host| match host {
        HostPattern::Exact(host) => host.clone(),
        HostPattern::Below(suffix) => format!("x{suffix}"),
    });
    if fits(method, host) {
        let why =
            if other.is_some() { "a more specific route is for it" } else { "the path differs from another route's by a slash alone" };
        return why.to_owned();
    }
    if !fits(own_method, own_host.as_deref()) {
        let turned = path.strip_suffix('/').map_or_else(|| format!("{path}/"), str::to_owned);
        let differs = alone.find(own_method, own_host.as_deref().map(str::as_bytes), &turned).is_ok();
        return format!("the path {} {}", if differs { "differs by a slash from" } else { "is not" }, route.path);
    }
    let mut whys = Vec::new();
    if !fits(own_method, host) {
        let hosts: Vec<String> = route.hosts.iter().map(ToString::to_string).collect();
        whys.push(format!("the host is not {}", hosts.join(" or ")));
    }
    if !route.takes(method) {
        whys.push(format!("it takes {}", route.methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ")));
    }
    whys.join("; ")
}

fn claims(grants: &Grants, space: Option<SpaceId>, snapshot: &Snapshot, include_actions: bool) -> Claims {
    let mut effective = grants.effective(&snapshot.spaces);
    let Some(space) = space else { return Claims::Everywhere { roles: effective } };
    let roles = effective.remove(&space).unwrap_or_default();
    let known = roles.iter().filter_map(|role| snapshot.roles.get(role));
    let actions = include_actions.then(|| known.flat_map(|role| role.actions.iter().cloned()).collect());
    Claims::There { space, roles, actions }
}
