//! How an exchange comes into being.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::bells::Bells;
use super::cache::CredentialCache;
use super::decide::Procedure;
use super::error::ExchangeError;
use super::feed::{Feed, InForce};
use super::files::FileReader;
use super::follower;
use super::monotonic::{NEVER, nanos};
use super::remarks;
use super::samples::Samples;
use super::service::Exchange;
use super::single_flight::SingleFlight;
use super::state::{self, State};
use super::timed::{STORE_TIMEOUT, TimedCalls};
use super::uses::Uses;
use crate::clock::Clock;
use crate::config::Settings;
use crate::model::{Snapshot, Strategy};
use crate::policy::{Evaluator, PolicySet, Vocabulary};
use crate::store::Source;
use crate::telemetry::{Metrics, StoreOperation};
use crate::token::KeyRing;

/// How many resolutions may be under way, and how many requests may wait for them.
const MOST_FLIGHTS: usize = 1024;
const MOST_WAITING: usize = 16_384;

/// What an exchange begins with.
struct Loaded {
    snapshot: Snapshot,
    /// When that was what there was; [`NEVER`]: it is not known what there is.
    contact: u64,
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
        let loaded = Loaded { snapshot, contact: nanos(began.monotonic) };
        Self::with(settings, store, loaded, timed, clock, metrics).await
    }

    /// The same on a store that may be away still. Until it is there, nothing is ready and every request is refused, as if nothing had been
    /// heard of it for too long: which is so.
    pub async fn start_without(
        settings: &Settings,
        store: Arc<dyn Source>,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Result<Arc<Self>, ExchangeError> {
        let began = clock.now();
        let timed = TimedCalls::new(STORE_TIMEOUT, Arc::clone(&clock), Arc::clone(&metrics));
        let loaded = match timed.call(StoreOperation::Snapshot, store.snapshot()).await {
            Ok(snapshot) => Loaded { snapshot, contact: nanos(began.monotonic) },
            Err(error) => {
                tracing::warn!(%error, "the store does not answer yet: nothing is served until it does, and it is asked again and again");
                Loaded { snapshot: Snapshot::empty(Strategy::default()), contact: NEVER }
            }
        };
        Self::with(settings, store, loaded, timed, clock, metrics).await
    }

    async fn with(
        settings: &Settings,
        store: Arc<dyn Source>,
        Loaded { snapshot, contact }: Loaded,
        timed: TimedCalls,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Result<Arc<Self>, ExchangeError> {
        let began = clock.now();
        let files = FileReader::new();
        let dir = settings.policies.dir.clone();
        let sources = files.read("the login policies", move || state::policy_files(dir.as_deref())).await?;
        let sources = sources.map_err(ExchangeError::Policies)?;
        let policies =
            state::compile(&sources, &snapshot.policies, &settings.policies, &PolicySet::none()).map_err(ExchangeError::Policies)?;
        let mut warned = Vec::new();
        let keys = remarks::known_keys(&timed, &*store).await;
        remarks::log_warnings(policies.warnings(&Vocabulary::of(&snapshot).with_keys(keys)), &mut warned);
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
            contact: AtomicU64::new(contact),
            failure: AtomicU64::new(NEVER),
            attended: AtomicU64::new(NEVER),
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
}
