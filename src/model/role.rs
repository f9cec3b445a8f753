//! Named sets of actions. Roles add up; there is no "deny" inside a role.

use serde::{Deserialize, Serialize};

use super::action::{Action, ActionPattern};
use super::id::RoleId;

/// A role as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// Its slug, unique and unchangeable.
    pub id: RoleId,
    /// For people.
    pub name: String,
    /// What it is for; free text, may be empty.
    #[serde(default)]
    pub description: String,
    /// What it allows; sorted, each once.
    pub actions: Vec<ActionPattern>,
    /// Whether it is one of the roles that can neither be changed nor deleted.
    #[serde(default)]
    pub system: bool,
}

impl Role {
    /// Whether the role allows `action`.
    #[must_use]
    pub fn allows(&self, action: &Action) -> bool {
        self.actions.iter().any(|pattern| pattern.covers(action))
    }
}

/// The roles that every store has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SystemRole {
    /// Sees.
    SpaceReader,
    /// Sees and changes.
    SpaceWriter,
    /// Everything. On `root`: a root admin.
    SpaceAdmin,
    /// Follows a control plane, and nothing more: for sidecars. On `root` alone.
    Replica,
}

impl SystemRole {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::SpaceReader, Self::SpaceWriter, Self::SpaceAdmin, Self::Replica];

    /// Its slug.
    #[must_use]
    pub fn slug(self) -> &'static str {
        match self {
            Self::SpaceReader => "space-reader",
            Self::SpaceWriter => "space-writer",
            Self::SpaceAdmin => "space-admin",
            Self::Replica => "replica",
        }
    }

    /// Its id.
    #[must_use]
    pub fn id(self) -> RoleId {
        self.slug().parse().expect("the slugs of system roles are well-formed")
    }

    fn name(self) -> &'static str {
        match self {
            Self::SpaceReader => "Space reader",
            Self::SpaceWriter => "Space writer",
            Self::SpaceAdmin => "Space admin",
            Self::Replica => "Replica",
        }
    }

    fn actions(self) -> &'static [&'static str] {
        match self {
            Self::SpaceReader => &["space:read", "stack:read", "run:read", "context:read"],
            Self::SpaceWriter => &["space:read", "stack:*", "run:*", "context:*"],
            Self::SpaceAdmin => &["*:*"],
            // What it is for is no action of an upstream.
            Self::Replica => &[],
        }
    }

    /// The role itself.
    #[must_use]
    pub fn role(self) -> Role {
        let mut actions: Vec<ActionPattern> =
            self.actions().iter().map(|text| text.parse().expect("the actions of system roles are well-formed")).collect();
        actions.sort();
        Role { id: self.id(), name: self.name().to_owned(), description: String::new(), actions, system: true }
    }
}
