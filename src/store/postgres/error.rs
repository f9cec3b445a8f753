//! What PostgreSQL's error codes mean to an operator, and which of them mean that the server behind a connection is gone.

use sqlx::postgres::PgDatabaseError;

use crate::config::PostgresSettings;
use crate::store::error::StoreError;

/// An error of PostgreSQL as one of the store.
#[expect(clippy::needless_pass_by_value, reason = "as `map_err` hands it over")]
pub(super) fn unavailable(error: sqlx::Error) -> StoreError {
    StoreError::Unavailable(sentence(&error))
}

/// An error in the operator's words, as far as the server has told it by a code.
pub(super) fn sentence(error: &sqlx::Error) -> String {
    let database = error.as_database_error().and_then(|error| error.try_downcast_ref::<PgDatabaseError>());
    database.map_or_else(|| error.to_string(), meaning)
}

/// What the operator can do something about, in their words; else the server's, with its code. Nothing of a statement's values stands in a
/// message of these classes: those stand in its details, which nobody is shown.
fn meaning(error: &PgDatabaseError) -> String {
    // https://www.postgresql.org/docs/current/errcodes-appendix.html
    let code = error.code();
    let said = match code {
        "25006" => "it takes no changes: the server is a standby or read-only, or the role may only read",
        "40001" | "40P01" => "a change had to give way to another one: try again",
        "42501" => {
            return format!("the role lacks a right ({}): docs/postgresql.md has the script that grants what is needed", error.message());
        }
        "42P01" => "its tables are not there: run `claviger migrate`, or see that search_path names their schema",
        "3D000" => "there is no such database",
        "3F000" => "there is no such schema",
        "28P01" => "the server does not take the password",
        "28000" => return format!("the server lets nobody in like this: {}", error.message()),
        "53100" => "there is no room left on its disk",
        "53200" => "the server has no memory left",
        "53300" => "the server has no connection left: raise its max_connections, or lower store.connections",
        "55P03" => "another process has locked it for too long",
        "57014" => "a statement took too long",
        "57P01" | "57P02" => "the server is shutting down",
        "57P03" => "the server is starting up, or shutting down",
        "25P03" => "a change was not finished in time",
        "22021" | "22P05" => "a text has a character that PostgreSQL cannot hold",
        _ => match class(code) {
            "08" => "the connection was lost",
            "23" => return format!("it holds what does not fit the change ({code})"),
            "53" => "the server is out of resources",
            "58" => return format!("the server cannot read or write its files: {}", error.message()),
            "XX" => return format!("the server's data or program is broken: {}", error.message()),
            _ => return format!("{} ({code})", error.message()),
        },
    };
    said.to_owned()
}

/// Whether it would have been done if somebody else had not been in its way.
pub(super) fn gave_way(error: &sqlx::Error) -> bool {
    let database = error.as_database_error().and_then(|error| error.try_downcast_ref::<PgDatabaseError>());
    database.is_some_and(|error| matches!(error.code(), "40001" | "40P01"))
}

/// Whether all connections of the same time lead to a server that is gone, or does not take changes any more.
pub(super) fn is_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(error) => {
            let error = error.try_downcast_ref::<PgDatabaseError>();
            error.is_some_and(|error| matches!(error.code(), "25006" | "57P01" | "57P02" | "57P03") || class(error.code()) == "08")
        }
        _ => false,
    }
}

/// Of a server that could not be reached: which one it is.
pub(super) fn place_named(settings: &PostgresSettings, error: &sqlx::Error) -> StoreError {
    StoreError::Unavailable(match error {
        sqlx::Error::Io(error) => format!("{settings}: {error}"),
        sqlx::Error::Tls(error) => format!("{settings}: {error}; store.ca names a private authority"),
        error => format!("{settings}: {}", sentence(error)),
    })
}

fn class(code: &str) -> &str {
    code.get(..2).unwrap_or_default()
}
