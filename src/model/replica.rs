//! Processes that serve from a store, as they tell of themselves.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::id::{ReplicaName, Revision};

/// A replica that has said nothing for so long is not counted on any more: it has ended, hangs, or is cut off from the store.
pub const REPLICA_LIVE_FOR: Duration = Duration::from_secs(15);

/// What a replica says of itself, again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaReport {
    /// What it is called, from its start to its end.
    pub name: ReplicaName,
    /// Of the program.
    pub version: String,
    /// Every change up to this one is in force there.
    pub applied: Revision,
    /// When it began to serve, by its own clock.
    pub started_at: Timestamp,
}

/// A replica as the store knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica {
    /// What it said last.
    pub report: ReplicaReport,
    /// When that was, by the store's time.
    pub last_seen_at: Timestamp,
    /// When the first change was committed that it has not applied; `None`: there is none. Of changes that are no longer in the feed, the
    /// first one that is stands for all.
    pub behind_since: Option<Timestamp>,
}

/// Everybody who has served lately, as of one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replicas {
    /// The last change that the store has.
    pub revision: Revision,
    /// The moment, by the store's time.
    pub at: Timestamp,
    /// By name.
    pub all: Vec<Replica>,
}

impl Replica {
    /// How many changes it is behind.
    #[must_use]
    pub fn behind(&self, newest: Revision) -> u64 {
        newest.0.saturating_sub(self.report.applied.0)
    }

    /// For how long it has been behind.
    #[must_use]
    pub fn behind_for(&self, at: Timestamp) -> Duration {
        let since = self.behind_since.map(|since| at.duration_since(since));
        since.and_then(|span| Duration::try_from(span).ok()).unwrap_or_default()
    }

    /// Whether it can be counted on to be there. One that was seen long before *or after* this moment is not: a clock has been set, and if
    /// it is there, it will be seen again at once.
    #[must_use]
    pub fn is_live(&self, at: Timestamp) -> bool {
        let most = SignedDuration::try_from(REPLICA_LIVE_FOR).unwrap_or(SignedDuration::MAX);
        at.duration_since(self.last_seen_at).abs() < most
    }
}

impl Replicas {
    /// Those that are there.
    pub fn live(&self) -> impl Iterator<Item = &Replica> {
        self.all.iter().filter(|replica| replica.is_live(self.at))
    }

    /// Those that are there and have not applied this change.
    pub fn without(&self, change: Revision) -> impl Iterator<Item = &Replica> {
        self.live().filter(move |replica| replica.report.applied < change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_gives_a_name_whatever_it_is_called() {
        assert_eq!(ReplicaName::of("web-7f9c.prod", 0x9ab0_4c17).as_str(), "web-7f9c.prod-9ab04c17");
        for host in ["", "ü\n", &"x".repeat(500)] {
            let name = ReplicaName::of(host, 1);
            assert_eq!(name.as_str().parse::<ReplicaName>().unwrap(), name);
        }
    }
}
