//! A thread's open connections: each is told when it has to end.

use std::cell::{Cell, RefCell};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::connection::{ConnectionState, ConnectionTimeouts, Phase, SweepAction};
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

/// How a client hears that a connection takes no more requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Goodbye {
    /// By an answer (HTTP/1): one that is told without is cut off, whatever it is about to ask.
    WithAnswer,
    /// At any time (HTTP/2), and what it has asked by then is answered.
    AtOnce,
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
                // Whoever has rested for long by then is looked at once more, too, before the connection is cut.
                SweepAction::Close if connection.state.is(Phase::Idle) && connection.action.get() < SweepAction::GracefulShutdown => {
                    connection.tell(SweepAction::GracefulShutdown);
                }
                action @ (SweepAction::LastCall | SweepAction::GracefulShutdown | SweepAction::Close) => connection.tell(action),
            }
        }
    }

    /// Closes connections whose heads are not whole until what these take together fits into `budget` bytes, the largest first, and of
    /// those the oldest: nobody knows yet who is behind them, but whoever means it goes on soon.
    pub(super) fn shed_heads(&self, budget: u64) {
        let open = self.open.borrow();
        let taken: u64 = open.iter().map(|connection| connection.state.head_memory()).sum();
        let Some(mut over) = taken.checked_sub(budget).filter(|over| *over > 0) else { return };
        let mut heads: Vec<_> = open.iter().map(|connection| (connection.state.head_memory(), connection)).collect();
        heads.sort_unstable_by_key(|(memory, connection)| (std::cmp::Reverse(*memory), connection.state.since()));
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

    /// All connections, and those that are still to come, close after what they are doing, or after one request more. How many there are.
    pub(super) fn drain(&self) -> usize {
        self.first_action.set(SweepAction::LastCall);
        let open = self.open.borrow();
        open.iter().for_each(|connection| connection.tell(SweepAction::LastCall));
        open.len()
    }
}

impl Tracking {
    /// Polls something that may be given up at any time; `None`: the connection is to end.
    pub(super) async fn unless_told<F: Future>(&self, something: F) -> Option<F::Output> {
        let mut something = pin!(something);
        std::future::poll_fn(|cx| {
            match self.connection.action.get() {
                SweepAction::Keep | SweepAction::LastCall => {}
                SweepAction::GracefulShutdown | SweepAction::Close => return Poll::Ready(None),
            }
            self.connection.listen(cx);
            something.as_mut().poll(cx).map(Some)
        })
        .await
    }

    /// Polls a connection to its end, or until it is to be closed.
    pub(super) async fn run<C: Future>(&self, goodbye: Goodbye, mut connection: Pin<&mut C>, shut_down: impl Fn(Pin<&mut C>)) {
        let TrackedConnection { state, action, .. } = &*self.connection;
        let mut told = false;
        std::future::poll_fn(|cx| {
            self.tracker.epochs.polled();
            self.connection.listen(cx);
            match (action.get(), goodbye) {
                (SweepAction::Close, _) => return Poll::Ready(()),
                (SweepAction::Keep, _) => {}
                (SweepAction::LastCall | SweepAction::GracefulShutdown, _) if told => {}
                // Its answer says that it is the last one.
                (SweepAction::LastCall, Goodbye::WithAnswer) if state.awaits_head() => {}
                (SweepAction::GracefulShutdown, Goodbye::WithAnswer) if state.awaits_head() => {
                    // A client that has not been told may have asked just now: whoever closes then loses a request.
                    state.look_once_more();
                    if connection.as_mut().poll(cx).is_ready() {
                        return Poll::Ready(());
                    }
                    if !state.is(Phase::Head) {
                        told = true;
                        shut_down(connection.as_mut());
                    }
                }
                (SweepAction::LastCall | SweepAction::GracefulShutdown, _) => {
                    told = true;
                    shut_down(connection.as_mut());
                }
            }
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
        if self.action.get() < action {
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

    /// What a connection is told, as polls go on; `None`: nothing.
    fn told(tracking: &Tracking, goodbye: Goodbye) -> impl FnMut() -> usize {
        let shut = Rc::new(Cell::new(0));
        let (connection, counted) = (Rc::clone(&tracking.connection), Rc::clone(&shut));
        let tracker = Rc::clone(&tracking.tracker);
        let mut running = Box::pin(async move {
            let tracking = Tracking { tracker, connection };
            tracking.run(goodbye, pin!(std::future::pending::<()>()), |_| counted.set(counted.get() + 1)).await;
        });
        move || {
            assert!(running.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            shut.get()
        }
    }

    #[tokio::test]
    async fn one_that_drains_is_shut_down_with_its_next_answer_and_if_none_comes_after_a_last_look() {
        let epochs = PollEpochs::of(tokio::runtime::Handle::current().metrics());
        let tracker = ConnectionTracker::new(Rc::new(epochs));
        let connected = || {
            let state = ConnectionState::new(Arc::new(AtomicU64::new(1)));
            state.begin();
            state.end();
            let tracking = tracker.track(&state);
            (state, tracking)
        };
        let [(asks, asking), (rests, resting), (asks_late, asking_late), (_, of_http2)] =
            [connected(), connected(), connected(), connected()];
        let (mut first, mut second) = (told(&asking, Goodbye::WithAnswer), told(&resting, Goodbye::WithAnswer));
        let (mut third, mut fourth) = (told(&asking_late, Goodbye::WithAnswer), told(&of_http2, Goodbye::AtOnce));

        assert_eq!(tracker.drain(), 4);
        assert_eq!((first(), second(), third(), fourth()), (0, 0, 0, 1), "a request may be on its way");
        asks.begin();
        assert_eq!((first(), first()), (1, 1), "its answer says that it is the last");

        for tracking in [&resting, &asking_late] {
            tracking.connection.tell(SweepAction::GracefulShutdown);
        }
        // The socket, when it is polled, finds that something has come.
        asks_late.enter(Phase::Head);
        assert_eq!((second(), third()), (1, 0));
        assert!(rests.is_to_look());
        asks_late.begin();
        assert_eq!(third(), 1);
    }

    #[tokio::test]
    async fn one_that_has_rested_for_long_when_it_is_to_be_cut_is_told_to_end_first() {
        let epochs = PollEpochs::of(tokio::runtime::Handle::current().metrics());
        let tracker = ConnectionTracker::new(Rc::new(epochs));
        let tick = Arc::new(AtomicU64::new(1));
        let state = ConnectionState::new(Arc::clone(&tick));
        state.begin();
        state.end();
        let tracking = tracker.track(&state);
        tick.store(1_000, std::sync::atomic::Ordering::Relaxed);
        let timeouts = ConnectionTimeouts {
            now: 0,
            head: 9,
            silent: 9,
            idle: 0,
            overdue: 1,
            stuck: 9,
            receiving: 9,
            closing: 9,
            lingering: 9,
            tunnel: 9,
            half_closed: 9,
        };
        tracker.drain();
        tracker.sweep(&timeouts);
        assert_eq!(tracking.connection.action.get(), SweepAction::GracefulShutdown);
        tracker.sweep(&timeouts);
        assert_eq!(tracking.connection.action.get(), SweepAction::Close);
    }

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

    #[tokio::test]
    async fn of_heads_that_take_the_same_the_oldest_are_shed() {
        let epochs = PollEpochs::of(tokio::runtime::Handle::current().metrics());
        let tracker = ConnectionTracker::new(Rc::new(epochs));
        let begun = |tick: u64| {
            let state = ConnectionState::new(Arc::new(AtomicU64::new(tick)));
            state.begin_handshake();
            tracker.track(&state)
        };
        let all: Vec<_> = (1..=40).map(|number| begun(number * 7 % 41)).collect();

        tracker.shed_heads(10 * (16 << 10));

        let kept = all.iter().filter(|tracking| tracking.connection.action.get() == SweepAction::Keep);
        let mut kept: Vec<_> = kept.map(|tracking| tracking.connection.state.since()).collect();
        kept.sort_unstable();
        assert_eq!(kept, (31..=40).collect::<Vec<_>>());
    }
}
