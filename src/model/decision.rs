//! From a key to grants: the whole decision, given what the login policies said.
//!
//! Product rule: the strategy says which sources count; a direct root admin is never asked about policies, so that no policy can lock
//! everybody out; any `deny` refuses; policies give roles only if one of them allows (or makes an admin that none denies).

use std::collections::BTreeSet;

use serde::Serialize;

use super::api_key::KeyRecord;
use super::grant::{Grant, Grants, Via};
use super::id::{GroupName, PolicyName, SpaceId};
use super::outcome::Refusal;
use super::policy::Strategy;
use super::role::SystemRole;
use super::snapshot::Snapshot;

/// What one login policy said about one input. Rules that it does not define are `false` or empty.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "these are the rules of a login policy, each a boolean")]
pub struct Verdict {
    /// `allow`.
    pub allow: bool,
    /// `deny`.
    pub deny: bool,
    /// `admin`.
    pub admin: bool,
    /// `deny_admin`.
    pub deny_admin: bool,
    /// `sample`: keep the input and the answer.
    pub sample: bool,
    /// `roles[space][role]`, as written by the policy: either may be unknown or ill-formed.
    pub roles: BTreeSet<(String, String)>,
    /// `space_admin`, `space_write`, `space_read`: the older form; spaces as written by the policy.
    pub space_roles: BTreeSet<(String, SystemRoleClaim)>,
    /// `team`.
    pub teams: BTreeSet<String>,
}

/// The older form of handing out roles names three of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SystemRoleClaim {
    /// `space_admin`.
    Admin,
    /// `space_write`.
    Write,
    /// `space_read`.
    Read,
}

impl SystemRoleClaim {
    /// The role that it stands for.
    #[must_use]
    pub fn role(self) -> SystemRole {
        match self {
            Self::Admin => SystemRole::SpaceAdmin,
            Self::Write => SystemRole::SpaceWriter,
            Self::Read => SystemRole::SpaceReader,
        }
    }
}

/// What happens to a key that holds no role: `login.admit_without_roles`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum AdmitWithoutRoles {
    /// Refused with `no_roles`.
    #[default]
    No,
    /// Let in with an empty `roles`.
    Yes,
}

/// What was decided, and all that it rests on. Kept for refusals too: `explain` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Everything that counts for the key.
    pub grants: Grants,
    /// The groups that the token names, sorted, each once.
    pub groups: Vec<String>,
    /// What policies gave that does not exist.
    pub ignored: Vec<Ignored>,
    /// Whether a policy wants the input kept.
    pub sample: bool,
    /// `Err` for a refusal.
    pub outcome: Result<(), Refusal>,
}

/// Something in a policy's answer that was left out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Ignored {
    /// Whose answer.
    pub policy: PolicyName,
    /// The space as written.
    pub space: String,
    /// The role as written.
    pub role: String,
    /// Why it was left out.
    pub reason: IgnoredReason,
}

/// Why something in a policy's answer was left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum IgnoredReason {
    /// No space has this id.
    UnknownSpace,
    /// No role has this id.
    UnknownRole,
}

impl IgnoredReason {
    /// For metrics and logs.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::UnknownSpace => "unknown_space",
            Self::UnknownRole => "unknown_role",
        }
    }
}

impl Decision {
    /// Whether the answer for this key depends on the login policies at all. If not, they need not be asked.
    #[must_use]
    pub fn asks_policies(snapshot: &Snapshot, key: &KeyRecord) -> bool {
        snapshot.strategy.asks_policies() && !snapshot.is_root_admin_directly(key)
    }

    /// Decides. `verdicts` are the answers of all policies in force, each with its policy's name; they are not looked at if
    /// [`asks_policies`](Self::asks_policies) says no.
    #[must_use]
    pub fn make(snapshot: &Snapshot, key: &KeyRecord, verdicts: &[(PolicyName, Verdict)], admit: AdmitWithoutRoles) -> Self {
        let root_admin = snapshot.is_root_admin_directly(key);
        let mut grants = Grants::default();
        if root_admin || snapshot.strategy.counts_bindings() {
            grants.extend(snapshot.bound_grants(key));
        }
        let mut decision = Self {
            grants,
            groups: key.groups.iter().map(|group: &GroupName| group.as_str().to_owned()).collect(),
            ignored: Vec::new(),
            sample: false,
            outcome: Ok(()),
        };
        if Self::asks_policies(snapshot, key)
            && let Err(refusal) = decision.hear(snapshot, verdicts)
        {
            decision.outcome = Err(refusal);
            return decision;
        }
        if decision.grants.is_empty() && admit == AdmitWithoutRoles::No {
            decision.outcome = Err(Refusal::NoRoles);
        }
        decision
    }

    /// Takes in what the policies said.
    fn hear(&mut self, snapshot: &Snapshot, verdicts: &[(PolicyName, Verdict)]) -> Result<(), Refusal> {
        self.sample = verdicts.iter().any(|(_, verdict)| verdict.sample);
        if let Some((policy, _)) = verdicts.iter().find(|(_, verdict)| verdict.deny) {
            return Err(Refusal::Denied(policy.clone()));
        }
        let policies_alone = match snapshot.strategy {
            Strategy::LoginPolicies => true,
            Strategy::Combined | Strategy::UserManagement => false,
        };
        let admin = verdicts.iter().any(|(_, verdict)| verdict.admin) && !verdicts.iter().any(|(_, verdict)| verdict.deny_admin);
        // Without any policy, login-policies works as if one said `allow { input.session.member }`: every key is a member.
        let allowed = admin || verdicts.iter().any(|(_, verdict)| verdict.allow) || (policies_alone && verdicts.is_empty());
        // Only roles wait for an `allow`: whom a policy counts to which team is said by `team` alone.
        let teams: BTreeSet<&String> = verdicts.iter().flat_map(|(_, verdict)| &verdict.teams).collect();
        if !teams.is_empty() {
            self.groups = teams.into_iter().cloned().collect();
        }
        if !allowed {
            return if policies_alone { Err(Refusal::NotAllowed) } else { Ok(()) };
        }
        for (policy, verdict) in verdicts {
            if admin && verdict.admin {
                self.grants.extend([Grant { space: SpaceId::root(), role: SystemRole::SpaceAdmin.id(), via: Via::Policy(policy.clone()) }]);
            }
            for (space, role) in &verdict.roles {
                self.take(snapshot, policy, space, role);
            }
            for (space, claim) in &verdict.space_roles {
                self.take(snapshot, policy, space, claim.role().slug());
            }
        }
        Ok(())
    }

    /// Adds a role that a policy gave, if there is such a role and such a space.
    fn take(&mut self, snapshot: &Snapshot, policy: &PolicyName, space: &str, role: &str) {
        let known_space = space.parse::<SpaceId>().ok().filter(|space| snapshot.spaces.contains(space));
        let known_role = snapshot.roles.get_key_value(role).map(|(id, _)| id.clone());
        let reason = match (known_space, known_role) {
            (Some(space), Some(role)) => {
                self.grants.extend([Grant { space, role, via: Via::Policy(policy.clone()) }]);
                return;
            }
            (None, _) => IgnoredReason::UnknownSpace,
            (Some(_), None) => IgnoredReason::UnknownRole,
        };
        self.ignored.push(Ignored { policy: policy.clone(), space: space.to_owned(), role: role.to_owned(), reason });
    }
}
