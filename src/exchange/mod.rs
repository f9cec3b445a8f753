//! Key → credential: the only way for the data plane to pass.
//!
//! Hot, a credential is one look-up: [`Exchange::cached`]. Cold, it is eight steps that all who wait for the same answer share:
//! `resolve`. What is remembered is served only while its stamp is current; `generation` says why that is never too long. Every
//! change, whoever made it, goes through the same steps in `follower`: publish, announce, evict.
//!
//! In doubt it refuses: a store that cannot be read, a policy that fails, a signer without a key, state older than allowed.

mod cache;
mod credential;
mod decide;
mod difference;
mod explain;
mod files;
mod follower;
mod generation;
mod open;
mod past;
mod remembered_key;
mod resolve;
mod samples;
mod signing_keys;
mod single_flight;
mod state;
mod sync;
mod timed;
mod uses;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::runtime::Handle;
use tokio::sync::watch;

use self::cache::{CredentialCache, Found};
use self::decide::Procedure;
use self::files::FileReader;
use self::follower::{Feed, InForce};
use self::open::Bells;
use self::resolve::{FlightKey, LookedUp, RecordKey, Resolution};
use self::samples::Samples;
use self::single_flight::SingleFlight;
use self::state::State;
use self::timed::{STORE_TIMEOUT, TimedCalls};
use self::uses::Uses;
use crate::clock::{Clock, Moment};
use crate::config::Settings;
use crate::model::{KeyDigest, KeyRecord, Refusal, Revision, Snapshot};
use crate::policy::{Evaluator, Facet, PolicyFault, PolicySet, Reads, Vocabulary};
use crate::store::{Source, StoreError};
use crate::telemetry::{AuthReason, CacheKind, CacheResult, Metrics, StoreOperation};
use crate::token::{KeyRing, TokenError};

pub use self::credential::Credential;
pub use self::difference::{Difference, Held};
pub use self::explain::{Explainer, Explanation, WhatIf, oversize};
pub use self::past::{AsOf, as_of};

type SharedClock = Arc<dyn Clock>;

/// How many resolutions may be under way, and how many requests may wait for them.
const MOST_FLIGHTS: usize = 1024;
const MOST_WAITING: usize = 16_384;

/// Where a request comes from, as far as login policies may care.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    /// The client's address; `None`: not known, refused where policies read it.
    pub address: Option<IpAddr>,
    /// When it came, by the clock that the exchange was started with.
    pub at: Moment,
}

impl Origin {
    /// The same with an IPv4-mapped address unmapped, should the caller have left one.
    fn canonical(self) -> Self {
        Self { address: self.address.map(|address| address.to_canonical()), ..self }
    }

    /// What policies that read so much can tell of it.
    fn facet(&self, reads: &Reads, quantum: Duration) -> Facet {
        reads.facet(self.address, self.at.wall, quantum)
    }
}

/// What it takes to start.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The signing keys cannot be used.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Login policies do not load, all faults of all of them.
    #[error("login policies have faults")]
    Policies(Vec<PolicyFault>),
    /// The directory of policies, which had some, has none any more.
    #[error(
        "there is no policy in {} any more: those that were there stay in force; to have none, take policies.dir out of the configuration",
        .0.display()
    )]
    NoPolicyLeft(PathBuf),
    /// Threads or files cannot be had.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Exchanges keys for credentials. See the [module](self).
pub struct Exchange {
    me: Weak<Self>,
    control: Handle,
    store: Arc<dyn Source>,
    timed: TimedCalls,
    clock: SharedClock,
    metrics: Arc<Metrics>,
    /// Nanoseconds.
    max_staleness: AtomicU64,
    cache: CredentialCache,
    bells: Bells,
    state: ArcSwap<State>,
    procedure: Procedure,
    flights: Arc<SingleFlight<FlightKey, Resolution>>,
    records: Arc<SingleFlight<RecordKey, LookedUp>>,
    uses: Uses,
    samples: Samples,
    /// Who holds it, and nobody else, puts changes in force.
    feed: tokio::sync::Mutex<Feed>,
    files: FileReader,
    reloading: tokio::sync::Mutex<()>,
    in_force: watch::Sender<InForce>,
    /// Nanoseconds of the monotonic clock at which everything that was committed was in force here.
    contact: AtomicU64,
    /// The same of the last attempt to find out that failed.
    failure: AtomicU64,
}

impl Exchange {
    /// Loads snapshot, policies and signing keys; must be called on the control runtime, which `credential`'s cold work then runs on.
    pub async fn start(
        settings: &Settings,
        store: Arc<dyn Source>,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Result<Arc<Self>, ExchangeError> {
        let began = clock.now();
        let timed = TimedCalls::new(STORE_TIMEOUT, Arc::clone(&clock), Arc::clone(&metrics));
        let snapshot = timed.call(StoreOperation::Snapshot, store.snapshot()).await?;
        let files = FileReader::new();
        let dir = settings.policies.dir.clone();
        let sources = files.read("the login policies", move || state::policy_files(dir.as_deref())).await?;
        let sources = sources.map_err(ExchangeError::Policies)?;
        let policies =
            state::compile(&sources, &snapshot.policies, &settings.policies, &PolicySet::none()).map_err(ExchangeError::Policies)?;
        let mut warned = Vec::new();
        let keys = follower::known_keys(&timed, &*store).await;
        follower::log_warnings(policies.warnings(&Vocabulary::of(&snapshot).with_keys(keys)), &mut warned);
        let token = settings.token.clone();
        let ring = files.read("the signing keys", move || KeyRing::open(&token, began.wall)).await??;
        let evaluator = Evaluator::start(Evaluator::AT_ONCE)?;
        let disagreements = evaluator.disagreements();
        metrics.signing_keys(ring.states());
        let revision = snapshot.revision;
        let exchange = Arc::new_cyclic(|me| Self {
            me: Weak::clone(me),
            control: Handle::current(),
            procedure: Procedure::new(evaluator, Some((Arc::clone(&metrics), Arc::clone(&clock)))),
            cache: CredentialCache::new(&settings.cache),
            bells: Bells::new(),
            state: ArcSwap::from_pointee(State::new(snapshot, policies, ring, Arc::new(settings.clone()))),
            flights: SingleFlight::new(MOST_FLIGHTS, MOST_WAITING),
            records: SingleFlight::new(MOST_FLIGHTS, MOST_FLIGHTS),
            uses: Uses::default(),
            samples: Samples::new(Arc::clone(&metrics)),
            feed: tokio::sync::Mutex::new(Feed { seen: revision, files: sources, warned, compilation: 0, compiling: false }),
            files,
            reloading: tokio::sync::Mutex::new(()),
            in_force: watch::Sender::new(InForce { revision, epoch: 0 }),
            contact: AtomicU64::new(nanos(began.monotonic)),
            failure: AtomicU64::new(NEVER),
            max_staleness: AtomicU64::new(nanos(settings.store.max_staleness)),
            store,
            timed,
            clock,
            metrics,
        });
        exchange.show_revision(revision);
        exchange.show_policies(&exchange.state.load());
        exchange.control.spawn(follower::decide_anew(Weak::clone(&exchange.me), disagreements));
        Ok(exchange)
    }

    /// The hot look-up: no await, no store, no Rego, no signature. `None`: ask [`credential`](Self::credential).
    ///
    /// A hit is counted here, a miss there, so that a request is counted once.
    pub fn cached(&self, digest: &KeyDigest, origin: &Origin) -> Option<Result<Credential, Refusal>> {
        let origin = origin.canonical();
        self.hit(self.look_up(digest, &origin), digest, &origin).ok()
    }

    /// The whole exchange: cache, then one resolution shared by all that wait for the same answer, on the control runtime.
    /// May be awaited on any runtime.
    pub async fn credential(&self, digest: &KeyDigest, origin: &Origin) -> Result<Credential, Refusal> {
        let origin = origin.canonical();
        let missed = match self.hit(self.look_up(digest, &origin), digest, &origin) {
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
        let answer = self.resolved(digest, &origin).await;
        self.count(CacheResult::Miss, &origin, &answer);
        answer
    }

    /// What a request would get now, without counting it as one.
    async fn passes(&self, digest: &KeyDigest, origin: &Origin) -> Result<Credential, Refusal> {
        let origin = origin.canonical();
        match self.look_up(digest, &origin) {
            Found::Answer(_, answer) => answer,
            Found::Invalid(why) => Err(Refusal::InvalidKey(why)),
            // Seldom, and large: whoever waits has no room for it while it waits.
            Found::Stale | Found::Nothing => Box::pin(self.resolved(digest, &origin)).await,
        }
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

    /// The last change that is in force here.
    pub fn applied_revision(&self) -> Revision {
        self.in_force.borrow().revision
    }

    /// Whether a policy in force can tell one client's address from another.
    pub fn reads_addresses(&self) -> bool {
        self.state.load().reads().reads_address()
    }

    /// RFC 7517, as JSON text.
    pub fn jwks(&self) -> Arc<str> {
        Arc::clone(&self.state.load().jwks)
    }

    /// For /readyz: each part and whether it is usable.
    pub fn readiness(&self) -> Vec<(&'static str, Result<(), String>)> {
        let state = self.state.load();
        let store = if self.is_stale(self.clock.now()) {
            Err(format!("nothing is known of the store's changes for more than {:?}", state.settings.store.max_staleness))
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

    fn look_up(&self, digest: &KeyDigest, origin: &Origin) -> Found {
        // Before all else: what is found must not be older than what this stamp says.
        let stamp = self.cache.stamp(digest);
        if self.is_stale(origin.at) { Found::Stale } else { self.cache.find(digest, stamp, origin) }
    }

    /// The answer that was found, counted; or what was found instead.
    fn hit(&self, found: Found, digest: &KeyDigest, origin: &Origin) -> Result<Result<Credential, Refusal>, Found> {
        let answer = match found {
            Found::Answer(entry, answer) => {
                if answer.is_ok()
                    && let Some(minute) = entry.first_use_in_its_minute(origin.at.wall)
                {
                    self.uses.note(digest, minute);
                }
                self.metrics.cache_request(CacheKind::Credential, CacheResult::Hit);
                answer
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

    /// Whether what is loaded may be older than allowed.
    fn is_stale(&self, at: Moment) -> bool {
        let contact = Duration::from_nanos(self.contact.load(Ordering::Acquire));
        at.monotonic.saturating_sub(contact) > Duration::from_nanos(self.max_staleness.load(Ordering::Relaxed))
    }
}

/// No time of a monotonic clock.
const NEVER: u64 = u64::MAX;

/// Of a monotonic clock; 584 years fit.
fn nanos(monotonic: Duration) -> u64 {
    u64::try_from(monotonic.as_nanos()).unwrap_or(NEVER - 1)
}
