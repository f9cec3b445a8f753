//! A handshake that is to be answered when it is its turn, and whose client may be gone by then.
//!
//! To answer takes as long as many requests, and whoever floods a listener with handshakes need not wait for answers: without a look at its socket, all that it has
//! begun would be answered, and kept until then.

use std::future::{pending, poll_fn};
use std::io;
use std::pin::pin;
use std::task::Poll;

use tokio::io::{Interest, Ready};
use tokio::net::TcpStream;

/// Waits for its turn, of which it is told whether it has been given.
///
/// # Errors
/// The client has gone before, or too many wait.
pub(super) async fn its_turn(socket: &TcpStream, turn: impl Future<Output = bool>) -> io::Result<()> {
    let given = tokio::select! {
        biased;
        error = gone(socket) => return Err(error),
        given = turn => given,
    };
    if is_ended(socket).await {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if given { Ok(()) } else { Err(io::Error::other("too many others wait to be answered")) }
}

/// Whether the system has told that nothing more comes, be there something before the end or not. Nobody shakes hands who says nothing more. Asks nobody.
pub(super) async fn is_ended(socket: &TcpStream) -> bool {
    let mut ready = pin!(socket.ready(Interest::READABLE));
    poll_fn(|cx| match ready.as_mut().poll(cx) {
        Poll::Ready(ready) => Poll::Ready(ready.is_ok_and(Ready::is_read_closed)),
        Poll::Pending => Poll::Ready(false),
    })
    .await
}

/// Returns when the client is gone; not if it has said more before, which is for later.
async fn gone(socket: &TcpStream) -> io::Error {
    match socket.peek(&mut [0]).await {
        Ok(0) => io::ErrorKind::UnexpectedEof.into(),
        Ok(_) => pending().await,
        Err(error) => error,
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

    use super::*;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (client, listener.accept().await.unwrap().0)
    }

    #[tokio::test]
    async fn whoever_hangs_up_is_waited_for_no_longer() {
        let (client, socket) = pair().await;
        drop(client);
        assert_eq!(its_turn(&socket, pending()).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn whoever_has_said_more_and_hung_up_is_not_answered_when_its_turn_comes() {
        let (mut client, socket) = pair().await;
        client.write_all(b"more").await.unwrap();
        drop(client);
        let turn = async {
            while !is_ended(&socket).await {
                tokio::task::yield_now().await;
            }
            true
        };
        assert_eq!(its_turn(&socket, turn).await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn whoever_is_there_has_its_turn_when_it_is_given_and_not_when_it_is_not() {
        let (mut client, socket) = pair().await;
        its_turn(&socket, async { true }).await.unwrap();
        client.write_all(b"more").await.unwrap();
        socket.readable().await.unwrap();
        its_turn(&socket, async { true }).await.unwrap();
        assert_eq!(its_turn(&socket, async { false }).await.unwrap_err().kind(), io::ErrorKind::Other);
    }
}
