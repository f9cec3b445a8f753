//! Roles, and the groups that hold them.

use sqlx::{query, query_as};

use super::{Tables, sql};
use crate::model::{Group, GroupName, Role, RoleId};
use crate::store::{StoreError, rows};

impl Tables<'_> {
    pub(in crate::store) async fn role(&mut self, id: &RoleId) -> Result<Option<Role>, StoreError> {
        self.find(query_as(sql::ROLE).bind(id.as_str().to_owned()), rows::role).await
    }

    pub(in crate::store) async fn insert_role(&mut self, role: &Role) -> Result<(), StoreError> {
        let row = query(sql::INSERT_ROLE).bind(role.id.as_str().to_owned()).bind(role.name.clone()).bind(role.description.clone());
        self.run(row.bind(rows::list(&role.actions)).bind(role.system)).await
    }

    pub(in crate::store) async fn update_role(&mut self, role: &Role) -> Result<(), StoreError> {
        let row = query(sql::UPDATE_ROLE).bind(role.id.as_str().to_owned()).bind(role.name.clone()).bind(role.description.clone());
        self.run(row.bind(rows::list(&role.actions))).await
    }

    pub(in crate::store) async fn delete_role(&mut self, id: &RoleId) -> Result<(), StoreError> {
        self.run(query(sql::DELETE_ROLE).bind(id.as_str().to_owned())).await
    }

    pub(in crate::store) async fn group(&mut self, name: &GroupName) -> Result<Option<Group>, StoreError> {
        self.find(query_as(sql::GROUP).bind(name.as_str().to_owned()), rows::group).await
    }

    pub(in crate::store) async fn insert_group(&mut self, group: &Group) -> Result<(), StoreError> {
        self.run(query(sql::INSERT_GROUP).bind(group.name.as_str().to_owned()).bind(group.description.clone())).await
    }

    /// Makes the group unless it is there.
    pub(in crate::store) async fn ensure_group(&mut self, name: &GroupName) -> Result<(), StoreError> {
        self.run(query(sql::ENSURE_GROUP).bind(name.as_str().to_owned())).await
    }

    pub(in crate::store) async fn update_group(&mut self, group: &Group) -> Result<(), StoreError> {
        self.run(query(sql::UPDATE_GROUP).bind(group.name.as_str().to_owned()).bind(group.description.clone())).await
    }

    /// Revoked keys that were members of the group are no longer.
    pub(in crate::store) async fn delete_group(&mut self, name: &GroupName) -> Result<(), StoreError> {
        self.run(query(sql::DELETE_GROUP).bind(name.as_str().to_owned())).await
    }

    /// How many keys that are not revoked are members of the group.
    pub(in crate::store) async fn member_count(&mut self, name: &GroupName) -> Result<u64, StoreError> {
        self.count(sql::MEMBER_COUNT, name.as_str()).await
    }
}
