//! Why a page is not shown, or a form not taken, and what to do about it.

use std::sync::Arc;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::StatusCode;

use crate::control::{Code, ControlError, Forbidden, Operation};
use crate::exchange::ExchangeError;
use crate::policy::PolicyFault;
use crate::store::StoreError;

/// Why a page is not shown.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    /// A heading.
    pub(super) title: &'static str,
    /// What happened: a sentence without capital and full stop.
    pub(super) detail: String,
    /// What to do; empty: nothing that is not said.
    pub(super) advice: &'static str,
    /// The page of `docs/errors` that says more.
    pub(super) code: Option<Code>,
    pub(super) faults: Vec<PolicyFault>,
    /// What somebody wanted to do and may not, if nobody but who looks at the page has heard of it yet.
    pub(super) wanted: Option<Operation>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, title: &'static str, detail: impl Into<String>, advice: &'static str) -> Self {
        Self { status, title, detail: detail.into(), advice, code: None, faults: Vec::new(), wanted: None }
    }

    pub(super) fn not_signed_in() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Not signed in", "this page is for those who have signed in", "Sign in first.")
    }

    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        let advice = "It may have been deleted, or the address is misspelled. Look for it with the search above.";
        Self::new(StatusCode::NOT_FOUND, "Not found", detail, advice)
    }

    pub(super) fn rate_limited(wait: Duration) -> Self {
        let detail = format!("too many requests: the next one may come in {} s", wait.as_secs().saturating_add(1));
        Self::new(StatusCode::TOO_MANY_REQUESTS, "Too many requests", detail, "Wait, then load the page again.")
    }

    /// A form that did not come from a page of this session.
    pub(super) fn forged() -> Self {
        let advice = "Nothing was changed. Go back, load the page again, and send the form anew.";
        Self::new(StatusCode::FORBIDDEN, "Form refused", "the form is not one of this session", advice)
    }

    pub(super) fn bad_form(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Form refused", detail, "Nothing was changed. Go back and send the form anew.")
    }
}

impl From<Forbidden> for Refusal {
    fn from(forbidden: Forbidden) -> Self {
        let wanted = Some(forbidden.operation);
        Self { wanted, ..ControlError::Forbidden(forbidden).into() }
    }
}

/// A heading for a code, and what to do.
fn told(code: Code) -> (StatusCode, &'static str, &'static str) {
    let again = "Load the page again, look at what is there now, and decide anew.";
    let otherwise = "Nothing was changed. Change what you entered, or look up why below.";
    match code {
        Code::MissingKey | Code::InvalidKey => (StatusCode::UNAUTHORIZED, "Not signed in", "Sign in again."),
        Code::Forbidden => (StatusCode::FORBIDDEN, "Not allowed", "Ask somebody who administers the space, or a root admin."),
        Code::NotFound => (StatusCode::NOT_FOUND, "Not found", "It may have been deleted meanwhile. Look for it with the search above."),
        Code::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "Not possible", otherwise),
        Code::Exists | Code::NameTaken => (StatusCode::CONFLICT, "Already there", "Take another name, or change the one that is there."),
        Code::KeyRevoked => (StatusCode::CONFLICT, "Key revoked", "A revoked key stays revoked: create another one."),
        Code::InUse => (StatusCode::CONFLICT, "In use", "Take away what uses it first."),
        Code::Fixed => (StatusCode::CONFLICT, "Part of the system", "It cannot be changed: create one of your own."),
        Code::LastRootAdmin => {
            (StatusCode::CONFLICT, "Last root admin", "Make another key a root admin first, so that somebody can manage.")
        }
        Code::TokenTooLarge => (StatusCode::CONFLICT, "Token too large", "Give fewer roles or groups, or raise token.max_bytes."),
        Code::SigningKeysFixed | Code::TooEarly => (StatusCode::CONFLICT, "Not now", otherwise),
        Code::BadRequest | Code::UnsupportedMediaType => (StatusCode::BAD_REQUEST, "Not understood", otherwise),
        Code::Invalid | Code::PolicyFaults | Code::IdempotencyMismatch => (StatusCode::UNPROCESSABLE_ENTITY, "Not taken", otherwise),
        Code::PreconditionFailed => (StatusCode::PRECONDITION_FAILED, "Somebody was faster", again),
        Code::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "Too large", otherwise),
        Code::RateLimited => (StatusCode::TOO_MANY_REQUESTS, "Too many requests", "Wait, then try again."),
        Code::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "Not available", "Try again in a moment; if it stays, look at the log."),
    }
}

impl From<ControlError> for Refusal {
    fn from(error: ControlError) -> Self {
        let code = error.code();
        let (status, title, advice) = told(code);
        let detail = match &error {
            // What a database says is for whoever runs it.
            ControlError::Store(StoreError::Unavailable(why)) => {
                tracing::warn!(error = why, "the store cannot be used by the console");
                "the store cannot be used at the moment".to_owned()
            }
            ControlError::Store(_)
            | ControlError::NoSuchCaller
            | ControlError::Forbidden(_)
            | ControlError::Busy
            | ControlError::NoRandomness(_)
            | ControlError::Policy(_)
            | ControlError::TokenTooLarge { .. }
            | ControlError::IdempotencyMismatch
            | ControlError::SigningKeys(_)
            | ControlError::Invalid(_) => error.to_string(),
        };
        let faults = if let ControlError::Policy(faults) = error { faults } else { Vec::new() };
        Self { status, title, detail, advice, code: Some(code), faults, wanted: None }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        ControlError::Store(error).into()
    }
}

impl From<ExchangeError> for Refusal {
    fn from(error: ExchangeError) -> Self {
        ControlError::from(error).into()
    }
}

/// Becomes a page where it is known who looks at it: see `door::signed_in`.
impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(Untold(Arc::new(self)));
        response
    }
}

/// A refusal on its way to become a page.
#[derive(Clone)]
pub(super) struct Untold(pub(super) Arc<Refusal>);
