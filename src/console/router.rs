//! Which path gives what.

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::header::{ACCEPT, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, StatusCode};

use super::door::signed_in;
use super::refusal::Untold;
use super::state::ConsoleState;
use super::{
    assets, audit, docs, groups, in_force, keys, once, overview, policies, replicas, roles, search, settings, shell, sign_in, signing_keys,
    spaces, strategy, try_key,
};
use crate::edge::request_id::RequestId;

/// Files of this listener alone; nothing written into a page runs or looks like anything, and no other page shows one of these inside itself.
const OWN_FILES_ONLY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; \
                              frame-ancestors 'none'";

/// Every page, and what pages are made with.
pub fn pages(state: ConsoleState) -> Router {
    let inside = Router::new()
        .route("/", get(overview::show))
        .route("/in-force", get(in_force::show))
        .route("/sign-out", post(sign_in::end))
        .route("/replicas", get(replicas::show))
        .route("/search", get(search::show))
        .route("/settings", get(settings::show))
        .merge(audit::routes())
        .merge(docs::routes())
        .merge(keys::routes())
        .merge(spaces::routes())
        .merge(roles::routes())
        .merge(groups::routes())
        .merge(policies::routes())
        .merge(strategy::routes())
        .merge(signing_keys::routes())
        .layer(from_fn_with_state(state.clone(), signed_in));
    Router::new()
        .route("/sign-in", get(sign_in::show).post(sign_in::begin))
        .route(once::PATH, get(sign_in::show_once).post(sign_in::begin_once))
        .route("/try", get(try_key::show).post(try_key::make))
        .route("/assets/{version}/{name}", get(assets::serve))
        .merge(inside)
        .fallback(nothing_there)
        .method_not_allowed_fallback(not_that_way)
        // Whoever reads a form says how long it may be.
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn(told))
        .layer(from_fn(hardened))
        .with_state(state)
}

/// Refusals to those of whom nothing is known.
async fn told(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    match response.extensions_mut().remove::<Untold>() {
        Some(Untold(refusal)) => shell::refused(&refusal),
        None => response,
    }
}

/// What browsers are told of every page.
async fn hardened(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, OWN_FILES_ONLY),
        (http::header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (http::header::X_FRAME_OPTIONS, "DENY"),
        (http::header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=(), payment=()"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// A page for a browser; a problem document (RFC 9457) for a program, which has probably missed the API.
async fn nothing_there(request: Request) -> Response {
    let reads_pages = request.headers().get(ACCEPT).is_some_and(|kinds| kinds.as_bytes().windows(9).any(|part| part == b"text/html"));
    if reads_pages {
        return super::refusal::Refusal::not_found("there is no such page").into_response();
    }
    problem(&request, StatusCode::NOT_FOUND, "not_found", "there is no such path: /openapi.json describes those that there are")
}

async fn not_that_way(request: Request) -> Response {
    problem(&request, StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this path does not know that method")
}

fn problem(request: &Request, status: StatusCode, code: &str, detail: &str) -> Response {
    let title = status.canonical_reason().unwrap_or("Error");
    let problem = serde_json::json!({
        "type": format!("urn:claviger:error:{code}"), "title": title, "status": status.as_u16(), "code": code, "detail": detail,
        "request_id": request.extensions().get::<RequestId>().map(RequestId::as_str)
    });
    let mut response = (status, format!("{problem}\n")).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response
}
