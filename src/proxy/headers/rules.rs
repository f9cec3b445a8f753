//! Which headers pass, in both directions: identity is ours or nobody's, and what belongs to one connection stays on it.
//!
//! First everything that may not pass is taken off, then ours is put on, so that nothing in the request (a `Connection` that names our
//! headers, a second spelling of one of them) can take ours away or stand beside it.

use std::fmt::Write as _;
use std::net::IpAddr;

use http::header::{
    CONNECTION, CONTENT_LENGTH, COOKIE, FORWARDED, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRANSFER_ENCODING, UPGRADE, VIA,
};
use http::{StatusCode, Version};

use crate::edge::client_address::X_FORWARDED_FOR;
use crate::edge::problem::X_REQUEST_ID;

const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// What is to happen to a header of a client's request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
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

/// What the headers of a connection's requests have in common.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    /// Whether its word about the way of its requests counts.
    pub(super) trusted: bool,
    /// The peer's address, as text.
    pub(super) forwarded_for: HeaderValue,
    /// The peer's address as an element of `Forwarded`.
    pub(super) forwarded: HeaderValue,
}

impl Sender {
    pub(super) fn at(peer: IpAddr, trusted: bool) -> Self {
        let text = peer.to_string();
        let node = if peer.is_ipv6() { format!("for=\"[{text}]\"") } else { format!("for={text}") };
        let value = |text: &str| HeaderValue::from_str(text).expect("an address is visible ASCII");
        Self { trusted, forwarded_for: value(&text), forwarded: value(&node) }
    }
}

/// What one request is sent on with.
#[derive(Debug)]
pub(super) struct Stamp<'a> {
    pub(super) sender: &'a Sender,
    /// The version that the client speaks.
    pub(super) version: Version,
    pub(super) host: Option<&'a HeaderValue>,
    pub(super) request_id: HeaderValue,
    pub(super) credential: &'a HeaderValue,
}

/// The rules, with the names that the configuration chooses.
#[derive(Clone, Debug)]
pub(super) struct Hygiene {
    token: HeaderName,
    /// The headers that credentials come in, and the one that the token leaves in.
    own: Vec<HeaderName>,
    own_folded: Vec<String>,
}

impl Hygiene {
    pub(super) fn new(credentials: &[HeaderName], token: &HeaderName) -> Self {
        let own: Vec<HeaderName> = credentials.iter().chain([token]).cloned().collect();
        let own_folded = own.iter().map(|name| fold(name.as_str())).collect();
        Self { token: token.clone(), own, own_folded }
    }

    /// Makes a client's headers ready for the upstream.
    pub(super) fn identify(&self, headers: &mut HeaderMap, stamp: Stamp<'_>) {
        let trusted = stamp.sender.trusted;
        let mut doomed = Vec::new();
        let (mut connection, mut te, mut trace, mut cookie) = (Connection::default(), false, false, false);
        for (name, value) in headers.iter() {
            match self.fate(name) {
                Fate::Keep => {}
                Fate::KeepFromTrusted if trusted => {}
                Fate::KeepFromTrusted | Fate::Drop => doomed.push(name.clone()),
                Fate::Connection => connection.says(value),
                Fate::Te => te = true,
                Fate::Trace => trace = true,
                Fate::Cookie => cookie = true,
            }
        }
        connection.drop_from(headers);
        for name in &doomed {
            headers.remove(name);
        }
        if te {
            let trailers = wants_trailers(headers);
            headers.remove(TE);
            if trailers {
                headers.insert(TE, HeaderValue::from_static("trailers"));
            }
        }
        if trace {
            check_trace(headers);
        }
        if cookie && stamp.version == Version::HTTP_2 {
            join_cookies(headers);
        }
        self.insert_ours(headers, stamp);
    }

    fn insert_ours(&self, headers: &mut HeaderMap, stamp: Stamp<'_>) {
        let sender = stamp.sender;
        if sender.trusted {
            let way = appended(headers, &X_FORWARDED_FOR, &sender.forwarded_for);
            headers.insert(X_FORWARDED_FOR, way);
            if headers.contains_key(FORWARDED) {
                let way = appended(headers, &FORWARDED, &sender.forwarded);
                headers.insert(FORWARDED, way);
            }
            headers.entry(X_FORWARDED_PROTO).or_insert(HeaderValue::from_static("http"));
            if let Some(host) = stamp.host {
                headers.entry(X_FORWARDED_HOST).or_insert_with(|| host.clone());
            }
        } else {
            headers.insert(X_FORWARDED_FOR, sender.forwarded_for.clone());
            headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static("http"));
            if let Some(host) = stamp.host {
                headers.insert(X_FORWARDED_HOST, host.clone());
            }
        }
        headers.append(VIA, via(stamp.version));
        headers.insert(X_REQUEST_ID, stamp.request_id);
        headers.insert(self.token.clone(), stamp.credential.clone());
    }

    fn fate(&self, name: &HeaderName) -> Fate {
        if self.own.contains(name) { Fate::Drop } else { self.fate_of(name.as_str()) }
    }

    fn fate_of(&self, name: &str) -> Fate {
        match name {
            // The usual ones first: a match on text goes by length, then compares once.
            "host" | "accept" | "user-agent" | "content-type" | "content-length" | "accept-encoding" | "accept-language" | "origin"
            | "referer" | "cache-control" | "trailer" => Fate::Keep,
            "cookie" => Fate::Cookie,
            "connection" => Fate::Connection,
            "te" => Fate::Te,
            "keep-alive" | "proxy-connection" | "proxy-authenticate" | "proxy-authorization" | "proxy-authentication-info"
            | "transfer-encoding" | "upgrade" | "http2-settings" | "expect"
            // Names that say who somebody is, here or in the proxies that people come from.
            | "x-role" | "x-roles" | "x-user" | "x-groups" | "x-remote-user" | "x-remote-group" | "x-remote-groups" | "remote-user"
            | "x-authenticated-user" => Fate::Drop,
            "forwarded" | "x-forwarded-for" | "x-forwarded-proto" | "x-forwarded-host" | "x-forwarded-port" | "x-forwarded-prefix"
            | "x-forwarded-scheme" | "x-forwarded-server" | "x-forwarded-ssl" | "x-forwarded-by" | "x-real-ip" | "x-client-ip"
            | "x-cluster-client-ip" | "true-client-ip" | "client-ip" | "cf-connecting-ip" | "cf-connecting-ipv6" | "fastly-client-ip"
            | "x-envoy-external-address" | "x-originating-ip" | "x-remote-ip" | "x-remote-addr" | "x-proxyuser-ip" | "x-original-url"
            | "x-original-host" | "x-original-uri" | "x-original-forwarded-for" | "x-rewrite-url" | "x-request-id" => {
                Fate::KeepFromTrusted
            }
            "traceparent" | "tracestate" => Fate::Trace,
            _ => self.fate_of_rare(name),
        }
    }

    fn fate_of_rare(&self, name: &str) -> Fate {
        if ["x-forwarded-", "x-auth-request-", "x-claviger-"].iter().any(|prefix| name.starts_with(prefix)) {
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
    pub(super) fn clean_trailers(&self, trailers: &mut HeaderMap) {
        let doomed: Vec<HeaderName> =
            trailers.keys().filter(|name| self.fate(name) != Fate::Keep || is_for_heads(name.as_str())).cloned().collect();
        for name in doomed {
            trailers.remove(name);
        }
    }
}

/// What makes an upstream's answer unfit to be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unfit {
    #[error("the upstream switched protocols without being asked")]
    Switched,
    /// What reads HTTP/1 sees to it by itself; h2 takes an empty one for none.
    #[error("the upstream's Content-Length is malformed")]
    Length,
}

/// Makes an upstream's headers ready for the client. There is no `Transfer-Encoding` among them: what reads answers has taken it off,
/// or refused it.
pub(super) fn clean_answer(status: StatusCode, headers: &mut HeaderMap) -> Result<(), Unfit> {
    if status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Unfit::Switched);
    }
    let mut doomed = Vec::new();
    let (mut connection, mut length, mut repeated) = (Connection::default(), None, false);
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

/// What was seen of the `Connection` header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Connection {
    #[default]
    Absent,
    /// It names nothing but itself.
    Usual,
    /// It names headers that end here as well.
    Naming,
}

impl Connection {
    /// Takes note of one of its lines.
    fn says(&mut self, value: &HeaderValue) {
        let value = value.as_bytes();
        let usual = value.eq_ignore_ascii_case(b"keep-alive") || value.eq_ignore_ascii_case(b"close");
        *self = if usual && *self != Self::Naming { Self::Usual } else { Self::Naming };
    }

    /// Removes it, and what it names.
    fn drop_from(self, headers: &mut HeaderMap) {
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
pub(super) fn connection_has(headers: &HeaderMap, token: &str) -> bool {
    tokens(headers, &CONNECTION).any(|named| named.eq_ignore_ascii_case(token))
}

/// Asks for an upgrade to WebSocket.
pub(super) fn insert_websocket(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
}

/// What `Connection` names, but for what a message cannot be without.
fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    tokens(headers, &CONNECTION)
        .filter_map(|token| HeaderName::from_bytes(token.as_bytes()).ok())
        .filter(|name| ![HOST, CONTENT_LENGTH, TRANSFER_ENCODING, TE].contains(name))
        .collect()
}

fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).map(str::trim)
}

fn wants_trailers(headers: &HeaderMap) -> bool {
    tokens(headers, &TE).any(|coding| coding.eq_ignore_ascii_case("trailers"))
}

/// All lines of the header and one entry more.
fn appended(headers: &HeaderMap, name: &HeaderName, entry: &HeaderValue) -> HeaderValue {
    let mut whole = Vec::new();
    for line in headers.get_all(name) {
        whole.extend_from_slice(line.as_bytes());
        whole.extend_from_slice(b", ");
    }
    if whole.is_empty() {
        return entry.clone();
    }
    whole.extend_from_slice(entry.as_bytes());
    HeaderValue::from_bytes(&whole).unwrap_or_else(|_| entry.clone())
}

fn via(version: Version) -> HeaderValue {
    HeaderValue::from_static(match version {
        Version::HTTP_2 => "2 claviger",
        Version::HTTP_10 => "1.0 claviger",
        _ => "1.1 claviger",
    })
}

/// RFC 9113, section 8.2.3.
fn join_cookies(headers: &mut HeaderMap) {
    let crumbs: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if crumbs.len() > 1
        && let Ok(cookie) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..]))
    {
        headers.insert(COOKIE, cookie);
    }
}

/// Passes a trace on only if it is one (W3C Trace Context, section 3.2); its state goes with it.
fn check_trace(headers: &mut HeaderMap) {
    let mut parents = headers.get_all(TRACEPARENT).iter();
    let sound = match (parents.next(), parents.next()) {
        (Some(parent), None) => is_traceparent(parent.as_bytes()),
        _ => false,
    };
    if !sound {
        headers.remove(TRACEPARENT);
        headers.remove(TRACESTATE);
    }
}

fn is_traceparent(text: &[u8]) -> bool {
    let Some((fixed, rest)) = text.split_at_checked(55) else { return false };
    let mut fields = fixed.split(|byte| *byte == b'-');
    let mut field = |length: usize| {
        fields.next().filter(|field| field.len() == length && field.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')))
    };
    let (version, trace, parent, flags) = (field(2), field(32), field(16), field(2));
    let is_set = |field: Option<&[u8]>| field.is_some_and(|field| field.iter().any(|byte| *byte != b'0'));
    match version {
        None | Some(b"ff") => false,
        Some(b"00") => rest.is_empty() && is_set(trace) && is_set(parent) && flags.is_some(),
        Some(_) => (rest.is_empty() || rest.starts_with(b"-")) && is_set(trace) && is_set(parent) && flags.is_some(),
    }
}

/// Letters, digits, and single inner hyphens' worth of nothing to fold.
fn is_plain(name: &str) -> bool {
    let bytes = name.as_bytes();
    bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-') && bytes.first() != Some(&b'-') && bytes.last() != Some(&b'-')
}

/// The name as the most careless reader might take it: in lower case, everything but letters and digits a hyphen, none at the ends.
fn fold(name: &str) -> String {
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

#[cfg(test)]
mod tests {
    use http::header::AUTHORIZATION;
    use proptest::prelude::*;

    use super::*;

    fn hygiene() -> Hygiene {
        Hygiene::new(&[AUTHORIZATION, HeaderName::from_static("x-api-key")], &HeaderName::from_static("x-service-token"))
    }

    fn map(lines: &[(&str, &str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap())).collect()
    }

    fn lines(headers: &HeaderMap) -> Vec<(String, String)> {
        let mut lines: Vec<_> =
            headers.iter().map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())).collect();
        lines.sort();
        lines
    }

    fn forwarded(trusted: bool, version: Version, headers: &[(&str, &str)]) -> HeaderMap {
        let mut headers = map(headers);
        let sender = Sender::at("192.0.2.7".parse().unwrap(), trusted);
        let stamp = Stamp {
            sender: &sender,
            version,
            host: Some(&HeaderValue::from_static("api")),
            request_id: HeaderValue::from_static("ours"),
            credential: &HeaderValue::from_static("Bearer jwt"),
        };
        hygiene().identify(&mut headers, stamp);
        headers
    }

    /// What of the client's own headers is left.
    fn left(trusted: bool, headers: &[(&str, &str)]) -> Vec<(String, String)> {
        let ours = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "via", "x-request-id", "x-service-token"];
        lines(&forwarded(trusted, Version::HTTP_11, headers)).into_iter().filter(|(name, _)| !ours.contains(&name.as_str())).collect()
    }

    #[test]
    fn a_stranger_gets_our_word_about_its_way_and_nothing_else() {
        let headers = forwarded(false, Version::HTTP_11, &[("host", "api"), ("x-forwarded-for", "6.6.6.6"), ("x-request-id", "theirs")]);
        let expected = [
            ("host", "api"),
            ("via", "1.1 claviger"),
            ("x-forwarded-for", "192.0.2.7"),
            ("x-forwarded-host", "api"),
            ("x-forwarded-proto", "http"),
            ("x-request-id", "ours"),
            ("x-service-token", "Bearer jwt"),
        ];
        assert_eq!(lines(&headers), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn a_trusted_proxy_is_believed_and_our_hop_added() {
        let headers = forwarded(
            true,
            Version::HTTP_11,
            &[("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "2.2.2.2"), ("x-forwarded-proto", "https"), ("forwarded", "for=1.1.1.1")],
        );
        assert_eq!(headers["x-forwarded-for"], "1.1.1.1, 2.2.2.2, 192.0.2.7");
        assert_eq!(headers["x-forwarded-proto"], "https");
        assert_eq!(headers["forwarded"], "for=1.1.1.1, for=192.0.2.7");
        assert_eq!(left(true, &[("x-forwarded-user", "root"), ("x-roles", "admin")]), []);
    }

    #[test]
    fn a_strangers_word_about_its_address_passes_under_no_name_that_proxies_use() {
        for name in [
            "x-real-ip",
            "x-client-ip",
            "x-cluster-client-ip",
            "true-client-ip",
            "client-ip",
            "cf-connecting-ip",
            "cf-connecting-ipv6",
            "fastly-client-ip",
            "x-envoy-external-address",
            "x-originating-ip",
            "x-remote-ip",
            "x-remote-addr",
            "x-proxyuser-ip",
        ] {
            assert_eq!(left(false, &[(name, "6.6.6.6"), (&name.replace('-', "_"), "6.6.6.6")]), [], "{name}");
            assert_eq!(left(true, &[(name, "6.6.6.6")]), [(name.to_owned(), "6.6.6.6".to_owned())], "{name}");
        }
    }

    #[test]
    fn names_that_fold_to_protected_ones_are_dropped() {
        for name in [
            "authorization",
            "authorization_",
            "x_api_key",
            "x.api.key",
            "x-api_key",
            "x-service_token",
            "x-service-token",
            "X_Roles",
            "x.roles",
            "x_forwarded_for",
            "transfer_encoding",
            "content_length",
            "content.length",
            "host_",
            "proxy_authorization",
            "_te",
            "x|user",
            "proxy-authorization",
            "x-auth-request-user",
            "x_claviger_role",
            "x-claviger-",
            "x-forwarded-user",
            "remote_user",
            "expect",
            "-host",
        ] {
            assert_eq!(left(false, &[(name, "x")]), [], "{name}");
        }
        for name in ["x-mine", "x_mine", "x.mine", "accept", "content-type", "if-match", "x-users"] {
            assert_eq!(left(false, &[(name, "x")]), [(name.to_owned(), "x".to_owned())], "{name}");
        }
    }

    #[test]
    fn what_connection_names_ends_here_and_takes_nothing_of_ours_away() {
        let headers = forwarded(
            false,
            Version::HTTP_11,
            &[
                ("host", "api"),
                ("x-hop", "1"),
                ("keep-alive", "5"),
                ("te", "gzip, trailers"),
                ("connection", "X-Hop, close, host, x-service-token, x-forwarded-for, te, \"odd"),
                ("connection", "x-request-id"),
            ],
        );
        assert!(["connection", "keep-alive", "x-hop"].iter().all(|name| !headers.contains_key(*name)));
        assert_eq!(headers["te"], "trailers");
        assert_eq!(headers["host"], "api");
        assert_eq!(headers["x-service-token"], "Bearer jwt");
        assert_eq!(headers["x-forwarded-for"], "192.0.2.7");
        assert_eq!(headers["x-request-id"], "ours");
        assert!(!forwarded(false, Version::HTTP_11, &[("te", "gzip")]).contains_key("te"));
    }

    #[test]
    fn a_trace_passes_only_if_it_is_one() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(left(false, &[("traceparent", good), ("tracestate", "a=b")]).len(), 2);
        for bad in [
            "",
            "00",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        ] {
            assert_eq!(left(false, &[("traceparent", bad), ("tracestate", "a=b")]), [], "{bad}");
        }
        assert_eq!(left(false, &[("traceparent", good), ("traceparent", good)]), []);
        let later = format!("cc{}-more", &good[2..]);
        assert_eq!(left(false, &[("traceparent", &later)]).len(), 1);
    }

    #[test]
    fn cookie_crumbs_of_http2_are_joined() {
        let headers = forwarded(false, Version::HTTP_2, &[("cookie", "a=b"), ("cookie", "c=d")]);
        assert_eq!(headers.get_all("cookie").iter().collect::<Vec<_>>(), ["a=b; c=d"]);
        assert_eq!(headers["via"], "2 claviger");
    }

    #[test]
    fn an_answer_loses_what_belongs_to_its_connection() {
        let mut headers = map(&[
            ("connection", "x-hop, close"),
            ("x-hop", "1"),
            ("keep-alive", "timeout=5"),
            ("server", "s"),
            ("upgrade", "h2c"),
            ("date", "then"),
        ]);
        clean_answer(StatusCode::OK, &mut headers).unwrap();
        assert_eq!(lines(&headers), [("date".to_owned(), "then".to_owned()), ("server".to_owned(), "s".to_owned())]);
    }

    #[test]
    fn an_answer_has_one_length_or_none_and_a_204_has_none() {
        let cleaned = |status: StatusCode, lengths: &[&str]| {
            let lines: Vec<_> = lengths.iter().map(|length| ("content-length", *length)).collect();
            let mut headers = map(&lines);
            clean_answer(status, &mut headers).map(|()| lines_of_length(&headers))
        };
        assert_eq!(cleaned(StatusCode::OK, &["5"]), Ok(vec!["5".to_owned()]));
        assert_eq!(cleaned(StatusCode::OK, &["5", "5"]), Ok(vec!["5".to_owned()]));
        assert_eq!(cleaned(StatusCode::NOT_MODIFIED, &["5"]), Ok(vec!["5".to_owned()]));
        assert_eq!(cleaned(StatusCode::NO_CONTENT, &["5"]), Ok(vec![]));
        assert_eq!(cleaned(StatusCode::NO_CONTENT, &["0"]), Ok(vec![]));
        for unfit in [&[""][..], &["+5"], &["5, 5"], &["5", "6"], &["5", ""]] {
            assert_eq!(cleaned(StatusCode::OK, unfit), Err(Unfit::Length), "{unfit:?}");
        }
    }

    fn lines_of_length(headers: &HeaderMap) -> Vec<String> {
        lines(headers).into_iter().filter(|(name, _)| name == "content-length").map(|(_, value)| value).collect()
    }

    #[test]
    fn a_switch_of_protocols_is_no_answer() {
        assert_eq!(clean_answer(StatusCode::SWITCHING_PROTOCOLS, &mut HeaderMap::new()), Err(Unfit::Switched));
    }

    #[test]
    fn trailers_carry_neither_credentials_nor_framing_nor_identity() {
        let mut trailers = map(&[
            ("authorization", "Bearer x"),
            ("x_api_key", "x"),
            ("content-length", "1"),
            ("transfer-encoding", "x"),
            ("x-roles", "x"),
            ("x-service-token", "x"),
            ("host", "x"),
            ("x-forwarded-for", "x"),
            ("grpc-status", "0"),
            ("x-checksum", "1"),
        ]);
        hygiene().clean_trailers(&mut trailers);
        assert_eq!(lines(&trailers), [("grpc-status".to_owned(), "0".to_owned()), ("x-checksum".to_owned(), "1".to_owned())]);
    }

    fn hostile_name() -> impl Strategy<Value = String> {
        let protected = prop::sample::select(vec![
            "authorization",
            "x-api-key",
            "x-service-token",
            "proxy-authorization",
            "x-forwarded-for",
            "x-forwarded-host",
            "forwarded",
            "x-real-ip",
            "x-roles",
            "x-user",
            "connection",
            "keep-alive",
            "te",
            "transfer-encoding",
            "upgrade",
            "x-request-id",
            "x-claviger-id",
        ]);
        let respelled = (protected, prop::collection::vec(prop::sample::select(vec!['-', '_', '.', '~', '|', '+']), 8), any::<u64>())
            .prop_map(|(name, marks, upper)| {
                let mut marks = marks.into_iter();
                name.char_indices()
                    .map(|(i, c)| match c {
                        '-' => marks.next().unwrap_or('-'),
                        c if upper >> (i % 64) & 1 == 1 => c.to_ascii_uppercase(),
                        c => c,
                    })
                    .collect::<String>()
            });
        let tailed = (respelled, prop::sample::select(vec!["", "_", ".", "-"])).prop_map(|(name, tail)| name + tail);
        prop_oneof![3 => tailed, 1 => "[a-zA-Z0-9_.-]{1,12}"]
    }

    proptest! {
        #[test]
        fn the_upstream_sees_identity_and_the_way_from_us_alone(
            lines in prop::collection::vec((hostile_name(), "[ -~]{0,20}"), 0..12),
            nominated in prop::collection::vec(hostile_name(), 0..4),
        ) {
            let mut sent: Vec<(&str, String)> = lines.iter().map(|(name, value)| (name.as_str(), format!("hostile {value}"))).collect();
            sent.push(("connection", nominated.join(",")));
            let sent: Vec<(&str, &str)> = sent.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let headers = forwarded(false, Version::HTTP_11, &sent);
            let rules = hygiene();
            for (name, value) in &headers {
                let hostile = value.as_bytes().starts_with(b"hostile");
                let folded = fold(name.as_str());
                let protected = rules.own_folded.contains(&folded)
                    || ["te", "connection", "keepalive"].contains(&folded.as_str())
                    || !matches!(rules.fate_of(&folded), Fate::Keep | Fate::Cookie);
                prop_assert!(!(hostile && protected), "{name}: {value:?}");
            }
            prop_assert_eq!(headers.get_all("x-service-token").iter().collect::<Vec<_>>(), ["Bearer jwt"]);
            prop_assert_eq!(headers.get_all("x-forwarded-for").iter().collect::<Vec<_>>(), ["192.0.2.7"]);
        }
    }
}
