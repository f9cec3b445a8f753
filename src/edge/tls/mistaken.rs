//! Clients that speak TLS where nobody does, or do not where everybody must: each is told so, and the log hears of it, now and then.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::edge::acceptor::name;
use crate::edge::spaced_lines::SpacedLines;
use crate::telemetry::Listener;

/// How a record of TLS begins whose content is a handshake (RFC 8446, section 5.1). No method of HTTP does.
pub(crate) const HANDSHAKE: u8 = 0x16;
/// A fatal alert, `handshake_failure`, of TLS 1.0, as whoever speaks no version of it yet sends it.
const ALERT: [u8; 7] = [0x15, 0x03, 0x01, 0x00, 0x02, 0x02, 0x28];
const ANSWER: &str = "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 38\r\n\
                      connection: close\r\n\r\nthis port speaks TLS: ask by https://\n";
/// How long, and how much of, what the client has sent is read, so that the kernel does not take the answer away from it.
const PARTING: Duration = Duration::from_secs(1);
const PARTING_BYTES: usize = 64 * 1024;

/// When a listener last told of each kind, and of how many it did not.
#[derive(Debug, Default)]
pub(super) struct Told {
    plain: SpacedLines,
    encrypted: SpacedLines,
    failed: SpacedLines,
}

impl Told {
    pub(super) fn plain(&self, listener: Listener, peer: Option<SocketAddr>, now: Duration) {
        if let Some(omitted) = self.plain.admit(now) {
            let (listener, peer) = (name(listener), peer.map(tracing::field::display));
            let omitted = (omitted > 0).then_some(omitted);
            tracing::info!(listener, peer, omitted, "somebody spoke no TLS on a port that speaks nothing else: answered with 400");
        }
    }

    pub(super) fn encrypted(&self, listener: Listener, peer: Option<SocketAddr>, now: Duration) {
        if let Some(omitted) = self.encrypted.admit(now) {
            let (listener, peer) = (name(listener), peer.map(tracing::field::display));
            let omitted = (omitted > 0).then_some(omitted);
            tracing::info!(listener, peer, omitted, "somebody spoke TLS on a port that speaks none: closed; {}.tls is not set", listener);
        }
    }

    pub(super) fn failed(&self, listener: Listener, peer: Option<SocketAddr>, error: &std::io::Error, now: Duration) {
        if let Some(omitted) = self.failed.admit(now) {
            let (listener, peer) = (name(listener), peer.map(tracing::field::display));
            let omitted = (omitted > 0).then_some(omitted);
            tracing::info!(listener, peer, %error, omitted, "a TLS handshake failed");
        }
    }
}

/// Answers whoever speaks no TLS in the way that they speak.
pub(super) async fn answer_plain(socket: TcpStream) {
    part(socket, ANSWER.as_bytes()).await;
}

/// Tells whoever speaks TLS that nobody understands it here.
pub(super) async fn answer_encrypted(socket: TcpStream) {
    part(socket, &ALERT).await;
}

async fn part(mut socket: TcpStream, last: &[u8]) {
    let parting = async {
        socket.write_all(last).await?;
        socket.shutdown().await?;
        let mut read = 0;
        while read < PARTING_BYTES {
            socket.readable().await?;
            match socket.try_read(&mut [0; 4096]) {
                Ok(0) => break,
                Ok(bytes) => read += bytes,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok::<(), std::io::Error>(())
    };
    // They are gone, then: there is nobody left to tell.
    let _ = timeout(PARTING, parting).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_as_long_as_it_says() {
        let (head, body) = ANSWER.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())));
    }
}
