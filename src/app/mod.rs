//! Composition root: settings in, running listeners out; the order of starting and of draining.

mod descriptors;
mod watch;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use self::watch::Watch;
use crate::clock::Clock;
use crate::config::{Faults, Settings};
use crate::exchange::{Exchange, ExchangeError};
use crate::ops::{self, OpsState};
use crate::proxy::{self, Proxy};
use crate::store::{self, Store, StoreError};
use crate::telemetry::Metrics;

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
}

/// How long the end waits for samples to be written.
const LAST_SAMPLES: Duration = Duration::from_secs(2);

/// Claviger, running.
pub struct App {
    exchange: Arc<Exchange>,
    store: Arc<dyn Store>,
    proxy: proxy::Running,
    ops: Ops,
    metrics: Arc<Metrics>,
    lifecycle: Arc<ops::Lifecycle>,
    drain_delay: Duration,
    drain_timeout: Duration,
    /// Follower and reloader; they end when they are aborted.
    background: Vec<JoinHandle<()>>,
    /// Writes what policies want kept; ends by itself when it is told that there is no more.
    sampler: JoinHandle<()>,
}

struct Ops {
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
        // Before the policies are read: what changes from here on must be noticed.
        let policies = settings.policies.dir.clone().map(|dir| (watch::listing(&dir), dir));
        let exchange = Exchange::start(settings, Arc::clone(&store), Arc::clone(&clock), Arc::clone(&metrics)).await?;

        let ops_listener = bind("ops", settings.ops.listen).await?;
        let proxy_listener = bind("proxy", settings.proxy.listen).await?.into_std()?;
        let lifecycle = Arc::new(ops::Lifecycle::starting());
        let ops = Ops::start(ops_listener, settings, &exchange, &metrics, &lifecycle)?;
        let mut settings_of_proxy = settings.clone();
        settings_of_proxy.limits.max_connections = descriptors::connections(settings.limits.max_connections, descriptors::raise());
        let proxy = Proxy::start(&settings_of_proxy, &exchange, &clock, &metrics, proxy_listener)?;
        lifecycle.serve();

        // The directory of keys may just have been made, so its beginning is now.
        let keys = settings.token.keys.clone();
        let watched = policies.into_iter().chain([(watch::listing(&keys), keys)]).collect();
        let background = vec![
            tokio::spawn(Arc::clone(&exchange).follow()),
            tokio::spawn(reload_on_change(Watch::start(watched), Arc::clone(&exchange))),
        ];
        let sampler = tokio::spawn(Arc::clone(&exchange).keep_samples());
        Ok(Self {
            exchange,
            store,
            proxy,
            ops,
            metrics,
            lifecycle,
            drain_delay: settings.drain_delay,
            drain_timeout: settings.drain_timeout,
            background,
            sampler,
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

    /// Key → credential.
    pub fn exchange(&self) -> &Arc<Exchange> {
        &self.exchange
    }

    /// What is remembered.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Reads login policies and signing keys anew. A fault is logged and counted, and leaves the old ones in force.
    ///
    /// `restart` names the keys of the configuration whose new values only a restart puts in force: while there are any, the reload has
    /// not done what was asked of it, and counts as failed, whatever could be read anew.
    pub async fn reload(&self, restart: &[&str]) {
        // Logged and counted there.
        let _ = self.exchange.reload().await;
        for key in restart {
            tracing::warn!(key, "this key of the configuration has changed, which needs a restart: the old value stays in force");
        }
        if !restart.is_empty() {
            self.metrics.config_reload(false);
        }
    }

    /// Notes that a new configuration was not taken, and why.
    pub fn reload_refused(&self, faults: &Faults) {
        self.metrics.config_reload(false);
        for fault in faults {
            fault.log("the configuration has a fault, the old one stays in force");
        }
    }

    /// Not ready at once; for `drain_delay` connections are still taken, because whoever routes them here hears of it later. Then no new
    /// ones, what runs is finished within `drain_timeout`, and everything ends.
    ///
    /// The ops listener stays to the end: a probe must see `draining`, not a refused connection.
    pub async fn drain(mut self) {
        self.lifecycle.drain();
        // Nothing to wait for but time.
        let _ = tokio::time::timeout(self.drain_delay, std::future::pending::<()>()).await;
        tracing::info!(drain_timeout = ?self.drain_timeout, "draining: no new connections, what runs is finished");
        self.proxy.drain(self.drain_timeout).await;
        self.exchange.close_samples();
        if tokio::time::timeout(LAST_SAMPLES, &mut self.sampler).await.is_err() {
            self.sampler.abort();
        }
        for task in self.background {
            task.abort();
            // One that is on its way has a connection in its hands, which nobody would close in order.
            let _ = task.await;
        }
        // Bounded by the store's own patience.
        self.exchange.record_uses().await;
        self.store.close().await;
        let _ = self.ops.stop.send(());
        let _ = self.ops.task.await;
    }
}

impl Ops {
    fn start(
        listener: TcpListener,
        settings: &Settings,
        exchange: &Arc<Exchange>,
        metrics: &Arc<Metrics>,
        lifecycle: &Arc<ops::Lifecycle>,
    ) -> std::io::Result<Self> {
        let address = listener.local_addr()?;
        let state = OpsState::of(exchange, Arc::clone(lifecycle), Arc::clone(metrics), &settings.token.issuer);
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            ops::serve(listener, state, async {
                let _ = stopped.await;
            })
            .await;
        });
        Ok(Self { address, stop, task })
    }
}

async fn bind(listener: &'static str, address: SocketAddr) -> Result<TcpListener, AppError> {
    TcpListener::bind(address).await.map_err(|error| AppError::Bind { listener, address, error })
}

/// Policies and signing keys are read anew when their directories change. A fault is logged by the exchange and leaves the old ones in force.
async fn reload_on_change(mut watch: Watch, exchange: Arc<Exchange>) {
    loop {
        watch.changed().await;
        let _ = exchange.reload().await;
    }
}
