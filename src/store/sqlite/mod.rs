//! The store in one SQLite file, shared by any number of processes on one machine.
//!
//! Write-ahead logging, so that readers and the one writer never wait for each other, with every commit synced to the disk before it is
//! acknowledged. One connection writes, a few read, one watches for other processes' commits. sqlx gives each connection a thread of its
//! own; a query costs two hand-overs to it, which is why a key is read by one statement that answers with one row.

mod access;
mod audit;
mod backup;
mod conn;
mod decode;
mod error;
mod file_guard;
mod migrations;
mod opening;
mod replicas;
mod rows;
mod samples;
mod sql;
mod watch;
mod webhook;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Connection, Row as _, Sqlite, SqliteConnection, query};

pub(super) use self::access::remarks;
pub(super) use self::backup::{backup, restore};
use self::conn::{ConnSlot, Readers};
use self::decode::{FeedRow, FromRow, NamedKey, State};
pub(super) use self::error::sentence;
use self::file_guard::{FileGuard, FileId, Found, Origin};
use self::opening::Looked;
use self::rows::SqliteRows;
use self::watch::CommitWatch;
use super::apply::apply_all;
use super::{
    AuditQuery, BatchError, FoundKey, GivenUp, Held, Inspected, Lookup, Management, Page, Precondition, Source, Store, StoreError, Webhook,
    stored,
};
use crate::clock::Clock;
use crate::model::{
    AuditEntry, AuditId, AuditNote, Binding, BindingId, Cause, Change, Changes, DoneOnce, Group, GroupName, KeptSample, KeyDigest, KeyId,
    KeyName, KeyRecord, LoginPolicy, Mutation, ReplicaName, ReplicaReport, Replicas, Resource, Revision, Role, Sample, SampleId, Snapshot,
    Space, SpaceTree, Strategy,
};

/// How long a change waits for another process's, and a reader for a recovery after a crash.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Takes the writer's lock before anything is read: what a rule has seen still holds when its change is written.
const BEGIN_WRITE: &str = "BEGIN IMMEDIATE";

/// One opened store.
pub(super) struct SqliteStore {
    guard: Arc<FileGuard>,
    writer: ConnSlot,
    readers: Readers,
    watch: CommitWatch,
    clock: Arc<dyn Clock>,
    /// As of which file everything has been read; another one has a feed of its own.
    read: AtomicU64,
}

impl SqliteStore {
    /// Opens the file, making and migrating it as needed.
    pub(super) async fn open(path: &Path, initial: Strategy, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        Self::open_with(path, initial, clock, BUSY_TIMEOUT).await
    }

    async fn open_with(path: &Path, initial: Strategy, clock: Arc<dyn Clock>, busy: Duration) -> Result<Self, StoreError> {
        let (options, connection) = opening::open(path, initial, busy).await?;
        for remark in remarks(options.get_filename()) {
            tracing::warn!(file = %options.get_filename().display(), "others can get at the store: {remark}");
        }
        let guard = Arc::new(FileGuard::new(options.get_filename().to_owned())?);
        let reading = options.clone().pragma("query_only", "ON");
        let watch = CommitWatch::start(reading.clone(), &guard).await?;
        let readers = Readers::new(&reading, &guard);
        let writer = ConnSlot::holding(options, Some(connection), &guard);
        Ok(Self { guard, writer, readers, watch, clock, read: AtomicU64::new(0) })
    }

    /// Opens the file for reading alone; neither makes nor migrates anything.
    pub(super) async fn inspect(path: &Path, clock: Arc<dyn Clock>) -> Result<Inspected, StoreError> {
        let (options, connection) = match opening::look(path, BUSY_TIMEOUT).await? {
            Looked::Sound(options, connection) => (*options, connection),
            Looked::Outdated(why) => return Ok(Inspected::Outdated(why)),
        };
        let guard = Arc::new(FileGuard::new(options.get_filename().to_owned())?);
        let watch = CommitWatch::start(options.clone(), &guard).await?;
        let readers = Readers::new(&options, &guard);
        let writer = ConnSlot::holding(options, Some(connection), &guard);
        Ok(Inspected::Open(Arc::new(Self { guard, writer, readers, watch, clock, read: AtomicU64::new(0) })))
    }

    /// Sees to it that the file at the path is the one that is open. One of the same origin that is put in its place, such as a backup, is
    /// taken over: the way in which an operator brings a store back. Any other is refused until the process is started again: an empty
    /// store that somebody has made there by mistake would turn every key away.
    async fn keep_to_file(&self) -> Result<(), StoreError> {
        match self.guard.look().await? {
            Found::Other(file) => self.take_over(file).await,
            Found::WithoutLog => self.bring_in_log().await,
            Found::Same if self.guard.origin().is_none() => {
                let mut lease = self.readers.lease().await?;
                let origin = origin(lease.connection()).await?;
                lease.give_back();
                self.guard.note_origin(origin);
                Ok(())
            }
            Found::Same => Ok(()),
        }
    }

    async fn take_over(&self, file: FileId) -> Result<(), StoreError> {
        let mut connection = match opening::look(self.guard.path(), BUSY_TIMEOUT).await {
            Ok(Looked::Sound(_, connection)) => connection,
            Ok(Looked::Outdated(why)) => return Err(self.guard.refuse(&why)),
            Err(error) => return Err(self.guard.refuse(&error.to_string())),
        };
        let origin = origin(&mut connection).await;
        // Waited for: the last connection to a file takes the log away with it, by its path, and it must not be one that lies there later.
        conn::end(Some(connection)).await;
        let origin = origin?;
        let known = self.guard.origin();
        if known.is_some() && known != origin {
            return Err(self.guard.refuse("it is another store: put the first one back, or restart to use this one"));
        }
        self.writer.clear().await;
        self.readers.clear().await;
        self.watch.clear().await;
        self.guard.settle(file, origin);
        // The one that stays open, so that the log stays while others come and go.
        self.writer.lease().await?.give_back();
        tracing::warn!(file = %self.guard.path().display(), "the store's file has been replaced; all of it is read anew");
        Ok(())
    }

    /// The log is gone from beside the file, but not from the connection that writes: what it holds goes into the file, and everything is
    /// opened anew, with a log that other processes find.
    async fn bring_in_log(&self) -> Result<(), StoreError> {
        self.guard.misses_log_since(self.clock.now().monotonic)?;
        // Nobody takes its place meanwhile: nothing is opened while the log is missed.
        let Some(mut connection) = self.writer.take().await else { return self.guard.kept() };
        // To the last one, and waited for: what one of them has mapped must not be shared with those that come.
        self.readers.close().await;
        self.watch.close().await;
        let checkpoint = query(sql::CHECKPOINT).fetch_one(&mut connection).await?;
        if checkpoint.try_get::<i64, _>("busy")? != 0 {
            self.writer.put(connection).await;
            return self.guard.kept();
        }
        conn::end(Some(connection)).await;
        self.guard.settle_log();
        let file = self.guard.path().display();
        tracing::warn!(%file, "the log beside the store was deleted; what it held has been brought into the file");
        Ok(())
    }

    async fn one<T: FromRow>(&self, question: Query<'_, Sqlite, SqliteArguments>) -> Result<Option<T>, StoreError> {
        let mut lease = self.readers.lease().await?;
        let row = question.fetch_optional(lease.connection()).await?;
        lease.give_back();
        row.as_ref().map(T::from_row).transpose()
    }

    async fn all<T: FromRow>(&self, question: Query<'_, Sqlite, SqliteArguments>) -> Result<Vec<T>, StoreError> {
        let mut lease = self.readers.lease().await?;
        let rows = question.fetch_all(lease.connection()).await?;
        lease.give_back();
        rows.iter().map(T::from_row).collect()
    }
}

/// What marks this store among all others.
async fn origin(connection: &mut SqliteConnection) -> Result<Option<Origin>, StoreError> {
    query(sql::ORIGIN).fetch_optional(connection).await?.as_ref().map(Origin::from_row).transpose()
}

/// Every row of a statement without arguments.
async fn every<T: FromRow>(statement: &'static str, reading: &mut SqliteConnection) -> Result<Vec<T>, StoreError> {
    query(statement).fetch_all(reading).await?.iter().map(T::from_row).collect()
}

#[async_trait]
impl Lookup for SqliteStore {
    async fn find_key(&self, digest: &KeyDigest) -> Result<Option<FoundKey>, StoreError> {
        self.one(query(sql::KEY_BY_DIGEST).bind(digest.as_bytes().to_vec())).await
    }

    async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let moves = self.guard.moves();
        let mut lease = self.readers.lease().await?;
        let mut reading = lease.connection().begin().await?;
        let state = State::from_row(&query(sql::STATE).fetch_one(&mut *reading).await?)?;
        let spaces: Vec<Space> = every(sql::SPACES, &mut reading).await?;
        let roles: Vec<Role> = every(sql::ROLES, &mut reading).await?;
        let groups: Vec<Group> = every(sql::GROUPS, &mut reading).await?;
        let bindings: Vec<Binding> = every(sql::GROUP_BINDINGS, &mut reading).await?;
        let policies: Vec<LoginPolicy> = every(sql::POLICIES, &mut reading).await?;
        reading.commit().await?;
        lease.give_back();

        let mut snapshot = Snapshot {
            revision: state.revision,
            spaces: SpaceTree::from_rows(spaces).map_err(|fault| stored::nonsense("a tree of spaces", fault))?,
            roles: roles.into_iter().map(|role| (role.id.clone(), role)).collect(),
            groups: groups.into_iter().map(|group| (group.name.clone(), group)).collect(),
            group_bindings: BTreeMap::new(),
            policies,
            strategy: state.strategy,
        };
        for binding in bindings {
            snapshot.bind_group(binding);
        }
        snapshot.group_bindings.values_mut().for_each(|bindings| bindings.sort_unstable_by_key(|binding| binding.id));
        self.read.store(moves, Ordering::Release);
        Ok(snapshot)
    }

    async fn woken(&self) {
        self.watch.woken().await;
    }

    async fn key_names(&self, most: u32) -> Result<Option<Vec<String>>, StoreError> {
        let keys: Vec<NamedKey> = self.all(query(sql::KEY_NAMES).bind(i64::from(most) + 1)).await?;
        let few = keys.len() <= usize::try_from(most).unwrap_or(usize::MAX);
        Ok(few.then(|| keys.into_iter().filter(|key| !key.revoked).map(|key| key.name.to_string()).collect()))
    }

    /// SQLite brings the log into the file and takes it away with the last connection, if that is closed in order: then the file alone is
    /// the store, and can be copied.
    async fn close(&self) {
        self.guard.close();
        self.watch.close().await;
        self.readers.close().await;
        self.writer.close().await;
    }
}

#[async_trait]
impl Source for SqliteStore {
    async fn changes_after(&self, seen: Revision) -> Result<Changes, StoreError> {
        self.keep_to_file().await?;
        if self.read.load(Ordering::Acquire) != self.guard.moves() {
            return Ok(Changes::TooOld);
        }
        let feed: Vec<FeedRow> = self.all(query(sql::CHANGES_AFTER).bind(stored::number(seen))).await?;
        let Some(last) = feed.first().map(|row| row.last) else { return Err(stored::nonsense("a state", "it is empty")) };
        let changes: Vec<Change> = feed.into_iter().filter_map(|row| row.change).collect();
        // A feed that does not begin right after `seen` has been pruned; one that ends before it belongs to a store that was put back.
        let next = changes.first().map_or(last.next(), |change| change.revision);
        Ok(if next == seen.next() { Changes::Since(changes) } else { Changes::TooOld })
    }

    async fn record_use(&self, uses: &[(KeyDigest, Timestamp)]) -> Result<(), StoreError> {
        let mut latest: BTreeMap<KeyDigest, i64> = BTreeMap::new();
        for (digest, at) in uses {
            let minute = stored::to_the_minute(*at);
            latest.entry(*digest).and_modify(|at| *at = minute.max(*at)).or_insert(minute);
        }
        if latest.is_empty() {
            return Ok(());
        }
        let mut lease = self.writer.lease().await?;
        let mut transaction = lease.connection().begin_with(BEGIN_WRITE).await?;
        for (digest, at) in latest {
            query(sql::RECORD_USE).bind(digest.as_bytes().to_vec()).bind(at).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        lease.give_back();
        Ok(())
    }

    async fn keep_samples(&self, samples: &[Sample]) -> Result<(), StoreError> {
        self.keep(samples).await
    }

    async fn report_replica(&self, report: &ReplicaReport) -> Result<(), StoreError> {
        self.report(report).await
    }

    async fn forget_replica(&self, name: &ReplicaName) -> Result<(), StoreError> {
        self.forget(name).await
    }
}

#[async_trait]
impl Management for SqliteStore {
    async fn replicas(&self) -> Result<Replicas, StoreError> {
        self.reported().await
    }

    async fn apply_declared(
        &self,
        mutations: Vec<Mutation>,
        declared: &[Resource],
        cause: &Cause,
        only_if: Option<Precondition>,
    ) -> Result<Vec<Change>, BatchError> {
        if mutations.is_empty() && declared.is_empty() {
            return Ok(Vec::new());
        }
        self.keep_to_file().await?;
        let mut lease = self.writer.lease().await?;
        let mut transaction = lease.connection().begin_with(BEGIN_WRITE).await?;
        // Read under the lock, so that later revisions have later times as far as the clock allows.
        let at = self.clock.now().wall;
        match apply_all(&mut SqliteRows::new(&mut transaction), mutations, declared, cause, only_if, at).await {
            Ok(changes) => {
                transaction.commit().await?;
                lease.give_back();
                // A change in a file that nobody else sees is not acknowledged.
                self.guard.is_here().await?;
                self.watch.committed();
                Ok(changes)
            }
            // Whatever state the transaction is in, it ends with the connection.
            Err(failure @ BatchError { error: StoreError::Unavailable(_), .. }) => Err(failure),
            Err(refusal) => {
                transaction.rollback().await?;
                lease.give_back();
                Err(refusal)
            }
        }
    }

    async fn rehearse(&self, mutations: Vec<Mutation>, only_if: Option<Precondition>) -> Result<(), BatchError> {
        self.keep_to_file().await?;
        let mut lease = self.writer.lease().await?;
        let mut transaction = lease.connection().begin_with(BEGIN_WRITE).await?;
        let at = self.clock.now().wall;
        let rehearsed = apply_all(&mut SqliteRows::new(&mut transaction), mutations, &[], &Cause::SYSTEM, only_if, at).await;
        transaction.rollback().await?;
        lease.give_back();
        rehearsed.map(drop)
    }

    async fn managed(&self) -> Result<BTreeSet<Resource>, StoreError> {
        Ok(self.all(query(sql::MANAGED)).await?.into_iter().collect())
    }

    async fn samples(&self) -> Result<Vec<KeptSample>, StoreError> {
        self.kept().await
    }

    async fn sample(&self, id: SampleId) -> Result<Option<KeptSample>, StoreError> {
        self.kept_one(id).await
    }

    async fn clear_samples(&self) -> Result<u64, StoreError> {
        self.clear().await
    }

    async fn key(&self, id: KeyId) -> Result<Option<KeyRecord>, StoreError> {
        self.one(query(sql::KEY_BY_ID).bind(id.to_string())).await
    }

    async fn key_named(&self, name: &KeyName) -> Result<Option<KeyRecord>, StoreError> {
        self.one(query(sql::KEY_BY_NAME).bind(name.as_str().to_owned())).await
    }

    async fn keys(&self, page: &Page<KeyId>) -> Result<Vec<KeyRecord>, StoreError> {
        let after = page.after.map_or_else(String::new, |id| id.to_string());
        self.all(query(sql::KEYS).bind(after).bind(page.query.clone()).bind(page.limit)).await
    }

    async fn binding(&self, id: BindingId) -> Result<Option<Binding>, StoreError> {
        self.one(query(sql::BINDING).bind(id.to_string())).await
    }

    async fn bindings(&self, page: &Page<BindingId>) -> Result<Vec<Binding>, StoreError> {
        let after = page.after.map_or_else(String::new, |id| id.to_string());
        self.all(query(sql::BINDINGS).bind(after).bind(page.query.clone()).bind(page.limit)).await
    }

    async fn audit_given_up(&self) -> Result<Option<GivenUp>, StoreError> {
        self.one(query(sql::GIVEN_UP)).await
    }

    async fn audit(&self, wanted: &AuditQuery) -> Result<Vec<AuditEntry>, StoreError> {
        self.audited(wanted).await
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn members(&self, group: &GroupName, after: Option<KeyId>, limit: u32) -> Result<Vec<KeyRecord>, StoreError> {
        let after = after.map_or_else(String::new, |id| id.to_string());
        self.all(query(sql::MEMBERS).bind(group.to_string()).bind(after).bind(limit)).await
    }

    async fn revision_of(&self, resource: &Resource) -> Result<Option<Revision>, StoreError> {
        self.one(query(sql::revision_of(resource)).bind(resource.id())).await
    }

    async fn done_once(&self, actor: &str, key: &str) -> Result<Option<DoneOnce>, StoreError> {
        self.one(query(sql::DONE_ONCE).bind(actor.to_owned()).bind(key.to_owned())).await
    }

    async fn note(&self, note: AuditNote, cause: &Cause) -> Result<Option<AuditId>, StoreError> {
        self.noted(note, cause).await
    }

    async fn tend_audit(&self, keep_since: Option<Timestamp>) -> Result<u64, StoreError> {
        self.tend(keep_since).await
    }

    async fn hold_webhook(&self, holder: &str, until: Timestamp) -> Result<Option<Webhook>, StoreError> {
        self.hold(holder, until).await
    }

    async fn set_webhook(&self, holder: &str, webhook: &Webhook) -> Result<Held, StoreError> {
        self.settle_webhook(holder, webhook).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::model::LoginPolicy;

    /// Waits for a lock as long as a closing connection may hold it, but for no writer.
    async fn impatient(path: &Path) -> SqliteStore {
        let busy = Duration::from_millis(200);
        SqliteStore::open_with(path, Strategy::Combined, Arc::new(SystemClock::start()), busy).await.unwrap()
    }

    fn policy(name: &str, length: usize) -> Mutation {
        let source = "#".repeat(length).into_boxed_str();
        Mutation::CreatePolicy(LoginPolicy { name: name.parse().unwrap(), source, rego: None })
    }

    #[tokio::test]
    async fn a_full_disk_refuses_the_change_and_leaves_nothing_of_it() {
        let directory = tempfile::tempdir().unwrap();
        let store = impatient(&directory.path().join("claviger.db")).await;
        store.apply(policy("fits", 100), &Cause::SYSTEM, None).await.unwrap();
        let before = store.snapshot().await.unwrap();
        let mut lease = store.writer.lease().await.unwrap();
        query("PRAGMA max_page_count = 1").execute(lease.connection()).await.unwrap();
        lease.give_back();

        let error = store.apply(policy("does not fit", 1 << 20), &Cause::SYSTEM, None).await.unwrap_err();
        assert!(matches!(&error, StoreError::Unavailable(why) if why.contains("no room left")), "{error:?}");
        assert_eq!(store.snapshot().await.unwrap(), before);

        // The limit was the connection's, which is not used again: there is room now.
        let change = store.apply(policy("does not fit", 1 << 20), &Cause::SYSTEM, None).await.unwrap();
        assert_eq!(change.revision, before.revision.next());
    }

    #[tokio::test]
    async fn a_lock_that_is_held_too_long_refuses_changes_but_no_reader() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("claviger.db");
        let (here, there) = (impatient(&path).await, impatient(&path).await);
        let mut lease = there.writer.lease().await.unwrap();
        let writing = lease.connection().begin_with(BEGIN_WRITE).await.unwrap();

        let error = here.apply(policy("p", 1), &Cause::SYSTEM, None).await.unwrap_err();
        assert!(matches!(&error, StoreError::Unavailable(why) if why.contains("locked")), "{error:?}");
        assert_eq!(here.snapshot().await.unwrap().revision, Revision(0));

        writing.rollback().await.unwrap();
        assert_eq!(here.apply(policy("p", 1), &Cause::SYSTEM, None).await.unwrap().revision, Revision(1));
    }

    #[tokio::test]
    async fn a_row_that_makes_no_sense_is_an_error_and_not_a_panic() {
        let directory = tempfile::tempdir().unwrap();
        let store = impatient(&directory.path().join("claviger.db")).await;
        let mut lease = store.writer.lease().await.unwrap();
        query("UPDATE roles SET id = 'NOT A SLUG' WHERE id = 'space-reader'").execute(lease.connection()).await.unwrap();
        lease.give_back();
        let error = store.snapshot().await.unwrap_err();
        assert!(matches!(&error, StoreError::Unavailable(why) if why.contains("NOT A SLUG")), "{error:?}");
    }
}
