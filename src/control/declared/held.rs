//! What files come to where there is nothing else: the snapshot and the keys.
//!
//! What has an id in a store has one here, too, and it is made of what the thing is: of a key's name, of what a binding says. So a file gives
//! the same ids whoever reads it, and however often.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;

use aws_lc_rs::digest;
use jiff::Timestamp;

use super::outcome::Outcome;
use super::plan::Plan;
use crate::model::{
    BindingId, Group, GroupName, KeyDigest, KeyId, KeyName, KeyRecord, Mutation, NewKey, SecretRecord, Snapshot, Strategy, Subject,
};

/// What files come to.
pub(super) struct Held {
    pub(super) snapshot: Snapshot,
    pub(super) keys: HashMap<KeyDigest, KeyRecord>,
}

impl Held {
    /// Of a plan for a store that holds nothing. `None`: the spaces are no tree.
    pub(super) fn of(plan: &Plan, strategy: Strategy, at: Timestamp) -> Option<Self> {
        let names: BTreeMap<KeyId, KeyName> = plan.mutations().filter_map(new_key).map(|new| (new.id, new.name.clone())).collect();
        let mutations: Vec<Mutation> = plan.mutations().cloned().map(|mutation| with_its_own_id(mutation, &names)).collect();
        let Outcome { mut snapshot, .. } = Outcome::of(&mutations, &Snapshot::empty(strategy), at)?;
        let outcome = Outcome::of(&mutations, &Snapshot::empty(strategy), at)?;
        let mut keys = HashMap::new();
        for new in mutations.iter().filter_map(new_key) {
            let mut key = outcome.key(&record(new, at));
            key.bindings.sort_by_key(|binding| binding.id);
            for group in &key.groups {
                describe(&mut snapshot, group);
            }
            keys.insert(new.digest, key);
        }
        // A group comes into being by whoever speaks of it.
        for group in snapshot.group_bindings.keys().cloned().collect::<Vec<_>>() {
            describe(&mut snapshot, &group);
        }
        snapshot.group_bindings.values_mut().for_each(|bindings| bindings.sort_by_key(|binding| binding.id));
        Some(Self { snapshot, keys })
    }
}

fn new_key(mutation: &Mutation) -> Option<&NewKey> {
    if let Mutation::ImportKey(new) = mutation { Some(new) } else { None }
}

fn describe(snapshot: &mut Snapshot, group: &GroupName) {
    let undescribed = || Group { name: group.clone(), description: String::new() };
    snapshot.groups.entry(group.clone()).or_insert_with(undescribed);
}

fn record(new: &NewKey, at: Timestamp) -> KeyRecord {
    let NewKey { id, name, description, groups, expires_at, digest, bindings: _ } = new.clone();
    let secrets = vec![SecretRecord { digest, created_at: at, ends_at: None, last_used_at: None }];
    KeyRecord {
        id,
        name,
        description,
        groups,
        created_at: at,
        expires_at,
        disabled_at: None,
        revoked_at: None,
        secrets,
        bindings: Vec::new(),
    }
}

/// The same, with ids that are made of what has them.
fn with_its_own_id(mutation: Mutation, names: &BTreeMap<KeyId, KeyName>) -> Mutation {
    let own = |id: KeyId| names.get(&id).map_or(id, |name| KeyId::new(0, number(&[&"key", name])));
    match mutation {
        Mutation::ImportKey(new) => Mutation::ImportKey(NewKey { id: own(new.id), ..new }),
        Mutation::DisableKey { id } => Mutation::DisableKey { id: own(id) },
        Mutation::CreateBinding { id: _, subject, role, space } => {
            let (kind, name, subject): (&str, String, Subject) = match subject {
                Subject::Key(id) => ("of key", names.get(&id).map(ToString::to_string).unwrap_or_default(), Subject::Key(own(id))),
                Subject::Group(group) => ("of group", group.to_string(), Subject::Group(group)),
            };
            let id = BindingId::new(0, number(&[&kind, &name, &role, &space]));
            Mutation::CreateBinding { id, subject, role, space }
        }
        // Of keys that were there before, there are none.
        same @ (Mutation::Bootstrap(_)
        | Mutation::CreateKey(_)
        | Mutation::UpdateKey { .. }
        | Mutation::RotateKey { .. }
        | Mutation::EnableKey { .. }
        | Mutation::RevokeKey { .. }
        | Mutation::CreateSpace(_)
        | Mutation::UpdateSpace { .. }
        | Mutation::DeleteSpace { .. }
        | Mutation::CreateRole { .. }
        | Mutation::UpdateRole { .. }
        | Mutation::DeleteRole { .. }
        | Mutation::CreateGroup { .. }
        | Mutation::UpdateGroup { .. }
        | Mutation::DeleteGroup { .. }
        | Mutation::DeleteBinding { .. }
        | Mutation::CreatePolicy(_)
        | Mutation::UpdatePolicy { .. }
        | Mutation::DeletePolicy { .. }
        | Mutation::SetStrategy(_)) => same,
    }
}

/// A number that stands for these words, in this order, and for no others.
fn number(words: &[&dyn Display]) -> u128 {
    let mut context = digest::Context::new(&digest::SHA256);
    for word in words {
        let word = word.to_string();
        context.update(&(word.len() as u64).to_be_bytes());
        context.update(word.as_bytes());
    }
    context.finish().as_ref().iter().take(16).fold(0, |number, byte| number << 8 | u128::from(*byte))
}
