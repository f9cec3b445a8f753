//! A connection that remembers what TLS said when it broke, and whether anything was said on it.
//!
//! Over HTTP/2 nobody passes that on: a request learns that its connection has broken, and not that the upstream refuses what it was shown;
//! and how many requests the connection carries is known when the upstream has said something, which is that (RFC 9113, section 3.4).

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::edge::tls::{HandshakeFault, UpstreamStream, said_by_tls};

/// What is known of what was said on a connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Said(Rc<Heard>);

#[derive(Debug, Default)]
struct Heard {
    anything: Cell<bool>,
    waiting: RefCell<Option<Waker>>,
    by_tls: RefCell<Option<HandshakeFault>>,
}

impl Said {
    /// Whether the upstream has said something.
    pub(super) fn is_anything(&self) -> bool {
        self.0.anything.get()
    }

    /// The same; who asks is woken when it does, behind whoever reads it.
    pub(super) fn poll_anything(&self, cx: &Context<'_>) -> bool {
        if !self.is_anything() {
            self.0.waiting.replace(Some(cx.waker().clone()));
        }
        self.is_anything()
    }

    /// What TLS said last.
    pub(super) fn fault(&self) -> Option<HandshakeFault> {
        self.0.by_tls.borrow().clone()
    }

    /// The same, for the first request that asks.
    pub(super) fn take_fault(&self) -> Option<HandshakeFault> {
        self.0.by_tls.borrow_mut().take()
    }
}

/// A connection, and where that is remembered.
#[derive(Debug)]
pub(super) struct TellingStream {
    stream: UpstreamStream,
    said: Said,
}

impl TellingStream {
    pub(super) fn new(stream: UpstreamStream, said: &Said) -> Self {
        Self { stream, said: said.clone() }
    }
}

impl AsyncRead for TellingStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let filled = buf.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buf);
        match &read {
            Poll::Ready(Ok(())) if buf.filled().len() > filled => {
                this.said.0.anything.set(true);
                if let Some(waiting) = this.said.0.waiting.take() {
                    waiting.wake();
                }
            }
            Poll::Ready(Err(error)) => {
                if let Some(fault) = said_by_tls(error) {
                    this.said.0.by_tls.replace(Some(fault));
                }
            }
            Poll::Ready(Ok(())) | Poll::Pending => {}
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
