//! An upstream's answer, made ready for the client.

use http::StatusCode;
use http::header::{CONTENT_LENGTH, HeaderMap};

use super::connection::ConnectionHeader;
use crate::edge::problem::X_REQUEST_ID;

/// What makes an upstream's answer unfit to be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unfit {
    #[error("the upstream switched protocols without being asked")]
    Switched,
    /// What reads HTTP/1 sees to it by itself; h2 takes an empty one for none.
    #[error("the upstream's Content-Length is malformed")]
    Length,
    /// What reads HTTP/1 sees to it by itself.
    #[error("too many header lines")]
    Lines,
}

/// Makes the headers of an interim answer ready for the client: as those of any answer, and it has no body of which they could speak.
pub(crate) fn clean_interim(status: StatusCode, headers: &mut HeaderMap) -> Result<(), Unfit> {
    clean_response(status, headers)?;
    headers.remove(CONTENT_LENGTH);
    // The one of the answer itself is ours.
    headers.remove(X_REQUEST_ID);
    Ok(())
}

/// Makes an upstream's headers ready for the client. There is no `Transfer-Encoding` among them: what reads answers has taken it off,
/// or refused it.
pub(crate) fn clean_response(status: StatusCode, headers: &mut HeaderMap) -> Result<(), Unfit> {
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Unfit::Switched);
    }
    let mut doomed = Vec::new();
    let (mut connection, mut length, mut repeated) = (ConnectionHeader::default(), None, false);
    for (name, value) in headers.iter() {
        match name.as_str() {
            "connection" => connection.says(value),
            "content-length" => {
                let digits = !value.is_empty() && value.as_bytes().iter().all(u8::is_ascii_digit);
                if !digits || length.is_some_and(|before| before != value) {
                    return Err(Unfit::Length);
                }
                repeated = length.replace(value).is_some();
            }
            "keep-alive" | "proxy-connection" | "proxy-authenticate" | "proxy-authentication-info" | "te" | "upgrade" => {
                doomed.push(name.clone());
            }
            _ => {}
        }
    }
    if status == StatusCode::NO_CONTENT {
        // There is no body, whatever it says (RFC 9110, section 8.6).
        headers.remove(CONTENT_LENGTH);
    } else if repeated && let Some(length) = headers.get(CONTENT_LENGTH).cloned() {
        // The same again changes nothing.
        headers.insert(CONTENT_LENGTH, length);
    }
    connection.drop_from(headers);
    for name in &doomed {
        headers.remove(name);
    }
    Ok(())
}
