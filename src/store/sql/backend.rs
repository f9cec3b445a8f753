//! What a database has to do for the store that is written on it once: give connections, take statements, tell of commits.

use async_trait::async_trait;
use jiff::SignedDuration;
use sqlx::{ColumnIndex, Decode, Type};

use super::statement::{Statement, Text, query};
use super::text;
use crate::store::error::StoreError;
use crate::store::stored::nonsense;

/// Where connections come from, and what is true of the place that they lead to.
#[async_trait]
pub(in crate::store) trait Backend: Send + Sync + 'static {
    /// A connection to read with.
    async fn reader(&self) -> Result<Box<dyn Lease + '_>, StoreError>;
    /// A connection to follow the feed with, which is not behind whoever reads anything else, where they may be many.
    async fn follower(&self) -> Result<Box<dyn Lease + '_>, StoreError> {
        self.reader().await
    }
    /// A connection to write with.
    async fn writer(&self) -> Result<Box<dyn Lease + '_>, StoreError>;
    /// Sees to it that connections lead to the store that was opened, before anything is changed or the feed is read.
    async fn settle(&self) -> Result<(), StoreError>;
    /// How often what is behind the connections has become another one, whose feed says nothing of what was read before.
    fn moves(&self) -> u64;
    /// By how much clocks are ahead where the store is, if that is another machine: of several that write, one may be wrong.
    async fn ahead(&self, _: &mut dyn Connection) -> Result<SignedDuration, StoreError> {
        Ok(SignedDuration::ZERO)
    }
    /// Tells others, when this transaction commits, that there is something new.
    async fn announce(&self, connection: &mut dyn Connection) -> Result<(), StoreError>;
    /// Whether what was committed is where others see it.
    async fn is_kept(&self) -> Result<(), StoreError>;
    /// This process has committed something that others wait for.
    fn committed(&self);
    /// Returns when somebody may have committed.
    async fn woken(&self);
    /// Ends all connections.
    async fn close(&self);
}

/// A connection in use. Dropped without [`give_back`](Self::give_back) it is closed: whatever state it is in ends with it.
pub(in crate::store) trait Lease: Send {
    fn connection(&mut self) -> &mut dyn Connection;
    /// Whether what has failed on it was the connection: another one may do better.
    fn is_lost(&self) -> bool {
        false
    }
    /// The work is done and the connection as good as before.
    fn give_back(self: Box<Self>);
}

/// A connection, as far as statements go.
#[async_trait]
pub(in crate::store) trait Connection: Send {
    /// Every row of the answer.
    async fn fetch(&mut self, statement: Statement) -> Result<Vec<Box<dyn Row>>, StoreError>;
    /// How many rows it has touched.
    async fn execute(&mut self, statement: Statement) -> Result<u64, StoreError>;
    /// Each row of the answer as it comes, so that no more than a few of them are in memory at once. If it fails, the connection is not to be
    /// given back.
    async fn fetch_each(&mut self, statement: Statement, take: &mut TakeRow<'_>) -> Result<(), StoreError> {
        for row in self.fetch(statement).await? {
            take(&*row)?;
        }
        Ok(())
    }
    /// Each row of several answers as it comes, and which of the answers it belongs to, as of one moment. If it fails, the connection is not to
    /// be given back.
    async fn fetch_together(&mut self, questions: &[Text], take: &mut TakeAnswer<'_>) -> Result<(), StoreError> {
        self.execute(query(text::BEGIN_READ)).await?;
        for (number, question) in questions.iter().enumerate() {
            self.fetch_each(query(*question), &mut |row| take(number, row)).await?;
        }
        self.execute(query(text::COMMIT)).await?;
        Ok(())
    }
}

/// Makes something of a row.
pub(in crate::store) type TakeRow<'t> = dyn FnMut(&dyn Row) -> Result<(), StoreError> + Send + 't;
/// Makes something of a row of the answer of this number.
pub(in crate::store) type TakeAnswer<'t> = dyn FnMut(usize, &dyn Row) -> Result<(), StoreError> + Send + 't;

/// A transaction. Dropped without its end, it is undone with its connection.
pub(in crate::store) struct Transaction<'s> {
    lease: Box<dyn Lease + 's>,
}

impl<'s> Transaction<'s> {
    /// One that reads a single state.
    pub(super) async fn reading(backend: &'s dyn Backend) -> Result<Self, StoreError> {
        Ok(match Self::begun(backend.reader().await?, text::BEGIN_READ).await? {
            Some(begun) => begun,
            None => Self::begun(backend.reader().await?, text::BEGIN_READ).await?.ok_or_else(lost)?,
        })
    }

    pub(super) async fn writing(backend: &'s dyn Backend) -> Result<Self, StoreError> {
        Ok(match Self::begun(backend.writer().await?, text::BEGIN_WRITE).await? {
            Some(begun) => begun,
            None => Self::begun(backend.writer().await?, text::BEGIN_WRITE).await?.ok_or_else(lost)?,
        })
    }

    /// `None`: the connection had been lost, and nothing has happened yet.
    async fn begun(mut lease: Box<dyn Lease + 's>, beginning: Text) -> Result<Option<Self>, StoreError> {
        match lease.connection().execute(query(beginning)).await {
            Ok(_) => Ok(Some(Self { lease })),
            Err(_) if lease.is_lost() => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn connection(&mut self) -> &mut dyn Connection {
        self.lease.connection()
    }

    pub(super) async fn commit(mut self) -> Result<(), StoreError> {
        self.lease.connection().execute(query(text::COMMIT)).await?;
        self.lease.give_back();
        Ok(())
    }

    pub(super) async fn roll_back(mut self) -> Result<(), StoreError> {
        self.lease.connection().execute(query(text::ROLLBACK)).await?;
        self.lease.give_back();
        Ok(())
    }
}

fn lost() -> StoreError {
    StoreError::Unavailable("the connection was lost".to_owned())
}

/// Which column.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) enum At<'n> {
    /// The one that is called this.
    Name(&'n str),
    /// The only one.
    First,
}

/// A row of an answer: what stands in a column, if anything does.
pub(in crate::store) trait Row: Send + Sync {
    fn text(&self, at: At<'_>) -> Result<Option<&str>, StoreError>;
    fn number(&self, at: At<'_>) -> Result<Option<i64>, StoreError>;
    fn bytes(&self, at: At<'_>) -> Result<Option<&[u8]>, StoreError>;
    fn flag(&self, at: At<'_>) -> Result<Option<bool>, StoreError>;
}

impl<R> Row for R
where
    R: sqlx::Row,
    usize: ColumnIndex<R>,
    for<'n> &'n str: ColumnIndex<R>,
    for<'r> &'r str: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> &'r [u8]: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> i64: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> bool: Decode<'r, R::Database> + Type<R::Database>,
{
    fn text(&self, at: At<'_>) -> Result<Option<&str>, StoreError> {
        get(self, at)
    }

    fn number(&self, at: At<'_>) -> Result<Option<i64>, StoreError> {
        get(self, at)
    }

    fn bytes(&self, at: At<'_>) -> Result<Option<&[u8]>, StoreError> {
        get(self, at)
    }

    fn flag(&self, at: At<'_>) -> Result<Option<bool>, StoreError> {
        get(self, at)
    }
}

fn get<'r, R, T>(row: &'r R, at: At<'_>) -> Result<Option<T>, StoreError>
where
    R: sqlx::Row,
    usize: ColumnIndex<R>,
    for<'n> &'n str: ColumnIndex<R>,
    T: Decode<'r, R::Database> + Type<R::Database>,
{
    let value = match at {
        At::Name(name) => row.try_get(name),
        At::First => row.try_get(0_usize),
    };
    // The answer is there: what can fail is what stands in it, in the same words whichever database it is.
    value.map_err(|error| StoreError::Unavailable(error.to_string()))
}

/// What can stand in a column.
pub(in crate::store) trait Column<'r>: Sized {
    fn of(row: &'r dyn Row, at: At<'_>) -> Result<Self, StoreError>;
}

/// The value of this column.
pub(in crate::store) fn column<'r, T: Column<'r>>(row: &'r dyn Row, name: &str) -> Result<T, StoreError> {
    T::of(row, At::Name(name))
}

fn there<T>(value: Option<T>, at: At<'_>) -> Result<T, StoreError> {
    value.ok_or_else(|| match at {
        At::Name(name) => nonsense("a row", format_args!("its {name} is null")),
        At::First => nonsense("a row", "it is null"),
    })
}

impl<'r> Column<'r> for Option<&'r str> {
    fn of(row: &'r dyn Row, at: At<'_>) -> Result<Self, StoreError> {
        row.text(at)
    }
}

impl<'r> Column<'r> for &'r str {
    fn of(row: &'r dyn Row, at: At<'_>) -> Result<Self, StoreError> {
        there(row.text(at)?, at)
    }
}

impl Column<'_> for Option<String> {
    fn of(row: &dyn Row, at: At<'_>) -> Result<Self, StoreError> {
        Ok(row.text(at)?.map(str::to_owned))
    }
}

impl Column<'_> for String {
    fn of(row: &dyn Row, at: At<'_>) -> Result<Self, StoreError> {
        there(row.text(at)?, at).map(str::to_owned)
    }
}

impl Column<'_> for Option<i64> {
    fn of(row: &dyn Row, at: At<'_>) -> Result<Self, StoreError> {
        row.number(at)
    }
}

impl Column<'_> for i64 {
    fn of(row: &dyn Row, at: At<'_>) -> Result<Self, StoreError> {
        there(row.number(at)?, at)
    }
}

impl<'r> Column<'r> for Option<&'r [u8]> {
    fn of(row: &'r dyn Row, at: At<'_>) -> Result<Self, StoreError> {
        row.bytes(at)
    }
}

impl<'r> Column<'r> for &'r [u8] {
    fn of(row: &'r dyn Row, at: At<'_>) -> Result<Self, StoreError> {
        there(row.bytes(at)?, at)
    }
}

impl Column<'_> for bool {
    fn of(row: &dyn Row, at: At<'_>) -> Result<Self, StoreError> {
        there(row.flag(at)?, at)
    }
}
