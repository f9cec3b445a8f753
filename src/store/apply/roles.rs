//! Roles: those of the system stay as they are.

use super::{Effect, StoreError, Tables, conflict, counted, missing, set, value};
use crate::model::{ActionPattern, Role, RoleId};

pub(super) async fn create(
    tables: &mut Tables<'_>,
    id: RoleId,
    name: String,
    description: String,
    actions: Vec<ActionPattern>,
) -> Result<Effect, StoreError> {
    if tables.role(&id).await?.is_some() {
        return conflict(format!("role {id} exists already"));
    }
    let role = Role { id, name, description, actions: set(actions), system: false };
    tables.insert_role(&role).await?;
    Ok(Effect::of_all(role.id.as_str(), None, Some(value(&role))))
}

pub(super) async fn update(
    tables: &mut Tables<'_>,
    id: RoleId,
    name: Option<String>,
    description: Option<String>,
    actions: Option<Vec<ActionPattern>>,
) -> Result<Effect, StoreError> {
    let before = changeable(tables, &id).await?;
    let after = Role {
        id,
        name: name.unwrap_or_else(|| before.name.clone()),
        description: description.unwrap_or_else(|| before.description.clone()),
        actions: actions.map_or_else(|| before.actions.clone(), set),
        system: before.system,
    };
    tables.update_role(&after).await?;
    Ok(Effect::of_all(after.id.as_str(), Some(value(&before)), Some(value(&after))))
}

pub(super) async fn delete(tables: &mut Tables<'_>, id: RoleId) -> Result<Effect, StoreError> {
    let before = changeable(tables, &id).await?;
    let bindings = tables.binding_count_of_role(&id).await?;
    if bindings > 0 {
        return conflict(format!("role {id} cannot be deleted: {} of it", counted(bindings, "binding")));
    }
    tables.delete_role(&id).await?;
    Ok(Effect::of_all(id.as_str(), Some(value(&before)), None))
}

async fn changeable(tables: &mut Tables<'_>, id: &RoleId) -> Result<Role, StoreError> {
    let role = existing(tables, id).await?;
    if role.system { conflict(format!("role {id} belongs to the system: it can be neither changed nor deleted")) } else { Ok(role) }
}

pub(super) async fn existing(tables: &mut Tables<'_>, id: &RoleId) -> Result<Role, StoreError> {
    tables.role(id).await?.ok_or_else(|| missing("role", id))
}
