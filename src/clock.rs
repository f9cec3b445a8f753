//! Time as an argument: everything that needs to know what time it is asks a [`Clock`].
//!
//! A [`Moment`] carries two readings. The wall clock decides what expiries and policies say; the monotonic one bounds how long a
//! cached answer may live even if somebody sets the wall clock back.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use jiff::Timestamp;

/// One reading of both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Wall clock, UTC.
    pub wall: Timestamp,
    /// Time since an arbitrary point of this process's life; never goes back.
    pub monotonic: Duration,
}

impl Moment {
    /// The moment `span` later on both clocks; saturates at the end of time.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self { wall: later(self.wall, span), monotonic: self.monotonic.saturating_add(span) }
    }

    /// Whether either clock has reached the moment `end`.
    #[must_use]
    pub fn reached(self, end: Self) -> bool {
        self.wall >= end.wall || self.monotonic >= end.monotonic
    }
}

/// `at` and `span` after it; [`Timestamp::MAX`] if that cannot be said.
#[must_use]
pub fn later(at: Timestamp, span: Duration) -> Timestamp {
    jiff::SignedDuration::try_from(span).ok().and_then(|span| at.checked_add(span).ok()).unwrap_or(Timestamp::MAX)
}

/// `at` less `span`; [`Timestamp::MIN`] if that cannot be said.
#[must_use]
pub fn earlier(at: Timestamp, span: Duration) -> Timestamp {
    jiff::SignedDuration::try_from(span).ok().and_then(|span| at.checked_sub(span).ok()).unwrap_or(Timestamp::MIN)
}

/// A span in its largest unit: `3 days`.
#[must_use]
pub fn in_largest_unit(span: jiff::SignedDuration) -> String {
    let (days, hours, minutes, seconds) = (span.as_hours() / 24, span.as_hours(), span.as_mins(), span.as_secs());
    let counted = |number: i64, one: &str| if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") };
    match (days, hours, minutes, seconds) {
        (1.., _, _, _) => counted(days, "day"),
        (_, 1.., _, _) => counted(hours, "hour"),
        (_, _, 1.., _) => counted(minutes, "minute"),
        (_, _, _, 1..) => counted(seconds, "second"),
        _ => "less than a second".to_owned(),
    }
}

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// Now, on both clocks.
    fn now(&self) -> Moment;

    /// Now, on the monotonic clock alone: for measuring how long something took, at half the price.
    fn monotonic(&self) -> Duration {
        self.now().monotonic
    }
}

/// The machine's clocks.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// A clock whose monotonic reading begins at zero.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the machine's clocks")]
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the machine's clocks")]
    fn now(&self) -> Moment {
        Moment { wall: Timestamp::now(), monotonic: self.start.elapsed() }
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the machine's clocks")]
    fn monotonic(&self) -> Duration {
        Instant::now().saturating_duration_since(self.start)
    }
}

/// A clock that moves when it is told to.
#[derive(Debug)]
pub struct ManualClock {
    now: Mutex<Moment>,
}

impl ManualClock {
    /// Stands at `wall`, its monotonic reading at zero.
    #[must_use]
    pub fn at(wall: Timestamp) -> Self {
        Self { now: Mutex::new(Moment { wall, monotonic: Duration::ZERO }) }
    }

    /// Both clocks move on by `span`.
    pub fn advance(&self, span: Duration) {
        let mut now = self.lock();
        *now = now.plus(span);
    }

    /// Somebody sets the wall clock; the monotonic one does not notice.
    pub fn set_wall(&self, wall: Timestamp) {
        self.lock().wall = wall;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Moment> {
        self.now.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Moment {
        *self.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_told_in_its_largest_unit_and_never_as_0_of_it() {
        let told =
            [0, 1, 59, 60, 119 * 60, 24 * 3_600, 48 * 3_600].map(|seconds| in_largest_unit(jiff::SignedDuration::from_secs(seconds)));

        assert_eq!(told, ["less than a second", "1 second", "59 seconds", "1 minute", "1 hour", "1 day", "2 days"]);
    }
}
