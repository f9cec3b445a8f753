//! Connections to an admin API, and single requests over them. What comes from there is bounded in size and in time.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::{http1, http2};
use hyper::rt::{Read, Write};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::task::JoinSet;

use crate::config::ServerUrl;
use crate::diagnostics::with_causes;

/// How often whoever is at the other end of an HTTP/2 connection is asked whether they are still there, and how long they may take to say so.
const PING: Duration = Duration::from_secs(10);
const PONG: Duration = Duration::from_secs(5);

/// A connection, over which one request at a time is sent.
pub(super) struct Connection {
    sender: Sender,
    /// Ends with the last that has it.
    driver: Arc<JoinSet<Result<(), hyper::Error>>>,
}

enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    /// Which others may send over at the same time.
    Http2(http2::SendRequest<Full<Bytes>>),
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
        let (sender, connection) = http1::handshake(io).await.map_err(|error| with_causes(&error))?;
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        Ok(Self { sender: Sender::Http1(sender), driver: Arc::new(driver) })
    }

    /// Speaks HTTP/2 over what is connected.
    ///
    /// # Errors
    /// Why it cannot, as a sentence.
    pub(super) async fn over_http2<T: Read + Write + Unpin + Send + 'static>(io: T) -> Result<Self, String> {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.timer(TokioTimer::new()).keep_alive_interval(PING).keep_alive_timeout(PONG);
        let (sender, connection) = builder.handshake(io).await.map_err(|error| with_causes(&error))?;
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        Ok(Self { sender: Sender::Http2(sender), driver: Arc::new(driver) })
    }

    /// The same connection for somebody else at the same time, if it can be had.
    pub(super) fn shared(&self) -> Option<Self> {
        match &self.sender {
            Sender::Http1(_) => None,
            Sender::Http2(sender) => Some(Self { sender: Sender::Http2(sender.clone()), driver: Arc::clone(&self.driver) }),
        }
    }

    /// Whether the other end has it open still, as far as is known.
    pub(super) fn is_open(&self) -> bool {
        match &self.sender {
            Sender::Http1(sender) => !sender.is_closed(),
            Sender::Http2(sender) => !sender.is_closed(),
        }
    }

    /// Asks, and reads the whole answer.
    ///
    /// # Errors
    /// Why there is none, as a sentence.
    pub(super) async fn ask(&mut self, url: &ServerUrl, question: Question<'_>) -> Result<Answered, String> {
        let Question { method, path, body, authorization, headers, longest } = question;
        let mut request = match &self.sender {
            Sender::Http1(_) => Request::builder().uri(url.target(path)).header(HOST, url.authority()),
            Sender::Http2(_) => Request::builder().uri(url.whole(path)),
        }
        .method(method)
        .header(USER_AGENT, concat!("claviger/", env!("CARGO_PKG_VERSION")))
        .header(AUTHORIZATION, authorization);
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let mut request = request.body(Full::new(body.unwrap_or_default())).map_err(|error| error.to_string())?;
        request.headers_mut().extend(headers);
        let answer = match &mut self.sender {
            Sender::Http1(sender) => {
                // The answer before this one may just have been read to its end.
                sender.ready().await.map_err(|error| with_causes(&error))?;
                sender.send_request(request).await
            }
            Sender::Http2(sender) => {
                sender.ready().await.map_err(|error| with_causes(&error))?;
                sender.send_request(request).await
            }
        };
        let answer = answer.map_err(|error| with_causes(&error))?;
        let status = answer.status();
        let retry_after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
        let bytes = Limited::new(answer.into_body(), longest).collect().await.map_err(|error| with_causes(&*error))?.to_bytes();
        Ok(Answered { status, bytes, retry_after })
    }
}
