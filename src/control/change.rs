//! The one way to change anything.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::caller::{Asked, Caller};
use super::code::Code;
use super::error::ControlError;
use super::lockout::Lockout;
use super::manager::{Control, Serving};
use super::rights::Operation;
use super::standing::Standing;
use crate::clock::earlier;
use crate::exchange::{self, AsOf, ExchangeError, Explainer, Explanation, Origin};
use crate::model::{
    AuditNote, Cause, Change, Changes, KeyDigest, KeyId, KeyRecord, KeyState, LoginPolicy, Mutation, PolicyName, Resource, Revision,
    Snapshot, SpaceId,
};
use crate::policy::{self, PolicyFault, PolicySource, Vocabulary};
use crate::store::{NAMED_KEYS_MAX, Precondition, StoreError, Unmet};

/// How often a change is weighed anew because another one came between.
pub(super) const ATTEMPTS: usize = 32;
/// How long a key that works for nobody is answered after, whatever there was to look up.
const INVALID_AFTER: Duration = Duration::from_millis(5);
/// How long a request is known by its name.
const REMEMBERED_FOR: Duration = Duration::from_hours(24);
/// Of how many keys and addresses it is known here that they stand in the audit.
const KNOWN_AT_ONCE: usize = 10_000;

/// What, of what, and the spaces whose people may want to know.
pub(super) type Attempt = (&'static str, String, Vec<SpaceId>);

/// A change that was made.
#[derive(Debug)]
pub struct Made {
    /// The change's number.
    pub revision: Revision,
    /// When it was committed.
    pub at: Timestamp,
    /// The id of what it was about.
    pub resource: String,
    /// Whether it was made by an earlier request of the same name, and now nothing was.
    pub replayed: bool,
    /// What is odd about a policy that it puts in force.
    pub warnings: Vec<PolicyFault>,
}

impl Control {
    /// Whose key this is, if it works now. What works for nobody takes the same time, whether or not there is such a key.
    ///
    /// # Errors
    /// [`ControlError::NoSuchCaller`], or the store is away.
    pub async fn identify(
        &self,
        digest: KeyDigest,
        remote_ip: Option<IpAddr>,
        request_id: Option<Box<str>>,
    ) -> Result<Asked, ControlError> {
        let began = self.clock.now();
        let found = self.store.find_key(&digest).await?;
        let Some(found) = found.filter(|found| works(&found.key, &digest, began.wall)) else {
            let took = self.clock.now().monotonic.saturating_sub(began.monotonic);
            // Nothing to wait for but time.
            let _ = tokio::time::timeout(INVALID_AFTER.saturating_sub(took), std::future::pending::<()>()).await;
            return Err(ControlError::NoSuchCaller);
        };
        if let Some(Serving { exchange, .. }) = &self.serving {
            exchange.note_use(&digest, began.wall);
        }
        let id = found.key.id;
        let key = Some(Arc::new(found.key));
        let asked = Asked { caller: Caller::Key { id, digest }, key, remote_ip, request_id, once: None };
        self.note_sign_in(id, &asked).await;
        Ok(asked)
    }

    /// What the caller may manage at this moment, read from the store.
    ///
    /// # Errors
    /// [`ControlError::NoSuchCaller`] if it is a key that does not work any more, or the store is away.
    pub async fn standing(&self, caller: &Caller) -> Result<Standing, ControlError> {
        // Before the key: whatever changes in between, the revision is one that the key may be ahead of, never behind.
        let snapshot = self.latest().await?;
        match caller {
            Caller::System | Caller::Operator(_) => Ok(Standing::of_everything(snapshot)),
            Caller::Key { id, digest } => {
                let key = self.store.key(*id).await?.filter(|key| works(key, digest, self.now()));
                Ok(Standing::of_key(key.ok_or(ControlError::NoSuchCaller)?, digest, snapshot))
            }
        }
    }

    /// Everything but the keys, as the store has it at this moment; read only if something has changed since it was read last.
    async fn latest(&self) -> Result<Arc<Snapshot>, StoreError> {
        let Some(Serving { exchange, .. }) = &self.serving else { return Ok(Arc::new(self.store.snapshot().await?)) };
        let mut in_force = exchange.snapshot();
        let known = self.latest.read_beside(&in_force).unwrap_or_else(|| Arc::clone(&in_force));
        match self.followed.changes_after(known.revision).await? {
            Changes::Since(changes) if changes.is_empty() => return Ok(known),
            Changes::Since(_) => {}
            // Perhaps another file lies there now, with changes of the same numbers: what is in force here must be of that one, too.
            Changes::TooOld => {
                exchange.catch_up().await?;
                in_force = exchange.snapshot();
            }
        }
        let read = Arc::new(self.followed.snapshot().await?);
        self.latest.keep(&read, &in_force);
        Ok(read)
    }

    /// What the caller may manage, if they may do this, which is in no space in particular.
    ///
    /// # Errors
    /// As [`standing`](Self::standing), and [`ControlError::Forbidden`].
    pub async fn may(&self, caller: &Caller, operation: Operation) -> Result<Standing, ControlError> {
        let standing = self.standing(caller).await?;
        standing.check(operation, &[])?;
        Ok(standing)
    }

    /// Makes a change if the caller may make it at the very moment at which it is made, and if what it is about is as revision `only_at` has
    /// left it. It is in force in this process when it returns.
    ///
    /// # Errors
    /// As [`ControlError`] says; nothing has been changed then.
    pub async fn change(&self, asked: &Asked, mutation: Mutation, only_at: Option<Revision>) -> Result<Made, ControlError> {
        let attempt = Self::attempt(&mutation);
        let done = self.weigh_and_make(asked, mutation, only_at).await;
        if let (Err(error), Caller::Key { .. }) = (&done, &asked.caller) {
            self.note_refused(attempt, error.code(), asked).await;
        }
        done
    }

    /// What the audit tells of a change that is refused.
    pub(super) fn attempt(mutation: &Mutation) -> Attempt {
        (mutation.action(), mutation.resource().id(), mutation.spaces())
    }

    async fn weigh_and_make(&self, asked: &Asked, mutation: Mutation, only_at: Option<Revision>) -> Result<Made, ControlError> {
        let resource = mutation.resource();
        let cause = asked.cause();
        let of = |change: &Change, warnings| Made {
            revision: change.revision,
            at: change.at,
            resource: resource.id(),
            replayed: false,
            warnings,
        };
        if let Caller::System | Caller::Operator(_) = asked.caller {
            // Nothing is weighed that could be otherwise by then.
            let change = self.store.apply(mutation, &cause, only_at.map(Precondition::ResourceAt)).await?;
            self.put_in_force(&change).await;
            return Ok(of(&change, Vec::new()));
        }
        for _ in 0..ATTEMPTS {
            let weighed = self.members_weighed(&asked.caller, std::slice::from_ref(&mutation)).await?;
            let _turn = self.turn.lock().await;
            let standing = self.standing(&asked.caller).await?;
            let (operation, spaces) = self.needed(&asked.caller, &mutation, &standing).await?;
            standing.check(operation, &spaces)?;
            if let Some(done) = self.replayed(&cause).await? {
                return Ok(done);
            }
            if let Some(wanted) = only_at {
                self.is_at(&resource, wanted).await?;
            }
            match self.locks_nobody_out(std::slice::from_ref(&mutation), &standing, weighed).await? {
                Lockout::Nobody => {}
                Lockout::Unknown => continue,
            }
            let warnings = self.reviewed(&mutation, standing.snapshot()).await?;
            let unchanged = Precondition::StoreAt(standing.snapshot().revision);
            match self.store.apply(mutation.clone(), &cause, Some(unchanged)).await {
                // By another process: whatever was weighed may be otherwise now.
                Err(StoreError::Precondition(Unmet::StoreChanged { .. })) => {}
                Err(error) => return Err(error.into()),
                Ok(change) => {
                    self.put_in_force(&change).await;
                    return Ok(of(&change, warnings));
                }
            }
        }
        Err(ControlError::Busy)
    }

    /// What was done by the request of the same name, if there was one.
    pub(super) async fn replayed(&self, cause: &Cause) -> Result<Option<Made>, ControlError> {
        let Some(once) = &cause.once else { return Ok(None) };
        let done = self.store.done_once(&cause.actor.label(), &once.key).await?;
        let Some(done) = done.filter(|done| done.at > earlier(self.now(), REMEMBERED_FOR)) else { return Ok(None) };
        if done.fingerprint != once.fingerprint {
            return Err(ControlError::IdempotencyMismatch);
        }
        Ok(Some(Made { revision: done.revision, at: done.at, resource: done.resource, replayed: true, warnings: Vec::new() }))
    }

    /// Whoever has tried to change something is told of in the audit. That this cannot be done changes nothing of the refusal.
    pub(super) async fn note_refused(&self, (action, resource, spaces): Attempt, code: Code, asked: &Asked) {
        if code == Code::Unavailable {
            return;
        }
        let note = AuditNote::Refused { action, resource, spaces, code: code.as_str() };
        if let Err(error) = self.store.note(note, &asked.cause()).await {
            tracing::warn!(%error, action, code = code.as_str(), "that a change was refused cannot be noted in the audit");
        }
    }

    /// Has the audit tell that somebody has tried to change something and may not, where they were refused before it was known what they
    /// would have made of it: `place` is where they tried.
    pub async fn note_forbidden(&self, operation: Operation, place: &str, asked: &Asked) {
        if let Some(action) = operation.action() {
            self.note_refused((action, place.to_owned(), Vec::new()), Code::Forbidden, asked).await;
        }
    }

    /// The first time that a key comes from an address.
    async fn note_sign_in(&self, key: KeyId, asked: &Asked) {
        let who = (key, asked.remote_ip);
        if self.known.lock().unwrap_or_else(PoisonError::into_inner).contains(&who) {
            return;
        }
        match self.store.note(AuditNote::SignIn { key }, &asked.cause()).await {
            Ok(_) => {
                let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                if known.len() >= KNOWN_AT_ONCE {
                    known.clear();
                }
                known.insert(who);
            }
            Err(error) => tracing::warn!(%error, %key, "that a key has come from a new address cannot be noted in the audit"),
        }
    }

    /// What would be decided for this key, by what is in force here; `None`: nobody serves here.
    pub async fn explain(&self, key: &KeyRecord, origin: &Origin) -> Option<Explanation> {
        let serving = self.serving.as_ref()?;
        Some(serving.exchange.explain(key, origin).await)
    }

    /// What is odd about the login policies in force here; `None`: nobody serves here, or others are being put in force.
    pub fn policy_remarks(&self) -> Option<Vec<PolicyFault>> {
        self.serving.as_ref()?.exchange.policy_remarks()
    }

    /// What explains decisions from the store and the policies of the directory, and what would be decided if something was otherwise. It is
    /// made beside the threads that others wait for.
    ///
    /// # Errors
    /// What is in force does not load, or nobody serves here.
    pub async fn explainer(&self) -> Result<Arc<Explainer>, ExchangeError> {
        let away = || ExchangeError::Store(StoreError::Unavailable("nobody serves here".to_owned()));
        let settings = self.serving.as_ref().map(|serving| Arc::clone(&*serving.settings.now())).ok_or_else(away)?;
        // With ten thousand spaces it takes as long as anybody wants to wait for a page, and seldom is it not what was made before.
        let (snapshot, kept) = (self.latest().await?, self.explained.lock().unwrap_or_else(PoisonError::into_inner).clone());
        let loaded = tokio::task::spawn_blocking(move || Explainer::renewed(kept, &settings, &snapshot));
        let explainer = loaded.await.unwrap_or_else(|_| Err(away()))?;
        *self.explained.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&explainer));
        Ok(explainer)
    }

    /// What explains decisions about this key as they were at that time, as far as the audit tells; `as_of` says how far that is. `None`: as they are.
    ///
    /// # Errors
    /// As [`explainer`](Self::explainer).
    pub async fn as_of(&self, at: Option<Timestamp>, key: KeyRecord) -> Result<AsOf, ExchangeError> {
        let (explainer, now) = (self.explainer().await?, self.now());
        let Some(at) = at else { return Ok(AsOf { explainer, key, remarks: Vec::new() }) };
        let (store, runtime) = (Arc::clone(&self.store), tokio::runtime::Handle::current());
        // Policies of that time are compiled.
        let found = tokio::task::spawn_blocking(move || runtime.block_on(exchange::as_of(at, now, explainer, key, &*store)));
        let away = |_| StoreError::Unavailable("the past cannot be looked at".to_owned());
        Ok(found.await.map_err(away)??)
    }

    /// The change is committed, whatever becomes of this: if it cannot be put in force at once, it is by the next look at the feed.
    pub(super) async fn put_in_force(&self, change: &Change) {
        let Some(Serving { exchange, .. }) = &self.serving else { return };
        if let Err(error) = exchange.applied(change).await {
            tracing::warn!(%error, revision = %change.revision, "a change is committed, and not in force here yet");
        }
    }

    /// What a change takes, and in which spaces.
    pub(super) async fn needed(
        &self,
        caller: &Caller,
        mutation: &Mutation,
        standing: &Standing,
    ) -> Result<(Operation, Vec<SpaceId>), ControlError> {
        let is_self = |id: &KeyId| matches!(caller, Caller::Key { id: own, .. } if own == id);
        let spaces = &standing.snapshot().spaces;
        Ok(match mutation {
            // Of the system alone, at the first start: a root admin may as well, and the store refuses it.
            Mutation::Bootstrap(_) | Mutation::CreateKey(_) => (Operation::CreateKey, Vec::new()),
            Mutation::ImportKey(_) => (Operation::ImportKey, Vec::new()),
            Mutation::UpdateKey { .. } => (Operation::UpdateKey, Vec::new()),
            Mutation::RotateKey { id, .. } if is_self(id) => (Operation::RotateSelf, Vec::new()),
            Mutation::RotateKey { .. } => (Operation::RotateKey, Vec::new()),
            Mutation::DisableKey { .. } => (Operation::DisableKey, Vec::new()),
            Mutation::EnableKey { .. } => (Operation::EnableKey, Vec::new()),
            Mutation::RevokeKey { id } if is_self(id) => (Operation::RevokeSelf, Vec::new()),
            Mutation::RevokeKey { .. } => (Operation::RevokeKey, Vec::new()),
            Mutation::CreateSpace(space) => (Operation::CreateSpace, space.parent.iter().cloned().collect()),
            Mutation::UpdateSpace { id, parent, .. } => {
                let leaves = spaces.find(id).and_then(|space| space.parent.clone());
                match parent.clone().filter(|parent| Some(parent) != leaves.as_ref()) {
                    // The space itself stands below the one that it leaves.
                    Some(parent) => (Operation::MoveSpace, leaves.into_iter().chain([parent, id.clone()]).collect()),
                    None => (Operation::UpdateSpace, vec![id.clone()]),
                }
            }
            Mutation::DeleteSpace { id } => (Operation::DeleteSpace, vec![id.clone()]),
            Mutation::CreateRole { .. } => (Operation::CreateRole, Vec::new()),
            Mutation::UpdateRole { .. } => (Operation::UpdateRole, Vec::new()),
            Mutation::DeleteRole { .. } => (Operation::DeleteRole, Vec::new()),
            Mutation::CreateGroup { .. } => (Operation::CreateGroup, Vec::new()),
            Mutation::UpdateGroup { .. } => (Operation::UpdateGroup, Vec::new()),
            Mutation::DeleteGroup { .. } => (Operation::DeleteGroup, Vec::new()),
            Mutation::CreateBinding { space, .. } => (Operation::Bind, vec![space.clone()]),
            Mutation::DeleteBinding { id } => {
                // Whoever may see bindings may know that there is none.
                standing.check(Operation::ViewBindings, &[])?;
                let binding = self.store.binding(*id).await?.ok_or(StoreError::NotFound(Resource::Binding(*id)))?;
                (Operation::Unbind, vec![binding.space])
            }
            Mutation::CreatePolicy(_) => (Operation::CreatePolicy, Vec::new()),
            Mutation::UpdatePolicy { .. } => (Operation::UpdatePolicy, Vec::new()),
            Mutation::DeletePolicy { .. } => (Operation::DeletePolicy, Vec::new()),
            Mutation::SetStrategy(_) => (Operation::SetStrategy, Vec::new()),
        })
    }

    pub(super) async fn is_at(&self, resource: &Resource, wanted: Revision) -> Result<(), StoreError> {
        match self.store.revision_of(resource).await? {
            Some(at) if at == wanted => Ok(()),
            Some(at) => Err(Unmet::Changed { resource: resource.clone(), wanted, at }.into()),
            None => Err(Unmet::Absent(resource.clone()).into()),
        }
    }

    /// What is odd about a policy that is to be in force, or its faults. Compiled beside the threads that others wait for.
    pub(super) async fn reviewed(&self, mutation: &Mutation, snapshot: &Snapshot) -> Result<Vec<PolicyFault>, ControlError> {
        let Some(policy) = mutation.policy() else { return Ok(Vec::new()) };
        let findings = self.review(&policy, snapshot).await?;
        if findings.iter().any(PolicyFault::is_error) { Err(ControlError::Policy(findings)) } else { Ok(findings) }
    }

    /// Everything that is to be told of a policy before it is put in force among the others; nothing where nobody serves.
    ///
    /// # Errors
    /// The store is away.
    pub async fn review(&self, new: &LoginPolicy, snapshot: &Snapshot) -> Result<Vec<PolicyFault>, ControlError> {
        let Some(serving) = &self.serving else { return Ok(Vec::new()) };
        let settings = serving.settings.now().policies.clone();
        let vocabulary = Vocabulary::of(snapshot).with_keys(self.store.key_names(NAMED_KEYS_MAX).await?);
        let others = snapshot.policies.iter().filter(|policy| policy.name != new.name);
        let mut sources: Vec<PolicySource> = others.chain([new]).map(PolicySource::from).collect();
        let name: PolicyName = new.name.clone();
        let reviewed = tokio::task::spawn_blocking(move || {
            match settings.dir.as_deref().map_or_else(|| Ok(Vec::new()), policy::read_dir) {
                Ok(of_dir) => sources.extend(of_dir),
                Err(faults) => return faults,
            }
            let mut findings = policy::review(&sources, &settings, &vocabulary);
            findings.retain(|finding| finding.is_error() || finding.policy == name.as_str());
            findings
        });
        reviewed.await.map_err(|_| ControlError::Store(StoreError::Unavailable("the policy cannot be looked at".to_owned())))
    }
}

/// Whether a key works when it presents this secret.
pub(super) fn works(key: &KeyRecord, digest: &KeyDigest, now: Timestamp) -> bool {
    key.state_at(now) == KeyState::Active && key.secret(digest).is_some_and(|secret| !secret.ended_at(now))
}
