//! Finds the presented key and takes it out of the request.
//!
//! A request carries one credential or none. Two, even equal ones, are refused: whichever was taken, somebody else might take the
//! other.

use http::header::{AUTHORIZATION, HeaderMap, HeaderName};

use crate::model::{Outcome, PlainKey, Refusal, WhyInvalid};
use crate::telemetry::{AuthReason, Metrics};

/// Takes the key out, and counts what the exchange will never see. All lines of all `names` are gone afterwards, whatever is returned.
pub(crate) fn extract(headers: &mut HeaderMap, names: &[HeaderName], metrics: &Metrics) -> Result<PlainKey, Outcome> {
    take(headers, names).inspect_err(|outcome| {
        if let Outcome::MissingKey = outcome {
            metrics.auth_decision(AuthReason::MissingKey);
        } else if let Outcome::Refused(refusal) = outcome {
            metrics.auth_decision(refusal.into());
        }
    })
}

/// The same, not counted: for an entrance that is not the data plane.
pub(crate) fn take(headers: &mut HeaderMap, names: &[HeaderName]) -> Result<PlainKey, Outcome> {
    let mut found = None;
    let mut count = 0;
    for name in names {
        // Removing gives the first line and drops the others, so they are counted first.
        match headers.get_all(name).iter().count() {
            0 => {}
            lines => {
                count += lines;
                found = headers.remove(name).map(|value| (name, value));
            }
        }
    }
    match found {
        _ if count > 1 => Err(Outcome::BadRequest("there is more than one credential")),
        None => Err(Outcome::MissingKey),
        Some((name, value)) => {
            let text = if *name == AUTHORIZATION { bearer(value.as_bytes())? } else { value.as_bytes() };
            PlainKey::presented(text).ok_or(Outcome::Refused(Refusal::InvalidKey(WhyInvalid::Malformed)))
        }
    }
}

/// The token of `Bearer TOKEN` (RFC 6750, section 2.1; the scheme in any case by RFC 9110, section 11.1). Another scheme is no
/// credential that is understood here, so that the challenge of "none sent" tells the client which one is.
fn bearer(value: &[u8]) -> Result<&[u8], Outcome> {
    let (scheme, token) = value.split_at(value.iter().position(|byte| *byte == b' ').unwrap_or(value.len()));
    if !scheme.eq_ignore_ascii_case(b"bearer") {
        return Err(Outcome::MissingKey);
    }
    // What is left of a blank inside makes the key malformed.
    Ok(token.iter().position(|byte| *byte != b' ').and_then(|start| token.get(start..)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::model::KeyDigest;

    const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

    fn taken(lines: &[(&str, &str)]) -> Result<KeyDigest, Outcome> {
        let mut headers: HeaderMap =
            lines.iter().map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap())).collect();
        let key = take(&mut headers, &[AUTHORIZATION, X_API_KEY]);
        assert!(!headers.contains_key(AUTHORIZATION) && !headers.contains_key(X_API_KEY), "{lines:?}");
        key.map(|key| KeyDigest::of(&key))
    }

    fn digest(text: &str) -> KeyDigest {
        KeyDigest::of(&PlainKey::presented(text.as_bytes()).unwrap())
    }

    #[test]
    fn a_bearer_token_and_a_bare_key_are_taken() {
        for value in ["Bearer secret", "bearer secret", "BEARER   secret"] {
            assert_eq!(taken(&[("authorization", value)]), Ok(digest("secret")), "{value}");
        }
        assert_eq!(taken(&[("x-api-key", "secret")]), Ok(digest("secret")));
    }

    #[test]
    fn two_credentials_anywhere_are_refused() {
        let two = Err(Outcome::BadRequest("there is more than one credential"));
        assert_eq!(taken(&[("authorization", "Bearer a"), ("authorization", "Bearer a")]), two);
        assert_eq!(taken(&[("x-api-key", "a"), ("x-api-key", "b")]), two);
        assert_eq!(taken(&[("authorization", "Bearer a"), ("x-api-key", "a")]), two);
        assert_eq!(taken(&[("authorization", "Basic YTpi"), ("x-api-key", "a")]), two);
    }

    #[test]
    fn no_credential_or_another_scheme_is_a_missing_key() {
        for lines in [&[][..], &[("authorization", "Basic YTpi")], &[("authorization", "")], &[("authorization", "secret")]] {
            assert_eq!(taken(lines), Err(Outcome::MissingKey), "{lines:?}");
        }
    }

    #[test]
    fn what_cannot_be_a_key_is_refused_without_a_look_up() {
        let malformed = Err(Outcome::Refused(Refusal::InvalidKey(WhyInvalid::Malformed)));
        let long = "a".repeat(513);
        for value in ["Bearer", "Bearer ", "Bearer a b", "Bearer a,", "Bearer clv_x"] {
            let expected = if value == "Bearer a," { Ok(digest("a,")) } else { malformed.clone() };
            assert_eq!(taken(&[("authorization", value)]), expected, "{value}");
        }
        assert_eq!(taken(&[("x-api-key", "")]), malformed);
        assert_eq!(taken(&[("x-api-key", &long)]), malformed);
    }
}
