//! What a process does that has the store itself, beside serving from it: it is managed through it, and looks after its audit.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;

use super::error::AppError;
use super::listeners::{Served, bind};
use crate::admin::AdminState;
use crate::audit::AuditTasks;
use crate::clock::Clock;
use crate::config::{LiveSettings, Settings};
use crate::console::{self, ConsoleState};
use crate::control::{Control, Serving};
use crate::edge::Turnstile;
use crate::edge::tls::ListenerTls;
use crate::exchange::Exchange;
use crate::model::{KeyDigest, ReplicaName};
use crate::store::Store;
use crate::telemetry::Metrics;

/// A store, and the listener through which it will be managed.
pub(super) struct Bound {
    store: Arc<dyn Store>,
    /// `None`: switched off.
    listener: Option<TcpListener>,
}

/// A store that is managed here.
pub(super) struct ControlPlane {
    admin: Option<Served>,
    console: ConsoleState,
    /// Gives up what is old in the audit, and tells the webhook.
    audit: AuditTasks,
}

impl Bound {
    pub(super) fn on(store: Arc<dyn Store>, settings: &Settings) -> Result<Self, AppError> {
        let listener = settings.admin.listen.map(|address| bind("admin", address)).transpose()?;
        Ok(Self { store, listener })
    }

    /// Serves whoever manages. What has to go on beside it waits for [`ControlPlane`]'s own start.
    pub(super) fn start(
        self,
        exchange: &Arc<Exchange>,
        name: &ReplicaName,
        (live, tls): (&LiveSettings, &ListenerTls),
        clock: &Arc<dyn Clock>,
        metrics: &Arc<Metrics>,
    ) -> Result<ControlPlane, AppError> {
        let Self { store, listener } = self;
        let serving = Serving { exchange: Arc::clone(exchange), settings: live.clone(), name: name.clone() };
        let control = Control::serving(Arc::clone(&store), Arc::clone(clock), serving);
        let (control, turnstile) = (Arc::new(control), Arc::new(Turnstile::new(live.clone())));
        let managing = AdminState::new(Arc::clone(&control), Arc::clone(&turnstile), Arc::clone(metrics))?;
        let console = ConsoleState::new(control, turnstile, tls.clone());
        let pages = console::pages(console.clone());
        let admin = listener.map(|listener| Served::admin((listener, tls.clone()), managing, pages)).transpose()?;
        let audit = AuditTasks::start(&store, live, clock, metrics)?;
        Ok(ControlPlane { admin, console, audit })
    }
}

impl ControlPlane {
    /// Where the admin API listens; `None`: it is switched off.
    pub(super) fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(|admin| admin.address)
    }

    /// A path of the console's that signs in once, as the key with this digest.
    pub(super) fn path_that_signs_in(&self, digest: KeyDigest) -> Option<String> {
        self.admin.as_ref()?;
        self.console.path_that_signs_in(digest).ok()
    }

    /// What is being changed is finished, and nothing is changed any more.
    pub(super) async fn end_managing(&mut self) {
        if let Some(admin) = self.admin.take() {
            admin.end().await;
        }
    }

    /// Before the store is closed.
    pub(super) async fn end(self) {
        self.audit.stop().await;
    }
}
