//! What marks this store among all others.

use sqlx::{SqliteConnection, query};

use super::error::unavailable;
use crate::store::error::StoreError;
use crate::store::sql::{FromRow as _, Origin, text};

/// `None`: there was no change yet.
pub(super) async fn origin(connection: &mut SqliteConnection) -> Result<Option<Origin>, StoreError> {
    query(text::ORIGIN.sqlite).fetch_optional(connection).await.map_err(unavailable)?.as_ref().map(|row| Origin::from_row(row)).transpose()
}
