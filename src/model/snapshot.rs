//! What is small and shared by all keys, as of one revision. With the key's own record it is all that authorization reads.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::api_key::KeyRecord;
use super::binding::{Binding, KeyBinding, Subject};
use super::grant::{Grant, Via};
use super::id::{GroupName, Revision, RoleId, SpaceId};
use super::policy::{LoginPolicy, Strategy};
use super::role::{Role, SystemRole};
use super::space::SpaceTree;

/// A group that somebody has described, bound or put a key into.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// As the identity provider spells it.
    pub name: GroupName,
    /// What it is for; free text, may be empty.
    #[serde(default)]
    pub description: String,
}

/// One consistent reading of everything but the keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The last change that it knows of.
    pub revision: Revision,
    /// The tree of spaces.
    pub spaces: SpaceTree,
    /// Roles, system roles included.
    pub roles: BTreeMap<RoleId, Role>,
    /// Groups.
    pub groups: BTreeMap<GroupName, Group>,
    /// Bindings whose subject is a group, by group. Every subject here is that group.
    pub group_bindings: BTreeMap<GroupName, Vec<Binding>>,
    /// The store's login policies, by name.
    pub policies: Vec<LoginPolicy>,
    /// Which sources of roles count.
    pub strategy: Strategy,
}

impl Snapshot {
    /// What a new store holds.
    #[must_use]
    pub fn empty(strategy: Strategy) -> Self {
        Self {
            revision: Revision::default(),
            spaces: SpaceTree::root_only(),
            roles: SystemRole::ALL.into_iter().map(|role| (role.id(), role.role())).collect(),
            groups: BTreeMap::new(),
            group_bindings: BTreeMap::new(),
            policies: Vec::new(),
            strategy,
        }
    }

    /// Lets a key's record use the snapshot's own copies of ids and names: one text each for all keys that are remembered.
    pub fn lend_names(&self, key: &mut KeyRecord) {
        for binding in &mut key.bindings {
            if let Some((role, _)) = self.roles.get_key_value(&binding.role) {
                binding.role = role.clone();
            }
            if let Some(space) = self.spaces.find(&binding.space) {
                binding.space = space.id.clone();
            }
        }
        for group in &mut key.groups {
            if let Some((name, _)) = self.groups.get_key_value(group) {
                *group = name.clone();
            }
        }
    }

    /// What the key's own bindings and its groups' bindings give it, whatever the strategy.
    pub fn bound_grants<'a>(&'a self, key: &'a KeyRecord) -> impl Iterator<Item = Grant> + 'a {
        self.direct_grants(key).chain(self.group_grants(key))
    }

    /// Whether the key is a root admin: `space-admin` on `root`, by a binding of its own or of a group.
    #[must_use]
    pub fn is_root_admin(&self, key: &KeyRecord) -> bool {
        self.is_root_admin_directly(key) || self.group_grants(key).any(|grant| is_root_admin(&grant.role, &grant.space))
    }

    /// Whether a binding of the key itself makes it a root admin.
    #[must_use]
    pub fn is_root_admin_directly(&self, key: &KeyRecord) -> bool {
        key.bindings.iter().any(|binding| is_root_admin(&binding.role, &binding.space))
    }

    /// Grants by the key's own bindings. A binding to something that is gone gives nothing.
    fn direct_grants<'a>(&'a self, key: &'a KeyRecord) -> impl Iterator<Item = Grant> + 'a {
        let known = |binding: &&KeyBinding| self.knows(&binding.role, &binding.space);
        key.bindings.iter().filter(known).map(|binding| Grant {
            space: binding.space.clone(),
            role: binding.role.clone(),
            via: Via::Binding(binding.id),
        })
    }

    /// Grants by the bindings of the key's groups.
    fn group_grants<'a>(&'a self, key: &'a KeyRecord) -> impl Iterator<Item = Grant> + 'a {
        let of_group = |group: &'a GroupName| self.group_bindings.get(group).into_iter().flatten().map(move |binding| (group, binding));
        key.groups
            .iter()
            .flat_map(of_group)
            .filter(|(_, binding)| self.knows(&binding.role, &binding.space))
            .map(|(group, binding)| Grant { space: binding.space.clone(), role: binding.role.clone(), via: Via::Group(group.clone()) })
    }

    /// Whether both are there.
    #[must_use]
    pub fn knows(&self, role: &RoleId, space: &SpaceId) -> bool {
        self.roles.contains_key(role) && self.spaces.contains(space)
    }

    /// Puts a binding of a group where it belongs; `false`, and nothing done, if its subject is a key.
    pub fn bind_group(&mut self, binding: Binding) -> bool {
        match &binding.subject {
            Subject::Key(_) => false,
            Subject::Group(group) => {
                self.group_bindings.entry(group.clone()).or_default().push(binding);
                true
            }
        }
    }
}

fn is_root_admin(role: &RoleId, space: &SpaceId) -> bool {
    role.as_str() == SystemRole::SpaceAdmin.slug() && space.is_root()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::model::id::{BindingId, KeyId};

    #[test]
    fn a_record_that_is_lent_names_says_the_same_as_before() {
        let mut snapshot = Snapshot::empty(Strategy::Combined);
        let team: GroupName = "platform".parse().unwrap();
        snapshot.groups.insert(team.clone(), Group { name: team.clone(), description: String::new() });
        let binding =
            |role: &str, space: &str| KeyBinding { id: BindingId::new(1, 1), role: role.parse().unwrap(), space: space.parse().unwrap() };
        let mut key = KeyRecord {
            id: KeyId::new(0, 1),
            name: "ci".parse().unwrap(),
            description: String::new(),
            groups: vec!["nobody".parse().unwrap(), "platform".parse().unwrap()],
            created_at: Timestamp::UNIX_EPOCH,
            expires_at: None,
            disabled_at: None,
            revoked_at: None,
            secrets: Vec::new(),
            bindings: vec![binding("space-admin", "root"), binding("unknown", "elsewhere")],
        };
        let before = key.clone();

        snapshot.lend_names(&mut key);

        assert_eq!(key, before);
        let (role, _) = snapshot.roles.get_key_value(&key.bindings[0].role).unwrap();
        assert!(std::ptr::eq(key.bindings[0].role.as_str(), role.as_str()));
        assert!(std::ptr::eq(key.groups[1].as_str(), team.as_str()));
    }
}
