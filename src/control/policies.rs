//! The login policies in force, and what is odd about them.

use std::sync::Arc;

use super::caller::Asked;
use super::error::ControlError;
use super::manager::{Control, Serving};
use super::rights::Operation;
use crate::model::{PolicyName, RegoVersion};
use crate::policy::{PolicyFault, PolicySource, Vocabulary};
use crate::store::{NAMED_KEYS_MAX, StoreError};

/// The login policies in force, of the store and of the directory.
#[derive(Clone, Debug, Default)]
pub struct PoliciesInForce {
    /// By name, each with the Rego that it is in.
    pub policies: Vec<(PolicySource, RegoVersion)>,
    /// What is odd about them; if there are none because they cannot be loaded, why.
    pub findings: Vec<PolicyFault>,
}

impl PoliciesInForce {
    /// What is odd about one of them.
    pub fn findings_of<'a>(&'a self, source: &PolicySource) -> impl Iterator<Item = &'a PolicyFault> {
        let place = source.place();
        self.findings.iter().filter(move |finding| finding.policy == place)
    }
}

impl Control {
    /// Gives up every sample, and says how many there were. The audit tells of it, and of whoever tries and may not.
    ///
    /// # Errors
    /// As [`may`](Self::may).
    pub async fn clear_samples(&self, asked: &Asked) -> Result<u64, ControlError> {
        match self.may(&asked.caller, Operation::ClearSamples).await {
            Ok(_) => Ok(self.store.clear_samples(&asked.cause()).await?),
            Err(error) => {
                if let ControlError::Forbidden(_) = error {
                    self.note_forbidden(Operation::ClearSamples, "samples", asked).await;
                }
                Err(error)
            }
        }
    }

    /// What the login policies of the directory are called that are in force here; none where nobody serves, or none can be loaded.
    pub fn policy_files(&self) -> Vec<PolicyName> {
        let Some(set) = self.serving.as_ref().and_then(|serving| serving.exchange.policies().ok()) else { return Vec::new() };
        set.sources().filter(|(source, _)| source.file.is_some()).map(|(source, _)| source.name.clone()).collect()
    }

    /// The login policies that are in force here; none where nobody serves.
    ///
    /// # Errors
    /// The store is away.
    pub async fn policies_in_force(&self) -> Result<PoliciesInForce, StoreError> {
        let Some(Serving { exchange, .. }) = &self.serving else { return Ok(PoliciesInForce::default()) };
        let exchange = Arc::clone(exchange);
        let keys = self.store.key_names(NAMED_KEYS_MAX).await?;
        let looked = tokio::task::spawn_blocking(move || match exchange.policies() {
            Ok(set) => PoliciesInForce {
                findings: set.warnings(&Vocabulary::of(&exchange.snapshot()).with_keys(keys)),
                policies: set.sources().map(|(source, version)| (source.clone(), version)).collect(),
            },
            Err(faults) => PoliciesInForce { policies: Vec::new(), findings: faults.to_vec() },
        });
        looked.await.map_err(|_| StoreError::Unavailable("the policies cannot be looked at".to_owned()))
    }
}
