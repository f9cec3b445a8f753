//! Keys that a policy is not asked about for a while, because it took more than it may again and again.
//!
//! A policy that never ends costs its whole time limit whenever it is asked, and somebody who is refused for it may ask again at once: two
//! such keys kept both cores of a small machine busy, and the slowest requests of everybody else took five times as long. The first few
//! times may be a machine that is busy, so they cost nothing; then each further one costs a pause, twice as long as the one before, in
//! which the request is refused at once. Others are asked about as ever, and another text of the policy begins anew.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::answer::Answer;
use crate::model::KeyId;
use crate::policy::error::PolicyError;
use crate::policy::loaded::{Identity, Policy};
use crate::policy::set::PolicySet;

/// How often in a row a policy may take too much before there is a pause.
const FREE: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);
/// Pairs of policy and key that are remembered. Beyond, the oldest pause gives way.
const MOST: usize = 4096;

#[derive(Debug, Default)]
pub(super) struct Backoff {
    /// Whether there is any, so that a question is not asked under a lock.
    any: AtomicBool,
    by_key: Mutex<HashMap<(Identity, KeyId), Pause>>,
}

#[derive(Debug)]
struct Pause {
    /// How often in a row it took too much.
    times: u32,
    /// On the monotonic clock.
    ends: Duration,
}

impl Backoff {
    /// How long a policy is not to be asked about a key yet, if so.
    pub(super) fn left(&self, policy: &Policy, key: KeyId, now: Duration) -> Option<Duration> {
        if !self.any.load(Ordering::Acquire) {
            return None;
        }
        let left = self.by_key().get(&(policy.identity, key)).map(|pause| pause.ends.saturating_sub(now));
        left.filter(|left| !left.is_zero())
    }

    /// Takes in what the policies answered about a key.
    pub(super) fn note(&self, set: &PolicySet, key: KeyId, answer: &Answer, now: Duration) {
        let name = match answer {
            Ok(_) => return self.end(set.policies(), key),
            Err(PolicyError::TimeLimit(name) | PolicyError::MemoryLimit(name)) => name,
            Err(PolicyError::Paused(..) | PolicyError::Failed(..) | PolicyError::Overloaded) => return,
        };
        let Some(policy) = set.policies().iter().find(|policy| policy.name == *name) else { return };
        if let Some(pause) = self.begin(policy, key, now) {
            let seconds = pause.as_secs_f64();
            tracing::error!(policy = %name, %key, seconds, "a policy passes its limits for a key again and again; it is not asked about it for a while");
        }
    }

    /// A policy took more than it may. How long it is not asked about the key from now on.
    fn begin(&self, policy: &Policy, key: KeyId, now: Duration) -> Option<Duration> {
        let mut by_key = self.by_key();
        let place = (policy.identity, key);
        if by_key.len() >= MOST && !by_key.contains_key(&place) {
            let oldest = by_key.iter().min_by_key(|(_, pause)| pause.ends).map(|(place, _)| *place);
            oldest.and_then(|oldest| by_key.remove(&oldest));
        }
        let pause = by_key.entry(place).or_insert_with(|| Pause { times: 0, ends: now });
        pause.times = pause.times.saturating_add(1);
        let lasts =
            pause.times.checked_sub(FREE + 1).map(|again| FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(again)).min(LONGEST_PAUSE));
        pause.ends = now.saturating_add(lasts.unwrap_or_default());
        self.any.store(true, Ordering::Release);
        lasts
    }

    /// The policies had an answer about the key.
    fn end(&self, policies: &[Arc<Policy>], key: KeyId) {
        if !self.any.load(Ordering::Acquire) {
            return;
        }
        let mut by_key = self.by_key();
        for policy in policies {
            by_key.remove(&(policy.identity, key));
        }
        self.any.store(!by_key.is_empty(), Ordering::Release);
    }

    fn by_key(&self) -> MutexGuard<'_, HashMap<(Identity, KeyId), Pause>> {
        self.by_key.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
