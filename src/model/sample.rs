//! A request that a login policy wanted kept: what policies were asked, and what was decided.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::decision::{Decision, Verdict};
use super::grant::Grants;
use super::id::{Invalid, KeyId, KeyName, PolicyName};

/// A sample's number in its store, in the order of keeping; never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct SampleId(pub u64);

impl SampleId {
    /// Databases and the description of the API know 64 bits with a sign.
    const LAST: u64 = i64::MAX as u64;
}

impl TryFrom<u64> for SampleId {
    type Error = String;

    fn try_from(number: u64) -> Result<Self, Self::Error> {
        if number > Self::LAST {
            return Err(format!("a sample id is at most {}", Self::LAST));
        }
        Ok(Self(number))
    }
}

impl From<SampleId> for u64 {
    fn from(id: SampleId) -> Self {
        id.0
    }
}

impl fmt::Display for SampleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for SampleId {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let number = text.parse::<u64>().ok().and_then(|number| Self::try_from(number).ok());
        number.ok_or_else(|| Invalid::new("a sample id", text, "a sample has a number"))
    }
}

/// One decision for which a login policy said `sample`. Of the presented key, nothing but the key's id and name stands in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// When the request came.
    pub at: Timestamp,
    /// Whose it was.
    pub key: SampledKey,
    /// How it was decided.
    pub answer: SampledAnswer,
    /// The `input` that policies were asked about.
    pub input: Value,
}

/// A sample in its store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptSample {
    /// Its number.
    pub id: SampleId,
    /// What was kept.
    #[serde(flatten)]
    pub sample: Sample,
}

/// A key as it was called then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SampledKey {
    /// Its id.
    pub id: KeyId,
    /// Its name.
    pub name: KeyName,
}

/// Which way it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SampledDecision {
    /// The request might pass.
    Allow,
    /// It might not.
    Refuse,
}

/// A decision, and what each policy said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SampledAnswer {
    /// Which way it went.
    pub decision: SampledDecision,
    /// `ok`, or the refusal's code.
    pub code: String,
    /// The groups that the token names.
    pub groups: Vec<String>,
    /// What the key held, for a refusal too.
    pub grants: Grants,
    /// What the policies said, by name.
    pub verdicts: Vec<SampledVerdict>,
}

/// What one policy said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "these are the rules of a login policy, each a boolean")]
pub struct SampledVerdict {
    /// Which policy.
    pub policy: PolicyName,
    /// `allow`.
    pub allow: bool,
    /// `deny`.
    pub deny: bool,
    /// `admin`.
    pub admin: bool,
    /// `deny_admin`.
    pub deny_admin: bool,
    /// `sample`: whether it was this policy that wanted the request kept.
    pub sample: bool,
    /// `roles`, and the older form of giving them, as written by the policy.
    pub roles: Vec<SampledRole>,
    /// `team`.
    pub teams: Vec<String>,
}

/// A role as a policy gave it: either part may be of nothing that exists.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SampledRole {
    /// Where.
    pub space: String,
    /// Which.
    pub role: String,
}

impl Sample {
    /// Bytes that one may take, input and answer together, both as JSON.
    pub const SIZE_MAX: usize = 64 * 1024;

    /// As much of it as may be kept: all of it, or all but `input.spaces` and `input.roles`, which every input has and which the store has
    /// anyway. `None`: that is too much still.
    #[must_use]
    pub fn fitted(mut self) -> Option<Self> {
        if self.size() > Self::SIZE_MAX
            && let Some(input) = self.input.as_object_mut()
        {
            input.remove("spaces");
            input.remove("roles");
        }
        (self.size() <= Self::SIZE_MAX).then_some(self)
    }

    fn size(&self) -> usize {
        self.input.to_string().len() + serde_json::to_vec(&self.answer).map_or(usize::MAX, |answer| answer.len())
    }

    /// The client's address, as policies saw it.
    #[must_use]
    pub fn remote_ip(&self) -> Option<&str> {
        self.input.pointer("/request/remote_ip").and_then(Value::as_str)
    }

    /// The policies that wanted it kept.
    pub fn wanted_by(&self) -> impl Iterator<Item = &PolicyName> {
        self.answer.verdicts.iter().filter(|verdict| verdict.sample).map(|verdict| &verdict.policy)
    }
}

impl SampledAnswer {
    /// What of a decision, and of the verdicts that it was made from, a sample keeps.
    #[must_use]
    pub fn of(decision: &Decision, verdicts: &[(PolicyName, Verdict)]) -> Self {
        let (went, code) = match &decision.outcome {
            Ok(()) => (SampledDecision::Allow, "ok"),
            Err(refusal) => (SampledDecision::Refuse, refusal.code()),
        };
        Self {
            decision: went,
            code: code.to_owned(),
            groups: decision.groups.clone(),
            grants: decision.grants.clone(),
            verdicts: verdicts.iter().map(|(policy, verdict)| SampledVerdict::of(policy, verdict)).collect(),
        }
    }
}

impl SampledVerdict {
    fn of(policy: &PolicyName, verdict: &Verdict) -> Self {
        let role = |space: &String, role: &str| SampledRole { space: space.clone(), role: role.to_owned() };
        let newer = verdict.roles.iter().map(|(space, name)| role(space, name));
        let older = verdict.space_roles.iter().map(|(space, claim)| role(space, claim.role().slug()));
        Self {
            policy: policy.clone(),
            allow: verdict.allow,
            deny: verdict.deny,
            admin: verdict.admin,
            deny_admin: verdict.deny_admin,
            sample: verdict.sample,
            roles: newer.chain(older).collect(),
            teams: verdict.teams.iter().cloned().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sample(input: Value) -> Sample {
        let (decision, code) = (SampledDecision::Allow, "ok".to_owned());
        let answer = SampledAnswer { decision, code, groups: Vec::new(), grants: Grants::default(), verdicts: Vec::new() };
        let key = SampledKey { id: KeyId::new(1, 2), name: "ci".parse().unwrap() };
        Sample { at: Timestamp::UNIX_EPOCH, key, answer, input }
    }

    #[test]
    fn a_sample_that_fits_stays_whole() {
        let whole = sample(json!({ "session": { "login": "ci" }, "spaces": [{ "id": "root" }], "roles": [] }));
        assert_eq!(whole.clone().fitted(), Some(whole));
    }

    #[test]
    fn of_a_sample_that_is_too_large_spaces_and_roles_are_left_out() {
        let spaces = vec!["x".repeat(64); 1024];
        let large = sample(json!({ "session": { "login": "ci" }, "spaces": spaces, "roles": [1] }));
        assert_eq!(large.fitted().unwrap().input, json!({ "session": { "login": "ci" } }));
    }

    #[test]
    fn a_sample_that_is_too_large_without_them_is_not_kept() {
        assert_eq!(sample(json!({ "session": { "teams": ["x".repeat(Sample::SIZE_MAX)] } })).fitted(), None);
        let mut talkative = sample(json!({}));
        talkative.answer.groups = vec!["x".repeat(Sample::SIZE_MAX)];
        assert_eq!(talkative.fitted(), None);
    }

    #[test]
    fn a_number_is_the_only_thing_that_names_a_sample() {
        for (text, number) in [("17", 17), ("9223372036854775807", SampleId::LAST)] {
            assert_eq!(text.parse::<SampleId>().unwrap(), SampleId(number));
            assert_eq!(serde_json::from_str::<SampleId>(text).unwrap(), SampleId(number));
        }
        for wrong in ["", "-1", "x", "9223372036854775808", "18446744073709551616"] {
            assert!(wrong.parse::<SampleId>().is_err(), "{wrong}");
            assert!(serde_json::from_str::<SampleId>(wrong).is_err(), "{wrong}");
        }
    }
}
