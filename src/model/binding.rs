//! Subject × role × space.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::id::{BindingId, GroupName, KeyId, RoleId, SpaceId};

/// Who a binding is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    /// An API key, by id.
    Key(KeyId),
    /// Every key that is a member of a group.
    Group(GroupName),
}

/// The subject holds the role in the space and in all below it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// Its id; a binding is made and deleted, never changed.
    pub id: BindingId,
    /// Who.
    pub subject: Subject,
    /// Which role.
    pub role: RoleId,
    /// Where.
    pub space: SpaceId,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A binding whose subject is the record that it stands in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct KeyBinding {
    /// Its id.
    pub id: BindingId,
    /// Which role.
    pub role: RoleId,
    /// Where.
    pub space: SpaceId,
}
