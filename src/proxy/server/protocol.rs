//! Which protocol a client begins to speak.

use std::io;

use tokio::net::TcpStream;

use crate::edge::tls::HANDSHAKE;

/// How every HTTP/2 connection begins (RFC 9113, section 3.4): these three bytes are no method of HTTP/1.
const PREFACE: [u8; 3] = *b"PRI";

/// What a client begins with.
#[derive(Debug)]
pub(super) enum First {
    Nothing,
    /// TLS, of which nothing has been taken.
    Handshake,
    Spoken(Protocol),
}

#[derive(Debug)]
pub(super) enum Protocol {
    Http1(Taken),
    Http2(Taken),
}

/// What was taken off the socket while looking: nothing, unless the client hesitates within the first bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Taken {
    bytes: [u8; PREFACE.len()],
    length: usize,
}

impl Taken {
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// Looks at the first bytes without taking them. One or two bytes that could begin either protocol are taken: as long as they lay there,
/// the kernel would say that there is something to read, and the third could not be waited for.
pub(super) async fn detect(socket: &TcpStream) -> io::Result<First> {
    let mut taken = Taken::default();
    let seen = socket.peek(&mut taken.bytes).await?;
    loop {
        let first = taken.bytes.get(..taken.length.max(seen)).unwrap_or_default();
        match first {
            [] => return Ok(First::Nothing),
            first if first == PREFACE => return Ok(First::Spoken(Protocol::Http2(taken))),
            [HANDSHAKE, ..] if taken.length == 0 => return Ok(First::Handshake),
            first if !PREFACE.starts_with(first) => return Ok(First::Spoken(Protocol::Http1(taken))),
            _ => {}
        }
        socket.readable().await?;
        match socket.try_read(taken.bytes.get_mut(taken.length..).unwrap_or_default()) {
            // Whoever says `P` and hangs up has said nothing that could be answered.
            Ok(0) => return Ok(First::Nothing),
            Ok(read) => taken.length += read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        client.set_nodelay(true).unwrap();
        (client, listener.accept().await.unwrap().0)
    }

    /// What is found, and everything that the next reader gets.
    async fn found(pieces: &[&str]) -> (&'static str, String) {
        let (mut client, mut socket) = pair().await;
        let detected = async {
            match detect(&socket).await.unwrap() {
                First::Nothing => ("nothing", Taken::default()),
                First::Handshake => ("handshake", Taken::default()),
                First::Spoken(Protocol::Http1(taken)) => ("http1", taken),
                First::Spoken(Protocol::Http2(taken)) => ("http2", taken),
            }
        };
        let sent = async {
            for piece in pieces {
                client.write_all(piece.as_bytes()).await.unwrap();
                tokio::task::yield_now().await;
            }
            client.shutdown().await.unwrap();
        };
        let ((name, taken), ()) = tokio::join!(detected, sent);
        let mut rest = String::new();
        socket.read_to_string(&mut rest).await.unwrap();
        (name, String::from_utf8(taken.as_bytes().to_vec()).unwrap() + &rest)
    }

    #[tokio::test]
    async fn no_byte_is_lost_however_the_first_ones_come() {
        for (pieces, name) in [
            (&["GET / HTTP/1.1"][..], "http1"),
            (&["P", "OST / HTTP/1.1"], "http1"),
            (&["PR", "OPFIND / HTTP/1.1"], "http1"),
            (&["P", "R", "I * HTTP/2.0"], "http2"),
            (&["PRI * HTTP/2.0"], "http2"),
            (&["\x16\x03\x01"], "handshake"),
            (&["P", "\x16\x03"], "http1"),
        ] {
            assert_eq!(found(pieces).await, (name, pieces.concat()), "{pieces:?}");
        }
        assert_eq!(found(&[]).await.0, "nothing");
    }

    #[tokio::test]
    async fn whoever_hesitates_is_waited_for_and_not_asked_again_and_again() {
        let (mut client, socket) = pair().await;
        client.write_all(b"P").await.unwrap();
        socket.readable().await.unwrap();
        let mut detected = Box::pin(detect(&socket));
        let polls = std::cell::Cell::new(0);
        let counted = std::future::poll_fn(|cx| {
            polls.set(polls.get() + 1);
            detected.as_mut().poll(cx)
        });
        let waited = tokio::time::timeout(std::time::Duration::from_millis(300), counted).await;
        assert!(waited.is_err(), "there is no third byte");
        assert!(polls.get() < 10, "asked {} times", polls.get());
    }
}
