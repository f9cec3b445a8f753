//! A socket under TLS that knows whether what was read from it ends with a whole record.
//!
//! What a peer has said of a record that is not whole lies in the session, and nobody above it can see that: a connection looks as if nothing
//! had been said on it, and what completes the record would be taken for an answer to whatever is asked next.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// How long a record's header is: its type, a version, and the length of what follows (RFC 8446, section 5.1), in bytes.
const HEADER: usize = 5;

/// A socket, and how far the records on it have come.
#[derive(Debug)]
pub(crate) struct RecordSocket {
    socket: TcpStream,
    position: Position,
}

/// Where in a record the reader stands.
#[derive(Debug, Default)]
struct Position {
    /// So many bytes of a header have come; 0: none.
    header: usize,
    /// What the header says so far of the length, and then how much of that is still to come.
    left: usize,
}

impl RecordSocket {
    pub(super) fn new(socket: TcpStream) -> Self {
        Self { socket, position: Position::default() }
    }

    pub(super) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Whether all that was read is whole records.
    pub(super) fn is_between_records(&self) -> bool {
        self.position.header == 0
    }
}

impl Position {
    fn pass(&mut self, mut bytes: &[u8]) {
        while let Some((first, rest)) = bytes.split_first() {
            if self.header < HEADER {
                self.header += 1;
                // The last two bytes.
                if self.header > HEADER - 2 {
                    self.left = self.left << 8 | usize::from(*first);
                }
                bytes = rest;
            } else {
                let passed = self.left.min(bytes.len());
                self.left -= passed;
                bytes = bytes.get(passed..).unwrap_or_default();
            }
            if self.header == HEADER && self.left == 0 {
                self.header = 0;
            }
        }
    }
}

impl AsyncRead for RecordSocket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.socket).poll_read(cx, buf))?;
        this.position.pass(buf.filled().get(before..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for RecordSocket {
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
    use proptest::prelude::*;

    use super::*;

    fn record(length: usize) -> Vec<u8> {
        let [high, low] = u16::try_from(length).unwrap().to_be_bytes();
        [vec![0x17, 3, 3, high, low], vec![7; length]].concat()
    }

    proptest! {
        #[test]
        fn it_is_between_records_where_one_ends_and_nowhere_else(lengths in prop::collection::vec(0usize..700, 1..5), cut in 1usize..97) {
            let records: Vec<Vec<u8>> = lengths.into_iter().map(record).collect();
            let ends: Vec<usize> = records.iter().scan(0, |end, record| { *end += record.len(); Some(*end) }).collect();
            let (bytes, mut position, mut passed) = (records.concat(), Position::default(), 0);
            for piece in bytes.chunks(cut) {
                position.pass(piece);
                passed += piece.len();
                prop_assert_eq!(position.header == 0, ends.contains(&passed), "{} of {:?}", passed, ends);
            }
        }
    }
}
