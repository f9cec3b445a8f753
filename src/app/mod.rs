//! Composition root: settings in, running listeners out; the order of starting, of reloading and of draining.

mod descriptors;
mod memory;
mod presence;
mod watch;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use socket2::{Domain, Socket, Type};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub use self::descriptors::needed as files_needed;
use self::presence::{Presence, Reporter};
use self::watch::Watch;
pub use self::watch::Watched;
use crate::admin::{self, AdminState};
use crate::audit::AuditTasks;
use crate::clock::Clock;
use crate::config::{Faults, LimitSettings, LiveSettings, Settings};
use crate::control::{Control, Serving};
use crate::exchange::{Exchange, ExchangeError};
use crate::ops::{self, OpsState};
use crate::proxy::{self, Proxy};
use crate::store::{self, Source, Store, StoreError};
use crate::telemetry::{self, Metrics};

/// Why Claviger does not start.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// A listener's address cannot be had.
    #[error("cannot listen on {address} for {listener}: {error}")]
    Bind {
        /// Which listener.
        listener: &'static str,
        /// Its address.
        address: SocketAddr,
        /// What the system says.
        error: std::io::Error,
    },
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Snapshot, policies or signing keys cannot be loaded.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// The data plane's threads cannot be started.
    #[error(transparent)]
    Proxy(#[from] proxy::ProxyError),
    /// A listener cannot be used.
    #[error("a listener cannot be used: {0}")]
    Io(#[from] std::io::Error),
    /// There is no randomness.
    #[error("the system provides no randomness: {0}")]
    Random(#[from] getrandom::Error),
}

/// How many connections may wait to be taken; the system has a limit of its own, which is the smaller one.
const BACKLOG: i32 = 1024;
/// How long the end waits for samples to be written.
const LAST_SAMPLES: Duration = Duration::from_secs(2);

/// Claviger, running.
pub struct App {
    exchange: Arc<Exchange>,
    store: Arc<dyn Store>,
    proxy: proxy::Running,
    ops: Served,
    /// `None`: switched off.
    admin: Option<Served>,
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
    /// Gives up what is old in the audit, and tells the webhook.
    audit: AuditTasks,
    /// Tells the store that this process serves, and what is in force in it.
    presence: Presence,
}

/// A listener that is served beside the data plane.
struct Served {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl App {
    /// Opens the store of `settings` and starts on it. Must be called on the control runtime.
    pub async fn start(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Self, AppError> {
        let store = store::open(&settings.store.url, settings.login.strategy, Arc::clone(&clock)).await?;
        Self::start_on(settings, store, clock).await
    }

    /// Starts on a store that is open already. Must be called on the control runtime.
    ///
    /// Listeners are bound last, when everything behind them is loaded: a connection that is accepted can be served.
    pub async fn start_on(settings: &Settings, store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Result<Self, AppError> {
        let metrics = Arc::new(Metrics::new());
        let open_files = descriptors::raise();
        let settings = &possible(settings.clone(), open_files);
        let live = LiveSettings::from(settings);
        // Before the policies are read: what changes from here on must be noticed.
        let policies = settings.policies.dir.clone().map(|dir| Watched::directory(&dir));
        let source: Arc<dyn Source> = store.clone();
        let exchange = Exchange::start(settings, Arc::clone(&source), Arc::clone(&clock), Arc::clone(&metrics)).await?;
        let mut reporter = Reporter::new(source, &exchange, &*clock)?;
        reporter.announce().await;

        let ops_listener = bind("ops", settings.ops.listen)?;
        let admin_listener = settings.admin.listen.map(|address| bind("admin", address)).transpose()?;
        let proxy_listener = bind("proxy", settings.proxy.listen)?.into_std()?;
        let lifecycle = Arc::new(ops::Lifecycle::starting());
        let ops = Served::ops(ops_listener, OpsState::of(&exchange, Arc::clone(&lifecycle), Arc::clone(&metrics), live.clone()))?;
        let serving = Serving { exchange: Arc::clone(&exchange), settings: live.clone(), name: reporter.name().clone() };
        let control = Control::serving(Arc::clone(&store), Arc::clone(&clock), serving);
        let managing = AdminState::new(Arc::new(control), live.clone(), Arc::clone(&metrics))?;
        let admin = admin_listener.map(|listener| Served::admin(listener, managing)).transpose()?;
        let proxy = Proxy::start(live.clone(), &exchange, &clock, &metrics, proxy_listener)?;
        lifecycle.serve();

        // The directory of keys may just have been made, so its beginning is now.
        let watch = Watch::start(policies.into_iter().chain([Watched::directory(&settings.token.keys)]).collect());
        let follower = tokio::spawn(Arc::clone(&exchange).follow());
        let sampler = tokio::spawn(Arc::clone(&exchange).keep_samples());
        let audit = AuditTasks::start(&store, &live, &clock, &metrics)?;
        let presence = reporter.start();
        Ok(Self {
            exchange,
            store,
            proxy,
            ops,
            admin,
            metrics,
            lifecycle,
            live,
            open_files,
            watch,
            configuration: None,
            follower,
            sampler,
            audit,
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

    /// Where the admin API listens; `None`: it is switched off.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(|admin| admin.address)
    }

    /// Key → credential.
    pub fn exchange(&self) -> &Arc<Exchange> {
        &self.exchange
    }

    /// What is remembered.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
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
        // Before they are read: what changes from here on must be noticed.
        let is_elsewhere = (&before.policies.dir, &before.token.keys) != (&settings.policies.dir, &settings.token.keys);
        let watched = is_elsewhere.then(|| self.watched(&settings));
        let also = || {
            telemetry::change_log(settings.log);
            self.live.replace(Arc::clone(&settings));
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
        if !restart.is_empty() {
            self.metrics.config_reload(false);
        }
        is_in_force
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
        directories.chain(self.configuration.iter().map(|file| Watched::file(file))).collect()
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
        if let Some(admin) = self.admin.take() {
            admin.end().await;
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
        self.audit.stop().await;
        // Bounded by the store's own patience.
        self.exchange.record_uses().await;
        self.store.close().await;
        self.ops.end().await;
    }
}

impl Served {
    fn ops(listener: TcpListener, state: OpsState) -> std::io::Result<Self> {
        Self::start(listener, |listener, stopped| async move {
            ops::serve(listener, state, async {
                let _ = stopped.await;
            })
            .await;
        })
    }

    fn admin(listener: TcpListener, state: AdminState) -> std::io::Result<Self> {
        Self::start(listener, |listener, stopped| async move {
            admin::serve(listener, state, async {
                let _ = stopped.await;
            })
            .await;
        })
    }

    fn start<F>(listener: TcpListener, serve: impl FnOnce(TcpListener, oneshot::Receiver<()>) -> F) -> std::io::Result<Self>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        Ok(Self { address, stop, task: tokio::spawn(serve(listener, stopped)) })
    }

    /// Finishes what runs.
    async fn end(self) {
        let _ = self.stop.send(());
        let _ = self.task.await;
    }
}

/// The settings as far as the machine lets them be kept.
fn possible(mut settings: Settings, open_files: Option<u64>) -> Settings {
    let affordable = memory::connections(settings.limits.max_connections, LimitSettings::default().max_connections, memory::limit());
    settings.limits.max_connections = descriptors::connections(affordable, open_files);
    settings
}

/// Binds. `[::]` takes IPv4 as well, whatever the system's default is; where there is no IPv6 at all, IPv4 alone is what is left of it.
fn bind(listener: &'static str, address: SocketAddr) -> Result<TcpListener, AppError> {
    let bound = match (listen_on(address), address.ip()) {
        (Err(error), IpAddr::V6(ip)) if ip.is_unspecified() && has_no_ipv6(&error) => {
            listen_on(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), address.port()))
        }
        (bound, _) => bound,
    };
    bound.map_err(|error| AppError::Bind { listener, address, error })
}

fn listen_on(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if address.ip().is_ipv6() && address.ip().is_unspecified() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

fn has_no_ipv6(error: &std::io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(errno, Some(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL | Errno::PROTONOSUPPORT))
}
