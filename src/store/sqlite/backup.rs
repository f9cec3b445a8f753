//! Copies of a store, and the way back from one.
//!
//! A copy is made by SQLite while everybody goes on, and is one file that needs nothing beside it. It is written under another name, read
//! once, and only then called what it should be. Sessions of the console are not in it: one that was ended since would work again where it is
//! put back.
//!
//! The way back is a change like any other: in one transaction the rows become what the copy has, and the next revision is taken. Servers
//! that run notice it as they notice every change, revisions never go back, and the audit keeps what was undone.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{ConnectOptions as _, Connection as _, Sqlite, SqliteConnection, query, query_scalar};

use super::error::unavailable;
use super::opening::BUSY_TIMEOUT;
use super::origin::origin;
use super::sql::BEGIN_WRITE;
use super::{conn, opening, sql};
use crate::clock::Clock;
use crate::model::{AuditEntry, AuditId, Cause, Revision, Strategy};
use crate::store::apply::{AuditRows as _, Audited, Rows as _, append, tell};
use crate::store::backup::{Backup, Restored, Undo};
use crate::store::error::{Conflict, StoreError};
use crate::store::sql::{EntryOfSpaces, FromRow, Link, SqlRows, State, text};
use crate::store::stored;

/// What a restore is called in the audit.
const RESTORE: &str = "store.restore";

/// Copies the store at `path` to a file that is not there yet.
pub(in crate::store) async fn backup(path: &Path, to: &Path) -> Result<Backup, StoreError> {
    let to = absolute(to)?;
    if to.try_exists().unwrap_or(true) {
        return Err(named(&to, "there is something already, and nothing is written over"));
    }
    let unfinished = beside(&to, ".unfinished");
    let copied = copy(path, &unfinished).await;
    let finished = copied.and_then(|backup| {
        std::fs::rename(&unfinished, &to).and_then(|()| sync_directory_of(&to)).map_err(|error| named(&to, error))?;
        Ok(backup)
    });
    if finished.is_err() {
        remove(&unfinished);
    }
    finished
}

/// Writes a copy to a new file, and reads all of it.
async fn copy(path: &Path, to: &Path) -> Result<Backup, StoreError> {
    let mut connection = opening::source(path, BUSY_TIMEOUT).await?;
    remove(to);
    opening::make_file(to).map_err(|why| named(to, why))?;
    let target = to.to_str().ok_or_else(|| named(to, "the path is not UTF-8"))?;
    query(sql::COPY_INTO).bind(target.to_owned()).execute(&mut connection).await.map_err(unavailable)?;
    conn::end(Some(connection)).await;

    let mut copy = opening::unfinished_options(to).connect().await.map_err(unavailable)?;
    let sound: String = query_scalar(sql::QUICK_CHECK).fetch_one(&mut copy).await.map_err(unavailable)?;
    if sound != "ok" {
        return Err(named(path, format!("the store is damaged: {sound}")));
    }
    let state = State::from_row(&query(text::STATE.sqlite).fetch_one(&mut copy).await.map_err(unavailable)?)?;
    let keys: i64 = query_scalar(sql::KEY_COUNT).fetch_one(&mut copy).await.map_err(unavailable)?;
    if query_scalar(sql::HAS_SESSIONS).fetch_one(&mut copy).await.map_err(unavailable)? {
        query(sql::FORGET_SESSIONS).execute(&mut copy).await.map_err(unavailable)?;
    }
    conn::end(Some(copy)).await;
    File::open(to).and_then(|file| file.sync_all()).map_err(|error| named(to, error))?;
    Ok(Backup { revision: state.revision, keys: keys.unsigned_abs() })
}

/// Makes the store at `path`, which is made if it is not there, what the copy at `from` is.
pub(in crate::store) async fn restore(
    path: &Path,
    from: &Path,
    cause: &Cause,
    undo: Undo,
    clock: Arc<dyn Clock>,
) -> Result<Restored, StoreError> {
    let path = absolute(path)?;
    // A copy of the copy, beside the store where there is room for it, so that one of an earlier version can be brought to this one.
    let incoming = beside(&path, ".incoming");
    let prepared = prepare(from, &incoming).await;
    let restored = match prepared {
        Ok(()) => take_in(&path, &incoming, cause, undo, clock).await,
        Err(error) => Err(error),
    };
    for end in ["", "-wal", "-shm"] {
        remove(&beside(&incoming, end));
    }
    restored
}

async fn prepare(from: &Path, incoming: &Path) -> Result<(), StoreError> {
    copy(from, incoming).await?;
    let (_, connection) = opening::open(incoming, Strategy::default(), BUSY_TIMEOUT).await?;
    conn::end(Some(connection)).await;
    Ok(())
}

async fn take_in(path: &Path, incoming: &Path, cause: &Cause, undo: Undo, clock: Arc<dyn Clock>) -> Result<Restored, StoreError> {
    let (_, mut connection) = opening::open(path, Strategy::default(), BUSY_TIMEOUT).await?;
    let mut copy = opening::copy_options(incoming).connect().await.map_err(unavailable)?;
    let (now, then) = (origin(&mut connection).await?, origin(&mut copy).await?);
    let copied = State::from_row(&query(text::STATE.sqlite).fetch_one(&mut copy).await.map_err(unavailable)?)?;
    conn::end(Some(copy)).await;

    let incoming = incoming.to_str().ok_or_else(|| named(incoming, "the path is not UTF-8"))?;
    query(sql::ATTACH_INCOMING).bind(incoming.to_owned()).execute(&mut connection).await.map_err(unavailable)?;
    let mut transaction = connection.begin_with(BEGIN_WRITE).await.map_err(unavailable)?;
    let before = State::from_row(&query(text::STATE.sqlite).fetch_one(&mut *transaction).await.map_err(unavailable)?)?.revision;
    let same = now == then || now.is_none();
    match undo {
        Undo::Nothing if !same => return Err(Conflict::OtherStore { changes: before }.into()),
        Undo::Nothing if before > copied.revision => {
            return Err(Conflict::WouldUndo { since: copied.revision, changes: before.0 - copied.revision.0 }.into());
        }
        Undo::Nothing | Undo::All => {}
    }

    let at = stored::storable(clock.now().wall);
    query(sql::DEFER_FOREIGN_KEYS).execute(&mut *transaction).await.map_err(unavailable)?;
    for statement in sql::TAKE_IN {
        query(statement).execute(&mut *transaction).await.map_err(unavailable)?;
    }
    // A store without changes has no audit that would be missed.
    let differs_after = if now == then { take_in_audit(&mut transaction).await? } else { replace_audit(&mut transaction).await? };
    query(sql::TAKE_IN_STATE).bind(stored::number(before.max(copied.revision))).execute(&mut *transaction).await.map_err(unavailable)?;
    let mut rows = SqlRows::new(&mut *transaction);
    let revision = rows.take_revision().await?;
    let change = crate::model::Change { revision, at, reach: crate::model::Reach::All };
    rows.insert_change(&change, 1).await?;
    let mut after = serde_json::json!({ "revision": copied.revision });
    if let (Some(differs_after), Some(after)) = (differs_after, after.as_object_mut()) {
        after.insert("differs_after".to_owned(), differs_after.0.into());
    }
    let told = Audited {
        revision: Some(revision),
        action: RESTORE,
        resource: "store".to_owned(),
        before: Some(serde_json::json!({ "revision": before })),
        after: Some(after),
        refused: None,
        spaces: Vec::new(),
    };
    tell(&mut rows, told, cause, at).await?;
    transaction.commit().await.map_err(unavailable)?;
    conn::end(Some(connection)).await;
    Ok(Restored { revision, copied: copied.revision, undone: if same { before.0.saturating_sub(copied.revision.0) } else { before.0 } })
}

/// This store's audit stays, and gets what the copy's has beyond it. If each has entries that the other has not, the change is told after
/// which the two differ: from there on, this audit does not tell how the copy's rows have come to be.
async fn take_in_audit(transaction: &mut SqliteConnection) -> Result<Option<Revision>, StoreError> {
    let common: Option<Link> = one(query(sql::LAST_COMMON_ENTRY), transaction).await?;
    let incoming: Option<Link> = one(query(sql::LAST_INCOMING_ENTRY), transaction).await?;
    let own = SqlRows::new(transaction).last_entry().await?;
    let common = common.map_or(AuditId::default(), |link| link.id);
    if incoming.is_none_or(|link| link.id == common) {
        return Ok(None);
    }
    let mut seen = common;
    loop {
        let rows = query(sql::INCOMING_ENTRIES).bind(stored::audit_number(seen)).fetch_all(&mut *transaction).await.map_err(unavailable)?;
        let Some(last) = rows.last() else { break };
        seen = AuditEntry::from_row(last)?.id;
        for row in &rows {
            let EntryOfSpaces { entry, spaces } = EntryOfSpaces::from_row(row)?;
            append(&mut SqlRows::new(transaction), entry, &spaces).await?;
        }
    }
    if own.is_none_or(|(last, _)| last == common) {
        return Ok(None);
    }
    let revision: i64 =
        query_scalar(sql::INCOMING_REVISION_AT).bind(stored::audit_number(common)).fetch_one(transaction).await.map_err(unavailable)?;
    stored::revision(revision).map(Some)
}

async fn replace_audit(transaction: &mut SqliteConnection) -> Result<Option<Revision>, StoreError> {
    for statement in sql::REPLACE_AUDIT {
        query(statement).execute(&mut *transaction).await.map_err(unavailable)?;
    }
    Ok(None)
}

async fn one<T: FromRow>(question: Query<'_, Sqlite, SqliteArguments>, reading: &mut SqliteConnection) -> Result<Option<T>, StoreError> {
    question.fetch_optional(reading).await.map_err(unavailable)?.as_ref().map(|row| T::from_row(row)).transpose()
}

fn absolute(path: &Path) -> Result<PathBuf, StoreError> {
    std::path::absolute(path).map_err(|error| named(path, error))
}

fn named(path: &Path, why: impl std::fmt::Display) -> StoreError {
    StoreError::Unavailable(format!("{}: {why}", path.display()))
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// What is not there need not be removed, and what cannot be is in nobody's way.
fn remove(path: &Path) {
    if let Err(error) = std::fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::debug!(%error, file = %path.display(), "a file of a copy could not be removed");
    }
}

fn sync_directory_of(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}
