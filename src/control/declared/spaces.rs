//! Spaces: made and moved from the top down, so that each stands under what is there by then.

use std::collections::BTreeMap;

use super::document::SpaceEntry;
use super::planner::{Planner, listed, or};
use super::step::FieldChange;
use super::text::{At, PlacedText};
use crate::model::{Mutation, Resource, ResourceKind, Space, SpaceId};

/// The spaces of files, each with its place.
pub(super) type Named = BTreeMap<SpaceId, At>;

struct Wanted<'e> {
    space: Space,
    at: At,
    parent: Option<&'e PlacedText>,
}

pub(super) fn plan(planner: &mut Planner<'_, '_>, entries: &[SpaceEntry]) -> Named {
    let mut named = Named::new();
    let mut wanted: BTreeMap<SpaceId, Wanted<'_>> = BTreeMap::new();
    for entry in entries {
        let Some(id) = planner.name(&entry.id, &mut named) else { continue };
        planner.declared.insert(Resource::Space(id.clone()));
        if id.is_root() {
            root(planner, entry);
            continue;
        }
        let Some(parent) = entry.parent.as_ref().map_or_else(|| Some(SpaceId::root()), |text| planner.word(text)) else { continue };
        let name = or(entry.name.as_ref(), id.as_str());
        let mut labels: Vec<String> = entry.labels.iter().map(|label| label.text.clone()).collect();
        labels.sort();
        labels.dedup();
        let space = Space { id: id.clone(), name, description: or(entry.description.as_ref(), ""), parent: Some(parent), labels };
        wanted.insert(id, Wanted { space, at: entry.id.at, parent: entry.parent.as_ref() });
    }

    let places = places(planner, &wanted);
    let mut in_order: Vec<(usize, Wanted<'_>)> = Vec::new();
    for (id, wanted) in wanted {
        match depth(&id, &places) {
            Depth::Below(depth) => in_order.push((depth, wanted)),
            Depth::UnderItself => {
                let at = wanted.parent.map_or(wanted.at, |text| text.at);
                planner.faults.add(&at, format!("space {id} would stand under itself"));
            }
            Depth::Nowhere(missing) => {
                // Told where that one is named, and not of everything below; nor of a space whose own entry has a fault.
                if let Some(text) = wanted.parent.filter(|text| text.text == missing.as_str() && !named.contains_key(&missing)) {
                    planner.unknown(ResourceKind::Space, text, places.keys().map(ToString::to_string));
                }
            }
        }
    }
    in_order.sort_by_key(|(depth, wanted)| (*depth, wanted.at));
    for (_, Wanted { space, at, .. }) in in_order {
        one(planner, space, at);
    }
    named
}

/// The parent of each space, as it will be.
fn places(planner: &Planner<'_, '_>, wanted: &BTreeMap<SpaceId, Wanted<'_>>) -> BTreeMap<SpaceId, Option<SpaceId>> {
    let there = planner.current.snapshot.spaces.iter().map(|space| (space.id.clone(), space.parent.clone()));
    there.chain(wanted.iter().map(|(id, wanted)| (id.clone(), wanted.space.parent.clone()))).collect()
}

enum Depth {
    /// So many steps from the root.
    Below(usize),
    UnderItself,
    /// This one is missing.
    Nowhere(SpaceId),
}

fn depth(id: &SpaceId, places: &BTreeMap<SpaceId, Option<SpaceId>>) -> Depth {
    let (mut here, mut steps) = (id, 0);
    loop {
        match places.get(here) {
            None => return Depth::Nowhere(here.clone()),
            Some(None) => return Depth::Below(steps),
            Some(Some(parent)) => here = parent,
        }
        steps += 1;
        if steps > places.len() {
            return Depth::UnderItself;
        }
    }
}

fn one(planner: &mut Planner<'_, '_>, after: Space, at: At) {
    let about = (ResourceKind::Space, after.id.to_string());
    let parent = |space: &Space| space.parent.as_ref().map(SpaceId::to_string).unwrap_or_default();
    let Some(before) = planner.current.snapshot.spaces.find(&after.id) else {
        let fields = vec![
            FieldChange::between("name", "", Some(after.name.as_str()).filter(|name| *name != after.id.as_str()).unwrap_or_default()),
            FieldChange::between("description", "", &after.description),
            FieldChange::between("parent", "", &parent(&after)),
            FieldChange::between("labels", "", &listed(&after.labels)),
        ];
        planner.create(at, about, fields, vec![Mutation::CreateSpace(after)]);
        return;
    };
    let fields = vec![
        FieldChange::between("name", &before.name, &after.name),
        FieldChange::between("description", &before.description, &after.description),
        FieldChange::between("parent", &parent(before), &parent(&after)),
        FieldChange::between("labels", &listed(&before.labels), &listed(&after.labels)),
    ];
    let moved = after.parent.clone().filter(|_| before.parent != after.parent);
    planner.update(at, about, fields, || {
        let Space { id, name, description, parent: _, labels } = after;
        vec![Mutation::UpdateSpace { id, name: Some(name), description: Some(description), labels: Some(labels), parent: moved }]
    });
}

/// The root has its place and its name; what it is for and its labels can be said.
fn root(planner: &mut Planner<'_, '_>, entry: &SpaceEntry) {
    for text in [&entry.name, &entry.parent].into_iter().flatten() {
        planner.faults.add(&text.at, "the root space can be neither renamed nor moved");
    }
    let Some(before) = planner.current.snapshot.spaces.find(&SpaceId::root()) else { return };
    let mut labels: Vec<String> = entry.labels.iter().map(|label| label.text.clone()).collect();
    labels.sort();
    labels.dedup();
    let description = or(entry.description.as_ref(), "");
    let fields = vec![
        FieldChange::between("description", &before.description, &description),
        FieldChange::between("labels", &listed(&before.labels), &listed(&labels)),
    ];
    planner.update(entry.id.at, (ResourceKind::Space, SpaceId::root().to_string()), fields, || {
        let (description, labels) = (Some(description), Some(labels));
        vec![Mutation::UpdateSpace { id: SpaceId::root(), name: None, description, labels, parent: None }]
    });
}
