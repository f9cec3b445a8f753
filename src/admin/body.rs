//! What stands in a request: its JSON, its query, its path. What is wrong is told with where it stands.

use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::response::IntoResponse as _;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::problem::ApiError;
use crate::control::Code;

/// The longest body that is read, in bytes.
pub(super) const LONGEST: usize = 1024 * 1024;

/// A JSON document.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let media = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let media = media.split(';').next().unwrap_or_default().trim();
        if !media.eq_ignore_ascii_case("application/json") {
            return Err(ApiError::new(Code::UnsupportedMediaType, "send JSON, and say so: Content-Type: application/json"));
        }
        let bytes =
            axum::body::Bytes::from_request(request, state).await.map_err(|rejection| match rejection.into_response().status() {
                StatusCode::PAYLOAD_TOO_LARGE => ApiError::new(Code::TooLarge, "the body is longer than what is read here"),
                _ => ApiError::bad_request("the body cannot be read"),
            })?;
        // Else the fields could be told by their places, which no description speaks of.
        if bytes.trim_ascii_start().first() != Some(&b'{') {
            return Err(ApiError::bad_request("the body must be a JSON object"));
        }
        let mut reader = serde_json::Deserializer::from_slice(&bytes);
        let read: T = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
            let path = error.path().to_string();
            let what = error.into_inner();
            ApiError::bad_request(if path == "." { what.to_string() } else { format!("{path}: {what}") })
        })?;
        reader.end().map_err(|error| ApiError::bad_request(error.to_string()))?;
        Ok(Self(read))
    }
}

/// The query, every parameter of which must be known.
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let query = axum::extract::Query::<T>::try_from_uri(&parts.uri);
        query.map(|axum::extract::Query(read)| Self(read)).map_err(|error| ApiError::bad_request(error.body_text()))
    }
}

/// What the path names. What cannot be a name of anything is the name of nothing that is there.
pub(super) struct Named<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Named<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<T>::from_request_parts(parts, state).await;
        path.map(|Path(read)| Self(read)).map_err(|error| ApiError::not_found(error.body_text()))
    }
}

/// A field that may be left out, or be null: `None`, `Some(None)`.
#[expect(clippy::option_option, reason = "left out, null, and a value are three")]
pub(super) fn nullable<'de, T: Deserialize<'de>, D: serde::Deserializer<'de>>(reader: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(reader).map(Some)
}

/// A text of so many characters at most.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Text<const MOST: usize>(pub(super) String);

impl<const MOST: usize> Default for Text<MOST> {
    fn default() -> Self {
        Self(String::new())
    }
}

impl<const MOST: usize> TryFrom<String> for Text<MOST> {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.chars().count() <= MOST { Ok(Self(text)) } else { Err(format!("it is longer than {MOST} characters")) }
    }
}

/// So many items at most.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Vec<T>", bound(deserialize = "T: Deserialize<'de>"))]
pub(super) struct Few<T, const MOST: usize>(pub(super) Vec<T>);

impl<T, const MOST: usize> Default for Few<T, MOST> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, const MOST: usize> TryFrom<Vec<T>> for Few<T, MOST> {
    type Error = String;

    fn try_from(items: Vec<T>) -> Result<Self, String> {
        if items.len() <= MOST { Ok(Self(items)) } else { Err(format!("it has more than {MOST} items")) }
    }
}
