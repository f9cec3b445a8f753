//! Bindings.

use async_trait::async_trait;

use super::{SqlRows, query, text};
use crate::model::{Binding, BindingId, GroupName, KeyId, RoleId, SpaceId, Subject};
use crate::store::apply::BindingRows;
use crate::store::error::StoreError;
use crate::store::stored;

#[async_trait]
impl BindingRows for SqlRows<'_> {
    async fn binding(&mut self, id: BindingId) -> Result<Option<Binding>, StoreError> {
        self.find(query(text::BINDING).bind(id.to_string())).await
    }

    async fn binding_of(&mut self, subject: &Subject, role: &RoleId, space: &SpaceId) -> Result<Option<BindingId>, StoreError> {
        let (statement, subject) = match subject {
            Subject::Key(id) => (text::KEY_BINDING, id.to_string()),
            Subject::Group(name) => (text::GROUP_BINDING, name.as_str().to_owned()),
        };
        self.find(query(statement).bind(subject).bind(role.as_str().to_owned()).bind(space.as_str().to_owned())).await
    }

    async fn insert_binding(&mut self, binding: &Binding) -> Result<(), StoreError> {
        let (key, group) = match &binding.subject {
            Subject::Key(id) => (Some(id.to_string()), None),
            Subject::Group(name) => (None, Some(name.as_str().to_owned())),
        };
        let row = query(text::INSERT_BINDING).bind(binding.id.to_string()).bind(key).bind(group);
        let row = row.bind(binding.role.as_str().to_owned()).bind(binding.space.as_str().to_owned());
        self.run(row.bind(stored::micros(binding.created_at)).bind(self.stamp())).await
    }

    async fn delete_binding(&mut self, id: BindingId) -> Result<(), StoreError> {
        self.run(query(text::DELETE_BINDING).bind(id.to_string())).await
    }

    async fn delete_bindings_of_key(&mut self, id: KeyId) -> Result<(), StoreError> {
        self.run(query(text::DELETE_BINDINGS_OF_KEY).bind(id.to_string())).await
    }

    async fn binding_count_of_role(&mut self, id: &RoleId) -> Result<u64, StoreError> {
        self.count(text::BINDING_COUNT_OF_ROLE, id.as_str()).await
    }

    async fn binding_count_in_space(&mut self, id: &SpaceId) -> Result<u64, StoreError> {
        self.count(text::BINDING_COUNT_IN_SPACE, id.as_str()).await
    }

    async fn binding_count_of_group(&mut self, name: &GroupName) -> Result<u64, StoreError> {
        self.count(text::BINDING_COUNT_OF_GROUP, name.as_str()).await
    }
}
