//! Requests to an admin API.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT};
use http::{HeaderValue, Method, Request, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::curl;
use super::problem::{Failed, Refused};
use crate::model::PlainKey;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(10);
/// How long an answer may take: a server gives up after a minute.
const ANSWER: Duration = Duration::from_secs(75);
/// For how many seconds whoever has asked too often waits in all.
const PATIENCE: u64 = 30;
/// The longest answer, in bytes.
const LONGEST: usize = 64 * 1024 * 1024;

/// Where an admin API is: `http://HOST[:PORT][/PATH]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerUrl {
    host: String,
    port: u16,
    /// What stands before `/api/v1`, without a `/` at its end.
    before: String,
}

/// Why a text is no such url.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServerUrlError {
    #[error("a server is said as http://HOST:PORT")]
    IllFormed,
    #[error("https is not spoken to servers yet: let whoever ends TLS beside them, or a tunnel, be spoken to by http://")]
    Https,
    #[error("a server's url holds neither a name nor a password: the key comes from CLAVIGER_KEY, --key-file or a profile")]
    UserInfo,
}

impl FromStr for ServerUrl {
    type Err = ServerUrlError;

    fn from_str(text: &str) -> Result<Self, ServerUrlError> {
        let uri: Uri = text.trim().parse().map_err(|_| ServerUrlError::IllFormed)?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(ServerUrlError::Https),
            Some(_) | None => return Err(ServerUrlError::IllFormed),
        }
        let authority = uri.authority().ok_or(ServerUrlError::IllFormed)?;
        if authority.as_str().contains('@') {
            return Err(ServerUrlError::UserInfo);
        }
        if uri.query().is_some() || authority.host().is_empty() {
            return Err(ServerUrlError::IllFormed);
        }
        let before = uri.path().trim_end_matches('/').to_owned();
        Ok(Self { host: authority.host().to_owned(), port: authority.port_u16().unwrap_or(80), before })
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}:{}{}", self.host, self.port, self.before)
    }
}

impl ServerUrl {
    /// Whether what is sent there leaves this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        host.eq_ignore_ascii_case("localhost") || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

/// Told of each request, as a line for a shell.
pub type Tell = Box<dyn Fn(&str) + Send + Sync>;

/// An admin API, and the key that it is asked with. One request at a time, over one connection as long as that lasts.
pub struct Api {
    url: ServerUrl,
    authorization: HeaderValue,
    tell: Option<Tell>,
    connection: Mutex<Option<Connection>>,
}

struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// Ends with it.
    _driver: JoinSet<Result<(), hyper::Error>>,
}

impl Api {
    /// `None`: the key cannot be sent, so that it is nobody's.
    #[must_use]
    pub fn new(url: ServerUrl, key: &PlainKey, tell: Option<Tell>) -> Option<Self> {
        let mut authorization = HeaderValue::try_from(format!("Bearer {}", key.reveal())).ok()?;
        authorization.set_sensitive(true);
        Some(Self { url, authorization, tell, connection: Mutex::new(None) })
    }

    /// Where it is.
    pub fn url(&self) -> &ServerUrl {
        &self.url
    }

    /// Reads what is at a path below `/api/v1`.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failed> {
        self.ask(Method::GET, path, None).await
    }

    /// The same of what may not be there.
    pub(super) async fn find<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, Failed> {
        absent_as_none(self.get(path).await)
    }

    /// Sends a document.
    pub(super) async fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, Failed> {
        self.ask(Method::POST, path, Some(body)).await
    }

    /// Takes away what is at a path.
    pub(super) async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failed> {
        self.ask(Method::DELETE, path, None).await
    }

    async fn ask<T: DeserializeOwned>(&self, method: Method, path: &str, body: Option<&Value>) -> Result<T, Failed> {
        let target = format!("{}/api/v1{path}", self.url.before);
        let body = body.map(ToString::to_string);
        if let Some(tell) = &self.tell {
            tell(&curl::line(&method, &format!("http://{}:{}{target}", self.url.host, self.url.port), body.as_deref()));
        }
        let asked = async {
            let mut connection = self.connection.lock().await;
            let mut waited = 0;
            loop {
                let is_new = connection.is_none();
                match self.exchange(&mut connection, &method, &target, body.as_deref()).await {
                    // A connection that nobody has used for a while may have been given up, which shows when it is used.
                    Err(Failed::Away(_)) if !is_new && method == Method::GET => {}
                    // Nothing has been done for whoever asks too often, and they are told when to ask again.
                    Err(Failed::Refused(refused)) if refused.code == "rate_limited" && waited < PATIENCE => {
                        let seconds = refused.retry_after.unwrap_or(1).clamp(1, PATIENCE);
                        waited += seconds;
                        pause(seconds).await;
                    }
                    other => return other,
                }
            }
        };
        let late = |_| Err(self.away("it takes too long to answer; what was asked for may have been done"));
        let bytes = tokio::time::timeout(ANSWER, asked).await.unwrap_or_else(late)?;
        // Where there is nothing to say, nothing is said.
        let bytes = if bytes.is_empty() { Bytes::from_static(b"null") } else { bytes };
        serde_json::from_slice(&bytes).map_err(|error| self.away(&format!("it answers as no admin API does ({error})")))
    }

    async fn exchange(
        &self,
        connection: &mut Option<Connection>,
        method: &Method,
        target: &str,
        body: Option<&str>,
    ) -> Result<Bytes, Failed> {
        let mut open = match connection.take().filter(|open| open.sender.is_ready()) {
            Some(open) => open,
            None => self.connect().await?,
        };
        let mut request = Request::builder()
            .method(method)
            .uri(target)
            .header(HOST, format!("{}:{}", self.url.host, self.url.port))
            .header(USER_AGENT, concat!("claviger/", env!("CARGO_PKG_VERSION")))
            .header(AUTHORIZATION, self.authorization.clone());
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let request = request.body(Full::new(Bytes::from(body.unwrap_or_default().to_owned())));
        let request = request.map_err(|error| self.away(&error.to_string()))?;
        let answer = open.sender.send_request(request).await.map_err(|error| self.away(&error.to_string()))?;
        let status = answer.status();
        let retry_after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
        let read = Limited::new(answer.into_body(), LONGEST).collect().await;
        let bytes = read.map_err(|error| self.away(&error.to_string()))?.to_bytes();
        *connection = Some(open);
        if status.is_success() {
            return Ok(bytes);
        }
        match serde_json::from_slice::<Refused>(&bytes) {
            Ok(mut refused) => {
                refused.retry_after = retry_after;
                Err(Failed::Refused(Box::new(refused)))
            }
            Err(_) => Err(self.away(&format!("it answers with {status}, and as no admin API does"))),
        }
    }

    async fn connect(&self) -> Result<Connection, Failed> {
        let host = self.url.host.trim_start_matches('[').trim_end_matches(']');
        let connecting = tokio::time::timeout(CONNECT, TcpStream::connect((host, self.url.port))).await;
        let stream = connecting.map_err(|_| self.away("it does not take the connection"))?;
        let stream = stream.map_err(|error| self.away(&error.to_string()))?;
        let handshake = http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = handshake.map_err(|error| self.away(&error.to_string()))?;
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        Ok(Connection { sender, _driver: driver })
    }

    fn away(&self, why: &str) -> Failed {
        Failed::Away(format!("{}: {why}", self.url))
    }
}

#[expect(clippy::disallowed_methods, reason = "the server says for how long")]
async fn pause(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

/// What is not there is no failure to whoever has only asked whether it is.
pub(super) fn absent_as_none<T>(found: Result<T, Failed>) -> Result<Option<T>, Failed> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(Failed::Refused(refused)) if refused.code == "not_found" => Ok(None),
        Err(failed) => Err(failed),
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
        assert!(parse("http://[::1]:8081").unwrap().is_loopback() && !parse("http://control").unwrap().is_loopback());
        assert_eq!(parse("https://control-plane:8081"), Err(ServerUrlError::Https));
        assert_eq!(parse("http://me:clv_x@control"), Err(ServerUrlError::UserInfo));
        for text in ["", "control:8081", "control", "ftp://control", "http://control?x", "http://"] {
            assert_eq!(parse(text), Err(ServerUrlError::IllFormed), "{text:?}");
        }
    }
}
