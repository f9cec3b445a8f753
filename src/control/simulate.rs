//! What a change would make of the answers that keys get, before it is made. Nothing is saved.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize as _;

use super::error::ControlError;
use super::manager::Control;
use crate::clock::Moment;
use crate::exchange::{Difference, Explainer, Origin, WhatIf};
use crate::model::{ClientCertificate, KeptSample, KeyId, KeyName, KeyRecord, KeyState, PolicyName, SampleId};
use crate::policy::Trace;
use crate::store::{Page, StoreError};

/// How many differences are told one by one.
const TOLD: usize = 1000;
/// How many keys are read at a time: few at first, so that a glance is short, and twice as many with each time.
const FIRST_PAGE: u32 = 50;
const PAGE: u32 = 400;

/// What is in force, and what would be.
pub struct Simulation {
    before: Arc<Explainer>,
    after: Explainer,
    /// The policy that would be another, if it is about one.
    policy: Option<PolicyName>,
}

/// Whom to ask about.
#[derive(Clone, Debug)]
pub enum SimulatedFor {
    /// One key.
    Key(Box<KeyRecord>),
    /// One request that is kept.
    Sample(Box<KeptSample>),
    /// Every request that is kept.
    AllSamples,
    /// Every key that works, as far as they can be looked at in this time.
    AllKeys(Duration),
}

/// From where and when keys are asked about. A sample has its own.
#[derive(Clone, Debug)]
pub struct SimulatedAt {
    /// The client's address.
    pub address: IpAddr,
    /// What the client has shown.
    pub certificate: Option<Arc<ClientCertificate>>,
    /// When.
    pub at: Timestamp,
}

/// What would be otherwise.
#[derive(Clone, Debug)]
pub struct Simulated {
    /// How many keys or samples were looked at. A sample whose key is gone was not.
    pub looked_at: usize,
    /// Whether those were all.
    pub complete: bool,
    /// How many would be answered otherwise.
    pub changed: usize,
    /// Were let in, and would be refused.
    pub cut_off: usize,
    /// Were refused, and would be let in.
    pub let_in: usize,
    /// Of all keys or samples, those that would be answered otherwise, the first thousand; the one that was asked about in any case.
    pub answers: Vec<SimulatedAnswer>,
}

/// One key at one moment, from one address.
#[derive(Clone, Debug)]
pub struct SimulatedAnswer {
    /// Which key.
    pub key: KeyId,
    /// What it is called.
    pub name: KeyName,
    /// The request, if it is one that is kept.
    pub sample: Option<SampleId>,
    /// From where.
    pub address: IpAddr,
    /// When.
    pub at: Timestamp,
    /// What would be otherwise.
    pub difference: Difference,
    /// What the policy says and because of what, where one key or sample was asked about.
    pub trace: Option<Trace>,
}

impl SimulatedAt {
    /// From this machine, at this time.
    #[must_use]
    pub fn here(at: Timestamp) -> Self {
        Self { address: IpAddr::V4(Ipv4Addr::LOCALHOST), certificate: None, at }
    }
}

impl Simulation {
    /// Whether what would change a policy finds one of its name in force.
    #[must_use]
    pub fn replaces(&self) -> bool {
        self.before.sources().iter().any(|source| self.policy.as_ref() == Some(&source.name))
    }

    /// What it would change.
    async fn ask(&self, key: &KeyRecord, there: &SimulatedAt) -> (Difference, Origin) {
        let origin = Origin::at_address(Some(there.address), Moment { wall: there.at, monotonic: Duration::ZERO });
        let origin = Origin { certificate: there.certificate.clone(), ..origin };
        let (was, would) = tokio::join!(self.before.explain(key, &origin), self.after.explain(key, &origin));
        (Difference::between(&was, &would), origin)
    }
}

impl Control {
    /// Sets what is in force beside what would be.
    ///
    /// # Errors
    /// The faults of the policies that would be in force, or as [`explainer`](Self::explainer).
    pub async fn simulation(&self, change: WhatIf) -> Result<Simulation, ControlError> {
        let before = self.explainer().await?;
        // Policies are compiled, beside the threads that others wait for.
        let made = tokio::task::spawn_blocking(move || {
            let after = before.what_if(&change).map_err(ControlError::Policy)?;
            let policy = match change {
                WhatIf::Put(source) => Some(source.name),
                WhatIf::Delete(name) => Some(name),
                WhatIf::Strategy(_) | WhatIf::State(_) | WhatIf::Whole(_) => None,
            };
            Ok(Simulation { before, after, policy })
        });
        made.await.unwrap_or_else(|_| Err(StoreError::Unavailable("the policy cannot be looked at".to_owned()).into()))
    }

    /// Says what the change would make of the answers to these, `there`.
    ///
    /// # Errors
    /// The store is away.
    pub async fn simulate(&self, simulation: &Simulation, whom: SimulatedFor, there: &SimulatedAt) -> Result<Simulated, StoreError> {
        let found = Simulated { looked_at: 0, complete: true, changed: 0, cut_off: 0, let_in: 0, answers: Vec::new() };
        let mut report = SimulationReport { simulation, found };
        match whom {
            SimulatedFor::Key(key) => report.only(*key, None, there).await,
            SimulatedFor::Sample(kept) => {
                if let Some(key) = self.store.key(kept.sample.key.id).await? {
                    report.only(key, Some(kept.id), &of_sample(&kept)).await;
                }
            }
            SimulatedFor::AllSamples => {
                for kept in self.store.samples().await? {
                    if let Some(key) = self.store.key(kept.sample.key.id).await? {
                        report.one_of_all(key, Some(kept.id), &of_sample(&kept)).await;
                    }
                }
            }
            SimulatedFor::AllKeys(look_for) => {
                let (began, mut after, mut limit) = (self.monotonic(), None, FIRST_PAGE);
                loop {
                    let page = self.store.keys(&Page { after, limit, query: None }).await?;
                    limit = limit.saturating_mul(2).min(PAGE);
                    let Some(end) = page.last().map(|key| key.id) else { break };
                    after = Some(end);
                    for key in page.into_iter().filter(|key| key.state_at(there.at) == KeyState::Active) {
                        report.one_of_all(key, None, there).await;
                    }
                    if self.monotonic().saturating_sub(began) > look_for {
                        report.found.complete = false;
                        break;
                    }
                }
            }
        }
        Ok(report.found)
    }
}

/// The address, the time and the certificate of then.
fn of_sample(kept: &KeptSample) -> SimulatedAt {
    let address = kept.sample.remote_ip().and_then(|text| text.parse().ok());
    let shown = kept.sample.input.pointer("/request/client_certificate");
    let certificate = shown.and_then(|shown| ClientCertificate::deserialize(shown).ok()).map(Arc::new);
    let here = SimulatedAt::here(kept.sample.at);
    SimulatedAt { address: address.unwrap_or(here.address), certificate, ..here }
}

/// What has been found so far.
struct SimulationReport<'a> {
    simulation: &'a Simulation,
    found: Simulated,
}

impl SimulationReport<'_> {
    async fn one_of_all(&mut self, key: KeyRecord, sample: Option<SampleId>, there: &SimulatedAt) {
        let (difference, _) = self.simulation.ask(&key, there).await;
        self.count(&difference);
        if !difference.is_none() && self.found.answers.len() < TOLD {
            self.tell(key, sample, there, difference, None);
        }
    }

    async fn only(&mut self, key: KeyRecord, sample: Option<SampleId>, there: &SimulatedAt) {
        let (difference, origin) = self.simulation.ask(&key, there).await;
        self.count(&difference);
        let Simulation { after, policy, .. } = self.simulation;
        let traced = || policy.as_ref().and_then(|policy| after.trace_of(policy, &key, &origin));
        let trace = tokio::task::block_in_place(traced);
        self.tell(key, sample, there, difference, trace);
    }

    fn count(&mut self, difference: &Difference) {
        let found = &mut self.found;
        found.looked_at += 1;
        found.changed += usize::from(!difference.is_none());
        found.cut_off += usize::from(difference.cut_off);
        found.let_in += usize::from(difference.let_in);
    }

    fn tell(&mut self, key: KeyRecord, sample: Option<SampleId>, there: &SimulatedAt, difference: Difference, trace: Option<Trace>) {
        let SimulatedAt { address, at, .. } = *there;
        self.found.answers.push(SimulatedAnswer { key: key.id, name: key.name, sample, address, at, difference, trace });
    }
}
