//! Lines to the upstream that are between two requests.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::line::Line;
use super::ticks::Ticks;

/// How long a line may rest. Node closes after five seconds, and a request that meets the close is lost.
const IDLE: Duration = Duration::from_secs(4);
/// How many lines may rest, for each thread.
const IDLE_MAX: usize = 512;

/// The lines of a thread that rest; the one that came last goes first.
pub(super) struct Pool {
    ticks: Rc<Ticks>,
    resting: RefCell<Vec<(u64, Box<Line>)>>,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("resting", &self.resting.borrow().len()).finish_non_exhaustive()
    }
}

impl Pool {
    pub(super) fn new(ticks: &Rc<Ticks>) -> Rc<Self> {
        Rc::new(Self { ticks: Rc::clone(ticks), resting: RefCell::default() })
    }

    /// A line that may be used, if there is one. Those that were found closed, or that something was said on, are closed.
    pub(super) fn poll_take(&self, cx: &mut Context<'_>) -> Poll<Option<Box<Line>>> {
        loop {
            // Without a budget the runtime does not tell what has come, and a line that nobody has looked at is not used.
            if !tokio::task::coop::has_budget_remaining() {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let Some((_, mut line)) = self.resting.borrow_mut().pop() else { return Poll::Ready(None) };
            if line.is_quiet(cx) {
                return Poll::Ready(Some(line));
            }
        }
    }

    /// Closes what has rested too long.
    pub(super) fn sweep(&self) {
        let oldest = self.ticks.now().saturating_sub(self.ticks.spanning(IDLE));
        let mut resting = self.resting.borrow_mut();
        // They lie in the order in which they came.
        let stale = resting.partition_point(|(since, _)| *since < oldest);
        resting.drain(..stale);
    }

    /// Closes all.
    pub(super) fn clear(&self) {
        self.resting.borrow_mut().clear();
    }

    pub(super) fn put(&self, line: Box<Line>) {
        let mut resting = self.resting.borrow_mut();
        if resting.len() < IDLE_MAX {
            resting.push((self.ticks.now(), line));
        }
    }
}
