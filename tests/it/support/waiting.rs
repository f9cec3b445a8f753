//! Waiting for something to come to be: often at first, then less and less, so that what is waited for gets the processor.

use std::time::Duration;

use claviger::clock::{Clock as _, SystemClock};

/// Far beyond what anything here takes, for a machine that does ten things at once.
const PATIENCE: Duration = Duration::from_mins(2);

/// Pauses, from one to fifty milliseconds, until patience is at an end.
struct Pauses {
    next: Duration,
    /// What is looked at between the pauses takes its time, too.
    clock: SystemClock,
}

impl Pauses {
    fn new() -> Self {
        Self { next: Duration::from_millis(1), clock: SystemClock::start() }
    }
}

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let pause = self.next;
        self.next = (pause * 3 / 2).min(Duration::from_millis(50));
        (self.clock.monotonic() < PATIENCE).then_some(pause)
    }
}

/// Whether it holds before patience is at an end.
pub(crate) fn comes_to_be(mut holds: impl FnMut() -> bool) -> bool {
    holds()
        || Pauses::new().any(|pause| {
            std::thread::sleep(pause);
            holds()
        })
}

/// The same where a thread must not be kept.
#[expect(clippy::disallowed_methods, reason = "the pause between two looks at what is waited for")]
pub(crate) async fn comes_to_be_async(mut holds: impl FnMut() -> bool) -> bool {
    if holds() {
        return true;
    }
    for pause in Pauses::new() {
        tokio::time::sleep(pause).await;
        if holds() {
            return true;
        }
    }
    false
}
