//! What `/metrics` shows: a constant number of well-formed series, whatever is counted.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use claviger::config::{Settings, TokenAlgorithm};
use claviger::model::{IgnoredReason, Refusal, WhyInvalid, WhyUnavailable};
use claviger::telemetry::{
    AuthReason, CacheKind, CacheResult, Listener, Metrics, PolicyResult, Route, SampleResult, SigningKeyState, StoreOperation,
    UpstreamError,
};
use http::{Method, StatusCode};

/// Name and labels of every line that is a sample.
fn series(text: &str) -> BTreeSet<&str> {
    text.lines().filter(|line| !line.starts_with('#')).map(|line| line.rsplit_once(' ').unwrap().0).collect()
}

/// The value of one line.
fn value(text: &str, series: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series} in\n{text}")).parse().unwrap()
}

/// Everything that can be counted, and what clients make up.
fn count_everything(metrics: &Metrics) {
    for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW", "get", "x".repeat(32).as_str()] {
        let method: Method = method.parse().unwrap();
        for status in 100..1000 {
            let upstream = (status % 2 == 0).then(|| Duration::from_micros(u64::from(status)));
            metrics.request_finished(
                Route::NONE,
                &method,
                StatusCode::from_u16(status).unwrap(),
                Duration::from_millis(u64::from(status)),
                upstream,
            );
        }
    }
    for reason in [AuthReason::Ok, AuthReason::MissingKey, AuthReason::Overloaded] {
        metrics.auth_decision(reason);
    }
    for refusal in [
        Refusal::InvalidKey(WhyInvalid::Unknown),
        Refusal::Denied("strict".parse().unwrap()),
        Refusal::NoRoles,
        Refusal::Unavailable(WhyUnavailable::Store),
    ] {
        metrics.auth_decision((&refusal).into());
    }
    for result in [CacheResult::Hit, CacheResult::Miss, CacheResult::Stale] {
        metrics.auth_duration(result, Duration::MAX);
        for cache in [CacheKind::Credential, CacheKind::Absence] {
            metrics.cache_request(cache, result);
            metrics.cache_entries(cache, u64::MAX);
        }
    }
    for error in [
        UpstreamError::Connect,
        UpstreamError::ConnectTimeout,
        UpstreamError::ResponseTimeout,
        UpstreamError::Protocol,
        UpstreamError::Reset,
    ] {
        metrics.upstream_error(error);
    }
    metrics.upstream_retry();
    drop(metrics.upstream_ejected("127.0.0.1:3000"));
    for result in
        [PolicyResult::Answered, PolicyResult::Failed, PolicyResult::TimeLimit, PolicyResult::MemoryLimit, PolicyResult::Overloaded]
    {
        metrics.policy_evaluation(result, Duration::from_micros(7));
    }
    for op in [StoreOperation::FindKey, StoreOperation::Snapshot, StoreOperation::ChangesAfter, StoreOperation::KeepSamples] {
        metrics.store_operation(op, true, Duration::ZERO);
        metrics.store_operation(op, false, Duration::from_secs(10));
    }
    metrics.connections(Listener::Proxy).inc();
    metrics.connections(Listener::Ops).inc();
    metrics.policy_disagreements(2);
    metrics.policy_ignored_grant(IgnoredReason::UnknownSpace);
    metrics.policy_ignored_grant(IgnoredReason::UnknownRole);
    metrics.webhook_given_up();
    metrics.webhook_waiting(u64::MAX);
    for result in [SampleResult::Kept, SampleResult::TooMany, SampleResult::TooLarge, SampleResult::Failed] {
        metrics.policy_sample(result, 7);
    }
    metrics.token_issued(TokenAlgorithm::Es256);
    metrics.signing_keys([(SigningKeyState::Current, 1), (SigningKeyState::Next, 1), (SigningKeyState::Retiring, 2)]);
    metrics.change_propagation(Duration::from_millis(3));
    metrics.config_reload(false);
    metrics.http_in_flight.inc();
    metrics.request_shed();
    metrics.proxy_header_refused();
    metrics.store_revision.set(4711);
    metrics.applied_revision.set(4711);
}

#[test]
fn the_series_are_the_same_whatever_is_counted_and_at_most_300() {
    let metrics = Metrics::new();
    let before = metrics.render();

    count_everything(&metrics);

    let after = metrics.render();
    assert_eq!(series(&before), series(&after));
    let lines = after.lines().filter(|line| !line.starts_with('#')).count();
    assert_eq!(lines, series(&after).len(), "no series twice");
    assert!(lines <= 300, "{lines} series");
}

#[test]
fn every_family_of_the_contract_is_there() {
    let text = Metrics::new().render();
    for family in [
        "http_requests_total counter",
        "http_request_duration_seconds histogram",
        "http_overhead_seconds histogram",
        "http_upstream_duration_seconds histogram",
        "http_requests_in_flight gauge",
        "http_connections gauge",
        "upstream_errors_total counter",
        "upstream_retries_total counter",
        "upstream_ejections_total counter",
        "upstream_endpoints_ejected gauge",
        "auth_decisions_total counter",
        "auth_duration_seconds histogram",
        "cache_requests_total counter",
        "cache_entries gauge",
        "tokens_issued_total counter",
        "signing_keys gauge",
        "policy_evaluations_total counter",
        "policy_evaluation_duration_seconds histogram",
        "policy_disagreements_total counter",
        "policy_ignored_grants_total counter",
        "policy_samples_total counter",
        "log_lines_dropped_total counter",
        "store_operations_total counter",
        "store_operation_duration_seconds histogram",
        "store_revision gauge",
        "applied_revision gauge",
        "change_propagation_seconds histogram",
        "config_reloads_total counter",
        "config_last_reload_success gauge",
        "build_info gauge",
    ] {
        assert!(text.contains(&format!("# TYPE claviger_{family}\n")), "{family} is missing");
    }
    assert!(text.contains("# TYPE process_cpu_seconds_total counter\n"));
}

#[test]
fn a_request_is_counted_once_in_each_of_its_series() {
    let metrics = Metrics::new();
    metrics.request_finished(Route::NONE, &Method::GET, StatusCode::OK, Duration::from_micros(530), Some(Duration::from_micros(500)));
    metrics.request_finished(Route::NONE, &Method::GET, StatusCode::UNAUTHORIZED, Duration::from_micros(20), None);
    let text = metrics.render();
    for (series, expected) in [
        (r#"http_requests_total{route="-",method="GET",code="200"}"#, 1.0),
        (r#"http_requests_total{route="-",method="GET",code="401"}"#, 1.0),
        (r#"http_request_duration_seconds_count{route="-"}"#, 2.0),
        (r#"http_overhead_seconds_bucket{route="-",le="0.000025"}"#, 1.0),
        (r#"http_overhead_seconds_bucket{route="-",le="0.00005"}"#, 2.0),
        (r#"http_overhead_seconds_sum{route="-"}"#, 0.000_05),
        (r#"http_upstream_duration_seconds_count{route="-"}"#, 1.0),
        (r#"http_upstream_duration_seconds_sum{route="-"}"#, 0.000_5),
    ] {
        let counted = value(&text, &format!("claviger_{series}"));
        assert!((counted - expected).abs() < 1e-9, "{series} is {counted}");
    }
}

#[test]
fn promtool_has_nothing_to_say() {
    let metrics = Metrics::new();
    count_everything(&metrics);
    let promtool =
        Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut promtool = promtool.expect("promtool is missing: apt-get install -y --no-install-recommends prometheus");
    promtool.stdin.take().unwrap().write_all(metrics.render().as_bytes()).unwrap();
    let said = promtool.wait_with_output().unwrap();
    let words = [said.stdout, said.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    assert!(said.status.success() && words.is_empty(), "{words}");
}

#[test]
fn with_twenty_routes_the_series_are_the_same_whatever_is_counted_and_at_most_300() {
    let entry = |number: usize| format!("[[routes]]\npath = \"/v{number}/{{*rest}}\"\n");
    let routes = Settings::from_toml(&(0..20).map(entry).collect::<String>()).unwrap().settings.routes;
    let metrics = Metrics::new();
    metrics.name_routes(&routes);
    let before = metrics.render();

    count_everything(&metrics);
    for route in &routes {
        let route = metrics.route(&route.name);
        for status in 100..1000 {
            metrics.request_finished(route, &Method::GET, StatusCode::from_u16(status).unwrap(), Duration::from_micros(3), None);
        }
    }

    let after = metrics.render();
    assert_eq!(series(&before), series(&after));
    let lines = after.lines().filter(|line| !line.starts_with('#')).count();
    assert!(lines <= 300, "{lines} series");
    let counted =
        |code: &str| value(&after, &format!("claviger_http_requests_total{{route=\"/v3/{{*rest}}\",method=\"-\",code=\"{code}\"}}"));
    let all = value(&after, "claviger_http_request_duration_seconds_count{route=\"/v3/{*rest}\"}");
    for (told, expected) in [(counted("<500"), 400.0), (counted("503"), 1.0), (counted("5xx"), 499.0), (all, 900.0)] {
        assert!((told - expected).abs() < 1e-9, "{told} is not {expected}");
    }
}
