//! What the path of a page names.

use std::str::FromStr;

use axum::extract::{FromRequestParts, Path};
use http::request::Parts;

use super::refusal::Refusal;

/// What the path names. What cannot be a name of anything is the name of nothing that is there.
pub(super) struct InPath<T>(pub(super) T);

impl<T: FromStr, S: Send + Sync> FromRequestParts<S> for InPath<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let id = Path::<String>::from_request_parts(parts, state).await.ok().and_then(|Path(id)| id.parse().ok());
        id.map(Self).ok_or_else(|| Refusal::not_found("nothing can be called that"))
    }
}
