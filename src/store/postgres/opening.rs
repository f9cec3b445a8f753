//! From a url to a database whose tables are ours, of this version's schema, and hold what every store holds.

use sqlx::migrate::MigrateError;
use sqlx::{Connection as _, PgConnection, Row as _, query, query_as, query_scalar};

use super::connection::connect;
use super::error::{gave_way, sentence};
use super::migrations::MIGRATIONS;
use super::sql;
use crate::config::PostgresSettings;
use crate::model::Strategy;
use crate::store::error::StoreError;
use crate::store::sql::{add_system_roles, seed, text};

/// The first version whose `NOTIFY`, identity columns and planner this was written for.
const OLDEST_SERVER: i64 = 130_000;
const FOREIGN: &str = "it has tables of another program where ours would be: give us a schema of our own";
/// So often a migration is begun that has to give way.
const ATTEMPTS: u32 = 20;

/// What a database is that is only looked at.
pub(super) enum Examined {
    /// A store of this version's schema.
    Sound,
    /// One of an earlier schema, or none yet.
    Outdated(String),
}

/// Sees to it that the database is a store of this version's schema. One that is needs no right to make anything.
pub(super) async fn open(settings: &PostgresSettings, initial: Strategy) -> Result<(), StoreError> {
    let named = |why: String| StoreError::Unavailable(format!("{settings}: {why}"));
    let mut connection = connect(settings, sql::SESSION).await?;
    match behind(&mut connection).await.map_err(named)? {
        None => {}
        Some(_) => made(&mut connection, initial).await.map_err(named)?,
    }
    end(connection).await;
    Ok(())
}

/// Looks at a database without making, migrating or otherwise changing anything.
pub(super) async fn look(settings: &PostgresSettings) -> Result<Examined, StoreError> {
    let mut connection = connect(settings, sql::SESSION_TO_READ).await?;
    let behind = behind(&mut connection).await.map_err(|why| StoreError::Unavailable(format!("{settings}: {why}")))?;
    end(connection).await;
    Ok(behind.map_or(Examined::Sound, Examined::Outdated))
}

/// In what the database is behind this program, if it is a store or could become one.
async fn behind(connection: &mut PgConnection) -> Result<Option<String>, String> {
    let failed = |error: sqlx::Error| sentence(&error);
    let server = query(sql::SERVER).fetch_one(&mut *connection).await.map_err(failed)?;
    let version: i64 = server.try_get("version").map_err(failed)?;
    let encoding: String = server.try_get("encoding").map_err(failed)?;
    let schema: Option<String> = server.try_get("schema").map_err(failed)?;
    if version < OLDEST_SERVER {
        return Err(format!("the server is PostgreSQL {}; 13 or later is needed", version / 10_000));
    }
    if encoding != "UTF8" {
        return Err(format!("the database is encoded in {encoding}: make one with ENCODING 'UTF8'"));
    }
    if schema.is_none() {
        return Err("search_path names no schema that is there and may be used".to_owned());
    }
    let has_migrations: bool = query_scalar(sql::HAS_MIGRATIONS).fetch_one(&mut *connection).await.map_err(failed)?;
    if !has_migrations {
        let has_others: bool = query_scalar(sql::HAS_OTHERS).fetch_one(&mut *connection).await.map_err(failed)?;
        if has_others {
            return Err(FOREIGN.to_owned());
        }
        return Ok(Some("it is empty and needs migration: the next start makes a store of it, or `claviger migrate`".to_owned()));
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

/// Makes a store of it, however often that has to give way to those who use it meanwhile: an older program serves on from the tables that are changed,
/// and takes them in an order of its own.
async fn made(connection: &mut PgConnection, initial: Strategy) -> Result<(), String> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        match prepare(connection, initial).await {
            Ok(()) => return Ok(()),
            Err(Halt::GaveWay(why)) if attempts < ATTEMPTS => {
                tracing::info!(why, attempts, "the schema is being used by another process; its migration is begun anew");
            }
            Err(Halt::GaveWay(why) | Halt::Failed(why)) => return Err(why),
        }
    }
}

/// Why a migration has ended before its end.
enum Halt {
    /// Somebody else held what it needed, and waited for what it held.
    GaveWay(String),
    Failed(String),
}

impl From<sqlx::Error> for Halt {
    fn from(error: sqlx::Error) -> Self {
        if gave_way(&error) { Self::GaveWay(sentence(&error)) } else { Self::Failed(sentence(&error)) }
    }
}

impl From<MigrateError> for Halt {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
            other => Self::Failed(migration_sentence(&other)),
        }
    }
}

/// Migrates and seeds in one transaction that takes a lock first: of several processes that open a new store, one does it all.
async fn prepare(connection: &mut PgConnection, initial: Strategy) -> Result<(), Halt> {
    let failed = |error: StoreError| Halt::Failed(error.to_string());
    let mut transaction = connection.begin().await?;
    // Whoever has the lock may take longer than a statement may otherwise.
    query("SET LOCAL statement_timeout = '10min'").execute(&mut *transaction).await?;
    query("SET LOCAL lock_timeout = '1min'").execute(&mut *transaction).await?;
    query(sql::LOCK_MIGRATIONS).execute(&mut *transaction).await?;
    behind(&mut transaction).await.map_err(Halt::Failed)?;
    // Not `run`: its bound makes the future of every caller unsendable (a limit of the compiler's).
    MIGRATIONS.run_direct(None, &mut *transaction, false).await?;
    let seeded: bool = query_scalar(text::SEEDED.postgres).fetch_one(&mut *transaction).await?;
    if !seeded {
        seed(&mut *transaction, initial).await.map_err(failed)?;
    }
    add_system_roles(&mut *transaction).await.map_err(failed)?;
    transaction.commit().await?;
    Ok(())
}

fn migration_sentence(error: &MigrateError) -> String {
    let known = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default();
    match error {
        MigrateError::VersionMissing(found) => {
            format!("a newer claviger has written it (schema {found}; this one knows up to {known}): use that one")
        }
        MigrateError::VersionMismatch(version) => {
            format!("its schema {version} is not the one that this claviger knows: another program may have made it")
        }
        other => other.to_string(),
    }
}

/// What stands in the way of a clean end is told and nothing more.
async fn end(connection: PgConnection) {
    if let Err(error) = connection.close().await {
        tracing::debug!(%error, "a connection to the store was not closed in order");
    }
}
