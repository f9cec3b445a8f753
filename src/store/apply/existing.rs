//! What a change is about or refers to, if it is there.

use super::effect::refuse;
use super::rows::Rows;
use crate::model::{Group, GroupName, KeyId, KeyRecord, LoginPolicy, PolicyName, Resource, Role, RoleId, Space, SpaceId};
use crate::store::error::{Conflict, StoreError};

/// The key, if it is there and may be changed.
pub(super) async fn changeable_key(rows: &mut dyn Rows, id: KeyId) -> Result<KeyRecord, StoreError> {
    let key = rows.key(id).await?.ok_or(StoreError::NotFound(Resource::Key(id)))?;
    if key.revoked_at.is_some() { refuse(Conflict::KeyRevoked(id)) } else { Ok(key) }
}

pub(super) async fn space(rows: &mut dyn Rows, id: &SpaceId) -> Result<Space, StoreError> {
    rows.space(id).await?.ok_or_else(|| StoreError::NotFound(Resource::Space(id.clone())))
}

pub(super) async fn role(rows: &mut dyn Rows, id: &RoleId) -> Result<Role, StoreError> {
    rows.role(id).await?.ok_or_else(|| StoreError::NotFound(Resource::Role(id.clone())))
}

pub(super) async fn group(rows: &mut dyn Rows, name: &GroupName) -> Result<Group, StoreError> {
    rows.group(name).await?.ok_or_else(|| StoreError::NotFound(Resource::Group(name.clone())))
}

pub(super) async fn policy(rows: &mut dyn Rows, name: &PolicyName) -> Result<LoginPolicy, StoreError> {
    rows.policy(name).await?.ok_or_else(|| StoreError::NotFound(Resource::Policy(name.clone())))
}
