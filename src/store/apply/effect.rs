//! What came of a mutation: what it has changed, or why it was refused.

use serde_json::Value;

use crate::model::{KeyId, SpaceId};
use crate::store::error::{Conflict, StoreError};

/// What a mutation has done to its rows.
pub(super) struct Effect {
    pub(super) before: Option<Value>,
    pub(super) after: Option<Value>,
    pub(super) touches: Touches,
    /// The spaces that it happened in, any number of times.
    pub(super) spaces: Vec<SpaceId>,
}

/// Whose cached credentials it can touch.
pub(super) enum Touches {
    Key(KeyId),
    All,
}

impl Effect {
    /// A change that everybody may feel, in no space in particular.
    pub(super) fn of_all(before: Option<Value>, after: Option<Value>) -> Self {
        Self { before, after, touches: Touches::All, spaces: Vec::new() }
    }
}

pub(super) fn refuse<T>(conflict: Conflict) -> Result<T, StoreError> {
    Err(conflict.into())
}

/// As the audit keeps it.
pub(super) fn value<T: serde::Serialize>(of: &T) -> Value {
    serde_json::to_value(of).expect("the model's nouns can be written as JSON")
}

/// Sorted, each once.
pub(super) fn set<T: Ord>(mut items: Vec<T>) -> Vec<T> {
    items.sort_unstable();
    items.dedup();
    items
}
