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

use super::backend::{At, Column, Connection, Row};
use super::decode::FromRow;
use super::statement::{Statement, Text, query};
use super::text;
use crate::model::{Change, Reach, Resource, Revision};
use crate::store::apply::Rows;
use crate::store::error::StoreError;
use crate::store::stored;

/// A connection with a transaction open.
pub(in crate::store) struct SqlRows<'t> {
    connection: &'t mut dyn Connection,
    /// What stands in every row that is written.
    revision: Revision,
}

impl<'t> SqlRows<'t> {
    pub(in crate::store) fn new(connection: &'t mut dyn Connection) -> Self {
        Self { connection, revision: Revision::default() }
    }

    fn stamp(&self) -> i64 {
        stored::number(self.revision)
    }

    async fn run(&mut self, statement: Statement) -> Result<(), StoreError> {
        self.connection.execute(statement).await?;
        Ok(())
    }

    async fn scalar<T: for<'r> Column<'r>>(&mut self, question: Statement) -> Result<T, StoreError> {
        let rows = self.connection.fetch(question).await?;
        let row: &dyn Row = rows.first().map(|row| &**row).ok_or_else(|| stored::nonsense("an answer", "it is empty"))?;
        T::of(row, At::First)
    }

    async fn find<T: FromRow>(&mut self, question: Statement) -> Result<Option<T>, StoreError> {
        self.connection.fetch(question).await?.first().map(|row| T::from_row(&**row)).transpose()
    }

    async fn all<T: FromRow>(&mut self, question: Statement) -> Result<Vec<T>, StoreError> {
        self.connection.fetch(question).await?.iter().map(|row| T::from_row(&**row)).collect()
    }

    async fn count(&mut self, statement: Text, of: &str) -> Result<u64, StoreError> {
        let count: i64 = self.scalar(query(statement).bind(of.to_owned())).await?;
        Ok(count.unsigned_abs())
    }
}

#[async_trait]
impl Rows for SqlRows<'_> {
    async fn lock(&mut self) -> Result<Revision, StoreError> {
        stored::revision(self.scalar(query(text::LOCK)).await?)
    }

    async fn take_revision(&mut self) -> Result<Revision, StoreError> {
        self.revision = stored::revision(self.scalar(query(text::TAKE_REVISION)).await?)?;
        Ok(self.revision)
    }

    async fn revision_of(&mut self, resource: &Resource) -> Result<Option<Revision>, StoreError> {
        self.find(query(text::revision_of(resource)).bind(resource.id())).await
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
        self.run(query(text::INSERT_CHANGE).bind(number).bind(stored::micros(change.at)).bind(key).bind(digests)).await?;
        self.run(query(text::PRUNE_CHANGES).bind(stored::number(Revision(change.revision.0.saturating_sub(kept))))).await
    }
}
