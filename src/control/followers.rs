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

#[derive(Default)]
pub(super) struct Followers {
    by_name: Mutex<HashMap<ReplicaName, Follower>>,
    /// Whose turn it is to tell the store.
    turn: tokio::sync::Mutex<()>,
}

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

    fn is_due(&self, now: Duration) -> bool {
        self.written_in(now).is_some_and(|left| left.is_zero())
    }
}

impl Followers {
    /// How many there are, or have been until lately.
    pub(super) fn count(&self) -> usize {
        self.all().len()
    }

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

    /// Returns when nobody else tells the store of followers.
    pub(super) async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Whether the store is to be told of it now.
    pub(super) fn is_due(&self, name: &ReplicaName, now: Duration) -> bool {
        self.all().get(name).is_some_and(|follower| follower.is_due(now))
    }

    /// What the store is to be told of it now, and of all that have said something within the last [`BREATH`]: it takes them for live now.
    /// Nothing, if it has been told of this one.
    pub(super) fn due_with(&self, name: &ReplicaName, now: Duration) -> Vec<ReplicaReport> {
        let all = self.all();
        if !all.get(name).is_some_and(|follower| follower.is_due(now)) {
            return Vec::new();
        }
        let speaks = |follower: &Follower| follower.report.name == *name || now.saturating_sub(follower.seen.0) <= BREATH;
        all.values().filter(|follower| speaks(follower) && follower.is_due(now)).map(|follower| follower.report.clone()).collect()
    }

    /// In how long the store is to be told something.
    pub(super) fn written_in(&self, name: &ReplicaName, now: Duration) -> Option<Duration> {
        self.all().get(name)?.written_in(now)
    }

    /// It was told this.
    pub(super) fn written(&self, reports: &[ReplicaReport], now: Duration) {
        let mut all = self.all();
        for report in reports {
            if let Some(follower) = all.get_mut(&report.name) {
                follower.written = Some((report.applied, now));
            }
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
        self.by_name.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_is_told_at_once_of_all_that_have_just_spoken_and_of_nobody_who_is_silent() {
        let followers = Followers::default();
        let at = |millis: u64| (Duration::from_millis(millis), Timestamp::UNIX_EPOCH);
        let says = |number: u32, millis: u64| {
            let (name, started_at) = (ReplicaName::of("pod", number), Timestamp::UNIX_EPOCH);
            let report = ReplicaReport { name: name.clone(), version: "1".to_owned(), applied: Revision(7), started_at };
            assert!(followers.heard(KeyId::new(0, 0), report, at(millis)));
            name
        };
        let silent = says(0, 0);
        let [first, second, third] = [says(1, 5_000), says(2, 5_010), says(3, 5_020)];
        let now = at(5_030).0;

        let due = followers.due_with(&second, now);
        let mut names: Vec<_> = due.iter().map(|report| report.name.clone()).collect();
        names.sort_unstable();
        assert_eq!(names, [first.clone(), second.clone(), third.clone()]);
        followers.written(&due, now);

        assert_eq!(followers.due_with(&third, now), [], "they are written with the others");
        followers.acknowledged(&first, Revision(8), at(5_040));
        assert!(!followers.is_due(&first, at(5_040).0) && followers.is_due(&first, at(5_290).0));
        assert_eq!(followers.due_with(&first, at(5_290).0).len(), 1);
        assert_eq!(followers.due_with(&silent, at(5_290).0).iter().filter(|report| report.name == silent).count(), 1, "it asks itself");
    }
}
