//! What a plan would leave, thought through and not made: for telling who would feel it.
//!
//! The rules of changes are the store's. Here stands only what becomes of each thing, of mutations that the store would make.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::model::{
    Binding, BindingId, Expiry, Group, GroupName, KeyBinding, KeyId, KeyName, KeyRecord, LoginPolicy, Mutation, Role, Snapshot, Space,
    SpaceId, SpaceTree, Subject,
};

/// What the store would hold.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Everything but the keys.
    pub snapshot: Snapshot,
    /// What would be done to each key.
    of_keys: BTreeMap<KeyId, Vec<Done>>,
    /// Bindings that would be gone, whoever has them.
    unbound: BTreeSet<BindingId>,
    at: Timestamp,
}

/// What is done to a key, as far as an answer can depend on it.
#[derive(Clone, Debug)]
enum Done {
    Update { name: Option<KeyName>, description: Option<String>, groups: Option<Vec<GroupName>>, expiry: Option<Expiry> },
    Disable,
    Enable,
    Revoke,
    Bind(KeyBinding),
}

impl Outcome {
    /// What these mutations make of what there is; `None`: no tree of spaces, which the store is going to refuse.
    pub(in crate::control) fn of<'m>(mutations: impl IntoIterator<Item = &'m Mutation>, before: &Snapshot, at: Timestamp) -> Option<Self> {
        let mut spaces: BTreeMap<SpaceId, Space> = before.spaces.iter().map(|space| (space.id.clone(), space.clone())).collect();
        let mut outcome = Self { snapshot: before.clone(), of_keys: BTreeMap::new(), unbound: BTreeSet::new(), at };
        for mutation in mutations {
            outcome.take_in(mutation, &mut spaces);
        }
        outcome.snapshot.spaces = SpaceTree::from_rows(spaces.into_values()).ok()?;
        Some(outcome)
    }

    /// The key as it would be.
    #[must_use]
    pub fn key(&self, key: &KeyRecord) -> KeyRecord {
        let mut key = key.clone();
        key.bindings.retain(|binding| !self.unbound.contains(&binding.id));
        for done in self.of_keys.get(&key.id).into_iter().flatten() {
            change(&mut key, done, self.at);
        }
        key
    }

    fn take_in(&mut self, mutation: &Mutation, spaces: &mut BTreeMap<SpaceId, Space>) {
        let Self { snapshot, of_keys, unbound, at } = self;
        match mutation {
            Mutation::UpdateKey { id, name, description, groups, expiry } => {
                let (name, description, groups) = (name.clone(), description.clone(), groups.clone());
                of_keys.entry(*id).or_default().push(Done::Update { name, description, groups, expiry: *expiry });
            }
            Mutation::DisableKey { id } => of_keys.entry(*id).or_default().push(Done::Disable),
            Mutation::EnableKey { id } => of_keys.entry(*id).or_default().push(Done::Enable),
            Mutation::RevokeKey { id } => of_keys.entry(*id).or_default().push(Done::Revoke),
            Mutation::CreateBinding { id, subject: Subject::Key(key), role, space } => {
                let binding = KeyBinding { id: *id, role: role.clone(), space: space.clone() };
                of_keys.entry(*key).or_default().push(Done::Bind(binding));
            }
            // Whoever holds it has the key still, and nobody has one that is new.
            Mutation::RotateKey { .. } | Mutation::Bootstrap(_) | Mutation::CreateKey(_) | Mutation::ImportKey(_) => {}
            Mutation::CreateSpace(space) => drop(spaces.insert(space.id.clone(), space.clone())),
            Mutation::UpdateSpace { id, name, description, labels, parent } => {
                if let Some(space) = spaces.get_mut(id) {
                    set(&mut space.name, name.as_ref());
                    set(&mut space.description, description.as_ref());
                    set(&mut space.labels, labels.as_ref());
                    space.parent = parent.clone().or_else(|| space.parent.clone());
                }
            }
            Mutation::DeleteSpace { id } => drop(spaces.remove(id)),
            Mutation::CreateRole { id, name, description, actions } => {
                let (name, description, actions) = (name.clone(), description.clone(), actions.clone());
                snapshot.roles.insert(id.clone(), Role { id: id.clone(), name, description, actions, system: false });
            }
            Mutation::UpdateRole { id, name, description, actions } => {
                if let Some(role) = snapshot.roles.get_mut(id) {
                    set(&mut role.name, name.as_ref());
                    set(&mut role.description, description.as_ref());
                    set(&mut role.actions, actions.as_ref());
                }
            }
            Mutation::DeleteRole { id } => drop(snapshot.roles.remove(id)),
            Mutation::CreateGroup { name, description } | Mutation::UpdateGroup { name, description } => {
                snapshot.groups.insert(name.clone(), Group { name: name.clone(), description: description.clone() });
            }
            Mutation::DeleteGroup { name } => drop(snapshot.groups.remove(name)),
            Mutation::CreateBinding { id, subject: subject @ Subject::Group(_), role, space } => {
                snapshot.bind_group(Binding {
                    id: *id,
                    subject: subject.clone(),
                    role: role.clone(),
                    space: space.clone(),
                    created_at: *at,
                });
            }
            Mutation::DeleteBinding { id } => {
                unbound.insert(*id);
                snapshot.group_bindings.values_mut().for_each(|bindings| bindings.retain(|binding| binding.id != *id));
            }
            Mutation::CreatePolicy(policy) => put(&mut snapshot.policies, policy.clone()),
            Mutation::UpdatePolicy { name, source, rego } => {
                put(&mut snapshot.policies, LoginPolicy { name: name.clone(), source: source.clone(), rego: *rego });
            }
            Mutation::DeletePolicy { name } => snapshot.policies.retain(|policy| policy.name != *name),
            Mutation::SetStrategy(strategy) => snapshot.strategy = *strategy,
        }
    }
}

fn change(key: &mut KeyRecord, done: &Done, at: Timestamp) {
    match done {
        Done::Update { name, description, groups, expiry } => {
            set(&mut key.name, name.as_ref());
            set(&mut key.description, description.as_ref());
            set(&mut key.groups, groups.as_ref());
            match expiry {
                Some(Expiry::At(end)) => key.expires_at = Some(*end),
                Some(Expiry::Never) => key.expires_at = None,
                None => {}
            }
        }
        Done::Disable => key.disabled_at = key.disabled_at.or(Some(at)),
        Done::Enable => key.disabled_at = None,
        Done::Revoke => {
            key.revoked_at = Some(at);
            key.bindings.clear();
        }
        Done::Bind(binding) => key.bindings.push(binding.clone()),
    }
}

fn set<T: Clone>(field: &mut T, value: Option<&T>) {
    if let Some(value) = value {
        *field = value.clone();
    }
}

fn put(policies: &mut Vec<LoginPolicy>, policy: LoginPolicy) {
    policies.retain(|other| other.name != policy.name);
    policies.push(policy);
    policies.sort_by(|one, other| one.name.cmp(&other.name));
}
