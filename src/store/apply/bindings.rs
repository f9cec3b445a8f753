//! Bindings: made and deleted, never changed.

use jiff::Timestamp;

use super::effect::{Effect, Touches, refuse, value};
use super::existing;
use super::rows::Rows;
use crate::model::{Binding, BindingId, Resource, RoleId, SpaceId, Subject, SystemRole};
use crate::store::error::{Conflict, StoreError};

pub(super) async fn create(
    rows: &mut dyn Rows,
    id: BindingId,
    subject: Subject,
    role: RoleId,
    space: SpaceId,
    at: Timestamp,
) -> Result<Effect, StoreError> {
    match &subject {
        Subject::Key(key) => drop(existing::changeable_key(rows, *key).await?),
        Subject::Group(group) => rows.ensure_group(group).await?,
    }
    let binding = bind(rows, id, subject, role, space, at).await?;
    Ok(Effect { before: None, after: Some(value(&binding)), touches: touched(&binding.subject), spaces: vec![binding.space] })
}

/// Adds a binding of a subject that is known to be there.
pub(super) async fn bind(
    rows: &mut dyn Rows,
    id: BindingId,
    subject: Subject,
    role: RoleId,
    space: SpaceId,
    at: Timestamp,
) -> Result<Binding, StoreError> {
    let kept = existing::role(rows, &role).await?;
    existing::space(rows, &space).await?;
    if kept.system && kept.id == SystemRole::Replica.id() && !space.is_root() {
        return refuse(Conflict::RoleOfRoot(role));
    }
    if rows.binding(id).await?.is_some() {
        return refuse(Conflict::Exists(Resource::Binding(id)));
    }
    if let Some(same) = rows.binding_of(&subject, &role, &space).await? {
        return refuse(Conflict::SameBinding(same));
    }
    let binding = Binding { id, subject, role, space, created_at: at };
    rows.insert_binding(&binding).await?;
    Ok(binding)
}

pub(super) async fn delete(rows: &mut dyn Rows, id: BindingId) -> Result<Effect, StoreError> {
    let before = rows.binding(id).await?.ok_or(StoreError::NotFound(Resource::Binding(id)))?;
    rows.delete_binding(id).await?;
    Ok(Effect { before: Some(value(&before)), after: None, touches: touched(&before.subject), spaces: vec![before.space] })
}

fn touched(subject: &Subject) -> Touches {
    match subject {
        Subject::Key(id) => Touches::Key(*id),
        Subject::Group(_) => Touches::All,
    }
}
