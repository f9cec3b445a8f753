//! What a client gets: nothing is gathered, and everything is watched to its end.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::key_watch::KeyWatch;
use super::record::Record;
use super::request_body::{BodyError, UploadState};
use super::stream::{PIECE, StreamState};
use super::unread_body::UnreadBody;
use super::upstream::{ForwardError, UpstreamBody};

/// Of how many pieces an answer is that is watched though none of them had to be waited for.
const LONG: u32 = 32;

/// What a client gets: one piece of our own, or the upstream's body.
///
/// The request counts as finished when its body is dropped, whether it came to its end or the client went away.
#[derive(Debug)]
pub(super) struct ResponseBody {
    content: ResponseContent,
    /// What has come but is more than one piece over HTTP/2.
    rest: Bytes,
    record: Box<Record>,
    upload: Option<Rc<UploadState>>,
    stream: Option<Rc<StreamState>>,
    /// There if the answer has not come to its end at once.
    key_watch: Option<KeyWatch>,
    /// How many pieces have come.
    pieces: u32,
}

/// What the body is, and where it comes from.
#[derive(Debug)]
pub(super) enum ResponseContent {
    Whole(Bytes),
    /// A refusal, whole, that ends when the client has sent all of its body.
    Refusal(Bytes, Option<Box<UnreadBody>>),
    Streamed(UpstreamBody),
    /// The upstream broke off. What came before goes out first: hyper drops what it has not written when a body fails.
    Broken,
}

impl ResponseContent {
    /// What comes from there; in one piece if it is there already.
    pub(super) fn of(source: UpstreamBody) -> Self {
        match source {
            UpstreamBody::Http1(mut body) => body.whole().map_or_else(|| Self::Streamed(UpstreamBody::Http1(body)), Self::Whole),
            UpstreamBody::Http2 { incoming, .. } if incoming.is_end_stream() => Self::Whole(Bytes::new()),
            shared @ UpstreamBody::Http2 { .. } => Self::Streamed(shared),
        }
    }
}

impl ResponseBody {
    /// `sending` is the request's body, `stream` is there over HTTP/2.
    pub(super) fn new(
        content: ResponseContent,
        record: Box<Record>,
        upload: Option<Rc<UploadState>>,
        stream: Option<Rc<StreamState>>,
    ) -> Self {
        Self { content, rest: Bytes::new(), record, upload, stream, key_watch: None, pieces: 0 }
    }

    /// As much of it as may be given away at once.
    fn piece(&mut self, mut bytes: Bytes) -> Bytes {
        if bytes.len() <= PIECE {
            return bytes;
        }
        self.rest = bytes.split_off(PIECE);
        bytes
    }

    /// Ends the answer if its key no longer passes. Watched is what lasts: what has had to be waited for, or is long.
    fn poll_key(&mut self, cx: &mut Context<'_>, lasts: bool) -> Poll<()> {
        if self.key_watch.is_none() && lasts && matches!(self.content, ResponseContent::Streamed(_)) {
            self.key_watch = self.record.key_watch();
        }
        let Some(watch) = &mut self.key_watch else { return Poll::Pending };
        let refusal = std::task::ready!(Pin::new(watch).poll(cx));
        self.key_watch = None;
        self.record.ends_with_key(refusal);
        // As if the upstream had broken off, which is what the client is to see: the answer is not whole.
        self.rest = Bytes::new();
        self.content = ResponseContent::Broken;
        Poll::Ready(())
    }

    fn poll_content(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Self { content, record, .. } = self;
        let frame = match content {
            ResponseContent::Whole(bytes) if bytes.is_empty() => return Poll::Ready(None),
            ResponseContent::Whole(bytes) => return Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            ResponseContent::Refusal(bytes, _) if !bytes.is_empty() => return Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            ResponseContent::Refusal(_, unread) => {
                if let Some(body) = unread {
                    std::task::ready!(body.poll_end(cx));
                    *unread = None;
                }
                return Poll::Ready(None);
            }
            ResponseContent::Streamed(UpstreamBody::Http1(body)) => body.poll_frame(cx).map_err(ForwardError::from),
            ResponseContent::Streamed(UpstreamBody::Http2 { incoming, .. }) => {
                Pin::new(incoming).poll_frame(cx).map_err(ForwardError::Http2)
            }
            ResponseContent::Broken => return Poll::Ready(Some(Err(BodyError::Upstream))),
        };
        match frame {
            Poll::Pending => {
                record.pauses();
                Poll::Pending
            }
            Poll::Ready(Some(Ok(frame))) => Poll::Ready(Some(Ok(match frame.into_trailers() {
                Ok(mut trailers) => {
                    record.header_rules().clean_trailers(&mut trailers);
                    Frame::trailers(trailers)
                }
                Err(frame) => frame,
            }))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Ready(Some(Err(error))) => {
                record.cut_off(&error);
                *content = ResponseContent::Broken;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let is_watched = this.key_watch.is_some();
        if is_watched {
            let _ended = this.poll_key(cx, true);
        }
        let mut frame =
            if this.rest.is_empty() { this.poll_content(cx) } else { Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut this.rest))))) };
        this.pieces = this.pieces.saturating_add(1);
        if !is_watched && this.poll_key(cx, frame.is_pending() || this.pieces == LONG).is_ready() && frame.is_pending() {
            frame = this.poll_content(cx);
        }
        if this.stream.is_none() {
            return frame;
        }
        frame.map_ok(|frame| match frame.into_data() {
            Ok(bytes) => Frame::data(this.piece(bytes)),
            Err(frame) => frame,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
            && match &self.content {
                ResponseContent::Whole(bytes) => bytes.is_empty(),
                ResponseContent::Refusal(bytes, unread) => bytes.is_empty() && unread.is_none(),
                ResponseContent::Streamed(UpstreamBody::Http1(body)) => body.is_end_stream(),
                ResponseContent::Streamed(UpstreamBody::Http2 { incoming, .. }) => incoming.is_end_stream(),
                ResponseContent::Broken => false,
            }
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = match &self.content {
            ResponseContent::Whole(bytes) | ResponseContent::Refusal(bytes, _) => SizeHint::with_exact(bytes.len() as u64),
            ResponseContent::Streamed(UpstreamBody::Http1(body)) => body.size_hint(),
            ResponseContent::Streamed(UpstreamBody::Http2 { incoming, .. }) => incoming.size_hint(),
            ResponseContent::Broken => SizeHint::default(),
        };
        let rest = self.rest.len() as u64;
        if let Some(most) = hint.upper() {
            hint.set_upper(most.saturating_add(rest));
        }
        hint.set_lower(hint.lower().saturating_add(rest));
        hint
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        if let Some(upload) = &self.upload {
            if self.stream.as_ref().is_some_and(|stream| stream.is_given_up()) {
                upload.answer_given_up();
            } else {
                upload.answer_over();
            }
        }
    }
}
