//! Which path gives what.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::IntoResponse;
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use utoipa::OpenApi as _;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt as _};
use utoipa_axum::routes;

use super::state::AdminState;
use super::{
    access, audit, bindings, body, changes, explain, feed, groups, keys, openapi, policies, reference, replicas, roles, samples, session,
    signing_keys, simulate, spaces, strategy, whoami,
};

/// Nothing from elsewhere, and no script at all.
const NOTHING_FOREIGN: &str = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What the listener serves beside the API.
pub type Pages = Router;

pub(super) fn router(state: AdminState, pages: Pages) -> Router {
    let (api, description) = OpenApiRouter::with_openapi(openapi::Description::openapi())
        .routes(routes!(whoami::show))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::import))
        .routes(routes!(keys::find))
        .routes(routes!(keys::show, keys::update, keys::revoke))
        .routes(routes!(keys::rotate))
        .routes(routes!(keys::disable))
        .routes(routes!(keys::enable))
        .routes(routes!(keys::effective))
        .routes(routes!(spaces::list, spaces::create))
        .routes(routes!(spaces::show, spaces::update, spaces::delete))
        .routes(routes!(roles::list, roles::create))
        .routes(routes!(roles::show, roles::update, roles::delete))
        .routes(routes!(groups::list, groups::create))
        .routes(routes!(groups::show, groups::update, groups::delete))
        .routes(routes!(bindings::list, bindings::create))
        .routes(routes!(bindings::show, bindings::delete))
        .routes(routes!(policies::list, policies::create))
        .routes(routes!(policies::validate))
        .routes(routes!(simulate::simulate))
        .routes(routes!(policies::show, policies::replace, policies::delete))
        .routes(routes!(strategy::show, strategy::set))
        .routes(routes!(samples::list, samples::clear))
        .routes(routes!(samples::show))
        .routes(routes!(changes::make).layer::<_, std::convert::Infallible>(DefaultBodyLimit::max(changes::LONGEST)))
        .routes(routes!(access::access))
        .routes(routes!(access::declared))
        .routes(routes!(access::evaluation))
        .routes(routes!(explain::explain))
        .routes(routes!(audit::list))
        .routes(routes!(audit::beginning))
        .routes(routes!(replicas::list))
        .routes(routes!(signing_keys::list, signing_keys::publish))
        .routes(routes!(signing_keys::activate))
        .routes(routes!(signing_keys::retire))
        .routes(routes!(feed::snapshot))
        .routes(routes!(feed::changes))
        .routes(routes!(feed::key))
        .routes(routes!(feed::uses))
        .routes(routes!(feed::samples))
        .routes(routes!(feed::report, feed::forget))
        .split_for_parts();
    let description = openapi::json(&description);
    let json: Arc<str> = description.to_string().into();
    let page: Arc<str> = reference::page(&description).into();
    let api = api
        .fallback(session::not_found)
        .method_not_allowed_fallback(session::method_not_allowed)
        .layer(DefaultBodyLimit::max(body::LONGEST))
        .layer(from_fn_with_state(state.clone(), session::authenticated));
    Router::new()
        .nest("/api/v1", api)
        .route("/openapi.json", get(move || async move { ([(CONTENT_TYPE, "application/json")], json.to_string()) }))
        .route("/api", get(move || async move { html(&page) }))
        .route("/api/reference.css", get(|| async { ([(CONTENT_TYPE, "text/css; charset=utf-8")], reference::STYLE) }))
        .fallback_service(pages)
        .method_not_allowed_fallback(session::method_not_allowed)
        .layer(from_fn(hardened))
        .layer(from_fn_with_state(state.clone(), session::identified))
        .with_state(state)
}

fn html(page: &str) -> impl IntoResponse + use<> {
    ([(CONTENT_TYPE, "text/html; charset=utf-8"), (CACHE_CONTROL, "no-cache")], page.to_owned())
}

/// What browsers are told of every answer that does not say it itself.
async fn hardened(request: axum::extract::Request, next: axum::middleware::Next) -> axum::response::Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, NOTHING_FOREIGN),
        (http::header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (http::header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.entry(name).or_insert(http::HeaderValue::from_static(value));
    }
    response
}
