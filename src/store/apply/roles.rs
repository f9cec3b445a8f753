//! Roles: those of the system stay as they are.

use super::effect::{Effect, refuse, set, value};
use super::existing;
use super::rows::Rows;
use crate::model::{ActionPattern, Resource, Role, RoleId};
use crate::store::error::{Conflict, StoreError};

pub(super) async fn create(
    rows: &mut dyn Rows,
    id: RoleId,
    name: String,
    description: String,
    actions: Vec<ActionPattern>,
) -> Result<Effect, StoreError> {
    if rows.role(&id).await?.is_some() {
        return refuse(Conflict::Exists(Resource::Role(id)));
    }
    let role = Role { id, name, description, actions: set(actions), system: false };
    rows.insert_role(&role).await?;
    Ok(Effect::of_all(None, Some(value(&role))))
}

pub(super) async fn update(
    rows: &mut dyn Rows,
    id: RoleId,
    name: Option<String>,
    description: Option<String>,
    actions: Option<Vec<ActionPattern>>,
) -> Result<Effect, StoreError> {
    let before = changeable(rows, &id).await?;
    let after = Role {
        id,
        name: name.unwrap_or_else(|| before.name.clone()),
        description: description.unwrap_or_else(|| before.description.clone()),
        actions: actions.map_or_else(|| before.actions.clone(), set),
        system: before.system,
    };
    rows.update_role(&after).await?;
    Ok(Effect::of_all(Some(value(&before)), Some(value(&after))))
}

pub(super) async fn delete(rows: &mut dyn Rows, id: RoleId) -> Result<Effect, StoreError> {
    let before = changeable(rows, &id).await?;
    let bindings = rows.binding_count_of_role(&id).await?;
    if bindings > 0 {
        return refuse(Conflict::RoleInUse { id, bindings });
    }
    rows.delete_role(&id).await?;
    Ok(Effect::of_all(Some(value(&before)), None))
}

async fn changeable(rows: &mut dyn Rows, id: &RoleId) -> Result<Role, StoreError> {
    let role = existing::role(rows, id).await?;
    if role.system { refuse(Conflict::SystemRole(id.clone())) } else { Ok(role) }
}
