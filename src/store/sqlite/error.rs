//! What SQLite's result codes mean to an operator.

use sqlx::error::DatabaseError as _;
use sqlx::sqlite::SqliteError;

/// What the operator can do something about, in their words. `None`: SQLite's own words say it best. Nothing of a statement's arguments
/// stands in those.
pub(in crate::store) fn sentence(error: &SqliteError) -> Option<&'static str> {
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
