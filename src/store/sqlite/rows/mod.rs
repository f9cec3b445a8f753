//! The tables, as the rules of [`apply`](crate::store::apply) read and write them: one method for each statement, no rule in any.
//!
//! Everything happens in the one transaction that the writer has open, so what a method reads cannot change before the next one writes.

mod audit;
mod bindings;
mod keys;
mod managed;
mod once;
mod policies;
mod roles;
mod spaces;

use async_trait::async_trait;
use sqlx::query::{Query, QueryScalar};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Sqlite, SqliteConnection, query, query_scalar};

use super::decode::FromRow;
use super::sql;
use crate::model::{Change, Reach, Resource, Revision};
use crate::store::apply::Rows;
use crate::store::{StoreError, stored};

/// A connection with a transaction open.
pub(super) struct SqliteRows<'t> {
    connection: &'t mut SqliteConnection,
    /// What stands in every row that is written.
    revision: Revision,
}

impl<'t> SqliteRows<'t> {
    pub(super) fn new(connection: &'t mut SqliteConnection) -> Self {
        Self { connection, revision: Revision::default() }
    }

    fn stamp(&self) -> i64 {
        stored::number(self.revision)
    }

    async fn run(&mut self, statement: Query<'_, Sqlite, SqliteArguments>) -> Result<(), StoreError> {
        statement.execute(&mut *self.connection).await?;
        Ok(())
    }

    async fn scalar<T>(&mut self, question: QueryScalar<'_, Sqlite, T, SqliteArguments>) -> Result<T, StoreError>
    where
        T: Send + Unpin,
        (T,): Send + Unpin + for<'r> sqlx::FromRow<'r, SqliteRow>,
    {
        Ok(question.fetch_one(&mut *self.connection).await?)
    }

    async fn find<T: FromRow>(&mut self, question: Query<'_, Sqlite, SqliteArguments>) -> Result<Option<T>, StoreError> {
        question.fetch_optional(&mut *self.connection).await?.as_ref().map(T::from_row).transpose()
    }

    async fn count(&mut self, statement: &'static str, of: &str) -> Result<u64, StoreError> {
        let count: i64 = self.scalar(query_scalar(statement).bind(of.to_owned())).await?;
        Ok(count.unsigned_abs())
    }
}

#[async_trait]
impl Rows for SqliteRows<'_> {
    /// The lock is held already: the transaction has begun with it.
    async fn lock(&mut self) -> Result<Revision, StoreError> {
        stored::revision(self.scalar(query_scalar(sql::LAST_REVISION)).await?)
    }

    async fn take_revision(&mut self) -> Result<Revision, StoreError> {
        self.revision = stored::revision(self.scalar(query_scalar(sql::TAKE_REVISION)).await?)?;
        Ok(self.revision)
    }

    async fn revision_of(&mut self, resource: &Resource) -> Result<Option<Revision>, StoreError> {
        self.find(query(sql::revision_of(resource)).bind(resource.id())).await
    }

    async fn insert_change(&mut self, change: &Change, kept: u64) -> Result<(), StoreError> {
        let (key, digests) = match &change.reach {
            Reach::Key(id, digests) => {
                let bytes: Vec<u8> = digests.iter().flat_map(|digest| *digest.as_bytes()).collect();
                (Some(id.to_string()), Some(bytes))
            }
            Reach::All => (None, None),
        };
        let number = stored::number(change.revision);
        self.run(query(sql::INSERT_CHANGE).bind(number).bind(stored::micros(change.at)).bind(key).bind(digests)).await?;
        self.run(query(sql::PRUNE_CHANGES).bind(stored::number(Revision(change.revision.0.saturating_sub(kept))))).await
    }
}
