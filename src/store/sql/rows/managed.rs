//! What is declared in files, and the key that the store began with.

use async_trait::async_trait;

use super::{SqlRows, query, text};
use crate::model::{KeyId, Resource};
use crate::store::apply::ManagedRows;
use crate::store::error::StoreError;

#[async_trait]
impl ManagedRows for SqlRows<'_> {
    async fn insert_managed(&mut self, resource: &Resource) -> Result<(), StoreError> {
        self.run(query(text::INSERT_MANAGED).bind(resource.kind().to_string()).bind(resource.id())).await
    }

    async fn delete_managed(&mut self, resource: &Resource) -> Result<(), StoreError> {
        self.run(query(text::DELETE_MANAGED).bind(resource.kind().to_string()).bind(resource.id())).await
    }

    async fn delete_managed_bindings_of_key(&mut self, id: KeyId) -> Result<(), StoreError> {
        self.run(query(text::DELETE_MANAGED_BINDINGS_OF_KEY).bind(id.to_string())).await
    }

    async fn note_first_key(&mut self, id: KeyId) -> Result<(), StoreError> {
        self.run(query(text::NOTE_FIRST_KEY).bind(id.to_string())).await
    }

    async fn is_first_key(&mut self, id: KeyId) -> Result<bool, StoreError> {
        self.scalar(query(text::IS_FIRST_KEY).bind(id.to_string())).await
    }
}
