//! What keys of sidecars may, as long as nothing has changed that touches them: they ask a hundred times as often as anybody else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::standing::Standing;
use crate::exchange::KeyStamp;
use crate::model::{KeyDigest, KeyRecord};

/// More than these are forgotten, all at once: they are read again when they ask next.
const MOST: usize = 4096;

/// A key, and what it may by the state that belongs to the stamp.
pub(super) struct Known {
    pub(super) key: KeyRecord,
    pub(super) standing: Standing,
}

#[derive(Default)]
pub(super) struct FollowerKeys(Mutex<HashMap<KeyDigest, (KeyStamp, Arc<Known>)>>);

impl FollowerKeys {
    /// What was found out under this very stamp, which is the current one.
    pub(super) fn get(&self, digest: &KeyDigest, stamp: KeyStamp) -> Option<Arc<Known>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(digest).filter(|(then, _)| *then == stamp).map(|(_, known)| Arc::clone(known))
    }

    /// `stamp` was read before the key.
    pub(super) fn keep(&self, digest: &KeyDigest, stamp: KeyStamp, known: &Arc<Known>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST && !all.contains_key(digest) {
            all.clear();
        }
        all.insert(*digest, (stamp, Arc::clone(known)));
    }
}
