//! Spaces: a tree under `root`, whatever is asked.

use super::effect::{Effect, refuse, set, value};
use super::existing;
use super::rows::Rows;
use crate::model::{Resource, Space, SpaceId};
use crate::store::error::{Conflict, StoreError};

pub(super) async fn create(rows: &mut dyn Rows, space: Space) -> Result<Effect, StoreError> {
    let space = Space { labels: set(space.labels), ..space };
    if rows.space(&space.id).await?.is_some() {
        return refuse(Conflict::Exists(Resource::Space(space.id)));
    }
    let Some(parent) = &space.parent else {
        return refuse(Conflict::SpaceWithoutParent(space.id));
    };
    existing::space(rows, parent).await?;
    rows.insert_space(&space).await?;
    Ok(Effect { spaces: vec![space.id.clone()], ..Effect::of_all(None, Some(value(&space))) })
}

pub(super) async fn update(
    rows: &mut dyn Rows,
    id: SpaceId,
    name: Option<String>,
    description: Option<String>,
    labels: Option<Vec<String>>,
    parent: Option<SpaceId>,
) -> Result<Effect, StoreError> {
    let before = existing::space(rows, &id).await?;
    if id.is_root() && (name.is_some() || parent.is_some()) {
        return refuse(Conflict::RootSpaceFixed);
    }
    if let Some(parent) = &parent {
        existing::space(rows, parent).await?;
        if rows.is_within(parent, &id).await? {
            return refuse(Conflict::SpaceUnderItself { id, parent: parent.clone() });
        }
    }
    let after = Space {
        id,
        name: name.unwrap_or_else(|| before.name.clone()),
        description: description.unwrap_or_else(|| before.description.clone()),
        parent: parent.or_else(|| before.parent.clone()),
        labels: labels.map_or_else(|| before.labels.clone(), set),
    };
    rows.update_space(&after).await?;
    // Whoever looks after the space that it left, or came to, wants to know too.
    let moved = [&before.parent, &after.parent].into_iter().flatten().filter(|_| before.parent != after.parent);
    let spaces = moved.chain([&after.id]).cloned().collect();
    Ok(Effect { spaces, ..Effect::of_all(Some(value(&before)), Some(value(&after))) })
}

pub(super) async fn delete(rows: &mut dyn Rows, id: SpaceId) -> Result<Effect, StoreError> {
    let before = existing::space(rows, &id).await?;
    if id.is_root() {
        return refuse(Conflict::RootSpaceKept);
    }
    let (children, bindings) = (rows.child_count(&id).await?, rows.binding_count_in_space(&id).await?);
    if children > 0 || bindings > 0 {
        return refuse(Conflict::SpaceInUse { id, children, bindings });
    }
    rows.delete_space(&id).await?;
    Ok(Effect { spaces: vec![id], ..Effect::of_all(Some(value(&before)), None) })
}
