//! Requests that have a name.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{SqlRows, query, text};
use crate::model::{DoneOnce, Once};
use crate::store::apply::OnceRows;
use crate::store::error::StoreError;
use crate::store::stored;

#[async_trait]
impl OnceRows for SqlRows<'_> {
    async fn insert_once(&mut self, actor: &str, once: &Once, done: &DoneOnce, forget: Timestamp) -> Result<(), StoreError> {
        self.run(query(text::FORGET_ONCE).bind(stored::micros(forget))).await?;
        let row = query(text::INSERT_ONCE).bind(actor.to_owned()).bind(once.key.to_string()).bind(once.fingerprint.to_vec());
        self.run(row.bind(stored::number(done.revision)).bind(done.resource.clone()).bind(stored::micros(done.at))).await
    }
}
