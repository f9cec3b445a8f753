//! How many requests may pass in a time: the generic cell rate algorithm (ITU-T I.371), which needs one number for whatever is counted.
//!
//! The number is the time at which the whole burst is there again. One table of them serves all threads, so that a limit holds for the
//! process. Nobody waits for a lock: a number is changed by comparing and exchanging it. A number that lies in the past says nothing that an
//! absent one would not, so its place may be taken, and the table never grows.

use std::fmt::Write as _;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::unrepeated::mark_unrepeated;
use crate::config::RateSettings;
use crate::model::{Outcome, RateLimit};

/// draft-ietf-httpapi-ratelimit-headers-10.
const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// Places that one thing may have: as many as are looked through.
const BUCKET: usize = 8;
/// 64 Ki places, in 1 MiB.
const BUCKETS: usize = 8 << 10;
const SECOND: u64 = 1_000_000_000;

/// What has been used of each rate. For all threads.
#[derive(Debug, Default)]
pub(crate) struct RateTable {
    seed: RandomState,
    /// Made when something is counted: without limits it costs nothing.
    places: OnceLock<Box<[Place]>>,
}

/// Whose place it is (0: nobody's), and when its burst is there again, in nanoseconds of the monotonic clock.
#[derive(Debug, Default)]
struct Place {
    tag: AtomicU64,
    full_at: AtomicU64,
}

/// A rate as it is counted, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quota {
    /// How long one request takes to be there again.
    interval: u64,
    /// How long the whole burst takes.
    span: u64,
    burst: u32,
}

/// What is left after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Standing {
    remaining: u64,
    /// Until the whole burst is there again.
    full_in: Duration,
    /// The request is one too many: until the next one is not.
    retry_in: Option<Duration>,
}

/// What is told of rates in the header of an answer.
#[derive(Debug, Default)]
pub(crate) struct RateFields {
    policy: String,
    limit: String,
}

impl Quota {
    pub(crate) fn of(rate: RateSettings) -> Self {
        let interval = SECOND / u64::from(rate.requests_per_second.max(1));
        Self { interval, span: interval * u64::from(rate.burst), burst: rate.burst }
    }
}

impl RateTable {
    /// What something is counted under.
    pub(crate) fn tag(&self, thing: impl Hash) -> u64 {
        // 0 is nobody's.
        self.seed.hash_one(thing) | 1
    }

    /// Counts one request, and says what to tell of it; refused, it does not count.
    pub(crate) fn take(&self, tag: u64, quota: Quota, limit: RateLimit, now: Duration, fields: &mut RateFields) -> Result<(), Outcome> {
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let standing = self.place(tag, now).map_or_else(|| quota.untouched(), |place| place.take(quota, now));
        fields.tell(limit, quota, standing);
        match standing.retry_in {
            None => Ok(()),
            Some(retry_in) => Err(Outcome::RateLimited(limit, seconds(retry_in).max(1))),
        }
    }

    /// Whose tag this is, or one that nobody needs any more. Where all are needed, two share one, and get less together than each might.
    fn place(&self, tag: u64, now: u64) -> Option<&Place> {
        let places = self.places.get_or_init(|| std::iter::repeat_with(Place::default).take(BUCKETS * BUCKET).collect());
        let first = usize::try_from(tag >> 32).unwrap_or_default() % BUCKETS * BUCKET;
        let bucket = places.get(first..first + BUCKET)?;
        loop {
            if let Some(own) = bucket.iter().find(|place| place.tag.load(Ordering::Relaxed) == tag) {
                return Some(own);
            }
            let unneeded = bucket.iter().find(|place| place.full_at.load(Ordering::Relaxed) <= now);
            let Some(unneeded) = unneeded else { return bucket.iter().min_by_key(|place| place.full_at.load(Ordering::Relaxed)) };
            let of = unneeded.tag.load(Ordering::Relaxed);
            // Its number says as little of the new one as of the one before. Whoever is faster here may be for the same tag.
            if of == tag || unneeded.tag.compare_exchange(of, tag, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                return Some(unneeded);
            }
        }
    }
}

impl Place {
    fn take(&self, quota: Quota, now: u64) -> Standing {
        let mut full_at = self.full_at.load(Ordering::Relaxed);
        loop {
            let after = full_at.max(now).saturating_add(quota.interval);
            let used = after - now;
            if used > quota.span {
                return quota.standing(full_at.saturating_sub(now), Some(Duration::from_nanos(used - quota.span)));
            }
            match self.full_at.compare_exchange_weak(full_at, after, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return quota.standing(used, None),
                Err(meanwhile) => full_at = meanwhile,
            }
        }
    }
}

impl Quota {
    /// `used`: how long what is used takes to be there again.
    fn standing(self, used: u64, retry_in: Option<Duration>) -> Standing {
        let remaining = self.span.saturating_sub(used) / self.interval.max(1);
        Standing { remaining, full_in: Duration::from_nanos(used), retry_in }
    }

    fn untouched(self) -> Standing {
        self.standing(0, None)
    }
}

impl RateFields {
    fn tell(&mut self, limit: RateLimit, quota: Quota, standing: Standing) {
        let comma = if self.policy.is_empty() { "" } else { ", " };
        let name = limit.as_str();
        let window = seconds(Duration::from_nanos(quota.span)).max(1);
        let _ = write!(self.policy, "{comma}\"{name}\";q={};w={window}", quota.burst);
        let _ = write!(self.limit, "{comma}\"{name}\";r={};t={}", standing.remaining, seconds(standing.full_in));
    }

    /// Puts it behind what the upstream may have told of its own.
    pub(crate) fn put(&self, headers: &mut HeaderMap) {
        for (name, value) in [(RATELIMIT_POLICY, &self.policy), (RATELIMIT, &self.limit)] {
            if let Ok(mut value) = HeaderValue::from_str(value) {
                mark_unrepeated(&mut value);
                headers.append(name, value);
            }
        }
    }
}

/// Rounded up: whoever waits for so long has waited long enough.
fn seconds(span: Duration) -> u64 {
    span.as_secs() + u64::from(span.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use proptest::prelude::*;

    use super::*;

    fn quota(requests_per_second: u32, burst: u32) -> Quota {
        Quota::of(RateSettings { requests_per_second, burst })
    }

    fn take(table: &RateTable, tag: u64, quota: Quota, millis: u64) -> Result<(), Outcome> {
        table.take(tag, quota, RateLimit::Key, Duration::from_millis(millis), &mut RateFields::default())
    }

    #[test]
    fn a_burst_passes_and_then_as_much_as_the_rate_says() {
        let (table, quota) = (RateTable::default(), quota(2, 3));
        let tag = table.tag("ci");
        let passed = |millis| take(&table, tag, quota, millis).is_ok();
        assert_eq!([0, 0, 0, 0, 499, 500, 999, 1_000].map(passed), [true, true, true, false, false, true, false, true]);
        assert_eq!([9_000, 9_000, 9_000, 9_000].map(passed), [true, true, true, false]);
        assert_eq!(take(&table, tag, quota, 9_001), Err(Outcome::RateLimited(RateLimit::Key, 1)));
        assert!(take(&table, table.tag("other"), quota, 9_001).is_ok());
    }

    #[test]
    fn what_is_left_is_told_in_seconds() {
        let (table, quota) = (RateTable::default(), quota(2, 5));
        let mut fields = RateFields::default();
        table.take(1, quota, RateLimit::Key, Duration::ZERO, &mut fields).unwrap();
        table
            .take(
                (3 << 40) | 1,
                Quota::of(RateSettings { requests_per_second: 1, burst: 1 }),
                RateLimit::Route,
                Duration::ZERO,
                &mut fields,
            )
            .unwrap();
        assert_eq!((&*fields.policy, &*fields.limit), ("\"key\";q=5;w=3, \"route\";q=1;w=1", "\"key\";r=4;t=1, \"route\";r=0;t=1"));
        let mut headers = HeaderMap::new();
        fields.put(&mut headers);
        assert_eq!(headers[RATELIMIT_POLICY], fields.policy);
        assert_eq!(headers[RATELIMIT], fields.limit);
    }

    #[test]
    fn all_threads_together_pass_no_more_than_the_burst() {
        let (table, quota, passed) = (RateTable::default(), quota(1, 1_000), AtomicUsize::new(0));
        let tag = table.tag(7);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        passed.fetch_add(usize::from(take(&table, tag, quota, 5).is_ok()), Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(passed.into_inner(), 1_000);
    }

    #[test]
    fn however_many_there_are_the_table_does_not_grow_and_those_that_share_a_place_share_its_limit() {
        let (table, quota) = (RateTable::default(), quota(1, 1));
        for round in 0..3 {
            let passed = (0..100_000).filter(|thing| take(&table, table.tag(thing), quota, round * 10_000).is_ok()).count();
            assert!((BUCKETS * BUCKET / 2..=BUCKETS * BUCKET).contains(&passed), "{passed}");
        }
        // Those that have a place of their own are held to it.
        let few = RateTable::default();
        assert_eq!((0..2_000).filter(|thing| take(&few, few.tag(thing), quota, 1).is_ok()).count(), 2_000);
        assert_eq!((0..2_000).filter(|thing| take(&few, few.tag(thing), quota, 1).is_ok()).count(), 0);
        assert_eq!(few.places.get().unwrap().len(), BUCKETS * BUCKET);
    }

    proptest! {
        /// In any span, no more than the burst and what the rate gives in that span.
        #[test]
        fn no_span_lets_more_pass_than_burst_and_rate(
            rate in 1_u32..50, burst in 1_u32..20, pauses in proptest::collection::vec(0_u64..200, 1..200),
        ) {
            let (table, quota) = (RateTable::default(), quota(rate, burst));
            let mut now = 0;
            let mut passed = Vec::new();
            for pause in pauses {
                now += pause;
                if take(&table, 1, quota, now).is_ok() {
                    passed.push(now);
                }
            }
            for (first, from) in passed.iter().enumerate() {
                for (last, to) in passed.iter().enumerate().skip(first) {
                    let most = u64::from(burst) + (to - from) * u64::from(rate) / 1_000 + 1;
                    prop_assert!(((last - first) as u64) < most, "{} in {} ms", last - first + 1, to - from);
                }
            }
        }
    }
}
