//! Whether an endpoint is asked, by what became of the requests that it got: nobody asks it for that alone.
//!
//! An answer is an answer, whatever its status: a 503 is the API's word, and no reason to send its requests elsewhere.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use crate::proxy::timer::CoarseTimer;
use crate::telemetry::LeftOut;

/// So many failures, one behind the other, and it is left out.
const FAILURES: u32 = 3;
/// For so long at first, for twice as long each further time, and for so long at most.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(1);

/// What a thread knows of an endpoint.
#[derive(Debug, Default)]
pub(super) struct EndpointHealth {
    /// One behind the other.
    failures: Cell<u32>,
    /// How often it was left out since it last answered.
    times: Cell<u32>,
    /// Until which tick it is left out; 0: it is not.
    until: Cell<u64>,
    /// A request tries whether it answers.
    tried: Cell<bool>,
    /// That it is left out shows in the metrics for as long as this is there.
    shown: RefCell<Option<LeftOut>>,
}

impl EndpointHealth {
    /// Whether it may be asked.
    pub(super) fn is_asked(&self, now: u64) -> bool {
        self.until.get() <= now
    }

    /// A request is sent there. If it was left out until now, this one alone tries: were it all, each would wait for an endpoint that does not
    /// answer.
    pub(super) fn begins(&self, timer: &CoarseTimer) {
        if self.until.get() != 0 && self.is_asked(timer.now()) {
            self.tried.set(true);
            self.until.set(timer.now().saturating_add(timer.spanning(self.span())));
        }
    }

    /// It has answered. Whether it had been left out.
    pub(super) fn answers(&self) -> bool {
        if self.failures.get() == 0 {
            return false;
        }
        self.failures.set(0);
        self.times.set(0);
        self.tried.set(false);
        self.show(None);
        self.until.replace(0) != 0
    }

    /// Whether the metrics tell that it is left out.
    pub(super) fn show(&self, left_out: Option<LeftOut>) {
        self.shown.replace(left_out);
    }

    /// It has not. For how long it is left out, if it is from now on.
    pub(super) fn fails(&self, timer: &CoarseTimer) -> Option<Duration> {
        self.failures.set(self.failures.get().saturating_add(1));
        // What was sent before it was left out says nothing new.
        if self.failures.get() < FAILURES || (self.until.get() != 0 && !self.tried.get()) {
            return None;
        }
        let span = self.span();
        self.times.set(self.times.get().saturating_add(1));
        self.tried.set(false);
        self.until.set(timer.now().saturating_add(timer.spanning(span)));
        Some(span)
    }

    fn span(&self) -> Duration {
        FIRST.saturating_mul(2u32.saturating_pow(self.times.get())).min(LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;
    use std::sync::Arc;

    use super::*;
    use crate::clock::{Clock, ManualClock};

    fn timer() -> (Arc<ManualClock>, Rc<CoarseTimer>) {
        let clock = Arc::new(ManualClock::at(jiff::Timestamp::UNIX_EPOCH));
        let timer = CoarseTimer::for_spans(&[FIRST], &(Arc::clone(&clock) as Arc<dyn Clock>));
        (clock, timer)
    }

    #[test]
    fn three_failures_in_a_row_and_it_is_left_out_for_longer_and_longer_until_it_answers() {
        let ((clock, timer), health) = (timer(), EndpointHealth::default());
        let later = |span: Duration| {
            clock.advance(span);
            timer.advance();
        };
        assert_eq!([health.fails(&timer), health.fails(&timer)], [None, None]);
        assert!(!health.answers());
        assert_eq!([health.fails(&timer), health.fails(&timer), health.fails(&timer)], [None, None, Some(FIRST)]);
        for seconds in [2, 4, 8, 16, 32, 60, 60] {
            assert!(!health.is_asked(timer.now()));
            // Those that were under way.
            assert_eq!(health.fails(&timer), None);
            later(LONGEST + FIRST);
            assert!(health.is_asked(timer.now()));
            health.begins(&timer);
            assert!(!health.is_asked(timer.now()), "one tries");
            assert_eq!(health.fails(&timer), Some(Duration::from_secs(seconds)));
        }
        later(LONGEST + FIRST);
        health.begins(&timer);
        assert!(health.answers() && health.is_asked(timer.now()));
        assert_eq!(health.fails(&timer), None, "it begins anew");
    }

    #[test]
    fn a_trial_that_nobody_waits_for_is_followed_by_another() {
        let ((clock, timer), health) = (timer(), EndpointHealth::default());
        for _ in 0..FAILURES {
            health.fails(&timer);
        }
        for _ in 0..3 {
            clock.advance(LONGEST);
            timer.advance();
            assert!(health.is_asked(timer.now()));
            health.begins(&timer);
        }
        assert!(!health.is_asked(timer.now()));
    }
}
