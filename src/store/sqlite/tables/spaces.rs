//! Spaces.

use sqlx::{query, query_as, query_scalar};

use super::{Tables, sql};
use crate::model::{Space, SpaceId};
use crate::store::{StoreError, rows};

impl Tables<'_> {
    pub(in crate::store) async fn space(&mut self, id: &SpaceId) -> Result<Option<Space>, StoreError> {
        self.find(query_as(sql::SPACE).bind(id.as_str().to_owned()), rows::space).await
    }

    pub(in crate::store) async fn insert_space(&mut self, space: &Space) -> Result<(), StoreError> {
        let row = query(sql::INSERT_SPACE).bind(space.id.as_str().to_owned()).bind(space.name.clone()).bind(space.description.clone());
        self.run(row.bind(space.parent.clone().map(String::from)).bind(rows::list(&space.labels))).await
    }

    pub(in crate::store) async fn update_space(&mut self, space: &Space) -> Result<(), StoreError> {
        let row = query(sql::UPDATE_SPACE).bind(space.id.as_str().to_owned()).bind(space.name.clone()).bind(space.description.clone());
        self.run(row.bind(space.parent.clone().map(String::from)).bind(rows::list(&space.labels))).await
    }

    pub(in crate::store) async fn delete_space(&mut self, id: &SpaceId) -> Result<(), StoreError> {
        self.run(query(sql::DELETE_SPACE).bind(id.as_str().to_owned())).await
    }

    /// How many spaces stand directly under this one.
    pub(in crate::store) async fn child_count(&mut self, id: &SpaceId) -> Result<u64, StoreError> {
        self.count(sql::CHILD_COUNT, id.as_str()).await
    }

    /// Whether `inner` is `outer` or stands below it.
    pub(in crate::store) async fn is_within(&mut self, inner: &SpaceId, outer: &SpaceId) -> Result<bool, StoreError> {
        self.scalar(query_scalar(sql::IS_WITHIN).bind(inner.as_str().to_owned()).bind(outer.as_str().to_owned())).await
    }
}
