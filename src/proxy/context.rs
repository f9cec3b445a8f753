//! What the requests of a thread have in common: what the thread has, and what the settings in force make of it.
//!
//! A request goes by one set of settings from its head to the end of its answer: it reads once which are in force. So nothing is done half
//! by the old ones and half by the new; where a key is looked for, and what is removed because keys may stand in it, change together.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;

use super::failure_log::FailureLog;
use super::headers::HeaderRules;
use super::poll_epoch::PollEpochs;
use super::request_body::BodyTimeouts;
use super::timer::CoarseTimer;
use super::tracker::ConnectionTracker;
use super::upstream::Upstream;
use crate::clock::Clock;
use crate::config::{AccessLog, EndStreams, LiveSettings, Settings};
use crate::edge::client_address::TrustedProxies;
use crate::edge::request_id::RequestIds;
use crate::exchange::Exchange;
use crate::telemetry::Metrics;

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
    /// How many there are.
    pub(super) threads: usize,
    /// The thread is being ended: whatever still runs is cut off by us, and not by its client.
    pub(super) cutting: Rc<Cell<bool>>,
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
    pub(super) credential_headers: Vec<HeaderName>,
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
    /// What it is made of.
    pub(super) settings: Arc<Settings>,
}

impl RequestContext {
    fn new(thread: ThreadParts, (upstream, failures): (Rc<Upstream>, Rc<FailureLog>), settings: Arc<Settings>) -> Self {
        let ThreadParts { exchange, clock, metrics, timer, epochs: _, request_ids, cutting, connections, threads: _ } = thread;
        let (proxy, limits) = (&settings.proxy, &settings.limits);
        Self {
            exchange,
            clock,
            metrics,
            access_log: settings.log.access,
            end_streams: proxy.end_streams,
            credential_headers: proxy.credential_headers.clone(),
            header_rules: Rc::new(HeaderRules::new(&proxy.credential_headers, &settings.token.header, &proxy.remove_headers, proxy.via)),
            max_headers: limits.max_headers,
            trusted_proxies: TrustedProxies::of(proxy),
            upstream,
            failures,
            timer,
            request_ids,
            body_timeouts: BodyTimeouts { stall: limits.idle_timeout, grace: limits.header_timeout },
            cutting,
            connections,
            settings,
        }
    }

    /// The way to the upstream, unless these settings want another one.
    fn way_for(&self, settings: &Settings) -> Option<(Rc<Upstream>, Rc<FailureLog>)> {
        let of_limits = |settings: &Settings| (settings.limits.max_headers, settings.limits.max_connections);
        let same = settings.upstream == self.settings.upstream && of_limits(settings) == of_limits(&self.settings);
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
        let settings = Arc::clone(&*live.now());
        let way = way(&settings, &thread)?;
        let current = RefCell::new(Rc::new(RequestContext::new(thread.clone(), way, settings)));
        Some(Self { live, thread, current })
    }

    /// For what begins now. What is under way keeps the one that it began with, and its way to the upstream, until it ends.
    pub(super) fn now(&self) -> Rc<RequestContext> {
        let settings = self.live.now();
        let mut current = self.current.borrow_mut();
        if !Arc::ptr_eq(&settings, &current.settings) {
            *current = self.adapted(&current, Arc::clone(&settings));
        }
        Rc::clone(&current)
    }

    #[cold]
    fn adapted(&self, before: &RequestContext, settings: Arc<Settings>) -> Rc<RequestContext> {
        self.thread.timer.adapt_to(&spans(&settings));
        let way = before.way_for(&settings).unwrap_or_else(|| match way(&settings, &self.thread) {
            Some(another) => {
                before.upstream.retire();
                another
            }
            // Of settings that were read, every URL has an authority.
            None => (Rc::clone(&before.upstream), Rc::clone(&before.failures)),
        });
        Rc::new(RequestContext::new(self.thread.clone(), way, settings))
    }
}

/// What a thread's timer must be fine enough for.
pub(super) fn spans(settings: &Settings) -> [Duration; 3] {
    [settings.limits.header_timeout, settings.limits.idle_timeout, settings.upstream.response_timeout]
}

fn way(settings: &Settings, thread: &ThreadParts) -> Option<(Rc<Upstream>, Rc<FailureLog>)> {
    let limits = &settings.limits;
    let connections = upstream_connections(limits.max_connections, thread.threads);
    let (timer, epochs) = (Rc::clone(&thread.timer), Rc::clone(&thread.epochs));
    let upstream = Upstream::new(&settings.upstream, limits.max_headers, connections, timer, epochs).map(Rc::new)?;
    let failures = Rc::new(FailureLog::new(&thread.timer, upstream.authority()));
    Some((upstream, failures))
}

/// How many connections to the upstream a thread may have: one for each of its clients, which the threads share equally, and in any case as
/// many as one client may ask for at once.
fn upstream_connections(clients: usize, threads: usize) -> usize {
    clients.div_ceil(threads.max(1)).saturating_add(1).max(STREAMS_MAX as usize)
}
