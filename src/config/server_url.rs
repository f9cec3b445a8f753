//! Where an admin API is.

use std::fmt;
use std::str::FromStr;

use http::Uri;

/// Where an admin API is: `https://HOST[:PORT][/PATH]`, or `http://…`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServerUrl {
    scheme: Scheme,
    host: String,
    port: u16,
    /// What stands before `/api/v1`, without a `/` at its end.
    before: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Scheme {
    Http,
    Https,
}

/// Why a text is no such url.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServerUrlError {
    #[error("a server is said as https://HOST:PORT or http://HOST:PORT")]
    IllFormed,
    #[error("a server's url holds neither a name nor a password: the key comes from a file, or from CLAVIGER_KEY or a profile")]
    UserInfo,
}

impl FromStr for ServerUrl {
    type Err = ServerUrlError;

    fn from_str(text: &str) -> Result<Self, ServerUrlError> {
        let uri: Uri = text.trim().parse().map_err(|_| ServerUrlError::IllFormed)?;
        let (scheme, usual) = match uri.scheme_str() {
            Some("http") => (Scheme::Http, 80),
            Some("https") => (Scheme::Https, 443),
            Some(_) | None => return Err(ServerUrlError::IllFormed),
        };
        let authority = uri.authority().ok_or(ServerUrlError::IllFormed)?;
        if authority.as_str().contains('@') {
            return Err(ServerUrlError::UserInfo);
        }
        if uri.query().is_some() || authority.host().is_empty() {
            return Err(ServerUrlError::IllFormed);
        }
        let before = uri.path().trim_end_matches('/').to_owned();
        Ok(Self { scheme, host: authority.host().to_owned(), port: authority.port_u16().unwrap_or(usual), before })
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        write!(f, "{scheme}://{}:{}{}", self.host, self.port, self.before)
    }
}

impl ServerUrl {
    /// Whether what is sent there stays on this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let host = self.name();
        host.eq_ignore_ascii_case("localhost") || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// Whether what is sent there is encrypted, and who is there is verified.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.scheme == Scheme::Https
    }

    /// The host's name or address, as it is connected to: without the brackets of an IPv6 address.
    #[must_use]
    pub fn name(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The host and the port, as `Host` says them.
    #[must_use]
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The url of a path below `/api/v1`.
    #[must_use]
    pub fn whole(&self, path: &str) -> String {
        let scheme = if self.is_encrypted() { "https" } else { "http" };
        format!("{scheme}://{}{}", self.authority(), self.target(path))
    }

    /// What is asked for there of a path below `/api/v1`.
    #[must_use]
    pub fn target(&self, path: &str) -> String {
        format!("{}/api/v1{path}", self.before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_said_by_its_url() {
        let parse = str::parse::<ServerUrl>;
        assert_eq!(parse("http://127.0.0.1:8081").unwrap().to_string(), "http://127.0.0.1:8081");
        assert_eq!(parse("http://[::1]:8081/claviger/").unwrap().to_string(), "http://[::1]:8081/claviger");
        assert_eq!(parse("http://[::1]:8081/claviger/").unwrap().target("/keys"), "/claviger/api/v1/keys");
        assert_eq!((parse("https://control").unwrap().port(), parse("http://control").unwrap().port()), (443, 80));
        assert!(parse("http://[::1]:8081").unwrap().is_loopback() && !parse("http://control").unwrap().is_loopback());
        assert_eq!(parse("http://me:clv_x@control"), Err(ServerUrlError::UserInfo));
        for text in ["", "control:8081", "control", "ftp://control", "http://control?x", "http://"] {
            assert_eq!(parse(text), Err(ServerUrlError::IllFormed), "{text:?}");
        }
    }
}
