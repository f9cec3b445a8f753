//! Which header a credential may stand in.

use http::HeaderName;

use super::parse::ValueError;

/// Headers that frame a message, that belong to one connection, or that the proxy itself speaks in: a credential in one of them would be
/// taken off, changed, or would break the message.
const TAKEN: [&str; 35] = [
    "accept",
    "accept-encoding",
    "age",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "date",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "max-forwards",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "retry-after",
    "set-cookie",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "vary",
    "via",
    "www-authenticate",
    "x-real-ip",
    "x-request-id",
    "x-request-start",
];

/// The name of a header that may carry a credential.
pub(super) fn credential_header(text: &str) -> Result<HeaderName, ValueError> {
    let Ok(name) = HeaderName::try_from(text) else {
        return Err(ValueError::new(format!("{text:?} is not the name of a header")).suggest("names look like \"x-api-key\""));
    };
    let folded = name.as_str().replace(['_', '.'], "-");
    if folded != name.as_str() {
        // Many servers read all three alike, so the proxy does not let such names pass.
        return Err(ValueError::new("`_` and `.` in a header's name are read as `-` by some and not by others")
            .suggest(format!("write \"{folded}\"")));
    }
    if TAKEN.contains(&folded.as_str()) || folded.starts_with("x-forwarded-") || folded.starts_with("sec-") {
        return Err(ValueError::new(format!("{folded} cannot carry a credential: it has a meaning of its own to servers and proxies")));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_that_frame_or_belong_to_a_connection_carry_no_credential() {
        for name in [
            "Content-Length",
            "host",
            "Connection",
            "transfer-encoding",
            "X-Forwarded-For",
            "sec-websocket-key",
            "cookie",
            "x_api_key",
            "a b",
            "",
        ] {
            assert!(credential_header(name).is_err(), "{name}");
        }
    }

    #[test]
    fn other_headers_may_carry_one() {
        for name in ["Authorization", "x-api-key", "X-Auth-Token"] {
            assert!(credential_header(name).is_ok(), "{name}");
        }
    }
}
