//! Notices commits: this process's at once, other processes' within [`INTERVAL`].
//!
//! SQLite tells nobody of a commit; it only shows a connection, when asked, a number that changes with every commit of another one. Asking
//! five times a second costs about a thousandth of a core, and only while somebody waits.

use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{SqliteConnection, query_scalar};
use tokio::sync::{Mutex, Notify};

use super::error::unavailable;
use super::file_guard::FileGuard;
use super::{conn, sql};
use crate::store::error::StoreError;

/// Between two looks at other processes' commits.
const INTERVAL: Duration = Duration::from_millis(200);

pub(super) struct CommitWatch {
    options: SqliteConnectOptions,
    guard: Arc<FileGuard>,
    own: Notify,
    /// The connection and the number that it showed last. Numbers of two connections cannot be compared, so they go together.
    seen: Mutex<Option<(SqliteConnection, i64)>>,
}

impl CommitWatch {
    /// From now on commits are noticed.
    pub(super) async fn start(options: SqliteConnectOptions, guard: &Arc<FileGuard>) -> Result<Self, StoreError> {
        let watch = Self { options, guard: Arc::clone(guard), own: Notify::new(), seen: Mutex::new(None) };
        watch.changed().await?;
        Ok(watch)
    }

    /// Another file is the store now.
    pub(super) async fn clear(&self) {
        self.seen.lock().await.take();
    }

    /// No commit is noticed any more.
    pub(super) async fn close(&self) {
        conn::end(self.seen.lock().await.take().map(|(connection, _)| connection)).await;
    }

    /// This process has committed.
    pub(super) fn committed(&self) {
        self.own.notify_waiters();
    }

    /// Returns when somebody may have committed since a call of this last returned.
    pub(super) async fn woken(&self) {
        tokio::select! {
            () = self.own.notified() => {}
            () = self.others() => self.own.notify_waiters(),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "SQLite has no way to wait for another process's commit")]
    async fn others(&self) {
        loop {
            match self.changed().await {
                Ok(true) => return,
                Ok(false) => tokio::time::sleep(INTERVAL).await,
                // Whoever waits will look, and see for themself what is wrong; but not more often than they would otherwise.
                Err(_) => return tokio::time::sleep(INTERVAL).await,
            }
        }
    }

    /// Whether another connection may have committed since this was last asked.
    async fn changed(&self) -> Result<bool, StoreError> {
        self.guard.kept()?;
        let mut seen = self.seen.lock().await;
        let (mut connection, before) = match seen.take() {
            Some((connection, number)) => (connection, Some(number)),
            None => (conn::connect(&self.options, &self.guard).await?, None),
        };
        let now: i64 = query_scalar(sql::DATA_VERSION).fetch_one(&mut connection).await.map_err(unavailable)?;
        *seen = Some((connection, now));
        Ok(before != Some(now))
    }
}
