//! The tables, as the rules of [`apply`](crate::store::apply) read and write them: one method for each statement, no rule in any.
//!
//! Everything happens in the one transaction that the writer has open, so what a method reads cannot change before the next one writes.

mod bindings;
mod keys;
mod policies;
mod roles;
mod spaces;

use jiff::Timestamp;
use sqlx::query::{Query, QueryAs, QueryScalar};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{FromRow, Sqlite, SqliteConnection, query, query_scalar};

use super::sql;
use crate::model::{Change, Reach, Revision};
use crate::store::{StoreError, rows};

/// A connection with a transaction open.
pub(in crate::store) struct Tables<'t> {
    connection: &'t mut SqliteConnection,
}

/// What the audit keeps besides the change itself.
pub(in crate::store) struct AuditedChange<'a> {
    pub(in crate::store) actor: String,
    pub(in crate::store) action: &'static str,
    pub(in crate::store) resource: &'a str,
    pub(in crate::store) before: Option<String>,
    pub(in crate::store) after: Option<String>,
}

impl<'t> Tables<'t> {
    pub(super) fn new(connection: &'t mut SqliteConnection) -> Self {
        Self { connection }
    }

    /// The next revision. The row's lock is the transaction's, so revisions become visible in order.
    pub(in crate::store) async fn take_revision(&mut self) -> Result<Revision, StoreError> {
        rows::revision(self.scalar(query_scalar(sql::TAKE_REVISION)).await?)
    }

    /// Puts a change into the feed and takes those out that are `kept` or more behind it.
    pub(in crate::store) async fn insert_change(&mut self, change: &Change, kept: u64) -> Result<(), StoreError> {
        let (key, digests) = match &change.reach {
            Reach::Key(id, digests) => {
                let bytes: Vec<u8> = digests.iter().flat_map(|digest| *digest.as_bytes()).collect();
                (Some(id.to_string()), Some(bytes))
            }
            Reach::All => (None, None),
        };
        let number = rows::number(change.revision);
        self.run(query(sql::INSERT_CHANGE).bind(number).bind(rows::stored(change.at)).bind(key).bind(digests)).await?;
        self.run(query(sql::PRUNE_CHANGES).bind(rows::number(Revision(change.revision.0.saturating_sub(kept))))).await
    }

    pub(in crate::store) async fn insert_audit(
        &mut self,
        revision: Revision,
        at: Timestamp,
        entry: AuditedChange<'_>,
    ) -> Result<(), StoreError> {
        let AuditedChange { actor, action, resource, before, after } = entry;
        let row = query(sql::INSERT_AUDIT).bind(rows::number(revision)).bind(rows::stored(at)).bind(actor).bind(action);
        self.run(row.bind(resource.to_owned()).bind(before).bind(after)).await
    }

    async fn run(&mut self, statement: Query<'_, Sqlite, SqliteArguments>) -> Result<(), StoreError> {
        statement.execute(&mut *self.connection).await?;
        Ok(())
    }

    async fn scalar<T>(&mut self, question: QueryScalar<'_, Sqlite, T, SqliteArguments>) -> Result<T, StoreError>
    where
        T: Send + Unpin,
        (T,): Send + Unpin + for<'r> FromRow<'r, SqliteRow>,
    {
        Ok(question.fetch_one(&mut *self.connection).await?)
    }

    async fn find<R, T>(
        &mut self,
        question: QueryAs<'_, Sqlite, R, SqliteArguments>,
        read: fn(R) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError>
    where
        R: Send + Unpin + for<'r> FromRow<'r, SqliteRow>,
    {
        question.fetch_optional(&mut *self.connection).await?.map(read).transpose()
    }

    async fn count(&mut self, statement: &'static str, of: &str) -> Result<u64, StoreError> {
        let count: i64 = self.scalar(query_scalar(statement).bind(of.to_owned())).await?;
        Ok(count.unsigned_abs())
    }
}
