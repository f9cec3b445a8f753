//! What a request is about: method, target and authority, read in one way only.
//!
//! Whatever two programs could read differently is refused before anything is decided about it. What passes is forwarded byte for
//! byte.

use http::header::{CONTENT_LENGTH, HOST, HeaderMap, HeaderValue, TRANSFER_ENCODING};
use http::uri::{PathAndQuery, Scheme, Uri};
use http::{Method, Request, Version};

use super::raw_target;
use crate::model::{Outcome, TooLarge};

/// The longest method, in bytes. The longest that is registered has 17.
const METHOD_MAX: usize = 32;
/// The longest target, in bytes. RFC 9110 asks for at least 8,000.
const TARGET_MAX: usize = 16 * 1024;

/// Checks the head, reduces its target to path and query, and leaves the authority in `Host` alone. Returns the authority that the
/// client means: what `Host` says or would say; `None` in HTTP/1.0 without one.
///
/// `has_body`: whether hyper has found one, without which there is no framing to look at.
pub(crate) fn check<B>(request: &mut Request<B>, has_body: bool) -> Result<Option<HeaderValue>, Outcome> {
    let host = match request.version() {
        Version::HTTP_11 | Version::HTTP_10 => check_http1(request, has_body)?,
        Version::HTTP_2 => check_http2(request)?,
        _ => return Err(Outcome::BadRequest("this version of HTTP is not supported")),
    };
    if request.version() == Version::HTTP_2
        && let Some(host) = &host
    {
        request.headers_mut().insert(HOST, host.clone());
    }
    if request.method().as_str().len() > METHOD_MAX {
        return Err(Outcome::BadRequest("the method is too long"));
    }
    if *request.method() == Method::CONNECT || *request.method() == Method::TRACE {
        return Err(Outcome::BadRequest("this method is not forwarded"));
    }
    let Some(target) = request.uri().path_and_query() else {
        return Err(Outcome::BadRequest("the target has no path"));
    };
    raw_target::check(target.as_str())?;
    if raw_target::as_sent(target.as_str()).len() > TARGET_MAX {
        return Err(Outcome::TooLarge(TooLarge::Target));
    }
    // Of an absolute form the path may be left out; `:path` begins with it (RFC 9113, section 8.3.1).
    if request.version() == Version::HTTP_2 && !target.as_str().starts_with('/') {
        return Err(Outcome::BadRequest("the target has no path"));
    }
    if request.uri().authority().is_some() {
        *request.uri_mut() = origin_form(target)?;
    } else if !target.as_str().starts_with('/') {
        return Err(Outcome::BadRequest("the target has no path"));
    }
    Ok(host)
}

/// Path and query alone; an absent path is `/` (RFC 9112, section 3.2.1).
fn origin_form(target: &PathAndQuery) -> Result<Uri, Outcome> {
    let no_path = || Outcome::BadRequest("the target has no path");
    let target = match target.as_str().as_bytes().first() {
        Some(b'/') => target.clone(),
        Some(b'?') => ["/", target.as_str()].concat().parse().map_err(|_| no_path())?,
        _ => return Err(no_path()),
    };
    let mut parts = http::uri::Parts::default();
    parts.path_and_query = Some(target);
    Uri::from_parts(parts).map_err(|_| no_path())
}

fn check_http1<B>(request: &Request<B>, has_body: bool) -> Result<Option<HeaderValue>, Outcome> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) if is_host(host.as_bytes()) => Some(host.clone()),
        (Some(_), None) => return Err(Outcome::BadRequest("the Host is malformed")),
        (None, _) if request.version() == Version::HTTP_10 => None,
        (None, _) => return Err(Outcome::BadRequest("the Host header is missing")),
        (Some(_), Some(_)) => return Err(Outcome::BadRequest("there is more than one Host")),
    };
    match (request.uri().scheme(), request.uri().authority(), &host) {
        (None, None, _) => {}
        (Some(scheme), Some(authority), Some(host)) if is_http(scheme) => {
            if !is_same_authority(scheme, authority.as_str().as_bytes(), host.as_bytes()) {
                return Err(Outcome::BadRequest("the target and the Host name different authorities"));
            }
        }
        _ => return Err(Outcome::BadRequest("this form of request target is not supported")),
    }
    if has_body {
        check_framing(request.headers())?;
    }
    Ok(host)
}

/// hyper reads a body as chunked if the last of all codings is `chunked`; others may stop at the first.
fn check_framing(headers: &HeaderMap) -> Result<(), Outcome> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => {}
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => {
            if headers.contains_key(CONTENT_LENGTH) {
                return Err(Outcome::BadRequest("Content-Length and Transfer-Encoding exclude each other"));
            }
        }
        (Some(_), _) => return Err(Outcome::BadRequest("only one Transfer-Encoding, chunked, is supported")),
    }
    Ok(())
}

fn check_http2<B>(request: &Request<B>) -> Result<Option<HeaderValue>, Outcome> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (_, Some(_)) => return Err(Outcome::BadRequest("there is more than one Host")),
        (host, None) => host,
    };
    // Without an authority h2 drops the scheme as well.
    if !request.uri().scheme().is_none_or(is_http) {
        return Err(Outcome::BadRequest("the scheme is neither http nor https"));
    }
    // h2 holds the first to what comes, takes an empty one for none, and lets all pass.
    let mut lengths = request.headers().get_all(CONTENT_LENGTH).iter();
    match (lengths.next(), lengths.next()) {
        (None, _) => {}
        (Some(length), None) if !length.is_empty() && length.as_bytes().iter().all(u8::is_ascii_digit) => {}
        (Some(_), None) => return Err(Outcome::BadRequest("the Content-Length is malformed")),
        (Some(_), Some(_)) => return Err(Outcome::BadRequest("there is more than one Content-Length")),
    }
    let authority = match (request.uri().authority(), host) {
        (Some(authority), Some(host))
            if !is_same_authority(request.uri().scheme().unwrap_or(&Scheme::HTTP), authority.as_str().as_bytes(), host.as_bytes()) =>
        {
            return Err(Outcome::BadRequest("the authority and the Host differ"));
        }
        (Some(authority), _) => HeaderValue::from_str(authority.as_str()).ok(),
        (None, host) => host.cloned(),
    };
    match authority {
        Some(authority) if is_host(authority.as_bytes()) => Ok(Some(authority)),
        Some(_) => Err(Outcome::BadRequest("the authority is malformed")),
        None => Err(Outcome::BadRequest("the authority is missing")),
    }
}

fn is_http(scheme: &Scheme) -> bool {
    *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS
}

/// Whether two authorities name the same host and port; the scheme's own port goes without saying (RFC 9110, section 4.2.3; RFC 3986,
/// section 6.2.3).
fn is_same_authority(scheme: &Scheme, one: &[u8], other: &[u8]) -> bool {
    let usual: &[u8] = if *scheme == Scheme::HTTPS { b":443" } else { b":80" };
    let without =
        |authority: &[u8]| authority.strip_suffix(usual).or_else(|| authority.strip_suffix(b":")).map_or(authority.len(), <[u8]>::len);
    let [one, other] = [one, other].map(|authority| authority.get(..without(authority)).unwrap_or_default());
    one.eq_ignore_ascii_case(other)
}

/// The bytes of a registered name, as a table: this is looked at for every request.
const IN_NAME: [bool; 256] = {
    let mut table = [false; 256];
    let allowed = b"-._~%!$&'()*+;=0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut i = 0;
    while i < allowed.len() {
        #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
        {
            table[allowed[i] as usize] = true;
        }
        i += 1;
    }
    table
};

/// `host [":" port]` of RFC 3986, without the commas and the user that it would allow.
fn is_host(text: &[u8]) -> bool {
    let (name, rest) = match text {
        [b'[', rest @ ..] => {
            let Some(end) = rest.iter().position(|byte| *byte == b']') else { return false };
            let (literal, after) = rest.split_at(end);
            let well_formed = std::str::from_utf8(literal).is_ok_and(|literal| literal.parse::<std::net::Ipv6Addr>().is_ok());
            if !well_formed {
                return false;
            }
            (literal, after.get(1..).unwrap_or_default())
        }
        _ => text.split_at(text.iter().position(|byte| *byte == b':').unwrap_or(text.len())),
    };
    let port = match rest {
        // An empty one is the usual one (RFC 3986, section 3.2.3).
        [] | [b':'] => true,
        [b':', digits @ ..] if digits.iter().all(u8::is_ascii_digit) => {
            digits.len() <= 5 && std::str::from_utf8(digits).is_ok_and(|digits| digits.parse::<u16>().is_ok())
        }
        _ => false,
    };
    let literal = text.starts_with(b"[");
    !name.is_empty() && port && (literal || name.iter().all(|byte| IN_NAME.get(usize::from(*byte)) == Some(&true)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(version: Version, method: &str, uri: &str, headers: &[(&str, &str)]) -> Result<(Option<String>, String), Outcome> {
        let mut request = Request::builder().method(method).uri(uri).version(version);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(()).unwrap();
        let host = check(&mut request, true)?;
        Ok((host.map(|host| host.to_str().unwrap().to_owned()), request.uri().to_string()))
    }

    fn http1(method: &str, uri: &str, headers: &[(&str, &str)]) -> Result<(Option<String>, String), Outcome> {
        checked(Version::HTTP_11, method, uri, headers)
    }

    #[test]
    fn the_target_is_kept_byte_for_byte() {
        for target in ["/", "/?", "/a//b/../%2e%2E/%2f;x?q=%00&a=b/../c", "/a%", "/'\"|", "//host/path"] {
            assert_eq!(http1("GET", target, &[("host", "a")]), Ok((Some("a".into()), target.into())), "{target}");
        }
    }

    #[test]
    fn the_absolute_form_is_reduced_if_it_agrees_with_the_host() {
        assert_eq!(http1("GET", "http://A.example:80/x?y", &[("host", "a.example:80")]).unwrap().1, "/x?y");
        assert_eq!(http1("GET", "http://a?y", &[("host", "a")]).unwrap().1, "/?y");
        for (uri, host) in
            [("http://a/", "b"), ("http://u@a/", "a"), ("ftp://a/", "a"), ("a:80", "a:80"), ("http://a/", "a:81"), ("http://a:81/", "a:")]
        {
            assert!(http1("GET", uri, &[("host", host)]).is_err(), "{uri} {host}");
        }
    }

    #[test]
    fn exactly_one_valid_host_is_wanted() {
        for good in ["a", "a.example.", "A-1_b.example:8080", "127.0.0.1", "[::1]", "[::1]:80", "a:"] {
            assert!(http1("GET", "/", &[("host", good)]).is_ok(), "{good}");
        }
        for bad in [
            "", "a b", "a,b", "a/b", "u@a", "a:b", "a:80:80", "a:99999", "a:+1", ":80", "[::1", "[::1]x", "[]", "[a]", "::1", "a?b", "a#b",
            "a\\b",
        ] {
            assert!(http1("GET", "/", &[("host", bad)]).is_err(), "{bad}");
        }
        assert!(http1("GET", "/", &[]).is_err());
        assert!(http1("GET", "/", &[("host", "a"), ("host", "a")]).is_err());
        assert_eq!(checked(Version::HTTP_10, "GET", "/", &[]), Ok((None, "/".into())));
        assert!(checked(Version::HTTP_10, "GET", "/", &[("host", "a"), ("host", "b")]).is_err());
    }

    #[test]
    fn what_is_not_meant_for_an_origin_is_refused() {
        for (method, target) in [("CONNECT", "a:443"), ("TRACE", "/"), ("OPTIONS", "*"), ("GET", "*"), (&"A".repeat(33), "/")] {
            assert!(http1(method, target, &[("host", "a")]).is_err(), "{method} {target}");
        }
        assert!(http1(&"A".repeat(32), "/", &[("host", "a")]).is_ok());
        let long = format!("/{}", "a".repeat(TARGET_MAX));
        assert_eq!(http1("GET", &long, &[("host", "a")]), Err(Outcome::TooLarge(TooLarge::Target)));
    }

    #[test]
    fn a_transfer_encoding_is_exactly_one_chunked() {
        assert!(http1("POST", "/", &[("host", "a"), ("transfer-encoding", "Chunked")]).is_ok());
        for codings in
            [&["gzip, chunked"][..], &["chunked, chunked"], &["chunked", "chunked"], &["identity", "chunked"], &["chunked;q=1"], &[""]]
        {
            let mut headers = vec![("host", "a")];
            headers.extend(codings.iter().map(|coding| ("transfer-encoding", *coding)));
            assert!(http1("POST", "/", &headers).is_err(), "{codings:?}");
        }
        assert!(http1("POST", "/", &[("host", "a"), ("transfer-encoding", "chunked"), ("content-length", "3")]).is_err());
    }

    #[test]
    fn http2_says_its_authority_once() {
        let http2 = |uri: &str, headers: &[(&str, &str)]| checked(Version::HTTP_2, "GET", uri, headers);
        assert_eq!(http2("http://a:80/x?y", &[]), Ok((Some("a:80".into()), "/x?y".into())));
        assert_eq!(http2("http://a/", &[("host", "A")]).unwrap().0, Some("a".into()));
        assert_eq!(http2("http://a/", &[("host", "a:80")]).unwrap().0, Some("a".into()));
        assert_eq!(http2("https://a:443/", &[("host", "a")]).unwrap().0, Some("a:443".into()));
        assert!(http2("https://a/", &[("host", "a:80")]).is_err());
        assert!(http2("http://a?x", &[]).is_err());
        assert!(http2("http://a/", &[("host", "b")]).is_err());
        assert!(http2("http://a/", &[("host", "a"), ("host", "a")]).is_err());
        assert!(http2("ftp://a/", &[]).is_err());
        assert!(http2("http://a/", &[("content-length", "0"), ("content-length", "0")]).is_err());
        assert!(http2("http://a/", &[("content-length", "")]).is_err());
        assert!(http2("http://a/", &[("content-length", "7")]).is_ok());
        // RFC 9113, section 8.3.1: what was HTTP/1 may come with a Host alone.
        assert_eq!(http2("/x?y", &[("host", "a:80")]), Ok((Some("a:80".into()), "/x?y".into())));
        assert!(http2("/x?y", &[("host", "a b")]).is_err());
        assert!(http2("/x?y", &[]).is_err());
    }
}
