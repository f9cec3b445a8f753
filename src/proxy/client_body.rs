//! What a client sends behind the head of its request, as it comes: over HTTP/1 from hyper, over HTTP/2 from the stream itself.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;

use super::timer::CoarseTimer;

/// When something has come last on a connection of HTTP/2: the head of a request, a piece of a body that is wanted, or what was asked for.
#[derive(Debug)]
pub(super) struct LastHeard {
    timer: Rc<CoarseTimer>,
    at: Cell<u64>,
}

impl LastHeard {
    /// Now.
    pub(super) fn new(timer: &Rc<CoarseTimer>) -> Rc<Self> {
        Rc::new(Self { timer: Rc::clone(timer), at: Cell::new(timer.now()) })
    }

    /// Something has come.
    pub(super) fn note(&self) {
        self.at.set(self.timer.now());
    }

    /// In which tick it has.
    pub(super) fn at(&self) -> u64 {
        self.at.get()
    }
}

/// What a client sends behind a head.
#[derive(Debug)]
pub(super) enum ClientBody {
    /// Nothing that anybody could want.
    Nothing,
    Http1(Incoming),
    Http2(StreamData),
}

/// What comes on one stream of HTTP/2.
#[derive(Debug)]
pub(super) struct StreamData {
    stream: RecvStream,
    /// How much is still to come, as far as that is known.
    left: Option<u64>,
    /// What may come still is trailers.
    is_whole: bool,
    heard: Rc<LastHeard>,
}

/// It has ended before its end, or is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CutOff;

impl StreamData {
    /// `declared`: how long the head says that it is.
    pub(super) fn new(stream: RecvStream, declared: Option<u64>, heard: &Rc<LastHeard>) -> Self {
        // Where the head was all there is, that is as good as a length.
        let left = declared.or_else(|| stream.is_end_stream().then_some(0));
        Self { stream, left, is_whole: false, heard: Rc::clone(heard) }
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        if !self.is_whole {
            match ready!(self.stream.poll_data(cx)) {
                Some(Ok(data)) => {
                    // Whoever asks for more has room for it. The stream may be over by now, and its window with it.
                    let _ = self.stream.flow_control().release_capacity(data.len());
                    self.left = self.left.map(|left| left.saturating_sub(data.len() as u64));
                    self.heard.note();
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                // `NO_ERROR` among others: it is for servers to say that they want no more (RFC 9113, section 8.1).
                Some(Err(_)) => return Poll::Ready(Some(Err(CutOff))),
                None => self.is_whole = true,
            }
        }
        match ready!(self.stream.poll_trailers(cx)) {
            Ok(trailers) => {
                self.heard.note();
                Poll::Ready(trailers.map(Frame::trailers).map(Ok))
            }
            Err(_) => Poll::Ready(Some(Err(CutOff))),
        }
    }
}

impl ClientBody {
    pub(super) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CutOff>>> {
        match self {
            Self::Nothing => Poll::Ready(None),
            Self::Http1(incoming) => Pin::new(incoming).poll_frame(cx).map_err(|_| CutOff),
            Self::Http2(data) => data.poll_frame(cx),
        }
    }

    /// Whether nothing more will come.
    pub(super) fn is_end_stream(&self) -> bool {
        match self {
            Self::Nothing => true,
            Self::Http1(incoming) => incoming.is_end_stream(),
            Self::Http2(data) => data.stream.is_end_stream(),
        }
    }

    /// How much is still to come.
    pub(super) fn size_hint(&self) -> SizeHint {
        match self {
            Self::Nothing => SizeHint::with_exact(0),
            Self::Http1(incoming) => incoming.size_hint(),
            Self::Http2(data) => data.left.map_or_else(SizeHint::default, SizeHint::with_exact),
        }
    }

    /// Over HTTP/2, where nothing but a header says so: how long it is.
    pub(super) fn declared(&self) -> Option<u64> {
        match self {
            Self::Nothing | Self::Http1(_) => None,
            Self::Http2(data) => data.left,
        }
    }
}
