//! Groups: they also come into being when a key or a binding first names them.

use super::{Effect, StoreError, Tables, conflict, counted, missing, value};
use crate::model::{Group, GroupName};

pub(super) async fn create(tables: &mut Tables<'_>, name: GroupName, description: String) -> Result<Effect, StoreError> {
    if tables.group(&name).await?.is_some() {
        return conflict(format!("group {name} exists already"));
    }
    let group = Group { name, description };
    tables.insert_group(&group).await?;
    Ok(Effect::of_all(group.name.as_str(), None, Some(value(&group))))
}

pub(super) async fn update(tables: &mut Tables<'_>, name: GroupName, description: String) -> Result<Effect, StoreError> {
    let before = existing(tables, &name).await?;
    let after = Group { name, description };
    tables.update_group(&after).await?;
    Ok(Effect::of_all(after.name.as_str(), Some(value(&before)), Some(value(&after))))
}

pub(super) async fn delete(tables: &mut Tables<'_>, name: GroupName) -> Result<Effect, StoreError> {
    let before = existing(tables, &name).await?;
    let (bindings, members) = (tables.binding_count_of_group(&name).await?, tables.member_count(&name).await?);
    if bindings > 0 || members > 0 {
        let (bindings, members) = (counted(bindings, "binding"), counted(members, "member"));
        return conflict(format!("group {name} cannot be deleted: it has {bindings} and {members}"));
    }
    tables.delete_group(&name).await?;
    Ok(Effect::of_all(name.as_str(), Some(value(&before)), None))
}

async fn existing(tables: &mut Tables<'_>, name: &GroupName) -> Result<Group, StoreError> {
    tables.group(name).await?.ok_or_else(|| missing("group", name))
}
