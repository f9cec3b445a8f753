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
use super::upstream::Upstream;
use crate::clock::Clock;
use crate::config::{AccessLog, EndStreams, LiveSettings, RouteSettings, Settings};
use crate::edge::client_address::TrustedProxies;
use crate::edge::credential::Places;
use crate::edge::rate::{Quota, RateTable};
use crate::edge::request_id::RequestIds;
use crate::edge::routes::{self, Routes};
use crate::edge::tls::{TlsClient, UpstreamTls};
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
    pub(super) upstream: Rc<Upstream>,
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
    fn new(thread: ThreadParts, (upstream, failures): (Rc<Upstream>, Rc<FailureLog>), settings: Arc<Settings>, tls_version: usize) -> Self {
        let ThreadParts {
            exchange,
            clock,
            metrics,
            timer,
            epochs: _,
            request_ids,
            upstream_tls: _,
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
            upstream,
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

    /// The way to the upstream, unless these settings, or what the files of TLS say now, want another one.
    fn way_for(&self, settings: &Settings, thread: &ThreadParts) -> Option<(Rc<Upstream>, Rc<FailureLog>)> {
        let (limits, tls) = (&settings.limits, tls_of(settings, thread));
        let connections = upstream_connections(limits.max_connections, thread.threads);
        let same = self.upstream.is_made_by(&settings.upstream, tls.as_ref(), limits.max_headers, connections);
        same.then(|| (Rc::clone(&self.upstream), Rc::clone(&self.failures)))
    }
}

/// A thread's context of the settings in force.
pub(super) struct LiveContext {
    live: LiveSettings,
    pub(super) thread: ThreadParts,
    current: RefCell<Rc<RequestContext>>,
}

impl LiveContext {
    /// `None` if the upstream's URL has no authority.
    pub(super) fn new(live: LiveSettings, thread: ThreadParts) -> Option<Self> {
        let (settings, tls_version) = (Arc::clone(&*live.now()), thread.upstream_tls.version());
        let way = way(&settings, &thread)?;
        let current = RefCell::new(Rc::new(RequestContext::new(thread.clone(), way, settings, tls_version)));
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
    fn adapted(&self, before: &RequestContext, settings: Arc<Settings>, tls_version: usize) -> Rc<RequestContext> {
        self.thread.timer.adapt_to(&spans(&settings));
        let way = before.way_for(&settings, &self.thread).unwrap_or_else(|| match way(&settings, &self.thread) {
            Some(another) => {
                before.upstream.retire();
                another
            }
            // Of settings that were read, every URL has an authority. What TLS is spoken by and the settings that it is made by are put in
            // force one after the other: until both are, nothing is done half by either.
            None => (Rc::clone(&before.upstream), Rc::clone(&before.failures)),
        });
        Rc::new(RequestContext::new(self.thread.clone(), way, settings, tls_version))
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
    let response_timeout = of_routes.chain([settings.upstream.response_timeout]).min().unwrap_or(settings.upstream.response_timeout);
    [settings.limits.header_timeout, settings.limits.idle_timeout, response_timeout]
}

fn way(settings: &Settings, thread: &ThreadParts) -> Option<(Rc<Upstream>, Rc<FailureLog>)> {
    let limits = &settings.limits;
    let connections = upstream_connections(limits.max_connections, thread.threads);
    let (timer, epochs) = (Rc::clone(&thread.timer), Rc::clone(&thread.epochs));
    let tls = tls_of(settings, thread);
    let upstream = Upstream::new(&settings.upstream, tls, limits.max_headers, connections, timer, epochs).map(Rc::new)?;
    let failures = Rc::new(FailureLog::new(&thread.timer, upstream.authority()));
    Some((upstream, failures))
}

/// What TLS is spoken by to the upstream that these settings name; `None`: it is spoken to in the clear, or what they want is not in force yet.
fn tls_of(settings: &Settings, thread: &ThreadParts) -> Option<Arc<TlsClient>> {
    settings.upstream.encryption().and_then(|wanted| thread.upstream_tls.made_by(wanted))
}

/// How many connections to the upstream a thread may have: one for each of its clients, which the threads share equally, and in any case as
/// many as one client may ask for at once.
fn upstream_connections(clients: usize, threads: usize) -> usize {
    clients.div_ceil(threads.max(1)).saturating_add(1).max(STREAMS_MAX as usize)
}
