//! How the admin API refuses: problem documents (RFC 9457) with stable codes.

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use utoipa::openapi::{Content, Ref, RefOr, Response as Described};
use utoipa::{IntoResponses, ToSchema};

use super::thing::Thing;
use crate::control::{Code, ControlError};
use crate::model::Resource;
use crate::policy::PolicyFault;
use crate::store::StoreError;
use crate::token::{RollRefusal, TokenError};

/// What each type begins with; the code follows, and `docs/errors/` has a page for each.
const TYPE: &str = "urn:claviger:error:";

/// The status that it is sent with.
fn status_of(code: Code) -> StatusCode {
    match code {
        Code::BadRequest => StatusCode::BAD_REQUEST,
        Code::MissingKey | Code::InvalidKey => StatusCode::UNAUTHORIZED,
        Code::Forbidden => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Code::Exists
        | Code::NameTaken
        | Code::KeyRevoked
        | Code::InUse
        | Code::Fixed
        | Code::LastRootAdmin
        | Code::TokenTooLarge
        | Code::SigningKeysFixed
        | Code::TooEarly => StatusCode::CONFLICT,
        Code::Invalid | Code::PolicyFaults | Code::IdempotencyMismatch => StatusCode::UNPROCESSABLE_ENTITY,
        Code::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
        Code::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Code::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// A refusal, told.
#[derive(Clone, Debug)]
pub(super) struct ApiError {
    code: Code,
    detail: String,
    faults: Vec<PolicyFault>,
    /// What is not there.
    missing: Option<Box<Resource>>,
    /// Which of several changes it is about.
    change: Option<usize>,
    /// Seconds.
    retry_after: Option<u64>,
}

/// A problem document (RFC 9457).
#[derive(Serialize, ToSchema)]
pub(super) struct Problem {
    /// `urn:claviger:error:` and the code.
    r#type: String,
    title: &'static str,
    status: u16,
    /// What happened, for programs. Stable.
    #[schema(example = "forbidden")]
    code: &'static str,
    /// What happened, for people.
    detail: String,
    /// Stands in the log, and in the audit of what was changed.
    request_id: String,
    /// What is wrong with a login policy, each with its line.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    faults: Vec<PolicyFault>,
    /// What is not there, if that is why.
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<Thing>,
    /// Which of several changes it is about, counted from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<usize>,
}

impl ApiError {
    pub(super) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), faults: Vec::new(), missing: None, change: None, retry_after: None }
    }

    /// Of one of several changes.
    pub(super) fn about_change(self, change: Option<usize>) -> Self {
        Self { change, ..self }
    }

    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(Code::BadRequest, detail)
    }

    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(Code::NotFound, detail)
    }

    pub(super) fn invalid_key() -> Self {
        Self::new(Code::InvalidKey, "the API key is not valid")
    }

    pub(super) fn rate_limited_because(detail: impl Into<String>) -> Self {
        Self { retry_after: Some(1), ..Self::new(Code::RateLimited, detail) }
    }

    pub(super) fn rate_limited(wait: std::time::Duration) -> Self {
        let retry_after = Some(wait.as_secs().saturating_add(1));
        Self { retry_after, ..Self::new(Code::RateLimited, "too many requests: try again later") }
    }

    /// With the request's id, which whoever handles it need not know.
    pub(super) fn told(self, request_id: &str) -> Response {
        let Self { code, detail, faults, missing, change, retry_after } = self;
        let status = status_of(code);
        let problem = Problem {
            r#type: format!("{TYPE}{}", code.as_str()),
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            code: code.as_str(),
            detail,
            request_id: request_id.to_owned(),
            faults,
            missing: missing.as_deref().map(Thing::of),
            change,
        };
        let mut body = serde_json::to_string(&problem).unwrap_or_default();
        body.push('\n');
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match code {
            Code::MissingKey => _ = headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"claviger\"")),
            Code::InvalidKey => {
                let challenge = HeaderValue::from_static("Bearer realm=\"claviger\", error=\"invalid_token\"");
                headers.insert(WWW_AUTHENTICATE, challenge);
            }
            Code::BadRequest
            | Code::Forbidden
            | Code::NotFound
            | Code::MethodNotAllowed
            | Code::Exists
            | Code::NameTaken
            | Code::KeyRevoked
            | Code::InUse
            | Code::Fixed
            | Code::LastRootAdmin
            | Code::TokenTooLarge
            | Code::IdempotencyMismatch
            | Code::Invalid
            | Code::PolicyFaults
            | Code::SigningKeysFixed
            | Code::TooEarly
            | Code::PreconditionFailed
            | Code::TooLarge
            | Code::UnsupportedMediaType
            | Code::RateLimited
            | Code::Unavailable => {}
        }
        if let Some(seconds) = retry_after.or((code == Code::Unavailable).then_some(1)) {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// Told by whoever knows the request's id: see `session`.
impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = status_of(self.code).into_response();
        response.extensions_mut().insert(Untold(std::sync::Arc::new(self)));
        response
    }
}

/// A refusal on its way to be told.
#[derive(Clone)]
pub(super) struct Untold(pub(super) std::sync::Arc<ApiError>);

impl From<ControlError> for ApiError {
    fn from(error: ControlError) -> Self {
        let refused = Self::new(error.code(), error.to_string());
        match error {
            ControlError::Policy(faults) => Self { faults, ..refused },
            // What a database says is for whoever runs it.
            ControlError::Store(StoreError::Unavailable(why)) => {
                tracing::warn!(error = why, "the store cannot be used by the admin API");
                Self { detail: "the store cannot be used at the moment".to_owned(), ..refused }
            }
            ControlError::Store(StoreError::NotFound(resource)) => Self { missing: Some(Box::new(resource)), ..refused },
            // The caller's way of saying it.
            ControlError::SigningKeys(TokenError::Roll(RollRefusal::NotKnownYet { .. } | RollRefusal::TokensLive { .. })) => {
                Self { detail: format!("{} ({{\"force\": true}})", refused.detail), ..refused }
            }
            ControlError::NoSuchCaller
            | ControlError::Forbidden(_)
            | ControlError::Store(StoreError::Conflict(_) | StoreError::Precondition(_) | StoreError::Elsewhere { .. })
            | ControlError::SigningKeys(_)
            | ControlError::Busy
            | ControlError::NoRandomness(_)
            | ControlError::TokenTooLarge { .. }
            | ControlError::IdempotencyMismatch
            | ControlError::Invalid(_) => refused,
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        ControlError::Store(error).into()
    }
}

/// Every way in which an operation may be refused, for its description.
pub(super) struct Refusals;

impl IntoResponses for Refusals {
    fn responses() -> std::collections::BTreeMap<String, RefOr<Described>> {
        let problem = || Content::new(Some(Ref::from_schema_name("Problem")));
        let refused = |why: &str| {
            let mut response = Described::new(why);
            response.content.insert("application/problem+json".to_owned(), RefOr::T(problem()));
            RefOr::T(response)
        };
        [("4XX", "Refused; `code` says why"), ("5XX", "It cannot be done at the moment")]
            .into_iter()
            .map(|(status, why)| (status.to_owned(), refused(why)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_page_that_says_what_why_and_what_to_do() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/errors");
        for code in Code::ALL {
            let page =
                std::fs::read_to_string(folder.join(format!("{}.md", code.as_str()))).unwrap_or_else(|error| panic!("{code:?}: {error}"));
            assert!(page.starts_with(&format!("# {} ({})\n", code.as_str(), status_of(code).as_u16())), "{page}");
            for part in ["**What happened.**", "**Why.**", "**What to do.**"] {
                assert!(page.contains(part), "{code:?}: {part}");
            }
        }
        let mut pages: Vec<String> =
            std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        pages.retain(|page| Code::ALL.iter().all(|code| *page != format!("{}.md", code.as_str())));
        assert_eq!(pages, Vec::<String>::new(), "pages of codes that there are not");
    }
}
