//! What the pages share.

use std::sync::Arc;

use super::once::Tickets;
use super::session::Sessions;
use crate::config::{Settings, Values};
use crate::control::{Control, NoRandomness};
use crate::edge::Turnstile;
use crate::edge::tls::ListenerTls;
use crate::model::KeyDigest;

/// What the pages share.
#[derive(Clone)]
pub struct ConsoleState(Arc<Shared>);

struct Shared {
    control: Arc<Control>,
    turnstile: Arc<Turnstile>,
    tls: ListenerTls,
    sessions: Sessions,
    tickets: Tickets,
}

impl ConsoleState {
    /// Manages by `control`, for browsers that come over a listener which speaks as `tls` says.
    pub fn new(control: Arc<Control>, turnstile: Arc<Turnstile>, tls: ListenerTls) -> Self {
        let sessions = Sessions::new(Arc::clone(&control));
        Self(Arc::new(Shared { control, turnstile, tls, sessions, tickets: Tickets::default() }))
    }

    /// A path that signs in, once and soon, whoever follows it first, as the key with this digest.
    ///
    /// # Errors
    /// The system has no randomness to give.
    pub fn path_that_signs_in(&self, digest: KeyDigest) -> Result<String, NoRandomness> {
        self.0.tickets.issue(digest, self.0.control.monotonic())
    }

    pub(super) fn control(&self) -> &Arc<Control> {
        &self.0.control
    }

    pub(super) fn turnstile(&self) -> &Turnstile {
        &self.0.turnstile
    }

    pub(super) fn sessions(&self) -> &Sessions {
        &self.0.sessions
    }

    pub(super) fn tickets(&self) -> &Tickets {
        &self.0.tickets
    }

    /// Whether browsers speak TLS with this listener itself.
    pub(super) fn speaks_tls(&self) -> bool {
        self.0.tls.is_on()
    }

    /// How they were written.
    pub(super) fn values(&self) -> Arc<Values> {
        self.0.turnstile.live().values()
    }

    /// The settings in force.
    pub(super) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&*self.0.turnstile.live().now())
    }
}
