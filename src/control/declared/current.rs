//! What a store holds of what files speak of: read before a plan is made, and all of it as of one revision or the plan is not carried out.

use std::collections::{BTreeMap, BTreeSet};

use super::document::Document;
use crate::model::{Binding, BindingId, KeyDigest, KeyId, KeyName, KeyRecord, Resource, Snapshot, Strategy, Subject};
use crate::store::{Management, NAMED_KEYS_MAX, StoreError};

/// What there is.
pub(super) struct Current {
    pub(super) snapshot: Snapshot,
    /// Those that files name, and those that are managed; revoked ones are not there.
    pub(super) keys: BTreeMap<KeyName, KeyRecord>,
    /// Whose the digests are that files name.
    pub(super) owners: BTreeMap<KeyDigest, KeyRecord>,
    pub(super) managed: BTreeSet<Resource>,
    /// The managed ones.
    pub(super) bindings: BTreeMap<BindingId, Binding>,
    /// Of all keys, if there are not too many.
    pub(super) key_names: Option<Vec<String>>,
}

impl Current {
    /// What a store holds that nobody has touched.
    pub(super) fn nothing(strategy: Strategy) -> Self {
        Self {
            snapshot: Snapshot::empty(strategy),
            keys: BTreeMap::new(),
            owners: BTreeMap::new(),
            managed: BTreeSet::new(),
            bindings: BTreeMap::new(),
            key_names: Some(Vec::new()),
        }
    }

    pub(super) async fn read(document: &Document, store: &dyn Management) -> Result<Self, StoreError> {
        // First: whatever is read after it and has changed since is newer than this revision, on which the plan insists.
        let snapshot = store.snapshot().await?;
        let managed = store.managed().await?;
        let mut current = Self {
            snapshot,
            keys: BTreeMap::new(),
            owners: BTreeMap::new(),
            managed,
            bindings: BTreeMap::new(),
            key_names: store.key_names(NAMED_KEYS_MAX).await?,
        };
        for name in document.key_names() {
            if !current.keys.contains_key(&name)
                && let Some(key) = store.key_named(&name).await?
            {
                current.keys.insert(name, key);
            }
        }
        for digest in document.digests() {
            if let Some(found) = store.find_key(&digest).await? {
                current.owners.insert(digest, found.key);
            }
        }
        current.read_managed(store).await?;
        Ok(current)
    }

    async fn read_managed(&mut self, store: &dyn Management) -> Result<(), StoreError> {
        let mut subjects: BTreeSet<KeyId> = BTreeSet::new();
        for resource in &self.managed {
            match resource {
                Resource::Key(id) => drop(subjects.insert(*id)),
                Resource::Binding(id) => {
                    if let Some(binding) = store.binding(*id).await? {
                        match &binding.subject {
                            Subject::Key(key) => drop(subjects.insert(*key)),
                            Subject::Group(_) => {}
                        }
                        self.bindings.insert(*id, binding);
                    }
                }
                Resource::Space(_) | Resource::Role(_) | Resource::Group(_) | Resource::Policy(_) | Resource::Strategy => {}
            }
        }
        let known: BTreeSet<KeyId> = self.keys.values().map(|key| key.id).collect();
        for id in subjects.difference(&known) {
            if let Some(key) = store.key(*id).await?.filter(|key| key.revoked_at.is_none()) {
                self.keys.insert(key.name.clone(), key);
            }
        }
        Ok(())
    }

    /// What this key is called.
    pub(super) fn key_name(&self, id: KeyId) -> String {
        self.keys.values().find(|key| key.id == id).map_or_else(|| id.to_string(), |key| key.name.to_string())
    }
}
