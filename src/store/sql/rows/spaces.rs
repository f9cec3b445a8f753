//! Spaces.

use async_trait::async_trait;

use super::{SqlRows, query, text};
use crate::model::{Space, SpaceId};
use crate::store::apply::SpaceRows;
use crate::store::error::StoreError;
use crate::store::stored;

#[async_trait]
impl SpaceRows for SqlRows<'_> {
    async fn space(&mut self, id: &SpaceId) -> Result<Option<Space>, StoreError> {
        self.find(query(text::SPACE).bind(id.as_str().to_owned())).await
    }

    async fn insert_space(&mut self, space: &Space) -> Result<(), StoreError> {
        let row = query(text::INSERT_SPACE).bind(space.id.as_str().to_owned()).bind(space.name.clone()).bind(space.description.clone());
        self.run(row.bind(space.parent.clone().map(String::from)).bind(stored::list(&space.labels)).bind(self.stamp())).await
    }

    async fn update_space(&mut self, space: &Space) -> Result<(), StoreError> {
        let row = query(text::UPDATE_SPACE).bind(space.id.as_str().to_owned()).bind(space.name.clone()).bind(space.description.clone());
        self.run(row.bind(space.parent.clone().map(String::from)).bind(stored::list(&space.labels)).bind(self.stamp())).await
    }

    async fn delete_space(&mut self, id: &SpaceId) -> Result<(), StoreError> {
        self.run(query(text::DELETE_SPACE).bind(id.as_str().to_owned())).await
    }

    async fn child_count(&mut self, id: &SpaceId) -> Result<u64, StoreError> {
        self.count(text::CHILD_COUNT, id.as_str()).await
    }

    async fn is_within(&mut self, inner: &SpaceId, outer: &SpaceId) -> Result<bool, StoreError> {
        self.scalar(query(text::IS_WITHIN).bind(inner.as_str().to_owned()).bind(outer.as_str().to_owned())).await
    }
}
