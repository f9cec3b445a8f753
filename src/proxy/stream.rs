//! One stream of HTTP/2, as its answer's body and its task see it.

use std::cell::Cell;
use std::rc::Rc;

use super::timer::CoarseTimer;

/// The most of an answer that is given to hyper at once, in bytes. What hyper has been given lies in memory until the client takes it,
/// even if that is a byte at a time, and the last piece does so unwatched.
pub(super) const PIECE: usize = 16 * 1024;

/// How far the client of one stream has come with its answer; shared by the answer's body and the stream's task.
#[derive(Debug)]
pub(super) struct StreamState {
    timer: Rc<CoarseTimer>,
    /// Since when a piece lies ready; 0: the upstream is waited for.
    offered: Cell<u64>,
    given_up: Cell<bool>,
}

impl StreamState {
    pub(super) fn new(timer: &Rc<CoarseTimer>) -> Rc<Self> {
        Rc::new(Self { timer: Rc::clone(timer), offered: Cell::new(0), given_up: Cell::new(false) })
    }

    /// A piece is ready; the body is not asked for the next one before there is room for this one.
    pub(super) fn offers(&self) {
        self.offered.set(self.timer.now());
    }

    /// There is nothing to take.
    pub(super) fn waits(&self) {
        self.offered.set(0);
    }

    /// Since which tick a piece lies ready; `None`: the upstream is waited for.
    pub(super) fn offered_since(&self) -> Option<u64> {
        Some(self.offered.get()).filter(|tick| *tick != 0)
    }

    /// The client does not take its answer.
    pub(super) fn give_up(&self) {
        self.given_up.set(true);
    }

    /// Whether the stream ends because of its client.
    pub(super) fn is_given_up(&self) -> bool {
        self.given_up.get()
    }
}
