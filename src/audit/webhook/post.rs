//! One attempt.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, HOST, USER_AGENT};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use zeroize::Zeroizing;

use super::event::Event;
use crate::diagnostics::with_causes;

/// A secret that is shorter could be found out by trying.
const SECRET_MIN: usize = 16;

/// Why it was not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum PostError {
    #[error("the secret in audit.webhook.secret_file cannot be read: {0}")]
    Secret(std::io::Error),
    #[error("the secret in audit.webhook.secret_file has fewer than {SECRET_MIN} bytes")]
    ShortSecret,
    #[error("the url names nobody who could be asked")]
    Url,
    #[error("it cannot be reached: {0}")]
    Connect(std::io::Error),
    #[error("it does not answer properly: {}", with_causes(.0))]
    Http(hyper::Error),
    #[error("it answers with status {0}")]
    Status(StatusCode),
    #[error("it takes longer than audit.webhook.timeout")]
    TimedOut,
}

/// Over a connection of its own. Taken is what is answered with a status of 2xx; the rest of the answer is nobody's concern.
pub(super) async fn post(event: &Event, url: &Uri, secret_file: &Path, timeout: Duration) -> Result<(), PostError> {
    tokio::time::timeout(timeout, attempt(event, url, secret_file)).await.unwrap_or(Err(PostError::TimedOut))
}

async fn attempt(event: &Event, url: &Uri, secret_file: &Path) -> Result<(), PostError> {
    let secret = Zeroizing::new(tokio::fs::read(secret_file).await.map_err(PostError::Secret)?);
    let secret = secret.trim_ascii_end();
    if secret.len() < SECRET_MIN {
        return Err(PostError::ShortSecret);
    }
    let authority = url.authority().ok_or(PostError::Url)?;
    let request = Request::builder()
        .method(Method::POST)
        .uri(url.path_and_query().map_or("/", |target| target.as_str()))
        .header(HOST, authority.as_str())
        .header(USER_AGENT, concat!("claviger/", env!("CARGO_PKG_VERSION")))
        .header(CONTENT_TYPE, "application/json")
        .header(CONNECTION, "close")
        .header("x-claviger-event", event.kind)
        .header("x-claviger-entry", event.entry.0)
        .header("x-claviger-signature", event.signature(secret))
        .body(Full::new(Bytes::from(event.body.clone())))
        .map_err(|_| PostError::Url)?;

    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((host, authority.port_u16().unwrap_or(80))).await.map_err(PostError::Connect)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(PostError::Http)?;
    // Ends with this attempt, however that ends.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let answer = match sender.send_request(request).await {
        Ok(answer) => answer,
        Err(given_up) => {
            drop(sender);
            // The connection knows why it has ended, and with it the request.
            let ended = driver.join_next().await.and_then(Result::ok);
            return Err(PostError::Http(ended.and_then(Result::err).unwrap_or(given_up)));
        }
    };
    if answer.status().is_success() { Ok(()) } else { Err(PostError::Status(answer.status())) }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::model::AuditId;

    /// What comes of it if the receiver says this as soon as somebody connects, and nothing else.
    async fn told(greeting: &'static [u8]) -> String {
        let directory = tempfile::tempdir().unwrap();
        let secret = directory.path().join("secret");
        std::fs::write(&secret, "0123456789abcdef").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url: Uri = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let receiver = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(greeting).await.unwrap();
            stream.shutdown().await.unwrap();
            // Until whoever sent something has heard enough.
            let _ = stream.read_to_end(&mut Vec::new()).await;
        });
        let event = Event { kind: "audit.entry", entry: AuditId(1), body: "{}".to_owned() };
        let why = post(&event, &url, &secret, Duration::from_secs(10)).await.unwrap_err().to_string();
        receiver.await.unwrap();
        why
    }

    #[tokio::test]
    async fn a_receiver_that_speaks_something_else_is_told_by_what_it_says() {
        let why = told(b"220 ready for mail\r\n").await;
        // Before or after the event: either way it is no answer.
        assert!(why.contains("invalid HTTP version") || why.contains("unexpected message"), "{why}");
    }

    #[tokio::test]
    async fn a_head_that_ends_half_way_is_told_as_such() {
        let why = told(b"HTTP/1.1 200 OK\r\nserver: half").await;
        assert!(why.contains("connection closed before message completed") || why.contains("unexpected message"), "{why}");
    }
}
