//! A client's socket under TLS that lets others have their turn.
//!
//! Records that hold nothing are read one after the other until one comes that holds something, all within one read of whoever is above TLS and sees
//! nothing of them; and to open thousands of them takes milliseconds.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// After so many reads, each of 4 KiB or of a record that is larger, it is the others' turn.
const READS_IN_A_TURN: u32 = 16;

/// A socket that pauses.
#[derive(Debug)]
pub(crate) struct PausingSocket {
    socket: TcpStream,
    /// In this turn.
    reads: u32,
}

impl PausingSocket {
    pub(super) fn new(socket: TcpStream) -> Self {
        Self { socket, reads: 0 }
    }

    pub(super) fn socket(&self) -> &TcpStream {
        &self.socket
    }
}

impl AsyncRead for PausingSocket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.reads == READS_IN_A_TURN {
            this.reads = 0;
            // The task is woken when the runtime has looked at all sockets, behind whoever they wake.
            let _ = pin!(tokio::task::yield_now()).poll(cx);
            return Poll::Pending;
        }
        let read = Pin::new(&mut this.socket).poll_read(cx, buf);
        this.reads = if read.is_ready() { this.reads + 1 } else { 0 };
        read
    }
}

impl AsyncWrite for PausingSocket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().socket).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, pieces: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().socket).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn whoever_has_much_to_say_lets_others_have_their_turn_and_is_read_to_the_end() {
        const PIECES: u32 = 100;
        const PIECE: usize = 100;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut socket = PausingSocket::new(listener.accept().await.unwrap().0);
        client.write_all(&[7; PIECES as usize * PIECE]).await.unwrap();
        socket.socket().readable().await.unwrap();

        let mut turns = Vec::new();
        while turns.iter().sum::<u32>() < PIECES {
            let turn = std::future::poll_fn(|cx| {
                let mut reads = 0;
                loop {
                    match Pin::new(&mut socket).poll_read(cx, &mut ReadBuf::new(&mut [0; PIECE])) {
                        Poll::Ready(read) => read.unwrap(),
                        Poll::Pending if reads == 0 => return Poll::Pending,
                        Poll::Pending => return Poll::Ready(reads),
                    }
                    reads += 1;
                }
            });
            turns.push(turn.await);
            tokio::task::yield_now().await;
        }

        assert_eq!(turns, [16, 16, 16, 16, 16, 16, 4]);
    }
}
