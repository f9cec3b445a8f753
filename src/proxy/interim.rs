//! Interim answers (1xx, RFC 9110, section 15.2) on their way from the upstream to the client.
//!
//! Over HTTP/1.1 hyper's server cannot say any but `100 Continue`, which is its own affair. So they are left here by the request, and the
//! socket writes them when hyper has written all that it had: behind every earlier answer, and before the one that they belong to, which
//! waits until they have left. Over HTTP/2 a stream says its own.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use http::Response;
use tokio::io::AsyncWrite;

use super::headers::clean_interim;
use super::stream::StreamState;

/// What may lie here until the client takes it, in bytes; what is more is left out, for nobody has to get any of them.
const WAITING_MAX: usize = 64 * 1024;

/// Where the interim answers to one request go.
#[derive(Clone, Copy, Debug)]
pub(super) enum InterimSink<'a> {
    Http1(&'a InterimAnswers),
    Http2(&'a StreamState),
}

impl InterimSink<'_> {
    /// Says one, if it is fit for a client. To be asked by the task that answers the request.
    pub(super) fn say(self, mut answer: Response<()>, cx: &mut Context<'_>) {
        if clean_interim(answer.status(), answer.headers_mut()).is_err() {
            return;
        }
        match self {
            Self::Http1(connection) => connection.say(&answer),
            Self::Http2(stream) => stream.say(answer, cx),
        }
    }

    /// Ready when whatever is said next stands behind them.
    pub(super) fn poll_said(self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Http1(connection) => connection.poll_said(cx),
            Self::Http2(_) => Poll::Ready(()),
        }
    }
}

/// Interim answers of one connection over HTTP/1.1 that have not left.
#[derive(Debug, Default)]
pub(super) struct InterimAnswers {
    any: AtomicBool,
    waiting: Mutex<Unsaid>,
}

#[derive(Debug, Default)]
struct Unsaid {
    bytes: Vec<u8>,
    /// How many of `bytes` have left.
    sent: usize,
    /// Who waits until all have.
    waker: Option<Waker>,
}

impl InterimAnswers {
    fn say(&self, answer: &Response<()>) {
        let status = answer.status();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let out = &mut waiting.bytes;
        let begin = out.len();
        out.extend_from_slice(format!("HTTP/1.1 {} {}\r\n", status.as_str(), status.canonical_reason().unwrap_or_default()).as_bytes());
        for (name, value) in answer.headers() {
            for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                out.extend_from_slice(part);
            }
        }
        out.extend_from_slice(b"\r\n");
        if out.len() > WAITING_MAX {
            out.truncate(begin);
        }
        self.any.store(!out.is_empty(), Ordering::Relaxed);
    }

    /// Whether some have not left.
    pub(super) fn any(&self) -> bool {
        self.any.load(Ordering::Relaxed)
    }

    /// Ready when all have left.
    fn poll_said(&self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.any() {
            return Poll::Ready(());
        }
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Writes them.
    pub(super) fn poll_write(&self, cx: &mut Context<'_>, socket: &mut (impl AsyncWrite + Unpin)) -> Poll<std::io::Result<()>> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = &mut *waiting;
        while let Some(rest) = waiting.bytes.get(waiting.sent..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut *socket).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(std::io::ErrorKind::WriteZero.into())),
                written => waiting.sent += written,
            }
        }
        (waiting.bytes, waiting.sent) = (Vec::new(), 0);
        self.any.store(false, Ordering::Relaxed);
        if let Some(waker) = waiting.waker.take() {
            waker.wake();
        }
        Poll::Ready(Ok(()))
    }
}
