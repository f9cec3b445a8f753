//! What a change can be about.

use std::fmt;

use super::id::{BindingId, GroupName, Invalid, KeyId, PolicyName, RoleId, SpaceId};

/// One thing that a store keeps and that can be changed, by what it is called for good.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    /// An API key.
    Key(KeyId),
    /// A space.
    Space(SpaceId),
    /// A role.
    Role(RoleId),
    /// A group.
    Group(GroupName),
    /// A binding.
    Binding(BindingId),
    /// A login policy of the store.
    Policy(PolicyName),
    /// Which sources of roles count; there is one.
    Strategy,
}

/// Which of them it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceKind {
    Key,
    Space,
    Role,
    Group,
    Binding,
    Policy,
    Strategy,
}

impl ResourceKind {
    /// Every one.
    pub const ALL: [Self; 7] = [Self::Key, Self::Space, Self::Role, Self::Group, Self::Binding, Self::Policy, Self::Strategy];
}

impl Resource {
    /// The one of this kind that is called this.
    ///
    /// # Errors
    /// Nothing of the kind can be called that.
    pub fn called(kind: ResourceKind, id: &str) -> Result<Self, Invalid> {
        Ok(match kind {
            ResourceKind::Key => Self::Key(id.parse()?),
            ResourceKind::Space => Self::Space(id.parse()?),
            ResourceKind::Role => Self::Role(id.parse()?),
            ResourceKind::Group => Self::Group(id.parse()?),
            ResourceKind::Binding => Self::Binding(id.parse()?),
            ResourceKind::Policy => Self::Policy(id.parse()?),
            ResourceKind::Strategy => Self::Strategy,
        })
    }

    #[must_use]
    pub fn kind(&self) -> ResourceKind {
        match self {
            Self::Key(_) => ResourceKind::Key,
            Self::Space(_) => ResourceKind::Space,
            Self::Role(_) => ResourceKind::Role,
            Self::Group(_) => ResourceKind::Group,
            Self::Binding(_) => ResourceKind::Binding,
            Self::Policy(_) => ResourceKind::Policy,
            Self::Strategy => ResourceKind::Strategy,
        }
    }

    /// What it is called among its kind, as the audit has it.
    #[must_use]
    pub fn id(&self) -> String {
        match self {
            Self::Key(id) => id.to_string(),
            Self::Space(id) => id.to_string(),
            Self::Role(id) => id.to_string(),
            Self::Group(name) => name.to_string(),
            Self::Binding(id) => id.to_string(),
            Self::Policy(name) => name.to_string(),
            Self::Strategy => "strategy".to_owned(),
        }
    }
}

/// `space production`; `strategy`.
impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::Strategy { self.kind().fmt(f) } else { write!(f, "{} {}", self.kind(), self.id()) }
    }
}

/// The word for it: `space`.
impl fmt::Display for ResourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key => "key",
            Self::Space => "space",
            Self::Role => "role",
            Self::Group => "group",
            Self::Binding => "binding",
            Self::Policy => "policy",
            Self::Strategy => "strategy",
        })
    }
}
