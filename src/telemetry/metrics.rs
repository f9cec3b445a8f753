//! Every series of the process.
//!
//! The number of lines on `/metrics` is constant and at most 300, a histogram's bucket counted as a line. What is spent on what:
//!
//! | series | lines |
//! |---|---|
//! | `http_requests_total`: 8 methods × 13 codes, and 3 for requests that were too large | 107 |
//! | the three HTTP histograms, 8 bounds each | 33 |
//! | `store_operation_duration_seconds`: 5 operations, 4 bounds | 35 |
//! | everything else | about 110 |
//!
//! As long as there are no routes, the label `route` is `-`. A full set of method, code and bounds for each of 20 routes is out of
//! reach within 300 lines: a route that is told apart can have a counter for each class of status and a histogram without inner bounds
//! (seven lines), the fine resolution stays with all requests together.

use std::time::Duration;

use http::{Method, StatusCode};
use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;
use prometheus::{IntGauge, IntGaugeVec, Opts, TextEncoder};

use super::series::{Counters, Gauge, Histograms, gauge_family};

const fn micros<const N: usize>(bounds: [u64; N]) -> [Duration; N] {
    let mut durations = [Duration::ZERO; N];
    let mut place = 0;
    while place < N {
        #[expect(clippy::indexing_slicing, reason = "checked by the compiler, which runs this")]
        {
            durations[place] = Duration::from_micros(bounds[place]);
        }
        place += 1;
    }
    durations
}

static REQUEST_BOUNDS: [Duration; 8] = micros([1_000, 5_000, 10_000, 50_000, 100_000, 500_000, 1_000_000, 5_000_000]);
static OVERHEAD_BOUNDS: [Duration; 8] = micros([25, 50, 100, 250, 500, 1_000, 5_000, 25_000]);
static AUTH_BOUNDS: [Duration; 6] = micros([5, 25, 100, 500, 5_000, 50_000]);
static POLICY_BOUNDS: [Duration; 6] = micros([10, 25, 100, 1_000, 10_000, 50_000]);
static STORE_BOUNDS: [Duration; 4] = micros([100, 1_000, 10_000, 100_000]);
static PROPAGATION_BOUNDS: [Duration; 5] = micros([5_000, 15_000, 100_000, 500_000, 1_000_000]);

/// Methods that have a series of their own. CONNECT and TRACE never get past the proxy; with whatever else there is they are `other`.
const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other"];
/// Exact where Claviger itself answers so, and for 200; a class for the rest.
const CODES: [&str; 13] = ["1xx", "200", "2xx", "3xx", "400", "401", "403", "404", "4xx", "502", "503", "504", "5xx"];
/// Requests past a limit are counted without their method, which may not even have been read.
const TOO_LARGE: [&str; 3] = ["413", "414", "431"];
const NO_ROUTE: &str = "-";

/// Where a decision was made, and so what a reason counts as. The last stands for every reason that is not listed.
const DECISIONS: [(&str, &str); 19] = [
    ("allow", "ok"),
    ("refuse", "missing_key"),
    ("refuse", "malformed"),
    ("refuse", "unknown"),
    ("refuse", "disabled"),
    ("refuse", "expired"),
    ("refuse", "revoked"),
    ("refuse", "rotated_out"),
    ("refuse", "denied"),
    ("refuse", "not_allowed"),
    ("refuse", "no_roles"),
    ("refuse", "token_too_large"),
    ("error", "store"),
    ("error", "policy"),
    ("error", "address"),
    ("error", "signing"),
    ("error", "contention"),
    ("error", "overloaded"),
    ("error", "other"),
];
const CACHES: [[&str; 2]; 6] =
    [["credential", "hit"], ["credential", "miss"], ["credential", "stale"], ["absence", "hit"], ["absence", "miss"], ["absence", "stale"]];
const ALGORITHMS: [&str; 3] = ["ES256", "EdDSA", "RS256"];
const KEY_STATES: [&str; 3] = ["current", "next", "retiring"];
const IGNORED: [&str; 3] = ["unknown_space", "unknown_role", "other"];
/// The methods of `Store` that matter by themselves; the last stands for all the others.
const STORE_OPS: [&str; 5] = ["find_key", "snapshot", "apply", "changes_after", "other"];

/// Which listener a connection came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    /// The data plane.
    Proxy,
    /// Probes, metrics, JWKS.
    Ops,
}

/// What went wrong with the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpstreamError {
    /// No connection could be made.
    Connect,
    /// No connection was made in time.
    ConnectTimeout,
    /// The answer's head did not come in time.
    ResponseTimeout,
    /// The answer was not HTTP.
    Protocol,
    /// The connection broke.
    Reset,
    /// The host's name has no address.
    Resolve,
}

/// Which cache was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheKind {
    /// Finished credentials.
    Credential,
    /// Keys known not to exist.
    Absence,
}

/// What a cache had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheResult {
    /// The answer.
    Hit,
    /// Nothing.
    Miss,
    /// There was an entry, but a change, an expiry or another facet made it unusable.
    Stale,
}

/// How a decision went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthResult {
    /// The request may pass.
    Allow,
    /// It may not.
    Refuse,
    /// That could not be decided.
    Error,
}

/// How an evaluation of the login policies went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyResult {
    /// There is a result.
    Answered,
    /// A policy failed.
    Failed,
    /// A policy ran out of its time.
    TimeLimit,
    /// A policy ran out of its memory.
    MemoryLimit,
    /// Too many evaluations were waiting.
    Overloaded,
}

/// What became of a request that a login policy wanted kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleResult {
    /// It is in the store.
    Kept,
    /// There were too many in that second.
    TooMany,
    /// It was larger than a sample may be.
    TooLarge,
    /// The store was too slow, or did not take it.
    Failed,
}

/// Every series of the process. Where the hot path counts, the place of a member is arithmetic on enums.
pub struct Metrics {
    /// Requests between their head and the end of their answer.
    pub http_in_flight: Gauge,
    /// The last revision that the store is known to have.
    pub store_revision: IntGauge,
    /// The last revision in force here.
    pub applied_revision: IntGauge,
    /// 1: the last reload went well.
    pub config_last_reload_success: IntGauge,
    requests: Counters,
    durations: Histograms,
    overheads: Histograms,
    upstream_durations: Histograms,
    connections: [IntGauge; 2],
    connections_by_listener: IntGaugeVec,
    upstream_errors: Counters,
    decisions: Counters,
    decision_durations: Histograms,
    cache_requests: Counters,
    cache_entries: [IntGauge; 2],
    cache_entries_by_cache: IntGaugeVec,
    tokens_issued: Counters,
    signing_keys: IntGaugeVec,
    /// Login policies in force, of the store and of the directory.
    pub policies: IntGauge,
    policy_evaluations: Counters,
    policy_durations: Histograms,
    policy_disagreements: Counters,
    ignored_grants: Counters,
    samples: Counters,
    store_operations: Counters,
    store_durations: Histograms,
    propagation: Histograms,
    reloads: Counters,
    process: ProcessCollector,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All series, at zero. One for a process: its own figures are among them.
    #[expect(clippy::too_many_lines, reason = "the list of all series is read in one go")]
    pub fn new() -> Self {
        let by_method = METHODS.into_iter().flat_map(|method| CODES.into_iter().map(move |code| [NO_ROUTE, method, code]));
        let too_large = TOO_LARGE.into_iter().map(|code| [NO_ROUTE, "-", code]);
        let connections_by_listener = gauges("http_connections", "Open connections from clients.", "listener");
        let cache_entries_by_cache = gauges("cache_entries", "Entries of a cache.", "cache");
        let signing_keys = gauges("signing_keys", "Published signing keys.", "state");
        for state in KEY_STATES {
            signing_keys.with_label_values(&[state]).set(0);
        }
        let config_last_reload_success = gauge("config_last_reload_success", "Whether the last reload of the configuration went well.");
        config_last_reload_success.set(1);
        Self {
            http_in_flight: Gauge::new(),
            store_revision: gauge("store_revision", "The last revision that the store is known to have."),
            applied_revision: gauge("applied_revision", "The last revision in force in this process."),
            config_last_reload_success,
            requests: Counters::new(
                "claviger_http_requests_total",
                "Requests answered; the code is exact where Claviger itself answers so, and for 200.",
                ["route", "method", "code"],
                by_method.chain(too_large),
            ),
            durations: Histograms::new(
                "claviger_http_request_duration_seconds",
                "From a request's head to its answer's.",
                ["route"],
                [[NO_ROUTE]],
                &REQUEST_BOUNDS,
            ),
            overheads: Histograms::new(
                "claviger_http_overhead_seconds",
                "Of the request's duration, what was not spent waiting for the upstream.",
                ["route"],
                [[NO_ROUTE]],
                &OVERHEAD_BOUNDS,
            ),
            upstream_durations: Histograms::new(
                "claviger_http_upstream_duration_seconds",
                "Waiting for the upstream's answer.",
                ["route"],
                [[NO_ROUTE]],
                &REQUEST_BOUNDS,
            ),
            connections: ["proxy", "ops"].map(|listener| connections_by_listener.with_label_values(&[listener])),
            connections_by_listener,
            upstream_errors: Counters::new(
                "claviger_upstream_errors_total",
                "Requests that the upstream did not answer properly.",
                ["kind"],
                ["connect", "connect_timeout", "response_timeout", "protocol", "reset", "resolve"].map(|kind| [kind]),
            ),
            decisions: Counters::new(
                "claviger_auth_decisions_total",
                "Decisions about requests, and why.",
                ["result", "reason"],
                DECISIONS.map(|(result, reason)| [result, reason]),
            ),
            decision_durations: Histograms::new(
                "claviger_auth_duration_seconds",
                "From a presented key to its credential or refusal; whether the cache had it.",
                ["cache"],
                [["hit"], ["miss"]],
                &AUTH_BOUNDS,
            ),
            cache_requests: Counters::new("claviger_cache_requests_total", "Questions to a cache.", ["cache", "result"], CACHES),
            cache_entries: ["credential", "absence"].map(|cache| cache_entries_by_cache.with_label_values(&[cache])),
            cache_entries_by_cache,
            tokens_issued: Counters::new("claviger_tokens_issued_total", "Tokens signed.", ["alg"], ALGORITHMS.map(|alg| [alg])),
            signing_keys,
            policies: gauge("policies", "Login policies in force."),
            policy_evaluations: Counters::new(
                "claviger_policy_evaluations_total",
                "Evaluations of the login policies.",
                ["result"],
                ["answered", "failed", "time_limit", "memory_limit", "overloaded"].map(|result| [result]),
            ),
            policy_durations: Histograms::new(
                "claviger_policy_evaluation_duration_seconds",
                "How long the login policies took.",
                [],
                [[]],
                &POLICY_BOUNDS,
            ),
            policy_disagreements: Counters::new(
                "claviger_policy_disagreements_total",
                "Policies whose compiled form gave another answer than Regorus.",
                [],
                [[]],
            ),
            ignored_grants: Counters::new(
                "claviger_policy_ignored_grants_total",
                "Roles that policies gave and that were left out.",
                ["reason"],
                IGNORED.map(|reason| [reason]),
            ),
            samples: Counters::new(
                "claviger_policy_samples_total",
                "Requests that login policies wanted kept, and what became of them.",
                ["result"],
                ["kept", "too_many", "too_large", "failed"].map(|result| [result]),
            ),
            store_operations: Counters::new(
                "claviger_store_operations_total",
                "Questions and changes to the store.",
                ["op", "result"],
                STORE_OPS.into_iter().flat_map(|op| [[op, "ok"], [op, "error"]]),
            ),
            store_durations: Histograms::new(
                "claviger_store_operation_duration_seconds",
                "How long the store took.",
                ["op"],
                STORE_OPS.map(|op| [op]),
                &STORE_BOUNDS,
            ),
            propagation: Histograms::new(
                "claviger_change_propagation_seconds",
                "From a change's commit to its being in force in this process.",
                [],
                [[]],
                &PROPAGATION_BOUNDS,
            ),
            reloads: Counters::new("claviger_config_reloads_total", "Reloads of the configuration.", ["result"], [["ok"], ["error"]]),
            process: ProcessCollector::for_self(),
        }
    }

    /// Text exposition format 0.0.4.
    pub fn render(&self) -> String {
        let mut families = vec![
            gauge_family(
                "claviger_build_info",
                "Which program this is; always 1.",
                1.0,
                &[("version", env!("CARGO_PKG_VERSION")), ("revision", option_env!("CLAVIGER_REVISION").unwrap_or("unknown"))],
            ),
            self.requests.family(),
            self.durations.family(),
            self.overheads.family(),
            self.upstream_durations.family(),
            self.http_in_flight.family("claviger_http_requests_in_flight", "Requests being served."),
            self.upstream_errors.family(),
            self.decisions.family(),
            self.decision_durations.family(),
            self.cache_requests.family(),
            self.tokens_issued.family(),
            self.policy_evaluations.family(),
            self.policy_durations.family(),
            self.policy_disagreements.family(),
            self.ignored_grants.family(),
            self.samples.family(),
            self.store_operations.family(),
            self.store_durations.family(),
            self.propagation.family(),
            self.reloads.family(),
        ];
        let vectors = [&self.connections_by_listener, &self.cache_entries_by_cache, &self.signing_keys];
        families.extend(vectors.into_iter().flat_map(IntGaugeVec::collect));
        let gauges = [&self.store_revision, &self.applied_revision, &self.config_last_reload_success, &self.policies];
        families.extend(gauges.into_iter().flat_map(IntGauge::collect));
        families.extend(self.process.collect());
        TextEncoder::new().encode_to_string(&families).expect("every family has a name and at least one member")
    }

    /// One finished request. `upstream`: time spent waiting for the upstream's head; `None` if it was never asked.
    pub fn request_finished(&self, method: &Method, status: StatusCode, total: Duration, upstream: Option<Duration>) {
        self.requests.increment(request_member(method, status));
        self.durations.observe(0, total);
        self.overheads.observe(0, total.saturating_sub(upstream.unwrap_or_default()));
        if let Some(upstream) = upstream {
            self.upstream_durations.observe(0, upstream);
        }
    }

    /// Open connections of a listener: for the listener to count up and down.
    pub fn connections(&self, listener: Listener) -> &IntGauge {
        let [proxy, ops] = &self.connections;
        match listener {
            Listener::Proxy => proxy,
            Listener::Ops => ops,
        }
    }

    /// The upstream did not answer properly.
    pub fn upstream_error(&self, kind: UpstreamError) {
        self.upstream_errors.increment(match kind {
            UpstreamError::Connect => 0,
            UpstreamError::ConnectTimeout => 1,
            UpstreamError::ResponseTimeout => 2,
            UpstreamError::Protocol => 3,
            UpstreamError::Reset => 4,
            UpstreamError::Resolve => 5,
        });
    }

    /// One decision; `reason` is `ok` or one of `Refusal::reason()`, `missing_key`, `malformed`. What a refusal for lack of a decision
    /// counts as, `refuse` or `error`, follows from the reason; a reason that is none of these counts as `other`.
    pub fn auth_decision(&self, result: AuthResult, reason: &'static str) {
        let member = match result {
            AuthResult::Allow => 0,
            AuthResult::Refuse | AuthResult::Error => place_or_last(DECISIONS.iter().map(|(_, known)| *known), reason),
        };
        self.decisions.increment(member);
    }

    /// How long the exchange took; `cache`: whether the cache had the answer. An entry that was of no use is a miss here.
    pub fn auth_duration(&self, cache: CacheResult, took: Duration) {
        let member = match cache {
            CacheResult::Hit => 0,
            CacheResult::Miss | CacheResult::Stale => 1,
        };
        self.decision_durations.observe(member, took);
    }

    /// A cache was asked.
    pub fn cache_request(&self, cache: CacheKind, result: CacheResult) {
        let of_cache = match cache {
            CacheKind::Credential => 0,
            CacheKind::Absence => 3,
        };
        let of_result = match result {
            CacheResult::Hit => 0,
            CacheResult::Miss => 1,
            CacheResult::Stale => 2,
        };
        self.cache_requests.increment(of_cache + of_result);
    }

    /// How much a cache holds.
    pub fn cache_entries(&self, cache: CacheKind, entries: u64) {
        let [credential, absence] = &self.cache_entries;
        let gauge = match cache {
            CacheKind::Credential => credential,
            CacheKind::Absence => absence,
        };
        gauge.set(i64::try_from(entries).unwrap_or(i64::MAX));
    }

    /// A token was signed with this algorithm, spelled as in its header. Another spelling counts nowhere.
    pub fn token_issued(&self, algorithm: &'static str) {
        if let Some(member) = ALGORITHMS.iter().position(|known| *known == algorithm) {
            self.tokens_issued.increment(member);
        }
    }

    /// How many signing keys there are of each state, as `KeyRing::states()` says it.
    pub fn signing_keys(&self, states: [(&'static str, usize); 3]) {
        for (state, keys) in states {
            if KEY_STATES.contains(&state) {
                self.signing_keys.with_label_values(&[state]).set(i64::try_from(keys).unwrap_or(i64::MAX));
            }
        }
    }

    /// The login policies were asked.
    pub fn policy_evaluation(&self, result: PolicyResult, took: Duration) {
        self.policy_evaluations.increment(match result {
            PolicyResult::Answered => 0,
            PolicyResult::Failed => 1,
            PolicyResult::TimeLimit => 2,
            PolicyResult::MemoryLimit => 3,
            PolicyResult::Overloaded => 4,
        });
        self.policy_durations.observe(0, took);
    }

    /// The compiled forms of so many policies were found to give other answers than the engine.
    pub fn policy_disagreements(&self, found: u64) {
        self.policy_disagreements.increment_by(0, found);
    }

    /// A policy gave a role that was left out; `reason` is `IgnoredReason::label()`.
    pub fn policy_ignored_grant(&self, reason: &'static str) {
        self.ignored_grants.increment(place_or_last(IGNORED.into_iter(), reason));
    }

    /// Login policies wanted so many requests kept.
    pub fn policy_sample(&self, result: SampleResult, samples: usize) {
        let member = match result {
            SampleResult::Kept => 0,
            SampleResult::TooMany => 1,
            SampleResult::TooLarge => 2,
            SampleResult::Failed => 3,
        };
        self.samples.increment_by(member, u64::try_from(samples).unwrap_or(u64::MAX));
    }

    /// `op`: the name of a method of `Store`.
    pub fn store_operation(&self, op: &'static str, ok: bool, took: Duration) {
        let op = place_or_last(STORE_OPS.into_iter(), op);
        self.store_operations.increment(2 * op + usize::from(!ok));
        self.store_durations.observe(op, took);
    }

    /// From a change's commit to its being in force here.
    pub fn change_propagation(&self, took: Duration) {
        self.propagation.observe(0, took);
    }

    /// The configuration, the policies or the signing keys were read anew, or could not be.
    pub fn config_reload(&self, ok: bool) {
        self.reloads.increment(usize::from(!ok));
        self.config_last_reload_success.set(i64::from(ok));
    }
}

fn request_member(method: &Method, status: StatusCode) -> usize {
    let exact_or_class = match status.as_u16() {
        200 => 1,
        400 => 4,
        401 => 5,
        403 => 6,
        404 => 7,
        413 => return METHODS.len() * CODES.len(),
        414 => return METHODS.len() * CODES.len() + 1,
        431 => return METHODS.len() * CODES.len() + 2,
        502 => 9,
        503 => 10,
        504 => 11,
        other => match other / 100 {
            0 | 1 => 0,
            2 => 2,
            3 => 3,
            4 => 8,
            _ => 12,
        },
    };
    let method = match *method {
        Method::GET => 0,
        Method::HEAD => 1,
        Method::POST => 2,
        Method::PUT => 3,
        Method::PATCH => 4,
        Method::DELETE => 5,
        Method::OPTIONS => 6,
        _ => 7,
    };
    method * CODES.len() + exact_or_class
}

/// The place of `wanted`, or the last one, which stands for what is not listed.
fn place_or_last(mut known: impl ExactSizeIterator<Item = &'static str>, wanted: &str) -> usize {
    let last = known.len().saturating_sub(1);
    known.position(|one| one == wanted).unwrap_or(last)
}

fn gauge(name: &str, help: &str) -> IntGauge {
    IntGauge::with_opts(Opts::new(name, help).namespace("claviger")).expect("the names of series are well-formed")
}

fn gauges(name: &str, help: &str, label: &str) -> IntGaugeVec {
    IntGaugeVec::new(Opts::new(name, help).namespace("claviger"), &[label]).expect("the names of series are well-formed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_and_method_has_its_member() {
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW"] {
            for status in 100..1000_u16 {
                let member = request_member(&method.parse().unwrap(), StatusCode::from_u16(status).unwrap());
                if let Some(place) = TOO_LARGE.iter().position(|code| *code == status.to_string()) {
                    assert_eq!(member, METHODS.len() * CODES.len() + place);
                    continue;
                }
                let (counted_as, code) = (METHODS[member / CODES.len()], CODES[member % CODES.len()]);
                assert_eq!(counted_as, if METHODS.contains(&method) { method } else { "other" });
                let exact = CODES.contains(&status.to_string().as_str());
                let class = format!("{}xx", (status / 100).min(5));
                assert_eq!(code, if exact { status.to_string() } else { class }, "{status}");
            }
        }
    }

    #[test]
    fn a_reason_that_nobody_listed_counts_as_other() {
        let metrics = Metrics::new();
        metrics.auth_decision(AuthResult::Refuse, "something new");
        metrics.policy_ignored_grant("something new");
        let text = metrics.render();
        assert!(text.contains("claviger_auth_decisions_total{result=\"error\",reason=\"other\"} 1\n"), "{text}");
        assert!(text.contains("claviger_policy_ignored_grants_total{reason=\"other\"} 1\n"), "{text}");
    }
}
