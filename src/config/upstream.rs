//! `[upstream]`: the API that requests are forwarded to.

use std::net::IpAddr;
use std::time::Duration;

use http::Uri;

use super::parse::{ValueError, ValueErrors, duration, text, truth};
use super::quantity::{hours, millis, secs};
use super::reader::Section;
use super::tls::{UpstreamTlsSettings, can_be_certified};
use super::value::{Origin, Value};

/// `[upstream]`
#[derive(Clone, Debug, PartialEq)]
pub struct UpstreamSettings {
    /// Scheme `http` or `https`; an authority; no path, or `/`; no query, no user.
    pub url: Uri,
    /// What is spoken to it.
    pub protocol: UpstreamProtocol,
    /// Counts where the scheme is `https`.
    pub tls: UpstreamTlsSettings,
    /// How long a connection may take to come about.
    pub connect_timeout: Duration,
    /// How long the head of an answer may take, from the last byte of the request on.
    pub response_timeout: Duration,
}

/// Which version of HTTP is spoken to the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpstreamProtocol {
    /// HTTP/1.1 alone.
    Http1,
    /// HTTP/2 alone; without TLS with prior knowledge.
    Http2,
    /// What the upstream chooses while the two shake hands: TLS alone has a way to say it.
    Either,
}

/// A URL as written: `h2c://` is `http://` with HTTP/2.
#[derive(Clone, Debug)]
struct Upstream {
    url: Uri,
    h2c: bool,
}

impl Default for UpstreamSettings {
    fn default() -> Self {
        Self {
            url: Uri::from_static("http://127.0.0.1:3000"),
            protocol: UpstreamProtocol::Http1,
            tls: UpstreamTlsSettings::default(),
            connect_timeout: secs(1),
            response_timeout: secs(60),
        }
    }
}

impl UpstreamSettings {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Self {
        let default = Self::default();
        let upstream = section.live("url", Upstream { url: default.url, h2c: false }, url);
        let http2 = section.live("http2", None, |value, at| match truth(value, at)? {
            false if upstream.h2c => {
                Err(ValueError::new("the url says h2c, so this cannot be false").suggest("write the url with http://").into())
            }
            http2 => Ok(Some(http2)),
        });
        let protocol = match http2 {
            Some(true) => UpstreamProtocol::Http2,
            None if upstream.h2c => UpstreamProtocol::Http2,
            None if is_encrypted(&upstream.url) => UpstreamProtocol::Either,
            Some(false) | None => UpstreamProtocol::Http1,
        };
        Self {
            url: upstream.url,
            protocol,
            tls: UpstreamTlsSettings::read(&mut section.section("tls")),
            connect_timeout: section.live("connect_timeout", default.connect_timeout, duration(millis(1)..=secs(300))),
            response_timeout: section.live("response_timeout", default.response_timeout, duration(millis(1)..=hours(24))),
        }
    }

    /// By name, or an address without brackets.
    pub fn host(&self) -> &str {
        self.url.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']')
    }

    /// The one that the scheme has, if the URL says none.
    pub fn port(&self) -> u16 {
        self.url.port_u16().unwrap_or(if self.is_encrypted() { 443 } else { 80 })
    }

    /// Its address, if the URL says that instead of a name.
    pub fn ip(&self) -> Option<IpAddr> {
        self.host().parse().ok()
    }

    /// Whether TLS is spoken to it.
    pub fn is_encrypted(&self) -> bool {
        is_encrypted(&self.url)
    }

    /// How TLS is spoken to it, if it is.
    pub fn encryption(&self) -> Option<&UpstreamTlsSettings> {
        self.is_encrypted().then_some(&self.tls)
    }
}

fn is_encrypted(url: &Uri) -> bool {
    url.scheme_str() == Some("https")
}

fn url(value: &Value, at: &Origin) -> Result<Upstream, ValueErrors> {
    if let Value::List(_) = value {
        return Err(ValueError::new("several upstreams are not in this version").suggest("name one url, of a balancer if need be").into());
    }
    text(upstream)(value, at)
}

fn upstream(text: &str) -> Result<Upstream, ValueError> {
    let example = "urls look like \"http://127.0.0.1:3000\"";
    // The text is not quoted in messages: it may hold a password.
    let Ok(uri) = Uri::try_from(text) else { return Err(ValueError::new("this is not a url").suggest(example)) };
    let (scheme, h2c) = match uri.scheme_str() {
        Some("http") => ("http", false),
        Some("h2c") => ("http", true),
        Some("https") => ("https", false),
        Some(other) => return Err(ValueError::new(format!("the upstream is reached by http, https or h2c, not {other}")).suggest(example)),
        None if uri.authority().is_some() && !text.contains('@') => {
            return Err(ValueError::new("the url has no scheme").suggest(format!("write \"http://{text}\"")));
        }
        None => return Err(ValueError::new("the url has no scheme").suggest(example)),
    };
    let Some(authority) = uri.authority().filter(|authority| !authority.host().is_empty()) else {
        return Err(ValueError::new("the url has no host").suggest(example));
    };
    if scheme == "https" && !can_be_certified(authority.host().trim_matches(['[', ']'])) {
        return Err(ValueError::new("the url's host is no name that a certificate could be for"));
    }
    if authority.as_str().contains('@') {
        return Err(ValueError::new("a url with a user or a password is refused: the only credential on a request is the token"));
    }
    // The parser calls a port that is out of range no port at all.
    if authority.as_str() != authority.host() && authority.port_u16().is_none_or(|port| port == 0) {
        return Err(ValueError::new("the url's port is between 1 and 65535"));
    }
    // The parser drops a fragment.
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() || text.contains('#') {
        let root = format!("{}://{authority}", uri.scheme_str().unwrap_or(scheme));
        return Err(ValueError::new("the path is the client's: the url ends with its port").suggest(format!("write \"{root}\"")));
    }
    let url = Uri::builder().scheme(scheme).authority(authority.as_str()).path_and_query("/").build();
    url.map(|url| Upstream { url, h2c }).map_err(|_| ValueError::new("this is not a url").suggest(example))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h2c_is_http_with_http2() {
        let upstream = upstream("h2c://[::1]:3000").unwrap();
        assert_eq!(upstream.url, Uri::from_static("http://[::1]:3000"));
        assert!(upstream.h2c);
    }

    #[test]
    fn each_scheme_has_its_port_and_an_address_loses_its_brackets() {
        for (text, host, port, encrypted) in [
            ("http://api", "api", 80, false),
            ("https://api", "api", 443, true),
            ("https://[::1]:8443", "::1", 8443, true),
            ("h2c://127.0.0.1", "127.0.0.1", 80, false),
            ("https://my_api.internal.", "my_api.internal.", 443, true),
        ] {
            let settings = UpstreamSettings { url: upstream(text).unwrap().url, ..UpstreamSettings::default() };
            assert_eq!((settings.host(), settings.port(), settings.is_encrypted()), (host, port, encrypted), "{text}");
            assert_eq!(settings.ip().is_some(), !host.contains("api"), "{text}");
        }
    }

    #[test]
    fn a_url_that_says_more_than_where_is_refused() {
        for text in [
            "",
            "/",
            "127.0.0.1:3000",
            "ftp://api",
            "https://",
            "https://api/v1",
            "https://me:pw@api",
            "https://-api",
            "https://a..b",
            "https://api.1",
            "http://",
            "http://api/v1",
            "http://api/?a",
            "http://api/#a",
            "http://me:pw@api",
            "http://api:0",
            "http://api:99999",
            "http://a b",
        ] {
            let wrong = upstream(text).expect_err(text);
            assert!(!wrong.message.contains("pw"), "{}", wrong.message);
        }
    }
}
