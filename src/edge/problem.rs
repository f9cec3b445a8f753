//! How a request that is not forwarded is answered. The only table here from outcomes to statuses and texts.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Response, StatusCode};

use super::credential::Places;
use crate::model::{Outcome, RateLimit, Refusal, TooLarge};

pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What the type of each problem begins with; its code follows. A section of `docs/errors.md` says what each means.
const TYPE: &str = "urn:claviger:error:";

/// What becomes of the client's connection after a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connection {
    Keep,
    /// What comes next on it cannot be told, or is a body that nobody wants.
    Close,
}

/// The status of each outcome. `Forwarded` has the upstream's; it stands here for completeness.
pub(crate) fn status(outcome: &Outcome) -> StatusCode {
    match outcome {
        Outcome::Forwarded => StatusCode::OK,
        Outcome::BadRequest(_) => StatusCode::BAD_REQUEST,
        Outcome::MissingKey | Outcome::Refused(Refusal::InvalidKey(_)) => StatusCode::UNAUTHORIZED,
        Outcome::Refused(
            Refusal::Denied(_) | Refusal::NotAllowed | Refusal::NoRoles | Refusal::TokenTooLarge(_) | Refusal::MissingAction(_),
        ) => StatusCode::FORBIDDEN,
        Outcome::Refused(Refusal::Unavailable(_) | Refusal::Overloaded) | Outcome::Overloaded | Outcome::Draining => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        Outcome::NoRoute => StatusCode::NOT_FOUND,
        Outcome::RateLimited(..) => StatusCode::TOO_MANY_REQUESTS,
        Outcome::TooLarge(TooLarge::Body) => StatusCode::PAYLOAD_TOO_LARGE,
        Outcome::TooLarge(TooLarge::Target) => StatusCode::URI_TOO_LONG,
        Outcome::TooLarge(TooLarge::Head) => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        Outcome::UpstreamFailed => StatusCode::BAD_GATEWAY,
        Outcome::UpstreamTimeout => StatusCode::GATEWAY_TIMEOUT,
        // Nobody sees it but metrics and logs, which know the number from nginx.
        Outcome::ClientGone => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
    }
}

/// A sentence for the client. It tells nothing that helps to guess: all invalid keys get the same.
pub(super) fn detail(outcome: &Outcome, places: &Places) -> String {
    match outcome {
        Outcome::Forwarded => "the request was forwarded".into(),
        Outcome::BadRequest(what) => (*what).into(),
        Outcome::MissingKey => places.advice().into(),
        Outcome::Refused(Refusal::InvalidKey(_)) => "the API key is not valid".into(),
        Outcome::Refused(Refusal::Denied(_)) => "a login policy denies access".into(),
        Outcome::Refused(Refusal::NotAllowed) => "no login policy allows access".into(),
        Outcome::Refused(Refusal::NoRoles) => "the API key holds no role".into(),
        Outcome::Refused(Refusal::TokenTooLarge(_)) => "what the API key holds does not fit into a token".into(),
        Outcome::Refused(Refusal::MissingAction(missing)) => {
            format!("the API key may not {} in space {}", missing.action, missing.space)
        }
        Outcome::Refused(Refusal::Unavailable(_)) => "access cannot be decided at the moment".into(),
        Outcome::Refused(Refusal::Overloaded) => "too many requests are waiting".into(),
        Outcome::NoRoute => "there is no such route".into(),
        Outcome::RateLimited(RateLimit::Key, _) => "the API key sends more requests than it may".into(),
        Outcome::RateLimited(RateLimit::Route, _) => "there are more requests for this than may be".into(),
        Outcome::Overloaded => "as many requests are under way as may be at once".into(),
        Outcome::TooLarge(TooLarge::Body) => "the body is too large".into(),
        Outcome::TooLarge(TooLarge::Target) => "the request target is too long".into(),
        Outcome::TooLarge(TooLarge::Head) => "the request's header section is too large".into(),
        Outcome::UpstreamFailed => "the upstream cannot be reached, or its response was invalid".into(),
        Outcome::UpstreamTimeout => "the upstream did not answer in time".into(),
        Outcome::Draining => "the server is shutting down".into(),
        Outcome::ClientGone => "the client went away".into(),
    }
}

/// Whether `WWW-Authenticate` is said, and whether a key was sent (RFC 6750, section 3): no error code for whoever sent none.
fn challenges(outcome: &Outcome) -> Option<bool> {
    match outcome {
        Outcome::MissingKey => Some(false),
        Outcome::Refused(Refusal::InvalidKey(_)) => Some(true),
        Outcome::Forwarded
        | Outcome::BadRequest(_)
        | Outcome::Refused(
            Refusal::Denied(_)
            | Refusal::NotAllowed
            | Refusal::NoRoles
            | Refusal::TokenTooLarge(_)
            | Refusal::MissingAction(_)
            | Refusal::Unavailable(_)
            | Refusal::Overloaded,
        )
        | Outcome::NoRoute
        | Outcome::RateLimited(..)
        | Outcome::Overloaded
        | Outcome::TooLarge(_)
        | Outcome::UpstreamFailed
        | Outcome::UpstreamTimeout
        | Outcome::Draining
        | Outcome::ClientGone => None,
    }
}

/// The whole answer: a problem document (RFC 9457) in one piece.
pub(crate) fn refuse(outcome: &Outcome, places: &Places, request_id: HeaderValue, connection: Connection) -> Response<Bytes> {
    let status = status(outcome);
    let problem = serde_json::json!({
        "type": format!("{TYPE}{}", outcome.code()),
        "title": status.canonical_reason().unwrap_or("Error"),
        "status": status.as_u16(),
        "code": outcome.code(),
        "detail": detail(outcome, places),
        "request_id": request_id.to_str().unwrap_or_default(),
    });
    let mut response = Response::new(Bytes::from(format!("{problem}\n")));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_REQUEST_ID, request_id);
    for challenge in challenges(outcome).into_iter().flat_map(|invalid| places.challenges(invalid)) {
        headers.append(WWW_AUTHENTICATE, challenge);
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    if let Outcome::RateLimited(_, seconds) = outcome {
        headers.insert(RETRY_AFTER, HeaderValue::from(*seconds));
    }
    if connection == Connection::Close {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{MissingAction, TokenSize, WhyInvalid, WhyUnavailable};

    fn refused(outcome: &Outcome) -> Response<Bytes> {
        let places = Places::of(&crate::config::Settings::default().proxy.credentials);
        refuse(outcome, &places, HeaderValue::from_static("01hv"), Connection::Keep)
    }

    #[test]
    fn all_invalid_keys_are_answered_alike_byte_for_byte() {
        use WhyInvalid::{Disabled, Expired, Malformed, Revoked, RotatedOut, Unknown};
        let answers: Vec<String> = [Malformed, Unknown, Disabled, Expired, Revoked, RotatedOut]
            .into_iter()
            .map(|why| format!("{:?}", refused(&Outcome::Refused(Refusal::InvalidKey(why)))))
            .collect();
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
    }

    #[test]
    fn a_problem_document_has_all_its_members() {
        let response = refused(&Outcome::Refused(Refusal::Unavailable(WhyUnavailable::Store)));
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()[RETRY_AFTER], "1");
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        let problem: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(
            problem,
            serde_json::json!({
                "type": "urn:claviger:error:unavailable",
                "title": "Service Unavailable",
                "status": 503,
                "code": "unavailable",
                "detail": "access cannot be decided at the moment",
                "request_id": "01hv",
            })
        );
    }

    #[test]
    fn the_challenge_names_an_error_only_if_a_credential_was_sent() {
        let challenge =
            |outcome: &Outcome| refused(outcome).headers().get(WWW_AUTHENTICATE).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(challenge(&Outcome::MissingKey).unwrap(), "Bearer realm=\"claviger\"");
        let invalid = Outcome::Refused(Refusal::InvalidKey(WhyInvalid::Unknown));
        assert_eq!(challenge(&invalid).unwrap(), "Bearer realm=\"claviger\", error=\"invalid_token\"");
        assert_eq!(challenge(&Outcome::Refused(Refusal::NoRoles)), None);
    }

    /// The outcome after this one. Whoever adds an outcome says here where it stands, and so comes to its section in the documentation.
    fn next(outcome: &Outcome) -> Option<Outcome> {
        let refused = |refusal| Some(Outcome::Refused(refusal));
        match outcome {
            Outcome::Forwarded => Some(Outcome::BadRequest("there is more than one credential")),
            Outcome::BadRequest(_) => Some(Outcome::MissingKey),
            Outcome::MissingKey => refused(Refusal::InvalidKey(WhyInvalid::Unknown)),
            Outcome::Refused(Refusal::InvalidKey(_)) => refused(Refusal::Denied("p".parse().unwrap())),
            Outcome::Refused(Refusal::Denied(_)) => refused(Refusal::NotAllowed),
            Outcome::Refused(Refusal::NotAllowed) => refused(Refusal::NoRoles),
            Outcome::Refused(Refusal::NoRoles) => refused(Refusal::TokenTooLarge(TokenSize { size: 7000, limit: 6144 })),
            Outcome::Refused(Refusal::TokenTooLarge(_)) => refused(Refusal::Unavailable(WhyUnavailable::Store)),
            Outcome::Refused(Refusal::Unavailable(_)) => refused(Refusal::Overloaded),
            Outcome::Refused(Refusal::Overloaded) => {
                let (action, space) = ("run:trigger".parse().unwrap(), "production".parse().unwrap());
                refused(Refusal::MissingAction(Box::new(MissingAction { action, space })))
            }
            Outcome::Refused(Refusal::MissingAction(_)) => Some(Outcome::NoRoute),
            Outcome::NoRoute => Some(Outcome::RateLimited(RateLimit::Key, 3)),
            Outcome::RateLimited(RateLimit::Key, _) => Some(Outcome::RateLimited(RateLimit::Route, 3)),
            Outcome::RateLimited(RateLimit::Route, _) => Some(Outcome::Overloaded),
            Outcome::Overloaded => Some(Outcome::TooLarge(TooLarge::Body)),
            Outcome::TooLarge(TooLarge::Body) => Some(Outcome::TooLarge(TooLarge::Target)),
            Outcome::TooLarge(TooLarge::Target) => Some(Outcome::TooLarge(TooLarge::Head)),
            Outcome::TooLarge(TooLarge::Head) => Some(Outcome::UpstreamFailed),
            Outcome::UpstreamFailed => Some(Outcome::UpstreamTimeout),
            Outcome::UpstreamTimeout => Some(Outcome::Draining),
            Outcome::Draining => Some(Outcome::ClientGone),
            Outcome::ClientGone => None,
        }
    }

    #[test]
    fn every_refusal_has_a_section_with_its_status_and_a_body_that_ends_with_a_line_break() {
        let page = std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/errors.md")).unwrap();
        let section = |code: &str| page.split("\n## ").find(|section| section.lines().next() == Some(code)).map(str::to_owned);
        let mut codes = Vec::new();
        for outcome in std::iter::successors(next(&Outcome::Forwarded), next) {
            let (code, status) = (outcome.code(), status(&outcome).as_u16());
            let told = section(code).unwrap_or_else(|| panic!("docs/errors.md has no section {code}"));
            assert!(told.contains(&status.to_string()), "{code} is {status}: {told}");
            assert!(page.contains(&format!("| [`{code}`](#{code}) |")), "{code} is missing in the table");
            let body = refused(&outcome).into_body();
            assert!(body.ends_with(b"}\n"), "{body:?}");
            let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(problem["type"], format!("urn:claviger:error:{code}"));
            codes.push(code);
        }
        let stray: Vec<&str> =
            page.split("\n## ").skip(1).filter_map(|section| section.lines().next()).filter(|code| !codes.contains(code)).collect();
        assert_eq!(stray, Vec::<&str>::new(), "sections of codes that there are not");
        assert!(String::from_utf8_lossy(refused(&Outcome::MissingKey).body()).contains("Authorization: Bearer KEY"));
    }
}
