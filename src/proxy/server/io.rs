//! A client's socket as hyper sees it.
//!
//! Reads and writes go straight through; on their way it is noted whether the client does anything.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::framing::ShadowParser;
use super::parse_error::ParseErrors;
use super::protocol::Taken;
use crate::proxy::connection::{ConnectionState, Phase};

/// How much of a refused request is read and thrown away before the connection is closed, in bytes.
const LINGER_BYTES: usize = 256 * 1024;

/// A client's socket. Counts as a connection until it is dropped.
#[derive(Debug)]
pub(super) struct ClientIo<G> {
    socket: TcpStream,
    /// What was taken off the socket before; given to hyper first.
    taken: Taken,
    state: Arc<ConnectionState>,
    /// Of HTTP/1 only.
    shadow: Option<(ShadowParser, Arc<ParseErrors>)>,
    /// Our answer in the place of hyper's, and how much of it is out.
    instead: Option<(Vec<u8>, usize)>,
    shut: bool,
    lingered: usize,
    _counted: G,
}

impl<G> ClientIo<G> {
    pub(super) fn http1(socket: TcpStream, taken: Taken, state: Arc<ConnectionState>, parse_errors: Arc<ParseErrors>, counted: G) -> Self {
        Self { shadow: Some((ShadowParser::new(), parse_errors)), ..Self::http2(socket, taken, state, counted) }
    }

    pub(super) fn http2(socket: TcpStream, taken: Taken, state: Arc<ConnectionState>, counted: G) -> Self {
        Self { socket, taken, state, shadow: None, instead: None, shut: false, lingered: 0, _counted: counted }
    }

    /// Our answer if these bytes are one of hyper's own.
    fn ours_instead(&self, said: &[u8]) -> Option<Vec<u8>> {
        let (_, parse_errors) = self.shadow.as_ref()?;
        let own = self.state.is_quiet() && !self.state.is(Phase::Tunnel);
        if own { parse_errors.answer(said) } else { None }
    }

    fn must_linger(&self) -> bool {
        let amid = self.shadow.as_ref().is_some_and(|(shadow, _)| shadow.is_amid() && !self.state.is(Phase::Busy));
        amid || self.state.lingers()
    }
}

impl<G: Unpin> AsyncRead for ClientIo<G> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        if this.taken.as_bytes().is_empty() {
            ready!(Pin::new(&mut this.socket).poll_read(cx, buf))?;
        } else {
            // hyper never has room for less.
            buf.put_slice(std::mem::take(&mut this.taken).as_bytes());
        }
        let read = buf.filled().get(before..).unwrap_or_default();
        this.state.moved();
        // What passes through a tunnel has no lines whose ends could be waited for.
        if !read.is_empty()
            && !this.state.is(Phase::Tunnel)
            && let Some((shadow, _)) = &mut this.shadow
        {
            if this.state.is(Phase::Idle) {
                this.state.enter(Phase::Head);
            }
            if this.state.is(Phase::Head) {
                this.state.reads_head(read.len());
            }
            shadow.follow(read, &this.state.faults);
        }
        Poll::Ready(Ok(()))
    }
}

impl<G: Unpin> AsyncWrite for ClientIo<G> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.instead.is_none() {
            this.instead = this.ours_instead(bytes).map(|ours| (ours, 0));
        }
        let written = match &mut this.instead {
            None => Pin::new(&mut this.socket).poll_write(cx, bytes),
            Some((ours, out)) => write_all(&mut this.socket, cx, ours, out).map_ok(|()| bytes.len()),
        };
        match written {
            Poll::Pending => this.state.blocked(),
            Poll::Ready(_) => this.state.took(),
        }
        written
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper flushes when it has written all it has.
        let this = self.get_mut();
        this.state.flushed();
        Pin::new(&mut this.socket).poll_flush(cx)
    }

    /// Bytes that arrive at a closed socket make the kernel reset the connection, and the reset can take an answer away that the
    /// client has not read yet. So the other half is read for a while (as long as `ConnectionTimeouts::closing`).
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.shut {
            ready!(Pin::new(&mut this.socket).poll_shutdown(cx))?;
            this.shut = true;
            if !this.must_linger() {
                return Poll::Ready(Ok(()));
            }
            this.state.enter(Phase::Closing);
        }
        let mut waste = [0; 4096];
        while this.state.is(Phase::Closing) && this.lingered < LINGER_BYTES {
            let mut buf = ReadBuf::new(&mut waste);
            match ready!(Pin::new(&mut this.socket).poll_read(cx, &mut buf)) {
                Ok(()) if !buf.filled().is_empty() => this.lingered += buf.filled().len(),
                Ok(()) | Err(_) => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

fn write_all(socket: &mut TcpStream, cx: &mut Context<'_>, bytes: &[u8], out: &mut usize) -> Poll<io::Result<()>> {
    while let Some(rest) = bytes.get(*out..).filter(|rest| !rest.is_empty()) {
        match ready!(Pin::new(&mut *socket).poll_write(cx, rest))? {
            0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            written => *out += written,
        }
    }
    Poll::Ready(Ok(()))
}
