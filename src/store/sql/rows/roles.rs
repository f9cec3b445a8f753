//! Roles, and the groups that hold them.

use async_trait::async_trait;

use super::{SqlRows, query, text};
use crate::model::{Group, GroupName, Role, RoleId};
use crate::store::apply::RoleRows;
use crate::store::error::StoreError;
use crate::store::stored;

#[async_trait]
impl RoleRows for SqlRows<'_> {
    async fn role(&mut self, id: &RoleId) -> Result<Option<Role>, StoreError> {
        self.find(query(text::ROLE).bind(id.as_str().to_owned())).await
    }

    async fn insert_role(&mut self, role: &Role) -> Result<(), StoreError> {
        let row = query(text::INSERT_ROLE).bind(role.id.as_str().to_owned()).bind(role.name.clone()).bind(role.description.clone());
        self.run(row.bind(stored::list(&role.actions)).bind(role.system).bind(self.stamp())).await
    }

    async fn update_role(&mut self, role: &Role) -> Result<(), StoreError> {
        let row = query(text::UPDATE_ROLE).bind(role.id.as_str().to_owned()).bind(role.name.clone()).bind(role.description.clone());
        self.run(row.bind(stored::list(&role.actions)).bind(self.stamp())).await
    }

    async fn delete_role(&mut self, id: &RoleId) -> Result<(), StoreError> {
        self.run(query(text::DELETE_ROLE).bind(id.as_str().to_owned())).await
    }

    async fn group(&mut self, name: &GroupName) -> Result<Option<Group>, StoreError> {
        self.find(query(text::GROUP).bind(name.as_str().to_owned())).await
    }

    async fn insert_group(&mut self, group: &Group) -> Result<(), StoreError> {
        self.run(query(text::INSERT_GROUP).bind(group.name.as_str().to_owned()).bind(group.description.clone()).bind(self.stamp())).await
    }

    async fn ensure_group(&mut self, name: &GroupName) -> Result<(), StoreError> {
        self.run(query(text::ENSURE_GROUP).bind(name.as_str().to_owned()).bind(self.stamp())).await
    }

    async fn update_group(&mut self, group: &Group) -> Result<(), StoreError> {
        self.run(query(text::UPDATE_GROUP).bind(group.name.as_str().to_owned()).bind(group.description.clone()).bind(self.stamp())).await
    }

    async fn delete_group(&mut self, name: &GroupName) -> Result<(), StoreError> {
        self.run(query(text::TOUCH_MEMBERS).bind(name.as_str().to_owned()).bind(self.stamp())).await?;
        self.run(query(text::DELETE_GROUP).bind(name.as_str().to_owned())).await
    }

    async fn member_count(&mut self, name: &GroupName) -> Result<u64, StoreError> {
        self.count(text::MEMBER_COUNT, name.as_str()).await
    }
}
