//! Which protocol a client begins to speak.

use std::time::Duration;

use tokio::net::TcpStream;

/// What every HTTP/2 connection begins with (RFC 9113, section 3.4). Its first three bytes are no method of HTTP/1.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(super) enum Protocol {
    Nothing,
    Http1,
    Http2,
}

/// Looks at the first bytes without taking them.
pub(super) async fn detect(socket: &TcpStream) -> std::io::Result<Protocol> {
    let mut buffer = [0; PREFACE.len()];
    loop {
        let seen = socket.peek(&mut buffer).await?;
        let first = buffer.get(..seen).unwrap_or_default();
        return Ok(match first {
            [] => Protocol::Nothing,
            _ if first.len() >= 3 && PREFACE.starts_with(first) => Protocol::Http2,
            _ if PREFACE.starts_with(first) => {
                wait_for_more().await;
                continue;
            }
            _ => Protocol::Http1,
        });
    }
}

/// The kernel says "readable" as long as the first byte lies there, so there is nothing to wait for but time.
#[expect(clippy::disallowed_methods, reason = "one or two bytes of a preface alone: nothing will wake us when the third comes")]
async fn wait_for_more() {
    tokio::time::sleep(Duration::from_millis(5)).await;
}
