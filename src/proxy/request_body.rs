//! A client's body on its way to the upstream: nothing is gathered, and the client is waited for as long as its time-outs allow.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use super::client_body::ClientBody;
use super::connection::ConnectionState;
use super::headers::HeaderRules;
use super::timer::{CoarseTimer, Deadline};

/// The least that a client must send on average, in bytes a second, if its body has a known length or the answer to it is over.
const LEAST_RATE: u64 = 128;

/// Why a body ends before its end. Who sends it on only learns that it does; what it means is told elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BodyError {
    #[error("the client's body is malformed or was cut off")]
    Client,
    #[error("the client's body did not arrive in time")]
    Stalled,
    #[error("the client's body is longer than its route allows")]
    TooLong,
    #[error("the upstream's body was cut off")]
    Upstream,
}

/// How far a request's body has come; shared by the body, which is out of sight in hyper's hands, and the request.
#[derive(Debug)]
pub(super) struct UploadState {
    broken: Cell<Option<BodyError>>,
    response: Cell<ResponsePhase>,
    /// Since which tick the upstream has all that the client has sent, or is offered it; `None`: the client is waited for.
    passed_on: Cell<Option<u64>>,
    /// Who sends the body on, while nothing but the answer's end can make it give up.
    waker: RefCell<Option<Waker>>,
}

/// How far the answer to a request has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum ResponsePhase {
    #[default]
    Awaited,
    /// The upstream has begun to answer.
    Begun,
    /// All of it is on its way to the client, or the client is gone.
    Over,
    /// The client does not take it.
    GivenUp,
}

impl UploadState {
    /// What the client did wrong.
    pub(super) fn broken(&self) -> Option<BodyError> {
        self.broken.get()
    }

    /// For how many ticks nobody but the upstream has been waited for.
    pub(super) fn upstream_waited_for(&self, timer: &CoarseTimer) -> u64 {
        self.passed_on.get().map_or(0, |since| timer.now().saturating_sub(since))
    }

    /// From here on a pause is between client and upstream.
    pub(super) fn answered(&self) {
        self.response.set(ResponsePhase::Begun);
    }

    /// All of the answer is on its way to the client, or the client is gone.
    pub(super) fn answer_over(&self) {
        self.ends(ResponsePhase::Over);
    }

    /// The client does not take the answer.
    pub(super) fn answer_given_up(&self) {
        self.ends(ResponsePhase::GivenUp);
    }

    fn ends(&self, response: ResponsePhase) {
        self.response.set(response);
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
    Streamed(Box<StreamedBody>),
}

#[derive(Debug)]
pub(super) struct StreamedBody {
    incoming: ClientBody,
    connection: Arc<ConnectionState>,
    request: u32,
    upload: Rc<UploadState>,
    header_rules: Rc<HeaderRules>,
    timer: Rc<CoarseTimer>,
    timeouts: BodyTimeouts,
    /// Set while the client is waited for: since which tick.
    waiting: Option<(u64, Deadline)>,
    waited: u64,
    received: u64,
    /// How much may be received.
    most: u64,
    /// Over HTTP/2: how long the body says it is.
    declared: Option<u64>,
    held: Held,
}

/// What has come and is not passed on yet. Over HTTP/2 a body may be longer than it says: its last piece is held until the stream has
/// ended, so that the upstream never has the whole of a request that is malformed.
#[derive(Debug, Default)]
enum Held {
    #[default]
    Nothing,
    /// The last piece, as far as the declared length goes.
    Last(Bytes),
    /// Behind the last piece, which is on its way.
    Trailers(HeaderMap),
    End,
}

/// Which request of which connection a body belongs to.
#[derive(Clone, Copy, Debug)]
pub(super) struct BodyOwner<'a> {
    pub(super) connection: &'a Arc<ConnectionState>,
    /// Counted from 0.
    pub(super) request: u32,
}

/// How long a client's body may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct BodyTimeouts {
    /// Between two pieces.
    pub(super) stall: Duration,
    /// Before the least rate counts.
    pub(super) grace: Duration,
}

impl RequestBody {
    /// The body, and how far it has come if there is one.
    pub(super) fn new(
        incoming: ClientBody,
        owner: BodyOwner<'_>,
        header_rules: &Rc<HeaderRules>,
        timer: &Rc<CoarseTimer>,
        timeouts: BodyTimeouts,
    ) -> (Self, Option<Rc<UploadState>>) {
        if incoming.is_end_stream() {
            return (Self::Empty, None);
        }
        let declared = incoming.declared();
        owner.connection.begin_upload();
        let upload = Rc::new(UploadState {
            broken: Cell::default(),
            response: Cell::default(),
            passed_on: Cell::new(Some(timer.now())),
            waker: RefCell::default(),
        });
        let body = Self::Streamed(Box::new(StreamedBody {
            incoming,
            connection: Arc::clone(owner.connection),
            request: owner.request,
            upload: Rc::clone(&upload),
            header_rules: Rc::clone(header_rules),
            timer: Rc::clone(timer),
            timeouts,
            waiting: None,
            waited: 0,
            received: 0,
            most: u64::MAX,
            declared,
            held: Held::Nothing,
        }));
        (body, Some(upload))
    }

    /// Takes no more than so many bytes. At once, if it is said that there are more.
    pub(super) fn limit(&mut self, most: u64) -> Result<(), BodyError> {
        let Self::Streamed(streamed) = self else { return Ok(()) };
        streamed.most = most;
        if streamed.incoming.size_hint().lower() > most { Err(BodyError::TooLong) } else { Ok(()) }
    }

    /// Whatever comes is taken: nobody looks at it.
    pub(super) fn lift_limit(&mut self) {
        match self {
            Self::Empty => {}
            Self::Streamed(streamed) => streamed.most = u64::MAX,
        }
    }

    /// Whether the client says that there is no body, though its stream goes on.
    pub(super) fn claims_to_be_empty(&self) -> bool {
        match self {
            Self::Empty => false,
            Self::Streamed(streamed) => streamed.declared == Some(0),
        }
    }

    /// Waits until the stream has ended, which must bring nothing.
    pub(super) async fn nothing_comes(&mut self) -> Result<(), BodyError> {
        if let Self::Streamed(streamed) = self {
            while let Some(frame) = std::future::poll_fn(|cx| streamed.poll_frame(cx)).await {
                if frame?.data_ref().is_some_and(|data| !data.is_empty()) {
                    return Err(BodyError::Client);
                }
            }
        }
        *self = Self::Empty;
        Ok(())
    }
}

impl StreamedBody {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        loop {
            let last = match std::mem::take(&mut self.held) {
                Held::Nothing => None,
                Held::Last(last) => Some(last),
                Held::Trailers(trailers) => {
                    self.held = Held::End;
                    return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                }
                Held::End => return Poll::Ready(None),
            };
            let frame = match self.poll_incoming(cx) {
                Poll::Ready(frame) => frame,
                Poll::Pending => {
                    self.held = last.map_or(Held::Nothing, Held::Last);
                    return Poll::Pending;
                }
            };
            let Some(last) = last else {
                match frame {
                    Some(Ok(frame)) if self.declared == Some(self.received) && !self.incoming.is_end_stream() => match frame.into_data() {
                        Ok(last) => self.held = Held::Last(last),
                        Err(frame) => return Poll::Ready(Some(Ok(frame))),
                    },
                    frame => return Poll::Ready(frame),
                }
                continue;
            };
            match frame.map(|frame| frame.map(Frame::into_trailers)) {
                None => self.held = Held::End,
                Some(Ok(Ok(trailers))) => self.held = Held::Trailers(trailers),
                Some(Ok(Err(frame))) if frame.data_ref().is_none_or(Bytes::is_empty) => {
                    self.held = Held::Last(last);
                    continue;
                }
                Some(Ok(Err(_))) => return self.fail(BodyError::Client),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
            }
            return Poll::Ready(Some(Ok(Frame::data(last))));
        }
    }

    /// Whether nothing more will come.
    fn is_at_end(&self) -> bool {
        match self.held {
            Held::Nothing => self.incoming.is_end_stream(),
            Held::Last(_) | Held::Trailers(_) => false,
            Held::End => true,
        }
    }

    fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.incoming.poll_frame(cx) {
            Poll::Pending if self.upload.response.get() == ResponsePhase::GivenUp || self.has_stalled(cx) => self.fail(BodyError::Stalled),
            Poll::Pending => {
                self.upload.passed_on.set(None);
                Poll::Pending
            }
            Poll::Ready(frame) => {
                self.upload.passed_on.set(Some(self.timer.now()));
                let waiting = self.waiting.take();
                if self.has_a_least_rate()
                    && let Some((since, _)) = waiting
                {
                    self.waited += self.timer.now().saturating_sub(since);
                }
                match frame {
                    Some(Ok(frame)) => {
                        if let Some(data) = frame.data_ref() {
                            self.received += data.len() as u64;
                            if self.received > self.most {
                                return self.fail(BodyError::TooLong);
                            }
                        }
                        if (self.incoming.is_end_stream() || frame.is_trailers()) && !self.ends_well() {
                            return self.fail(BodyError::Client);
                        }
                        Poll::Ready(Some(Ok(self.passed(frame))))
                    }
                    None if self.ends_well() => Poll::Ready(None),
                    None | Some(Err(_)) => self.fail(BodyError::Client),
                }
            }
        }
    }

    /// The body is all there. Not if its framing could be read in another way: hyper takes a bare LF among the trailers for a line's end,
    /// and what stands behind them for more of them.
    fn ends_well(&self) -> bool {
        !self.connection.faults.spoil_body_of(self.request)
    }

    fn passed(&self, frame: Frame<Bytes>) -> Frame<Bytes> {
        match frame.into_trailers() {
            Ok(mut trailers) => {
                self.header_rules.clean_trailers(&mut trailers);
                Frame::trailers(trailers)
            }
            Err(frame) => frame,
        }
    }

    /// Whether the body must come at the least rate. One of unknown length may be a side of a talk, until the other side has ended.
    fn has_a_least_rate(&self) -> bool {
        self.incoming.size_hint().exact().is_some() || matches!(self.upload.response.get(), ResponsePhase::Over | ResponsePhase::GivenUp)
    }

    /// Whether the client has been waited for long enough. A stream of unknown length may pause as long as it likes while the upstream
    /// is answering: the two are talking.
    fn has_stalled(&mut self, cx: &Context<'_>) -> bool {
        let has_a_least_rate = self.has_a_least_rate();
        self.upload.waker.replace(Some(cx.waker().clone()));
        if !has_a_least_rate && self.upload.response.get() == ResponsePhase::Begun {
            self.waiting = None;
            return false;
        }
        let (_, deadline) = self.waiting.get_or_insert_with(|| {
            let mut left = self.timeouts.stall;
            if has_a_least_rate {
                let allowed = self.timeouts.grace.saturating_add(Duration::from_secs(self.received / LEAST_RATE));
                let waited = CoarseTimer::lasting(self.waited);
                left = left.min(allowed.saturating_sub(waited));
            }
            (self.timer.now(), self.timer.deadline(left))
        });
        deadline.has_passed(cx)
    }

    fn fail(&self, broken: BodyError) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.upload.broken.set(Some(broken));
        Poll::Ready(Some(Err(broken)))
    }
}

impl Drop for StreamedBody {
    fn drop(&mut self) {
        self.connection.end_upload();
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Streamed(streamed) => streamed.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Streamed(streamed) => streamed.is_at_end(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Streamed(streamed) => streamed.incoming.size_hint(),
        }
    }
}
