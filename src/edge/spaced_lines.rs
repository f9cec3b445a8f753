//! Lines that anybody can bring about, and that are told now and then.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// One line in so many seconds.
const EVERY: u64 = 10;

/// When one of a kind was told last, and how many were not since.
#[derive(Debug, Default)]
pub(super) struct SpacedLines {
    /// The second after which there is another line.
    after: AtomicU64,
    omitted: AtomicU64,
}

impl SpacedLines {
    /// How many were left out before this one, which is to be told; `None`: it is not.
    pub(super) fn admit(&self, now: Duration) -> Option<u64> {
        let (now, after) = (now.as_secs(), self.after.load(Ordering::Relaxed));
        let next = now.saturating_add(EVERY);
        if now >= after && self.after.compare_exchange(after, next, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            return Some(self.omitted.swap(0, Ordering::Relaxed));
        }
        self.omitted.fetch_add(1, Ordering::Relaxed);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_each_kind_one_is_told_in_a_while_and_how_many_were_not() {
        let lines = SpacedLines::default();
        let told: Vec<_> = [0, 1, 2, 9, 10, 11].map(|second| lines.admit(Duration::from_secs(second))).into();
        assert_eq!(told, [Some(0), None, None, None, Some(3), None]);
    }
}
