//! A connection that remembers what TLS said when it broke.
//!
//! Over HTTP/2 nobody passes that on: a request learns that its connection has broken, and not that the upstream refuses what it was shown.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::edge::tls::{HandshakeFault, UpstreamStream, said_by_tls};

/// What TLS said last of a connection, for its requests.
#[derive(Clone, Debug, Default)]
pub(super) struct SaidByTls(Rc<RefCell<Option<HandshakeFault>>>);

impl SaidByTls {
    /// For the first request that asks.
    pub(super) fn take(&self) -> Option<HandshakeFault> {
        self.0.borrow_mut().take()
    }
}

/// A connection, and where that is remembered.
#[derive(Debug)]
pub(super) struct TellingStream {
    stream: UpstreamStream,
    said: SaidByTls,
}

impl TellingStream {
    pub(super) fn new(stream: UpstreamStream, said: &SaidByTls) -> Self {
        Self { stream, said: said.clone() }
    }
}

impl AsyncRead for TellingStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let read = Pin::new(&mut this.stream).poll_read(cx, buf);
        if let Poll::Ready(Err(error)) = &read
            && let Some(fault) = said_by_tls(error)
        {
            this.said.0.replace(Some(fault));
        }
        read
    }
}

impl AsyncWrite for TellingStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, pieces: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
