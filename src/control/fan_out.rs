//! How often sidecars are told of changes: as often as this process can tell all of them, and change something meanwhile.
//!
//! Each change is an answer to every sidecar. A thousand of them, told of a hundred changes a second one by one, would leave no time for the
//! changes; told ten times a second of ten each, they hear the same.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::model::Revision;

/// About what it takes to tell one, and as much again that is for others.
const EACH: Duration = Duration::from_micros(300);
/// Apart from each other, at most: a change is to be in force everywhere within a second.
const APART: Duration = Duration::from_millis(300);
/// Less is not worth waiting for.
const LEAST: Duration = Duration::from_millis(5);

/// When all were told last, and up to which change.
#[derive(Default)]
pub(super) struct FanOut(Mutex<(Revision, Duration)>);

impl FanOut {
    /// In how long one may be told who knows everything up to `after`, where there is something newer; `None`: now.
    pub(super) fn pause(&self, after: Revision, newest: Revision, followers: usize, now: Duration) -> Option<Duration> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // All others are being told this now, or have been.
        if after < told.0 {
            return None;
        }
        let apart = EACH.saturating_mul(u32::try_from(followers).unwrap_or(u32::MAX)).min(APART);
        let left = told.1.saturating_add(apart).saturating_sub(now);
        if apart >= LEAST && !left.is_zero() {
            return Some(left);
        }
        *told = (newest, now);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANY: usize = 1000;

    fn at(millis: u64) -> Duration {
        Duration::from_secs(9) + Duration::from_millis(millis)
    }

    #[test]
    fn a_change_after_a_rest_is_told_to_all_at_once_and_the_next_one_later() {
        let fan_out = FanOut::default();
        for _ in 0..MANY {
            assert_eq!(fan_out.pause(Revision(7), Revision(8), MANY, at(0)), None);
        }
        let left = fan_out.pause(Revision(8), Revision(9), MANY, at(10)).expect("a pause");
        assert_eq!(left, Duration::from_millis(290));
        assert_eq!(fan_out.pause(Revision(8), Revision(12), MANY, at(300)), None, "the first of them");
        assert_eq!(fan_out.pause(Revision(8), Revision(12), MANY, at(301)), None, "whoever else has not heard of it");
        assert!(fan_out.pause(Revision(12), Revision(13), MANY, at(302)).is_some());
    }

    #[test]
    fn a_few_are_told_at_once_whenever_something_changes() {
        let fan_out = FanOut::default();
        for number in 1..100 {
            assert_eq!(fan_out.pause(Revision(number), Revision(number + 1), 10, at(number)), None);
        }
    }

    #[test]
    fn nobody_waits_longer_than_a_third_of_a_second() {
        let fan_out = FanOut::default();
        assert_eq!(fan_out.pause(Revision(1), Revision(2), usize::MAX, at(0)), None);
        assert_eq!(fan_out.pause(Revision(2), Revision(3), usize::MAX, at(0)), Some(APART));
    }
}
