//! Keys, by name and by the digest of their secret: no file holds anything that could be presented.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::document::KeyEntry;
use super::planner::{Planner, listed, or};
use super::step::FieldChange;
use super::text::{At, PlacedText};
use crate::model::{Expiry, GroupName, KeyDigest, KeyId, KeyName, KeyRecord, Mutation, NewKey, Resource, ResourceKind};

/// The keys of files, and of those whose entries make sense the ids.
#[derive(Default)]
pub(super) struct DeclaredKeys {
    pub(super) named: BTreeMap<KeyName, At>,
    pub(super) ids: BTreeMap<KeyName, KeyId>,
}

struct WantedKey {
    description: String,
    groups: Vec<GroupName>,
    expires_at: Option<Timestamp>,
    disabled: bool,
}

pub(super) fn plan(planner: &mut Planner<'_, '_>, entries: &[KeyEntry]) -> DeclaredKeys {
    let mut declared = DeclaredKeys::default();
    let mut digests: BTreeMap<KeyDigest, At> = BTreeMap::new();
    let mut new_groups: BTreeSet<GroupName> = BTreeSet::new();
    for entry in entries {
        let name = planner.name(&entry.name, &mut declared.named);
        let groups: Option<Vec<GroupName>> = planner.words(&entry.groups);
        let digest: Option<Option<KeyDigest>> = entry.sha256.as_ref().map_or(Some(None), |text| planner.word(text).map(Some));
        let expires_at = entry.expires.as_ref().map_or(Some(None), |text| time(planner, text).map(Some));
        if let (Some(digest), Some(text)) = (digest.flatten(), &entry.sha256) {
            if let Some(first) = digests.get(&digest) {
                let first = planner.faults.named(first);
                planner.faults.add(&text.at, format!("two keys cannot have one secret: this one stands in {first} already"));
            }
            digests.entry(digest).or_insert(text.at);
        }
        let (Some(name), Some(groups), Some(digest), Some(expires_at)) = (name, groups, digest, expires_at) else { continue };
        new_groups.extend(groups.iter().cloned());
        let wanted = WantedKey { description: or(entry.description.as_ref(), ""), groups, expires_at, disabled: entry.disabled };
        let current = planner.current;
        let id = match (current.keys.get(&name), digest, &entry.sha256) {
            (Some(before), digest, text) => {
                if let (Some(digest), Some(text)) = (digest, text) {
                    is_its(planner, before, &digest, text);
                }
                change(planner, &entry.name, before, wanted);
                Some(before.id)
            }
            (None, Some(digest), Some(text)) => make(planner, &entry.name, &name, &digest, text, wanted),
            (None, _, _) => {
                let why = format!("key {name} is not in the store, and without its `sha256` it cannot be made");
                planner.faults.add(&entry.name.at, why);
                None
            }
        };
        if let Some(id) = id {
            planner.declared.insert(Resource::Key(id));
            declared.ids.insert(name, id);
        }
    }
    planner.declared.extend(new_groups.into_iter().map(Resource::Group));
    declared
}

fn time(planner: &mut Planner<'_, '_>, text: &PlacedText) -> Option<Timestamp> {
    let Ok(at) = text.text.parse::<Timestamp>() else {
        let why = format!("{:?} is not an RFC 3339 time with its offset from UTC", text.text);
        planner.faults.add_with(&text.at, why, Some("write it as `2027-01-31T12:00:00Z`".to_owned()));
        return None;
    };
    // What a store keeps of it.
    Timestamp::from_microsecond(at.as_microsecond()).ok()
}

/// Whether the key has this secret. A file does not give a key another one: then the one that is presented would end by a merge.
fn is_its(planner: &mut Planner<'_, '_>, before: &KeyRecord, digest: &KeyDigest, text: &PlacedText) {
    if before.secrets.iter().any(|secret| secret.digest == *digest) {
        return;
    }
    let way = format!("`claviger key rotate {}` gives it a new one; `claviger export` has the digest", before.name);
    planner.faults.add_with(&text.at, format!("key {} has another secret than this", before.name), Some(way));
}

fn make(
    planner: &mut Planner<'_, '_>,
    at: &PlacedText,
    name: &KeyName,
    digest: &KeyDigest,
    text: &PlacedText,
    wanted: WantedKey,
) -> Option<KeyId> {
    if let Some(owner) = planner.current.owners.get(digest) {
        let state = if owner.revoked_at.is_some() { ", which is revoked" } else { "" };
        let why = format!("this is a secret of key {}{state}: a secret belongs to one key for good", owner.name);
        planner.faults.add(&text.at, why);
        return None;
    }
    let id = planner.ids.key();
    let WantedKey { description, groups, expires_at, disabled } = wanted;
    let fields = vec![
        FieldChange::between("description", "", &description),
        FieldChange::between("groups", "", &listed(&groups)),
        FieldChange::between("expires", "", &end(expires_at)),
        FieldChange::between("disabled", "", if disabled { "true" } else { "" }),
    ];
    let new = NewKey { id, name: name.clone(), description, groups, expires_at, digest: *digest, bindings: Vec::new() };
    let mut mutations = vec![Mutation::ImportKey(new)];
    mutations.extend(disabled.then_some(Mutation::DisableKey { id }));
    planner.create(at.at, (ResourceKind::Key, name.to_string()), fields, mutations);
    Some(id)
}

fn change(planner: &mut Planner<'_, '_>, at: &PlacedText, before: &KeyRecord, wanted: WantedKey) {
    let (id, is_disabled) = (before.id, before.disabled_at.is_some());
    let WantedKey { description, groups, expires_at, disabled } = wanted;
    let own: Vec<Option<FieldChange>> = vec![
        FieldChange::between("description", &before.description, &description),
        FieldChange::between("groups", &listed(&before.groups), &listed(&groups)),
        FieldChange::between("expires", &end(before.expires_at), &end(expires_at)),
    ];
    let mut mutations = Vec::new();
    if own.iter().any(Option::is_some) {
        let expiry = Some(expires_at.map_or(Expiry::Never, Expiry::At));
        mutations.push(Mutation::UpdateKey { id, name: None, description: Some(description), groups: Some(groups), expiry });
    }
    match (is_disabled, disabled) {
        (false, true) => mutations.push(Mutation::DisableKey { id }),
        (true, false) => mutations.push(Mutation::EnableKey { id }),
        (true, true) | (false, false) => {}
    }
    let switched = FieldChange::between("disabled", &is_disabled.to_string(), &disabled.to_string());
    let fields = own.into_iter().chain([switched]).collect();
    planner.update(at.at, (ResourceKind::Key, before.name.to_string()), fields, || mutations);
}

fn end(at: Option<Timestamp>) -> String {
    at.map(|at| at.to_string()).unwrap_or_default()
}
