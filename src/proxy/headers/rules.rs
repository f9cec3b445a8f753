//! What is to happen to a header of a client's request, by its name.

use std::fmt::Write as _;

use http::header::{HeaderMap, HeaderName};

use super::name_set::NameSet;
use crate::config::{HeaderPattern, TokenHeader};

/// The usual names, which are looked up first. What is removed by configuration is not among them.
const USUAL: [&str; 12] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "cache-control",
    "content-length",
    "content-type",
    "cookie",
    "host",
    "origin",
    "referer",
    "trailer",
    "user-agent",
];

/// What is to happen to a header of a client's request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Keep,
    Drop,
    /// Said about the way of the request: the word of a trusted proxy counts.
    KeepFromTrusted,
    /// Names headers that end here; ends here itself.
    Connection,
    /// Ends here, but for `trailers`.
    Te,
    /// Is passed on if it is well-formed.
    Trace,
    /// Comes in several lines over HTTP/2.
    Cookie,
}

/// The rules, with the names that the configuration chooses.
#[derive(Clone, Debug)]
pub(crate) struct HeaderRules {
    pub(super) token: HeaderName,
    /// Where claims are said besides.
    pub(super) beside: Vec<HeaderName>,
    /// The headers that credentials come in, those that the token and its claims leave in, and usual ones that are removed all the same.
    own: Vec<HeaderName>,
    pub(super) own_folded: Vec<String>,
    removed: NameSet,
    pub(super) via: bool,
}

impl HeaderRules {
    /// `credentials`: where keys stand; `beside`: the headers that claims are said in, besides the token.
    pub(crate) fn new(
        credentials: &[HeaderName],
        token: &HeaderName,
        beside: &[TokenHeader],
        removed: &[HeaderPattern],
        via: bool,
    ) -> Self {
        let removed = NameSet::of(removed);
        let beside: Vec<HeaderName> = beside.iter().map(|header| header.name.clone()).collect();
        let usual = USUAL.into_iter().filter(|name| removed.contains(name)).map(HeaderName::from_static);
        let own: Vec<HeaderName> = credentials.iter().chain([token]).chain(&beside).cloned().chain(usual).collect();
        let own_folded = own.iter().map(|name| fold(name.as_str())).collect();
        Self { token: token.clone(), beside, own, own_folded, removed, via }
    }

    /// What is to happen to this header.
    pub(super) fn fate(&self, name: &HeaderName) -> Fate {
        if self.own.contains(name) { Fate::Drop } else { self.fate_of(name.as_str()) }
    }

    pub(super) fn fate_of(&self, name: &str) -> Fate {
        match name {
            // The usual ones first: a match on text goes by length, then compares once.
            "host" | "accept" | "user-agent" | "content-type" | "content-length" | "accept-encoding" | "accept-language" | "origin"
            | "referer" | "cache-control" | "trailer" => Fate::Keep,
            "cookie" => Fate::Cookie,
            "connection" => Fate::Connection,
            "te" => Fate::Te,
            "keep-alive"
            | "proxy-connection"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-authentication-info"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
            | "expect" => Fate::Drop,
            "forwarded"
            | "x-forwarded-for"
            | "x-forwarded-proto"
            | "x-forwarded-host"
            | "x-forwarded-port"
            | "x-forwarded-prefix"
            | "x-forwarded-scheme"
            | "x-forwarded-server"
            | "x-forwarded-ssl"
            | "x-forwarded-by"
            | "x-real-ip"
            | "x-client-ip"
            | "x-cluster-client-ip"
            | "true-client-ip"
            | "client-ip"
            | "cf-connecting-ip"
            | "cf-connecting-ipv6"
            | "fastly-client-ip"
            | "x-envoy-external-address"
            | "x-originating-ip"
            | "x-remote-ip"
            | "x-remote-addr"
            | "x-proxyuser-ip"
            | "x-original-url"
            | "x-original-host"
            | "x-original-uri"
            | "x-original-forwarded-for"
            | "x-rewrite-url"
            | "x-request-id" => Fate::KeepFromTrusted,
            "traceparent" | "tracestate" => Fate::Trace,
            _ => self.fate_of_rare(name),
        }
    }

    fn fate_of_rare(&self, name: &str) -> Fate {
        if name.starts_with("x-forwarded-") || name.starts_with("x-claviger-") || self.removed.contains(name) {
            return Fate::Drop;
        }
        if is_plain(name) {
            return Fate::Keep;
        }
        // Many frameworks take `X_Roles` and `X.Roles` for `X-Roles`.
        let folded = fold(name);
        let framing = matches!(folded.as_str(), "host" | "content-length" | "cookie");
        let protected = framing || self.own_folded.contains(&folded) || (is_plain(&folded) && self.fate_of(&folded) != Fate::Keep);
        if protected { Fate::Drop } else { Fate::Keep }
    }

    /// Takes out of trailers whatever could be mistaken for a header (RFC 9110, section 6.5.1).
    pub(crate) fn clean_trailers(&self, trailers: &mut HeaderMap) {
        let doomed: Vec<HeaderName> =
            trailers.keys().filter(|name| self.fate(name) != Fate::Keep || is_for_heads(name.as_str())).cloned().collect();
        for name in doomed {
            trailers.remove(name);
        }
    }
}

/// Letters, digits, and single inner hyphens' worth of nothing to fold.
fn is_plain(name: &str) -> bool {
    let bytes = name.as_bytes();
    bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-') && bytes.first() != Some(&b'-') && bytes.last() != Some(&b'-')
}

/// The name as the most careless reader might take it: in lower case, everything but letters and digits a hyphen, none at the ends.
pub(super) fn fold(name: &str) -> String {
    let mut folded = String::with_capacity(name.len());
    for byte in name.bytes() {
        let folds = !byte.is_ascii_alphanumeric();
        let _ = folded.write_char(if folds { '-' } else { char::from(byte.to_ascii_lowercase()) });
    }
    folded.trim_matches('-').to_owned()
}

/// Headers that mean something before the body or not at all.
fn is_for_heads(name: &str) -> bool {
    name.starts_with("content-")
        || name.starts_with("if-")
        || name.starts_with("access-control-")
        || matches!(
            name,
            "host"
                | "cookie"
                | "set-cookie"
                | "cache-control"
                | "range"
                | "max-forwards"
                | "pragma"
                | "trailer"
                | "www-authenticate"
                | "location"
                | "retry-after"
                | "vary"
                | "age"
                | "date"
                | "expires"
                | "origin"
                | "via"
                | "x-request-id"
        )
}
