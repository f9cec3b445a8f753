//! Coarse time for time-outs: one timer for each data-plane thread instead of one for each request.
//!
//! A request waits several times (for a head, a body, an answer), nearly never long. Setting and cancelling a timer of the runtime
//! each time costs more than all the checks of the request together; here it is a slot in a table that is looked through a few times
//! a second. The price is that a time-out fires up to two beats late.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Waker};
use std::time::Duration;

use crate::clock::Clock;

/// What time is counted in. It never changes, so that what has been counted keeps its meaning when the beat changes.
const TICK: Duration = Duration::from_millis(5);
/// How seldom the clock is read where no time-out is short.
const BEAT_MAX: Duration = Duration::from_millis(200);

/// A thread's coarse clock and those who wait for it.
pub(super) struct CoarseTimer {
    clock: Arc<dyn Clock>,
    start: Duration,
    beat: Cell<Duration>,
    now: Arc<AtomicU64>,
    waiting: RefCell<Vec<Option<Waiting>>>,
    free: RefCell<Vec<usize>>,
    earliest: Cell<u64>,
}

#[derive(Debug)]
struct Waiting {
    due: u64,
    waker: Waker,
}

impl std::fmt::Debug for CoarseTimer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CoarseTimer").field("beat", &self.beat).field("now", &self.now).finish_non_exhaustive()
    }
}

impl CoarseTimer {
    /// One that beats so often that none of `spans` is missed by more than a tenth; every 5 to 200 ms.
    pub(super) fn for_spans(spans: &[Duration], clock: &Arc<dyn Clock>) -> Rc<Self> {
        Rc::new(Self {
            start: clock.monotonic(),
            clock: Arc::clone(clock),
            beat: Cell::new(beat_for(spans)),
            now: Arc::new(AtomicU64::new(1)),
            waiting: RefCell::default(),
            free: RefCell::default(),
            earliest: Cell::new(u64::MAX),
        })
    }

    /// Beats as often as other spans need it.
    pub(super) fn adapt_to(&self, spans: &[Duration]) {
        self.beat.set(beat_for(spans));
    }

    /// How often [`advance`](Self::advance) is to be called.
    pub(super) fn beat(&self) -> Duration {
        self.beat.get()
    }

    /// The current tick, to be read by whoever holds it; never 0.
    pub(super) fn counter(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.now)
    }

    /// The current tick.
    pub(super) fn now(&self) -> u64 {
        self.now.load(Ordering::Relaxed)
    }

    /// `span` in ticks, and a beat more: the current tick may be that old, and nothing fires early.
    pub(super) fn spanning(&self, span: Duration) -> u64 {
        let span = span.saturating_add(self.beat.get());
        u64::try_from(span.as_nanos().div_ceil(TICK.as_nanos())).unwrap_or(u64::MAX / 2).saturating_add(1)
    }

    /// How long so many ticks take.
    pub(super) fn lasting(ticks: u64) -> Duration {
        TICK.saturating_mul(u32::try_from(ticks).unwrap_or(u32::MAX))
    }

    /// A deadline `span` from now.
    pub(super) fn deadline(self: &Rc<Self>, span: Duration) -> Deadline {
        self.deadline_in(self.spanning(span))
    }

    /// A deadline so many ticks from now.
    pub(super) fn deadline_in(self: &Rc<Self>, ticks: u64) -> Deadline {
        Deadline { due: self.now().saturating_add(ticks), slot: None, timer: Rc::clone(self) }
    }

    /// Reads the clock and wakes whoever is due.
    pub(super) fn advance(&self) {
        let elapsed = self.clock.monotonic().saturating_sub(self.start);
        let now = u64::try_from(elapsed.as_nanos() / TICK.as_nanos()).unwrap_or(u64::MAX).saturating_add(1);
        self.now.store(now, Ordering::Relaxed);
        if now < self.earliest.get() {
            return;
        }
        let mut due = Vec::new();
        let mut earliest = u64::MAX;
        for set in self.waiting.borrow().iter().flatten() {
            if set.due <= now {
                due.push(set.waker.clone());
            } else {
                earliest = earliest.min(set.due);
            }
        }
        self.earliest.set(earliest);
        due.into_iter().for_each(Waker::wake);
    }

    fn set(&self, slot: Option<usize>, due: u64, waker: &Waker) -> usize {
        self.earliest.set(self.earliest.get().min(due));
        let mut waiting = self.waiting.borrow_mut();
        let slot = slot.or_else(|| self.free.borrow_mut().pop()).unwrap_or(waiting.len());
        match waiting.get_mut(slot) {
            Some(Some(set)) if set.waker.will_wake(waker) => set.due = due,
            Some(place) => *place = Some(Waiting { due, waker: waker.clone() }),
            None => waiting.push(Some(Waiting { due, waker: waker.clone() })),
        }
        slot
    }

    fn clear(&self, slot: usize) {
        if let Some(place) = self.waiting.borrow_mut().get_mut(slot) {
            *place = None;
            self.free.borrow_mut().push(slot);
        }
    }
}

fn beat_for(spans: &[Duration]) -> Duration {
    let shortest = spans.iter().min().copied().unwrap_or_default();
    (shortest / 20).clamp(TICK, BEAT_MAX)
}

/// Wakes a task at a tick; costs nothing until it is first polled.
#[derive(Debug)]
pub(super) struct Deadline {
    due: u64,
    slot: Option<usize>,
    timer: Rc<CoarseTimer>,
}

impl Deadline {
    /// Whether the time is up; if not, the task is woken when it is.
    pub(super) fn has_passed(&mut self, cx: &Context<'_>) -> bool {
        if self.timer.now() >= self.due {
            return true;
        }
        self.slot = Some(self.timer.set(self.slot, self.due, cx.waker()));
        false
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            self.timer.clear(slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    fn timer() -> (Arc<ManualClock>, Rc<CoarseTimer>) {
        let clock = Arc::new(ManualClock::at(jiff::Timestamp::UNIX_EPOCH));
        let timer = CoarseTimer::for_spans(&[Duration::from_secs(1)], &(Arc::clone(&clock) as Arc<dyn Clock>));
        (clock, timer)
    }

    #[test]
    fn a_deadline_wakes_its_task_when_its_time_is_up_and_not_before() {
        let (clock, timer) = timer();
        let mut deadline = timer.deadline(Duration::from_secs(1));
        let cx = Context::from_waker(Waker::noop());

        clock.advance(Duration::from_millis(999));
        timer.advance();
        assert!(!deadline.has_passed(&cx));

        clock.advance(Duration::from_millis(121));
        timer.advance();
        assert!(deadline.has_passed(&cx));
    }

    #[test]
    fn a_beat_that_has_changed_is_kept_by_what_is_due_later_and_moves_nothing_that_was_due_before() {
        let (clock, timer) = timer();
        let mut before = timer.deadline(Duration::from_secs(1));
        timer.adapt_to(&[Duration::from_millis(100)]);
        assert_eq!(timer.beat(), Duration::from_millis(5));
        let mut after = timer.deadline(Duration::from_millis(100));
        let cx = Context::from_waker(Waker::noop());

        clock.advance(Duration::from_millis(99));
        timer.advance();
        assert!(!after.has_passed(&cx));
        clock.advance(Duration::from_millis(16));
        timer.advance();
        assert!(after.has_passed(&cx) && !before.has_passed(&cx));
        clock.advance(Duration::from_millis(884));
        timer.advance();
        assert!(!before.has_passed(&cx), "it has waited for 999 ms");
        clock.advance(Duration::from_millis(121));
        timer.advance();
        assert!(before.has_passed(&cx));
    }

    #[test]
    fn the_slot_of_a_deadline_that_is_over_is_used_again() {
        let (_, timer) = timer();
        let cx = Context::from_waker(Waker::noop());
        for _ in 0..100 {
            assert!(!timer.deadline(Duration::from_secs(9)).has_passed(&cx));
        }
        assert_eq!(timer.waiting.borrow().len(), 1);
    }
}
