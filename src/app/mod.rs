//! Composition root: settings in, running listeners out; the order of starting, of reloading and of draining.

mod access;
mod control_plane;
mod descriptors;
mod error;
mod listeners;
mod memory;
mod presence;
mod tls;
mod watch;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use self::control_plane::{Bound, ControlPlane};
pub use self::descriptors::needed as files_needed;
pub use self::error::AppError;
use self::listeners::{Served, bind};
use self::presence::{Presence, Reporter};
use self::tls::Encryption;
use self::watch::Watch;
pub use self::watch::Watched;
use crate::clock::Clock;
use crate::config::{Faults, LimitSettings, LiveSettings, ServerUrl, Settings, StoreSettings, StoreUrl, Values};
use crate::control::declared::FileStore;
use crate::edge::tls::names_the_same;
use crate::exchange::Exchange;
use crate::model::KeyDigest;
use crate::ops::{self, OpsState};
use crate::proxy::{self, Proxy};
use crate::remote::{FeedSettings, FeedSource};
use crate::store::{self, Source, Store, StoreError};
use crate::telemetry::{self, Metrics};

/// How long the end waits for samples to be written.
const LAST_SAMPLES: Duration = Duration::from_secs(2);

/// Claviger, running.
pub struct App {
    exchange: Arc<Exchange>,
    source: Arc<dyn Source>,
    proxy: proxy::Running,
    ops: Served,
    /// `None`: what is served from can be read here alone.
    control_plane: Option<ControlPlane>,
    /// What declares access, if the store is that.
    files: Option<Arc<FileStore>>,
    tls: Encryption,
    metrics: Arc<Metrics>,
    lifecycle: Arc<ops::Lifecycle>,
    live: LiveSettings,
    /// How many files may be open; `None`: any number.
    open_files: Option<u64>,
    /// What a reload is for, besides signals.
    watch: Watch,
    /// The configuration, if it is a file that is watched.
    configuration: Option<PathBuf>,
    /// Ends when it is aborted.
    follower: JoinHandle<()>,
    /// Writes what policies want kept; ends by itself when it is told that there is no more.
    sampler: JoinHandle<()>,
    /// Tells the store that this process serves, and what is in force in it.
    presence: Presence,
}

/// What is there before anything of the store is.
struct Beginning {
    /// As far as the machine lets them be kept.
    settings: Settings,
    metrics: Arc<Metrics>,
    open_files: Option<u64>,
    live: LiveSettings,
    /// The directory of policies, as it was before they were read: what changes from then on must be noticed.
    policies: Option<Watched>,
    /// The same of the files of certificates.
    certificates: Vec<Watched>,
}

impl App {
    /// Opens the store of `settings`, or begins to follow it, and starts on it. Must be called on the control runtime.
    pub async fn start(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Self, AppError> {
        match &settings.store.url {
            StoreUrl::Sqlite(_) | StoreUrl::Postgres(_) => {
                let store = store::open(&settings.store.url, settings.login.strategy, Arc::clone(&clock)).await?;
                Self::start_on(settings, store, clock).await
            }
            StoreUrl::ControlPlanes(planes) => {
                let source = follow(&settings.store, planes, Arc::clone(&clock))?;
                Self::start_reading(settings, source, clock).await
            }
            StoreUrl::Files(place) => Self::start_on_files(settings, place, clock).await,
        }
    }

    /// Starts on files that declare access: nothing is managed here. Must be called on the control runtime.
    async fn start_on_files(settings: &Settings, place: &Path, clock: Arc<dyn Clock>) -> Result<Self, AppError> {
        // Before they are read: what changes from here on must be noticed.
        let watched = access::watched(place);
        let opened = FileStore::open(place, settings.login.strategy, &settings.policies, Arc::clone(&clock)).await;
        let (files, warnings) = opened.map_err(AppError::Files)?;
        access::warn(&warnings);
        let files = Arc::new(files);
        let source: Arc<dyn Source> = files.clone();
        let beginning = Beginning::of(settings);
        let metrics = Arc::clone(&beginning.metrics);
        let exchange = Exchange::start(&beginning.settings, Arc::clone(&source), Arc::clone(&clock), metrics).await?;
        let app = Self::serve(beginning, source, exchange, None, clock).await?;
        Ok(Self { files: Some(files), watch: app.watch.with(watched), ..app })
    }

    /// Starts on a store that is open already: a control plane. Must be called on the control runtime.
    pub async fn start_on(settings: &Settings, store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Result<Self, AppError> {
        let beginning = Beginning::of(settings);
        let source = store.for_follower();
        let metrics = Arc::clone(&beginning.metrics);
        let exchange = Exchange::start(&beginning.settings, Arc::clone(&source), Arc::clone(&clock), metrics).await?;
        Self::serve(beginning, source, exchange, Some(store), clock).await
    }

    /// Starts on what can be read alone, and may be away still: nothing is managed here, and nothing is ready before it has been read. Must be
    /// called on the control runtime.
    pub async fn start_reading(settings: &Settings, source: Arc<dyn Source>, clock: Arc<dyn Clock>) -> Result<Self, AppError> {
        let beginning = Beginning::of(settings);
        let metrics = Arc::clone(&beginning.metrics);
        let exchange = Exchange::start_without(&beginning.settings, Arc::clone(&source), Arc::clone(&clock), metrics).await?;
        Self::serve(beginning, source, exchange, None, clock).await
    }

    /// Listeners are bound last, when everything behind them is loaded: a connection that is accepted can be served.
    async fn serve(
        Beginning { settings, metrics, open_files, live, policies, certificates }: Beginning,
        source: Arc<dyn Source>,
        exchange: Arc<Exchange>,
        managed: Option<Arc<dyn Store>>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, AppError> {
        let tls = Encryption::new(&metrics, &clock)?;
        tls.put(tls.read(&settings).map_err(AppError::Tls)?);
        let mut reporter = Reporter::new(Arc::clone(&source), &exchange, &*clock)?;
        reporter.announce().await;

        let ops_listener = bind("ops", settings.ops.listen)?;
        let managed = managed.map(|store| Bound::on(store, &settings)).transpose()?;
        let proxy_listener = bind("proxy", settings.proxy.listen)?.into_std()?;
        let lifecycle = Arc::new(ops::Lifecycle::starting());
        let ops = Served::ops(
            (ops_listener, tls.ops.clone()),
            OpsState::of(&exchange, Arc::clone(&lifecycle), Arc::clone(&metrics), live.clone()),
        )?;
        let control_plane =
            managed.map(|bound| bound.start(&exchange, reporter.name(), (&live, &tls.admin), &clock, &metrics)).transpose()?;
        let proxy = Proxy::start(live.clone(), &exchange, &clock, &metrics, proxy_listener, (&tls.proxy, &tls.upstream))?;
        lifecycle.serve();

        // The directory of keys may just have been made, so its beginning is now.
        let watch = Watch::start(policies.into_iter().chain(certificates).chain([Watched::directory(&settings.token.keys)]).collect());
        let follower = tokio::spawn(Arc::clone(&exchange).follow());
        let sampler = tokio::spawn(Arc::clone(&exchange).keep_samples());
        let presence = reporter.start();
        Ok(Self {
            exchange,
            source,
            proxy,
            ops,
            control_plane,
            files: None,
            tls,
            metrics,
            lifecycle,
            live,
            open_files,
            watch,
            configuration: None,
            follower,
            sampler,
            presence,
        })
    }

    /// Where the data plane listens.
    pub fn proxy_address(&self) -> SocketAddr {
        self.proxy.local_addr()
    }

    /// Where the operations endpoints listen.
    pub fn ops_address(&self) -> SocketAddr {
        self.ops.address
    }

    /// Where the admin API listens; `None`: it is switched off, or there is none.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.control_plane.as_ref().and_then(ControlPlane::admin_address)
    }

    /// A link that opens the console and signs in, once and soon, as the key with this digest; `None`: there is no admin listener.
    pub fn link_that_signs_in(&self, digest: KeyDigest) -> Option<String> {
        let (address, plane) = (self.admin_address()?, self.control_plane.as_ref()?);
        let scheme = if self.tls.admin.is_on() { "https" } else { "http" };
        let path = plane.path_that_signs_in(digest)?;
        let address =
            if address.ip().is_unspecified() { SocketAddr::new(std::net::Ipv4Addr::LOCALHOST.into(), address.port()) } else { address };
        Some(format!("{scheme}://{address}{path}"))
    }

    /// Key → credential.
    pub fn exchange(&self) -> &Arc<Exchange> {
        &self.exchange
    }

    /// Watches the configuration's file, too, as it was before it was read.
    #[must_use]
    pub fn watching(mut self, configuration: Option<Watched>) -> Self {
        if let Some(configuration) = configuration {
            self.configuration = configuration.as_file().map(Path::to_owned);
            self.watch = self.watch.with(configuration);
        }
        self
    }

    /// Returns when something has changed that a reload would read.
    pub async fn changed(&mut self) {
        self.watch.changed().await;
    }

    /// Returns when somebody on this machine has asked the ops listener for a drain.
    pub fn asked_to_drain(&self) -> impl Future<Output = ()> + use<> {
        let lifecycle = Arc::clone(&self.lifecycle);
        async move { lifecycle.asked_to_drain().await }
    }

    /// Puts these settings in force, and reads login policies and signing keys anew. A fault is logged and counted, and leaves all that was
    /// in force in force.
    ///
    /// `changed` names the keys of the configuration that have other values now, and `restart` those whose new values only a restart puts in
    /// force: while there are any, the reload has not done what was asked of it, and counts as failed, whatever is in force by then.
    /// Whether the settings are in force.
    pub async fn reload(&mut self, settings: Settings, changed: &[&str], restart: &[&str]) -> bool {
        let before = Arc::clone(&*self.live.now());
        let settings = Arc::new(possible(settings.with_start_of(&before), self.open_files));
        if let Some(exposed) = settings.admin.exposed() {
            tracing::error!(
                listen = %exposed,
                "admin.tls cannot be taken away while the admin API listens where others than this machine reach it: the old settings stay in force"
            );
            self.metrics.config_reload(false);
            return false;
        }
        // Before they are read: what changes from here on must be noticed.
        let same_certificates = names_the_same(&before, &settings);
        let is_elsewhere = (&before.policies.dir, &before.token.keys) != (&settings.policies.dir, &settings.token.keys);
        let watched = (is_elsewhere || !same_certificates).then(|| self.watched(&settings));
        let (mut certificates, read) = match self.tls.read(&settings) {
            Ok(read) => (Some(read), true),
            Err(faults) => {
                for fault in &faults {
                    fault.log("a certificate cannot be used, the old one stays in force");
                }
                (None, false)
            }
        };
        if !read && !same_certificates {
            self.metrics.config_reload(false);
            return false;
        }
        let declared = match &self.files {
            Some(files) => access::reload(files, &settings.policies, &self.exchange).await,
            None => true,
        };
        // A certificate that is renewed does not wait for a policy that is mended.
        if same_certificates && let Some(renewed) = certificates.take() {
            self.tls.put(renewed);
        }
        let also = || {
            telemetry::change_log(settings.log);
            self.metrics.name_routes(&settings.routes);
            if let Some(certificates) = &certificates {
                self.tls.prepare(certificates);
            }
            self.live.replace(Arc::clone(&settings));
            if let Some(certificates) = certificates {
                self.tls.put(certificates);
            }
            for key in changed {
                tracing::info!(key, "another value of this key of the configuration is now in force");
            }
        };
        // A fault is logged and counted there.
        let is_in_force = self.exchange.reload_with(Arc::clone(&settings), also).await.is_ok();
        if let Some(watched) = watched.filter(|_| is_in_force) {
            self.watch = Watch::start(watched);
        }
        for key in restart {
            tracing::warn!(key, "this key of the configuration has changed, which needs a restart: the old value stays in force");
        }
        if !restart.is_empty() || !read || !declared {
            self.metrics.config_reload(false);
        }
        is_in_force
    }

    /// Says how the settings in force were written, for whoever looks at them.
    pub fn configured_by(&self, values: Values) {
        self.live.tell(values);
    }

    /// Notes that a new configuration was not taken, and why.
    pub fn reload_refused(&self, faults: &Faults) {
        self.metrics.config_reload(false);
        for fault in faults {
            fault.log("the configuration has a fault, the old one stays in force");
        }
    }

    fn watched(&self, settings: &Settings) -> Vec<Watched> {
        let directories = settings.policies.dir.iter().chain([&settings.token.keys]).map(|dir| Watched::directory(dir));
        let certificates = tls::files(settings).into_iter().map(|file| Watched::file(&file));
        let declared = self.files.iter().map(|files| access::watched(files.place()));
        directories.chain(certificates).chain(declared).chain(self.configuration.iter().map(|file| Watched::file(file))).collect()
    }

    /// Not ready at once; for `drain_delay` connections are still taken, because whoever routes them here hears of it later. Then no new
    /// ones, what runs is finished within `drain_timeout`, and everything ends.
    ///
    /// The ops listener stays to the end: a probe must see `draining`, not a refused connection.
    pub async fn drain(mut self) {
        self.lifecycle.drain();
        let settings = Arc::clone(&*self.live.now());
        // Nothing to wait for but time.
        let _ = tokio::time::timeout(settings.drain_delay, std::future::pending::<()>()).await;
        tracing::info!(drain_timeout = ?settings.drain_timeout, "draining: no new connections, what runs is finished");
        self.proxy.drain(settings.drain_timeout).await;
        // Before the store is closed: what is being changed is finished.
        if let Some(plane) = &mut self.control_plane {
            plane.end_managing().await;
        }
        // Nobody is served here any more, so nobody needs to wait for what is in force here.
        self.presence.end().await;
        self.exchange.close_samples();
        if tokio::time::timeout(LAST_SAMPLES, &mut self.sampler).await.is_err() {
            self.sampler.abort();
        }
        self.follower.abort();
        // If it is on its way, it has a connection in its hands, which nobody would close in order.
        let _ = self.follower.await;
        if let Some(plane) = self.control_plane {
            plane.end().await;
        }
        // Bounded by the store's own patience.
        self.exchange.record_uses().await;
        self.source.close().await;
        self.ops.end().await;
    }
}

impl Beginning {
    fn of(settings: &Settings) -> Self {
        let metrics = Arc::new(Metrics::new());
        let open_files = descriptors::raise();
        let settings = possible(settings.clone(), open_files);
        let live = LiveSettings::from(&settings);
        let policies = settings.policies.dir.clone().map(|dir| Watched::directory(&dir));
        let certificates = tls::files(&settings).into_iter().map(|file| Watched::file(&file)).collect();
        Self { settings, metrics, open_files, live, policies, certificates }
    }
}

/// Begins to follow a store at these control planes, whether they answer yet or not. Must be called on the control runtime.
pub fn follow(settings: &StoreSettings, planes: &[ServerUrl], clock: Arc<dyn Clock>) -> Result<Arc<dyn Source>, AppError> {
    let no_key = || StoreError::Unavailable("store.key_file names no file with the key that control planes are asked with".to_owned());
    let key_file = settings.key_file.clone().ok_or_else(no_key)?;
    let settings = FeedSettings { planes: planes.to_vec(), key_file, ca: settings.ca.clone(), max_staleness: settings.max_staleness };
    Ok(Arc::new(FeedSource::open(settings, clock)?))
}

/// The settings as far as the machine lets them be kept.
fn possible(mut settings: Settings, open_files: Option<u64>) -> Settings {
    let affordable = memory::connections(settings.limits.max_connections, LimitSettings::default().max_connections, memory::limit());
    settings.limits.max_connections = descriptors::connections(affordable, &settings, open_files);
    settings
}
