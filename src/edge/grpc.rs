//! How a gRPC client learns that its request is not forwarded: status and message in a head without a body ("trailers-only").
//!
//! Such clients read neither HTTP's status nor a problem document; all that is not a gRPC answer is an unexplained failure to them.

use std::fmt::Write as _;

use bytes::Bytes;
use http::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use super::credential::Places;
use super::problem::{X_REQUEST_ID, detail};
use crate::model::{Outcome, Refusal};

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const MEDIA_TYPE: &str = "application/grpc";

/// Whether whoever sends this speaks gRPC: `application/grpc`, perhaps with `+proto` or parameters behind it.
pub(crate) fn is_spoken(headers: &HeaderMap) -> bool {
    let behind = headers.get(CONTENT_TYPE).and_then(|value| value.as_bytes().strip_prefix(MEDIA_TYPE.as_bytes()));
    behind.is_some_and(|behind| matches!(behind.first(), None | Some(b'+' | b';' | b' ')))
}

/// The code of each outcome, by gRPC's own table of what they mean.
fn status(outcome: &Outcome) -> u8 {
    match outcome {
        Outcome::Forwarded => 0,
        Outcome::ClientGone => 1,
        Outcome::BadRequest(_) => 3,
        Outcome::Refused(
            Refusal::Denied(_) | Refusal::NotAllowed | Refusal::NoRoles | Refusal::TokenTooLarge(_) | Refusal::MissingAction(_),
        ) => 7,
        Outcome::Refused(Refusal::Overloaded) | Outcome::TooLarge(_) | Outcome::RateLimited(..) => 8,
        Outcome::NoRoute => 12,
        // Another replica may have room.
        Outcome::Refused(Refusal::Unavailable(_))
        | Outcome::Overloaded
        | Outcome::UpstreamFailed
        | Outcome::UpstreamTimeout
        | Outcome::Draining => 14,
        Outcome::MissingKey | Outcome::Refused(Refusal::InvalidKey(_)) => 16,
    }
}

/// The whole answer.
pub(crate) fn refuse(outcome: &Outcome, places: &Places, request_id: HeaderValue) -> Response<Bytes> {
    let id = request_id.to_str().unwrap_or_default();
    let message = percent_encoded(&format!("{} ({}, request {id})", detail(outcome, places), outcome.code()));
    let mut response = Response::new(Bytes::new());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(GRPC_STATUS, HeaderValue::from(u16::from(status(outcome))));
    if let Ok(message) = HeaderValue::try_from(message) {
        headers.insert(GRPC_MESSAGE, message);
    }
    headers.insert(X_REQUEST_ID, request_id);
    response
}

/// As gRPC over HTTP/2 writes messages: whatever is not printable, and `%`, as `%XX`.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => encoded.push(char::from(byte)),
            _ => _ = write!(encoded, "%{byte:02X}"),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{WhyInvalid, WhyUnavailable};

    #[test]
    fn grpc_is_told_by_its_media_type() {
        let spoken = |value: &'static str| is_spoken(&HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(value))]));
        assert!(["application/grpc", "application/grpc+proto", "application/grpc;x=y"].into_iter().all(spoken));
        assert!(!["application/json", "application/grpc-web", "application/grpcx", ""].into_iter().any(spoken));
    }

    #[test]
    fn a_refusal_is_a_head_with_a_status_and_a_message_and_nothing_else() {
        let places = Places::of(&crate::config::Settings::default().proxy.credentials);
        for (outcome, status, message) in [
            (
                Outcome::MissingKey,
                "16",
                "an API key is needed: send it as `Authorization: Bearer KEY`, or as `x-api-key: KEY` (missing_key, request 01hv)",
            ),
            (Outcome::Refused(Refusal::InvalidKey(WhyInvalid::Expired)), "16", "the API key is not valid (invalid_key, request 01hv)"),
            (Outcome::Refused(Refusal::NoRoles), "7", "the API key holds no role (no_roles, request 01hv)"),
            (Outcome::Refused(Refusal::Overloaded), "8", "too many requests are waiting (overloaded, request 01hv)"),
        ] {
            let response = refuse(&outcome, &places, HeaderValue::from_static("01hv"));
            assert_eq!(response.status(), 200);
            assert!(response.body().is_empty());
            assert_eq!(response.headers()[GRPC_STATUS], status);
            assert_eq!(response.headers()[GRPC_MESSAGE], message);
        }
        let unavailable = refuse(&Outcome::Refused(Refusal::Unavailable(WhyUnavailable::Store)), &places, HeaderValue::from_static("01hv"));
        assert_eq!(unavailable.headers()[GRPC_STATUS], "14");
        assert_eq!(percent_encoded("50 % é\n"), "50 %25 %C3%A9%0A");
    }
}
