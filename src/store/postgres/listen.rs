//! Notices commits: this process's at once, others' when the server tells.
//!
//! A connection of its own listens, only while somebody waits. What comes meanwhile is kept by the server's end of the connection. A
//! connection that is lost wakes whoever waits once it is there again, since something may have been missed.

use std::time::Duration;

use sqlx::Executor as _;
use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio::runtime::Handle;
use tokio::sync::{Mutex, Notify};
use tokio::time::timeout;

use super::connection::options;
use super::error::unavailable;
use super::pool::jittered;
use super::sql;
use crate::config::PostgresSettings;
use crate::store::error::StoreError;

/// After this long without a word, the server is asked whether it is still there: a network may swallow what it says.
const SILENCE: Duration = Duration::from_secs(10);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two attempts to connect: at first, and at most.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

pub(super) struct ChangeWatch {
    settings: PostgresSettings,
    own: Notify,
    heard: Mutex<Ears>,
}

enum Ears {
    Deaf,
    Open(PgListener),
    Closed,
}

impl ChangeWatch {
    pub(super) fn new(settings: &PostgresSettings) -> Self {
        Self { settings: settings.clone(), own: Notify::new(), heard: Mutex::new(Ears::Deaf) }
    }

    /// This process has committed.
    pub(super) fn committed(&self) {
        self.own.notify_waiters();
    }

    /// No commit is noticed any more.
    pub(super) async fn close(&self) {
        // Whoever waits lets go of the connection.
        self.own.notify_waiters();
        *self.heard.lock().await = Ears::Closed;
    }

    /// Returns when somebody may have committed since a call of this last returned.
    pub(super) async fn woken(&self) {
        tokio::select! {
            () = self.own.notified() => {}
            () = self.others() => self.own.notify_waiters(),
        }
    }

    async fn others(&self) {
        let mut heard = self.heard.lock().await;
        let mut pause = PAUSE;
        loop {
            match &mut *heard {
                Ears::Open(listener) => {
                    if !has_heard(listener).await {
                        *heard = Ears::Deaf;
                        continue;
                    }
                    return;
                }
                Ears::Closed => std::future::pending().await,
                Ears::Deaf => match self.connect().await {
                    // Something may have been said before.
                    Ok(listener) => {
                        *heard = Ears::Open(listener);
                        return;
                    }
                    Err(error) => {
                        tracing::debug!(%error, "nobody tells of changes");
                        wait(jittered(pause)).await;
                        pause = (pause * 2).min(PAUSE_MAX);
                    }
                },
            }
        }
    }

    async fn connect(&self) -> Result<PgListener, StoreError> {
        let pool = PgPoolOptions::new().max_connections(1).max_lifetime(None).idle_timeout(None).acquire_timeout(PATIENCE);
        let pool = pool.connect_lazy_with(options(&self.settings).await?);
        let mut listener = PgListener::connect_with(&pool).await.map_err(unavailable)?;
        listener.eager_reconnect(false);
        listener.listen(sql::CHANNEL).await.map_err(unavailable)?;
        Ok(listener)
    }
}

/// Whether somebody has said something, and not the connection has ended.
async fn has_heard(listener: &mut PgListener) -> bool {
    loop {
        match timeout(SILENCE, listener.try_recv()).await {
            Ok(Ok(Some(_))) => {
                // However much was said, it is one look.
                while listener.next_buffered().is_some() {}
                return true;
            }
            Ok(Ok(None) | Err(_)) => return false,
            Err(_) => match timeout(PATIENCE, listener.execute("SELECT 1")).await {
                Ok(Ok(_)) => {}
                Ok(Err(_)) | Err(_) => return false,
            },
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the pause between two attempts to reach a server that is away")]
async fn wait(pause: Duration) {
    tokio::time::sleep(pause).await;
}

impl Drop for ChangeWatch {
    /// The listener ends on a task of the runtime; without one there is nobody to do it, and the process is about to end.
    fn drop(&mut self) {
        if Handle::try_current().is_err()
            && let Ears::Open(listener) = std::mem::replace(self.heard.get_mut(), Ears::Closed)
        {
            std::mem::forget(listener);
        }
    }
}
