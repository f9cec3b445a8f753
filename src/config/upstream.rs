//! `[upstream]`: the API that requests are forwarded to.

use std::time::Duration;

use http::Uri;

use super::parse::{ValueError, ValueErrors, duration, text, truth};
use super::quantity::{hours, millis, secs};
use super::reader::Section;
use super::value::{Origin, Value};

/// `[upstream]`
#[derive(Clone, Debug, PartialEq)]
pub struct UpstreamSettings {
    /// Scheme `http`; an authority; no path, or `/`; no query, no user.
    pub url: Uri,
    /// HTTP/2 with prior knowledge (h2c).
    pub http2: bool,
    /// How long a connection may take to come about.
    pub connect_timeout: Duration,
    /// How long the head of an answer may take, from the last byte of the request on.
    pub response_timeout: Duration,
}

/// A URL as written: `h2c://` is `http://` with HTTP/2.
#[derive(Clone, Debug)]
struct Upstream {
    url: Uri,
    h2c: bool,
}

impl Default for UpstreamSettings {
    fn default() -> Self {
        Self { url: Uri::from_static("http://127.0.0.1:3000"), http2: false, connect_timeout: secs(1), response_timeout: secs(60) }
    }
}

impl UpstreamSettings {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Self {
        let default = Self::default();
        let upstream = section.live("url", Upstream { url: default.url, h2c: false }, url);
        let http2 = section.live("http2", default.http2 || upstream.h2c, |value, at| match truth(value, at)? {
            false if upstream.h2c => {
                Err(ValueError::new("the url says h2c, so this cannot be false").suggest("write the url with http://").into())
            }
            http2 => Ok(http2),
        });
        Self {
            url: upstream.url,
            http2,
            connect_timeout: section.live("connect_timeout", default.connect_timeout, duration(millis(1)..=secs(300))),
            response_timeout: section.live("response_timeout", default.response_timeout, duration(millis(1)..=hours(24))),
        }
    }
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
    let h2c = match uri.scheme_str() {
        Some("http") => false,
        Some("h2c") => true,
        Some("https") => {
            let wrong = ValueError::new("TLS to the upstream is not in this version");
            return Err(wrong.suggest("speak http:// over the loopback or a network that you trust"));
        }
        Some(other) => return Err(ValueError::new(format!("the upstream is reached by http or h2c, not {other}")).suggest(example)),
        None if uri.authority().is_some() && !text.contains('@') => {
            return Err(ValueError::new("the url has no scheme").suggest(format!("write \"http://{text}\"")));
        }
        None => return Err(ValueError::new("the url has no scheme").suggest(example)),
    };
    let Some(authority) = uri.authority().filter(|authority| !authority.host().is_empty()) else {
        return Err(ValueError::new("the url has no host").suggest(example));
    };
    if authority.as_str().contains('@') {
        return Err(ValueError::new("a url with a user or a password is refused: the only credential on a request is the token"));
    }
    // The parser calls a port that is out of range no port at all.
    if authority.as_str() != authority.host() && authority.port_u16().is_none_or(|port| port == 0) {
        return Err(ValueError::new("the url's port is between 1 and 65535"));
    }
    // The parser drops a fragment.
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() || text.contains('#') {
        let root = format!("http://{authority}");
        return Err(ValueError::new("the path is the client's: the url ends with its port").suggest(format!("write \"{root}\"")));
    }
    let url = Uri::builder().scheme("http").authority(authority.as_str()).path_and_query("/").build();
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
    fn a_url_that_says_more_than_where_is_refused() {
        for text in [
            "",
            "/",
            "127.0.0.1:3000",
            "https://api",
            "ftp://api",
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
