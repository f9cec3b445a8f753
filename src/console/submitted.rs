//! A form that somebody has sent who has signed in.

use axum::extract::{FromRequest, FromRequestParts as _, Request};

use super::fields::{Fields, form};
use super::refusal::Refusal;
use super::visit::Visit;

/// A form of this very session, sent by somebody who has signed in.
pub(super) struct Submitted {
    pub(super) visit: Visit,
    pub(super) fields: Fields,
}

impl<S: Send + Sync> FromRequest<S> for Submitted {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let (mut parts, body) = request.into_parts();
        let visit = Visit::from_request_parts(&mut parts, state).await?;
        let fields = form(Request::from_parts(parts, body)).await?;
        if !visit.token.is(fields.raw("csrf")) {
            return Err(Refusal::forged());
        }
        Ok(Self { visit, fields })
    }
}
