//! Bodies on their way through: nothing is gathered, everything is watched to its end.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::headers::Hygiene;
use super::record::Record;
use super::taking::{PIECE, Taking};
use super::ticks::{Alarm, Ticks};
use super::upstream::Source;
use super::wire::Watch;

/// The least that a client must send on average, in bytes a second, if its body has a known length or the answer to it is over.
const LEAST_RATE: u64 = 128;

/// Why a body ends before its end. hyper only learns that it does; what it means is told elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Broken {
    #[error("the client's body is malformed or was cut off")]
    Client,
    #[error("the client's body did not arrive in time")]
    Stalled,
    #[error("the upstream's body was cut off")]
    Upstream,
}

/// How far a request's body has come; shared by the body, which is out of sight in hyper's hands, and the request.
#[derive(Debug)]
pub(super) struct Sending {
    broken: Cell<Option<Broken>>,
    answer: Cell<Answer>,
    /// Since which tick the upstream has all that the client has sent, or is offered it; `None`: the client is waited for.
    passed_on: Cell<Option<u64>>,
    /// Who sends the body on, while nothing but the answer's end can make it give up.
    waker: RefCell<Option<Waker>>,
}

/// How far the answer to a request has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Answer {
    #[default]
    Awaited,
    /// The upstream has begun to answer.
    Begun,
    /// All of it is on its way to the client, or the client is gone.
    Over,
    /// The client does not take it.
    GivenUp,
}

impl Sending {
    /// What the client did wrong.
    pub(super) fn broken(&self) -> Option<Broken> {
        self.broken.get()
    }

    /// For how many ticks nobody but the upstream has been waited for.
    pub(super) fn upstream_waited_for(&self, ticks: &Ticks) -> u64 {
        self.passed_on.get().map_or(0, |since| ticks.now().saturating_sub(since))
    }

    /// From here on a pause is between client and upstream.
    pub(super) fn answered(&self) {
        self.answer.set(Answer::Begun);
    }

    fn ends(&self, answer: Answer) {
        self.answer.set(answer);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// A client's body on its way to the upstream.
#[derive(Debug, Default)]
pub(super) enum RequestBody {
    #[default]
    Empty,
    Streamed(Box<Streamed>),
}

#[derive(Debug)]
pub(super) struct Streamed {
    incoming: Incoming,
    watch: Arc<Watch>,
    request: u32,
    sending: Rc<Sending>,
    hygiene: Rc<Hygiene>,
    ticks: Rc<Ticks>,
    patience: BodyPatience,
    /// Set while the client is waited for: since which tick.
    waiting: Option<(u64, Alarm)>,
    waited: u64,
    received: u64,
}

/// Which request of which connection a body belongs to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Whence<'a> {
    pub(super) watch: &'a Arc<Watch>,
    /// Counted from 0.
    pub(super) request: u32,
}

/// How long a client's body may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct BodyPatience {
    /// Between two pieces.
    pub(super) stall: Duration,
    /// Before the least rate counts.
    pub(super) grace: Duration,
}

impl RequestBody {
    /// The body, and how far it has come if there is one.
    pub(super) fn new(
        incoming: Incoming,
        origin: Whence<'_>,
        hygiene: &Rc<Hygiene>,
        ticks: &Rc<Ticks>,
        patience: BodyPatience,
    ) -> (Self, Option<Rc<Sending>>) {
        if incoming.is_end_stream() {
            return (Self::Empty, None);
        }
        origin.watch.begin_upload();
        let sending = Rc::new(Sending {
            broken: Cell::default(),
            answer: Cell::default(),
            passed_on: Cell::new(Some(ticks.now())),
            waker: RefCell::default(),
        });
        let body = Self::Streamed(Box::new(Streamed {
            incoming,
            watch: Arc::clone(origin.watch),
            request: origin.request,
            sending: Rc::clone(&sending),
            hygiene: Rc::clone(hygiene),
            ticks: Rc::clone(ticks),
            patience,
            waiting: None,
            waited: 0,
            received: 0,
        }));
        (body, Some(sending))
    }
}

impl Streamed {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match Pin::new(&mut self.incoming).poll_frame(cx) {
            Poll::Pending if self.sending.answer.get() == Answer::GivenUp || self.has_stalled(cx) => self.fail(Broken::Stalled),
            Poll::Pending => {
                self.sending.passed_on.set(None);
                Poll::Pending
            }
            Poll::Ready(frame) => {
                self.sending.passed_on.set(Some(self.ticks.now()));
                let waiting = self.waiting.take();
                if self.has_a_least_rate()
                    && let Some((since, _)) = waiting
                {
                    self.waited += self.ticks.now().saturating_sub(since);
                }
                match frame {
                    Some(Ok(frame)) => {
                        if let Some(data) = frame.data_ref() {
                            self.received += data.len() as u64;
                        }
                        if (self.incoming.is_end_stream() || frame.is_trailers()) && !self.ends_well() {
                            return self.fail(Broken::Client);
                        }
                        Poll::Ready(Some(Ok(self.passed(frame))))
                    }
                    None if self.ends_well() => Poll::Ready(None),
                    None | Some(Err(_)) => self.fail(Broken::Client),
                }
            }
        }
    }

    /// The body is all there. Not if its framing could be read in another way: hyper takes a bare LF among the trailers for a line's end,
    /// and what stands behind them for more of them.
    fn ends_well(&self) -> bool {
        !self.watch.faults.spoil_body_of(self.request)
    }

    fn passed(&self, frame: Frame<Bytes>) -> Frame<Bytes> {
        match frame.into_trailers() {
            Ok(mut trailers) => {
                self.hygiene.clean_trailers(&mut trailers);
                Frame::trailers(trailers)
            }
            Err(frame) => frame,
        }
    }

    /// Whether the body must come at the least rate. One of unknown length may be a side of a talk, until the other side has ended.
    fn has_a_least_rate(&self) -> bool {
        self.incoming.size_hint().exact().is_some() || matches!(self.sending.answer.get(), Answer::Over | Answer::GivenUp)
    }

    /// Whether the client has been waited for long enough. A stream of unknown length may pause as long as it likes while the upstream
    /// is answering: the two are talking.
    fn has_stalled(&mut self, cx: &Context<'_>) -> bool {
        let has_a_least_rate = self.has_a_least_rate();
        self.sending.waker.replace(Some(cx.waker().clone()));
        if !has_a_least_rate && self.sending.answer.get() == Answer::Begun {
            self.waiting = None;
            return false;
        }
        let (_, alarm) = self.waiting.get_or_insert_with(|| {
            let mut left = self.patience.stall;
            if has_a_least_rate {
                let allowed = self.patience.grace.saturating_add(Duration::from_secs(self.received / LEAST_RATE));
                let waited = self.ticks.step().saturating_mul(u32::try_from(self.waited).unwrap_or(u32::MAX));
                left = left.min(allowed.saturating_sub(waited));
            }
            (self.ticks.now(), self.ticks.alarm(left))
        });
        alarm.is_up(cx)
    }

    fn fail(&self, broken: Broken) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        self.sending.broken.set(Some(broken));
        Poll::Ready(Some(Err(broken)))
    }
}

impl Drop for Streamed {
    fn drop(&mut self) {
        self.watch.end_upload();
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Streamed(streamed) => streamed.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Streamed(streamed) => streamed.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Streamed(streamed) => streamed.incoming.size_hint(),
        }
    }
}

/// What a client gets: one piece of our own, or the upstream's body.
///
/// The request counts as finished when its body is dropped, whether it came to its end or the client went away.
#[derive(Debug)]
pub(super) struct AnswerBody {
    content: Content,
    /// What has come but is more than one piece over HTTP/2.
    rest: Bytes,
    record: Box<Record>,
    sending: Option<Rc<Sending>>,
    stream: Option<Rc<Taking>>,
}

/// What the body is, and where it comes from.
#[derive(Debug)]
pub(super) enum Content {
    Whole(Bytes),
    Streamed(Source),
    /// The upstream broke off. What came before goes out first: hyper drops what it has not written when a body fails.
    Broken,
}

impl Content {
    /// What comes from there; in one piece if it is there already.
    pub(super) fn of(source: Source) -> Self {
        match source {
            Source::Line(mut inflow) => inflow.whole().map_or_else(|| Self::Streamed(Source::Line(inflow)), Self::Whole),
            Source::Http2 { incoming, .. } if incoming.is_end_stream() => Self::Whole(Bytes::new()),
            shared @ Source::Http2 { .. } => Self::Streamed(shared),
        }
    }
}

impl AnswerBody {
    /// `sending` is the request's body, `stream` is there over HTTP/2.
    pub(super) fn new(content: Content, record: Box<Record>, sending: Option<Rc<Sending>>, stream: Option<Rc<Taking>>) -> Self {
        Self { content, rest: Bytes::new(), record, sending, stream }
    }

    /// As much of it as may be given away at once.
    fn piece(&mut self, mut bytes: Bytes) -> Bytes {
        if bytes.len() <= PIECE {
            return bytes;
        }
        self.rest = bytes.split_off(PIECE);
        bytes
    }

    fn poll_content(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let Self { content, record, .. } = self;
        let frame = match content {
            Content::Whole(bytes) if bytes.is_empty() => return Poll::Ready(None),
            Content::Whole(bytes) => return Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Content::Streamed(Source::Line(inflow)) => inflow.poll_frame(cx).map_err(|_| Broken::Upstream),
            Content::Streamed(Source::Http2 { incoming, .. }) => Pin::new(incoming).poll_frame(cx).map_err(|_| Broken::Upstream),
            Content::Broken => return Poll::Ready(Some(Err(Broken::Upstream))),
        };
        match frame {
            Poll::Pending => {
                record.pauses();
                Poll::Pending
            }
            Poll::Ready(Some(Ok(frame))) => Poll::Ready(Some(Ok(match frame.into_trailers() {
                Ok(mut trailers) => {
                    record.hygiene().clean_trailers(&mut trailers);
                    Frame::trailers(trailers)
                }
                Err(frame) => frame,
            }))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Ready(Some(Err(_))) => {
                record.cut_off();
                *content = Content::Broken;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let this = self.get_mut();
        let frame =
            if this.rest.is_empty() { this.poll_content(cx) } else { Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut this.rest))))) };
        let Some(stream) = &this.stream else { return frame };
        match &frame {
            Poll::Pending => stream.waits(),
            Poll::Ready(_) => stream.offers(),
        }
        frame.map_ok(|frame| match frame.into_data() {
            Ok(bytes) => Frame::data(this.piece(bytes)),
            Err(frame) => frame,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
            && match &self.content {
                Content::Whole(bytes) => bytes.is_empty(),
                Content::Streamed(Source::Line(inflow)) => inflow.is_end_stream(),
                Content::Streamed(Source::Http2 { incoming, .. }) => incoming.is_end_stream(),
                Content::Broken => false,
            }
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = match &self.content {
            Content::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Streamed(Source::Line(inflow)) => inflow.size_hint(),
            Content::Streamed(Source::Http2 { incoming, .. }) => incoming.size_hint(),
            Content::Broken => SizeHint::default(),
        };
        let rest = self.rest.len() as u64;
        if let Some(most) = hint.upper() {
            hint.set_upper(most.saturating_add(rest));
        }
        hint.set_lower(hint.lower().saturating_add(rest));
        hint
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        if let Some(sending) = &self.sending {
            let given_up = self.stream.as_ref().is_some_and(|stream| stream.is_given_up());
            sending.ends(if given_up { Answer::GivenUp } else { Answer::Over });
        }
    }
}
