//! What is remembered, and the one way to change it.
//!
//! Every change goes through [`Management::apply`], or several of them together through [`Management::apply_all`]: it is checked, written, numbered, put into the feed and audited in one transaction, and on
//! the disk when `apply` returns. Keys are read one at a time and on demand, so that memory does not grow with their number; what is small
//! and shared by all of them comes as one [`Snapshot`](crate::model::Snapshot).

mod apply;
mod audit;
mod backup;
mod contract;
mod error;
mod listing;
mod postgres;
mod sql;
mod sqlite;
mod stored;
mod verify;
mod webhook;

use std::path::Path;
use std::sync::Arc;

pub use self::audit::{AuditOrder, AuditQuery, GivenUp, NOTES_AN_HOUR, SAME_ATTEMPT_WITHIN};
pub use self::backup::{Backup, Restored, Undo};
pub use self::contract::{
    FoundKey, Lookup, Management, REPLICAS_KEPT_FOR, REPLICAS_MAX, SAMPLES_KEPT_FOR, SAMPLES_MAX, SESSIONS_MAX, SESSIONS_OF_KEY_MAX,
    Source, Store,
};
pub use self::error::{BatchError, Conflict, Likeness, Precondition, StoreError, Unmet};
pub use self::listing::{
    BindingFilter, ENTRIES_LOOKED_THROUGH_AT_ONCE, KeyFilter, LOOKED_THROUGH_AT_ONCE, ListPart, NeverUsed, Page, StateWanted,
};
use self::sql::SqlStore;
pub use self::verify::{AuditFault, RowFault, Verified, verify_audit};
pub use self::webhook::{Held, Receiver, Webhook};
use crate::clock::Clock;
use crate::config::StoreUrl;
use crate::model::{Cause, Mutation, Revision, Strategy};

/// Whether a mutation would write down the text of a key, or give a key a name that could be taken for something else: what every store
/// refuses whatever it holds, to be told before anything is asked of one.
///
/// # Errors
/// It would.
pub fn check_texts(mutation: &Mutation) -> Result<(), Conflict> {
    apply::check_texts(mutation)
}

/// Of how many keys the names are read for remarks on what policies compare them with: a remark is not worth a million rows.
pub const NAMED_KEYS_MAX: u32 = 10_000;

/// A store that is only looked at.
pub enum Inspected {
    /// It can be read, and refuses every change.
    Open(Arc<dyn Store>),
    /// It needs migration; a sentence about it.
    Outdated(String),
}

/// Opens a store that exists for reading alone; neither makes nor migrates anything.
pub async fn inspect(url: &StoreUrl, clock: Arc<dyn Clock>) -> Result<Inspected, StoreError> {
    Ok(match look(url, clock).await? {
        Ok(store) => Inspected::Open(Arc::new(store)),
        Err(why) => Inspected::Outdated(why),
    })
}

async fn look(url: &StoreUrl, clock: Arc<dyn Clock>) -> Result<Result<SqlStore, String>, StoreError> {
    match url {
        StoreUrl::Sqlite(path) => sqlite::inspect(path, clock).await,
        StoreUrl::ControlPlanes(_) | StoreUrl::Files(_) => Err(elsewhere(url)),
        StoreUrl::Postgres(settings) => postgres::inspect(settings, clock).await,
    }
}

/// What is odd about who besides its owner may read and write a store that is a file.
pub fn remarks(url: &StoreUrl) -> Vec<String> {
    match url {
        StoreUrl::Sqlite(path) => sqlite::remarks(path),
        StoreUrl::Postgres(_) | StoreUrl::ControlPlanes(_) | StoreUrl::Files(_) => Vec::new(),
    }
}

const BY_ITS_OWN_TOOLS: &str =
    "PostgreSQL is copied by its own tools: `pg_dump` and `pg_restore`, or its archive of changes (docs/postgresql.md)";

/// Copies the store to a file that is not there yet, while everybody goes on with it. It is not migrated, nor is the copy.
pub async fn backup(url: &StoreUrl, to: &Path) -> Result<Backup, StoreError> {
    match url {
        StoreUrl::Sqlite(path) => sqlite::backup(path, to).await,
        StoreUrl::ControlPlanes(_) | StoreUrl::Files(_) => Err(elsewhere(url)),
        StoreUrl::Postgres(_) => Err(StoreError::Unavailable(BY_ITS_OWN_TOOLS.to_owned())),
    }
}

/// Makes the store, which is made if it is not there, what the copy is: one change, which servers that run notice like any other.
pub async fn restore(url: &StoreUrl, from: &Path, cause: &Cause, undo: Undo, clock: Arc<dyn Clock>) -> Result<Restored, StoreError> {
    match url {
        StoreUrl::Sqlite(path) => sqlite::restore(path, from, cause, undo, clock).await,
        StoreUrl::ControlPlanes(_) | StoreUrl::Files(_) => Err(elsewhere(url)),
        StoreUrl::Postgres(_) => Err(StoreError::Unavailable(BY_ITS_OWN_TOOLS.to_owned())),
    }
}

/// A store that was copied into another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// The last change that it has.
    pub revision: Revision,
    /// How its audit and its rows were found to be afterwards.
    pub verified: Verified,
}

/// Makes the store at `to`, which is made if it is not there and must hold nothing, what the one at `from` is; then reads all of it.
pub async fn copy(from: &StoreUrl, to: &StoreUrl, clock: Arc<dyn Clock>) -> Result<Copied, StoreError> {
    let from = look(from, clock.clone()).await?.map_err(StoreError::Unavailable)?;
    let to = open_database(to, Strategy::default(), clock).await?;
    let copied = async {
        let revision = sql::copy(&from, &to).await?;
        Ok(Copied { revision, verified: verify_audit(&to, &[], |_| {}).await? })
    };
    let copied = copied.await;
    from.close().await;
    to.close().await;
    copied
}

/// Opens the store, making and migrating it as needed. `initial` is the strategy that a new store starts with.
pub async fn open(url: &StoreUrl, initial: Strategy, clock: Arc<dyn Clock>) -> Result<Arc<dyn Store>, StoreError> {
    Ok(Arc::new(open_database(url, initial, clock).await?))
}

async fn open_database(url: &StoreUrl, initial: Strategy, clock: Arc<dyn Clock>) -> Result<SqlStore, StoreError> {
    match url {
        StoreUrl::Sqlite(path) => sqlite::open(path, initial, clock).await,
        StoreUrl::Postgres(settings) => postgres::open(settings, initial, clock).await,
        StoreUrl::ControlPlanes(_) | StoreUrl::Files(_) => Err(elsewhere(url)),
    }
}

/// What is only followed or read is no store that could be opened.
fn elsewhere(url: &StoreUrl) -> StoreError {
    let why = match url {
        StoreUrl::Files(_) => "access is declared in files here: change those, and whoever reads them notices",
        StoreUrl::Sqlite(_) | StoreUrl::Postgres(_) | StoreUrl::ControlPlanes(_) => {
            "this is a sidecar, whose store is at its control plane: ask that one, by --server URL"
        }
    };
    StoreError::Unavailable(why.to_owned())
}
