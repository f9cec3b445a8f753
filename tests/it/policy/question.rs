//! Loads policies and asks them, for the tests beside this one.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use claviger::model::{KeyId, KeyRecord, PolicyName, RegoVersion, Snapshot, Strategy, Verdict};
use claviger::policy::{Evaluator, LoginInput, PolicyError, PolicyFault, PolicyLimits, PolicySet, PolicySource, SharedInput};
use jiff::Timestamp;

/// Generous, since the limit is wall clock and these run beside others.
pub(crate) const LIMITS: PolicyLimits = PolicyLimits { time: Duration::from_secs(10), memory: 64 << 20 };

pub(crate) fn examples() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/policies"))
}

pub(crate) fn source(name: &str, text: &str, rego: Option<RegoVersion>) -> PolicySource {
    PolicySource { name: name.parse().unwrap(), file: None, text: text.into(), rego }
}

pub(crate) fn load(text: &str) -> Result<PolicySet, Vec<PolicyFault>> {
    load_as(text, None)
}

pub(crate) fn load_as(text: &str, rego: Option<RegoVersion>) -> Result<PolicySet, Vec<PolicyFault>> {
    PolicySet::load(&[source("policy", text, rego)], LIMITS)
}

/// A question, to be told in the words of the test.
pub(crate) struct Question {
    input: LoginInput,
}

impl Question {
    pub(crate) fn by(login: &str) -> Self {
        let key = KeyRecord {
            id: KeyId::new(1, 2),
            name: login.parse().unwrap(),
            description: String::new(),
            groups: Vec::new(),
            created_at: Timestamp::UNIX_EPOCH,
            expires_at: None,
            disabled_at: None,
            revoked_at: None,
            secrets: Vec::new(),
            bindings: Vec::new(),
        };
        Self {
            input: LoginInput {
                shared: Arc::new(SharedInput::of(&Snapshot::empty(Strategy::Combined))),
                key: Arc::new(key),
                root_admin: false,
                remote_ip: "203.0.113.9".parse().unwrap(),
                client_certificate: None,
                at: Timestamp::UNIX_EPOCH,
                instance: "test".into(),
            },
        }
    }

    pub(crate) fn from(mut self, address: &str) -> Self {
        self.input.remote_ip = address.parse().unwrap();
        self
    }

    pub(crate) fn at(mut self, moment: &str) -> Self {
        self.input.at = moment.parse().unwrap();
        self
    }

    pub(crate) fn in_groups(mut self, groups: &[&str]) -> Self {
        Arc::make_mut(&mut self.input.key).groups = groups.iter().map(|group| group.parse().unwrap()).collect();
        self
    }

    /// Asks all policies of a set.
    pub(crate) async fn ask(&self, set: &Arc<PolicySet>) -> Result<Vec<(PolicyName, Verdict)>, PolicyError> {
        Evaluator::start(1).unwrap().ask(set.clone(), self.input.clone()).await
    }

    /// Asks a set of one policy.
    pub(crate) async fn verdict(&self, set: &Arc<PolicySet>) -> Verdict {
        let answer = self.ask(set).await.unwrap();
        assert_eq!(answer.len(), 1);
        answer.into_iter().next().unwrap().1
    }

    /// The roles that one policy gives, as `role@space`.
    pub(crate) async fn roles(&self, set: &Arc<PolicySet>) -> Vec<String> {
        self.verdict(set).await.roles.iter().map(|(space, role)| format!("{role}@{space}")).collect()
    }

    pub(crate) fn input(&self) -> &LoginInput {
        &self.input
    }
}
