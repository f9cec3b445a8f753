//! Every series of the process, one file for each kind of thing that is counted.
//!
//! The number of lines on `/metrics` is constant and at most 300, a histogram's bucket counted as a line. What is spent on what:
//!
//! | series | lines |
//! |---|---|
//! | `http_requests_total`: 8 methods × 13 codes, and 4 for requests past a limit | 108 |
//! | the three HTTP histograms, 8 or 7 bounds each | 32 |
//! | with routes, in place of these: 7 for each, 7 for none, two histograms | 162 with 20 routes |
//! | `store_operation_duration_seconds`: 6 operations, 3 bounds | 36 |
//! | everything else | about 116 |

mod audit;
mod caches;
mod changes;
mod connections;
mod decisions;
mod exposition;
mod label;
mod left_out;
mod logs;
mod policies;
mod requests;
mod routes;
mod series;
mod store;
mod tokens;

pub use caches::{CacheKind, CacheResult};
pub use connections::{CertificateOf, Listener, UpstreamError};
pub use decisions::AuthReason;
pub use left_out::LeftOut;
pub use logs::LogLosses;
pub use policies::{PolicyResult, SampleResult};
pub use routes::Route;
pub use series::{Gauge, Level};
pub use store::StoreOperation;
pub use tokens::SigningKeyState;

use std::time::Duration;

use http::{Method, StatusCode};
use jiff::Timestamp;
use prometheus::TextEncoder;
use prometheus::core::Collector as _;
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::MetricFamily;

use self::audit::Audit;
use self::caches::Caches;
use self::changes::Changes;
use self::connections::Connections;
use self::decisions::Decisions;
use self::exposition::{Family, pair};
use self::policies::Policies;
use self::requests::Requests;
use self::store::Stores;
use self::tokens::Tokens;
use crate::config::{RouteSettings, TokenAlgorithm};
use crate::model::{IgnoredReason, RateLimit};

/// Every series of the process. Where the hot path counts, the place of a member is arithmetic on enums.
pub struct Metrics {
    /// Requests between their head and the end of their answer.
    pub http_in_flight: Gauge,
    /// The last revision that the store is known to have.
    pub store_revision: Level,
    /// The last revision in force here.
    pub applied_revision: Level,
    /// Login policies in force, of the store and of the directory.
    pub policies: Level,
    requests: Requests,
    connections: Connections,
    decisions: Decisions,
    caches: Caches,
    tokens: Tokens,
    login_policies: Policies,
    stores: Stores,
    changes: Changes,
    audit: Audit,
    log_losses: LogLosses,
    process: ProcessCollector,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All series, at zero. One for a process: its own figures are among them.
    pub fn new() -> Self {
        Self {
            http_in_flight: Requests::in_flight(),
            store_revision: Changes::store_revision(),
            applied_revision: Changes::applied_revision(),
            policies: Policies::in_force(),
            requests: Requests::new(),
            connections: Connections::new(),
            decisions: Decisions::new(),
            caches: Caches::new(),
            tokens: Tokens::new(),
            login_policies: Policies::new(),
            stores: Stores::new(),
            changes: Changes::new(),
            audit: Audit::new(),
            log_losses: LogLosses::of_this_process(),
            process: ProcessCollector::for_self(),
        }
    }

    /// Text exposition format 0.0.4.
    pub fn render(&self) -> String {
        let mut families = vec![build_info()];
        families.extend(self.requests.families());
        families.extend(self.families().map(Family::collect));
        families.extend(self.process.collect());
        TextEncoder::new().encode_to_string(&families).expect("every family has a name and at least one member")
    }

    /// One finished request. `upstream`: time spent waiting for the upstream's head; `None` if it was never asked.
    pub fn request_finished(&self, route: Route, method: &Method, status: StatusCode, total: Duration, upstream: Option<Duration>) {
        self.requests.finished(route, method, status, total, upstream);
    }

    /// A request was refused because there were more than may pass.
    pub fn rate_limited(&self, limit: RateLimit) {
        self.requests.limited().increment((limit.into(),));
    }

    /// A request was refused because as many were under way as may be at once.
    pub fn request_shed(&self) {
        self.requests.shed().increment(());
    }

    /// Which routes are in force from now on.
    pub fn name_routes(&self, routes: &[RouteSettings]) {
        let names: Vec<&str> = routes.iter().map(|route| route.name.as_str()).collect();
        self.requests.routes().name(&names);
    }

    /// What the route of this name is counted as.
    pub fn route(&self, name: &str) -> Route {
        self.requests.routes().find(name)
    }

    /// Open connections of a listener: for the listener to count up and down.
    pub fn connections(&self, listener: Listener) -> &Gauge {
        self.connections.of(listener)
    }

    /// A TLS handshake with a client came to nothing.
    pub fn tls_handshake_failed(&self) {
        self.connections.handshake_failed();
    }

    /// A trusted proxy has begun without a sound header of the PROXY protocol.
    pub fn proxy_header_refused(&self) {
        self.connections.proxy_header_refused();
    }

    /// When the first of the certificates ends that are shown there; the beginning of 1970: there is none.
    pub fn certificate_ends(&self, of: CertificateOf, at: Timestamp) {
        self.connections.certificate_ends(of, u64::try_from(at.as_second()).unwrap_or(0));
    }

    /// The upstream did not answer properly.
    pub fn upstream_error(&self, kind: UpstreamError) {
        self.connections.upstream_error(kind);
    }

    /// A request goes to an upstream once more.
    pub fn upstream_retry(&self) {
        self.connections.upstream_retry();
    }

    /// A thread leaves out an endpoint of an upstream from now on, until it drops what this answers.
    pub fn upstream_ejected(&self, endpoint: &str) -> LeftOut {
        self.connections.upstream_ejected(endpoint)
    }

    /// One decision.
    pub fn auth_decision(&self, reason: AuthReason) {
        self.decisions.made(reason);
    }

    /// How long the exchange took; `cache`: whether the cache had the answer.
    pub fn auth_duration(&self, cache: CacheResult, took: Duration) {
        self.decisions.took(cache, took);
    }

    /// A cache was asked.
    pub fn cache_request(&self, cache: CacheKind, result: CacheResult) {
        self.caches.asked(cache, result);
    }

    /// How much a cache holds.
    pub fn cache_entries(&self, cache: CacheKind, entries: u64) {
        self.caches.holds(cache, entries);
    }

    /// A token was signed.
    pub fn token_issued(&self, algorithm: TokenAlgorithm) {
        self.tokens.issued(algorithm);
    }

    /// How many signing keys there are in each state.
    pub fn signing_keys(&self, states: [(SigningKeyState, usize); 3]) {
        self.tokens.signing_keys(states);
    }

    /// The login policies were asked.
    pub fn policy_evaluation(&self, result: PolicyResult, took: Duration) {
        self.login_policies.evaluated(result, took);
    }

    /// The compiled forms of so many policies were found to give other answers than the engine.
    pub fn policy_disagreements(&self, found: u64) {
        self.login_policies.disagreed(found);
    }

    /// A policy gave a role that was left out.
    pub fn policy_ignored_grant(&self, reason: IgnoredReason) {
        self.login_policies.ignored_grant(reason);
    }

    /// Login policies wanted so many requests kept.
    pub fn policy_sample(&self, result: SampleResult, samples: usize) {
        self.login_policies.sampled(result, samples);
    }

    /// The store has answered, or not in time.
    pub fn store_operation(&self, op: StoreOperation, ok: bool, took: Duration) {
        self.stores.answered(op, ok, took);
    }

    /// From a change's commit to its being in force here.
    pub fn change_propagation(&self, took: Duration) {
        self.changes.propagated(took);
    }

    /// The configuration, the policies or the signing keys were read anew, or could not be.
    pub fn config_reload(&self, ok: bool) {
        self.changes.reloaded(ok);
    }

    /// The audit's webhook will never be told of an entry.
    pub fn webhook_given_up(&self) {
        self.audit.given_up();
    }

    /// Of so many entries the audit's webhook has not been told.
    pub fn webhook_waiting(&self, entries: u64) {
        self.audit.waiting(entries);
    }

    fn families(&self) -> impl Iterator<Item = &dyn Family> {
        let numbers: [&dyn Family; 5] =
            [&self.http_in_flight, &self.store_revision, &self.applied_revision, &self.policies, &self.log_losses];
        (self.connections.families().into_iter())
            .chain([self.requests.limited() as &dyn Family, self.requests.shed()])
            .chain(self.decisions.families())
            .chain(self.caches.families())
            .chain(self.tokens.families())
            .chain(self.login_policies.families())
            .chain(self.stores.families())
            .chain(self.changes.families())
            .chain(self.audit.families())
            .chain(numbers)
    }
}

fn build_info() -> MetricFamily {
    let revision = option_env!("CLAVIGER_REVISION").unwrap_or("unknown");
    let labels = [pair("version", env!("CARGO_PKG_VERSION")), pair("revision", revision)];
    exposition::gauges("claviger_build_info", "Which program this is; always 1.", [(labels.as_slice(), 1)])
}
