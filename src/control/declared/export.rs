//! What a store holds, as a file whose plan is empty.
//!
//! Nothing of it is secret. Revoked keys are history, which the audit keeps; of a key that is being rotated the digest is that of the new
//! secret, as the old one is about to end. Ids are not written, since another store draws its own: everything stands in the order of names.

use serde::{Serialize, Serializer};

use super::yaml::{self, Datum};
use crate::model::{KeyRecord, Role, Snapshot, Space, Subject};
use crate::store::{Management, Page, StoreError};

/// How many keys are read at a time.
const PAGE: u32 = 500;
/// How often everything is read anew because it has changed meanwhile.
const ATTEMPTS: usize = 8;

/// A whole store as a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    fields: Vec<(&'static str, Datum)>,
}

impl Exported {
    /// As YAML, the same bytes whenever the store holds the same.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        yaml::written(&self.fields)
    }
}

/// As JSON.
impl Serialize for Exported {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.fields.iter().map(|(name, value)| (name, value)))
    }
}

/// Everything that the store holds, as of one revision.
///
/// # Errors
/// The store cannot be used, or changes faster than it can be read.
pub async fn export(store: &dyn Management) -> Result<Exported, StoreError> {
    for _ in 0..ATTEMPTS {
        let snapshot = store.snapshot().await?;
        let mut keys: Vec<KeyRecord> = Vec::new();
        let mut last = None;
        loop {
            let page = store.keys(&Page { after: last, limit: PAGE, query: None }).await?;
            let Some(end) = page.last() else { break };
            last = Some(end.id);
            keys.extend(page.into_iter().filter(|key| key.revoked_at.is_none()));
        }
        if store.snapshot().await?.revision == snapshot.revision {
            keys.sort_by(|one, other| one.name.cmp(&other.name));
            return Ok(document(&snapshot, &keys));
        }
    }
    Err(StoreError::Unavailable("it changes faster than it can be read".to_owned()))
}

fn document(snapshot: &Snapshot, keys: &[KeyRecord]) -> Exported {
    let groups = snapshot.groups.values().map(|group| map([text("name", &group.name), said("description", &group.description)]));
    let policies = snapshot.policies.iter().map(|policy| {
        map([text("name", &policy.name), policy.rego.and_then(|rego| text("rego", &rego.as_str())), text("source", &policy.source)])
    });
    let sections = [
        ("spaces", snapshot.spaces.iter().filter_map(space).collect::<Vec<_>>()),
        ("roles", snapshot.roles.values().filter(|role| !role.system).map(role).collect()),
        ("groups", groups.collect()),
        ("keys", keys.iter().map(key).collect()),
        ("bindings", bindings(snapshot, keys)),
        ("policies", policies.collect()),
    ];
    let strategy = [("strategy", Datum::Text(snapshot.strategy.to_string()))];
    let sections = sections.into_iter().filter(|(_, entries)| !entries.is_empty());
    Exported { fields: strategy.into_iter().chain(sections.map(|(name, entries)| (name, Datum::List(entries)))).collect() }
}

/// Of the root only what can be said of it.
fn space(space: &Space) -> Option<Datum> {
    let name = Some(space.name.as_str()).filter(|name| !space.id.is_root() && *name != space.id.as_str());
    let parent = space.parent.as_ref().filter(|parent| !parent.is_root());
    let fields = [
        text("id", &space.id),
        name.and_then(|name| text("name", &name)),
        said("description", &space.description),
        parent.and_then(|parent| text("parent", parent)),
        list("labels", &space.labels),
    ];
    let is_said = fields.iter().skip(1).any(Option::is_some);
    (!space.id.is_root() || is_said).then(|| map(fields))
}

fn role(role: &Role) -> Datum {
    let name = Some(role.name.as_str()).filter(|name| *name != role.id.as_str());
    map([
        text("id", &role.id),
        name.and_then(|name| text("name", &name)),
        said("description", &role.description),
        list("actions", &role.actions),
    ])
}

fn key(key: &KeyRecord) -> Datum {
    let current = key.secrets.iter().find(|secret| secret.ends_at.is_none());
    map([
        text("name", &key.name),
        current.map(|secret| ("sha256", Datum::Quoted(secret.digest.to_hex()))),
        said("description", &key.description),
        list("groups", &key.groups),
        key.expires_at.map(|at| ("expires", Datum::Quoted(at.to_string()))),
        key.disabled_at.map(|_| ("disabled", Datum::True)),
    ])
}

/// Of groups, then of keys, each by name, role, space.
fn bindings(snapshot: &Snapshot, keys: &[KeyRecord]) -> Vec<Datum> {
    let of_groups = snapshot.group_bindings.values().flatten().filter_map(|binding| match &binding.subject {
        Subject::Group(group) => Some(("group", group.as_str(), &binding.role, &binding.space)),
        Subject::Key(_) => None,
    });
    let of_keys = keys.iter().flat_map(|key| key.bindings.iter().map(|binding| ("key", key.name.as_str(), &binding.role, &binding.space)));
    let mut said: Vec<_> = of_groups.chain(of_keys).collect();
    said.sort_unstable();
    said.into_iter().map(|(kind, name, role, space)| map([text(kind, &name), text("role", role), text("space", space)])).collect()
}

fn map<const FIELDS: usize>(fields: [Option<(&'static str, Datum)>; FIELDS]) -> Datum {
    Datum::Map(fields.into_iter().flatten().collect())
}

#[expect(clippy::unnecessary_wraps, reason = "it stands beside fields that may be left out")]
fn text(field: &'static str, value: &impl ToString) -> Option<(&'static str, Datum)> {
    Some((field, Datum::Text(value.to_string())))
}

/// A text that is left out where it is empty.
fn said(field: &'static str, value: &str) -> Option<(&'static str, Datum)> {
    (!value.is_empty()).then(|| (field, Datum::Text(value.to_owned())))
}

fn list(field: &'static str, values: &[impl ToString]) -> Option<(&'static str, Datum)> {
    (!values.is_empty()).then(|| (field, Datum::List(values.iter().map(|value| Datum::Text(value.to_string())).collect())))
}
