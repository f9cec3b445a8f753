//! Bindings: made and deleted, never changed.

use jiff::Timestamp;

use super::{Effect, StoreError, Tables, Touches, conflict, keys, missing, roles, spaces, value};
use crate::model::{Binding, BindingId, RoleId, SpaceId, Subject};

pub(super) async fn create(
    tables: &mut Tables<'_>,
    id: BindingId,
    subject: Subject,
    role: RoleId,
    space: SpaceId,
    at: Timestamp,
) -> Result<Effect, StoreError> {
    match &subject {
        Subject::Key(key) => drop(keys::changeable(tables, *key).await?),
        Subject::Group(group) => tables.ensure_group(group).await?,
    }
    let binding = bind(tables, id, subject, role, space, at).await?;
    Ok(Effect { resource: id.to_string(), before: None, after: Some(value(&binding)), touches: touched(&binding.subject) })
}

/// Adds a binding of a subject that is known to be there.
pub(super) async fn bind(
    tables: &mut Tables<'_>,
    id: BindingId,
    subject: Subject,
    role: RoleId,
    space: SpaceId,
    at: Timestamp,
) -> Result<Binding, StoreError> {
    roles::existing(tables, &role).await?;
    spaces::existing(tables, &space).await?;
    if tables.binding(id).await?.is_some() {
        return conflict(format!("binding {id} exists already"));
    }
    if let Some(same) = tables.binding_of(&subject, &role, &space).await? {
        return conflict(format!("binding {same} says the same already"));
    }
    let binding = Binding { id, subject, role, space, created_at: at };
    tables.insert_binding(&binding).await?;
    Ok(binding)
}

pub(super) async fn delete(tables: &mut Tables<'_>, id: BindingId) -> Result<Effect, StoreError> {
    let before = tables.binding(id).await?.ok_or_else(|| missing("binding", id))?;
    tables.delete_binding(id).await?;
    Ok(Effect { resource: id.to_string(), before: Some(value(&before)), after: None, touches: touched(&before.subject) })
}

fn touched(subject: &Subject) -> Touches {
    match subject {
        Subject::Key(id) => Touches::Key(*id),
        Subject::Group(_) => Touches::All,
    }
}
