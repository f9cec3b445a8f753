//! Spaces: a tree under `root`, whatever is asked.

use super::{Effect, StoreError, Tables, conflict, counted, missing, set, value};
use crate::model::{Space, SpaceId};

pub(super) async fn create(tables: &mut Tables<'_>, space: Space) -> Result<Effect, StoreError> {
    let space = Space { labels: set(space.labels), ..space };
    if tables.space(&space.id).await?.is_some() {
        return conflict(format!("space {} exists already", space.id));
    }
    let Some(parent) = &space.parent else {
        return conflict(format!("space {} needs a space to stand under: only root has none", space.id));
    };
    existing(tables, parent).await?;
    tables.insert_space(&space).await?;
    Ok(Effect::of_all(space.id.as_str(), None, Some(value(&space))))
}

pub(super) async fn update(
    tables: &mut Tables<'_>,
    id: SpaceId,
    name: Option<String>,
    description: Option<String>,
    labels: Option<Vec<String>>,
    parent: Option<SpaceId>,
) -> Result<Effect, StoreError> {
    let before = existing(tables, &id).await?;
    if id.is_root() && (name.is_some() || parent.is_some()) {
        return conflict("the root space can be neither renamed nor moved".to_owned());
    }
    if let Some(parent) = &parent {
        existing(tables, parent).await?;
        if tables.is_within(parent, &id).await? {
            return conflict(format!("space {id} cannot stand under {parent}, which is itself or stands below it"));
        }
    }
    let after = Space {
        id,
        name: name.unwrap_or_else(|| before.name.clone()),
        description: description.unwrap_or_else(|| before.description.clone()),
        parent: parent.or_else(|| before.parent.clone()),
        labels: labels.map_or_else(|| before.labels.clone(), set),
    };
    tables.update_space(&after).await?;
    Ok(Effect::of_all(after.id.as_str(), Some(value(&before)), Some(value(&after))))
}

pub(super) async fn delete(tables: &mut Tables<'_>, id: SpaceId) -> Result<Effect, StoreError> {
    let before = existing(tables, &id).await?;
    if id.is_root() {
        return conflict("the root space cannot be deleted".to_owned());
    }
    let (children, bindings) = (tables.child_count(&id).await?, tables.binding_count_in_space(&id).await?);
    if children > 0 || bindings > 0 {
        let (children, bindings) = (counted(children, "space"), counted(bindings, "binding"));
        return conflict(format!("space {id} cannot be deleted: {children} directly below it and {bindings} in it"));
    }
    tables.delete_space(&id).await?;
    Ok(Effect::of_all(id.as_str(), Some(value(&before)), None))
}

pub(super) async fn existing(tables: &mut Tables<'_>, id: &SpaceId) -> Result<Space, StoreError> {
    tables.space(id).await?.ok_or_else(|| missing("space", id))
}
