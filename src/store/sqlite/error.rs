//! What SQLite's result codes mean to an operator.

use sqlx::error::DatabaseError as _;
use sqlx::sqlite::SqliteError;

use crate::store::error::StoreError;

/// An error of SQLite as one of the store.
#[expect(clippy::needless_pass_by_value, reason = "as `map_err` hands it over")]
pub(super) fn unavailable(error: sqlx::Error) -> StoreError {
    StoreError::Unavailable(sentence(&error))
}

/// What the operator can do something about, in their words; else SQLite's own, which say it best. Nothing of a statement's arguments
/// stands in those.
pub(super) fn sentence(error: &sqlx::Error) -> String {
    let database = error.as_database_error().and_then(|error| error.try_downcast_ref::<SqliteError>());
    database.and_then(meaning).map_or_else(|| error.to_string(), str::to_owned)
}

/// `None`: there is nothing that the operator could do about it.
fn meaning(error: &SqliteError) -> Option<&'static str> {
    let code: u32 = error.code()?.parse().ok()?;
    // The low byte is the primary code: https://sqlite.org/rescode.html
    match code & 0xff {
        5 | 6 => Some("another process has locked it for too long"),
        8 => Some("it cannot be written: the file or its directory is read-only"),
        10 => Some("it cannot be read or written: its disk is full, broken, or over a limit of this process"),
        13 => Some("there is no room left on its disk"),
        14 => Some("it cannot be opened: the file or its directory may not be read and written by this user"),
        26 => Some("it is not a SQLite database"),
        _ => None,
    }
}
