//! The names that policies speak of and that others decide: whether a space, a role, a group or a key is there.

use std::collections::BTreeSet;

use crate::model::Snapshot;

/// What is there, as far as it is known; `None` is not known, and then nothing is said about it.
#[derive(Clone, Debug, Default)]
pub struct Vocabulary {
    /// Ids of spaces.
    pub spaces: Option<BTreeSet<String>>,
    /// Ids of roles.
    pub roles: Option<BTreeSet<String>>,
    /// Groups that somebody has described, bound, or put a key into.
    pub groups: Option<BTreeSet<String>>,
    /// Names of keys that are not revoked.
    pub keys: Option<BTreeSet<String>>,
}

impl Vocabulary {
    /// Nothing is known: what can be said is what the text alone says.
    #[must_use]
    pub fn unknown() -> Self {
        Self::default()
    }

    /// What a snapshot knows: everything but the keys.
    #[must_use]
    pub fn of(snapshot: &Snapshot) -> Self {
        Self {
            spaces: Some(snapshot.spaces.iter().map(|space| space.id.to_string()).collect()),
            roles: Some(snapshot.roles.keys().map(ToString::to_string).collect()),
            groups: Some(snapshot.groups.keys().map(|group| group.as_str().to_owned()).collect()),
            keys: None,
        }
    }

    /// The same with the names of all keys, if they are known.
    #[must_use]
    pub fn with_keys(self, keys: Option<Vec<String>>) -> Self {
        Self { keys: keys.map(|keys| keys.into_iter().collect()), ..self }
    }
}
