//! Which path gives what.

use std::fmt::Write as _;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::Value;

use super::discovery;
use super::state::{OpsState, Parts};
use crate::diagnostics::escaped;

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
