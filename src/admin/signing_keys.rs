//! `/signing-keys`: what signs the tokens of the process that is asked, and how one key takes another one's place.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::{Body, Named};
use super::problem::{ApiError, Refusals};
use super::session::{Session, to_its_end};
use super::state::AdminState;
use crate::config::TokenAlgorithm;
use crate::control::Roll;
use crate::token::{Activate, KeyStanding, ListedKey, Withdraw};

/// A signing key. Of the key itself there is nothing here: its public half stands in the JWKS.
#[derive(Serialize, ToSchema)]
pub(super) struct SigningKey {
    /// RFC 7638 thumbprint, as in the JWKS and in the header of what it signs.
    kid: String,
    #[schema(example = "ES256")]
    algorithm: &'static str,
    /// `next`: published, does not sign yet. `current`: signs. `retiring`: signs no more, published because its tokens live. `retired`: not
    /// published any more.
    #[schema(example = "current")]
    state: &'static str,
    /// Since when it is in that state.
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
    /// Of a next one: from when on every verifier can be expected to know it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    may_sign_from: Option<Timestamp>,
    /// Of a retiring one: when the last of its tokens has expired, and it may go.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
}

/// Every signing key of this process, the one that signs first.
#[derive(Serialize, ToSchema)]
pub(super) struct SigningKeys {
    items: Vec<SigningKey>,
}

/// What the next key is for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewSigningKey {
    /// `ES256`, `EdDSA` or `RS256`; else `token.algorithm`.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^(ES256|EdDSA|RS256)$")]
    algorithm: Option<Algorithm>,
}

/// Whether to wait.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    /// At once, though verifiers may refuse valid tokens then.
    #[serde(default)]
    force: bool,
}

/// As `alg` spells it.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Algorithm(TokenAlgorithm);

impl TryFrom<String> for Algorithm {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let named = TokenAlgorithm::ALL.into_iter().find(|algorithm| algorithm.as_str() == text);
        named.map(Self).ok_or("it is none of ES256, EdDSA, RS256")
    }
}

impl From<ListedKey> for SigningKey {
    fn from(key: ListedKey) -> Self {
        let (state, since, may_sign_from, until) = match key.standing {
            KeyStanding::Next { published_at, may_sign_from } => ("next", published_at, Some(may_sign_from), None),
            KeyStanding::Current { since } => ("current", since, None, None),
            KeyStanding::Retiring { since, until } => ("retiring", since, None, Some(until)),
            KeyStanding::Retired { since } => ("retired", since, None, None),
        };
        Self { kid: key.kid, algorithm: key.algorithm, state, since, may_sign_from, until }
    }
}

/// Every signing key of the process that is asked, and where it stands.
#[utoipa::path(get, path = "/signing-keys", tag = "signing_keys", responses((status = 200, body = SigningKeys), Refusals))]
pub(super) async fn list(State(state): State<AdminState>, Session(asked): Session) -> Result<axum::Json<SigningKeys>, ApiError> {
    let keys = state.control().signing_keys(&asked.caller).await?;
    Ok(axum::Json(SigningKeys { items: keys.into_iter().map(SigningKey::from).collect() }))
}

/// Makes the next key. It is in the JWKS when this is answered, and signs nothing until it is activated. There is one at a time.
#[utoipa::path(
    post, path = "/signing-keys", tag = "signing_keys", request_body = NewSigningKey,
    responses((status = 201, body = SigningKey), Refusals)
)]
pub(super) async fn publish(
    State(state): State<AdminState>,
    Session(asked): Session,
    Body(NewSigningKey { algorithm }): Body<NewSigningKey>,
) -> Result<Response, ApiError> {
    let control = Arc::clone(state.control());
    let roll = Roll::Publish(algorithm.map(|Algorithm(algorithm)| algorithm));
    let key = to_its_end(async move { control.roll(&asked, roll).await }).await?.ok_or_else(taken_away)?;
    Ok((StatusCode::CREATED, axum::Json(SigningKey::from(key))).into_response())
}

/// Lets a key sign. The one that has signed until now stays in the JWKS until the last of its tokens has expired.
#[utoipa::path(
    post, path = "/signing-keys/{kid}/activate", tag = "signing_keys", params(("kid" = String, Path, description = "The key's thumbprint")),
    request_body = Step, responses((status = 200, body = SigningKey), Refusals)
)]
pub(super) async fn activate(
    State(state): State<AdminState>,
    Session(asked): Session,
    Named(kid): Named<String>,
    Body(Step { force }): Body<Step>,
) -> Result<axum::Json<SigningKey>, ApiError> {
    let control = Arc::clone(state.control());
    let roll = Roll::Activate { kid, how: if force { Activate::AtOnce } else { Activate::WhenKnown } };
    let key = to_its_end(async move { control.roll(&asked, roll).await }).await?.ok_or_else(taken_away)?;
    Ok(axum::Json(key.into()))
}

/// Deletes a key that does not sign, once no token of it can be alive.
#[utoipa::path(
    post, path = "/signing-keys/{kid}/retire", tag = "signing_keys", params(("kid" = String, Path, description = "The key's thumbprint")),
    request_body = Step, responses((status = 204), Refusals)
)]
pub(super) async fn retire(
    State(state): State<AdminState>,
    Session(asked): Session,
    Named(kid): Named<String>,
    Body(Step { force }): Body<Step>,
) -> Result<StatusCode, ApiError> {
    let control = Arc::clone(state.control());
    let roll = Roll::Retire { kid, how: if force { Withdraw::AtOnce } else { Withdraw::WhenQuiet } };
    to_its_end(async move { control.roll(&asked, roll).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Somebody has taken the file away meanwhile.
fn taken_away() -> ApiError {
    ApiError::not_found("the key was there, and is not any more")
}
