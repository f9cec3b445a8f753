//! Which version of a thing somebody speaks of: `ETag` and `If-Match` (RFC 9110, sections 8.8.3 and 13.1.1), by revision.

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, IntoResponseParts, Response, ResponseParts};
use http::header::{ETAG, IF_MATCH, LOCATION};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use serde::Serialize;

use super::problem::ApiError;
use crate::model::Revision;

/// `ETag: "<revision>"`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tag(pub(super) Revision);

impl IntoResponseParts for Tag {
    type Error = std::convert::Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Self::Error> {
        if let Ok(value) = HeaderValue::try_from(format!("\"{}\"", self.0)) {
            parts.headers_mut().insert(ETAG, value);
        }
        Ok(parts)
    }
}

/// What `If-Match` asks for: `None` if nothing, or `*`.
#[derive(Clone, Copy, Debug)]
pub(super) struct OnlyAt(pub(super) Option<Revision>);

impl<S: Sync> FromRequestParts<S> for OnlyAt {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let mut lines = parts.headers.get_all(IF_MATCH).iter();
        let Some(line) = lines.next() else { return Ok(Self(None)) };
        let text = line.to_str().unwrap_or_default().trim();
        let ill_formed = || ApiError::bad_request("If-Match must be one ETag as it was sent, such as \"42\", or *");
        if lines.next().is_some() {
            return Err(ill_formed());
        }
        if text == "*" {
            return Ok(Self(None));
        }
        let digits = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).ok_or_else(ill_formed)?;
        let revision = digits.parse::<u64>().ok().and_then(|number| Revision::try_from(number).ok());
        revision.map(|revision| Self(Some(revision))).ok_or_else(ill_formed)
    }
}

/// The thing as it is now, after a change or as it is read.
pub(super) fn shown<T: Serialize>(revision: Revision, thing: T) -> Response {
    (Tag(revision), axum::Json(thing)).into_response()
}

/// The thing that was made, and where it is.
pub(super) fn made<T: Serialize>(revision: Revision, at: &str, thing: T) -> Response {
    let mut response = (StatusCode::CREATED, Tag(revision), axum::Json(thing)).into_response();
    if let Ok(at) = HeaderValue::try_from(format!("/api/v1{at}")) {
        response.headers_mut().insert(LOCATION, at);
    }
    response
}

/// It is gone.
pub(super) fn gone(revision: Revision) -> Response {
    (StatusCode::NO_CONTENT, Tag(revision), ()).into_response()
}
