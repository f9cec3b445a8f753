//! The decision from a key to its grants, held against a naive oracle.
//!
//! The oracle says the same thing again in the plainest way: a world is lists of texts, a space knows the number of the one above it,
//! and every question walks all of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use claviger::model::{
    Action, AdmitWithoutRoles, Binding, BindingId, Decision, Grants, Group, GroupName, Ignored, IgnoredReason, KeyBinding, KeyId,
    KeyRecord, PolicyName, Refusal, Rights, Role, Snapshot, Space, SpaceId, SpaceTree, Strategy as Sources, Subject, SystemRole,
    SystemRoleClaim, Verdict, Via,
};
use jiff::Timestamp;
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::strategy::ValueTree;

const ACTIONS: [&str; 5] = ["run:trigger", "run:read", "stack:read", "stack:delete", "billing:pay"];
const PATTERNS: [&str; 6] = ["run:trigger", "run:read", "run:*", "stack:*", "billing:pay", "*:*"];
const GROUPS: [&str; 4] = ["platform", "Platform", "on call", "auditors"];
/// What bindings and policies name. The last ones exist in no world, or could exist nowhere.
const SPACES: [&str; 8] = ["root", "s1", "s2", "s3", "s4", "s5", "gone", "No Space"];
const ROLES: [&str; 7] = ["space-admin", "space-writer", "space-reader", "r1", "r2", "gone", "No Role"];

/// Everything that a decision rests on, as texts.
#[derive(Clone, Debug)]
struct World {
    /// Each space and the place in this list of the one above it; `root` is the first and its own.
    spaces: Vec<(String, usize)>,
    /// Each role and its patterns.
    roles: Vec<(String, Vec<String>)>,
    /// Role and space.
    key_bindings: Vec<(String, String)>,
    /// Group, role and space.
    group_bindings: Vec<(String, String, String)>,
    member_of: Vec<String>,
    strategy: Sources,
    verdicts: Vec<Verdict>,
    admit: AdmitWithoutRoles,
}

/// What the oracle answers: a refusal's code, or what is granted.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Refused(&'static str),
    Allowed { grants: BTreeSet<(String, String, String)>, groups: BTreeSet<String> },
}

// ---------------------------------------------------------------------------------------------------------------- worlds

fn text(pool: &'static [&'static str]) -> impl Strategy<Value = String> {
    select(pool).prop_map(str::to_owned)
}

fn verdict() -> impl Strategy<Value = Verdict> {
    let flags = (any::<bool>(), prop::bool::weighted(0.1), prop::bool::weighted(0.2), prop::bool::weighted(0.15));
    let claim = select(&[SystemRoleClaim::Admin, SystemRoleClaim::Write, SystemRoleClaim::Read][..]);
    let roles = btree_set((text(&SPACES), text(&ROLES)), 0..4);
    (flags, roles, btree_set((text(&SPACES), claim), 0..3), btree_set(text(&GROUPS), 0..2)).prop_map(
        |((allow, deny, admin, deny_admin), roles, space_roles, teams)| Verdict {
            allow,
            deny,
            admin,
            deny_admin,
            sample: false,
            roles,
            space_roles,
            teams,
        },
    )
}

prop_compose! {
    fn world()(
        above in vec(any::<prop::sample::Index>(), 0..5),
        patterns in vec(subsequence(&PATTERNS[..], 0..4), 0..3),
        key_bindings in vec((text(&ROLES), text(&SPACES)), 0..4),
        group_bindings in vec((text(&GROUPS), text(&ROLES), text(&SPACES)), 0..6),
        member_of in subsequence(&GROUPS[..], 0..4),
        strategy in select(&Sources::ALL[..]),
        verdicts in vec(verdict(), 0..4),
        admit in select(&[AdmitWithoutRoles::No, AdmitWithoutRoles::Yes][..]),
    ) -> World {
        let mut spaces = vec![("root".to_owned(), 0)];
        for (number, above) in above.into_iter().enumerate() {
            spaces.push((format!("s{}", number + 1), above.index(number + 1)));
        }
        let mut roles: Vec<(String, Vec<String>)> = SystemRole::ALL
            .into_iter()
            .map(|role| (role.slug().to_owned(), role.role().actions.iter().map(ToString::to_string).collect()))
            .collect();
        for (number, patterns) in patterns.into_iter().enumerate() {
            roles.push((format!("r{}", number + 1), patterns.into_iter().map(str::to_owned).collect()));
        }
        let mut member_of: Vec<String> = member_of.into_iter().map(str::to_owned).collect();
        member_of.sort();
        World { spaces, roles, key_bindings, group_bindings, member_of, strategy, verdicts, admit }
    }
}

// ---------------------------------------------------------------------------------------------------------------- oracle

impl World {
    fn exists(&self, role: &str, space: &str) -> bool {
        self.roles.iter().any(|(name, _)| name == role) && self.spaces.iter().any(|(name, _)| name == space)
    }

    fn is_direct_root_admin(&self) -> bool {
        self.key_bindings.iter().any(|(role, space)| role == "space-admin" && space == "root")
    }

    fn is_root_admin(&self) -> bool {
        let of_groups =
            |(group, role, space): &(String, String, String)| self.member_of.contains(group) && role == "space-admin" && space == "root";
        self.is_direct_root_admin() || self.group_bindings.iter().any(of_groups)
    }

    /// What bindings give: (space, role, because of).
    fn bound(&self) -> BTreeSet<(String, String, String)> {
        let mut bound = BTreeSet::new();
        for (number, (role, space)) in self.key_bindings.iter().enumerate() {
            if self.exists(role, space) {
                bound.insert((space.clone(), role.clone(), format!("binding {}", binding_id(number))));
            }
        }
        for (group, role, space) in &self.group_bindings {
            if self.member_of.contains(group) && self.exists(role, space) {
                bound.insert((space.clone(), role.clone(), format!("group {group}")));
            }
        }
        bound
    }

    /// Section by section as the product has it.
    fn decide(&self) -> Answer {
        let mut groups: BTreeSet<String> = self.member_of.iter().cloned().collect();
        let bindings_count = self.strategy == Sources::Combined || self.strategy == Sources::UserManagement;
        let policies_count = self.strategy == Sources::Combined || self.strategy == Sources::LoginPolicies;
        let mut grants = if bindings_count || self.is_direct_root_admin() { self.bound() } else { BTreeSet::new() };

        if policies_count && !self.is_direct_root_admin() {
            let mut deny = false;
            let mut some_admin = false;
            let mut some_deny_admin = false;
            let mut allow = self.strategy == Sources::LoginPolicies && self.verdicts.is_empty();
            let mut teams = BTreeSet::new();
            for verdict in &self.verdicts {
                deny |= verdict.deny;
                some_admin |= verdict.admin;
                some_deny_admin |= verdict.deny_admin;
                allow |= verdict.allow;
                teams.extend(verdict.teams.clone());
            }
            let admin = some_admin && !some_deny_admin;
            if deny {
                return Answer::Refused("denied");
            }
            if self.strategy == Sources::LoginPolicies && !admin && !allow {
                return Answer::Refused("not_allowed");
            }
            if admin || allow {
                for (number, verdict) in self.verdicts.iter().enumerate() {
                    let because = format!("policy p{number}");
                    for (space, role) in given(verdict) {
                        if self.exists(&role, &space) {
                            grants.insert((space, role, because.clone()));
                        }
                    }
                    if admin && verdict.admin {
                        grants.insert(("root".to_owned(), "space-admin".to_owned(), because));
                    }
                }
            }
            if !teams.is_empty() {
                groups = teams;
            }
        }
        if grants.is_empty() && self.admit == AdmitWithoutRoles::No {
            return Answer::Refused("no_roles");
        }
        Answer::Allowed { grants, groups }
    }

    /// What policies that count have given of what does not exist: (policy, space, role).
    fn left_out(&self) -> BTreeSet<(String, String, String)> {
        let mut left_out = BTreeSet::new();
        for (number, verdict) in self.verdicts.iter().enumerate() {
            for (space, role) in given(verdict) {
                if !self.exists(&role, &space) {
                    left_out.insert((format!("p{number}"), space, role));
                }
            }
        }
        left_out
    }

    /// The roles in force in a space: those given there, or in any space on the way up.
    fn effective(&self, grants: &Grants, mut space: usize) -> BTreeSet<String> {
        let mut roles = BTreeSet::new();
        loop {
            let (name, above) = &self.spaces[space];
            for grant in grants.iter() {
                if grant.space.as_str() == name {
                    roles.insert(grant.role.to_string());
                }
            }
            if space == 0 {
                return roles;
            }
            space = *above;
        }
    }

    fn allows(&self, role: &str, action: &str) -> bool {
        let resource = action.split(':').next().unwrap();
        self.roles
            .iter()
            .filter(|(name, _)| name == role)
            .flat_map(|(_, patterns)| patterns)
            .any(|pattern| pattern == action || pattern == "*:*" || *pattern == format!("{resource}:*"))
    }
}

/// Spaces and roles as a policy wrote them, in the newer form and the older.
fn given(verdict: &Verdict) -> Vec<(String, String)> {
    let older = verdict.space_roles.iter().map(|(space, claim)| {
        let role = match claim {
            SystemRoleClaim::Admin => "space-admin",
            SystemRoleClaim::Write => "space-writer",
            SystemRoleClaim::Read => "space-reader",
        };
        (space.clone(), role.to_owned())
    });
    verdict.roles.iter().cloned().chain(older).collect()
}

// ---------------------------------------------------------------------------------------------------------------- the model's side

fn binding_id(number: usize) -> BindingId {
    BindingId::new(1, number as u128)
}

fn key_id() -> KeyId {
    KeyId::new(7, 7)
}

impl World {
    fn key(&self) -> KeyRecord {
        let bindings = self.key_bindings.iter().enumerate().filter_map(|(number, (role, space))| {
            Some(KeyBinding { id: binding_id(number), role: role.parse().ok()?, space: space.parse().ok()? })
        });
        KeyRecord {
            id: key_id(),
            name: "ci".parse().unwrap(),
            description: String::new(),
            groups: self.member_of.iter().map(|group| group.parse().unwrap()).collect(),
            created_at: Timestamp::UNIX_EPOCH,
            expires_at: None,
            disabled_at: None,
            revoked_at: None,
            secrets: Vec::new(),
            bindings: bindings.collect(),
        }
    }

    fn snapshot(&self) -> Snapshot {
        let space = |(number, (name, above)): (usize, &(String, usize))| Space {
            id: name.parse().unwrap(),
            name: name.clone(),
            description: String::new(),
            parent: (number > 0).then(|| self.spaces[*above].0.parse().unwrap()),
            labels: Vec::new(),
        };
        let mut snapshot = Snapshot::empty(self.strategy);
        // Rows come in any order.
        snapshot.spaces = SpaceTree::from_rows(self.spaces.iter().enumerate().map(space).rev()).unwrap();
        for (name, patterns) in &self.roles {
            let role = Role {
                id: name.parse().unwrap(),
                name: name.clone(),
                description: String::new(),
                actions: patterns.iter().map(|pattern| pattern.parse().unwrap()).collect(),
                system: false,
            };
            snapshot.roles.insert(role.id.clone(), role);
        }
        for group in GROUPS {
            let name: GroupName = group.parse().unwrap();
            snapshot.groups.insert(name.clone(), Group { name, description: String::new() });
        }
        for (number, (group, role, space)) in self.group_bindings.iter().enumerate() {
            if let (Ok(role), Ok(space)) = (role.parse(), space.parse()) {
                let subject = Subject::Group(group.parse().unwrap());
                let id = BindingId::new(2, number as u128);
                assert!(snapshot.bind_group(Binding { id, subject, role, space, created_at: Timestamp::UNIX_EPOCH }));
            }
        }
        snapshot
    }

    fn made(&self) -> (Snapshot, Decision) {
        let verdicts: Vec<(PolicyName, Verdict)> =
            self.verdicts.iter().enumerate().map(|(number, verdict)| (format!("p{number}").parse().unwrap(), verdict.clone())).collect();
        let snapshot = self.snapshot();
        let decision = Decision::make(&snapshot, &self.key(), &verdicts, self.admit);
        (snapshot, decision)
    }
}

fn answer(decision: &Decision) -> Answer {
    let because = |via: &Via| match via {
        Via::Binding(id) => format!("binding {id}"),
        Via::Group(group) => format!("group {group}"),
        Via::Policy(policy) => format!("policy {policy}"),
    };
    match &decision.outcome {
        Err(refusal) => Answer::Refused(refusal.code()),
        Ok(()) => Answer::Allowed {
            grants: decision.grants.iter().map(|grant| (grant.space.to_string(), grant.role.to_string(), because(&grant.via))).collect(),
            groups: decision.groups.iter().cloned().collect(),
        },
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_decision_is_the_oracles(world in world()) {
        let (_, decision) = world.made();

        prop_assert_eq!(answer(&decision), world.decide());
    }

    #[test]
    fn groups_are_named_sorted_and_each_once(world in world()) {
        let (_, decision) = world.made();

        prop_assert!(decision.groups.is_sorted() && decision.groups.iter().collect::<BTreeSet<_>>().len() == decision.groups.len());
    }

    #[test]
    fn whether_policies_are_asked_and_who_is_a_root_admin_are_the_oracles(world in world()) {
        let (snapshot, key) = (world.snapshot(), world.key());

        let asks = world.strategy != Sources::UserManagement && !world.is_direct_root_admin();
        prop_assert_eq!(Decision::asks_policies(&snapshot, &key), asks);
        prop_assert_eq!(snapshot.is_root_admin(&key), world.is_root_admin());
        prop_assert_eq!(snapshot.is_root_admin_directly(&key), world.is_direct_root_admin());
    }

    #[test]
    fn policies_that_are_not_asked_change_nothing(world in world()) {
        let strategy = if world.is_direct_root_admin() { world.strategy } else { Sources::UserManagement };
        let world = World { strategy, ..world };

        prop_assert_eq!(world.made().1, World { verdicts: Vec::new(), ..world }.made().1);
    }

    #[test]
    fn a_refusal_by_policy_names_one_that_denies(world in world()) {
        if let Err(Refusal::Denied(policy)) = world.made().1.outcome {
            let number: usize = policy.as_str().trim_start_matches('p').parse().unwrap();
            prop_assert!(world.verdicts[number].deny);
        }
    }

    #[test]
    fn what_policies_give_and_does_not_exist_is_told_or_policies_do_not_count(world in world()) {
        let (_, decision) = world.made();
        let told: BTreeSet<_> =
            decision.ignored.iter().map(|ignored| (ignored.policy.to_string(), ignored.space.clone(), ignored.role.clone())).collect();
        let counts = world.strategy != Sources::UserManagement && !world.is_direct_root_admin();
        let denied = world.verdicts.iter().any(|verdict| verdict.deny);
        let admin = world.verdicts.iter().any(|verdict| verdict.admin) && !world.verdicts.iter().any(|verdict| verdict.deny_admin);
        let allowed = admin || world.verdicts.iter().any(|verdict| verdict.allow);

        prop_assert_eq!(told, if counts && !denied && allowed { world.left_out() } else { BTreeSet::new() });
        for Ignored { space, reason, .. } in &decision.ignored {
            let is_there = world.spaces.iter().any(|(name, _)| name == space);
            prop_assert_eq!(*reason == IgnoredReason::UnknownRole, is_there);
        }
    }

    #[test]
    fn roles_in_force_are_those_given_on_the_way_up(world in world()) {
        let (snapshot, decision) = world.made();
        let effective = decision.grants.effective(&snapshot.spaces);

        for (number, (name, _)) in world.spaces.iter().enumerate() {
            let roles: BTreeSet<String> = effective.get(name.as_str()).into_iter().flatten().map(ToString::to_string).collect();
            prop_assert_eq!(roles, world.effective(&decision.grants, number), "in {}", name);
        }
        prop_assert!(effective.keys().all(|space| world.spaces.iter().any(|(name, _)| name == space.as_str())));
        prop_assert!(effective.values().all(|roles| !roles.is_empty()));
    }

    #[test]
    fn an_action_is_allowed_where_a_role_in_force_names_it(world in world()) {
        let (snapshot, decision) = world.made();
        let rights = Rights::of(&decision.grants, &Arc::new(snapshot));

        for (number, (name, _)) in world.spaces.iter().enumerate() {
            let space: SpaceId = name.parse().unwrap();
            let roles = world.effective(&decision.grants, number);
            for text in ACTIONS {
                let action: Action = text.parse().unwrap();
                let allowed = roles.iter().any(|role| world.allows(role, text));
                prop_assert_eq!(rights.may(&action, &space), allowed, "{} in {}", text, name);
            }
        }
        let nowhere: SpaceId = "gone".parse().unwrap();
        prop_assert!(!rights.may(&ACTIONS[0].parse().unwrap(), &nowhere));
    }
}

/// The oracle would prove nothing if its worlds all ended alike.
#[test]
fn the_worlds_end_in_every_way() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut ends: BTreeSet<&'static str> = BTreeSet::new();
    for _ in 0..500 {
        let world = world().new_tree(&mut runner).unwrap().current();
        ends.insert(match world.decide() {
            Answer::Refused(code) => code,
            Answer::Allowed { grants, .. } if grants.is_empty() => "allowed without roles",
            Answer::Allowed { .. } => "allowed",
        });
    }

    assert_eq!(ends.into_iter().collect::<Vec<_>>(), ["allowed", "allowed without roles", "denied", "no_roles", "not_allowed"]);
}
