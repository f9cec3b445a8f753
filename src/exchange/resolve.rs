//! The cold path: what a credential takes when the cache has none.

use std::sync::Arc;
use std::time::Duration;

use super::cache::{Answer, Entry, Fill};
use super::credential::{Credential, SignedToken, TokenContents, earlier, when};
use super::decide::{Decided, Procedure, Question, Undecided};
use super::flight::{FlightKey, LookedUp, Resolution};
use super::generation::Stamp;
use super::origin::Origin;
use super::samples::Taken;
use super::service::Exchange;
use super::single_flight::Join;
use super::state::State;
use super::timed::STORE_TIMEOUT;
use super::uses;
use crate::clock::Moment;
use crate::model::{Decision, KeyDigest, Refusal, Revision, SpaceId, WhyInvalid, WhyUnavailable};
use crate::policy::Facet;
use crate::telemetry::StoreOperation;
use crate::token::{Scope, Subject, TokenError};

/// How often a decision is made anew because something has changed meanwhile.
const ATTEMPTS: usize = 3;
/// How often a key and a state are read until they belong together; where much changes and the store is far, that takes some rounds.
const PAIRINGS: usize = 64;
/// How often a request that waited for others tries again when their answer turns out not to be its own.
const ROUNDS: usize = 4;

/// How long it takes to say that a key works for nobody, if it was not known: longer than a store takes to find a key and all that is
/// bound to it.
const INVALID_AFTER: Duration = Duration::from_millis(2);

const CONTENTION: Refusal = Refusal::Unavailable(WhyUnavailable::Contention);
const STORE: Refusal = Refusal::Unavailable(WhyUnavailable::Store);

/// What an attempt comes to.
struct Attempt {
    resolution: Resolution,
    fill: Fill,
    /// What a policy wants kept of it.
    sample: Option<Taken>,
}

/// What an attempt rests on: read in this order, and all of one epoch.
struct Basis {
    /// Every change up to this one is seen under the stamp.
    revision: Revision,
    stamp: Stamp,
    state: Arc<State>,
}

impl Exchange {
    /// Joins the resolution that answers this request, or begins it.
    pub(super) async fn resolved(&self, digest: &KeyDigest, origin: &Origin, scope: Option<&SpaceId>) -> Result<Credential, Refusal> {
        for _ in 0..ROUNDS {
            let stamp = self.cache.stamp(digest);
            let facet = self.facet(origin);
            let (leads, waiter) = match self.flights.join(FlightKey { digest: *digest, stamp, facet, scope: scope.cloned() }) {
                Join::Lead(leader) => {
                    let waiter = leader.waiter();
                    let (me, digest, origin, scope) = (self.me(), *digest, origin.clone(), scope.cloned());
                    // On its own, so that neither the caller's runtime nor the caller's going away matters to the others.
                    self.control.spawn(async move {
                        let resolution = me.resolve(&digest, &origin, scope.as_ref()).await;
                        leader.answer(resolution);
                    });
                    (true, waiter)
                }
                Join::Follow(waiter) => (false, waiter),
                Join::Full => return Err(Refusal::Overloaded),
            };
            match waiter.answer().await {
                Some(Resolution::Decided(answer, entry)) => {
                    let facet = origin.facet(&entry.reads, self.state.load().settings.cache.time_quantum);
                    if leads || answer.fits(&facet, scope, origin.at) {
                        return answer.to_result(entry.key.id);
                    }
                }
                Some(Resolution::Refused(refusal)) => return Err(refusal),
                None => {
                    if leads {
                        tracing::error!("a resolution ended without an answer: it panicked, or the control runtime is gone");
                    }
                    return Err(CONTENTION);
                }
            }
        }
        Err(CONTENTION)
    }

    /// What an answer to this request may depend on, whoever makes it.
    fn facet(&self, origin: &Origin) -> Facet {
        let state = self.state.load();
        origin.facet(&state.reads(), state.settings.cache.time_quantum)
    }

    pub(super) fn me(&self) -> Arc<Self> {
        self.me.upgrade().expect("whoever borrows an exchange borrows it from an Arc: `start` makes no other")
    }

    /// Steps 1 to 7, and 8: if something has changed meanwhile, once more.
    async fn resolve(&self, digest: &KeyDigest, origin: &Origin, scope: Option<&SpaceId>) -> Resolution {
        let began = self.clock.now().monotonic;
        if self.has_slept(origin.at) && !self.wake(origin.at).await {
            return Resolution::Refused(CONTENTION);
        }
        if self.is_stale(origin.at) && !self.make_contact(origin.at).await {
            return Resolution::Refused(STORE);
        }
        // What an attempt has decided was right when it read the key, and that was after the request had come. So the last one may be
        // served though it was not kept.
        let (mut resolution, mut sample, mut moved) = (Resolution::Refused(CONTENTION), None, 0);
        for _ in 0..PAIRINGS {
            match self.attempt(digest, origin, scope, began).await {
                Ok(Some(Attempt { resolution: decided, fill, sample: taken })) => {
                    (resolution, sample) = (decided, taken);
                    match fill {
                        Fill::Kept => break,
                        Fill::Moved => moved += 1,
                    }
                    if moved == ATTEMPTS {
                        break;
                    }
                }
                Ok(None) => {}
                Err(refusal) => return Resolution::Refused(refusal),
            }
        }
        if let Resolution::Decided(Answer { outcome: Ok(_), .. }, _) = &resolution {
            self.uses.note(digest, uses::minute_of(origin.at.wall));
        }
        if let Some(taken) = sample {
            self.samples.offer(taken, origin.at.monotonic);
        }
        resolution
    }

    /// `None`: what was read does not belong together.
    async fn attempt(
        &self,
        digest: &KeyDigest,
        origin: &Origin,
        scope: Option<&SpaceId>,
        began: Duration,
    ) -> Result<Option<Attempt>, Refusal> {
        // 1  What is current, before anything is looked up.
        let basis = self.basis(digest).await?;

        // 2  The key, from its entry or the store, and the state that it belongs with.
        let Some(entry) = self.entry(digest, &basis).await? else {
            return Ok(Some(self.invalid(digest, basis.stamp, WhyInvalid::Unknown, origin, began).await));
        };
        let Some((basis, entry)) = self.paired(digest, basis, entry).await? else { return Ok(None) };
        let Basis { state, .. } = &basis;

        // 3  Whether it works at all.
        if let Some(why) = entry.why_invalid(origin.at.wall) {
            return Ok(Some(self.invalid(digest, basis.stamp, why, origin, began).await));
        }

        // 4, 5  Grants, and what the policies say.
        let key = entry.key.record();
        let question = Question {
            snapshot: &state.snapshot,
            shared: &state.shared,
            policies: &state.policies,
            key: &key,
            origin,
            settings: &state.settings,
        };
        let Decided { decision, verdicts } = self.procedure.decide(&question).await.map_err(|undecided| {
            let Undecided { refusal, for_the_next } = undecided;
            if let Some(pause) = for_the_next {
                entry.pause(origin.at.plus(pause));
            }
            refusal
        })?;

        // 6  The token.
        let answer = self.answer(&basis, &entry, &decision, origin, scope)?;

        // 7  Kept only if nothing has changed meanwhile.
        let fill = self.cache.fill(digest, &entry, &answer, origin.at);
        let input = decision.sample.then(|| Procedure::input(&question));
        let sample = input.map(|input| Taken { at: origin.at.wall, input, decision, verdicts });
        Ok(Some(Attempt { resolution: Resolution::Decided(answer, Arc::clone(&entry)), fill, sample }))
    }

    /// The end of an attempt for what works for nobody. It is remembered, and the answer given, so long after the beginning that it does not
    /// show how much there was to look up: nobody learns by the time whether there is such a key.
    async fn invalid(&self, digest: &KeyDigest, stamp: Stamp, why: WhyInvalid, origin: &Origin, began: Duration) -> Attempt {
        let took = self.clock.now().monotonic.saturating_sub(began);
        pause(INVALID_AFTER.saturating_sub(took)).await;
        let span = (origin.at.wall, origin.at.plus(self.state.load().settings.cache.negative_ttl));
        let fill = self.cache.fill_absence(digest, stamp, span, why);
        Attempt { resolution: Resolution::Refused(Refusal::InvalidKey(why)), fill, sample: None }
    }

    /// Reads what an attempt rests on.
    async fn basis(&self, digest: &KeyDigest) -> Result<Basis, Refusal> {
        let mut in_force = self.in_force.subscribe();
        loop {
            let revision = in_force.borrow_and_update().revision;
            let stamp = self.cache.stamp(digest);
            let state = self.state.load_full();
            if state.epoch == stamp.epoch() {
                return Ok(Basis { revision, stamp, state });
            }
            // Published, and not announced yet: with this state, keys that were read before may make a pair that never was.
            let announced = in_force.wait_for(|in_force| in_force.epoch >= state.epoch);
            match tokio::time::timeout(STORE_TIMEOUT, announced).await {
                Ok(Ok(_)) => {}
                Ok(Err(_)) | Err(_) => return Err(CONTENTION),
            }
        }
    }

    /// Key and state as they were in force together, at the change that the key was read as of. `None`: they never may have been.
    ///
    /// The key is read from the store, which is ahead of the state while another process's changes are on their way: the key may stand in
    /// a group that the state still gives a role which was taken away before. So the state is brought up to the key's revision first.
    async fn paired(&self, digest: &KeyDigest, basis: Basis, entry: Arc<Entry>) -> Result<Option<(Basis, Arc<Entry>)>, Refusal> {
        self.catch_up_with(entry.as_of).await?;
        let now = self.basis(digest).await?;
        let revision = basis.revision.max(entry.as_of);
        if now.stamp.epoch() == basis.stamp.epoch() {
            // The state was read before the key, and no change up to the key's revision has touched it.
            return Ok(Some((Basis { revision, ..basis }, entry)));
        }
        if now.state.snapshot.revision > entry.as_of {
            // The key may have changed before the state became what it is.
            return Ok(None);
        }
        // Nothing has touched this state up to the key's revision. What comes of it is not kept: the old stamp is not current any more.
        let reads = now.state.with_said(Procedure::reads(&now.state.snapshot, &now.state.policies, &entry.key.record()));
        let entry = Arc::new(entry.read_for(reads));
        Ok(Some((Basis { revision, stamp: basis.stamp, state: now.state }, entry)))
    }

    /// The key's entry under this stamp; one reading of the store serves all who want it now.
    async fn entry(&self, digest: &KeyDigest, basis: &Basis) -> LookedUp {
        if let Some(entry) = self.cache.entry(digest, basis.stamp) {
            return Ok(Some(entry));
        }
        match self.records.join((*digest, basis.stamp)) {
            Join::Lead(leader) => {
                let looked_up = self.look_up_in_store(digest, basis).await;
                leader.answer(looked_up.clone());
                looked_up
            }
            Join::Follow(waiter) => waiter.answer().await.unwrap_or(Err(CONTENTION)),
            Join::Full => Err(Refusal::Overloaded),
        }
    }

    async fn look_up_in_store(&self, digest: &KeyDigest, basis: &Basis) -> LookedUp {
        let found = self.timed.call(StoreOperation::FindKey, self.store.find_key(digest)).await.map_err(|error| {
            // The follower says aloud that the store is gone; here it would be said once for each request.
            tracing::debug!(%error, "a key could not be looked up");
            STORE
        })?;
        Ok(found.map(|mut found| {
            basis.state.snapshot.lend_names(&mut found.key);
            let reads = basis.state.with_said(Procedure::reads(&basis.state.snapshot, &basis.state.policies, &found.key));
            let entry = Arc::new(Entry::new(basis.stamp, digest, found, reads));
            self.cache.fill_entry(digest, &entry);
            entry
        }))
    }

    /// What the decision comes to, and for which requests and how long it may be given again.
    fn answer(
        &self,
        basis: &Basis,
        entry: &Entry,
        decision: &Decision,
        origin: &Origin,
        scope: Option<&SpaceId>,
    ) -> Result<Answer, Refusal> {
        let settings = &basis.state.settings;
        let quantum = settings.cache.time_quantum;
        let facet = origin.facet(&entry.reads, quantum);
        let forever = Moment { wall: jiff::Timestamp::MAX, monotonic: Duration::MAX };
        let quantum_ends = facet.quantum().map_or(forever, |beginning| when(origin.at, crate::clock::later(beginning, quantum)));
        let begins = facet.quantum().unwrap_or(jiff::Timestamp::MIN);
        let about = scope.cloned();
        let refusal = match &decision.outcome {
            Ok(()) => match self.token(basis, entry, decision, scope, origin) {
                Ok(token) => {
                    let from = begins.max(token.issued_at());
                    return Ok(Answer { facet, scope: about, from, until: earlier(quantum_ends, token.until()), outcome: Ok(token) });
                }
                // As much a decision as a deny: it is the same until something changes.
                Err(refusal @ Refusal::TokenTooLarge(_)) => refusal,
                Err(undecided) => return Err(undecided),
            },
            Err(refusal) => refusal.clone(),
        };
        let until = earlier(quantum_ends, origin.at.plus(settings.token.ttl));
        Ok(Answer { facet, scope: about, from: begins, until, outcome: Err(refusal) })
    }

    /// A token that says what was decided: one that this entry has already, if it is young, or a new one.
    fn token(
        &self,
        basis: &Basis,
        entry: &Entry,
        decision: &Decision,
        scope: Option<&SpaceId>,
        origin: &Origin,
    ) -> Result<Arc<SignedToken>, Refusal> {
        let (Basis { revision, state, .. }, now) = (basis, origin.at);
        let confirmation = origin.confirmation(&state.settings.token);
        let contents = TokenContents::of(decision, &state.snapshot, scope, confirmation);
        if let Some(young) = entry.young_token(&contents, state.settings.token.ttl, now) {
            return Ok(young);
        }
        let (effective, bound) = (decision.grants.effective(&state.snapshot.spaces), decision.grants.bound());
        let scope = scope.map(|space| Scope::of(space, &effective, &state.snapshot));
        let bound_to = origin.certificate.as_ref().filter(|_| confirmation.is_some());
        let certificate_ends = bound_to.map(|certificate| certificate.not_after);
        let subject = Subject {
            key: entry.key.id,
            name: &entry.key.name,
            groups: &decision.groups,
            effective: &effective,
            bound: &bound,
            scope: scope.as_ref(),
            confirmation,
            revision: *revision,
            not_after: entry.usable_until().into_iter().chain(certificate_ends).min(),
        };
        let minted = state.minter.mint(&state.ring, &subject, now.wall).map_err(|error| match error {
            TokenError::TooLarge(size) => {
                tracing::warn!(key = %entry.key.id, %error, "what the key holds does not fit into a token; it is refused");
                Refusal::TokenTooLarge(size)
            }
            TokenError::Keys(_) | TokenError::Roll(_) | TokenError::Signing(_) => {
                tracing::error!(key = %entry.key.id, %error, "no token could be signed; the request is refused");
                Refusal::Unavailable(WhyUnavailable::Signing)
            }
        })?;
        self.metrics.token_issued(state.ring.algorithm());
        Ok(Arc::new(SignedToken::new(minted, contents, state.settings.token.ttl, now)))
    }
}

#[expect(clippy::disallowed_methods, reason = "the wait is the purpose; that the runtime's timers are coarse serves it")]
async fn pause(span: Duration) {
    tokio::time::sleep(span).await;
}
