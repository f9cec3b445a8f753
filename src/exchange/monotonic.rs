//! Times of a monotonic clock, as numbers that many threads read and write.

use std::time::Duration;

/// No time of a monotonic clock.
pub(super) const NEVER: u64 = u64::MAX;

/// Of a monotonic clock; 584 years fit.
pub(super) fn nanos(monotonic: Duration) -> u64 {
    u64::try_from(monotonic.as_nanos()).unwrap_or(NEVER - 1)
}
