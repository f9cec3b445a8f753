//! Why: what would be decided for a key, and from what. The same procedure as for a request, without cache and token.

use std::sync::Arc;

use super::decide::{Procedure, Question};
use super::state::{self, Policies};
use super::{ExchangeError, Origin};
use crate::config::Settings;
use crate::model::{Decision, KeyRecord, KeyState, Refusal, Snapshot, WhyInvalid};
use crate::policy::{Evaluator, SharedInput};
use crate::store::Store;

/// Everything for `explain`: what was decided and from what.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The key as it was looked at.
    pub key: Option<KeyRecord>,
    /// What was decided; `None` if it did not come to that: the key does not work, or no decision could be made.
    pub decision: Option<Decision>,
    /// What a request would get, the state of its secret left out.
    pub outcome: Result<(), Refusal>,
}

/// Explains from a store alone, outside a server: it needs no signing keys and remembers nothing.
pub struct Explainer {
    snapshot: Snapshot,
    shared: Arc<SharedInput>,
    policies: Policies,
    procedure: Procedure,
}

impl Explainer {
    /// Reads what is in force now: the store's snapshot, and the policies of store and directory.
    pub async fn load(settings: &Settings, store: &dyn Store) -> Result<Self, ExchangeError> {
        let snapshot = store.snapshot().await?;
        let files = state::policy_files(settings.policies.dir.as_deref()).map_err(ExchangeError::Policies)?;
        let policies = state::compile(&files, &snapshot.policies, state::limits(settings)).map_err(ExchangeError::Policies)?;
        Ok(Self {
            shared: Arc::new(SharedInput::of(&snapshot)),
            snapshot,
            policies: Ok(Arc::new(policies)),
            procedure: Procedure::new(settings, Evaluator::start(1)?, None),
        })
    }

    /// What would be decided for this key and origin.
    pub async fn explain(&self, key: &KeyRecord, origin: &Origin) -> Explanation {
        explain(&self.procedure, &self.snapshot, &self.shared, &self.policies, key, origin).await
    }

    /// What it explains by.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }
}

pub(super) async fn explain(
    procedure: &Procedure,
    snapshot: &Snapshot,
    shared: &Arc<SharedInput>,
    policies: &Policies,
    key: &KeyRecord,
    origin: &Origin,
) -> Explanation {
    let why_invalid = match key.state_at(origin.at.wall) {
        KeyState::Active => None,
        KeyState::Disabled => Some(WhyInvalid::Disabled),
        KeyState::Expired => Some(WhyInvalid::Expired),
        KeyState::Revoked => Some(WhyInvalid::Revoked),
    };
    let explanation = |decision, outcome| Explanation { key: Some(key.clone()), decision, outcome };
    if let Some(why) = why_invalid {
        return explanation(None, Err(Refusal::InvalidKey(why)));
    }
    let question = Question { snapshot, shared, policies, key: &Arc::new(key.clone()), origin: &origin.canonical() };
    match procedure.decide(question).await {
        Ok(decision) => {
            let outcome = decision.outcome.clone();
            explanation(Some(decision), outcome)
        }
        Err(refusal) => explanation(None, Err(refusal)),
    }
}
