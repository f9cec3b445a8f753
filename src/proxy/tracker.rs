//! A thread's open connections: each is told when it has to end.

use std::cell::{Cell, RefCell};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::connection::{ConnectionState, ConnectionTimeouts, SweepAction};
use super::poll_epoch::PollEpochs;

/// The connections of a thread, tunnels included.
pub(super) struct ConnectionTracker {
    epochs: Rc<PollEpochs>,
    open: RefCell<Vec<Rc<TrackedConnection>>>,
    /// What a connection that is entered now is told.
    first_action: Cell<SweepAction>,
}

/// A connection for as long as this lives.
pub(super) struct Tracking {
    tracker: Rc<ConnectionTracker>,
    connection: Rc<TrackedConnection>,
}

struct TrackedConnection {
    state: Arc<ConnectionState>,
    waker: RefCell<Option<Waker>>,
    action: Cell<SweepAction>,
}

impl ConnectionTracker {
    pub(super) fn new(epochs: Rc<PollEpochs>) -> Rc<Self> {
        Rc::new(Self { epochs, open: RefCell::default(), first_action: Cell::new(SweepAction::Keep) })
    }

    pub(super) fn track(self: &Rc<Self>, state: &Arc<ConnectionState>) -> Tracking {
        let connection =
            Rc::new(TrackedConnection { state: Arc::clone(state), waker: RefCell::default(), action: Cell::new(self.first_action.get()) });
        self.open.borrow_mut().push(Rc::clone(&connection));
        Tracking { tracker: Rc::clone(self), connection }
    }

    /// Tells each connection what its state asks for.
    pub(super) fn sweep(&self, timeouts: &ConnectionTimeouts) {
        for connection in self.open.borrow().iter() {
            match connection.state.action(timeouts) {
                SweepAction::Keep => {}
                action @ (SweepAction::GracefulShutdown | SweepAction::Close) => connection.tell(action),
            }
        }
    }

    /// Closes connections whose heads are not whole until what these take together fits into `budget` bytes, the largest first: nobody
    /// knows yet who is behind them.
    pub(super) fn shed_heads(&self, budget: u64) {
        let open = self.open.borrow();
        let taken: u64 = open.iter().map(|connection| connection.state.head_memory()).sum();
        let Some(mut over) = taken.checked_sub(budget).filter(|over| *over > 0) else { return };
        let mut heads: Vec<_> = open.iter().map(|connection| (connection.state.head_memory(), connection)).collect();
        heads.sort_unstable_by_key(|(memory, _)| std::cmp::Reverse(*memory));
        let mut closed = 0_usize;
        for (memory, connection) in heads {
            if over == 0 {
                break;
            }
            connection.tell(SweepAction::Close);
            over = over.saturating_sub(memory);
            closed += 1;
        }
        tracing::debug!(taken, budget, closed, "heads that are not whole took too much memory");
    }

    /// All connections, and those that are still to come, close after what they are doing. How many there are.
    pub(super) fn drain(&self) -> usize {
        self.first_action.set(SweepAction::GracefulShutdown);
        let open = self.open.borrow();
        open.iter().for_each(|connection| connection.tell(SweepAction::GracefulShutdown));
        open.len()
    }
}

impl Tracking {
    /// Polls something that may be given up at any time; `None`: the connection is to end.
    pub(super) async fn unless_told<F: Future>(&self, something: F) -> Option<F::Output> {
        let mut something = pin!(something);
        std::future::poll_fn(|cx| {
            if self.connection.action.get() != SweepAction::Keep {
                return Poll::Ready(None);
            }
            self.connection.listen(cx);
            something.as_mut().poll(cx).map(Some)
        })
        .await
    }

    /// Polls a connection to its end, or until it is to be closed.
    pub(super) async fn run<C: Future>(&self, mut connection: Pin<&mut C>, shut_down: impl Fn(Pin<&mut C>)) {
        let mut told = false;
        std::future::poll_fn(|cx| {
            self.tracker.epochs.polled();
            match self.connection.action.get() {
                SweepAction::Keep => {}
                SweepAction::GracefulShutdown if told => {}
                SweepAction::GracefulShutdown => {
                    told = true;
                    shut_down(connection.as_mut());
                }
                SweepAction::Close => return Poll::Ready(()),
            }
            self.connection.listen(cx);
            // An error has been answered, or there is nobody left to answer.
            connection.as_mut().poll(cx).map(drop)
        })
        .await;
    }
}

impl Drop for Tracking {
    fn drop(&mut self) {
        let mut open = self.tracker.open.borrow_mut();
        if let Some(place) = open.iter().position(|connection| Rc::ptr_eq(connection, &self.connection)) {
            open.swap_remove(place);
        }
    }
}

impl TrackedConnection {
    fn tell(&self, action: SweepAction) {
        if self.action.get() != action && self.action.get() != SweepAction::Close {
            self.action.set(action);
            if let Some(waker) = self.waker.borrow().as_ref() {
                waker.wake_by_ref();
            }
        }
    }

    fn listen(&self, cx: &Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    #[tokio::test]
    async fn heads_that_are_not_whole_are_shed_above_their_budget_the_largest_first() {
        let epochs = PollEpochs::of(tokio::runtime::Handle::current().metrics());
        let tracker = ConnectionTracker::new(Rc::new(epochs));
        let begun = |bytes| {
            let state = ConnectionState::new(Arc::new(AtomicU64::new(1)));
            state.reads_head(bytes);
            tracker.track(&state)
        };
        let large: Vec<_> = (0..600).map(|_| begun(31_000)).collect();
        let small: Vec<_> = (0..8).map(|_| begun(100)).collect();
        let silent = begun(0);
        let closed = |tracking: &Tracking| tracking.connection.action.get() == SweepAction::Close;

        tracker.shed_heads(32 << 20);
        assert!(!large.iter().any(closed), "there is room for all");

        tracker.shed_heads(16 << 20);
        assert_eq!(large.iter().filter(|tracking| closed(tracking)).count(), 600 - 512 + 2);
        assert!(!small.iter().any(closed) && !closed(&silent));
    }
}
