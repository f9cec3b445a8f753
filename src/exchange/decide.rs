//! From a key's record to a decision: the policies are asked if they matter for the key, then the procedure of
//! [`Decision::make`] is followed. Knows neither cache nor token, so that an explanation takes the very same way.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use super::origin::Origin;
use super::state::Policies;
use crate::clock::Clock;
use crate::config::Settings;
use crate::model::{Decision, KeyRecord, PolicyName, Refusal, Snapshot, Verdict, WhyUnavailable};
use crate::policy::{Evaluator, LoginInput, PolicyError, PolicySet, Reads, SharedInput, truncated};
use crate::telemetry::{Metrics, PolicyResult};

/// What decisions need besides what they are about.
pub(super) struct Procedure {
    evaluator: Evaluator,
    /// Explanations outside a server are not counted.
    observer: Option<(Arc<Metrics>, Arc<dyn Clock>)>,
}

/// What a decision is about.
pub(super) struct Question<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) shared: &'a Arc<SharedInput>,
    pub(super) policies: &'a Policies,
    pub(super) key: &'a Arc<KeyRecord>,
    pub(super) origin: &'a Origin,
    pub(super) settings: &'a Settings,
}

/// What was decided, and from what verdicts.
pub(super) struct Decided {
    pub(super) decision: Decision,
    pub(super) verdicts: Vec<(PolicyName, Verdict)>,
}

/// Why there is no decision.
pub(super) struct Undecided {
    pub(super) refusal: Refusal,
    /// How long every other question about the key would end like this one, if that is known.
    pub(super) for_the_next: Option<Duration>,
}

impl From<Refusal> for Undecided {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, for_the_next: None }
    }
}

/// Policies gave no answer.
pub(super) const POLICY: Refusal = Refusal::Unavailable(WhyUnavailable::Policy);

impl Procedure {
    /// `observer` counts evaluations.
    pub(super) fn new(evaluator: Evaluator, observer: Option<(Arc<Metrics>, Arc<dyn Clock>)>) -> Self {
        Self { evaluator, observer }
    }

    /// What the policies in force can read of this key's requests.
    pub(super) fn reads(snapshot: &Snapshot, policies: &Policies, key: &KeyRecord) -> Arc<Reads> {
        match policies {
            Ok(policies) if Decision::asks_policies(snapshot, key) => Arc::clone(policies.reads()),
            Ok(_) | Err(_) => Reads::nothing(),
        }
    }

    /// Decides. `Err`: no decision could be made; a decision to refuse is an `Ok`.
    pub(super) async fn decide(&self, question: &Question<'_>) -> Result<Decided, Undecided> {
        let Question { snapshot, key, .. } = question;
        let verdicts = if Decision::asks_policies(snapshot, key) { self.ask(question).await? } else { Vec::new() };
        let decision = Decision::make(snapshot, key, &verdicts, question.settings.login.admit_without_roles);
        if let Some((metrics, _)) = &self.observer {
            for ignored in &decision.ignored {
                metrics.policy_ignored_grant(ignored.reason);
            }
        }
        Ok(Decided { decision, verdicts })
    }

    /// What the policies see.
    pub(super) fn input(question: &Question<'_>) -> LoginInput {
        LoginInput {
            shared: Arc::clone(question.shared),
            key: Arc::clone(question.key),
            root_admin: question.snapshot.is_root_admin(question.key),
            // If it is not known, no policy can see it; the field must have some value all the same.
            remote_ip: question.origin.address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            client_certificate: question.origin.certificate.clone(),
            at: truncated(question.origin.at.wall, question.settings.cache.time_quantum),
            instance: question.settings.token.issuer.as_str().into(),
        }
    }

    async fn ask(&self, question: &Question<'_>) -> Result<Vec<(PolicyName, Verdict)>, Undecided> {
        // What is wrong with them was logged when they were loaded.
        let policies: &Arc<PolicySet> = question.policies.as_ref().map_err(|_| POLICY)?;
        if policies.is_empty() {
            return Ok(Vec::new());
        }
        if question.origin.address.is_none() && policies.reads().reads_address() {
            return Err(Refusal::Unavailable(WhyUnavailable::Address).into());
        }
        let input = Self::input(question);
        let asked_at = self.observer.as_ref().map(|(_, clock)| clock.now().monotonic);
        let answer = self.evaluator.ask(Arc::clone(policies), input).await;
        if let (Some((metrics, clock)), Some(asked_at)) = (&self.observer, asked_at) {
            metrics.policy_evaluation(result_of(&answer), clock.now().monotonic.saturating_sub(asked_at));
        }
        answer.map_err(|error| {
            // The beginning of a pause is told; how often somebody asks within it is up to them.
            if !matches!(error, PolicyError::Paused(..)) {
                tracing::error!(key = %question.key.id, %error, "login policies gave no answer; the request is refused");
            }
            match error {
                PolicyError::TimeLimit(_) | PolicyError::MemoryLimit(_) | PolicyError::Failed(..) => POLICY.into(),
                PolicyError::Paused(_, left) => Undecided { refusal: POLICY, for_the_next: Some(left) },
                PolicyError::Overloaded => Refusal::Overloaded.into(),
            }
        })
    }
}

fn result_of(answer: &Result<Vec<(PolicyName, Verdict)>, PolicyError>) -> PolicyResult {
    match answer {
        Ok(_) => PolicyResult::Answered,
        // A pause is what passing a limit has come to.
        Err(PolicyError::TimeLimit(_) | PolicyError::Paused(..)) => PolicyResult::TimeLimit,
        Err(PolicyError::MemoryLimit(_)) => PolicyResult::MemoryLimit,
        Err(PolicyError::Failed(..)) => PolicyResult::Failed,
        Err(PolicyError::Overloaded) => PolicyResult::Overloaded,
    }
}
