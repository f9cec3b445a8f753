//! Bindings: which key or group holds which role in which space. They have no name: what one says is what it is.

use std::collections::BTreeMap;

use super::document::BindingEntry;
use super::keys::DeclaredKeys;
use super::planner::Planner;
use super::spaces::Named;
use super::text::{At, PlacedText};
use crate::model::{BindingId, GroupName, KeyId, KeyName, Mutation, Resource, ResourceKind, RoleId, SpaceId, Subject};

type Bound = (Subject, RoleId, SpaceId);

pub(super) fn plan(
    planner: &mut Planner<'_, '_>,
    entries: &[BindingEntry],
    spaces: &Named,
    roles: &BTreeMap<RoleId, At>,
    keys: &DeclaredKeys,
) {
    let there = there(planner);
    let mut named: BTreeMap<Bound, At> = BTreeMap::new();
    for entry in entries {
        let (role, space) = (role(planner, &entry.role, roles), space(planner, &entry.space, spaces));
        let subject = match (&entry.key, &entry.group) {
            (Some(text), None) => key(planner, text, keys).map(Subject::Key),
            (None, Some(text)) => planner.word::<GroupName>(text).map(Subject::Group),
            (Some(_), Some(_)) => {
                planner.faults.add(&entry.at, "a binding is for a `key` or for a `group`, and not for both");
                None
            }
            (None, None) => {
                planner.faults.add(&entry.at, "a binding needs the field `key` or the field `group`");
                None
            }
        };
        let (Some(role), Some(space), Some(subject)) = (role, space, subject) else { continue };
        let bound: Bound = (subject, role, space);
        if let Some(first) = named.get(&bound) {
            let first = planner.faults.named(first);
            planner.faults.add(&entry.at, format!("this binding is declared twice: it stands in {first} already"));
            continue;
        }
        named.insert(bound.clone(), entry.at);
        if let Subject::Group(group) = &bound.0 {
            planner.declared.insert(Resource::Group(group.clone()));
        }
        let id = there.get(&bound).copied().unwrap_or_else(|| {
            let id = planner.ids.binding();
            let who = entry.key.as_ref().map_or("group", |_| "key");
            let called = entry.key.as_ref().or(entry.group.as_ref()).map_or("", |text| &text.text);
            let (subject, role, space) = bound.clone();
            let name = format!("of {who} {called}: {role}@{space}");
            planner.create(entry.at, (ResourceKind::Binding, name), Vec::new(), vec![Mutation::CreateBinding { id, subject, role, space }]);
            id
        });
        planner.declared.insert(Resource::Binding(id));
    }
}

/// Every binding that an entry can speak of.
fn there(planner: &Planner<'_, '_>) -> BTreeMap<Bound, BindingId> {
    let of_groups = planner.current.snapshot.group_bindings.values().flatten();
    let of_groups = of_groups.map(|bound| ((bound.subject.clone(), bound.role.clone(), bound.space.clone()), bound.id));
    let of_keys = planner.current.keys.values().flat_map(|key| key.bindings.iter().map(move |bound| (key.id, bound)));
    let of_keys = of_keys.map(|(key, bound)| ((Subject::Key(key), bound.role.clone(), bound.space.clone()), bound.id));
    of_groups.chain(of_keys).collect()
}

fn role(planner: &mut Planner<'_, '_>, text: &PlacedText, declared: &BTreeMap<RoleId, At>) -> Option<RoleId> {
    let role: RoleId = planner.word(text)?;
    let there = &planner.current.snapshot.roles;
    if declared.contains_key(&role) || there.contains_key(&role) {
        return Some(role);
    }
    let candidates: Vec<String> = declared.keys().chain(there.keys()).map(ToString::to_string).collect();
    planner.unknown(ResourceKind::Role, text, candidates);
    None
}

fn space(planner: &mut Planner<'_, '_>, text: &PlacedText, declared: &Named) -> Option<SpaceId> {
    let space: SpaceId = planner.word(text)?;
    let there = &planner.current.snapshot.spaces;
    if declared.contains_key(&space) || there.contains(&space) {
        return Some(space);
    }
    let candidates: Vec<String> = declared.keys().chain(there.iter().map(|space| &space.id)).map(ToString::to_string).collect();
    planner.unknown(ResourceKind::Space, text, candidates);
    None
}

/// The key's id. Of one whose entry has a fault that is told there nothing is said here.
fn key(planner: &mut Planner<'_, '_>, text: &PlacedText, declared: &DeclaredKeys) -> Option<KeyId> {
    let name: KeyName = planner.word(text)?;
    let known = declared.ids.get(&name).copied().or_else(|| planner.current.keys.get(&name).map(|key| key.id));
    if known.is_none() && !declared.named.contains_key(&name) {
        let candidates: Vec<String> =
            declared.named.keys().map(ToString::to_string).chain(planner.current.key_names.iter().flatten().cloned()).collect();
        planner.unknown(ResourceKind::Key, text, candidates);
    }
    known
}
