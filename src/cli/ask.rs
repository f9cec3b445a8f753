//! A question to a process nearby, over HTTP/1.1.

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::config::TlsPair;
use crate::diagnostics::with_causes;
use crate::edge::tls::{Unverified, UpstreamStream};

/// How much of an answer is read, in bytes.
const LONGEST_ANSWER: usize = 1024 * 1024;

/// How a question is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    /// Whoever answers is taken for who was asked, as the kubelet's probes do.
    Https,
}

impl Scheme {
    /// What a listener speaks that these settings describe.
    pub(crate) fn of(tls: &[TlsPair]) -> Self {
        if tls.is_empty() { Self::Http } else { Self::Https }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// What is answered at `authority`, a host and a port. How long that may take is for the caller to say.
pub(crate) async fn ask(method: Method, scheme: Scheme, authority: &str, path: &str) -> anyhow::Result<Response<String>> {
    let stream = TcpStream::connect(authority).await?;
    let request = question(method, authority, path)?;
    match scheme {
        Scheme::Http => answer(stream, request).await,
        Scheme::Https => {
            let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
            answer(Unverified::connect(host, stream).await?, request).await
        }
    }
}

/// What the upstream answers on a connection that has been made to it.
pub(crate) async fn ask_upstream(method: Method, stream: UpstreamStream, authority: &str, path: &str) -> anyhow::Result<Response<String>> {
    answer(stream, question(method, authority, path)?).await
}

fn question(method: Method, authority: &str, path: &str) -> anyhow::Result<Request<Empty<Bytes>>> {
    Ok(Request::builder().method(method).uri(path).header(http::header::HOST, authority).body(Empty::new())?)
}

async fn answer<S>(stream: S, request: Request<Empty<Bytes>>) -> anyhow::Result<Response<String>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let (head, body) = match sender.send_request(request).await {
        Ok(answer) => answer.into_parts(),
        Err(given_up) => {
            drop(sender);
            // The connection knows why it has ended, and with it the request.
            return Err(driver.await.ok().and_then(Result::err).unwrap_or(given_up).into());
        }
    };
    let body = Limited::new(body, LONGEST_ANSWER).collect().await.map_err(|error| anyhow::anyhow!(with_causes(&*error)))?.to_bytes();
    driver.abort();
    Ok(Response::from_parts(head, String::from_utf8_lossy(&body).into_owned()))
}
