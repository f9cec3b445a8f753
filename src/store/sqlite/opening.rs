//! From a path to a file that is ours, of this version's schema, and holds what every store holds.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use sqlx::migrate::MigrateError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection, query, query_as, query_scalar};

use super::error::{sentence, unavailable};
use super::migrations::{MIGRATIONS, link_entries};
use super::sql::BEGIN_WRITE;
use super::{access, conn, sql};
use crate::model::Strategy;
use crate::store::error::StoreError;
use crate::store::sql::{add_system_roles, seed, text};

/// How long a change waits for another process's, and a reader for a recovery after a crash.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// `clvr` in ASCII, as [`sql::SET_APPLICATION_ID`] writes it.
const APPLICATION_ID: i64 = 0x636c_7672;
const FOREIGN: &str = "it is the database of another program";

/// The options of every connection, and a first one.
pub(super) async fn open(path: &Path, initial: Strategy, busy: Duration) -> Result<(SqliteConnectOptions, SqliteConnection), StoreError> {
    let named = |why: String| StoreError::Unavailable(format!("{}: {why}", path.display()));
    // Absolute, because SQLite takes `:memory:` and `file:…` for something else than a file of that name.
    let absolute = std::path::absolute(path).map_err(|error| named(error.to_string()))?;
    access::check_path(&absolute).map_err(named)?;
    make_file(&absolute).map_err(named)?;
    access::check_modes(&absolute).map_err(named)?;
    let options = options(&absolute, busy);
    let mut connection = options.connect().await.map_err(|error| named(sentence(&error)))?;
    prepare(&mut connection, initial).await.map_err(named)?;
    Ok((options, connection))
}

/// What a file is that is only looked at.
pub(super) enum Looked {
    /// A store of this version's schema.
    Sound(Box<SqliteConnectOptions>, SqliteConnection),
    /// One of an earlier schema, or one that has only been begun. The next start makes of it what it should be.
    Outdated(String),
}

/// Looks at a file without making, migrating or otherwise changing anything.
pub(super) async fn look(path: &Path, busy: Duration) -> Result<Looked, StoreError> {
    let named = |why: String| StoreError::Unavailable(format!("{}: {why}", path.display()));
    let absolute = std::path::absolute(path).map_err(|error| named(error.to_string()))?;
    access::check_path(&absolute).and_then(|()| access::check_modes(&absolute)).map_err(named)?;
    let options = looking(&absolute, busy);
    let mut connection = options.connect().await.map_err(|error| named(sentence(&error)))?;
    match behind(&mut connection).await {
        Ok(None) => Ok(Looked::Sound(Box::new(options), connection)),
        what => {
            conn::end(Some(connection)).await;
            let why = what.map_err(named)?.unwrap_or_default();
            Ok(Looked::Outdated(format!("{}: {why}", path.display())))
        }
    }
}

/// A store to be copied, of whatever earlier schema: neither made nor migrated.
pub(super) async fn source(path: &Path, busy: Duration) -> Result<SqliteConnection, StoreError> {
    match look(path, busy).await? {
        Looked::Sound(_, connection) => conn::end(Some(connection)).await,
        Looked::Outdated(_) => {}
    }
    let absolute = std::path::absolute(path).map_err(|error| StoreError::Unavailable(format!("{}: {error}", path.display())))?;
    // Not for reading alone: a copy is written by the connection that reads.
    common(&absolute, busy).connect().await.map_err(unavailable)
}

/// How a copy that nobody else knows of is read.
pub(super) fn copy_options(path: &Path) -> SqliteConnectOptions {
    looking(path, Duration::ZERO)
}

/// How a copy that nobody else knows of yet is finished. It is begun anew whenever something fails, so no file is kept beside it.
pub(super) fn unfinished_options(path: &Path) -> SqliteConnectOptions {
    common(path, Duration::ZERO).journal_mode(SqliteJournalMode::Memory).pragma("secure_delete", "ON")
}

/// In what the file is behind this program, if it is a store.
async fn behind(connection: &mut SqliteConnection) -> Result<Option<String>, String> {
    let failed = |error: sqlx::Error| sentence(&error);
    let application: i64 = query_scalar(sql::APPLICATION_ID).fetch_one(&mut *connection).await.map_err(failed)?;
    let tables: i64 = query_scalar(sql::TABLE_COUNT).fetch_one(&mut *connection).await.map_err(failed)?;
    match (application, tables) {
        (0, 0) => return Ok(Some("it is empty and needs migration: the next start makes a store of it".to_owned())),
        (APPLICATION_ID, _) => {}
        _ => return Err(FOREIGN.to_owned()),
    }
    let made: Vec<(i64, Vec<u8>)> = query_as(sql::MIGRATED).fetch_all(&mut *connection).await.map_err(failed)?;
    for (version, checksum) in &made {
        match MIGRATIONS.iter().find(|known| known.version == *version) {
            None => return Err(migration_sentence(&MigrateError::VersionMissing(*version))),
            Some(known) if *known.checksum != **checksum => return Err(migration_sentence(&MigrateError::VersionMismatch(*version))),
            Some(_) => {}
        }
    }
    let (found, known) = (made.len(), MIGRATIONS.iter().count());
    let why = format!("it needs migration (it has {found} of {known} steps): the next start, or any command that changes it, does that");
    Ok((found < known).then_some(why))
}

/// Makes an empty file that only its owner may read, if there is none; SQLite gives the files beside it the same mode.
///
/// A file that exists is left unopened: closing it here would drop the locks that another store of this process holds on it.
pub(super) fn make_file(path: &Path) -> Result<(), String> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        Err(error) => match error.kind() {
            ErrorKind::AlreadyExists if path.is_dir() => Err("it is a directory, not a file".to_owned()),
            ErrorKind::AlreadyExists => Ok(()),
            ErrorKind::NotFound | ErrorKind::NotADirectory => Err("the directory that it should be in does not exist".to_owned()),
            _ => Err(format!("the file cannot be made: {error}")),
        },
    }
}

fn options(path: &Path, busy: Duration) -> SqliteConnectOptions {
    common(path, busy)
        .journal_mode(SqliteJournalMode::Wal)
        // In this mode NORMAL would be consistent too, but might forget the last commits when the power fails. A revocation is not forgotten.
        .synchronous(SqliteSynchronous::Full)
        // 16 MiB for a log that has been checkpointed.
        .pragma("journal_size_limit", "16777216")
}

/// Not opened as read-only: then SQLite could not take away the files that it needs beside a store that nobody else has open.
fn looking(path: &Path, busy: Duration) -> SqliteConnectOptions {
    common(path, busy).pragma("query_only", "ON")
}

fn common(path: &Path, busy: Duration) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .busy_timeout(busy)
        .foreign_keys(true)
        // Sorts stay in memory: there may be no other place to write to.
        .pragma("temp_store", "MEMORY")
        .pragma("trusted_schema", "OFF")
        // 256 KiB for each connection: the upper levels of the indices. What is missing comes from the system's cache for some
        // microseconds, and what is asked for often is remembered above the store.
        .pragma("cache_size", "-256")
        .thread_name(|number| format!("store-{number}"))
        .disable_statement_logging()
}

/// Claims, migrates and seeds in one transaction that takes the lock first: of several processes that open a new store, one does it all.
async fn prepare(connection: &mut SqliteConnection, initial: Strategy) -> Result<(), String> {
    let failed = |error: sqlx::Error| sentence(&error);
    let mut transaction = connection.begin_with(BEGIN_WRITE).await.map_err(failed)?;
    let application: i64 = query_scalar(sql::APPLICATION_ID).fetch_one(&mut *transaction).await.map_err(failed)?;
    let tables: i64 = query_scalar(sql::TABLE_COUNT).fetch_one(&mut *transaction).await.map_err(failed)?;
    if application != APPLICATION_ID {
        if (application, tables) != (0, 0) {
            return Err(FOREIGN.to_owned());
        }
        query(sql::SET_APPLICATION_ID).execute(&mut *transaction).await.map_err(failed)?;
    }
    let has_chain: bool = query_scalar(sql::HAS_CHAIN).fetch_one(&mut *transaction).await.map_err(failed)?;
    // Not `run`: its bound makes the future of every caller unsendable (a limit of the compiler's).
    MIGRATIONS.run_direct(None, &mut *transaction, false).await.map_err(|error| migration_sentence(&error))?;
    if !has_chain {
        link_entries(&mut transaction).await.map_err(|error| error.to_string())?;
    }
    let seeded: bool = query_scalar(text::SEEDED.sqlite).fetch_one(&mut *transaction).await.map_err(failed)?;
    if !seeded {
        seed(&mut *transaction, initial).await.map_err(|error| error.to_string())?;
    }
    add_system_roles(&mut *transaction).await.map_err(|error| error.to_string())?;
    transaction.commit().await.map_err(failed)
}

fn migration_sentence(error: &MigrateError) -> String {
    let known = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default();
    match error {
        MigrateError::VersionMissing(found) => {
            format!("a newer claviger has written it (schema {found}; this one knows up to {known}): use that one")
        }
        MigrateError::VersionMismatch(version) => format!("its schema {version} is not the one that this claviger knows"),
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => sentence(error),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn opened(path: &Path) -> Result<SqliteConnection, String> {
        match open(path, Strategy::Combined, Duration::from_secs(5)).await {
            Ok((_, connection)) => Ok(connection),
            Err(error) => Err(error.to_string()),
        }
    }

    #[tokio::test]
    async fn a_schema_newer_than_this_program_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("claviger.db");
        let mut connection = opened(&path).await.unwrap();
        let newer =
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (99, 'newer', 1, x'00', 0)";
        query(newer).execute(&mut connection).await.unwrap();
        drop(connection);

        let sentence = opened(&path).await.unwrap_err();
        assert!(sentence.contains("a newer claviger has written it (schema 99;"), "{sentence}");
    }

    #[tokio::test]
    async fn an_older_schema_is_told_and_left_as_it_is_by_a_look() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("claviger.db");
        let mut connection = opened(&path).await.unwrap();
        let looked = async |path| match look(path, Duration::from_secs(5)).await.unwrap() {
            Looked::Sound(..) => None,
            Looked::Outdated(why) => Some(why),
        };
        assert_eq!(looked(&path).await, None);

        query("DELETE FROM _sqlx_migrations").execute(&mut connection).await.unwrap();

        let why = looked(&path).await.unwrap();
        let all = MIGRATIONS.iter().count();
        assert!(why.contains(&format!("it needs migration (it has 0 of {all} steps)")), "{why}");
        let made: i64 = query_scalar("SELECT count(*) FROM _sqlx_migrations").fetch_one(&mut connection).await.unwrap();
        assert_eq!(made, 0);
    }

    #[tokio::test]
    async fn the_database_of_another_program_is_refused_and_left_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("claviger.db");
        std::fs::write(&path, b"").unwrap();
        let mut connection = options(&path, Duration::ZERO).connect().await.unwrap();
        query("CREATE TABLE theirs (x)").execute(&mut connection).await.unwrap();

        let sentence = opened(&path).await.unwrap_err();
        assert!(sentence.contains("the database of another program"), "{sentence}");
        let tables: i64 = query_scalar(sql::TABLE_COUNT).fetch_one(&mut connection).await.unwrap();
        assert_eq!(tables, 1);
    }

    #[tokio::test]
    async fn what_cannot_be_written_says_so() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("claviger.db");
        opened(&path).await.unwrap();
        // Root may write wherever modes forbid it, so it is SQLite that is told to refuse.
        let mut connection = options(&path, Duration::from_secs(5)).pragma("query_only", "ON").connect().await.unwrap();
        let error = query("DELETE FROM roles").execute(&mut connection).await.unwrap_err();
        assert_eq!(sentence(&error), "it cannot be written: the file or its directory is read-only");
    }

    #[tokio::test]
    async fn commits_are_synced_and_constraints_are_checked_on_every_connection() {
        let directory = tempfile::tempdir().unwrap();
        let mut connection = opened(&directory.path().join("claviger.db")).await.unwrap();
        let mut ask = async |pragma: &'static str| query_scalar::<_, i64>(pragma).fetch_one(&mut connection).await.unwrap();
        assert_eq!(ask("PRAGMA synchronous").await, 2, "FULL");
        assert_eq!(ask("PRAGMA foreign_keys").await, 1);
        assert_eq!(ask("PRAGMA application_id").await, APPLICATION_ID);
    }
}
