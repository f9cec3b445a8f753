//! Puts changes in force: those of this process before they are acknowledged, those of others as the store's feed shows them.
//!
//! Every change takes the same steps, under one lock: publish what can be read of it, announce (the stamps of all that it may touch
//! move), evict, acknowledge. A policy reload and another signing key take them too, and so does a policy that turns out to have been
//! understood wrongly.
//!
//! Nobody who compiles policies keeps the lock for long: while a large text is looked at, a key that has been revoked must go. So what the
//! store's policies have become is refused until it is compiled, if that takes longer than a change may take, and is put in force later.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::watch;

use super::error::ExchangeError;
use super::feed::Feed;
use super::monotonic::{NEVER, nanos};
use super::remarks::{known_keys, log_warnings};
use super::service::Exchange;
use super::state::{self, Policies, State};
use super::timed::STORE_TIMEOUT;
use crate::clock::Moment;
use crate::config::{PolicySettings, Settings, TokenSettings};
use crate::model::{Change, Changes, KeyDigest, PolicyName, Reach, Refusal, Revision, Snapshot, WhyUnavailable};
use crate::policy::{PolicyFault, PolicySet, PolicySource, Vocabulary};
use crate::store::StoreError;
use crate::telemetry::{CacheKind, StoreOperation};
use crate::token::KeyRing;

/// The feed is read at least this often, whatever hints the store gives.
const POLL: Duration = Duration::from_millis(500);
/// A store that fails is asked again after this time.
const RETRY: Duration = Duration::from_millis(100);
/// Hints that come in a flood are taken together.
const BREATH: Duration = Duration::from_millis(2);
/// How long a request waits for somebody else's look at the feed, and for the policies that are compiled meanwhile.
const CONTACT_TIMEOUT: Duration = Duration::from_millis(500);
/// How long changes wait for policies to be compiled, so that they are in force within a second. Builds for development are slower.
const COMPILE_TIMEOUT: Duration = if cfg!(debug_assertions) { Duration::from_secs(2) } else { Duration::from_millis(400) };
/// How often policies are compiled anew because the store's have changed meanwhile.
const RELOADS: usize = 8;
/// How long a request waits for that after this process has not run: whoever comes then has waited already, and all of them come at once.
const WAKING: Duration = Duration::from_secs(3);
/// How often it is noted that changes are looked after.
const ATTENTION: Duration = Duration::from_millis(250);
/// How often notes of use are written, and signing keys looked at for those past their time.
const HOUSEKEEPING: Duration = Duration::from_secs(10);
/// How often sizes are shown.
const GAUGES: Duration = Duration::from_secs(1);

/// Compiled, and what is odd about them; or every fault.
type Compiled = Result<(PolicySet, Vec<PolicyFault>), Vec<PolicyFault>>;

impl Exchange {
    /// Puts a change that this process has committed into force; when it returns, no request gets an older answer.
    pub async fn applied(&self, change: &Change) -> Result<(), StoreError> {
        let mut feed = self.feed.lock().await;
        if feed.seen >= change.revision {
            return Ok(());
        }
        if let Reach::Key(_, digests) = &change.reach {
            // At once, whatever is to be read of changes before this one: the key itself is read from the store, by and by.
            self.cache.change_keys(digests);
            self.bells.ring(digests);
            if change.revision == feed.seen.next() {
                self.acknowledge(&mut feed, change.revision, std::slice::from_ref(change));
                return Ok(());
            }
        }
        self.take_changes(&mut feed, Asked::Anyway).await?;
        if feed.seen >= change.revision {
            Ok(())
        } else {
            Err(StoreError::Unavailable(format!("the feed ends at revision {}, before {}", feed.seen, change.revision)))
        }
    }

    /// Puts everything into force that the store's feed shows by now, and says how far that is.
    pub async fn catch_up(&self) -> Result<Revision, StoreError> {
        let mut feed = self.feed.lock().await;
        self.take_changes(&mut feed, Asked::Anyway).await?;
        Ok(feed.seen)
    }

    /// The last change that is in force here, if it was the store's last one at some time within so long before now: else the feed is read first.
    pub async fn confirmed(&self, within: Duration) -> Result<Revision, StoreError> {
        let contact = self.contact.load(Ordering::Acquire);
        let age = self.clock.monotonic().saturating_sub(Duration::from_nanos(contact));
        if contact != NEVER && age <= within { Ok(self.applied_revision()) } else { self.catch_up().await }
    }

    /// When everything that was committed was in force here, by the monotonic clock.
    pub fn confirmed_at(&self) -> Duration {
        match self.contact.load(Ordering::Acquire) {
            NEVER => Duration::ZERO,
            contact => Duration::from_nanos(contact),
        }
    }

    /// Returns when the change with this number is in force here.
    pub async fn reached(&self, revision: Revision) {
        let mut in_force = self.in_force.subscribe();
        // An error says that the sender is gone; it lives as long as `self`.
        let _reached = in_force.wait_for(|in_force| in_force.revision >= revision).await;
    }

    /// Follows the store's change feed and the clock until the returned future is dropped.
    pub async fn follow(self: Arc<Self>) {
        tokio::join!(self.follow_feed(), self.attend(), self.keep_house(), self.keep_uses());
    }

    /// Reads policies.dir and the signing keys anew. On a fault the old ones stay in force.
    ///
    /// Counted and logged here; the error is for callers who want to show it.
    pub async fn reload(&self) -> Result<(), ExchangeError> {
        let settings = Arc::clone(&self.state.load().settings);
        self.reload_with(settings, || {}).await
    }

    /// The same by other settings, which are in force afterwards; `also` puts them in force elsewhere, before it is told that they are.
    pub async fn reload_with(&self, settings: Arc<Settings>, also: impl FnOnce()) -> Result<(), ExchangeError> {
        let outcome = self.reload_files(&settings).await;
        if outcome.is_ok() {
            also();
        }
        self.metrics.config_reload(outcome.is_ok());
        match &outcome {
            Ok(()) => {
                let state = self.state.load();
                let names: Vec<&str> = state.policies.iter().flat_map(|policies| policies.names()).map(PolicyName::as_str).collect();
                tracing::info!(policies = names.len(), names = names.join(", "), "login policies and signing keys have been reloaded");
            }
            Err(ExchangeError::Policies(faults)) => log_faults(faults, "login policies have faults; the old ones stay in force"),
            Err(error) => tracing::error!(%error, "login policies and signing keys could not be reloaded; the old ones stay in force"),
        }
        outcome
    }

    /// Writes down which secrets were used; worth a call before the process ends.
    pub async fn record_uses(&self) {
        let uses = self.uses.take();
        if !uses.is_empty() {
            let recorded = self.timed.call(StoreOperation::RecordUse, self.store.record_use(uses.all())).await;
            uses.are_recorded(&recorded);
        }
    }

    async fn keep_uses(&self) {
        loop {
            pause(HOUSEKEEPING).await;
            let uses = self.uses.take();
            if !uses.is_empty() {
                let recorded = self.timed.call_at_leisure(StoreOperation::RecordUse, self.store.record_use(uses.all())).await;
                uses.are_recorded(&recorded);
            }
        }
    }

    /// Looks at the feed because what is loaded has grown too old; `false`: it still is.
    pub(super) async fn make_contact(&self, at: Moment) -> bool {
        // While the store is away, all but a few requests are refused at once instead of asking it again.
        let failure = self.failure.load(Ordering::Relaxed);
        if failure != NEVER && nanos(at.monotonic).saturating_sub(failure) < nanos(POLL) {
            return false;
        }
        let Ok(mut feed) = tokio::time::timeout(CONTACT_TIMEOUT, self.feed.lock()).await else { return false };
        !self.is_stale(at) || self.take_changes(&mut feed, Asked::Anew).await.is_ok() && !self.is_stale(at)
    }

    /// Looks at the feed because this process has not run for a while; `false`: somebody else still does.
    ///
    /// If the store does not answer, it is as with any store that is away: what is loaded serves on for a while.
    pub(super) async fn wake(&self, at: Moment) -> bool {
        let Ok(mut feed) = tokio::time::timeout(WAKING, self.feed.lock()).await else { return false };
        if self.has_slept(at) {
            let attended = Duration::from_nanos(self.attended.load(Ordering::Acquire));
            let slept = at.monotonic.saturating_sub(attended);
            let outcome = self.take_changes(&mut feed, Asked::Anew).await;
            tracing::warn!(
                ?slept,
                answers = outcome.is_ok(),
                "this process has not run for a while: the store was asked what has changed meanwhile"
            );
            self.attended.store(nanos(self.clock.monotonic()), Ordering::Release);
        }
        true
    }

    /// Returns when everything up to `revision`, which the store shows, is in force.
    pub(super) async fn catch_up_with(&self, revision: Revision) -> Result<(), Refusal> {
        if self.applied_revision() >= revision {
            return Ok(());
        }
        // What was told last may end before it, and whoever is asked for the rest may not have it in force yet.
        let caught_up = async {
            loop {
                {
                    // Whoever has had the feed meanwhile may have put it in force.
                    let mut feed = self.feed.lock().await;
                    let mut told = true;
                    while feed.seen < revision && told {
                        let before = feed.seen;
                        self.take_changes(&mut feed, Asked::Anyway).await?;
                        told = feed.seen > before;
                    }
                    if feed.seen >= revision {
                        return Ok::<(), StoreError>(());
                    }
                }
                pause(BREATH).await;
            }
        };
        match tokio::time::timeout(STORE_TIMEOUT, caught_up).await {
            Ok(Ok(())) => Ok(()),
            // Late is better than refused, and as late as a look-up may be.
            Err(_) => Err(Refusal::Unavailable(WhyUnavailable::Contention)),
            Ok(Err(error)) => {
                tracing::debug!(%error, "the store has shown a key and does not show its feed");
                Err(Refusal::Unavailable(WhyUnavailable::Store))
            }
        }
    }

    pub(super) fn show_revision(&self, revision: Revision) {
        let revision = i64::try_from(revision.0).unwrap_or(i64::MAX);
        self.metrics.store_revision.set(revision);
        self.metrics.applied_revision.set(revision);
    }

    pub(super) fn show_policies(&self, state: &State) {
        let policies = state.policies.as_ref().map_or(0, |policies| policies.names().len());
        self.metrics.policies.set(i64::try_from(policies).unwrap_or(i64::MAX));
    }

    async fn follow_feed(&self) {
        let (mut reachable, mut refuses) = (true, false);
        loop {
            // A hint or the timer; which of them does not matter.
            let _hint = tokio::time::timeout(POLL, self.store.woken()).await;
            match self.catch_up().await {
                Ok(_) if !reachable => {
                    reachable = true;
                    tracing::info!("the store answers again");
                }
                Ok(_) => {}
                Err(error) if reachable => {
                    reachable = false;
                    let serving_for = self.state.load().settings.store.max_staleness;
                    tracing::warn!(%error, ?serving_for, "the store does not answer; what is loaded serves on for a while");
                }
                Err(error) => tracing::debug!(%error, "the store still does not answer"),
            }
            let was_heard_of = self.contact.load(Ordering::Acquire) != NEVER;
            let is_too_long_ago = was_heard_of && !reachable && self.is_stale(self.clock.now());
            if is_too_long_ago && !refuses {
                let max_staleness = self.state.load().settings.store.max_staleness;
                tracing::error!(
                    ?max_staleness,
                    "nothing has been heard of the store for too long: every request is refused until it answers"
                );
            }
            refuses = is_too_long_ago;
            pause(if reachable { BREATH } else { RETRY }).await;
        }
    }

    /// Notes that changes are looked after; if nobody has for a while, looks at them before.
    async fn attend(&self) {
        loop {
            let now = self.clock.now();
            if self.has_slept(now) {
                // If it comes to nothing, it is tried again.
                let _awake = self.wake(now).await;
            } else {
                self.attended.store(nanos(now.monotonic), Ordering::Release);
            }
            pause(ATTENTION).await;
        }
    }

    async fn keep_house(&self) {
        let mut since = self.clock.now().monotonic;
        loop {
            let (credentials, absences) = self.cache.sizes();
            self.metrics.cache_entries(CacheKind::Credential, credentials);
            self.metrics.cache_entries(CacheKind::Absence, absences);
            let now = self.clock.now().monotonic;
            if now.saturating_sub(since) >= HOUSEKEEPING {
                since = now;
                self.retire_signing_keys().await;
            }
            pause(GAUGES).await;
        }
    }

    /// Puts in force what the feed shows after what has been seen.
    async fn take_changes(&self, feed: &mut Feed, asked: Asked) -> Result<(), StoreError> {
        let asked_at = self.clock.now();
        match self.take_changes_after(feed, asked).await {
            Ok(()) => {
                // Whoever only passes on what somebody else has may know it for longer.
                let confirmed_at = self.store.confirmed_at().map_or(asked_at.monotonic, |at| at.min(asked_at.monotonic));
                self.contact.store(nanos(confirmed_at), Ordering::Release);
                self.failure.store(NEVER, Ordering::Relaxed);
                Ok(())
            }
            Err(error) => {
                self.failure.store(nanos(asked_at.monotonic), Ordering::Relaxed);
                Err(error)
            }
        }
    }

    async fn take_changes_after(&self, feed: &mut Feed, asked: Asked) -> Result<(), StoreError> {
        let changes = async {
            match asked {
                Asked::Anyway => self.store.changes_after(feed.seen).await,
                Asked::Anew => self.store.changes_by_now(feed.seen).await,
            }
        };
        let changes = match self.timed.call(StoreOperation::ChangesAfter, changes).await? {
            Changes::Since(changes) => changes,
            Changes::TooOld => {
                let snapshot = self.timed.call(StoreOperation::Snapshot, self.store.snapshot()).await?;
                if snapshot.revision < feed.seen {
                    tracing::warn!(
                        seen = feed.seen.0,
                        found = snapshot.revision.0,
                        "the store's revision has gone back: was a backup restored?"
                    );
                }
                self.take_snapshot(feed, snapshot, &[]).await;
                return Ok(());
            }
        };
        let Some(last) = changes.last().map(|change| change.revision) else { return Ok(()) };
        self.metrics.store_revision.set(i64::try_from(last.0).unwrap_or(i64::MAX));
        match touched(&changes) {
            Touched::Keys(digests) => {
                self.cache.change_keys(&digests);
                self.bells.ring(&digests);
                self.acknowledge(feed, last, &changes);
            }
            Touched::Everybody => {
                let snapshot = self.timed.call(StoreOperation::Snapshot, self.store.snapshot()).await?;
                if snapshot.revision < last {
                    return Err(StoreError::Unavailable(format!("it shows revision {} after {last}", snapshot.revision)));
                }
                // It may be newer than the feed was. That is well: a new epoch leaves nothing behind, whatever has changed.
                self.take_snapshot(feed, snapshot, &changes).await;
            }
        }
        Ok(())
    }

    async fn take_snapshot(&self, feed: &mut Feed, snapshot: Snapshot, changes: &[Change]) {
        let state = self.state.load_full();
        let unchanged = (state.policies.is_ok() || feed.compiling) && snapshot.policies == state.snapshot.policies;
        let policies = if unchanged { state.policies.clone() } else { self.policies_in_time(feed, &snapshot).await };
        let revision = snapshot.revision;
        self.put_in_force(|next| next.with_snapshot(snapshot).with_policies(policies));
        self.acknowledge(feed, revision, changes);
    }

    /// The policies of files and store together, if they are compiled in time. If not, none are in force until they are, and keys that
    /// they concern are refused: neither the old ones nor a later change may wait for them.
    async fn policies_in_time(&self, feed: &mut Feed, snapshot: &Snapshot) -> Policies {
        feed.compilation += 1;
        // Whoever waits here may be dropped, and then nobody puts in force what is being compiled.
        feed.compiling = false;
        let (me, files, snapshot, compilation) = (self.me(), feed.files.clone(), snapshot.clone(), feed.compilation);
        let settings = Arc::clone(&self.state.load().settings);
        let mut compiling = self.control.spawn(async move { me.compile(&files, &snapshot, &settings.policies).await });
        if let Ok(compiled) = tokio::time::timeout(COMPILE_TIMEOUT, &mut compiling).await {
            return usable(compiled.unwrap_or_else(|crash| Err(vec![unreadable(crash.to_string())])), feed);
        }
        feed.compiling = true;
        tracing::warn!("the login policies take long to compile; keys that they concern are refused until they are");
        let me = self.me();
        self.control.spawn(async move {
            let compiled = compiling.await.unwrap_or_else(|crash| Err(vec![unreadable(crash.to_string())]));
            let mut feed = me.feed.lock().await;
            if feed.compilation == compilation {
                let policies = usable(compiled, &mut feed);
                me.put_in_force(|next| next.with_policies(policies));
            }
        });
        Err(Arc::new([unreadable("the login policies are still being compiled".to_owned())]))
    }

    async fn compile(&self, files: &[PolicySource], snapshot: &Snapshot, settings: &PolicySettings) -> Compiled {
        let (files, stored, settings) = (files.to_vec(), snapshot.policies.clone(), settings.clone());
        let in_force = self.state.load().policies.clone();
        let vocabulary = Vocabulary::of(snapshot).with_keys(known_keys(&self.timed, &*self.store).await);
        let work = move || {
            let policies = state::compile(&files, &stored, &settings, in_force.as_deref().unwrap_or(&PolicySet::none()))?;
            let warnings = policies.warnings(&vocabulary);
            Ok((policies, warnings))
        };
        off_runtime(work).await.unwrap_or_else(|crash| Err(vec![unreadable(crash.to_string())]))
    }

    async fn reload_files(&self, settings: &Arc<Settings>) -> Result<(), ExchangeError> {
        // One after the other: of two, the later one has read the newer files.
        let _reloading = self.reloading.lock().await;
        let dir: Option<PathBuf> = settings.policies.dir.clone();
        let files = self.files.read("the login policies", move || state::policy_files(dir.as_deref())).await?;
        let files = files.map_err(ExchangeError::Policies)?;
        // A volume that is gone, or a ConfigMap without entries, looks like this: every `deny` would be gone with it, and nobody would see.
        if let Some(dir) = settings.policies.dir.as_ref().filter(|_| files.is_empty()) {
            let (feed, state) = (self.feed.lock().await, self.state.load());
            // One that has moved into the store is not gone.
            let is_gone = |file: &PolicySource| !state.snapshot.policies.iter().any(|policy| policy.name == file.name);
            if feed.files.iter().any(is_gone) {
                return Err(ExchangeError::NoPolicyLeft(dir.clone()));
            }
        }
        // Not under the lock, either: a file system that does not answer must keep no change from being put in force.
        let ring = Arc::new(self.reopen_ring(settings.token.clone()).await?);
        let mut compiled = None;
        for _ in 0..RELOADS {
            let mut feed = self.feed.lock().await;
            let state = self.state.load_full();
            let same_policies = files == feed.files && state.policies.is_ok() && settings.policies == state.settings.policies;
            let fitting = |(stored, _): &(Arc<Snapshot>, _)| stored.policies == state.snapshot.policies;
            let policies = match compiled.take_if(|compiled| fitting(compiled)) {
                _ if same_policies => state.policies.clone(),
                Some((_, (policies, warnings))) => {
                    log_warnings(warnings, &mut feed.warned);
                    Ok(Arc::new(policies))
                }
                None => {
                    // Not under the lock: changes go on, and if one of them touches the policies, this was for nothing.
                    drop(feed);
                    let policies = self.compile(&files, &state.snapshot, &settings.policies).await.map_err(ExchangeError::Policies)?;
                    compiled = Some((Arc::clone(&state.snapshot), policies));
                    continue;
                }
            };
            feed.files = files;
            if !same_policies || state.ring_differs(&ring) || **settings != *state.settings {
                feed.compilation += 1;
                feed.compiling = false;
                self.metrics.signing_keys(ring.states());
                self.put_in_force(|next| next.with_policies(policies).with_ring(ring).with_settings(Arc::clone(settings)));
            }
            return Ok(());
        }
        Err(ExchangeError::Policies(vec![unreadable("the store's policies change faster than they are compiled".to_owned())]))
    }

    /// A retired key leaves the published set when its last token has expired: nobody tells, so somebody must look.
    async fn retire_signing_keys(&self) {
        let now = self.clock.now().wall;
        if self.state.load().ring.stale_at().is_none_or(|end| now < end) {
            return;
        }
        let _reloading = self.reloading.lock().await;
        self.read_ring_again().await;
    }

    /// Puts in force what the signing keys are now. Only for who reloads.
    pub(super) async fn read_ring_again(&self) {
        let token = self.state.load().settings.token.clone();
        match self.reopen_ring(token).await {
            Ok(ring) => {
                let _feed = self.feed.lock().await;
                if self.state.load().ring_differs(&ring) {
                    self.metrics.signing_keys(ring.states());
                    self.put_in_force(|next| next.with_ring(Arc::new(ring)));
                }
            }
            Err(error) => tracing::warn!(%error, "the signing keys could not be read; those that are loaded stay in force"),
        }
    }

    /// The signing keys as they are now. Only a start makes one: see [`KeyRing::reopen`].
    async fn reopen_ring(&self, token: TokenSettings) -> Result<KeyRing, ExchangeError> {
        let now = self.clock.now().wall;
        Ok(self.files.read("the signing keys", move || KeyRing::reopen(&token, now)).await??)
    }

    /// Publish, announce, evict. Only for who holds the feed.
    fn put_in_force(&self, change: impl FnOnce(State) -> State) {
        let mut epoch = 0;
        self.cache.change_everybody(|next| {
            epoch = next;
            let state = change(self.state.load().next(next));
            self.max_staleness.store(nanos(state.settings.store.max_staleness), Ordering::Relaxed);
            self.cache.adapt_to(&state.settings.cache);
            self.show_policies(&state);
            self.state.store(Arc::new(state));
        });
        self.in_force.send_modify(|in_force| in_force.epoch = epoch);
        self.bells.ring_all();
    }

    /// Says that everything up to `revision` is in force.
    fn acknowledge(&self, feed: &mut Feed, revision: Revision, changes: &[Change]) {
        feed.seen = revision;
        self.in_force.send_modify(|in_force| in_force.revision = revision);
        self.show_revision(revision);
        let now = self.clock.now().wall;
        for change in changes {
            self.metrics.change_propagation(Duration::try_from(now.duration_since(change.at)).unwrap_or(Duration::ZERO));
        }
    }
}

/// Has everybody decided about anew whenever the compiled form of a policy is found to have given another answer than the engine: an answer
/// that was given cannot be taken back, but nothing that rests on it is given again. Ends with the evaluator, which tells of it.
pub(super) async fn decide_anew(exchange: Weak<Exchange>, mut disagreements: watch::Receiver<u64>) {
    let mut known = *disagreements.borrow_and_update();
    while disagreements.changed().await.is_ok() {
        let Some(exchange) = exchange.upgrade() else { return };
        let found = *disagreements.borrow_and_update();
        exchange.metrics.policy_disagreements(found.saturating_sub(known));
        known = found;
        let _feed = exchange.feed.lock().await;
        exchange.put_in_force(|next| next);
    }
}

/// How it is found out what has changed.
#[derive(Clone, Copy)]
enum Asked {
    /// Whoever follows somebody else says what they were told last.
    Anyway,
    /// Whoever has the store is asked, whatever was told before.
    Anew,
}

enum Touched {
    Keys(Vec<KeyDigest>),
    Everybody,
}

/// Whom a series of changes can touch, taken together.
fn touched(changes: &[Change]) -> Touched {
    let mut all = Vec::new();
    for change in changes {
        match &change.reach {
            Reach::Key(_, digests) => all.extend_from_slice(digests),
            Reach::All => return Touched::Everybody,
        }
    }
    Touched::Keys(all)
}

/// What there is of policies when they have been compiled. A store's policy that does not load leaves none in force: an older one of that
/// name may allow what the new one forbids.
fn usable(compiled: Compiled, feed: &mut Feed) -> Policies {
    feed.compiling = false;
    match compiled {
        Ok((policies, warnings)) => {
            log_warnings(warnings, &mut feed.warned);
            Ok(Arc::new(policies))
        }
        Err(faults) => {
            log_faults(&faults, "login policies have faults; keys that they concern are refused");
            Err(faults.into())
        }
    }
}

/// Work that reads files or compiles: not on the threads that requests wait for.
async fn off_runtime<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> std::io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(std::io::Error::other)
}

fn log_faults(faults: &[PolicyFault], message: &'static str) {
    for fault in faults {
        fault.diagnostic().log(message);
    }
}

fn unreadable(reason: String) -> PolicyFault {
    PolicyFault::of("", reason)
}

#[expect(clippy::disallowed_methods, reason = "the pace of a loop that nobody waits for; what it does is asked for directly in tests")]
async fn pause(span: Duration) {
    tokio::time::sleep(span).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, ManualClock};
    use crate::config::StoreUrl;
    use crate::exchange::origin::Origin;
    use crate::model::{BindingId, Cause, KeyDigest, KeyId, Mutation, NewKey, PlainKey, Strategy};
    use crate::policy::{EvaluationSettings, PolicyLimits};
    use crate::telemetry::Metrics;

    #[tokio::test]
    async fn what_a_compiled_form_has_wrongly_let_pass_is_decided_about_anew() {
        let dir = tempfile::tempdir().unwrap();
        let mut settings = Settings::default();
        settings.token.keys = dir.path().join("keys");
        settings.store.url = StoreUrl::Sqlite(dir.path().join("claviger.db"));
        let clock = Arc::new(ManualClock::at("2026-03-02T12:00:00Z".parse().unwrap()));
        let store = crate::store::open(&settings.store.url, Strategy::Combined, clock.clone()).await.unwrap();
        let digest = KeyDigest::of(&PlainKey::generate(KeyId::new(0, 0), &[7; 32]));
        let key = NewKey {
            id: KeyId::new(0, 1),
            name: "ci".parse().unwrap(),
            description: String::new(),
            groups: Vec::new(),
            expires_at: None,
            digest,
            bindings: vec![(BindingId::new(0, 2), "space-reader".parse().unwrap(), "root".parse().unwrap())],
        };
        store.apply(Mutation::CreateKey(key), &Cause::SYSTEM, None).await.unwrap();
        let metrics = Arc::new(Metrics::new());
        let exchange = Exchange::start(&settings, store, clock.clone(), metrics.clone()).await.unwrap();
        let limits = PolicyLimits { time: Duration::from_secs(5), memory: 64 << 20 };
        let always = EvaluationSettings { compare_every: 1, ..limits.into() };
        let set = PolicySet::mistranslated("deny if input.session.login == \"ci\"", "sample if false", always);
        exchange.put_in_force(|next| next.with_policies(Ok(Arc::new(set))));
        let epoch = exchange.in_force.borrow().epoch;
        let origin = Origin::at_address(Some([10, 1, 2, 3].into()), clock.now());

        // Let pass, unless the two were compared before it was answered.
        let first = exchange.credential(&digest, &origin).await;
        assert!(matches!(first, Ok(_) | Err(Refusal::Denied(_))));

        let mut in_force = exchange.in_force.subscribe();
        let moved = in_force.wait_for(|in_force| in_force.epoch > epoch);
        tokio::time::timeout(Duration::from_mins(1), moved).await.unwrap().unwrap();
        // The denial may be, if the first answer was it.
        assert!(!matches!(exchange.cached(&digest, &origin), Some(Ok(_))), "what was let pass is not found any more");
        assert!(matches!(exchange.credential(&digest, &origin).await, Err(Refusal::Denied(_))));
        assert!(metrics.render().contains("\nclaviger_policy_disagreements_total 1\n"));
    }
}
