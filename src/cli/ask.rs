//! A question to a process nearby, over plain HTTP/1.1.

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// How much of an answer is read, in bytes.
const LONGEST_ANSWER: usize = 1024 * 1024;

/// What is answered at `authority`, a host and a port. How long that may take is for the caller to say.
pub(crate) async fn ask(method: Method, authority: &str, path: &str) -> anyhow::Result<Response<String>> {
    let stream = TcpStream::connect(authority).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let request = Request::builder().method(method).uri(path).header(http::header::HOST, authority).body(Empty::<Bytes>::new())?;
    let (head, body) = sender.send_request(request).await?.into_parts();
    let body = Limited::new(body, LONGEST_ANSWER).collect().await.map_err(|error| anyhow::anyhow!("{error}"))?.to_bytes();
    driver.abort();
    Ok(Response::from_parts(head, String::from_utf8_lossy(&body).into_owned()))
}
