//! `Connection`, and the other headers that are lists of tokens: what is said to the next hop alone.

use http::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRANSFER_ENCODING};

/// What was seen of the `Connection` header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ConnectionHeader {
    #[default]
    Absent,
    /// It names nothing but itself.
    Usual,
    /// It names headers that end here as well.
    Naming,
}

impl ConnectionHeader {
    /// Takes note of one of its lines.
    pub(super) fn says(&mut self, value: &HeaderValue) {
        let value = value.as_bytes();
        let usual = value.eq_ignore_ascii_case(b"keep-alive") || value.eq_ignore_ascii_case(b"close");
        *self = if usual && *self != Self::Naming { Self::Usual } else { Self::Naming };
    }

    /// Removes it, and what it names.
    pub(super) fn drop_from(self, headers: &mut HeaderMap) {
        match self {
            Self::Absent => return,
            Self::Usual => {}
            Self::Naming => {
                for name in named_by_connection(headers) {
                    headers.remove(name);
                }
            }
        }
        headers.remove(CONNECTION);
    }
}

/// Whether a `Connection` header has this token.
pub(crate) fn connection_has(headers: &HeaderMap, token: &str) -> bool {
    tokens(headers, &CONNECTION).any(|named| named.eq_ignore_ascii_case(token.as_bytes()))
}

/// What `Connection` names, but for what a message cannot be without.
fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    tokens(headers, &CONNECTION)
        .filter_map(|token| HeaderName::from_bytes(token).ok())
        .filter(|name| ![HOST, CONTENT_LENGTH, TRANSFER_ENCODING, TE].contains(name))
        .collect()
}

/// The elements of a list, each as it is: odd bytes in one of them are no reason to overlook the others.
pub(super) fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    headers.get_all(name).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii)
}
