//! What a client goes on sending over HTTP/2 although it has its answer.
//!
//! An answer may end before its request does, and the rest of the request is cut off with `RST_STREAM` and `NO_ERROR` (RFC 9113, section 8.1).
//! Many clients (curl, Node.js, Java's) lose the answer then. So its end is held back while the client sends on, as the data plane does it: whoever
//! answers has a body only on loan, and what they leave of it is read here and thrown away.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::timeout;

/// How long a client may send on though it has its answer.
pub(crate) const LINGER: Duration = Duration::from_secs(30);
/// How long nothing may come meanwhile.
pub(crate) const LINGER_QUIET: Duration = Duration::from_secs(2);

/// Where what is left of a request's body is put.
#[derive(Clone, Debug, Default)]
pub(super) struct Rest(Arc<Mutex<Option<Incoming>>>);

impl Rest {
    fn take(&self) -> Option<Incoming> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn is_none(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }
}

/// A request's body, as whoever answers has it.
#[derive(Debug)]
pub(crate) struct LentBody {
    /// There until it is given back.
    body: Option<Incoming>,
    rest: Option<Rest>,
}

impl LentBody {
    pub(super) fn new(body: Incoming, rest: &Rest) -> Self {
        Self { body: Some(body), rest: Some(rest.clone()) }
    }

    /// What is left of it ends with it.
    pub(super) fn for_good(body: Incoming) -> Self {
        Self { body: Some(body), rest: None }
    }
}

impl Drop for LentBody {
    fn drop(&mut self) {
        if let Some(Rest(rest)) = &self.rest {
            *rest.lock().unwrap_or_else(PoisonError::into_inner) = self.body.take().filter(|body| !body.is_end_stream());
        }
    }
}

impl Body for LentBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.body.as_mut().map_or(Poll::Ready(None), |body| Pin::new(body).poll_frame(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

/// An answer's body, which ends when the client has come to its own end, or is not waited for any longer.
pub(super) struct HeldBody<B> {
    answer: B,
    rest: Rest,
    stage: Stage,
}

enum Stage {
    Answer,
    ThrownAway(Pin<Box<dyn Future<Output = ()> + Send>>),
    End,
}

impl<B> HeldBody<B> {
    pub(super) fn new(answer: B, rest: Rest) -> Self {
        Self { answer, rest, stage: Stage::Answer }
    }
}

impl<B: Body + Unpin> Body for HeldBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        loop {
            match &mut self.stage {
                Stage::Answer => {
                    if let Some(frame) = ready!(Pin::new(&mut self.answer).poll_frame(cx)) {
                        return Poll::Ready(Some(frame));
                    }
                    self.stage = self.rest.take().map_or(Stage::End, |rest| Stage::ThrownAway(Box::pin(throw_away(rest))));
                }
                Stage::ThrownAway(rest) => {
                    ready!(rest.as_mut().poll(cx));
                    self.stage = Stage::End;
                }
                Stage::End => return Poll::Ready(None),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self.stage {
            Stage::Answer => self.answer.is_end_stream() && self.rest.is_none(),
            Stage::ThrownAway(_) => false,
            Stage::End => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.answer.size_hint()
    }
}

async fn throw_away(mut body: Incoming) {
    let all = async { while let Ok(Some(Ok(_))) = timeout(LINGER_QUIET, body.frame()).await {} };
    _ = timeout(LINGER, all).await;
}
