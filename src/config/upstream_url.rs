//! Where an upstream is: one url, or several between which requests are balanced.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use http::Uri;
use http::uri::Authority;

use super::parse::{ValueError, ValueErrors, list, plain_path, text};
use super::tls::can_be_certified;
use super::value::{Origin, Value};

/// More than anybody keeps an overview of; behind a name or a balancer there may be any number.
const URLS_MAX: usize = 64;
/// How long the path of a socket may be, in bytes (unix(7), `sun_path`).
const SOCKET_PATH_MAX: usize = 107;
const EXAMPLE: &str = "urls look like \"http://127.0.0.1:3000\"";

/// The urls of an upstream, at least one, none of them twice; TLS is spoken to all of them or to none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamUrls(Vec<UpstreamUrl>);

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum UpstreamUrl {
    /// `http://AUTHORITY`, or `https://AUTHORITY`: a host, and a port if it is not the scheme's.
    Host {
        /// Whether TLS is spoken to it.
        encrypted: bool,
        /// As written.
        authority: Authority,
    },
    /// `unix:PATH`: a socket of this machine, spoken to in the clear.
    Unix(PathBuf),
}

/// Why a text is no url of an upstream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UpstreamUrlError(String);

/// A url as written: `h2c://` is `http://` with HTTP/2.
#[derive(Clone, Debug)]
struct Written {
    url: UpstreamUrl,
    h2c: bool,
}

impl UpstreamUrls {
    /// The first one.
    pub fn first(&self) -> &UpstreamUrl {
        self.0.first().expect("there is one at least")
    }

    /// All of them, in the order of the configuration.
    pub fn all(&self) -> impl Iterator<Item = &UpstreamUrl> {
        self.0.iter()
    }

    /// Whether TLS is spoken to them.
    pub fn are_encrypted(&self) -> bool {
        self.first().is_encrypted()
    }

    /// With paths of sockets made from relative ones.
    pub(super) fn resolved(self, resolve: impl Fn(PathBuf) -> PathBuf) -> Self {
        let resolved = |url| match url {
            UpstreamUrl::Unix(path) => UpstreamUrl::Unix(resolve(path)),
            host @ UpstreamUrl::Host { .. } => host,
        };
        Self(self.0.into_iter().map(resolved).collect())
    }

    /// What is wrong with them as they are, once paths are whole.
    pub(super) fn too_long(&self) -> Option<String> {
        let paths = self.0.iter().filter_map(UpstreamUrl::path);
        let long = paths.map(Path::as_os_str).map(std::ffi::OsStr::len).find(|length| *length > SOCKET_PATH_MAX)?;
        Some(format!("the path of a socket has at most {SOCKET_PATH_MAX} bytes, this one has {long}"))
    }
}

impl UpstreamUrl {
    /// Whether TLS is spoken to it.
    pub fn is_encrypted(&self) -> bool {
        match self {
            Self::Host { encrypted, .. } => *encrypted,
            Self::Unix(_) => false,
        }
    }

    /// By name, or an address without brackets; of a socket `localhost`.
    pub fn host(&self) -> &str {
        match self {
            Self::Host { authority, .. } => authority.host().trim_start_matches('[').trim_end_matches(']'),
            Self::Unix(_) => "localhost",
        }
    }

    /// The one that the scheme has, if the url says none; `None`: it is a socket.
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Host { encrypted, authority } => Some(authority.port_u16().unwrap_or(if *encrypted { 443 } else { 80 })),
            Self::Unix(_) => None,
        }
    }

    /// Its address, if the url says that instead of a name.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Host { .. } => self.host().parse().ok(),
            Self::Unix(_) => None,
        }
    }

    /// What a request that names no host is for: nothing else is known of it.
    pub fn authority(&self) -> &str {
        match self {
            Self::Host { authority, .. } => authority.as_str(),
            Self::Unix(_) => "localhost",
        }
    }

    /// Where the socket is, if it is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Host { .. } => None,
            Self::Unix(path) => Some(path),
        }
    }
}

impl From<UpstreamUrl> for UpstreamUrls {
    fn from(url: UpstreamUrl) -> Self {
        Self(vec![url])
    }
}

impl FromStr for UpstreamUrls {
    type Err = UpstreamUrlError;

    /// One url, not of `h2c`: that says more than where.
    fn from_str(text: &str) -> Result<Self, UpstreamUrlError> {
        match written(text) {
            Ok(Written { url, h2c: false }) => Ok(url.into()),
            Ok(Written { h2c: true, .. }) => Err(UpstreamUrlError("h2c is http with HTTP/2".to_owned())),
            Err(wrong) => Err(UpstreamUrlError(wrong.message)),
        }
    }
}

impl fmt::Display for UpstreamUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host { encrypted, authority } => write!(f, "{}://{authority}", if *encrypted { "https" } else { "http" }),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl fmt::Display for UpstreamUrls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let urls: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&urls.join(", "))
    }
}

/// A url, or a list of urls, and whether HTTP/2 is spoken with prior knowledge.
pub(super) fn urls(value: &Value, at: &Origin) -> Result<(UpstreamUrls, bool), ValueErrors> {
    let is_list = match value {
        Value::List(_) => true,
        Value::Bare(bare) => bare.contains(',') || bare.trim_start().starts_with('['),
        Value::Text(_) | Value::Integer(_) | Value::Boolean(_) | Value::Table(_) | Value::Other(_) => false,
    };
    if !is_list {
        return text(written)(value, at).map(|Written { url, h2c }| (url.into(), h2c));
    }
    let written = list(text(written))(value, at)?;
    let place = |index: usize| if let Value::List(items) = value { items.get(index).map(|(_, at)| at.clone()) } else { None };
    let wrong = |index: usize, wrong: ValueError| Err(ValueErrors::from(ValueError { at: place(index), ..wrong }));
    let Some(first) = written.first() else {
        return Err(ValueError::new("an upstream is somewhere, and nothing is named").suggest(EXAMPLE).into());
    };
    if written.len() > URLS_MAX {
        return wrong(
            URLS_MAX,
            ValueError::new(format!("there are more than {URLS_MAX} urls")).suggest("name a balancer, or a name that has them all"),
        );
    }
    // A socket is spoken to as the others are.
    let h2c = written.iter().any(|one| one.h2c);
    for (index, one) in written.iter().enumerate() {
        if written.iter().take(index).any(|earlier| earlier.url == one.url) {
            return wrong(index, ValueError::new(format!("{} stands here twice", one.url)));
        }
        if one.url.is_encrypted() != first.url.is_encrypted() {
            let mixed = ValueError::new("TLS is spoken to all of an upstream's urls, or to none of them");
            return wrong(index, mixed.suggest("write all of them with https://, or none"));
        }
        if h2c && !one.h2c && one.url.path().is_none() {
            let mixed = ValueError::new("HTTP/2 is spoken to all of an upstream's urls, or to none of them");
            return wrong(index, mixed.suggest("write all of them with h2c://, or all with http://"));
        }
    }
    Ok((UpstreamUrls(written.into_iter().map(|one| one.url).collect()), h2c))
}

fn written(text: &str) -> Result<Written, ValueError> {
    if let Some(path) = text.strip_prefix("unix:") {
        return socket(path).map(|path| Written { url: UpstreamUrl::Unix(path), h2c: false });
    }
    // The text is not quoted in messages: it may hold a password.
    let Ok(uri) = Uri::try_from(text) else { return Err(ValueError::new("this is not a url").suggest(EXAMPLE)) };
    let (encrypted, h2c) = match uri.scheme_str() {
        Some("http") => (false, false),
        Some("h2c") => (false, true),
        Some("https") => (true, false),
        Some(other) => {
            let wrong = format!("the upstream is reached by http, https, h2c or unix, not {other}");
            return Err(ValueError::new(wrong).suggest(EXAMPLE));
        }
        None if uri.authority().is_some() && !text.contains('@') => {
            return Err(ValueError::new("the url has no scheme").suggest(format!("write \"http://{text}\"")));
        }
        None if text.starts_with('/') && text.len() > 1 => {
            return Err(ValueError::new("the url has no scheme").suggest(format!("write \"unix:{text}\" if it is a socket")));
        }
        None => return Err(ValueError::new("the url has no scheme").suggest(EXAMPLE)),
    };
    let Some(authority) = uri.authority().filter(|authority| !authority.host().is_empty()) else {
        return Err(ValueError::new("the url has no host").suggest(EXAMPLE));
    };
    if encrypted && !can_be_certified(authority.host().trim_matches(['[', ']'])) {
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
        let root = format!("{}://{authority}", uri.scheme_str().unwrap_or_default());
        return Err(ValueError::new("the path is the client's: the url ends with its port").suggest(format!("write \"{root}\"")));
    }
    Ok(Written { url: UpstreamUrl::Host { encrypted, authority: authority.clone() }, h2c })
}

/// `unix:/run/app.sock`, `unix:app.sock`; `unix:///run/app.sock` is the first one written as a url.
fn socket(text: &str) -> Result<PathBuf, ValueError> {
    let example = "sockets look like \"unix:/run/app.sock\"";
    let path = match text.strip_prefix("//") {
        None => text,
        Some(path) if path.starts_with('/') => path,
        Some(_) => return Err(ValueError::new("a socket is on this machine: it has no host").suggest(example)),
    };
    if path.is_empty() || path.ends_with('/') {
        return Err(ValueError::new("the url names no socket").suggest(example));
    }
    if path.starts_with('@') {
        return Err(
            ValueError::new("a socket is a file: those without one, which begin with @, are open to every process").suggest(example)
        );
    }
    plain_path(path)?;
    Ok(PathBuf::from(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h2c_is_http_with_http2() {
        let upstream = written("h2c://[::1]:3000").unwrap();
        assert_eq!(upstream.url.to_string(), "http://[::1]:3000");
        assert!(upstream.h2c);
    }

    #[test]
    fn each_scheme_has_its_port_and_an_address_loses_its_brackets() {
        for (text, host, port, encrypted) in [
            ("http://api", "api", Some(80), false),
            ("https://api", "api", Some(443), true),
            ("https://[::1]:8443", "::1", Some(8443), true),
            ("h2c://127.0.0.1", "127.0.0.1", Some(80), false),
            ("https://my_api.internal.", "my_api.internal.", Some(443), true),
            ("unix:/run/api.sock", "localhost", None, false),
        ] {
            let url = written(text).unwrap().url;
            assert_eq!((url.host(), url.port(), url.is_encrypted()), (host, port, encrypted), "{text}");
            assert_eq!(url.ip().is_some(), !host.contains("api") && port.is_some(), "{text}");
        }
    }

    #[test]
    fn a_socket_is_a_path_however_it_is_written() {
        for (text, path) in [("unix:/run/a.sock", "/run/a.sock"), ("unix:///run/a.sock", "/run/a.sock"), ("unix:a.sock", "a.sock")] {
            assert_eq!(written(text).unwrap().url, UpstreamUrl::Unix(path.into()), "{text}");
        }
        for text in ["unix:", "unix://", "unix://host/a.sock", "unix:/run/", "unix:@a", "unix:/a\nb"] {
            assert!(written(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_url_that_says_more_than_where_is_refused() {
        for text in [
            "",
            "/",
            "/run/a.sock",
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
            let wrong = written(text).expect_err(text);
            assert!(!wrong.message.contains("pw"), "{}", wrong.message);
        }
    }
}
