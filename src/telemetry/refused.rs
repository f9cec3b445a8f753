//! How many refused requests have a line of their own.
//!
//! Anybody who can connect can be refused as often as they like. The first lines of a second are all written, and of what comes then one
//! in so many; what is left out is counted, in the metrics and in the next line.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::metrics::LogLosses;

/// Of each second, so many are written.
const EACH_SECOND: u64 = 100;
/// And one of so many of the others.
const ONE_OF: u64 = 100;

/// Whose turn it is to be written. The numbers are not kept in step with each other: one line more or less does no harm.
#[derive(Debug, Default)]
pub(super) struct RefusedLines {
    second: AtomicU64,
    seen: AtomicU64,
    omitted: AtomicU64,
}

impl RefusedLines {
    pub(super) const fn new() -> Self {
        Self { second: AtomicU64::new(0), seen: AtomicU64::new(0), omitted: AtomicU64::new(0) }
    }

    /// Whether a line at this moment, by the monotonic clock, is to be written; then, how many were left out before it.
    pub(super) fn admit(&self, at: Duration, losses: &LogLosses) -> Option<u64> {
        if self.second.swap(at.as_secs(), Ordering::Relaxed) != at.as_secs() {
            self.seen.store(0, Ordering::Relaxed);
        }
        let seen = self.seen.fetch_add(1, Ordering::Relaxed);
        if seen < EACH_SECOND || seen.is_multiple_of(ONE_OF) {
            Some(self.omitted.swap(0, Ordering::Relaxed))
        } else {
            self.omitted.fetch_add(1, Ordering::Relaxed);
            losses.sampled();
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn above_a_rate_one_of_many_is_written_and_says_how_many_are_not() {
        let (lines, losses) = (RefusedLines::new(), LogLosses::default());
        let admit = |millis| lines.admit(Duration::from_millis(millis), &losses);

        let written: Vec<u64> = (0..1_000).filter_map(|n| admit(5_000 + n % 1_000)).collect();
        assert_eq!(written.len(), 100 + 9);
        assert_eq!(written[..101], [0; 101]);
        assert_eq!(written[101..], [99; 8]);

        assert_eq!(admit(6_000), Some(99));
        assert_eq!(admit(6_001), Some(0));
    }
}
