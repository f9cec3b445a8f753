//! Resolved facts: this key holds this role in this space, because of this.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::id::{BindingId, GroupName, PolicyName, RoleId, SpaceId};
use super::space::SpaceTree;

/// The roles of each space.
pub type RolesBySpace = BTreeMap<SpaceId, BTreeSet<RoleId>>;

/// A role held in a space (and so in all below it), and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Grant {
    /// Where.
    pub space: SpaceId,
    /// Which role.
    pub role: RoleId,
    /// Because of what.
    pub via: Via,
}

/// What a grant rests on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", content = "name", rename_all = "lowercase")]
pub enum Via {
    /// A binding of the key itself.
    Binding(BindingId),
    /// A binding of a group that the key is a member of.
    Group(GroupName),
    /// A login policy's answer.
    Policy(PolicyName),
}

/// Everything that a key holds; sorted, each fact once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Grants(BTreeSet<Grant>);

impl Grants {
    /// Whether nothing is held at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every fact, by space, role and reason.
    pub fn iter(&self) -> impl Iterator<Item = &Grant> {
        self.0.iter()
    }

    /// The roles where they were given, reasons left out.
    #[must_use]
    pub fn bound(&self) -> RolesBySpace {
        let mut roles = RolesBySpace::new();
        for grant in &self.0 {
            roles.entry(grant.space.clone()).or_default().insert(grant.role.clone());
        }
        roles
    }

    /// The roles in force in every space: those given there and those inherited from above. Spaces without any are left out.
    #[must_use]
    pub fn effective(&self, spaces: &SpaceTree) -> RolesBySpace {
        let mut roles = RolesBySpace::new();
        for (given_in, given) in self.bound() {
            for space in spaces.subtree(&given_in) {
                roles.entry(space.id.clone()).or_default().extend(given.iter().cloned());
            }
        }
        roles
    }
}

impl FromIterator<Grant> for Grants {
    fn from_iter<T: IntoIterator<Item = Grant>>(grants: T) -> Self {
        Self(grants.into_iter().collect())
    }
}

impl Extend<Grant> for Grants {
    fn extend<T: IntoIterator<Item = Grant>>(&mut self, grants: T) {
        self.0.extend(grants);
    }
}
