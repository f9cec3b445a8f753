//! Which path gives what.

use std::fmt::Write as _;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use serde_json::Value;

use super::discovery;
use super::state::{OpsState, Parts};
use crate::diagnostics::escaped;
use crate::edge::service::Peer;

type OneHeader = [(HeaderName, &'static str); 1];

const TEXT: (HeaderName, &str) = (header::CONTENT_TYPE, "text/plain; charset=utf-8");
const METRICS: (HeaderName, &str) = (header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8");
/// Not `application/jwk-set+json`: some clients take nothing but plain JSON, and all take that.
const JSON: (HeaderName, &str) = (header::CONTENT_TYPE, "application/json");
const FRESH: OneHeader = [(header::CACHE_CONTROL, "no-store")];
/// Much shorter than a key is published before it signs, so that no verifier is left with a set that lacks it.
const FOR_A_MINUTE: OneHeader = [(header::CACHE_CONTROL, "public, max-age=60")];

pub(super) fn router(state: OpsState) -> Router {
    Router::new()
        .route("/livez", get(live))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/drain", post(drain))
        .route("/.well-known/jwks.json", get(jwks))
        .route("/.well-known/openid-configuration", get(openid_configuration))
        .route("/.well-known/oauth-authorization-server", get(authorization_server))
        .fallback(|| async { (StatusCode::NOT_FOUND, [TEXT], FRESH, "not found\n") })
        .method_not_allowed_fallback(|| async { (StatusCode::METHOD_NOT_ALLOWED, [TEXT], FRESH, "method not allowed\n") })
        .with_state(state)
}

/// Says only that the event loop turns.
async fn live() -> Response {
    ([TEXT], FRESH, "live\n").into_response()
}

/// Whether requests can be decided and forwarded now; the upstream is not asked.
async fn ready(State(state): State<OpsState>, RawQuery(query): RawQuery) -> Response {
    let mut parts = (state.parts)();
    parts.push(("listeners", state.lifecycle.readiness()));
    let usable = parts.iter().all(|(_, part)| part.is_ok());
    let status = if usable { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let verbose = query.is_some_and(|query| query.split('&').any(|pair| pair == "verbose" || pair.starts_with("verbose=")));
    let mut text = if verbose { listed(&parts) } else { String::new() };
    text.push_str(if usable { "ready\n" } else { "not ready\n" });
    (status, [TEXT], FRESH, text).into_response()
}

/// Begins what SIGTERM begins, for whoever is on this machine: a sidecar gets that signal when the containers beside it have gone. Not for a
/// page in a browser here, which can be made to ask anything of this address and says whose it is.
async fn drain(State(state): State<OpsState>, Extension(Peer(peer)): Extension<Peer>, headers: HeaderMap) -> Response {
    if !peer.ip().to_canonical().is_loopback() || headers.contains_key(header::ORIGIN) {
        return (StatusCode::FORBIDDEN, [TEXT], FRESH, "only from this machine\n").into_response();
    }
    state.lifecycle.ask_to_drain();
    (StatusCode::ACCEPTED, [TEXT], FRESH, "draining\n").into_response()
}

/// A line for each part, as Kubernetes' own components have it.
fn listed(parts: &Parts) -> String {
    let mut text = String::new();
    for (name, part) in parts {
        _ = match part {
            Ok(()) => writeln!(text, "[+] {name}: ok"),
            // A reason may quote what an operator wrote; it stays one line.
            Err(reason) => writeln!(text, "[-] {name}: {}", escaped(reason)),
        };
    }
    text
}

async fn metrics(State(state): State<OpsState>) -> Response {
    ([METRICS], FRESH, state.metrics.render()).into_response()
}

async fn jwks(State(state): State<OpsState>) -> Response {
    ([JSON], FOR_A_MINUTE, (state.jwks)().to_string()).into_response()
}

async fn openid_configuration(State(state): State<OpsState>) -> Response {
    document(&discovery::openid_configuration(&(state.issuer)(), &(state.jwks)()))
}

async fn authorization_server(State(state): State<OpsState>) -> Response {
    document(&discovery::authorization_server(&(state.issuer)()))
}

fn document(value: &Value) -> Response {
    ([JSON], FOR_A_MINUTE, value.to_string()).into_response()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::ops::lifecycle::Lifecycle;
    use crate::telemetry::Metrics;

    #[tokio::test]
    async fn only_whoever_is_on_this_machine_and_no_page_in_a_browser_has_the_process_drain() {
        let lifecycle = Arc::new(Lifecycle::starting());
        let state = OpsState {
            lifecycle: Arc::clone(&lifecycle),
            metrics: Arc::new(Metrics::new()),
            issuer: Arc::new(|| "http://127.0.0.1:9464".to_owned()),
            parts: Arc::new(Vec::new),
            jwks: Arc::new(|| r#"{"keys":[]}"#.into()),
        };
        let page = HeaderMap::from_iter([(header::ORIGIN, "http://example.com".parse().unwrap())]);
        let ask = async |peer: &str, headers: &HeaderMap| {
            drain(State(state.clone()), Extension(Peer(peer.parse().unwrap())), headers.clone()).await.status()
        };

        for peer in ["10.0.0.7:4711", "[::ffff:10.0.0.7]:4711", "[fe80::1]:4711"] {
            assert_eq!(ask(peer, &HeaderMap::new()).await, StatusCode::FORBIDDEN, "{peer}");
        }
        assert_eq!(ask("127.0.0.1:4711", &page).await, StatusCode::FORBIDDEN);
        assert!(is_pending(lifecycle.asked_to_drain()).await);

        for peer in ["127.0.0.1:4711", "[::ffff:127.0.0.1]:4711", "[::1]:4711"] {
            assert_eq!(ask(peer, &HeaderMap::new()).await, StatusCode::ACCEPTED, "{peer}");
            lifecycle.asked_to_drain().await;
        }
    }

    async fn is_pending(future: impl Future<Output = ()>) -> bool {
        tokio::select! {
            biased;
            () = future => false,
            () = std::future::ready(()) => true,
        }
    }
}
