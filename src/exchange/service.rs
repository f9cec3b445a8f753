//! The exchange itself: what it holds, the look-up of a credential, and what is told of its state.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::bells::Bells;
use super::cache::{CredentialCache, Found};
use super::credential::Credential;
use super::decide::Procedure;
use super::explain::{self, Explanation};
use super::feed::{Feed, InForce};
use super::files::FileReader;
use super::flight::{FlightKey, LookedUp, RecordKey, Resolution};
use super::generation::Stamp;
use super::monotonic::NEVER;
use super::origin::Origin;
use super::purpose::Purpose;
use super::samples::Samples;
use super::single_flight::SingleFlight;
use super::state::State;
use super::timed::TimedCalls;
use super::uses::{self, Uses};
use crate::clock::{Clock, Moment};
use crate::model::{KeyDigest, KeyRecord, Refusal, Revision, Snapshot, SpaceId};
use crate::policy::{PolicyFault, PolicySet};
use crate::store::Source;
use crate::telemetry::{AuthReason, CacheKind, CacheResult, Metrics};

/// Whoever has not looked after changes for so long has not run. It is done four times as often.
const ASLEEP: Duration = Duration::from_secs(1);

/// Until when something holds that was found out about a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyStamp(Stamp);

/// Exchanges keys for credentials. See the [module](super).
pub struct Exchange {
    pub(super) me: Weak<Self>,
    pub(super) control: Handle,
    pub(super) store: Arc<dyn Source>,
    pub(super) timed: TimedCalls,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: Arc<Metrics>,
    /// Nanoseconds.
    pub(super) max_staleness: AtomicU64,
    pub(super) cache: CredentialCache,
    pub(super) bells: Bells,
    pub(super) state: ArcSwap<State>,
    pub(super) procedure: Procedure,
    pub(super) flights: Arc<SingleFlight<FlightKey, Resolution>>,
    pub(super) records: Arc<SingleFlight<RecordKey, LookedUp>>,
    pub(super) uses: Uses,
    pub(super) samples: Samples,
    /// Who holds it, and nobody else, puts changes in force.
    pub(super) feed: tokio::sync::Mutex<Feed>,
    pub(super) files: FileReader,
    pub(super) reloading: tokio::sync::Mutex<()>,
    pub(super) in_force: watch::Sender<InForce>,
    /// Nanoseconds of the monotonic clock at which everything that was committed was in force here.
    pub(super) contact: AtomicU64,
    /// The same of the last attempt to find out that failed.
    pub(super) failure: AtomicU64,
    /// The same of when somebody last saw to it that changes are noticed; [`NEVER`]: nobody does.
    pub(super) attended: AtomicU64,
}

impl Exchange {
    /// The hot look-up, for a request that is for nothing in particular; see [`cached_for`](Self::cached_for).
    pub fn cached(&self, digest: &KeyDigest, origin: &Origin) -> Option<Result<Credential, Refusal>> {
        self.cached_for(digest, origin, Purpose::default())
    }

    /// The hot look-up: no await, no store, no Rego, no signature. `None`: ask [`credential_for`](Self::credential_for).
    ///
    /// A hit is counted here, a miss there, so that a request is counted once.
    pub fn cached_for(&self, digest: &KeyDigest, origin: &Origin, purpose: Purpose<'_>) -> Option<Result<Credential, Refusal>> {
        let origin = origin.canonical();
        self.hit(self.look_up(digest, &origin, purpose.space), digest, &origin, purpose).ok()
    }

    /// The whole exchange, for a request that is for nothing in particular; see [`credential_for`](Self::credential_for).
    pub async fn credential(&self, digest: &KeyDigest, origin: &Origin) -> Result<Credential, Refusal> {
        self.credential_for(digest, origin, Purpose::default()).await
    }

    /// The whole exchange: cache, then one resolution shared by all that wait for the same answer, on the control runtime.
    /// May be awaited on any runtime.
    pub async fn credential_for(&self, digest: &KeyDigest, origin: &Origin, purpose: Purpose<'_>) -> Result<Credential, Refusal> {
        let origin = origin.canonical();
        let missed = match self.hit(self.look_up(digest, &origin, purpose.space), digest, &origin, purpose) {
            Ok(answer) => return answer,
            Err(missed) => missed,
        };
        match missed {
            Found::Stale => self.metrics.cache_request(CacheKind::Credential, CacheResult::Stale),
            Found::Answer(..) | Found::Invalid(_) | Found::Nothing => {
                self.metrics.cache_request(CacheKind::Credential, CacheResult::Miss);
                self.metrics.cache_request(CacheKind::Absence, CacheResult::Miss);
            }
        }
        let answer = self.resolved(digest, &origin, purpose.space).await.and_then(|credential| purpose.permit(credential));
        self.count(CacheResult::Miss, &origin, &answer);
        answer
    }

    /// What a request would get now, without counting it as one.
    pub(super) async fn passes(&self, digest: &KeyDigest, origin: &Origin, purpose: Purpose<'_>) -> Result<Credential, Refusal> {
        let origin = origin.canonical();
        let answer = match self.look_up(digest, &origin, purpose.space) {
            Found::Answer(_, answer) => answer,
            Found::Invalid(why) => Err(Refusal::InvalidKey(why)),
            // Seldom, and large: whoever waits has no room for it while it waits.
            Found::Stale | Found::Nothing => Box::pin(self.resolved(digest, &origin, purpose.space)).await,
        };
        answer.and_then(|credential| purpose.permit(credential))
    }

    /// What would be decided for this key now, without cache, without token.
    pub async fn explain(&self, key: &KeyRecord, origin: &Origin) -> Explanation {
        let state = self.state.load_full();
        let size = explain::Size { minter: &state.minter, envelope: state.ring.envelope() };
        let terms = explain::Terms { settings: &state.settings, size };
        explain::explain(&self.procedure, terms, &state.snapshot, &state.shared, &state.policies, key, origin).await
    }

    /// Notes that a secret was presented with success elsewhere than at the data plane.
    pub fn note_use(&self, digest: &KeyDigest, at: jiff::Timestamp) {
        self.uses.note(digest, uses::minute_of(at));
    }

    /// What is in force. Its revision is that of the last change that touched more than one key.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.state.load().snapshot)
    }

    /// The login policies in force, or why there are none.
    pub fn policies(&self) -> Result<Arc<PolicySet>, Arc<[PolicyFault]>> {
        self.state.load().policies.clone()
    }

    /// The last change that is in force here.
    pub fn applied_revision(&self) -> Revision {
        self.in_force.borrow().revision
    }

    /// What was found out about a key after this was read holds as long as it reads the same: no change that touches the key, or everybody,
    /// has been put in force here.
    pub fn stamp(&self, digest: &KeyDigest) -> KeyStamp {
        KeyStamp(self.cache.stamp(digest))
    }

    /// Whether a policy in force can tell one client's address from another.
    pub fn reads_addresses(&self) -> bool {
        self.state.load().reads().reads_address()
    }

    /// What is odd about the policies in force: what the log was told when they were put there. `None`: others are being put there.
    pub fn policy_remarks(&self) -> Option<Vec<PolicyFault>> {
        self.feed.try_lock().ok().map(|feed| feed.warned.clone())
    }

    /// RFC 7517, as JSON text.
    pub fn jwks(&self) -> Arc<str> {
        Arc::clone(&self.state.load().jwks)
    }

    /// For /readyz: each part and whether it is usable.
    pub fn readiness(&self) -> Vec<(&'static str, Result<(), String>)> {
        let state = self.state.load();
        let store = if self.is_stale(self.clock.now()) {
            Err(match self.contact.load(Ordering::Acquire) {
                NEVER => "the store has not answered yet".to_owned(),
                _ => format!("nothing is known of the store's changes for more than {:?}", state.settings.store.max_staleness),
            })
        } else {
            Ok(())
        };
        let policies = match &state.policies {
            Ok(_) => Ok(()),
            Err(faults) => Err(match faults.as_ref() {
                [of_none] if of_none.policy.is_empty() => of_none.reason.clone(),
                faults => format!("{} of the login policies cannot be loaded", faults.len()),
            }),
        };
        let signing = if state.ring.current_kid().is_empty() { Err("there is no key to sign with".to_owned()) } else { Ok(()) };
        vec![("store", store), ("policies", policies), ("signing_key", signing)]
    }

    fn look_up(&self, digest: &KeyDigest, origin: &Origin, scope: Option<&SpaceId>) -> Found {
        // Before all else: what is found must not be older than what this stamp says.
        let stamp = self.cache.stamp(digest);
        if self.is_stale(origin.at) || self.has_slept(origin.at) { Found::Stale } else { self.cache.find(digest, stamp, origin, scope) }
    }

    /// The answer that was found, counted; or what was found instead.
    fn hit(&self, found: Found, digest: &KeyDigest, origin: &Origin, purpose: Purpose<'_>) -> Result<Result<Credential, Refusal>, Found> {
        let answer = match found {
            Found::Answer(entry, answer) => {
                if answer.is_ok()
                    && let Some(minute) = entry.first_use_in_its_minute(origin.at.wall)
                {
                    self.uses.note(digest, minute);
                }
                self.metrics.cache_request(CacheKind::Credential, CacheResult::Hit);
                answer.and_then(|credential| purpose.permit(credential))
            }
            Found::Invalid(why) => {
                self.metrics.cache_request(CacheKind::Absence, CacheResult::Hit);
                Err(Refusal::InvalidKey(why))
            }
            Found::Stale | Found::Nothing => return Err(found),
        };
        self.count(CacheResult::Hit, origin, &answer);
        Ok(answer)
    }

    fn count(&self, cache: CacheResult, origin: &Origin, answer: &Result<Credential, Refusal>) {
        self.metrics.auth_decision(answer.as_ref().map_or_else(AuthReason::from, |_| AuthReason::Ok));
        self.metrics.auth_duration(cache, self.clock.monotonic().saturating_sub(origin.at.monotonic));
    }

    /// Whether this process has not run for a while, so that nothing that has changed meanwhile can have been noticed.
    pub(super) fn has_slept(&self, at: Moment) -> bool {
        let attended = self.attended.load(Ordering::Acquire);
        attended != NEVER && at.monotonic.saturating_sub(Duration::from_nanos(attended)) > ASLEEP
    }

    /// Whether what is loaded may be older than allowed.
    pub(super) fn is_stale(&self, at: Moment) -> bool {
        let contact = self.contact.load(Ordering::Acquire);
        contact == NEVER
            || at.monotonic.saturating_sub(Duration::from_nanos(contact)) > Duration::from_nanos(self.max_staleness.load(Ordering::Relaxed))
    }
}
