//! HTTP/2: streams whose client does not take its answer.
//!
//! Over HTTP/1 the socket tells that a client takes nothing. Over HTTP/2 every stream has a window of its own; while it is closed hyper
//! waits, without end, and asks the answer's body for nothing that could fail. So the task that hyper makes of each stream is wrapped:
//! when an answer has lain ready for too long, the task is dropped, which resets this stream and no other and gives up what it holds of
//! the upstream.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::Executor;

use super::ticks::{Alarm, Ticks};

/// The most of an answer that is given to hyper at once, in bytes. What hyper has been given lies in memory until the client takes it,
/// even if that is a byte at a time, and the last piece does so unwatched.
pub(super) const PIECE: usize = 16 * 1024;

/// How far the client of one stream has come with its answer; shared by the answer's body and the stream's task.
#[derive(Debug)]
pub(super) struct Taking {
    ticks: Rc<Ticks>,
    /// Since when a piece lies ready; 0: the upstream is waited for.
    offered: Cell<u64>,
    given_up: Cell<bool>,
}

impl Taking {
    /// A piece is ready; the body is not asked for the next one before there is room for this one.
    pub(super) fn offers(&self) {
        self.offered.set(self.ticks.now());
    }

    /// There is nothing to take.
    pub(super) fn waits(&self) {
        self.offered.set(0);
    }

    /// Whether the stream ends because of its client.
    pub(super) fn is_given_up(&self) -> bool {
        self.given_up.get()
    }
}

/// Runs the streams of a thread's clients.
#[derive(Clone, Debug)]
pub(super) struct Streams {
    ticks: Rc<Ticks>,
    patience: Duration,
    /// Of the request that hyper has just asked the service about: it makes the stream's task in the same breath.
    next: Rc<RefCell<Option<Rc<Taking>>>>,
}

impl Streams {
    pub(super) fn new(ticks: &Rc<Ticks>, patience: Duration) -> Self {
        Self { ticks: Rc::clone(ticks), patience, next: Rc::default() }
    }

    /// A stream begins.
    pub(super) fn begin(&self) -> Rc<Taking> {
        let taking = Rc::new(Taking { ticks: Rc::clone(&self.ticks), offered: Cell::new(0), given_up: Cell::new(false) });
        self.next.replace(Some(Rc::clone(&taking)));
        taking
    }
}

impl<F: Future + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        let stream = Box::pin(stream);
        match self.next.take() {
            Some(taking) => drop(tokio::task::spawn_local(Watched { stream: Some(stream), taking, patience: self.patience, alarm: None })),
            None => drop(tokio::task::spawn_local(stream)),
        }
    }
}

/// A stream's task, given up when its client has taken nothing for as long as the patience lasts.
struct Watched<F> {
    stream: Option<Pin<Box<F>>>,
    taking: Rc<Taking>,
    patience: Duration,
    /// For the piece that has been ready since this tick.
    alarm: Option<(u64, Alarm)>,
}

impl<F: Future> Future for Watched<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let Some(stream) = &mut this.stream else { return Poll::Ready(()) };
        if stream.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let offered = this.taking.offered.get();
        if offered == 0 {
            this.alarm = None;
            return Poll::Pending;
        }
        if this.alarm.as_ref().is_none_or(|(since, _)| *since != offered) {
            this.alarm = Some((offered, this.taking.ticks.alarm(this.patience)));
        }
        if !this.alarm.as_mut().is_some_and(|(_, alarm)| alarm.is_up(cx)) {
            return Poll::Pending;
        }
        this.taking.given_up.set(true);
        this.stream = None;
        Poll::Ready(())
    }
}
