//! A store that is files and nothing else: what a data plane is served from that needs no database and no control plane.
//!
//! The files are those that a plan is made of, and mean the same: here they are all that there is. They are read as a whole, and take the
//! place of what was read before as a whole, or not at all. A revision counts what has changed since the process began; another process
//! counts for itself.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::{Mutex, Notify};

use super::files::DeclaredFile;
use super::held::Held;
use super::on_disk;
use super::plan::{Plan, Reading, Undeclared};
use super::planner::NewIds;
use crate::clock::Clock;
use crate::config::PolicySettings;
use crate::diagnostics::{Diagnostic, Place};
use crate::model::{Change, Changes, KeyDigest, KeyId, KeyRecord, Reach, ReplicaName, ReplicaReport, Revision, Sample, Snapshot, Strategy};
use crate::store::{FoundKey, Lookup, Source, StoreError};

/// How many changes are remembered; who asks for older ones takes everything anew.
const CHANGES_KEPT: usize = 1024;
/// More keys than this at a time are a change to everybody.
const KEYS_MAX: usize = 256;

/// Files that say who has access, as a store to be read.
pub struct FileStore {
    place: PathBuf,
    strategy: Strategy,
    clock: Arc<dyn Clock>,
    /// What everything in it is as old as: reading the files again makes nothing younger.
    opened_at: Timestamp,
    in_force: ArcSwap<InForce>,
    /// One at a time.
    reloading: Mutex<()>,
    changed: Notify,
}

/// What was read last without a fault.
struct InForce {
    /// With the revision of the last change.
    snapshot: Snapshot,
    keys: HashMap<KeyDigest, KeyRecord>,
    changes: VecDeque<Change>,
}

/// What came of reading the files again.
#[derive(Debug)]
pub struct Reloaded {
    /// Whether they say something else than before.
    pub changed: bool,
    /// What is odd about them.
    pub warnings: Vec<Diagnostic>,
}

impl FileStore {
    /// Reads a file, or those of a directory that declare access. `strategy`: where they say none.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub async fn open(
        place: &Path,
        strategy: Strategy,
        policies: &PolicySettings,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Vec<Diagnostic>), Vec<Diagnostic>> {
        let opened_at = clock.now().wall;
        let files = read(place).await?;
        let (held, warnings) = understood(&files, strategy, policies, opened_at).await?;
        let Held { mut snapshot, keys } = held;
        snapshot.revision = Revision::default().next();
        let in_force = ArcSwap::from_pointee(InForce { snapshot, keys, changes: VecDeque::new() });
        let (reloading, changed) = (Mutex::new(()), Notify::new());
        Ok((Self { place: place.to_owned(), strategy, clock, opened_at, in_force, reloading, changed }, warnings))
    }

    /// Where the files are.
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// Reads the files again, and has whoever follows hear of what they say now.
    ///
    /// # Errors
    /// Everything that is wrong with them. What was in force is in force still.
    pub async fn reload(&self, policies: &PolicySettings) -> Result<Reloaded, Vec<Diagnostic>> {
        let _one = self.reloading.lock().await;
        let files = read(&self.place).await?;
        let before = self.in_force.load_full();
        let (Held { mut snapshot, keys }, warnings) = understood(&files, self.strategy, policies, self.opened_at).await?;
        let now = self.clock.now().wall;
        let mut changes = before.changes.clone();
        let mut revision = before.snapshot.revision;
        for reach in reaches(&before, &mut snapshot, &keys) {
            revision = revision.next();
            changes.push_back(Change { revision, at: now, reach });
        }
        let says_else = revision != before.snapshot.revision;
        snapshot.revision = revision;
        changes.drain(..changes.len().saturating_sub(CHANGES_KEPT));
        self.in_force.store(Arc::new(InForce { snapshot, keys, changes }));
        self.changed.notify_one();
        Ok(Reloaded { changed: says_else, warnings })
    }
}

/// Whom it concerns that these have taken the place of those before.
fn reaches(before: &InForce, snapshot: &mut Snapshot, keys: &HashMap<KeyDigest, KeyRecord>) -> Vec<Reach> {
    snapshot.revision = before.snapshot.revision;
    let differ = |digest: &&KeyDigest| before.keys.get(*digest) != keys.get(*digest);
    let digests = before.keys.keys().chain(keys.keys().filter(|digest| !before.keys.contains_key(*digest))).filter(differ);
    let mut of_keys: BTreeMap<KeyId, Vec<KeyDigest>> = BTreeMap::new();
    for digest in digests {
        for key in [before.keys.get(digest), keys.get(digest)].into_iter().flatten() {
            let own = of_keys.entry(key.id).or_default();
            if !own.contains(digest) {
                own.push(*digest);
            }
        }
    }
    if *snapshot != before.snapshot || of_keys.len() > KEYS_MAX {
        return vec![Reach::All];
    }
    of_keys.into_iter().map(|(id, digests)| Reach::Key(id, digests)).collect()
}

/// All files, which are there and not too long.
async fn read(place: &Path) -> Result<Vec<DeclaredFile>, Vec<Diagnostic>> {
    let place = place.to_owned();
    let elsewhere = place.clone();
    let reading = tokio::task::spawn_blocking(move || on_disk::read(&place));
    reading.await.unwrap_or_else(|error| Err(vec![Diagnostic::error(Place::whole(elsewhere), format!("cannot be read: {error}"))]))
}

/// What the files come to. Policies are compiled, which may take long: apart from whoever serves.
async fn understood(
    files: &[DeclaredFile],
    strategy: Strategy,
    policies: &PolicySettings,
    at: Timestamp,
) -> Result<(Held, Vec<Diagnostic>), Vec<Diagnostic>> {
    let (files, policies) = (files.to_vec(), policies.clone());
    let place = Place::whole(files.first().map_or_else(PathBuf::new, |file| file.name.clone()));
    let work = move || {
        let ids = NewIds { unix_ms: 0, first: 0 };
        let reading = Reading { beside: &on_disk::beside, policies: &policies, undeclared: Undeclared::Keep, ids };
        let plan = Plan::from_nothing(&files, &reading, strategy)?;
        let whole = Place::whole(files.first().map_or_else(PathBuf::new, |file| file.name.clone()));
        let held = Held::of(&plan, strategy, at).ok_or_else(|| vec![Diagnostic::error(whole, "the spaces are no tree")])?;
        Ok((held, plan.warnings))
    };
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(vec![Diagnostic::error(place, format!("cannot be understood: {error}"))]))
}

#[async_trait]
impl Lookup for FileStore {
    async fn find_key(&self, digest: &KeyDigest) -> Result<Option<FoundKey>, StoreError> {
        let in_force = self.in_force.load();
        let found = in_force.keys.get(digest).cloned();
        Ok(found.map(|key| FoundKey { key, as_of: in_force.snapshot.revision }))
    }

    async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        Ok(self.in_force.load().snapshot.clone())
    }

    async fn woken(&self) {
        self.changed.notified().await;
    }

    async fn key_names(&self, most: u32) -> Result<Option<Vec<String>>, StoreError> {
        let in_force = self.in_force.load();
        let few = in_force.keys.len() <= usize::try_from(most).unwrap_or(usize::MAX);
        Ok(few.then(|| in_force.keys.values().map(|key| key.name.to_string()).collect()))
    }

    async fn close(&self) {}
}

/// What a data plane tells of itself, nobody writes down: the files are somebody else's.
#[async_trait]
impl Source for FileStore {
    async fn changes_after(&self, seen: Revision) -> Result<Changes, StoreError> {
        let in_force = self.in_force.load();
        let Some(oldest) = in_force.changes.front() else {
            return Ok(if seen == in_force.snapshot.revision { Changes::Since(Vec::new()) } else { Changes::TooOld });
        };
        if seen.next() < oldest.revision || seen > in_force.snapshot.revision {
            return Ok(Changes::TooOld);
        }
        Ok(Changes::Since(in_force.changes.iter().filter(|change| change.revision > seen).cloned().collect()))
    }

    async fn record_use(&self, _: &[(KeyDigest, Timestamp)]) -> Result<(), StoreError> {
        Ok(())
    }

    async fn keep_samples(&self, _: &[Sample]) -> Result<(), StoreError> {
        Ok(())
    }

    async fn report_replica(&self, _: &ReplicaReport) -> Result<(), StoreError> {
        Ok(())
    }

    async fn forget_replica(&self, _: &ReplicaName) -> Result<(), StoreError> {
        Ok(())
    }
}
