//! How often somebody may ask: a bucket for each, refilled by the clock.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Of how many it is known what they have taken. Whoever is new then takes the place of all who have nothing to wait for.
const MOST: usize = 10_000;

/// Buckets by whom they are for, a hash of which is kept.
#[derive(Default)]
pub(crate) struct Throttle {
    hasher: RandomState,
    buckets: Mutex<HashMap<u64, Bucket>>,
}

/// How often.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    pub(crate) per_second: f64,
    /// At once.
    pub(crate) burst: f64,
}

#[derive(Clone, Copy)]
struct Bucket {
    left: f64,
    at: Duration,
}

impl Throttle {
    /// Takes one, at this time of a monotonic clock.
    ///
    /// # Errors
    /// How long it is until there is one.
    pub(crate) fn take(&self, who: impl std::hash::Hash, now: Duration, rate: Rate) -> Result<(), Duration> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MOST {
            buckets.retain(|_, bucket| rate.left(*bucket, now) < rate.burst);
        }
        let bucket = buckets.entry(self.hasher.hash_one(who)).or_insert(Bucket { left: rate.burst, at: now });
        let left = rate.left(*bucket, now);
        if left < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - left) / rate.per_second));
        }
        *bucket = Bucket { left: left - 1.0, at: now };
        Ok(())
    }

    /// Whether there is one, which is left where it is.
    ///
    /// # Errors
    /// How long it is until there is one.
    pub(crate) fn look(&self, who: impl std::hash::Hash, now: Duration, rate: Rate) -> Result<(), Duration> {
        let buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let left = buckets.get(&self.hasher.hash_one(who)).map_or(rate.burst, |bucket| rate.left(*bucket, now));
        if left < 1.0 { Err(Duration::from_secs_f64((1.0 - left) / rate.per_second)) } else { Ok(()) }
    }
}

impl Rate {
    fn left(self, bucket: Bucket, now: Duration) -> f64 {
        (bucket.left + now.saturating_sub(bucket.at).as_secs_f64() * self.per_second).min(self.burst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_emptied_at_once_and_refilled_by_the_clock() {
        let (throttle, rate) = (Throttle::default(), Rate { per_second: 2.0, burst: 3.0 });
        let at = Duration::from_millis;
        for _ in 0..3 {
            assert_eq!(throttle.take("a", at(0), rate), Ok(()));
        }
        assert_eq!(throttle.take("a", at(0), rate), Err(at(500)));
        assert_eq!(throttle.look("a", at(0), rate), Err(at(500)));
        assert_eq!(throttle.take("b", at(0), rate), Ok(()), "another one");
        assert_eq!(throttle.look("a", at(500), rate), Ok(()));
        assert_eq!(throttle.take("a", at(500), rate), Ok(()));
        assert_eq!(throttle.take("a", at(500), rate), Err(at(500)));
    }
}
