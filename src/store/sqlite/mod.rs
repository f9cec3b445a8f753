//! The store in one SQLite file, shared by any number of processes on one machine.
//!
//! Write-ahead logging, so that readers and the one writer never wait for each other, with every commit synced to the disk before it is
//! acknowledged. One connection writes, a few read, one watches for other processes' commits. sqlx gives each connection a thread of its
//! own; a query costs two hand-overs to it, which is why a key is read by one statement that answers with one row.

mod access;
mod backup;
mod conn;
mod error;
mod file_guard;
mod migrations;
mod opening;
mod origin;
#[cfg(test)]
mod plans;
mod sql;
#[cfg(test)]
mod upgrade_tests;
mod watch;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::{Row as _, query};

pub(super) use self::access::remarks;
pub(super) use self::backup::{backup, restore};
use self::conn::{ConnSlot, Readers};
use self::error::unavailable;
use self::file_guard::{FileGuard, FileId, Found};
use self::opening::{BUSY_TIMEOUT, Looked};
use self::origin::origin;
use self::watch::CommitWatch;
use super::error::StoreError;
use super::sql::{Backend, Connection, Lease, SqlStore};
use crate::clock::Clock;
use crate::model::Strategy;

/// Opens the file, making and migrating it as needed.
pub(super) async fn open(path: &Path, initial: Strategy, clock: Arc<dyn Clock>) -> Result<SqlStore, StoreError> {
    let file = SqliteFile::open(path, initial, clock.clone(), BUSY_TIMEOUT).await?;
    Ok(SqlStore::new(Arc::new(file), clock))
}

/// Opens the file for reading alone; neither makes nor migrates anything. A sentence about it if it needs migration.
pub(super) async fn inspect(path: &Path, clock: Arc<dyn Clock>) -> Result<Result<SqlStore, String>, StoreError> {
    let (options, connection) = match opening::look(path, BUSY_TIMEOUT).await? {
        Looked::Sound(options, connection) => (*options, connection),
        Looked::Outdated(why) => return Ok(Err(why)),
    };
    let guard = Arc::new(FileGuard::new(options.get_filename().to_owned())?);
    let watch = CommitWatch::start(options.clone(), &guard).await?;
    let readers = Readers::new(&options, &guard);
    let writer = ConnSlot::holding(options, Some(connection), &guard);
    let file = SqliteFile { guard, writer, readers, watch, clock: clock.clone() };
    Ok(Ok(SqlStore::new(Arc::new(file), clock)))
}

/// One opened file.
struct SqliteFile {
    guard: Arc<FileGuard>,
    writer: ConnSlot,
    readers: Readers,
    watch: CommitWatch,
    clock: Arc<dyn Clock>,
}

impl SqliteFile {
    async fn open(path: &Path, initial: Strategy, clock: Arc<dyn Clock>, busy: Duration) -> Result<Self, StoreError> {
        let (options, connection) = opening::open(path, initial, busy).await?;
        for remark in remarks(options.get_filename()) {
            tracing::warn!(file = %options.get_filename().display(), "others can get at the store: {remark}");
        }
        let guard = Arc::new(FileGuard::new(options.get_filename().to_owned())?);
        let reading = options.clone().pragma("query_only", "ON");
        let watch = CommitWatch::start(reading.clone(), &guard).await?;
        let readers = Readers::new(&reading, &guard);
        let writer = ConnSlot::holding(options, Some(connection), &guard);
        Ok(Self { guard, writer, readers, watch, clock })
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
        let checkpoint = query(sql::CHECKPOINT).fetch_one(&mut connection).await.map_err(unavailable)?;
        if checkpoint.try_get::<i64, _>("busy").map_err(unavailable)? != 0 {
            self.writer.put(connection).await;
            return self.guard.kept();
        }
        conn::end(Some(connection)).await;
        self.guard.settle_log();
        let file = self.guard.path().display();
        tracing::warn!(%file, "the log beside the store was deleted; what it held has been brought into the file");
        Ok(())
    }
}

#[async_trait]
impl Backend for SqliteFile {
    async fn reader(&self) -> Result<Box<dyn Lease + '_>, StoreError> {
        Ok(Box::new(self.readers.lease().await?))
    }

    async fn writer(&self) -> Result<Box<dyn Lease + '_>, StoreError> {
        Ok(Box::new(self.writer.lease().await?))
    }

    /// Sees to it that the file at the path is the one that is open. One of the same origin that is put in its place, such as a backup, is
    /// taken over: the way in which an operator brings a store back. Any other is refused until the process is started again: an empty
    /// store that somebody has made there by mistake would turn every key away.
    async fn settle(&self) -> Result<(), StoreError> {
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

    fn moves(&self) -> u64 {
        self.guard.moves()
    }

    /// Others see every commit.
    async fn announce(&self, _: &mut dyn Connection) -> Result<(), StoreError> {
        Ok(())
    }

    async fn is_kept(&self) -> Result<(), StoreError> {
        self.guard.is_here().await
    }

    fn committed(&self) {
        self.watch.committed();
    }

    async fn woken(&self) {
        self.watch.woken().await;
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

#[cfg(test)]
mod tests {
    use sqlx::Connection as _;

    use super::sql::BEGIN_WRITE;
    use super::*;
    use crate::clock::SystemClock;
    use crate::model::{Cause, LoginPolicy, Mutation, Revision};
    use crate::store::contract::{Lookup as _, Management as _};

    /// Waits for a lock as long as a closing connection may hold it, but for no writer.
    async fn impatient(path: &Path) -> (SqlStore, Arc<SqliteFile>) {
        let (busy, clock) = (Duration::from_millis(200), Arc::new(SystemClock::start()));
        let file = Arc::new(SqliteFile::open(path, Strategy::Combined, clock.clone(), busy).await.unwrap());
        (SqlStore::new(file.clone(), clock), file)
    }

    fn policy(name: &str, length: usize) -> Mutation {
        let source = "#".repeat(length).into_boxed_str();
        Mutation::CreatePolicy(LoginPolicy { name: name.parse().unwrap(), source, rego: None })
    }

    #[tokio::test]
    async fn a_full_disk_refuses_the_change_and_leaves_nothing_of_it() {
        let directory = tempfile::tempdir().unwrap();
        let (store, file) = impatient(&directory.path().join("claviger.db")).await;
        store.apply(policy("fits", 100), &Cause::SYSTEM, None).await.unwrap();
        let before = store.snapshot().await.unwrap();
        let mut lease = file.writer.lease().await.unwrap();
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
        let ((here, _), (_, there)) = (impatient(&path).await, impatient(&path).await);
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
        let (store, file) = impatient(&directory.path().join("claviger.db")).await;
        let mut lease = file.writer.lease().await.unwrap();
        query("UPDATE roles SET id = 'NOT A SLUG' WHERE id = 'space-reader'").execute(lease.connection()).await.unwrap();
        lease.give_back();
        let error = store.snapshot().await.unwrap_err();
        assert!(matches!(&error, StoreError::Unavailable(why) if why.contains("NOT A SLUG")), "{error:?}");
    }
}
