//! Before and after every request: its id, its caller, how often they may ask, and how a refusal is told.

use std::convert::Infallible;
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::CACHE_CONTROL;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method};
use http_body_util::{BodyExt as _, Limited};

use super::body;
use super::problem::{ApiError, Untold};
use super::state::{AdminState, REPLICA};
use super::waiting::{self, Waiting};
use crate::control::{Asked, Code, ControlError};
use crate::edge::credential;
use crate::edge::problem::X_REQUEST_ID;
use crate::edge::request_id::RequestId;
use crate::edge::service::Peer;
use crate::model::{KeyDigest, Once, Outcome};
use crate::telemetry;

/// How long a request may take, its body read and its answer made.
const LONGEST: Duration = Duration::from_mins(1);
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Gives the request its id, and the answer.
pub(super) async fn identified(State(state): State<AdminState>, mut request: Request, next: Next) -> Response {
    let id = state.next_request_id();
    request.extensions_mut().insert(id.clone());
    let line = (request.method().clone(), request.uri().path().to_owned());
    let answered = tokio::time::timeout(LONGEST, next.run(request)).await;
    let late = |_| {
        let late = ApiError::new(Code::Unavailable, "the request has taken too long; what it asked for may have been done");
        late.told(id.as_str())
    };
    let mut response = answered.unwrap_or_else(late);
    // Beyond what a request may take by itself; how long this may be is said there.
    if let Some(waiting) = response.extensions_mut().remove::<Waiting>() {
        response = waiting.answered(state.control(), response).await;
    }
    if let Some(Untold(error)) = response.extensions_mut().remove::<Untold>() {
        let kept = std::mem::take(response.headers_mut());
        response = std::sync::Arc::unwrap_or_clone(error).told(id.as_str());
        for (name, value) in kept.iter().filter(|(name, _)| **name == http::header::ALLOW) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response.headers_mut().insert(X_REQUEST_ID, id.value());
    response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    let (method, path) = line;
    // Whoever pastes a key into a path must not find it in the log.
    let path = telemetry::without_keys(&path);
    let path = path.as_ref();
    let status = response.status();
    if status.is_server_error() {
        tracing::warn!(%method, path, status = status.as_u16(), request_id = id.as_str(), "the admin API cannot answer");
    } else {
        tracing::debug!(%method, path, status = status.as_u16(), request_id = id.as_str(), "the admin API has answered");
    }
    response
}

/// Finds out who asks, and lets only those go on who hold a key that works.
pub(super) async fn authenticated(State(state): State<AdminState>, request: Request, next: Next) -> Response {
    match authenticate(&state, request).await {
        Ok((request, waiting)) => {
            let mut response = next.run(request).await;
            if let Some(waiting) = waiting {
                response.extensions_mut().insert(waiting);
            }
            response
        }
        Err(error) => axum::response::IntoResponse::into_response(error),
    }
}

async fn authenticate(state: &AdminState, mut request: Request) -> Result<(Request, Option<Waiting>), ApiError> {
    let turnstile = state.turnstile();
    let address = request.extensions().get::<Peer>().map(|Peer(peer)| turnstile.address(*peer, request.headers()));
    let now = state.control().monotonic();
    let plain = credential::take_bearer(request.headers_mut()).map_err(|outcome| refused(&outcome))?;
    // Whoever has sent many keys that do not work is not even told whether the next one does.
    turnstile.may_try(address, now).map_err(ApiError::rate_limited)?;
    let digest = KeyDigest::of(&plain);
    drop(plain);
    let request_id = request.extensions().get::<RequestId>().map(|id| id.as_str().into());
    let mut asked = match state.control().identify(digest, address, request_id).await {
        Ok(asked) => asked,
        Err(ControlError::NoSuchCaller) => {
            turnstile.note_failure(address, now).map_err(ApiError::rate_limited)?;
            return Err(ApiError::invalid_key());
        }
        Err(error) => return Err(error.into()),
    };
    let taken = if request.uri().path().starts_with("/feed/") {
        let name = request.headers().get(REPLICA).map(HeaderValue::as_bytes).unwrap_or_default();
        state.take_for_sidecar(&digest, name, now)
    } else {
        turnstile.take(&digest, now)
    };
    taken.map_err(ApiError::rate_limited)?;
    // Before it is named: sent again, it may wait or not, and is the same request.
    let waiting = waiting::wanted(&mut request, digest, state.seats())?;
    let (named, mut request) = named(request).await?;
    asked.once = named;
    request.extensions_mut().insert(Session(asked));
    Ok((request, waiting))
}

/// What the client calls a POST, so that sending it again makes nothing twice.
async fn named(request: Request) -> Result<(Option<Once>, Request), ApiError> {
    let mut lines = request.headers().get_all(&IDEMPOTENCY_KEY).iter();
    let (line, other) = (lines.next(), lines.next());
    let Some(line) = line.filter(|_| request.method() == Method::POST) else { return Ok((None, request)) };
    let key: Box<str> = match line.to_str() {
        Ok(text) if (1..=255).contains(&text.len()) && other.is_none() => text.into(),
        Ok(_) | Err(_) => return Err(ApiError::bad_request("Idempotency-Key must be one text of 1 to 255 visible characters")),
    };
    let (parts, body) = request.into_parts();
    let read = Limited::new(body, body::LONGEST).collect().await;
    let bytes = read.map_err(|_| ApiError::new(Code::TooLarge, format!("the body is longer than {} bytes", body::LONGEST)))?.to_bytes();
    let mut asked = Context::new(&SHA256);
    for part in [parts.uri.path().as_bytes(), b"\n", parts.uri.query().unwrap_or_default().as_bytes(), b"\n", &bytes] {
        asked.update(part);
    }
    let mut fingerprint = [0; 32];
    fingerprint.copy_from_slice(asked.finish().as_ref());
    Ok((Some(Once { key, fingerprint }), Request::from_parts(parts, bytes.into())))
}

fn refused(outcome: &Outcome) -> ApiError {
    match outcome {
        Outcome::MissingKey => ApiError::new(Code::MissingKey, "an API key is needed: send it as `Authorization: Bearer KEY`"),
        Outcome::BadRequest(why) => ApiError::bad_request(*why),
        Outcome::Refused(_)
        | Outcome::Forwarded
        | Outcome::NoRoute
        | Outcome::RateLimited(..)
        | Outcome::Overloaded
        | Outcome::TooLarge(_)
        | Outcome::UpstreamFailed
        | Outcome::UpstreamTimeout
        | Outcome::Draining
        | Outcome::ClientGone => ApiError::invalid_key(),
    }
}

/// Who asks. Only behind [`authenticated`].
#[derive(Clone)]
pub(super) struct Session(pub(super) Asked);

impl<S: Sync> FromRequestParts<S> for Session {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        // What is not done must not look as if it was.
        if parts.method != Method::GET && parts.uri.query().is_some_and(|query| !query.is_empty()) {
            return Err(ApiError::bad_request(
                "a change takes no query parameter but wait and timeout, and what changes nothing takes none",
            ));
        }
        // A handler that nobody has put behind the door lets nobody in.
        parts.extensions.get::<Self>().cloned().ok_or_else(ApiError::invalid_key)
    }
}

/// No such path.
pub(super) async fn not_found() -> ApiError {
    ApiError::not_found("there is no such path: /openapi.json describes those that there are")
}

/// No such method there; which there are says the `Allow` that the router adds.
pub(super) async fn method_not_allowed() -> Result<Infallible, ApiError> {
    Err(ApiError::new(Code::MethodNotAllowed, "this path does not know that method"))
}

/// A change that goes on though whoever asked for it has gone away: it is made and in force, or it is not made.
pub(super) async fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, ControlError>> + Send + 'static,
) -> Result<T, ApiError> {
    match tokio::spawn(work).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(ApiError::new(Code::Unavailable, "the change has ended half-way: see whether it was made")),
    }
}
