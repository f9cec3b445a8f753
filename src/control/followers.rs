//! The sidecars that follow this control plane, and what is in force in each.
//!
//! They tell it again and again, and the store is told of them as often as others need to know: a thousand of them must not be a thousand writes
//! for every change. Whoever waits for a change at this control plane is told from here.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use crate::model::{KeyId, REPLICA_LIVE_FOR, Replica, ReplicaName, ReplicaReport, Replicas, Revision};

/// How many sidecars there may be with one key, and with all of them.
const OF_ONE_KEY: usize = 2_000;
const ALL: usize = 8_000;
/// One that has said nothing for so long is forgotten here.
const FORGOTTEN_AFTER: Duration = Duration::from_mins(1);
/// How often the store is told that a sidecar is there, and, at most, that something else is in force in it.
const PULSE: Duration = Duration::from_secs(5);
const BREATH: Duration = Duration::from_millis(250);

/// By name.
#[derive(Default)]
pub(super) struct Followers(Mutex<HashMap<ReplicaName, Follower>>);

struct Follower {
    key: KeyId,
    report: ReplicaReport,
    /// By the monotonic clock, and on the wall.
    seen: (Duration, Timestamp),
    /// What the store was told, and when.
    written: Option<(Revision, Duration)>,
}

impl Follower {
    /// In how long the store is to be told; `None`: it knows, for now.
    fn written_in(&self, now: Duration) -> Option<Duration> {
        let Some((applied, at)) = self.written else { return Some(Duration::ZERO) };
        let pause = if applied == self.report.applied { PULSE } else { BREATH };
        let left = pause.saturating_sub(now.saturating_sub(at));
        (applied != self.report.applied || left.is_zero()).then_some(left)
    }
}

impl Followers {
    /// `false`: there are too many.
    pub(super) fn heard(&self, key: KeyId, mut report: ReplicaReport, seen: (Duration, Timestamp)) -> bool {
        let mut all = self.all();
        if let Some(known) = all.get_mut(&report.name) {
            // What it has asked for since it said this says more.
            report.applied = report.applied.max(known.report.applied);
            (known.report, known.seen) = (report, seen);
            return true;
        }
        if all.len() >= OF_ONE_KEY {
            all.retain(|_, follower| seen.0.saturating_sub(follower.seen.0) < FORGOTTEN_AFTER);
        }
        if all.len() >= ALL || all.values().filter(|follower| follower.key == key).count() >= OF_ONE_KEY {
            return false;
        }
        all.insert(report.name.clone(), Follower { key, report, seen, written: None });
        true
    }

    /// Everything up to this change is in force there.
    pub(super) fn acknowledged(&self, name: &ReplicaName, applied: Revision, seen: (Duration, Timestamp)) {
        if let Some(follower) = self.all().get_mut(name) {
            follower.report.applied = applied;
            follower.seen = seen;
        }
    }

    pub(super) fn forget(&self, name: &ReplicaName) {
        self.all().remove(name);
    }

    /// What the store is to be told of it now.
    pub(super) fn to_be_written(&self, name: &ReplicaName, now: Duration) -> Option<ReplicaReport> {
        let all = self.all();
        let follower = all.get(name)?;
        follower.written_in(now).is_some_and(|left| left.is_zero()).then(|| follower.report.clone())
    }

    /// In how long the store is to be told something.
    pub(super) fn written_in(&self, name: &ReplicaName, now: Duration) -> Option<Duration> {
        self.all().get(name)?.written_in(now)
    }

    /// It was told this.
    pub(super) fn written(&self, report: &ReplicaReport, now: Duration) {
        if let Some(follower) = self.all().get_mut(&report.name) {
            follower.written = Some((report.applied, now));
        }
    }

    /// The store's replicas, with what is known better here.
    pub(super) fn added_to(&self, mut replicas: Replicas, now: Duration) -> Replicas {
        let all = self.all();
        for replica in &mut replicas.all {
            if let Some(follower) = all.get(&replica.report.name)
                && now.saturating_sub(follower.seen.0) < REPLICA_LIVE_FOR
                && follower.report.applied >= replica.report.applied
            {
                let behind_since = replica.behind_since.filter(|_| follower.report.applied < replicas.revision);
                *replica =
                    Replica { report: follower.report.clone(), last_seen_at: replica.last_seen_at.max(follower.seen.1), behind_since };
            }
        }
        replicas
    }

    fn all(&self) -> MutexGuard<'_, HashMap<ReplicaName, Follower>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
