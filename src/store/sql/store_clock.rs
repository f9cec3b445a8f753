//! What time it is where the store is.
//!
//! Several processes write times that others compare with theirs. If they went by clocks of their own, one that is an hour behind would be
//! taken for gone by all others, and be waited for by nobody.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::clock::{Clock, Moment};

/// A clock, put right by the store's.
pub(super) struct StoreClock {
    here: Arc<dyn Clock>,
    ahead: SignedDuration,
}

impl StoreClock {
    /// `ahead`: by how much the store's clock is ahead of this machine's.
    pub(super) fn new(here: Arc<dyn Clock>, ahead: SignedDuration) -> Self {
        Self { here, ahead }
    }
}

impl Clock for StoreClock {
    fn now(&self) -> Moment {
        let Moment { wall, monotonic } = self.here.now();
        let end = if self.ahead.is_negative() { Timestamp::MIN } else { Timestamp::MAX };
        Moment { wall: wall.checked_add(self.ahead).unwrap_or(end), monotonic }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn it_is_as_late_as_it_is_where_the_store_is() {
        let here: Timestamp = "2026-03-02T12:00:00Z".parse().unwrap();
        for (seconds, there) in [(3600, "2026-03-02T13:00:00Z"), (-3600, "2026-03-02T11:00:00Z"), (0, "2026-03-02T12:00:00Z")] {
            let clock = StoreClock::new(Arc::new(ManualClock::at(here)), SignedDuration::from_secs(seconds));
            assert_eq!(clock.now().wall, there.parse().unwrap());
        }
        for (ahead, end) in [(SignedDuration::MAX, Timestamp::MAX), (SignedDuration::MIN, Timestamp::MIN)] {
            assert_eq!(StoreClock::new(Arc::new(ManualClock::at(here)), ahead).now().wall, end);
        }
    }
}
