//! Why: what would be decided for a key, and from what. The same procedure as for a request, without cache and token.

use std::sync::Arc;

use jiff::Timestamp;

use super::decide::{Decided, Procedure, Question};
use super::error::ExchangeError;
use super::origin::Origin;
use super::state::{self, Policies};
use crate::config::{Settings, TokenSettings};
use crate::model::{
    AdmitWithoutRoles, CertificateFingerprint, Decision, KeyRecord, KeyState, PolicyName, Refusal, Revision, Snapshot, Strategy, TokenSize,
    Verdict, WhyInvalid,
};
use crate::policy::{Evaluator, PolicyFault, PolicySet, PolicySource, SharedInput, Trace, Tracer};
use crate::store::Lookup;
use crate::token::{Envelope, Minter, Subject, TokenError};

/// Everything for `explain`: what was decided and from what.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The key as it was looked at.
    pub key: Option<KeyRecord>,
    /// What was decided; `None` if it did not come to that: the key does not work, or no decision could be made.
    pub decision: Option<Decision>,
    /// What each login policy said that was asked, by name.
    pub verdicts: Vec<(PolicyName, Verdict)>,
    /// What a request would get, the state of its secret left out.
    pub outcome: Result<(), Refusal>,
    /// The certificate that the token would be bound to.
    pub confirmation: Option<CertificateFingerprint>,
}

/// Explains from a store alone, outside a server: it needs no signing keys and remembers nothing.
pub struct Explainer {
    settings: Arc<Settings>,
    evaluator: Evaluator,
    snapshot: Arc<Snapshot>,
    shared: Arc<SharedInput>,
    /// Of the store and of the directory.
    sources: Vec<PolicySource>,
    policies: Policies,
    procedure: Procedure,
    minter: Minter,
}

/// A change to think through before it is made.
#[derive(Clone, Debug)]
pub enum WhatIf {
    /// This policy is in force, in the place of the one of its name if there is one.
    Put(PolicySource),
    /// No policy of this name is in force.
    Delete(PolicyName),
    /// Another strategy is in force.
    Strategy(Strategy),
    /// Spaces, roles, groups and what groups hold are like this.
    State(Box<Snapshot>),
    /// Everything that a store holds beside keys is like this, its policies and its strategy too.
    Whole(Box<Snapshot>),
}

impl Explainer {
    /// Reads what is in force now: the store's snapshot, and the policies of store and directory.
    pub async fn load(settings: &Settings, store: &dyn Lookup) -> Result<Self, ExchangeError> {
        let snapshot = store.snapshot().await?;
        let files = state::policy_files(settings.policies.dir.as_deref()).map_err(ExchangeError::Policies)?;
        Self::of(settings, snapshot, files)
    }

    /// Explains by these: everything but the keys, and the policies of the directory.
    pub fn of(settings: &Settings, snapshot: Snapshot, files: Vec<PolicySource>) -> Result<Self, ExchangeError> {
        Self::made_of(Arc::new(settings.clone()), Arc::new(snapshot), files)
    }

    fn made_of(settings: Arc<Settings>, snapshot: Arc<Snapshot>, files: Vec<PolicySource>) -> Result<Self, ExchangeError> {
        let policies =
            state::compile(&files, &snapshot.policies, &settings.policies, &PolicySet::none()).map_err(ExchangeError::Policies)?;
        let sources = files.into_iter().chain(snapshot.policies.iter().map(PolicySource::from)).collect();
        let (evaluator, shared) = (Evaluator::start(Evaluator::AT_ONCE)?, Arc::new(SharedInput::of(&snapshot)));
        Ok(Self::new(settings, evaluator, (snapshot, shared), sources, Arc::new(policies)))
    }

    /// What explains by these and by what stands in the directory now: this one, if it is made of the same.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub fn renewed(kept: Option<Arc<Self>>, settings: &Arc<Settings>, snapshot: &Arc<Snapshot>) -> Result<Arc<Self>, ExchangeError> {
        let files = state::policy_files(settings.policies.dir.as_deref()).map_err(ExchangeError::Policies)?;
        let is_same = |kept: &Self| {
            let known = kept.sources.iter().filter(|source| source.file.is_some());
            Arc::ptr_eq(&kept.settings, settings) && Arc::ptr_eq(&kept.snapshot, snapshot) && known.eq(&files)
        };
        match kept.filter(|kept| is_same(kept)) {
            Some(kept) => Ok(kept),
            None => Ok(Arc::new(Self::made_of(Arc::clone(settings), Arc::clone(snapshot), files)?)),
        }
    }

    fn new(
        settings: Arc<Settings>,
        evaluator: Evaluator,
        (snapshot, shared): (Arc<Snapshot>, Arc<SharedInput>),
        sources: Vec<PolicySource>,
        policies: Arc<PolicySet>,
    ) -> Self {
        Self {
            shared,
            procedure: Procedure::new(evaluator.clone(), None),
            policies: Ok(policies),
            minter: Minter::new(&settings.token),
            settings,
            evaluator,
            snapshot,
            sources,
        }
    }

    /// As if a change had been made.
    ///
    /// # Errors
    /// The faults of the policies that would be in force.
    pub fn what_if(&self, change: &WhatIf) -> Result<Self, Vec<PolicyFault>> {
        let (mut snapshot, mut sources) = (Arc::clone(&self.snapshot), self.sources.clone());
        match change {
            WhatIf::Put(source) => {
                sources.retain(|other| other.name != source.name);
                sources.push(source.clone());
            }
            WhatIf::Delete(name) => sources.retain(|other| other.name != *name),
            WhatIf::Strategy(strategy) => Arc::make_mut(&mut snapshot).strategy = *strategy,
            WhatIf::State(state) => snapshot = Arc::new(Snapshot::clone(state)),
            WhatIf::Whole(state) => return self.as_of(Snapshot::clone(state)),
        }
        let policies = match (change, &self.policies) {
            // What is compiled already.
            (WhatIf::Strategy(_) | WhatIf::State(_), Ok(policies)) => Arc::clone(policies),
            (WhatIf::Put(_) | WhatIf::Delete(_) | WhatIf::Strategy(_) | WhatIf::State(_) | WhatIf::Whole(_), _) => {
                Arc::new(PolicySet::load(&sources, &self.settings.policies)?)
            }
        };
        let shared = match change {
            // Of spaces and roles it is the same.
            WhatIf::Put(_) | WhatIf::Delete(_) | WhatIf::Strategy(_) => Arc::clone(&self.shared),
            WhatIf::State(_) | WhatIf::Whole(_) => Arc::new(SharedInput::of(&snapshot)),
        };
        Ok(Self::new(Arc::clone(&self.settings), self.evaluator.clone(), (snapshot, shared), sources, policies))
    }

    /// As it was with this snapshot and the policies that stand in it. Those of the directory are as they are now: nobody has kept others.
    ///
    /// # Errors
    /// The faults of the policies.
    pub fn as_of(&self, snapshot: Snapshot) -> Result<Self, Vec<PolicyFault>> {
        let files = self.sources.iter().filter(|source| source.file.is_some()).cloned();
        let sources: Vec<PolicySource> = files.chain(snapshot.policies.iter().map(PolicySource::from)).collect();
        let policies = Arc::new(PolicySet::load(&sources, &self.settings.policies)?);
        let shared = Arc::new(SharedInput::of(&snapshot));
        Ok(Self::new(Arc::clone(&self.settings), self.evaluator.clone(), (Arc::new(snapshot), shared), sources, policies))
    }

    /// What would be decided for this key and origin.
    pub async fn explain(&self, key: &KeyRecord, origin: &Origin) -> Explanation {
        let size = Size { minter: &self.minter, envelope: Envelope::expected(&self.settings.token) };
        let terms = Terms { settings: &self.settings, size };
        explain(&self.procedure, terms, &self.snapshot, &self.shared, &self.policies, key, origin).await
    }

    /// Which rules of each policy give what to this key and origin, by the policies' names; nothing if policies are not asked about it.
    pub fn trace(&self, key: &KeyRecord, origin: &Origin) -> Vec<(Tracer, Trace)> {
        if !Decision::asks_policies(&self.snapshot, key) {
            return Vec::new();
        }
        let mut traces: Vec<(Tracer, Trace)> = self.sources.iter().filter_map(|source| self.traced(source, key, origin)).collect();
        traces.sort_by(|(one, _), (other, _)| one.name.cmp(&other.name));
        traces
    }

    /// Which rules of one policy give what, whether it is asked about this key or not.
    pub fn trace_of(&self, policy: &PolicyName, key: &KeyRecord, origin: &Origin) -> Option<Trace> {
        let source = self.sources.iter().find(|source| source.name == *policy)?;
        self.traced(source, key, origin).map(|(_, trace)| trace)
    }

    fn traced(&self, source: &PolicySource, key: &KeyRecord, origin: &Origin) -> Option<(Tracer, Trace)> {
        let (key, origin) = (Arc::new(key.clone()), origin.canonical());
        let (snapshot, shared, policies) = (&self.snapshot, &self.shared, &self.policies);
        let input = Procedure::input(&Question { snapshot, shared, policies, key: &key, origin: &origin, settings: &self.settings });
        let tracer = Tracer::load(source, &self.settings.policies).ok()?;
        let trace = tracer.ask(&input);
        Some((tracer, trace))
    }

    /// What it explains by.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// The policies in force.
    pub fn sources(&self) -> &[PolicySource] {
        &self.sources
    }
}

/// What decisions go by, and how large tokens are and may be.
#[derive(Clone, Copy)]
pub(super) struct Terms<'a> {
    pub(super) settings: &'a Settings,
    pub(super) size: Size<'a>,
}

/// How large tokens are and may be.
#[derive(Clone, Copy)]
pub(super) struct Size<'a> {
    pub(super) minter: &'a Minter,
    pub(super) envelope: Envelope,
}

pub(super) async fn explain(
    procedure: &Procedure,
    terms: Terms<'_>,
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
    let origin = origin.canonical();
    let bound_to = origin.confirmation(&terms.settings.token);
    let explanation = |decision, verdicts, outcome: Result<(), Refusal>| {
        let confirmation = bound_to.filter(|_| outcome.is_ok());
        Explanation { key: Some(key.clone()), decision, verdicts, outcome, confirmation }
    };
    if let Some(why) = why_invalid {
        return explanation(None, Vec::new(), Err(Refusal::InvalidKey(why)));
    }
    let question = Question { snapshot, shared, policies, key: &Arc::new(key.clone()), origin: &origin, settings: terms.settings };
    match procedure.decide(&question).await {
        Ok(Decided { mut decision, verdicts }) => {
            let too_large = || too_large(terms.size, snapshot.revision, key, (&decision, bound_to), origin.at.wall);
            if decision.outcome.is_ok()
                && let Some(size) = too_large()
            {
                decision.outcome = Err(Refusal::TokenTooLarge(size));
            }
            let outcome = decision.outcome.clone();
            explanation(Some(decision), verdicts, outcome)
        }
        Err(undecided) => explanation(None, Vec::new(), Err(undecided.refusal)),
    }
}

/// By how much what bindings and groups give a key does not fit into a token, if so; policies may give it more.
pub fn oversize(settings: &TokenSettings, snapshot: &Snapshot, key: &KeyRecord, at: Timestamp) -> Option<TokenSize> {
    let decision = Decision::make(snapshot, key, &[], AdmitWithoutRoles::Yes);
    let size = Size { minter: &Minter::new(settings), envelope: Envelope::expected(settings) };
    let bound_to = settings.confirm_client_certificate.then(|| CertificateFingerprint::from_bytes([0; 32]));
    too_large(size, snapshot.revision, key, (&decision, bound_to), at)
}

/// By how much what was decided does not fit into a token.
///
/// That is so if the roles where they were given do not fit: they are part of the roles in force everywhere, which are left out for them. So those need
/// not be found, which may be in ten thousand spaces.
fn too_large(
    size: Size<'_>,
    revision: Revision,
    key: &KeyRecord,
    (decision, confirmation): (&Decision, Option<CertificateFingerprint>),
    at: Timestamp,
) -> Option<TokenSize> {
    let bound = decision.grants.bound();
    let subject = Subject {
        key: key.id,
        name: &key.name,
        groups: &decision.groups,
        effective: &bound,
        bound: &bound,
        scope: None,
        confirmation,
        revision,
        not_after: None,
    };
    match size.minter.size(size.envelope, &subject, at) {
        Err(TokenError::TooLarge(size)) => Some(size),
        Ok(_) | Err(TokenError::Keys(_) | TokenError::Roll(_) | TokenError::Signing(_)) => None,
    }
}
