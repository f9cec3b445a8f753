//! What the requests of a thread have in common.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use http::HeaderName;

use super::failure_log::FailureLog;
use super::headers::HeaderRules;
use super::request_body::BodyTimeouts;
use super::timer::CoarseTimer;
use super::tracker::ConnectionTracker;
use super::upstream::Upstream;
use crate::clock::Clock;
use crate::config::{AccessLog, EndStreams};
use crate::edge::client_address::TrustedProxies;
use crate::edge::request_id::RequestIds;
use crate::exchange::Exchange;
use crate::telemetry::Metrics;

/// Made once for each thread.
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
    pub(super) upstream: Upstream,
    pub(super) failures: FailureLog,
    pub(super) timer: Rc<CoarseTimer>,
    pub(super) request_ids: RequestIds,
    pub(super) body_timeouts: BodyTimeouts,
    /// The thread is being ended: whatever still runs is cut off by us, and not by its client.
    pub(super) cutting: Cell<bool>,
    /// Where a connection that is no HTTP any more is tracked.
    pub(super) connections: Rc<ConnectionTracker>,
}
