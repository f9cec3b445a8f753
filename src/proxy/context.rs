//! What the requests of a thread have in common: what the thread has, and what the settings in force make of it.
//!
//! A request goes by one set of settings from its head to the end of its answer: it reads once which are in force. So nothing is done half
//! by the old ones and half by the new; where a key is looked for, and what is removed because keys may stand in it, change together.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::failure_log::FailureLog;
use super::headers::HeaderRules;
use super::in_flight::RequestsInFlight;
use super::poll_epoch::PollEpochs;
use super::request_body::BodyTimeouts;
use super::timer::CoarseTimer;
use super::tracker::ConnectionTracker;
use super::upstream::{EndpointLimits, Upstream, UpstreamParts, Upstreams};
use crate::clock::Clock;
use crate::config::{AccessLog, EndStreams, LiveSettings, RouteSettings, Settings};
use crate::edge::client_address::TrustedProxies;
use crate::edge::credential::Places;
use crate::edge::rate::{Quota, RateTable};
use crate::edge::request_id::RequestIds;
use crate::edge::routes::{self, Routes, Selection};
use crate::edge::tls::UpstreamTls;
use crate::exchange::Exchange;
use crate::telemetry::{Metrics, Route};

/// Requests at once on one HTTP/2 connection.
pub(super) const STREAMS_MAX: u32 = 200;

/// What a thread has, whatever the settings say.
#[derive(Clone)]
pub(super) struct ThreadParts {
    pub(super) exchange: Arc<Exchange>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) timer: Rc<CoarseTimer>,
    pub(super) epochs: Rc<PollEpochs>,
    pub(super) request_ids: Rc<RequestIds>,
    pub(super) upstream_tls: UpstreamTls,
    pub(super) failures: Rc<FailureLog>,
    /// How many there are.
    pub(super) threads: usize,
    /// The thread is being ended: whatever still runs is cut off by us, and not by its client.
    pub(super) cutting: Rc<Cell<bool>>,
    /// What has been used of the rates, in all threads.
    pub(super) rates: Arc<RateTable>,
    /// In all threads, too.
    pub(super) in_flight: Arc<RequestsInFlight>,
    /// Where a connection that is no HTTP any more is tracked.
    pub(super) connections: Rc<ConnectionTracker>,
}

/// What a request goes by. Made once for each thread and each set of settings.
pub(super) struct RequestContext {
    pub(super) exchange: Arc<Exchange>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) access_log: AccessLog,
    /// When what is open ends with its key.
    pub(super) end_streams: EndStreams,
    /// Where keys are looked for.
    pub(super) places: Places,
    pub(super) header_rules: Rc<HeaderRules>,
    /// Header lines of a request.
    pub(super) max_headers: usize,
    pub(super) trusted_proxies: TrustedProxies,
    pub(super) upstreams: Upstreams,
    pub(super) failures: Rc<FailureLog>,
    pub(super) timer: Rc<CoarseTimer>,
    pub(super) request_ids: Rc<RequestIds>,
    pub(super) body_timeouts: BodyTimeouts,
    pub(super) cutting: Rc<Cell<bool>>,
    pub(super) connections: Rc<ConnectionTracker>,
    /// None: every request is for the same.
    pub(super) routes: Option<Routes>,
    /// What may pass of each key.
    pub(super) key_quota: Option<Quota>,
    /// What may pass of each route, and what it is counted under.
    pub(super) route_quotas: Vec<Option<(u64, Quota)>>,
    pub(super) rates: Arc<RateTable>,
    pub(super) in_flight: Arc<RequestsInFlight>,
    /// What each of them is counted as.
    pub(super) route_labels: Vec<Route>,
    /// What it is made of.
    pub(super) settings: Arc<Settings>,
    /// The version of what TLS is spoken by to the upstream.
    tls_version: usize,
}

impl RequestContext {
    fn new(thread: ThreadParts, upstreams: Upstreams, settings: Arc<Settings>, tls_version: usize) -> Self {
        let ThreadParts {
            exchange,
            clock,
            metrics,
            timer,
            epochs: _,
            request_ids,
            upstream_tls: _,
            failures,
            cutting,
            connections,
            threads: _,
            rates,
            in_flight,
        } = thread;
        let (proxy, limits) = (&settings.proxy, &settings.limits);
        let places = Places::of(&proxy.credentials);
        let removed = [proxy.remove_headers.clone(), routes::removed_for(&settings.routes)].concat();
        let route_labels = settings.routes.iter().map(|route| metrics.route(&route.name)).collect();
        Self {
            exchange,
            clock,
            metrics,
            access_log: settings.log.access,
            end_streams: proxy.end_streams,
            header_rules: Rc::new(HeaderRules::new(places.headers(), &settings.token.header, &settings.token.headers, &removed, proxy.via)),
            places,
            max_headers: limits.max_headers,
            trusted_proxies: TrustedProxies::of(proxy),
            upstreams,
            failures,
            timer,
            request_ids,
            body_timeouts: BodyTimeouts { stall: limits.idle_timeout, grace: limits.header_timeout },
            cutting,
            connections,
            routes: Routes::of(&settings.routes),
            key_quota: limits.rate.map(Quota::of),
            route_quotas: settings.routes.iter().map(|route| quota_of(route, &rates)).collect(),
            rates,
            in_flight,
            route_labels,
            settings,
            tls_version,
        }
    }

    /// Where requests of this route go; `None`: there are none.
    pub(super) fn upstream(&self, selection: Option<&Selection>) -> &Upstream {
        self.upstreams.of_route(selection.map(|selection| selection.route.number))
    }
}

/// A thread's context of the settings in force.
pub(super) struct LiveContext {
    live: LiveSettings,
    pub(super) thread: ThreadParts,
    current: RefCell<Rc<RequestContext>>,
}

impl LiveContext {
    /// `None` if nobody says how TLS is spoken to an upstream that it must be spoken to.
    pub(super) fn new(live: LiveSettings, thread: ThreadParts) -> Option<Self> {
        let (settings, tls_version) = (Arc::clone(&*live.now()), thread.upstream_tls.version());
        let upstreams = upstreams(&settings, &thread, None)?;
        let current = RefCell::new(Rc::new(RequestContext::new(thread.clone(), upstreams, settings, tls_version)));
        Some(Self { live, thread, current })
    }

    /// For what begins now. What is under way keeps the one that it began with, and its way to the upstream, until it ends.
    pub(super) fn now(&self) -> Rc<RequestContext> {
        let (settings, tls_version) = (self.live.now(), self.thread.upstream_tls.version());
        let mut current = self.current.borrow_mut();
        if !Arc::ptr_eq(&settings, &current.settings) || tls_version != current.tls_version {
            *current = self.adapted(&current, Arc::clone(&settings), tls_version);
        }
        Rc::clone(&current)
    }

    #[cold]
    fn adapted(&self, before: &Rc<RequestContext>, settings: Arc<Settings>, tls_version: usize) -> Rc<RequestContext> {
        // What TLS is spoken by is put in force before the settings that want it. Were it not, those before would count as a whole: nothing is
        // done half by either.
        let Some(upstreams) = upstreams(&settings, &self.thread, Some(&before.upstreams)) else { return Rc::clone(before) };
        self.thread.timer.adapt_to(&spans(&settings));
        Rc::new(RequestContext::new(self.thread.clone(), upstreams, settings, tls_version))
    }
}

/// Counted under what the route is for: its name may be another one's, too, and its place in the file may change.
fn quota_of(route: &RouteSettings, rates: &RateTable) -> Option<(u64, Quota)> {
    let hosts: Vec<String> = route.hosts.iter().map(ToString::to_string).collect();
    let tag = || rates.tag(("route", route.path.as_str(), &route.methods, hosts));
    route.rate.map(|rate| (tag(), Quota::of(rate)))
}

/// What a thread's timer must be fine enough for.
pub(super) fn spans(settings: &Settings) -> [Duration; 3] {
    let of_routes = settings.routes.iter().filter_map(|route| route.response_timeout);
    let of_upstreams = settings.all_upstreams().map(|(_, upstream)| upstream.response_timeout);
    let response_timeout = of_routes.chain(of_upstreams).min().unwrap_or(settings.upstream.response_timeout);
    [settings.limits.header_timeout, settings.limits.idle_timeout, response_timeout]
}

/// The ways to the upstreams that these settings want.
fn upstreams(settings: &Settings, thread: &ThreadParts, before: Option<&Upstreams>) -> Option<Upstreams> {
    let limits = EndpointLimits {
        max_headers: settings.limits.max_headers,
        connections: upstream_connections(settings.limits.max_connections, thread.threads),
    };
    let parts = UpstreamParts {
        timer: Rc::clone(&thread.timer),
        epochs: Rc::clone(&thread.epochs),
        metrics: Arc::clone(&thread.metrics),
        failures: Rc::clone(&thread.failures),
    };
    Upstreams::of(settings, limits, |wanted| thread.upstream_tls.made_by(wanted), before, &parts)
}

/// How many connections to an endpoint of an upstream a thread may have: one for each of its clients, which the threads share equally, and in any case as
/// many as one client may ask for at once.
fn upstream_connections(clients: usize, threads: usize) -> usize {
    clients.div_ceil(threads.max(1)).saturating_add(1).max(STREAMS_MAX as usize)
}
