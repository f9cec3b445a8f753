//! HTTP/2: streams whose client does not take its answer.
//!
//! Over HTTP/1 the socket tells that a client takes nothing. Over HTTP/2 every stream has a window of its own; while it is closed hyper
//! waits, without end, and asks the answer's body for nothing that could fail. So the task that hyper makes of each stream is wrapped:
//! when an answer has lain ready for too long, the task is dropped, which resets this stream and no other and gives up what it holds of
//! the upstream.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::Executor;

use crate::proxy::stream::StreamState;
use crate::proxy::timer::{CoarseTimer, Deadline};

/// Runs the streams of a thread's clients.
#[derive(Clone, Debug)]
pub(super) struct StreamExecutor {
    timer: Rc<CoarseTimer>,
    timeout: Duration,
    /// Of the request that hyper has just asked the service about: it makes the stream's task in the same breath.
    next: Rc<RefCell<Option<Rc<StreamState>>>>,
}

impl StreamExecutor {
    pub(super) fn new(timer: &Rc<CoarseTimer>, timeout: Duration) -> Self {
        Self { timer: Rc::clone(timer), timeout, next: Rc::default() }
    }

    /// A stream begins.
    pub(super) fn begin(&self) -> Rc<StreamState> {
        let state = StreamState::new(&self.timer);
        self.next.replace(Some(Rc::clone(&state)));
        state
    }
}

impl<F: Future + 'static> Executor<F> for StreamExecutor {
    fn execute(&self, stream: F) {
        let stream = Box::pin(stream);
        match self.next.take() {
            Some(state) => drop(tokio::task::spawn_local(TimedStream {
                stream: Some(stream),
                state,
                timer: Rc::clone(&self.timer),
                timeout: self.timeout,
                deadline: None,
            })),
            None => drop(tokio::task::spawn_local(stream)),
        }
    }
}

/// A stream's task, given up when its client has taken nothing for as long as the time-out lasts.
struct TimedStream<F> {
    stream: Option<Pin<Box<F>>>,
    state: Rc<StreamState>,
    timer: Rc<CoarseTimer>,
    timeout: Duration,
    /// For the piece that has been ready since this tick.
    deadline: Option<(u64, Deadline)>,
}

impl<F: Future> Future for TimedStream<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let Some(stream) = &mut this.stream else { return Poll::Ready(()) };
        if stream.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let Some(offered) = this.state.offered_since() else {
            this.deadline = None;
            return Poll::Pending;
        };
        if this.deadline.as_ref().is_none_or(|(since, _)| *since != offered) {
            this.deadline = Some((offered, this.timer.deadline(this.timeout)));
        }
        if !this.deadline.as_mut().is_some_and(|(_, deadline)| deadline.has_passed(cx)) {
            return Poll::Pending;
        }
        this.state.give_up();
        this.stream = None;
        Poll::Ready(())
    }
}
