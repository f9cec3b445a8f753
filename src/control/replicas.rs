//! Who serves from the store, what is in force in each of these processes, and waiting for it. Nobody who waits holds a lock.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use tokio::time::timeout;

use super::manager::Control;
use crate::model::{Replica, ReplicaName, Replicas, Revision};
use crate::store::StoreError;

/// A process that serves, as it is shown.
#[derive(Clone, Debug, Serialize)]
pub struct ReplicaView {
    /// What it is called, from its start to its end.
    pub name: ReplicaName,
    /// Of the program.
    pub version: String,
    /// Whether it was seen lately enough to be counted on.
    pub live: bool,
    /// Every change up to this one is in force there.
    pub applied_revision: Revision,
    /// How many changes it is behind.
    pub lag_revisions: u64,
    /// For how many seconds it has been behind.
    pub lag_seconds: f64,
    /// When it began to serve, by its own clock.
    pub started_at: Timestamp,
    /// By the store's time.
    pub last_seen_at: Timestamp,
}

impl ReplicaView {
    /// All of them, or those that are live.
    #[must_use]
    pub fn of(replicas: &Replicas, gone: Gone) -> Vec<Self> {
        let shown = |replica: &&Replica| match gone {
            Gone::Shown => true,
            Gone::LeftOut => replica.is_live(replicas.at),
        };
        let view = |replica: &Replica| Self {
            name: replica.report.name.clone(),
            version: replica.report.version.clone(),
            live: replica.is_live(replicas.at),
            applied_revision: replica.report.applied,
            lag_revisions: replica.behind(replicas.revision),
            lag_seconds: Duration::from_millis(millis(replica.behind_for(replicas.at))).as_secs_f64(),
            started_at: replica.report.started_at,
            last_seen_at: replica.last_seen_at,
        };
        replicas.all.iter().filter(shown).map(view).collect()
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Whether replicas that have not been seen lately are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// As long as the store remembers them.
    Shown,
    /// Not at all.
    LeftOut,
}

/// Where a change is in force, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The change.
    pub revision: Revision,
    /// How many replicas were live; 0: the store could not be asked.
    pub replicas: usize,
    /// Those of them in which it is not in force yet.
    pub waiting_for: Vec<ReplicaName>,
}

impl Applied {
    /// Whether it is in force in every live replica.
    #[must_use]
    pub fn everywhere(&self) -> bool {
        self.replicas > 0 && self.waiting_for.is_empty()
    }
}

impl Control {
    /// Returns when a change that is committed is in force in every live replica, or after so long, or when
    /// [`stop_waiting`](Self::stop_waiting) is called; and says where it is in force by then.
    pub async fn applied_everywhere(&self, revision: Revision, most: Duration) -> Applied {
        let mut known = Applied { revision, replicas: 0, waiting_for: Vec::new() };
        let waiting = async {
            let mut readings = self.replicas.subscribe();
            loop {
                let reading = readings.borrow_and_update().clone();
                // One from before the change may not show who has come since.
                if let Some(reading) = reading.filter(|reading| reading.revision >= revision) {
                    known = self.applied_as_of(revision, &reading);
                    if known.everywhere() {
                        return;
                    }
                }
                if readings.changed().await.is_err() {
                    readings = self.replicas.subscribe();
                }
            }
        };
        let stop = self.replicas.stopped();
        tokio::select! {
            _ = timeout(most, waiting) => {}
            () = stop => {}
        }
        known
    }

    /// Everybody who waits is answered at once, and whoever comes later.
    pub fn stop_waiting(&self) {
        self.replicas.stop();
    }

    /// Who serves from the store, and what is in force in each, as far as it is known here.
    ///
    /// # Errors
    /// The store is away.
    pub async fn replicas(&self) -> Result<Replicas, StoreError> {
        Ok(self.followers.added_to(self.store.replicas().await?, self.monotonic()))
    }

    fn applied_as_of(&self, revision: Revision, reading: &Replicas) -> Applied {
        let reading = self.followers.added_to(reading.clone(), self.monotonic());
        let told = |replica: &Replica| (replica.report.name.clone(), replica.report.applied >= revision);
        let mut applied: BTreeMap<ReplicaName, bool> = reading.live().map(told).collect();
        if let Some(serving) = &self.serving {
            // Of this process it is known better than the store can have been told by now.
            applied.insert(serving.name.clone(), serving.exchange.applied_revision() >= revision);
        }
        let replicas = applied.len();
        Applied { revision, replicas, waiting_for: applied.into_iter().filter(|(_, applied)| !applied).map(|(name, _)| name).collect() }
    }
}
