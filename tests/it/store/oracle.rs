//! Random changes against a naive store in memory: lists that are searched from end to end, and rules written down once more.
//!
//! Two openings of one store take turns; what one has written is read through the other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use claviger::clock::later;
use claviger::model::{
    Actor, AuditEntry, AuditId, Binding, BindingId, Cause, Change, Changes, Expiry, Group, GroupName, KeyBinding, KeyDigest, KeyId,
    KeyName, KeyRecord, LoginPolicy, Mutation, NewKey, Reach, RegoVersion, Resource, Revision, Role, RoleId, SecretRecord, Snapshot, Space,
    SpaceId, Strategy, Subject,
};
use claviger::store::{AuditQuery, BatchError, Precondition, Store, StoreError, verify_audit};
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::Strategy as Random;

use crate::store::conformance::{Backend, all, binding_id, digest, group, key_id, name, role, space, whole};

/// What went wrong, without the words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    NotFound,
    Conflict,
    Precondition,
}
use Kind::{Conflict, NotFound};

#[derive(Clone)]
struct Oracle {
    revision: u64,
    strategy: Strategy,
    /// In the records all secrets, oldest first, and no bindings.
    keys: Vec<KeyRecord>,
    spaces: Vec<Space>,
    roles: Vec<Role>,
    groups: Vec<Group>,
    bindings: Vec<Binding>,
    policies: Vec<LoginPolicy>,
    changes: Vec<Change>,
    audit: Vec<Entry>,
    /// The last change of everything that is or was there.
    revisions: BTreeMap<Resource, u64>,
}

/// What the audit has of a change, but for the contents.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    actor: String,
    action: String,
    resource: String,
}

impl Oracle {
    fn new() -> Self {
        let empty = Snapshot::empty(Strategy::Combined);
        Self {
            revision: 0,
            strategy: empty.strategy,
            keys: Vec::new(),
            spaces: empty.spaces.iter().cloned().collect(),
            roles: empty.roles.into_values().collect(),
            groups: Vec::new(),
            bindings: Vec::new(),
            policies: Vec::new(),
            changes: Vec::new(),
            audit: Vec::new(),
            revisions: BTreeMap::new(),
        }
    }

    fn apply(&mut self, mutation: &Mutation, cause: &Cause, only_if: Option<Precondition>, now: Timestamp) -> Result<Change, Kind> {
        let holds = match only_if {
            None => true,
            Some(Precondition::StoreAt(wanted)) => wanted == Revision(self.revision),
            Some(Precondition::ResourceAt(wanted)) => self.revision_of(&mutation.resource()) == Some(wanted),
        };
        if !holds {
            return Err(Kind::Precondition);
        }
        let mut next = self.clone();
        let change = next.make(mutation, cause, now)?;
        if self.has_working_root_admin() && !next.has_working_root_admin() {
            return Err(Conflict);
        }
        *self = next;
        Ok(change)
    }

    /// All of them or none; which of them it is that is refused.
    fn apply_all(
        &mut self,
        mutations: &[Mutation],
        cause: &Cause,
        at: Revision,
        now: Timestamp,
    ) -> Result<Vec<Change>, (Option<usize>, Kind)> {
        if at != Revision(self.revision) {
            return Err((None, Kind::Precondition));
        }
        let mut next = self.clone();
        let made =
            mutations.iter().enumerate().map(|(index, mutation)| next.make(mutation, cause, now).map_err(|kind| (Some(index), kind)));
        let changes = made.collect::<Result<_, _>>()?;
        if self.has_working_root_admin() && !next.has_working_root_admin() {
            return Err((None, Conflict));
        }
        *self = next;
        Ok(changes)
    }

    fn make(&mut self, mutation: &Mutation, cause: &Cause, now: Timestamp) -> Result<Change, Kind> {
        let mut next = self.clone();
        let (resource, touched) = next.write(mutation, now)?;
        next.revision += 1;
        let reach = touched.map_or(Reach::All, |id| {
            let secrets = &next.keys.iter().find(|key| key.id == id).unwrap().secrets;
            Reach::Key(id, secrets.iter().rev().map(|secret| secret.digest).collect())
        });
        let change = Change { revision: Revision(next.revision), at: now, reach };
        next.changes.push(change.clone());
        next.audit.push(Entry { actor: cause.actor.label(), action: mutation.action().to_owned(), resource });
        next.note_changes(self, mutation, touched);
        *self = next;
        Ok(change)
    }

    /// What is not as it was before has been changed by this revision; so has what the mutation was about, whether it made a difference or
    /// not, and the key that it touched.
    fn note_changes(&mut self, before: &Self, mutation: &Mutation, touched: Option<KeyId>) {
        let mut changed = vec![mutation.resource()];
        changed.extend(touched.map(Resource::Key));
        let is_new = |group: &&Group| !before.groups.iter().any(|old| old.name == group.name);
        changed.extend(self.groups.iter().filter(is_new).map(|group| Resource::Group(group.name.clone())));
        let is_new = |binding: &&Binding| !before.bindings.iter().any(|old| old.id == binding.id);
        changed.extend(self.bindings.iter().filter(is_new).map(|binding| Resource::Binding(binding.id)));
        let left = |key: &&KeyRecord| before.keys.iter().any(|old| old.id == key.id && old.groups != key.groups);
        changed.extend(self.keys.iter().filter(left).map(|key| Resource::Key(key.id)));
        for resource in changed {
            self.revisions.insert(resource, self.revision);
        }
    }

    fn revision_of(&self, resource: &Resource) -> Option<Revision> {
        let is_there = match resource {
            Resource::Key(id) => self.keys.iter().any(|key| key.id == *id),
            Resource::Space(id) => self.space(id).is_ok(),
            Resource::Role(id) => self.role(id).is_ok(),
            Resource::Group(name) => self.groups.iter().any(|group| group.name == *name),
            Resource::Binding(id) => self.bindings.iter().any(|binding| binding.id == *id),
            Resource::Policy(name) => self.policies.iter().any(|policy| policy.name == *name),
            Resource::Strategy => true,
        };
        is_there.then(|| Revision(self.revisions.get(resource).copied().unwrap_or(0)))
    }

    /// The resource, and the key if it is a change to one key only.
    #[expect(clippy::too_many_lines, reason = "one arm for each kind of change, each read by itself")]
    fn write(&mut self, mutation: &Mutation, now: Timestamp) -> Result<(String, Option<KeyId>), Kind> {
        match mutation {
            Mutation::Bootstrap(new) => {
                refuse_if(!self.keys.is_empty())?;
                let mut new = new.clone();
                if !new.bindings.iter().any(|(_, held, at)| *held == role("space-admin") && at.is_root()) {
                    new.bindings.push((new.id.to_string().parse().unwrap(), role("space-admin"), SpaceId::root()));
                }
                self.create_key(&new, now)
            }
            Mutation::CreateKey(new) | Mutation::ImportKey(new) => self.create_key(new, now),
            Mutation::UpdateKey { id, name, description, groups, expiry } => {
                self.changeable(*id)?;
                if let Some(name) = name {
                    refuse_if(self.keys.iter().any(|key| key.id != *id && key.revoked_at.is_none() && key.name == *name))?;
                }
                self.name_groups(groups.iter().flatten());
                let key = self.changeable(*id)?;
                key.name = name.clone().unwrap_or(key.name.clone());
                key.description = description.clone().unwrap_or(key.description.clone());
                key.groups = groups.clone().map_or(key.groups.clone(), set);
                match expiry {
                    Some(Expiry::At(end)) => key.expires_at = Some(*end),
                    Some(Expiry::Never) => key.expires_at = None,
                    None => {}
                }
                Ok((id.to_string(), Some(*id)))
            }
            Mutation::RotateKey { id, digest, old_ends_at } => {
                self.changeable(*id)?;
                refuse_if(self.has_digest(digest))?;
                let key = self.changeable(*id)?;
                for secret in &mut key.secrets {
                    secret.ends_at = Some(secret.ends_at.map_or(*old_ends_at, |end| end.min(now)));
                }
                key.secrets.push(SecretRecord { digest: *digest, created_at: now, ends_at: None, last_used_at: None });
                Ok((id.to_string(), Some(*id)))
            }
            Mutation::DisableKey { id } => {
                let key = self.changeable(*id)?;
                key.disabled_at = key.disabled_at.or(Some(now));
                Ok((id.to_string(), Some(*id)))
            }
            Mutation::EnableKey { id } => {
                self.changeable(*id)?.disabled_at = None;
                Ok((id.to_string(), Some(*id)))
            }
            Mutation::RevokeKey { id } => {
                self.changeable(*id)?.revoked_at = Some(now);
                self.bindings.retain(|binding| binding.subject != Subject::Key(*id));
                Ok((id.to_string(), Some(*id)))
            }
            Mutation::CreateSpace(space) => {
                refuse_if(self.space(&space.id).is_ok())?;
                self.space(space.parent.as_ref().ok_or(Conflict)?)?;
                self.spaces.push(Space { labels: set(space.labels.clone()), ..space.clone() });
                Ok(shared(space.id.as_str()))
            }
            Mutation::UpdateSpace { id, name, description, labels, parent } => {
                self.space(id)?;
                refuse_if(id.is_root() && (name.is_some() || parent.is_some()))?;
                if let Some(parent) = parent {
                    let mut above = Some(self.space(parent)?);
                    while let Some(space) = above {
                        refuse_if(space.id == *id)?;
                        above = space.parent.as_ref().map(|parent| self.space(parent).unwrap());
                    }
                }
                let space = self.spaces.iter_mut().find(|space| space.id == *id).unwrap();
                space.name = name.clone().unwrap_or(space.name.clone());
                space.description = description.clone().unwrap_or(space.description.clone());
                space.labels = labels.clone().map_or(space.labels.clone(), set);
                space.parent = parent.clone().or(space.parent.clone());
                Ok(shared(id.as_str()))
            }
            Mutation::DeleteSpace { id } => {
                self.space(id)?;
                refuse_if(id.is_root())?;
                refuse_if(self.spaces.iter().any(|space| space.parent.as_ref() == Some(id)))?;
                refuse_if(self.bindings.iter().any(|binding| binding.space == *id))?;
                self.spaces.retain(|space| space.id != *id);
                Ok(shared(id.as_str()))
            }
            Mutation::CreateRole { id, name, description, actions } => {
                refuse_if(self.role(id).is_ok())?;
                let (name, description, actions) = (name.clone(), description.clone(), set(actions.clone()));
                self.roles.push(Role { id: id.clone(), name, description, actions, system: false });
                Ok(shared(id.as_str()))
            }
            Mutation::UpdateRole { id, name, description, actions } => {
                refuse_if(self.role(id)?.system)?;
                let role = self.roles.iter_mut().find(|role| role.id == *id).unwrap();
                role.name = name.clone().unwrap_or(role.name.clone());
                role.description = description.clone().unwrap_or(role.description.clone());
                role.actions = actions.clone().map_or(role.actions.clone(), set);
                Ok(shared(id.as_str()))
            }
            Mutation::DeleteRole { id } => {
                refuse_if(self.role(id)?.system)?;
                refuse_if(self.bindings.iter().any(|binding| binding.role == *id))?;
                self.roles.retain(|role| role.id != *id);
                Ok(shared(id.as_str()))
            }
            Mutation::CreateGroup { name, description } => {
                refuse_if(self.groups.iter().any(|group| group.name == *name))?;
                self.groups.push(Group { name: name.clone(), description: description.clone() });
                Ok(shared(name.as_str()))
            }
            Mutation::UpdateGroup { name, description } => {
                self.groups.iter_mut().find(|group| group.name == *name).ok_or(NotFound)?.description.clone_from(description);
                Ok(shared(name.as_str()))
            }
            Mutation::DeleteGroup { name } => {
                self.groups.iter().find(|group| group.name == *name).ok_or(NotFound)?;
                refuse_if(self.bindings.iter().any(|binding| binding.subject == Subject::Group(name.clone())))?;
                refuse_if(self.keys.iter().any(|key| key.revoked_at.is_none() && key.groups.contains(name)))?;
                self.groups.retain(|group| group.name != *name);
                self.keys.iter_mut().for_each(|key| key.groups.retain(|group| group != name));
                Ok(shared(name.as_str()))
            }
            Mutation::CreateBinding { id, subject, role, space } => {
                match subject {
                    Subject::Key(key) => drop(self.changeable(*key)?.id),
                    Subject::Group(group) => self.name_groups([group]),
                }
                self.bind(*id, subject, role, space, now)?;
                Ok((id.to_string(), key_of(subject)))
            }
            Mutation::DeleteBinding { id } => {
                let subject = self.bindings.iter().find(|binding| binding.id == *id).ok_or(NotFound)?.subject.clone();
                self.bindings.retain(|binding| binding.id != *id);
                Ok((id.to_string(), key_of(&subject)))
            }
            Mutation::CreatePolicy(policy) => {
                refuse_if(self.policies.iter().any(|kept| kept.name == policy.name))?;
                self.policies.push(policy.clone());
                Ok(shared(policy.name.as_str()))
            }
            Mutation::UpdatePolicy { name, source, rego } => {
                let policy = self.policies.iter_mut().find(|policy| policy.name == *name).ok_or(NotFound)?;
                *policy = LoginPolicy { name: name.clone(), source: source.clone(), rego: *rego };
                Ok(shared(name.as_str()))
            }
            Mutation::DeletePolicy { name } => {
                self.policies.iter().find(|policy| policy.name == *name).ok_or(NotFound)?;
                self.policies.retain(|policy| policy.name != *name);
                Ok(shared(name.as_str()))
            }
            Mutation::SetStrategy(strategy) => {
                self.strategy = *strategy;
                Ok(shared("strategy"))
            }
        }
    }

    fn create_key(&mut self, new: &NewKey, now: Timestamp) -> Result<(String, Option<KeyId>), Kind> {
        refuse_if(self.keys.iter().any(|key| key.id == new.id))?;
        refuse_if(self.keys.iter().any(|key| key.revoked_at.is_none() && key.name == new.name))?;
        refuse_if(self.has_digest(&new.digest))?;
        self.name_groups(&new.groups);
        self.keys.push(KeyRecord {
            id: new.id,
            name: new.name.clone(),
            description: new.description.clone(),
            groups: set(new.groups.clone()),
            created_at: now,
            expires_at: new.expires_at,
            disabled_at: None,
            revoked_at: None,
            secrets: vec![SecretRecord { digest: new.digest, created_at: now, ends_at: None, last_used_at: None }],
            bindings: Vec::new(),
        });
        for (id, role, space) in &new.bindings {
            self.bind(*id, &Subject::Key(new.id), role, space, now)?;
        }
        Ok((new.id.to_string(), Some(new.id)))
    }

    fn bind(&mut self, id: BindingId, subject: &Subject, role: &RoleId, space: &SpaceId, now: Timestamp) -> Result<(), Kind> {
        self.role(role)?;
        self.space(space)?;
        refuse_if(self.bindings.iter().any(|binding| binding.id == id))?;
        let same = |binding: &Binding| binding.subject == *subject && binding.role == *role && binding.space == *space;
        refuse_if(self.bindings.iter().any(same))?;
        self.bindings.push(Binding { id, subject: subject.clone(), role: role.clone(), space: space.clone(), created_at: now });
        Ok(())
    }

    fn record_use(&mut self, digest: KeyDigest, at: Timestamp) {
        let minute = Timestamp::from_second(at.as_second() / 60 * 60).unwrap();
        for secret in self.keys.iter_mut().flat_map(|key| &mut key.secrets).filter(|secret| secret.digest == digest) {
            secret.last_used_at = secret.last_used_at.max(Some(minute));
        }
    }

    fn changeable(&mut self, id: KeyId) -> Result<&mut KeyRecord, Kind> {
        let key = self.keys.iter_mut().find(|key| key.id == id).ok_or(NotFound)?;
        refuse_if(key.revoked_at.is_some())?;
        Ok(key)
    }

    fn space(&self, id: &SpaceId) -> Result<&Space, Kind> {
        self.spaces.iter().find(|space| space.id == *id).ok_or(NotFound)
    }

    fn role(&self, id: &RoleId) -> Result<&Role, Kind> {
        self.roles.iter().find(|role| role.id == *id).ok_or(NotFound)
    }

    fn has_digest(&self, digest: &KeyDigest) -> bool {
        self.keys.iter().flat_map(|key| &key.secrets).any(|secret| secret.digest == *digest)
    }

    fn name_groups<'a>(&mut self, named: impl IntoIterator<Item = &'a GroupName>) {
        for name in named {
            if !self.groups.iter().any(|group| group.name == *name) {
                self.groups.push(Group { name: name.clone(), description: String::new() });
            }
        }
    }

    /// By the model's own words for it, of which the store's statement knows nothing.
    fn has_working_root_admin(&self) -> bool {
        let snapshot = self.snapshot();
        self.keys()
            .iter()
            .any(|key| key.revoked_at.is_none() && key.disabled_at.is_none() && key.expires_at.is_none() && snapshot.is_root_admin(key))
    }

    // What a store would answer.

    fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot {
            revision: Revision(self.revision),
            spaces: claviger::model::SpaceTree::from_rows(self.spaces.clone()).unwrap(),
            roles: self.roles.iter().map(|role| (role.id.clone(), role.clone())).collect(),
            groups: self.groups.iter().map(|group| (group.name.clone(), group.clone())).collect(),
            policies: self.policies.clone(),
            strategy: self.strategy,
            ..Snapshot::empty(self.strategy)
        };
        snapshot.policies.sort_by(|a, b| a.name.cmp(&b.name));
        for binding in self.bindings() {
            snapshot.bind_group(binding);
        }
        snapshot
    }

    fn bindings(&self) -> Vec<Binding> {
        let mut bindings = self.bindings.clone();
        bindings.sort_by_key(|binding| binding.id);
        bindings
    }

    fn keys(&self) -> Vec<KeyRecord> {
        let mut keys: Vec<KeyRecord> = self.keys.iter().map(|key| self.record(key)).collect();
        keys.sort_by_key(|key| key.id);
        keys
    }

    fn key_with(&self, digest: &KeyDigest) -> Option<KeyRecord> {
        self.keys.iter().find(|key| key.secret(digest).is_some()).map(|key| self.record(key))
    }

    fn record(&self, key: &KeyRecord) -> KeyRecord {
        let mut record = key.clone();
        record.secrets = key.secrets.iter().rev().take(2).cloned().collect();
        let own = self.bindings().into_iter().filter(|binding| binding.subject == Subject::Key(key.id));
        record.bindings = own.map(|Binding { id, role, space, .. }| KeyBinding { id, role, space }).collect();
        record
    }
}

fn refuse_if(condition: bool) -> Result<(), Kind> {
    if condition { Err(Conflict) } else { Ok(()) }
}

fn shared(resource: &str) -> (String, Option<KeyId>) {
    (resource.to_owned(), None)
}

fn key_of(subject: &Subject) -> Option<KeyId> {
    match subject {
        Subject::Key(id) => Some(*id),
        Subject::Group(_) => None,
    }
}

fn set<T: Ord>(mut items: Vec<T>) -> Vec<T> {
    items.sort();
    items.dedup();
    items
}

/// One step of a random history.
#[derive(Clone, Debug)]
enum Step {
    Apply(Mutation, Actor, Option<Guess>),
    /// In one transaction; late, if somebody was faster.
    Together(Vec<Mutation>, Actor, bool),
    Use(KeyDigest, Duration),
    Wait(Duration),
}

/// The condition that a change is made under: what is true, or what was true so many revisions ago.
#[derive(Clone, Copy, Debug)]
enum Guess {
    Resource { behind: u64 },
    Store { behind: u64 },
}

// So few of everything that steps meet.

fn a_key() -> impl Random<Value = KeyId> {
    (1..5_u64).prop_map(key_id)
}

fn a_digest() -> impl Random<Value = KeyDigest> {
    (1..10_u64).prop_map(digest)
}

fn a_binding() -> impl Random<Value = BindingId> {
    (1..7_u64).prop_map(binding_id)
}

fn a_name() -> impl Random<Value = KeyName> {
    select(vec!["ci", "ci 2", "o'brien"]).prop_map(name)
}

fn a_group() -> impl Random<Value = GroupName> {
    select(vec!["admins", "Admins", " \"a,b\" "]).prop_map(group)
}

fn a_role() -> impl Random<Value = RoleId> {
    select(vec!["space-admin", "space-admin", "space-reader", "deployer", "viewer"]).prop_map(role)
}

fn a_space() -> impl Random<Value = SpaceId> {
    select(vec!["root", "root", "a", "b", "c"]).prop_map(space)
}

fn a_subject() -> impl Random<Value = Subject> {
    prop_oneof![a_key().prop_map(Subject::Key), a_group().prop_map(Subject::Group)]
}

fn a_time() -> impl Random<Value = Timestamp> {
    (0..600_u64).prop_map(|seconds| later("2026-03-04T05:00:00Z".parse().unwrap(), Duration::from_secs(seconds)))
}

fn a_text() -> impl Random<Value = String> {
    select(vec!["", "it's \"quoted\"", "ünïcode ☃"]).prop_map(str::to_owned)
}

fn some_groups() -> impl Random<Value = Vec<GroupName>> {
    prop::collection::vec(a_group(), 0..3)
}

fn some_texts() -> impl Random<Value = Vec<String>> {
    prop::collection::vec(a_text(), 0..3)
}

fn some_actions() -> impl Random<Value = Vec<claviger::model::ActionPattern>> {
    prop::collection::vec(select(vec!["run:trigger", "run:*", "*:*"]).prop_map(|text| text.parse().unwrap()), 0..3)
}

fn a_new_key() -> impl Random<Value = NewKey> {
    let bindings = prop::collection::vec((a_binding(), a_role(), a_space()), 0..2);
    (a_key(), a_name(), a_text(), some_groups(), prop::option::weighted(0.2, a_time()), a_digest(), bindings).prop_map(
        |(id, name, description, groups, expires_at, digest, bindings)| NewKey {
            id,
            name,
            description,
            groups,
            expires_at,
            digest,
            bindings,
        },
    )
}

fn a_policy() -> impl Random<Value = LoginPolicy> {
    (select(vec!["one", "two"]), a_text(), prop::option::of(select(vec![RegoVersion::V0, RegoVersion::V1])))
        .prop_map(|(name, source, rego)| LoginPolicy { name: name.parse().unwrap(), source: source.into(), rego })
}

fn a_change_of_keys() -> impl Random<Value = Mutation> {
    let expiry = prop_oneof![Just(Expiry::Never), a_time().prop_map(Expiry::At)];
    let fields = (prop::option::of(a_name()), prop::option::of(a_text()), prop::option::of(some_groups()), prop::option::of(expiry));
    prop_oneof![
        1 => a_new_key().prop_map(Mutation::Bootstrap),
        6 => a_new_key().prop_map(Mutation::CreateKey),
        1 => a_new_key().prop_map(Mutation::ImportKey),
        4 => (a_key(), fields)
            .prop_map(|(id, (name, description, groups, expiry))| Mutation::UpdateKey { id, name, description, groups, expiry }),
        3 => (a_key(), a_digest(), a_time()).prop_map(|(id, digest, old_ends_at)| Mutation::RotateKey { id, digest, old_ends_at }),
        2 => a_key().prop_map(|id| Mutation::DisableKey { id }),
        1 => a_key().prop_map(|id| Mutation::EnableKey { id }),
        1 => a_key().prop_map(|id| Mutation::RevokeKey { id }),
    ]
}

fn a_change_of_what_is_shared() -> impl Random<Value = Mutation> {
    let new_space = (a_space(), a_text(), a_text(), prop::option::weighted(0.9, a_space()), some_texts());
    let space_fields =
        (prop::option::of(a_text()), prop::option::of(a_text()), prop::option::of(some_texts()), prop::option::of(a_space()));
    let role_fields = (prop::option::of(a_text()), prop::option::of(a_text()), prop::option::of(some_actions()));
    let strategies = select(Strategy::ALL.to_vec());
    prop_oneof![
        3 => new_space
            .prop_map(|(id, name, description, parent, labels)| Mutation::CreateSpace(Space { id, name, description, parent, labels })),
        3 => (a_space(), space_fields)
            .prop_map(|(id, (name, description, labels, parent))| Mutation::UpdateSpace { id, name, description, labels, parent }),
        1 => a_space().prop_map(|id| Mutation::DeleteSpace { id }),
        2 => (a_role(), a_text(), a_text(), some_actions())
            .prop_map(|(id, name, description, actions)| Mutation::CreateRole { id, name, description, actions }),
        1 => (a_role(), role_fields)
            .prop_map(|(id, (name, description, actions))| Mutation::UpdateRole { id, name, description, actions }),
        1 => a_role().prop_map(|id| Mutation::DeleteRole { id }),
        1 => (a_group(), a_text()).prop_map(|(name, description)| Mutation::CreateGroup { name, description }),
        1 => (a_group(), a_text()).prop_map(|(name, description)| Mutation::UpdateGroup { name, description }),
        1 => a_group().prop_map(|name| Mutation::DeleteGroup { name }),
        5 => (a_binding(), a_subject(), a_role(), a_space())
            .prop_map(|(id, subject, role, space)| Mutation::CreateBinding { id, subject, role, space }),
        2 => a_binding().prop_map(|id| Mutation::DeleteBinding { id }),
        1 => a_policy().prop_map(Mutation::CreatePolicy),
        1 => a_policy().prop_map(|LoginPolicy { name, source, rego }| Mutation::UpdatePolicy { name, source, rego }),
        1 => a_policy().prop_map(|policy| Mutation::DeletePolicy { name: policy.name }),
        1 => strategies.prop_map(Mutation::SetStrategy),
    ]
}

fn an_actor() -> impl Random<Value = Actor> {
    prop_oneof![Just(Actor::System), a_key().prop_map(Actor::Key), Just(Actor::Operator("alice".parse().unwrap()))]
}

fn a_guess() -> impl Random<Value = Guess> {
    let behind = prop_oneof![3 => Just(0), 1 => 1..3_u64];
    (any::<bool>(), behind).prop_map(|(of_store, behind)| if of_store { Guess::Store { behind } } else { Guess::Resource { behind } })
}

fn a_step() -> impl Random<Value = Step> {
    let seconds = |longest| (0..longest).prop_map(Duration::from_secs);
    prop_oneof![
        20 => (prop_oneof![a_change_of_keys(), a_change_of_what_is_shared()], an_actor(), prop::option::weighted(0.3, a_guess()))
            .prop_map(|(mutation, actor, guess)| Step::Apply(mutation, actor, guess)),
        6 => (prop::collection::vec(prop_oneof![a_change_of_keys(), a_change_of_what_is_shared()], 1..5), an_actor(), prop::bool::weighted(0.1))
            .prop_map(|(mutations, actor, is_late)| Step::Together(mutations, actor, is_late)),
        1 => (a_digest(), seconds(300_u64)).prop_map(|(digest, ago)| Step::Use(digest, ago)),
        1 => seconds(200_u64).prop_map(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_store_answers_as_the_naive_one_does(steps in prop::collection::vec(a_step(), 1..50)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(compare(Backend::sqlite(), steps));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_store_in_postgresql_answers_as_the_naive_one_does(steps in prop::collection::vec(a_step(), 1..50)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(compare(Backend::postgres(), steps));
    }
}

async fn compare(backend: Backend, steps: Vec<Step>) {
    let mut oracle = Oracle::new();
    let mut stores = [backend.open().await, backend.open().await];
    for step in steps {
        let [writing, reading] = &stores;
        match step {
            Step::Apply(mutation, actor, guess) => {
                let only_if = guess.map(|guess| match guess {
                    Guess::Store { behind } => Precondition::StoreAt(Revision(oracle.revision.saturating_sub(behind))),
                    Guess::Resource { behind } => {
                        let at = oracle.revision_of(&mutation.resource()).unwrap_or_default();
                        Precondition::ResourceAt(Revision(at.0.saturating_sub(behind)))
                    }
                });
                let cause = Cause::local(actor);
                let expected = oracle.apply(&mutation, &cause, only_if, backend.now());
                let said = format!("{mutation:?} {only_if:?}");
                let resource = mutation.resource();
                let result = writing.apply(mutation, &cause, only_if).await.map_err(|error| kind(error, &said));
                assert_eq!(result, expected, "{said}");
                assert_eq!(reading.revision_of(&resource).await.unwrap(), oracle.revision_of(&resource), "{said}");
            }
            Step::Together(mutations, actor, is_late) => {
                let at = Revision(oracle.revision.saturating_sub(u64::from(is_late)));
                let (cause, only_if) = (Cause::local(actor), Some(Precondition::StoreAt(at)));
                let said = format!("{mutations:?} {at}");
                let told = |BatchError { index, error }| (index, kind(error, &said));
                let rehearsed = writing.rehearse(mutations.clone(), only_if).await.map_err(told);
                agree(reading, &oracle).await;
                let expected = oracle.apply_all(&mutations, &cause, at, backend.now());
                let result = writing.apply_all(mutations, &cause, only_if).await.map_err(told);
                assert_eq!(rehearsed, result.as_ref().map(drop).map_err(Clone::clone), "{said}");
                assert_eq!(result, expected, "{said}");
            }
            Step::Use(digest, ago) => {
                let at = backend.now().checked_sub(ago).unwrap();
                oracle.record_use(digest, at);
                writing.record_use(&[(digest, at)]).await.unwrap();
            }
            Step::Wait(span) => backend.clock.advance(span),
        }
        agree(reading, &oracle).await;
        stores.reverse();
    }
    // And the rows are what the audit says.
    let found = verify_audit(&*stores[0], &[], |_| {}).await.unwrap();
    assert_eq!(found.faults, []);
    assert_eq!(found.entries, oracle.audit.len() as u64);
}

fn kind(error: StoreError, said: &str) -> Kind {
    match error {
        StoreError::NotFound(_) => NotFound,
        StoreError::Conflict(_) => Conflict,
        StoreError::Precondition(_) => Kind::Precondition,
        StoreError::Unavailable(why) | StoreError::Elsewhere { sentence: why, .. } => panic!("{said}: {why}"),
    }
}

async fn agree(store: &Arc<dyn Store>, oracle: &Oracle) {
    assert_eq!(store.snapshot().await.unwrap(), oracle.snapshot());
    assert_eq!(store.keys(&all()).await.unwrap(), oracle.keys());
    assert_eq!(store.bindings(&all()).await.unwrap(), oracle.bindings());
    assert_eq!(store.changes_after(Revision(0)).await.unwrap(), Changes::Since(oracle.changes.clone()));
    for number in 1..10 {
        assert_eq!(store.find_key(&digest(number)).await.unwrap().map(|found| found.key), oracle.key_with(&digest(number)));
    }
    let narrowed = [
        whole(),
        AuditQuery { actor: Some("operator::alice".to_owned()), ..whole() },
        AuditQuery { action: Some("key.".to_owned()), ..whole() },
        AuditQuery { action: Some("binding.create".to_owned()), resource: Some(binding_id(1).to_string()), ..whole() },
        AuditQuery { newer_than: Some(AuditId(3)), limit: 4, ..whole() },
    ];
    for wanted in narrowed {
        let entries = store.audit(&wanted).await.unwrap();
        let told: Vec<(u64, Entry)> = entries.into_iter().map(|entry| (entry.revision.unwrap().0, Entry::of(entry))).collect();
        assert_eq!(told, oracle.audit(&wanted), "{wanted:?}");
    }
}

impl Entry {
    fn of(entry: AuditEntry) -> Self {
        Self { actor: entry.actor, action: entry.action, resource: entry.resource }
    }
}

impl Oracle {
    /// With the revision of each, newest first.
    fn audit(&self, wanted: &AuditQuery) -> Vec<(u64, Entry)> {
        let is_wanted = |(revision, entry): &(u64, Entry)| {
            wanted.newer_than.is_none_or(|seen| *revision > seen.0)
                && wanted.actor.as_ref().is_none_or(|actor| entry.actor == *actor)
                && wanted.resource.as_ref().is_none_or(|resource| entry.resource == *resource)
                && wanted
                    .action
                    .as_ref()
                    .is_none_or(|action| entry.action == *action || (action.ends_with('.') && entry.action.starts_with(action)))
        };
        let all = (1..).zip(self.audit.iter().cloned()).collect::<Vec<_>>().into_iter().rev();
        all.filter(is_wanted).take(wanted.limit as usize).collect()
    }
}
