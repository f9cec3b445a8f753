//! What was in force at an earlier revision, from what is in force now and the audit of the changes since.
//!
//! Every entry of the audit has the whole of what it is about, before and after. So the last change is taken back first, and so on.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::api_key::KeyRecord;
use super::audit::AuditEntry;
use super::binding::{Binding, KeyBinding, Subject};
use super::id::{BindingId, GroupName, KeyName, Revision, SpaceId};
use super::policy::{LoginPolicy, Strategy};
use super::role::Role;
use super::snapshot::{Group, Snapshot};
use super::space::{Space, SpaceTree};

/// Everything that a decision about one key rests on, but for the policies that lie in files, on the way back to an earlier revision.
pub struct Past {
    snapshot: Snapshot,
    /// Not a tree on the way: a change may have moved what another one made.
    spaces: BTreeMap<SpaceId, Space>,
    key: KeyRecord,
}

/// Why the way back ends.
#[derive(Debug, thiserror::Error)]
#[error("revision {revision} ({action}) cannot be taken back: {why}")]
pub struct Irreversible {
    revision: Revision,
    action: String,
    why: String,
}

/// A key as the audit keeps it.
#[derive(Deserialize)]
struct AuditedKey {
    name: KeyName,
    groups: Vec<GroupName>,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    disabled_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
    bindings: Vec<KeyBinding>,
}

impl Past {
    /// What is in force now.
    #[must_use]
    pub fn from_now(snapshot: Snapshot, key: KeyRecord) -> Self {
        let spaces = snapshot.spaces.iter().map(|space| (space.id.clone(), space.clone())).collect();
        Self { snapshot, spaces, key }
    }

    /// Whether this is a change that can have touched what is decided about the key.
    #[must_use]
    pub fn concerns(&self, entry: &AuditEntry) -> bool {
        entry.revision.is_some() && self.is_about(entry)
    }

    fn is_about(&self, entry: &AuditEntry) -> bool {
        match entry.action.split_once('.') {
            Some(("key", _)) => entry.resource == self.key.id.to_string(),
            Some(("binding", _)) => match subject(entry) {
                Some(Subject::Key(key)) => key == self.key.id,
                Some(Subject::Group(_)) | None => true,
            },
            _ => true,
        }
    }

    /// Takes a change back: the last one that has not been. What is no change needs no taking back.
    ///
    /// # Errors
    /// If the entry does not hold what stood there before.
    pub fn undo(&mut self, entry: &AuditEntry) -> Result<(), Irreversible> {
        let Some(revision) = entry.revision else { return Ok(()) };
        let undone = match entry.action.split_once('.') {
            Some(("key", _)) if entry.resource != self.key.id.to_string() => Ok(()),
            // A key that was not there yet is left as it was made.
            Some(("key", _)) => self.undo_key(entry.before.as_ref().or(entry.after.as_ref())),
            Some(("binding", _)) => self.undo_binding(entry),
            Some(("space", _)) => swap(&mut self.spaces, entry, |space: &Space| space.id.clone()),
            Some(("role", _)) => swap(&mut self.snapshot.roles, entry, |role: &Role| role.id.clone()),
            Some(("group", _)) => swap(&mut self.snapshot.groups, entry, |group: &Group| group.name.clone()),
            Some(("policy", _)) => self.undo_policy(entry),
            Some(("strategy", _)) => read::<Strategy>(entry.before.as_ref()).map(|strategy| self.snapshot.strategy = strategy),
            _ => Err("what it did is not known here".to_owned()),
        };
        undone.map_err(|why| Irreversible { revision, action: entry.action.clone(), why })?;
        self.snapshot.revision = Revision(revision.0.saturating_sub(1));
        Ok(())
    }

    /// What was in force after the last change that has not been taken back.
    ///
    /// # Errors
    /// If the spaces were no tree: then the audit is not that of this store.
    pub fn finish(self) -> Result<(Snapshot, KeyRecord), Irreversible> {
        let Self { mut snapshot, spaces, key } = self;
        let broken = |why: String| Irreversible { revision: snapshot.revision, action: "space".to_owned(), why };
        snapshot.spaces = SpaceTree::from_rows(spaces.into_values()).map_err(|fault| broken(fault.to_string()))?;
        Ok((snapshot, key))
    }

    fn undo_key(&mut self, before: Option<&Value>) -> Result<(), String> {
        let AuditedKey { name, groups, created_at, expires_at, disabled_at, revoked_at, bindings } = read(before)?;
        let key = KeyRecord { name, groups, created_at, expires_at, disabled_at, revoked_at, bindings, ..self.key.clone() };
        self.key = key;
        Ok(())
    }

    fn undo_binding(&mut self, entry: &AuditEntry) -> Result<(), String> {
        let made: Option<Binding> = entry.after.as_ref().map(|after| read(Some(after))).transpose()?;
        let deleted: Option<Binding> = entry.before.as_ref().map(|before| read(Some(before))).transpose()?;
        if let Some(made) = made {
            self.unbind(made.id);
        }
        // What was read before it was deleted has it still.
        if let Some(deleted) = &deleted {
            self.unbind(deleted.id);
        }
        match deleted {
            Some(Binding { id, subject: Subject::Key(key), role, space, .. }) if key == self.key.id => {
                self.key.bindings.push(KeyBinding { id, role, space });
                self.key.bindings.sort_by_key(|binding| binding.id);
            }
            // Another key's is none of this one's business, and is not taken for a group's.
            Some(binding) => {
                self.snapshot.bind_group(binding);
            }
            None => {}
        }
        Ok(())
    }

    fn unbind(&mut self, id: BindingId) {
        self.key.bindings.retain(|binding| binding.id != id);
        for bindings in self.snapshot.group_bindings.values_mut() {
            bindings.retain(|binding| binding.id != id);
        }
    }

    fn undo_policy(&mut self, entry: &AuditEntry) -> Result<(), String> {
        let before: Option<LoginPolicy> = entry.before.as_ref().map(|before| read(Some(before))).transpose()?;
        let policies = &mut self.snapshot.policies;
        policies.retain(|policy| policy.name.as_str() != entry.resource);
        policies.extend(before);
        policies.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(())
    }
}

fn subject(entry: &AuditEntry) -> Option<Subject> {
    let binding = entry.before.as_ref().or(entry.after.as_ref())?;
    read::<Binding>(Some(binding)).ok().map(|binding| binding.subject)
}

/// Puts what stood there before in the place of what stands there now.
fn swap<K: Ord, V: DeserializeOwned>(there: &mut BTreeMap<K, V>, entry: &AuditEntry, id: impl Fn(&V) -> K) -> Result<(), String> {
    if let Some(after) = &entry.after {
        there.remove(&id(&read(Some(after))?));
    }
    if let Some(before) = &entry.before {
        let before: V = read(Some(before))?;
        there.insert(id(&before), before);
    }
    Ok(())
}

fn read<T: DeserializeOwned>(value: Option<&Value>) -> Result<T, String> {
    let value = value.ok_or_else(|| "the audit does not hold it".to_owned())?;
    T::deserialize(value).map_err(|error| error.to_string())
}
