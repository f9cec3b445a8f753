//! What a change of a role's actions is to those who hold it: pure, and as bindings have it.

use std::collections::BTreeMap;

use crate::model::{ActionPattern, KeyRecord, Role, RoleId, Snapshot, SpaceId};

/// What is otherwise in the list of a role's actions.
pub(super) struct Turn<'a> {
    role: &'a RoleId,
    /// Not allowed before.
    pub(super) comes: Vec<&'a ActionPattern>,
    /// Not allowed, or not as a whole, afterwards.
    pub(super) goes: Vec<&'a ActionPattern>,
    /// Allowed before and afterwards.
    pub(super) stays: Vec<&'a ActionPattern>,
}

/// What a key would gain or lose in a space and below it.
#[derive(Default, Debug, PartialEq, Eq)]
pub(super) struct Felt<'a> {
    pub(super) gains: Vec<&'a ActionPattern>,
    pub(super) loses: Vec<&'a ActionPattern>,
}

impl<'a> Turn<'a> {
    pub(super) fn of(role: &'a Role, actions: &'a [ActionPattern]) -> Self {
        let allowed = |all: &[ActionPattern], action: &ActionPattern| all.iter().any(|pattern| pattern.includes(action));
        let (stays, comes) = actions.iter().partition(|action| allowed(&role.actions, action));
        let goes = role.actions.iter().filter(|action| !allowed(actions, action)).collect();
        Self { role: &role.id, comes, goes, stays }
    }

    pub(super) fn is_none(&self) -> bool {
        self.comes.is_empty() && self.goes.is_empty()
    }

    /// What the key would feel of it, by space; what another role allows it in the same place, or above, is neither gained nor lost.
    pub(super) fn felt(&self, snapshot: &'a Snapshot, key: &KeyRecord) -> BTreeMap<SpaceId, Felt<'a>> {
        let mut held: BTreeMap<SpaceId, Vec<RoleId>> = BTreeMap::new();
        for grant in snapshot.bound_grants(key) {
            held.entry(grant.space).or_default().push(grant.role);
        }
        let holds_it = |space: &SpaceId| held.get(space).is_some_and(|roles| roles.contains(self.role));
        let mut felt = BTreeMap::new();
        for space in held.keys().filter(|space| holds_it(space)) {
            // Where it is held above, it is felt there, and so here.
            if snapshot.spaces.path_to_root(space).skip(1).any(|above| holds_it(&above.id)) {
                continue;
            }
            let others: Vec<&ActionPattern> = snapshot
                .spaces
                .path_to_root(space)
                .flat_map(|space| held.get(&space.id).into_iter().flatten())
                .filter(|role| *role != self.role)
                .filter_map(|role| snapshot.roles.get(role))
                .flat_map(|role| &role.actions)
                .collect();
            let feels = |all: &[&'a ActionPattern]| -> Vec<&'a ActionPattern> {
                all.iter().copied().filter(|action| !others.iter().any(|other| other.includes(action))).collect()
            };
            let here = Felt { gains: feels(&self.comes), loses: feels(&self.goes) };
            if here != Felt::default() {
                felt.insert(space.clone(), here);
            }
        }
        felt
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::model::{Binding, BindingId, KeyBinding, KeyId, Space, Strategy, Subject};

    fn actions(texts: &[&str]) -> Vec<ActionPattern> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn role(id: &str, of: &[&str]) -> Role {
        Role { id: id.parse().unwrap(), name: id.to_owned(), description: String::new(), actions: actions(of), system: false }
    }

    /// `root` over `production` over `eu`; the group `ops` holds `deployer` in `production`.
    fn snapshot() -> Snapshot {
        let mut snapshot = Snapshot::empty(Strategy::Combined);
        for (id, parent) in [("production", "root"), ("eu", "production")] {
            let (id, parent): (SpaceId, SpaceId) = (id.parse().unwrap(), parent.parse().unwrap());
            snapshot.spaces.add(Space { name: id.to_string(), id, description: String::new(), parent: Some(parent), labels: Vec::new() });
        }
        for role in [role("deployer", &["run:read", "run:trigger"]), role("runner", &["run:*"])] {
            snapshot.roles.insert(role.id.clone(), role);
        }
        let (subject, role, space) = (Subject::Group("ops".parse().unwrap()), "deployer".parse().unwrap(), "production".parse().unwrap());
        snapshot.bind_group(Binding { id: BindingId::new(1, 9), subject, role, space, created_at: Timestamp::UNIX_EPOCH });
        snapshot
    }

    fn key(groups: &[&str], bindings: &[(&str, &str)]) -> KeyRecord {
        let bound = |(at, (role, space)): (usize, &(&str, &str))| KeyBinding {
            id: BindingId::new(1, at as u128),
            role: role.parse().unwrap(),
            space: space.parse().unwrap(),
        };
        KeyRecord {
            id: KeyId::new(0, 1),
            name: "ci".parse().unwrap(),
            description: String::new(),
            groups: groups.iter().map(|group| group.parse().unwrap()).collect(),
            created_at: Timestamp::UNIX_EPOCH,
            expires_at: None,
            disabled_at: None,
            revoked_at: None,
            secrets: Vec::new(),
            bindings: bindings.iter().enumerate().map(bound).collect(),
        }
    }

    /// What each would feel if `deployer` allowed `stack:read` and no `run:trigger` any more.
    fn told(key: &KeyRecord) -> Vec<(String, String, String)> {
        let (snapshot, after) = (snapshot(), actions(&["run:read", "stack:read"]));
        let deployer = snapshot.roles["deployer"].clone();
        let text = |all: &[&ActionPattern]| all.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let felt = Turn::of(&deployer, &after).felt(&snapshot, key);
        felt.iter().map(|(space, Felt { gains, loses })| (space.to_string(), text(gains), text(loses))).collect()
    }

    #[test]
    fn it_is_felt_where_the_role_is_held_and_other_roles_do_not_allow_the_same() {
        let felt = |space: &str, gains: &str, loses: &str| (space.to_owned(), gains.to_owned(), loses.to_owned());
        for (groups, bindings, told_of) in [
            (&["ops"][..], &[][..], vec![felt("production", "stack:read", "run:trigger")]),
            (&[], &[("deployer", "eu")], vec![felt("eu", "stack:read", "run:trigger")]),
            (&["ops"], &[("deployer", "eu")], vec![felt("production", "stack:read", "run:trigger")]),
            (&["ops"], &[("runner", "root")], vec![felt("production", "stack:read", "")]),
            // Below is not everywhere.
            (&["ops"], &[("runner", "eu")], vec![felt("production", "stack:read", "run:trigger")]),
            (&["ops"], &[("space-admin", "root")], vec![]),
            (&["nobody"], &[("runner", "root")], vec![]),
        ] {
            assert_eq!(told(&key(groups, bindings)), told_of, "{groups:?} {bindings:?}");
        }
    }

    #[test]
    fn what_a_pattern_named_before_neither_comes_nor_goes_while_it_is_named() {
        for (before, after, comes, goes) in [
            (&["run:*"][..], &["run:read"][..], &[][..], &["run:*"][..]),
            (&["run:read"], &["run:*"], &["run:*"], &[]),
            (&["run:read", "run:*"], &["run:*"], &[], &[]),
            (&["*:*"], &["run:*"], &[], &["*:*"]),
        ] {
            let (role, after) = (role("r", before), actions(after));
            let turn = Turn::of(&role, &after);
            let texts = |all: &[&ActionPattern]| all.iter().map(ToString::to_string).collect::<Vec<_>>();
            assert_eq!(
                (texts(&turn.comes), texts(&turn.goes)),
                (comes.iter().map(ToString::to_string).collect(), goes.iter().map(ToString::to_string).collect())
            );
        }
    }
}
