//! What a change makes of an answer.

use std::collections::BTreeSet;

use serde::Serialize;

use super::explain::Explanation;
use crate::model::{RoleId, SpaceId};

/// Two answers for one key and origin, and what is between them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// As it is.
    pub before: Summary,
    /// As it would be.
    pub after: Summary,
    /// Roles that come.
    pub gained: Vec<Held>,
    /// Roles that go.
    pub lost: Vec<Held>,
    /// Was let in, and would be refused.
    pub cut_off: bool,
    /// Was refused, and would be let in.
    pub let_in: bool,
}

/// An answer in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// `ok`, or the refusal's code.
    pub code: &'static str,
    /// The groups that the token names; none for a refusal.
    pub groups: Vec<String>,
}

/// A role, where it was given.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Held {
    /// Where.
    pub space: SpaceId,
    /// Which.
    pub role: RoleId,
}

impl Difference {
    /// What is between two explanations. Whoever is refused holds nothing.
    #[must_use]
    pub fn between(before: &Explanation, after: &Explanation) -> Self {
        let (was, would) = (roles(before), roles(after));
        Self {
            before: Summary::of(before),
            after: Summary::of(after),
            gained: would.difference(&was).cloned().collect(),
            lost: was.difference(&would).cloned().collect(),
            cut_off: before.outcome.is_ok() && after.outcome.is_err(),
            let_in: before.outcome.is_err() && after.outcome.is_ok(),
        }
    }

    /// Whether the client and the upstream would notice nothing.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.before == self.after && self.gained.is_empty() && self.lost.is_empty()
    }
}

impl Summary {
    fn of(explanation: &Explanation) -> Self {
        match (&explanation.outcome, &explanation.decision) {
            (Ok(()), Some(decision)) => Self { code: "ok", groups: decision.groups.clone() },
            (Ok(()), None) => Self { code: "ok", groups: Vec::new() },
            (Err(refusal), _) => Self { code: refusal.code(), groups: Vec::new() },
        }
    }
}

fn roles(explanation: &Explanation) -> BTreeSet<Held> {
    let held = explanation.decision.iter().filter(|_| explanation.outcome.is_ok()).flat_map(|decision| decision.grants.iter());
    held.map(|grant| Held { space: grant.space.clone(), role: grant.role.clone() }).collect()
}
