//! Whether the rows are as the last entry about each has left them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::fault::{AuditFault, RowFault};
use super::line::{Line, PAGE};
use crate::model::{AuditEntry, AuditId, BindingId, KeyId, KeyRecord, Resource, Revision, Snapshot, SystemRole};
use crate::store::apply::audited_key;
use crate::store::audit::{AuditOrder, AuditQuery};
use crate::store::contract::Store;
use crate::store::error::StoreError;
use crate::store::listing::Page;

/// How often something is looked at that does not fit: it may have been changed between one look and the next.
const LOOKS: usize = 3;
/// How many entries about one thing are read at a time; nearly always it is the last one that counts.
const FEW: u32 = 4;

/// The comparison, on its way.
pub(super) struct RowCheck<'s> {
    store: &'s dyn Store,
    line: Line,
    snapshot: Snapshot,
    /// The last change whose entry is not kept any more.
    given_up: Option<Revision>,
    compared: u64,
    /// What has been told already.
    told: BTreeSet<Resource>,
}

impl<'s> RowCheck<'s> {
    pub(super) async fn new(store: &'s dyn Store, given_up: Option<Revision>) -> Result<Self, StoreError> {
        let (line, snapshot) = (Line::of(store).await?, store.snapshot().await?);
        Ok(Self { store, line, snapshot, given_up, compared: 0, told: BTreeSet::new() })
    }

    pub(super) fn compared(&self) -> u64 {
        self.compared
    }

    /// What is wrong with the things that this entry says are there, as far as it is that they are not.
    pub(super) async fn named_by(&mut self, entry: &AuditEntry) -> Result<Vec<AuditFault>, StoreError> {
        let mut faults = Vec::new();
        if !self.holds(entry) || entry.after.is_none() {
            return Ok(faults);
        }
        let own = resource(entry);
        for resource in own.into_iter().chain(made_with_key(entry).into_iter().map(Resource::Binding)) {
            if self.row(&resource).await?.is_none() {
                faults.extend(self.check(resource, Some(entry)).await?);
            }
        }
        Ok(faults)
    }

    /// What is wrong with everything that is there.
    pub(super) async fn rest(&mut self) -> Result<Vec<AuditFault>, StoreError> {
        let mut faults = Vec::new();
        self.snapshot = self.store.snapshot().await?;
        let shared = &self.snapshot;
        let spaces = shared.spaces.iter().map(|space| Resource::Space(space.id.clone()));
        let roles = shared.roles.keys().cloned().map(Resource::Role);
        let groups = shared.groups.keys().cloned().map(Resource::Group);
        let policies = shared.policies.iter().map(|policy| Resource::Policy(policy.name.clone()));
        let shared: Vec<Resource> = spaces.chain(roles).chain(groups).chain(policies).chain([Resource::Strategy]).collect();
        for resource in shared {
            faults.extend(self.compare(resource).await?);
        }
        let mut after = None;
        loop {
            let page = self.store.bindings(&Page { after, limit: PAGE, query: None }).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            for binding in page {
                faults.extend(self.compare(Resource::Binding(binding.id)).await?);
            }
        }
        let mut after = None;
        loop {
            let page = self.store.keys(&Page { after, limit: PAGE, query: None }).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            for key in page {
                faults.extend(self.compare(Resource::Key(key.id)).await?);
            }
        }
        Ok(faults)
    }

    async fn compare(&mut self, resource: Resource) -> Result<Option<AuditFault>, StoreError> {
        self.compared += 1;
        self.check(resource, None).await
    }

    /// `named_by`: an entry that says that it is there.
    async fn check(&mut self, resource: Resource, named_by: Option<&AuditEntry>) -> Result<Option<AuditFault>, StoreError> {
        let mut fault = None;
        for look in 0..LOOKS {
            if look > 0 {
                self.snapshot = self.store.snapshot().await?;
            }
            let row = self.row(&resource).await?;
            fault = self.fault(&resource, row, named_by).await?;
            if fault.is_none() {
                break;
            }
        }
        Ok(fault.filter(|_| self.told.insert(resource.clone())).map(|fault| AuditFault::Row { resource, fault }))
    }

    async fn fault(&self, resource: &Resource, row: Option<Value>, named_by: Option<&AuditEntry>) -> Result<Option<RowFault>, StoreError> {
        let Some(entry) = self.last_about(resource).await? else {
            return self.without_entry(resource, row, named_by).await;
        };
        let fault = match (&row, &entry.after) {
            (None, None) => None,
            (None, Some(left)) => (!self.is_gone_with_its_key(resource, left).await?).then_some(RowFault::Absent(entry.id)),
            // A group comes into being when a key is put into it; nobody has described it then.
            (Some(row), None) if matches!(resource, Resource::Group(_)) && row.get("description") == Some(&Value::from("")) => None,
            (Some(_), None) => Some(RowFault::NotGone(entry.id)),
            (Some(row), Some(left)) => (!fits(resource, row, left)).then_some(RowFault::Differs(entry.id)),
        };
        // A binding whose id had been given up may be there anew: it came with a key that was made after that.
        if let (Some(_), Resource::Binding(id), Some(row)) = (&fault, resource, &row)
            && self.came_with_its_key(*id, row).await?.is_some_and(|made| made > entry.id)
        {
            return Ok(None);
        }
        Ok(fault)
    }

    /// No entry is about this very thing.
    async fn without_entry(
        &self,
        resource: &Resource,
        row: Option<Value>,
        named_by: Option<&AuditEntry>,
    ) -> Result<Option<RowFault>, StoreError> {
        let Some(row) = row else {
            let Some(entry) = named_by else { return Ok(None) };
            let gone = match resource_id(entry) {
                Some(key) => self.is_revoked(key).await?,
                None => false,
            };
            return Ok((!gone).then_some(RowFault::Absent(entry.id)));
        };
        match resource {
            Resource::Group(_) | Resource::Strategy => return Ok(None),
            Resource::Space(id) if id.as_str() == "root" => return Ok(None),
            Resource::Role(id) if SystemRole::ALL.into_iter().any(|role| role.slug() == id.as_str()) => return Ok(None),
            Resource::Binding(id) if self.came_with_its_key(*id, &row).await?.is_some() => return Ok(None),
            Resource::Key(_) | Resource::Space(_) | Resource::Role(_) | Resource::Binding(_) | Resource::Policy(_) => {}
        }
        let Some(changed) = self.store.revision_of(resource).await? else { return Ok(None) };
        let is_told = self.given_up.is_none_or(|last| changed > last) && !self.line.is_untold(changed);
        Ok(is_told.then_some(RowFault::Untold))
    }

    /// The last change of this thing, of those that hold.
    async fn last_about(&self, resource: &Resource) -> Result<Option<AuditEntry>, StoreError> {
        self.change_of(resource, AuditOrder::NewestFirst).await
    }

    async fn change_of(&self, resource: &Resource, order: AuditOrder) -> Result<Option<AuditEntry>, StoreError> {
        let mut wanted = AuditQuery {
            resource: Some(resource.id()),
            action: Some(format!("{}.", resource.kind())),
            limit: FEW,
            order,
            ..AuditQuery::default()
        };
        loop {
            let mut page = self.store.audit(&wanted).await?;
            let Some(last) = page.last().map(|entry| entry.id) else { return Ok(None) };
            if let Some(position) = page.iter().position(|entry| self.holds(entry)) {
                return Ok(Some(page.swap_remove(position)));
            }
            match order {
                AuditOrder::NewestFirst => wanted.before = Some(last),
                AuditOrder::OldestFirst => wanted.newer_than = Some(last),
            }
        }
    }

    fn holds(&self, entry: &AuditEntry) -> bool {
        entry.revision.is_some_and(|revision| self.line.holds(revision))
    }

    /// As the audit keeps it.
    async fn row(&self, resource: &Resource) -> Result<Option<Value>, StoreError> {
        let shared = &self.snapshot;
        Ok(match resource {
            Resource::Key(id) => self.store.key(*id).await?.as_ref().map(audited_key),
            Resource::Binding(id) => self.store.binding(*id).await?.as_ref().map(value),
            Resource::Space(id) => shared.spaces.find(id).map(value),
            Resource::Role(id) => shared.roles.get(id).map(value),
            Resource::Group(name) => shared.groups.get(name).map(value),
            Resource::Policy(name) => shared.policies.iter().find(|policy| policy.name == *name).map(value),
            Resource::Strategy => Some(value(&shared.strategy)),
        })
    }

    async fn is_revoked(&self, key: KeyId) -> Result<bool, StoreError> {
        Ok(self.store.key(key).await?.is_some_and(|key: KeyRecord| key.revoked_at.is_some()))
    }

    /// The bindings of a key go when it is revoked, and nothing is said of each.
    async fn is_gone_with_its_key(&self, resource: &Resource, left: &Value) -> Result<bool, StoreError> {
        match (resource, left.get("subject").and_then(key_of)) {
            (Resource::Binding(_), Some(key)) => self.is_revoked(key).await,
            _ => Ok(false),
        }
    }

    /// The entry of the making of its key, if the binding was made with it.
    async fn came_with_its_key(&self, id: BindingId, row: &Value) -> Result<Option<AuditId>, StoreError> {
        let Some(key) = row.get("subject").and_then(key_of) else { return Ok(None) };
        let made = self.change_of(&Resource::Key(key), AuditOrder::OldestFirst).await?;
        let bindings = made.as_ref().and_then(|entry| entry.after.as_ref()?.get("bindings")?.as_array());
        let same = |binding: &&Value| binding.get("id") == Some(&Value::from(id.to_string()));
        let found = bindings.into_iter().flatten().find(same);
        let is_it = found.is_some_and(|binding| ["role", "space"].into_iter().all(|field| binding.get(field) == row.get(field)));
        Ok(made.map(|entry| entry.id).filter(|_| is_it))
    }
}

/// What an entry is about, if it is about a thing that has rows.
fn resource(entry: &AuditEntry) -> Option<Resource> {
    let (kind, _) = entry.action.split_once('.')?;
    let id = &entry.resource;
    match kind {
        "key" => id.parse().ok().map(Resource::Key),
        "space" => id.parse().ok().map(Resource::Space),
        "role" => id.parse().ok().map(Resource::Role),
        "group" => id.parse().ok().map(Resource::Group),
        "binding" => id.parse().ok().map(Resource::Binding),
        "policy" => id.parse().ok().map(Resource::Policy),
        "strategy" => Some(Resource::Strategy),
        _ => None,
    }
}

/// The key that an entry is about.
fn resource_id(entry: &AuditEntry) -> Option<KeyId> {
    match resource(entry)? {
        Resource::Key(id) => Some(id),
        Resource::Space(_) | Resource::Role(_) | Resource::Group(_) | Resource::Binding(_) | Resource::Policy(_) | Resource::Strategy => {
            None
        }
    }
}

/// The bindings that came into being with a key.
fn made_with_key(entry: &AuditEntry) -> Vec<BindingId> {
    if entry.before.is_some() || resource_id(entry).is_none() {
        return Vec::new();
    }
    let bindings = entry.after.as_ref().and_then(|after| after.get("bindings")?.as_array());
    bindings.into_iter().flatten().filter_map(|binding| binding.get("id")?.as_str()?.parse().ok()).collect()
}

/// The key that something is for.
fn key_of(subject: &Value) -> Option<KeyId> {
    subject.get("key")?.as_str()?.parse().ok()
}

fn fits(resource: &Resource, row: &Value, left: &Value) -> bool {
    match resource {
        Resource::Key(_) => key_fits(row.clone(), left.clone()),
        Resource::Space(_) | Resource::Role(_) | Resource::Group(_) | Resource::Binding(_) | Resource::Policy(_) | Resource::Strategy => {
            row == left
        }
    }
}

/// Its bindings have entries of their own, and a revoked key leaves a group with the group.
fn key_fits(mut row: Value, mut left: Value) -> bool {
    let groups = |key: &Value| -> BTreeSet<String> {
        key.get("groups").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let (is, was) = (groups(&row), groups(&left));
    let is_revoked = row.get("revoked_at").is_some_and(|at| !at.is_null());
    for key in [&mut row, &mut left] {
        let Some(fields) = key.as_object_mut() else { return false };
        fields.remove("bindings");
        fields.remove("groups");
    }
    row == left && (is == was || is_revoked && is.is_subset(&was))
}

fn value<T: serde::Serialize>(of: &T) -> Value {
    serde_json::to_value(of).expect("the model's nouns can be written as JSON")
}
