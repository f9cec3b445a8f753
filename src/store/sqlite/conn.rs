//! Connections and who has them.
//!
//! sqlx's own pool asks the connection for a sign of life before and after every use and hands it back through a task: three more
//! hand-overs between threads than the one query of a cold key costs. A file needs none of that; it needs that a connection which failed, or
//! whose user was dropped half-way, is never used again: its transaction may be in any state.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection as _, Sqlite, SqliteConnection, query};
use tokio::sync::{Mutex, MutexGuard};

use super::error::unavailable;
use super::file_guard::FileGuard;
use crate::store::error::StoreError;
use crate::store::sql::{Connection, Lease, Row, Statement, TakeRow, Value};

/// Enough that a slow listing does not stand in the way of a cold key; each costs a thread and a page cache.
const READERS: usize = 2;

/// A place for one connection.
pub(super) struct ConnSlot {
    options: SqliteConnectOptions,
    guard: Arc<FileGuard>,
    connection: Mutex<Option<SqliteConnection>>,
}

/// A connection in use. Dropped without [`give_back`](Self::give_back) it is closed, and the next user gets a new one.
pub(super) struct SlotLease<'s> {
    place: MutexGuard<'s, Option<SqliteConnection>>,
    connection: SqliteConnection,
}

impl ConnSlot {
    fn empty(options: SqliteConnectOptions, guard: &Arc<FileGuard>) -> Self {
        Self { options, guard: Arc::clone(guard), connection: Mutex::new(None) }
    }

    pub(super) fn holding(options: SqliteConnectOptions, connection: Option<SqliteConnection>, guard: &Arc<FileGuard>) -> Self {
        Self { connection: Mutex::new(connection), ..Self::empty(options, guard) }
    }

    /// Waits for its turn.
    pub(super) async fn lease(&self) -> Result<SlotLease<'_>, StoreError> {
        self.lease_of(self.connection.lock().await).await
    }

    /// Closes the connection as soon as nobody uses it: it leads to a file that is not the store any more.
    pub(super) async fn clear(&self) {
        self.connection.lock().await.take();
    }

    /// Waits until nobody uses the connection, and takes it away.
    pub(super) async fn take(&self) -> Option<SqliteConnection> {
        self.connection.lock().await.take()
    }

    /// Gives back one that was taken away.
    pub(super) async fn put(&self, connection: SqliteConnection) {
        *self.connection.lock().await = Some(connection);
    }

    /// Waits until nobody uses the connection, and for its end.
    pub(super) async fn close(&self) {
        end(self.connection.lock().await.take()).await;
    }

    async fn lease_of<'s>(&'s self, mut place: MutexGuard<'s, Option<SqliteConnection>>) -> Result<SlotLease<'s>, StoreError> {
        self.guard.kept()?;
        let connection = match place.take() {
            Some(connection) => connection,
            None => connect(&self.options, &self.guard).await?,
        };
        Ok(SlotLease { place, connection })
    }
}

/// Closes a connection, and returns when that is done. What stands in the way of a clean end is told and nothing more: every change is on
/// the disk already.
pub(super) async fn end(connection: Option<SqliteConnection>) {
    if let Some(connection) = connection
        && let Err(error) = connection.close().await
    {
        tracing::debug!(%error, "a connection to the store was not closed in order");
    }
}

/// A new connection to the file that is open, and to no other.
pub(super) async fn connect(options: &SqliteConnectOptions, guard: &Arc<FileGuard>) -> Result<SqliteConnection, StoreError> {
    // Before, since SQLite would make a log where one is missing; and after, since it is opened by its path.
    guard.is_here().await?;
    let connection = options.connect().await.map_err(unavailable)?;
    guard.is_here().await?;
    Ok(connection)
}

impl SlotLease<'_> {
    pub(super) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }

    /// The work is done and the connection as good as before.
    pub(super) fn give_back(self) {
        let Self { mut place, connection } = self;
        *place = Some(connection);
    }
}

impl Lease for SlotLease<'_> {
    fn connection(&mut self) -> &mut dyn Connection {
        &mut self.connection
    }

    fn give_back(self: Box<Self>) {
        (*self).give_back();
    }
}

#[async_trait]
impl Connection for SqliteConnection {
    async fn fetch(&mut self, statement: Statement) -> Result<Vec<Box<dyn Row>>, StoreError> {
        let rows = told(statement).fetch_all(self).await.map_err(unavailable)?;
        Ok(rows.into_iter().map(|row| Box::new(row) as Box<dyn Row>).collect())
    }

    async fn fetch_each(&mut self, statement: Statement, take: &mut TakeRow<'_>) -> Result<(), StoreError> {
        let mut rows = told(statement).fetch(self);
        while let Some(row) = rows.try_next().await.map_err(unavailable)? {
            take(&row)?;
        }
        Ok(())
    }

    async fn execute(&mut self, statement: Statement) -> Result<u64, StoreError> {
        Ok(told(statement).execute(self).await.map_err(unavailable)?.rows_affected())
    }
}

/// In SQLite's words.
fn told(statement: Statement) -> Query<'static, Sqlite, SqliteArguments> {
    let question = match statement.sqlite {
        Cow::Borrowed(text) => query(text),
        Cow::Owned(text) => query(AssertSqlSafe(text)),
    };
    statement.values.into_iter().fold(question, |question, value| match value {
        Value::Text(text) => question.bind(text),
        Value::Number(number) => question.bind(number),
        Value::Bytes(bytes) => question.bind(bytes),
        Value::Flag(flag) => question.bind(flag),
    })
}

/// The connections that read. They are opened when first needed.
pub(super) struct Readers {
    slots: Vec<ConnSlot>,
    turn: AtomicUsize,
}

impl Readers {
    pub(super) fn new(options: &SqliteConnectOptions, guard: &Arc<FileGuard>) -> Self {
        Self { slots: (0..READERS).map(|_| ConnSlot::empty(options.clone(), guard)).collect(), turn: AtomicUsize::new(0) }
    }

    pub(super) async fn clear(&self) {
        for slot in &self.slots {
            slot.clear().await;
        }
    }

    pub(super) async fn close(&self) {
        for slot in &self.slots {
            slot.close().await;
        }
    }

    /// The first that is free, or else a place in one of the queues.
    pub(super) async fn lease(&self) -> Result<SlotLease<'_>, StoreError> {
        for slot in &self.slots {
            if let Ok(place) = slot.connection.try_lock() {
                return slot.lease_of(place).await;
            }
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % self.slots.len();
        self.slots.get(turn).expect("the remainder is smaller than the number of slots").lease().await
    }
}
