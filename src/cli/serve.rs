//! `claviger serve`: runs until it is told to stop.

use std::path::Path;
use std::pin::pin;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};

use super::args::config::{ConfigArgs, Sources};
use super::failure::Failure;
use super::key;
use super::output::{self, Output};
use crate::app::{self, App, AppError, Watched};
use crate::clock::{Clock, SystemClock};
use crate::config::{Loaded, Settings, StoreUrl, Values};
use crate::control::{self, Asked, Control, ControlError};
use crate::exchange::ExchangeError;
use crate::model::{KeyDigest, KeyName, Mutation, NewKey, PlainKey, SpaceId, SystemRole};
use crate::store::{self, Conflict, Page, Store, StoreError};
use crate::telemetry;

/// Holds the text of the first root admin key.
const BOOTSTRAP_KEY: &str = "CLAVIGER_BOOTSTRAP_KEY";
/// What a configuration is usually called. It is read only if somebody says so: a directory may hold any file.
const USUAL_NAME: &str = "claviger.toml";
const MALFORMED: &str = "CLAVIGER_BOOTSTRAP_KEY does not hold a key as `claviger key generate` prints it";
/// What the first key is called.
pub(super) const ROOT_ADMIN: &str = "root-admin";

/// Arguments of `claviger serve`.
#[derive(Debug, clap::Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    configured: ConfigArgs,
}

impl Serve {
    pub(crate) async fn run(self, out: &Output) -> Result<(), Failure> {
        let sources = self.configured.sources();
        // Before it is read: what changes from here on must be noticed.
        let configuration = sources.file.as_deref().map(Watched::file);
        let Loaded { settings, values, .. } = sources.load(out)?;
        telemetry::init(settings.log).context("cannot start the log")?;
        // Before anything listens: a stop that comes during the start must not be lost.
        let signals = Signals::listen()?;
        let clock = Arc::new(SystemClock::start());
        if let StoreUrl::ControlPlanes(planes) = &settings.store.url {
            let source = app::follow(&settings.store, planes, clock.clone()).map_err(|error| Failure::Refused(error.into()))?;
            let app = started(App::start_reading(&settings, source, clock).await, out)?;
            told_of(&sources);
            tracing::info!(
                control_planes = planes.len(),
                first = planes.first().map(tracing::field::display),
                "this is a sidecar of a control plane"
            );
            announce(&app, &settings);
            serve(app.watching(configuration), &sources, &values, signals).await;
            return Ok(());
        }
        if let StoreUrl::Files(place) = &settings.store.url {
            let app = started(App::start(&settings, clock).await, out)?;
            told_of(&sources);
            tracing::info!(place = %place.display(), "access is declared by files");
            announce(&app, &settings);
            serve(app.watching(configuration), &sources, &values, signals).await;
            return Ok(());
        }
        let store = store::open(&settings.store.url, settings.login.strategy, clock.clone()).await?;
        // A text that is no key is found out before anything listens.
        let given = if is_new(&store).await? { given_key()? } else { None };
        let app = start(&settings, Arc::clone(&store), clock.clone(), out).await?;
        // Last: a start that fails has not made a key that is printed once, and lost with it.
        if let Err(failure) = first_key(&app, &Control::of_store(store, clock), given.as_ref(), out).await {
            drain(app, signals).await;
            return Err(failure);
        }
        told_of(&sources);
        announce(&app, &settings);
        serve(app.watching(configuration), &sources, &values, signals).await;
        Ok(())
    }
}

/// Makes the first key of a new store, and shows it if nobody knows it yet.
async fn first_key(app: &App, control: &Control, given: Option<&PlainKey>, out: &Output) -> Result<(), Failure> {
    if let Some(plain) = bootstrap(control, given).await? {
        out.note("this store is new: here is its first key, a root admin; it is shown this once");
        let written = out.line(plain.reveal(), &serde_json::json!({ "name": ROOT_ADMIN, "key": plain.reveal() }));
        let id = plain.id().ok_or_else(|| Failure::usage(MALFORMED))?;
        key::shown_once(written, &root_admin()?, id, out)?;
        if let Some(link) = app.link_that_signs_in(KeyDigest::of(&plain)) {
            out.note(format_args!("the console; this link signs in once, within a quarter of an hour: {link}"));
        }
    }
    // It works when it is told of, not half a second later.
    app.exchange().catch_up().await?;
    Ok(())
}

/// Says which configuration it was, since there may be another one where somebody looks for it.
fn told_of(sources: &Sources) {
    match &sources.file {
        Some(file) => {
            let file = std::path::absolute(file).unwrap_or_else(|_| file.clone());
            tracing::info!(file = %file.display(), "configured by this file");
        }
        None if Path::new(USUAL_NAME).exists() => {
            tracing::warn!(file = USUAL_NAME, "this file is here and was not read: only --config or CLAVIGER_CONFIG names a configuration");
        }
        None => tracing::info!("no file of configuration was named: the defaults and the environment count"),
    }
}

/// Starts. Nobody is told yet.
pub(super) async fn start(settings: &Settings, store: Arc<dyn Store>, clock: Arc<dyn Clock>, out: &Output) -> Result<App, Failure> {
    let app = App::start_on(settings, Arc::clone(&store), clock).await;
    if app.is_err() {
        store.close().await;
    }
    started(app, out)
}

/// An app, or why there is none, as people are told.
fn started(app: Result<App, AppError>, out: &Output) -> Result<App, Failure> {
    app.or_else(|error| {
        Err(match error {
            AppError::Exchange(ExchangeError::Policies(faults)) => out.refused_for(&faults)?,
            AppError::Files(faults) => {
                output::show(&faults);
                Failure::refused("the files that declare access cannot be used")
            }
            AppError::Tls(faults) => {
                output::show(&faults);
                Failure::refused("a certificate cannot be used")
            }
            AppError::Bind { listener, .. } => Failure::refused(format_args!("{error}; another port: --set {listener}.listen=HOST:PORT")),
            error => Failure::Refused(error.into()),
        })
    })
}

/// Says where it listens.
pub(super) fn announce(app: &App, settings: &Settings) {
    tracing::info!(
        proxy = %app.proxy_address(),
        ops = %app.ops_address(),
        admin = app.admin_address().map(tracing::field::display),
        upstream = %settings.upstream.url,
        version = env!("CARGO_PKG_VERSION"),
        "serving"
    );
}

/// Serves until it is told to stop. The configuration is read anew when somebody asks for it, and when something of what it names changes.
async fn serve(mut app: App, sources: &Sources, started: &Values, mut signals: Signals) {
    app.configured_by(started.clone());
    let mut in_force = started.clone();
    let mut asked = pin!(app.asked_to_drain());
    loop {
        let signal = tokio::select! {
            signal = signals.next() => signal,
            () = &mut asked => Signal::Drain,
            () = app.changed() => Signal::Reload,
        };
        match signal {
            Signal::Stop => break,
            Signal::Drain => {
                signals.is_expected();
                break;
            }
            Signal::Reload => {}
        }
        // Policies may take long to compile, and whoever wants the process to end does not care.
        tokio::select! {
            () = sources.reload(&mut app, started, &mut in_force) => {}
            () = signals.stopped() => break,
            () = &mut asked => {
                signals.is_expected();
                break;
            }
        }
    }
    drain(app, signals).await;
}

/// Finishes what runs; a second signal ends it at once.
pub(super) async fn drain(app: App, mut signals: Signals) {
    tracing::info!("stopping: not ready any more");
    tokio::select! {
        () = app.drain() => tracing::info!("stopped"),
        () = signals.stopped() => tracing::warn!("stopped before everything was finished"),
    }
}

/// Makes the root admin key if the store has never had a key: with the text of `CLAVIGER_BOOTSTRAP_KEY`, or else with a new one, which is
/// returned so that it can be shown once. Several replicas may try at once; one of them makes the key.
pub(super) async fn bootstrap(control: &Control, given: Option<&PlainKey>) -> Result<Option<PlainKey>, Failure> {
    if !is_new(control.store()).await? {
        return Ok(None);
    }
    let now = control.now();
    let plain = match given {
        Some(plain) => plain,
        None => &control::plain_key(control::key_id(now)?)?,
    };
    let id = plain.id().ok_or_else(|| Failure::usage(MALFORMED))?;
    let key = NewKey {
        id,
        name: root_admin()?,
        description: "Made at the first start".to_owned(),
        groups: Vec::new(),
        expires_at: None,
        digest: KeyDigest::of(plain),
        bindings: vec![(control::binding_id(now)?, SystemRole::SpaceAdmin.id(), SpaceId::root())],
    };
    match control.change(&Asked::by_system(), Mutation::Bootstrap(key), None).await {
        Ok(_) if given.is_some() => {
            tracing::info!(key = %id, name = ROOT_ADMIN, "this store is new: its first key, a root admin, is the one in {BOOTSTRAP_KEY}");
            Ok(None)
        }
        Ok(_) => Ok(PlainKey::presented(plain.reveal().as_bytes())),
        // Another replica was faster: there is a first key, and that is what was wanted.
        Err(ControlError::Store(StoreError::Conflict(Conflict::NotTheFirstKey))) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Whether the store has never had a key.
async fn is_new(store: &Arc<dyn Store>) -> Result<bool, Failure> {
    Ok(store.keys(&Page { after: None, limit: 1, query: None }).await?.is_empty())
}

fn root_admin() -> Result<KeyName, Failure> {
    Ok(ROOT_ADMIN.parse().context("the first key's name")?)
}

pub(super) fn given_key() -> Result<Option<PlainKey>, Failure> {
    match std::env::var(BOOTSTRAP_KEY) {
        Err(std::env::VarError::NotPresent) => Ok(None),
        Ok(text) if text.is_empty() => Ok(None),
        Ok(text) => {
            let text = zeroize::Zeroizing::new(text);
            let plain = PlainKey::presented(text.trim().as_bytes()).filter(|plain| plain.id().is_some());
            plain.map(Some).ok_or_else(|| Failure::usage(MALFORMED))
        }
        Err(std::env::VarError::NotUnicode(_)) => Err(Failure::usage(MALFORMED)),
    }
}

/// What the system asks of a running process.
pub(super) enum Signal {
    /// SIGHUP.
    Reload,
    /// SIGTERM or SIGINT.
    Stop,
    /// What the ops listener was asked for.
    Drain,
}

/// The signals that a running process listens to.
pub(super) struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
    /// How many stops change nothing.
    expected: u8,
}

impl Signals {
    pub(super) fn listen() -> Result<Self, Failure> {
        let listen = |kind| signal(kind).context("cannot listen to signals");
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hang_up: listen(SignalKind::hangup())?,
            expected: 0,
        })
    }

    /// A drain has been asked for, and the signal that ends the process is still to come: it cuts off nothing.
    pub(super) fn is_expected(&mut self) {
        self.expected = 1;
    }

    pub(super) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::Stop,
            _ = self.interrupt.recv() => Signal::Stop,
            _ = self.hang_up.recv() => Signal::Reload,
        }
    }

    /// The next stop; what else is asked meanwhile is asked still.
    async fn stopped(&mut self) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => {}
                _ = self.interrupt.recv() => {}
            }
            match self.expected.checked_sub(1) {
                Some(left) => self.expected = left,
                None => return,
            }
        }
    }
}
