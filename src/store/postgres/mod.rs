//! The store in a PostgreSQL database (13 or later), shared by any number of processes on any number of machines.
//!
//! Whoever changes anything locks the one row that has the revision, before it reads: changes come one after the other, as revisions do.
//! Readers wait for nobody. A commit tells the others by `NOTIFY`, which carries the revision and is a hint; the feed is the truth.

mod connection;
mod error;
mod listen;
mod migrations;
mod opening;
mod pool;
mod skew;
mod sql;

use std::sync::Arc;

use async_trait::async_trait;
use jiff::SignedDuration;

use self::listen::ChangeWatch;
use self::opening::Examined;
use self::pool::{Pool, Wanted};
use self::skew::Skew;
use super::error::StoreError;
use super::sql::{Backend, Connection, Lease, SqlStore, query};
use crate::clock::Clock;
use crate::config::PostgresSettings;
use crate::model::Strategy;

/// Opens the database, making and migrating tables as needed.
pub(super) async fn open(settings: &PostgresSettings, initial: Strategy, clock: Arc<dyn Clock>) -> Result<SqlStore, StoreError> {
    opening::open(settings, initial).await?;
    Ok(SqlStore::new(Arc::new(PostgresServer::new(settings)), clock))
}

/// Opens the database for reading alone; neither makes nor migrates anything. A sentence about it if it needs migration.
pub(super) async fn inspect(settings: &PostgresSettings, clock: Arc<dyn Clock>) -> Result<Result<SqlStore, String>, StoreError> {
    Ok(match opening::look(settings).await? {
        Examined::Sound => Ok(SqlStore::new(Arc::new(PostgresServer::to_read(settings)), clock)),
        Examined::Outdated(why) => Err(format!("{settings}: {why}")),
    })
}

/// One opened database.
struct PostgresServer {
    pool: Arc<Pool>,
    watch: ChangeWatch,
    skew: Skew,
}

impl PostgresServer {
    fn new(settings: &PostgresSettings) -> Self {
        Self { pool: Arc::new(Pool::new(settings, sql::SESSION)), watch: ChangeWatch::new(settings), skew: Skew::new() }
    }

    fn to_read(settings: &PostgresSettings) -> Self {
        Self { pool: Arc::new(Pool::new(settings, sql::SESSION_TO_READ)), watch: ChangeWatch::new(settings), skew: Skew::new() }
    }
}

#[async_trait]
impl Backend for PostgresServer {
    async fn reader(&self) -> Result<Box<dyn Lease + '_>, StoreError> {
        Ok(Box::new(self.pool.lease(Wanted::Reading).await?))
    }

    async fn follower(&self) -> Result<Box<dyn Lease + '_>, StoreError> {
        Ok(Box::new(self.pool.lease(Wanted::Following).await?))
    }

    async fn writer(&self) -> Result<Box<dyn Lease + '_>, StoreError> {
        Ok(Box::new(self.pool.lease(Wanted::Writing).await?))
    }

    /// A server is one place, whoever answers for it.
    async fn settle(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn moves(&self) -> u64 {
        0
    }

    async fn ahead(&self, connection: &mut dyn Connection) -> Result<SignedDuration, StoreError> {
        self.skew.ahead(connection).await
    }

    async fn announce(&self, connection: &mut dyn Connection) -> Result<(), StoreError> {
        connection.execute(query(sql::ANNOUNCE)).await.map(drop)
    }

    async fn is_kept(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn committed(&self) {
        self.watch.committed();
    }

    async fn woken(&self) {
        self.watch.woken().await;
    }

    async fn close(&self) {
        self.watch.close().await;
        self.pool.close().await;
    }
}
