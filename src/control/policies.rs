//! The login policies in force, and what is odd about them.

use std::sync::Arc;

use super::manager::{Control, Serving};
use crate::model::RegoVersion;
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
