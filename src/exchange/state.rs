//! What all keys share, published as one: whoever loads it sees one consistent whole.

use std::path::Path;
use std::sync::Arc;

use crate::config::{PolicySettings, Settings};
use crate::model::{LoginPolicy, Snapshot};
use crate::policy::{self, PolicyFault, PolicySet, PolicySource, Reads, SharedInput};
use crate::token::{KeyRing, Minter};

/// The policies in force, or why there are none. Without them nobody whom they concern gets a credential.
pub(super) type Policies = Result<Arc<PolicySet>, Arc<[PolicyFault]>>;

/// Everything that decisions rest on, but for the key itself.
pub(super) struct State {
    /// Which stamps belong to it. A decision combines nothing of another epoch with it.
    pub(super) epoch: u64,
    /// Spaces, roles, groups, strategy.
    pub(super) snapshot: Arc<Snapshot>,
    /// What policies see of the snapshot.
    pub(super) shared: Arc<SharedInput>,
    /// Those of the store and those of the directory.
    pub(super) policies: Policies,
    /// Who signs.
    pub(super) ring: Arc<KeyRing>,
    /// Makes tokens as the settings want them.
    pub(super) minter: Arc<Minter>,
    /// What the configuration says.
    pub(super) settings: Arc<Settings>,
    /// What verifiers need.
    pub(super) jwks: Arc<str>,
}

impl State {
    /// The state at the start.
    pub(super) fn new(snapshot: Snapshot, policies: PolicySet, ring: KeyRing, settings: Arc<Settings>) -> Self {
        Self {
            epoch: 0,
            shared: Arc::new(SharedInput::of(&snapshot)),
            snapshot: Arc::new(snapshot),
            policies: Ok(Arc::new(policies)),
            jwks: ring.jwks().to_string().into(),
            ring: Arc::new(ring),
            minter: Arc::new(Minter::new(&settings.token)),
            settings,
        }
        .prepared()
    }

    /// The state of the next epoch, as far as nothing of it changes.
    pub(super) fn next(&self, epoch: u64) -> Self {
        Self {
            epoch,
            snapshot: Arc::clone(&self.snapshot),
            shared: Arc::clone(&self.shared),
            policies: self.policies.clone(),
            ring: Arc::clone(&self.ring),
            jwks: Arc::clone(&self.jwks),
            minter: Arc::clone(&self.minter),
            settings: Arc::clone(&self.settings),
        }
    }

    /// The same with another snapshot.
    pub(super) fn with_snapshot(self, snapshot: Snapshot) -> Self {
        // What policies have said of a key is remembered for as long as what they see is this very one.
        let shared = if self.shared.is_that_of(&snapshot) { self.shared } else { Arc::new(SharedInput::of(&snapshot)) };
        Self { shared, snapshot: Arc::new(snapshot), ..self }.prepared()
    }

    /// The same with other policies.
    pub(super) fn with_policies(self, policies: Policies) -> Self {
        Self { policies, ..self }.prepared()
    }

    /// The same, ready to be asked about: where there are policies, what they see is built before anybody waits for it.
    fn prepared(self) -> Self {
        let is_asked = self.policies.as_ref().is_ok_and(|policies| !policies.is_empty());
        if is_asked && self.snapshot.strategy.asks_policies() {
            self.shared.prepare();
        }
        self
    }

    /// The same with other signing keys.
    pub(super) fn with_ring(self, ring: Arc<KeyRing>) -> Self {
        Self { jwks: ring.jwks().to_string().into(), ring, ..self }
    }

    /// The same with other settings.
    pub(super) fn with_settings(self, settings: Arc<Settings>) -> Self {
        let minter = if settings.token == self.settings.token { self.minter } else { Arc::new(Minter::new(&settings.token)) };
        Self { minter, settings, ..self }
    }

    /// Whether the other ring signs or publishes differently.
    pub(super) fn ring_differs(&self, other: &KeyRing) -> bool {
        self.ring.current_kid() != other.current_kid() || self.ring.jwks() != other.jwks()
    }

    /// What an answer to anybody can depend on. A key may depend on less.
    pub(super) fn reads(&self) -> Arc<Reads> {
        self.with_said(match &self.policies {
            Ok(policies) if self.snapshot.strategy.asks_policies() => Arc::clone(policies.reads()),
            Ok(_) | Err(_) => Reads::nothing(),
        })
    }

    /// What policies can read of a request, and what the token itself says of it.
    pub(super) fn with_said(&self, reads: Arc<Reads>) -> Arc<Reads> {
        if self.settings.token.confirm_client_certificate { reads.with_certificates() } else { reads }
    }
}

/// The policies of the directory, if there is one. What looks like a policy there and is none is logged.
pub(super) fn policy_files(dir: Option<&Path>) -> Result<Vec<PolicySource>, Vec<PolicyFault>> {
    let found = dir.map(policy::survey_dir).unwrap_or_default();
    let (faults, warnings): (Vec<_>, Vec<_>) = found.findings.into_iter().partition(PolicyFault::is_error);
    for warning in warnings {
        warning.diagnostic().log("the directory of policies may not do what it seems to");
    }
    if faults.is_empty() { Ok(found.sources) } else { Err(faults) }
}

/// Checks and compiles the policies of both origins together; those that are in force already are not compiled again.
pub(super) fn compile(
    files: &[PolicySource],
    stored: &[LoginPolicy],
    settings: &PolicySettings,
    in_force: &PolicySet,
) -> Result<PolicySet, Vec<PolicyFault>> {
    // A name stands for one policy everywhere: in grants, refusals and logs. Which of two was meant cannot be guessed.
    let collision = |file: &&PolicySource| stored.iter().any(|policy| policy.name == file.name);
    let collisions: Vec<PolicyFault> = files.iter().filter(collision).map(same_name).collect();
    if !collisions.is_empty() {
        return Err(collisions);
    }
    let sources: Vec<PolicySource> = files.iter().cloned().chain(stored.iter().map(PolicySource::from)).collect();
    in_force.change_to(&sources, settings)
}

fn same_name(file: &PolicySource) -> PolicyFault {
    PolicyFault::of(&file.place(), format!("the store has a policy named {} as well", file.name))
        .hint("rename the file, or delete the store's policy")
}
