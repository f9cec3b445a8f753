//! A client's request, made ready for the upstream.
//!
//! First everything that may not pass is taken off, then ours is put on, so that nothing in the request (a `Connection` that names our
//! headers, a second spelling of one of them) can take ours away or stand beside it.

use std::net::IpAddr;
use std::time::Duration;

use http::header::{CONNECTION, COOKIE, FORWARDED, HeaderMap, HeaderName, HeaderValue, TE, UPGRADE, VIA};
use http::{Request, Version};

use super::connection::{ConnectionHeader, tokens};
use super::rules::{Fate, HeaderRules};
use super::trace_context::check_trace;
use crate::edge::Admission;
use crate::edge::client_address::X_FORWARDED_FOR;
use crate::edge::problem::X_REQUEST_ID;
use crate::token::ClaimHeaders;

const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// A request that may be forwarded: whoever sent it has been authenticated, or its route is open to everybody, and its headers have been
/// rewritten. Nothing else is taken by what forwards, and nothing but the rewriting of headers makes one:
///
/// ```compile_fail
/// fn forward(request: claviger::proxy::Permitted<&mut http::Request<()>>) {}
/// let mut request = http::Request::new(());
/// forward(claviger::proxy::Permitted { request: &mut request, response_timeout: None });
/// ```
///
/// All but that line is sound:
///
/// ```
/// fn forward(request: claviger::proxy::Permitted<&mut http::Request<()>>) {}
/// let mut request = http::Request::new(());
/// request.headers_mut().clear();
/// ```
#[derive(Debug)]
pub struct Permitted<R> {
    request: R,
    response_timeout: Option<Duration>,
}

impl<R> Permitted<R> {
    /// How long the head of the answer may take, if its route says so.
    pub(crate) fn response_timeout(&self) -> Option<Duration> {
        self.response_timeout
    }

    /// What is sent.
    pub(crate) fn into_inner(self) -> R {
        self.request
    }
}

impl<B> Permitted<&mut Request<B>> {
    /// Asks for an upgrade to WebSocket as well.
    pub(crate) fn ask_for_websocket(&mut self) {
        let headers = self.request.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    }
}

/// What the headers of a connection's requests have in common.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// `None`: not known.
    pub(crate) address: Option<IpAddr>,
    /// Whether its word about the way of its requests counts.
    pub(crate) trusted: bool,
    /// What the connection to it speaks.
    pub(crate) scheme: &'static str,
    /// The peer's address, as text.
    pub(crate) forwarded_for: HeaderValue,
    /// The peer's address as an element of `Forwarded`.
    pub(crate) forwarded: HeaderValue,
}

impl Peer {
    pub(crate) fn at(address: Option<IpAddr>, trusted: bool, encrypted: bool) -> Self {
        // RFC 7239, section 6.2, and what others write into the older header.
        let text = address.map_or_else(|| "unknown".to_owned(), |address| address.to_string());
        let node = if address.is_some_and(|address| address.is_ipv6()) { format!("for=\"[{text}]\"") } else { format!("for={text}") };
        let value = |text: &str| HeaderValue::from_str(text).expect("an address is visible ASCII");
        let scheme = if encrypted { "https" } else { "http" };
        Self { address, trusted, scheme, forwarded_for: value(&text), forwarded: value(&node) }
    }
}

/// What one request is sent on with.
#[derive(Debug)]
pub(crate) struct ForwardContext<'a> {
    pub(crate) peer: &'a Peer,
    pub(crate) host: Option<&'a HeaderValue>,
    pub(crate) request_id: HeaderValue,
    pub(crate) response_timeout: Option<Duration>,
}

impl HeaderRules {
    /// Makes a client's headers ready for the upstream, which makes the request one that may be forwarded.
    pub(crate) fn rewrite<'r, B>(
        &self,
        request: &'r mut Request<B>,
        admission: &Admission,
        context: ForwardContext<'_>,
    ) -> Permitted<&'r mut Request<B>> {
        let (version, response_timeout) = (request.version(), context.response_timeout);
        self.rewrite_headers(request.headers_mut(), version, admission.token(), context);
        Permitted { request, response_timeout }
    }

    pub(super) fn rewrite_headers(
        &self,
        headers: &mut HeaderMap,
        version: Version,
        token: Option<(&HeaderValue, &ClaimHeaders)>,
        context: ForwardContext<'_>,
    ) {
        let trusted = context.peer.trusted;
        let mut doomed = Vec::new();
        let (mut connection, mut te, mut trace, mut cookie) = (ConnectionHeader::default(), false, false, false);
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
        if cookie && version == Version::HTTP_2 {
            join_cookies(headers);
        }
        self.insert_ours(headers, version, token, context);
    }

    fn insert_ours(
        &self,
        headers: &mut HeaderMap,
        version: Version,
        token: Option<(&HeaderValue, &ClaimHeaders)>,
        context: ForwardContext<'_>,
    ) {
        let peer = context.peer;
        if peer.trusted {
            let way = appended(headers, &X_FORWARDED_FOR, &peer.forwarded_for);
            headers.insert(X_FORWARDED_FOR, way);
            if headers.contains_key(FORWARDED) {
                let way = appended(headers, &FORWARDED, &peer.forwarded);
                headers.insert(FORWARDED, way);
            }
            headers.entry(X_FORWARDED_PROTO).or_insert(HeaderValue::from_static(peer.scheme));
            if let Some(host) = context.host {
                headers.entry(X_FORWARDED_HOST).or_insert_with(|| host.clone());
            }
        } else {
            headers.insert(X_FORWARDED_FOR, peer.forwarded_for.clone());
            headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(peer.scheme));
            if let Some(host) = context.host {
                headers.insert(X_FORWARDED_HOST, host.clone());
            }
        }
        if self.via {
            headers.append(VIA, via(version));
        }
        headers.insert(X_REQUEST_ID, context.request_id);
        let Some((token, beside)) = token else { return };
        for (name, value) in beside.iter() {
            // While settings change, the token may be of others than this request is served by; what nobody has taken off is not put on.
            if self.beside.contains(name) {
                headers.insert(name.clone(), value.clone());
            }
        }
        headers.insert(self.token.clone(), token.clone());
    }
}

fn wants_trailers(headers: &HeaderMap) -> bool {
    tokens(headers, &TE).any(|coding| coding.eq_ignore_ascii_case(b"trailers"))
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
