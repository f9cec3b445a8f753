//! Groups: they also come into being when a key or a binding first names them.

use super::effect::{Effect, refuse, value};
use super::existing;
use super::rows::Rows;
use crate::model::{Group, GroupName, Resource};
use crate::store::error::{Conflict, StoreError};

pub(super) async fn create(rows: &mut dyn Rows, name: GroupName, description: String) -> Result<Effect, StoreError> {
    if rows.group(&name).await?.is_some() {
        return refuse(Conflict::Exists(Resource::Group(name)));
    }
    let group = Group { name, description };
    rows.insert_group(&group).await?;
    Ok(Effect::of_all(None, Some(value(&group))))
}

pub(super) async fn update(rows: &mut dyn Rows, name: GroupName, description: String) -> Result<Effect, StoreError> {
    let before = existing::group(rows, &name).await?;
    let after = Group { name, description };
    rows.update_group(&after).await?;
    Ok(Effect::of_all(Some(value(&before)), Some(value(&after))))
}

pub(super) async fn delete(rows: &mut dyn Rows, name: GroupName) -> Result<Effect, StoreError> {
    let before = existing::group(rows, &name).await?;
    let (bindings, members) = (rows.binding_count_of_group(&name).await?, rows.member_count(&name).await?);
    if bindings > 0 || members > 0 {
        return refuse(Conflict::GroupInUse { name, bindings, members });
    }
    rows.delete_group(&name).await?;
    Ok(Effect::of_all(Some(value(&before)), None))
}
