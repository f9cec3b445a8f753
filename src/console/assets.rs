//! Styles, scripts and pictures: files of this room, and nothing else.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};

struct Asset {
    name: &'static str,
    kind: &'static str,
    text: &'static str,
}

const ASSETS: [Asset; 6] = [
    Asset { name: "console.css", kind: "text/css; charset=utf-8", text: include_str!("assets/console.css") },
    Asset { name: "console.js", kind: "text/javascript; charset=utf-8", text: include_str!("assets/console.js") },
    Asset { name: "policy.css", kind: "text/css; charset=utf-8", text: include_str!("assets/policy.css") },
    Asset { name: "policy.js", kind: "text/javascript; charset=utf-8", text: include_str!("assets/policy.js") },
    Asset { name: "refresh.js", kind: "text/javascript; charset=utf-8", text: include_str!("assets/refresh.js") },
    Asset { name: "icon.svg", kind: "image/svg+xml", text: include_str!("assets/icon.svg") },
];

/// What all of them come to: another build's pages ask for other addresses, so that browsers may keep these for good.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let all: Vec<&str> = ASSETS.iter().map(|asset| asset.text).collect();
    let mut version = URL_SAFE_NO_PAD.encode(digest(&SHA256, all.concat().as_bytes()).as_ref());
    version.truncate(12);
    version
});

/// Where this one is.
pub(super) fn path(name: &str) -> String {
    format!("/assets/{}/{name}", *VERSION)
}

/// One of them.
pub(super) async fn serve(Path((version, name)): Path<(String, String)>) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return (StatusCode::NOT_FOUND, "there is no such file\n").into_response();
    };
    // Asked for by a page of another build, it is not what that page was made with.
    let kept = if version == *VERSION { "public, max-age=31536000, immutable" } else { "no-store" };
    let mut response = asset.text.into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(asset.kind));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(kept));
    response
}
