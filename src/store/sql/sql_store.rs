//! One opened store, and how it is asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::backend::{Backend, Connection, Lease, Row};
use super::decode::FromRow;
use super::sieve::SomeNames;
use super::statement::{Statement, Text};
use super::store_clock::StoreClock;
use crate::clock::Clock;
use crate::store::error::StoreError;
use crate::store::stored;

/// One opened store.
pub(in crate::store) struct SqlStore {
    backend: Arc<dyn Backend>,
    clock: Arc<dyn Clock>,
    /// As of which place everything has been read by whoever has this; another place has a feed of its own.
    read: AtomicU64,
    names: SomeNames,
}

/// What is read.
#[derive(Clone, Copy)]
enum Part {
    Feed,
    Any,
}

impl SqlStore {
    pub(in crate::store) fn new(backend: Arc<dyn Backend>, clock: Arc<dyn Clock>) -> Self {
        Self { backend, clock, read: AtomicU64::new(0), names: SomeNames::default() }
    }

    /// The same store, as one has it who has read nothing of it yet.
    pub(super) fn unread(&self) -> Self {
        let read = AtomicU64::new(self.backend.moves());
        Self { backend: Arc::clone(&self.backend), clock: Arc::clone(&self.clock), read, names: SomeNames::default() }
    }

    pub(super) fn backend(&self) -> &dyn Backend {
        &*self.backend
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// Some names, if they have been read.
    pub(super) fn names(&self) -> &SomeNames {
        &self.names
    }

    /// Everything has been read as of this place.
    pub(super) fn note_read(&self, moves: u64) {
        self.read.store(moves, Ordering::Release);
    }

    /// Whether everything has been read as of the place that the store is at.
    pub(super) fn is_read(&self) -> bool {
        self.read.load(Ordering::Acquire) == self.backend.moves()
    }

    /// The time that stands in the store, whoever writes it.
    pub(super) async fn time(&self, connection: &mut dyn Connection) -> Result<StoreClock, StoreError> {
        Ok(StoreClock::new(Arc::clone(&self.clock), self.backend.ahead(connection).await?))
    }

    pub(super) async fn one<T: FromRow>(&self, question: Statement) -> Result<Option<T>, StoreError> {
        self.read(question).await?.first().map(|row| T::from_row(&**row)).transpose()
    }

    pub(super) async fn all<T: FromRow>(&self, question: Statement) -> Result<Vec<T>, StoreError> {
        of_rows(&self.read(question).await?)
    }

    /// The rows of the feed, of which everybody hears in time.
    pub(super) async fn all_of_the_feed<T: FromRow>(&self, question: Statement) -> Result<Vec<T>, StoreError> {
        of_rows(&self.read_of(Part::Feed, question).await?)
    }

    async fn read(&self, question: Statement) -> Result<Vec<Box<dyn Row>>, StoreError> {
        self.read_of(Part::Any, question).await
    }

    /// One statement that changes nothing. It is asked once more of another connection if the first was lost without anybody's knowing.
    async fn read_of(&self, part: Part, question: Statement) -> Result<Vec<Box<dyn Row>>, StoreError> {
        let mut lease = self.lease(part).await?;
        match lease.connection().fetch(question.clone()).await {
            Err(_) if lease.is_lost() => {
                drop(lease);
                lease = self.lease(part).await?;
                let rows = lease.connection().fetch(question).await?;
                lease.give_back();
                Ok(rows)
            }
            answer => {
                let rows = answer?;
                lease.give_back();
                Ok(rows)
            }
        }
    }

    async fn lease(&self, part: Part) -> Result<Box<dyn Lease + '_>, StoreError> {
        match part {
            Part::Feed => self.backend.follower().await,
            Part::Any => self.backend.reader().await,
        }
    }

    /// Several statements without values, for who follows the feed, as of one moment, asked once more likewise; what is made of their rows, one after the
    /// other.
    pub(super) async fn read_together<T, F>(&self, questions: &[Text], take: F) -> Result<T, StoreError>
    where
        T: Default + Send,
        F: Fn(&mut T, usize, &dyn Row) -> Result<(), StoreError> + Sync,
    {
        let mut lease = self.backend.follower().await?;
        let mut made = T::default();
        let mut answered = lease.connection().fetch_together(questions, &mut |number, row| take(&mut made, number, row)).await;
        if answered.is_err() && lease.is_lost() {
            drop(lease);
            lease = self.backend.follower().await?;
            // What had come may be of another moment.
            made = T::default();
            answered = lease.connection().fetch_together(questions, &mut |number, row| take(&mut made, number, row)).await;
        }
        answered?;
        lease.give_back();
        Ok(made)
    }
}

pub(super) fn of_rows<T: FromRow>(rows: &[Box<dyn Row>]) -> Result<Vec<T>, StoreError> {
    rows.iter().map(|row| T::from_row(&**row)).collect()
}

/// Every row of the answer.
pub(super) async fn every<T: FromRow>(question: Statement, connection: &mut dyn Connection) -> Result<Vec<T>, StoreError> {
    of_rows(&connection.fetch(question).await?)
}

/// The one row of an answer that always has one.
pub(super) async fn only<T: FromRow>(question: Statement, connection: &mut dyn Connection) -> Result<T, StoreError> {
    let rows = connection.fetch(question).await?;
    rows.first().map(|row| T::from_row(&**row)).ok_or_else(|| stored::nonsense("an answer", "it is empty"))?
}
