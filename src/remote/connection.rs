//! Connections to an admin API, and single requests over them. What comes from there is bounded in size and in time.

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::rt::{Read, Write};
use tokio::task::JoinSet;

use crate::config::ServerUrl;

/// A connection, over which one request at a time is sent.
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// Ends with it.
    _driver: JoinSet<Result<(), hyper::Error>>,
}

/// What is asked.
pub(super) struct Question<'a> {
    pub(super) method: &'a Method,
    /// Below `/api/v1`.
    pub(super) path: &'a str,
    /// JSON.
    pub(super) body: Option<Bytes>,
    pub(super) authorization: HeaderValue,
    /// Beside the usual ones.
    pub(super) headers: HeaderMap,
    /// The longest answer that is read, in bytes.
    pub(super) longest: usize,
}

/// What comes back, whatever it says.
pub(super) struct Answered {
    pub(super) status: StatusCode,
    pub(super) bytes: Bytes,
    /// After so many seconds it may be asked again.
    pub(super) retry_after: Option<u64>,
}

impl Connection {
    /// Speaks HTTP/1.1 over what is connected.
    ///
    /// # Errors
    /// Why it cannot, as a sentence.
    pub(super) async fn over<T: Read + Write + Unpin + Send + 'static>(io: T) -> Result<Self, String> {
        let (sender, connection) = http1::handshake(io).await.map_err(|error| error.to_string())?;
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        Ok(Self { sender, _driver: driver })
    }

    /// Whether the other end has it open still, as far as is known.
    pub(super) fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }

    /// Asks, and reads the whole answer.
    ///
    /// # Errors
    /// Why there is none, as a sentence.
    pub(super) async fn ask(&mut self, url: &ServerUrl, question: Question<'_>) -> Result<Answered, String> {
        let Question { method, path, body, authorization, headers, longest } = question;
        let mut request = Request::builder()
            .method(method)
            .uri(url.target(path))
            .header(HOST, url.authority())
            .header(USER_AGENT, concat!("claviger/", env!("CARGO_PKG_VERSION")))
            .header(AUTHORIZATION, authorization);
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let mut request = request.body(Full::new(body.unwrap_or_default())).map_err(|error| error.to_string())?;
        request.headers_mut().extend(headers);
        // The answer before this one may just have been read to its end.
        self.sender.ready().await.map_err(|error| error.to_string())?;
        let answer = self.sender.send_request(request).await.map_err(|error| error.to_string())?;
        let status = answer.status();
        let retry_after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
        let bytes = Limited::new(answer.into_body(), longest).collect().await.map_err(|error| error.to_string())?.to_bytes();
        Ok(Answered { status, bytes, retry_after })
    }
}
