//! What the handlers share.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::HeaderName;

use super::seats::Seats;
use super::written::Written;
use crate::config::LiveSettings;
use crate::control::Control;
use crate::edge::Turnstile;
use crate::edge::request_id::{RequestId, RequestIds};
use crate::edge::throttle::{Rate, Throttle};
use crate::model::KeyDigest;
use crate::telemetry::Metrics;

/// What the handlers share.
#[derive(Clone)]
pub struct AdminState(Arc<Shared>);

struct Shared {
    control: Arc<Control>,
    turnstile: Arc<Turnstile>,
    metrics: Arc<Metrics>,
    ids: Mutex<RequestIds>,
    /// Of sidecars, by their keys and what they call themselves.
    sidecars: Throttle,
    /// The same of all with one key.
    sidecars_of_key: Throttle,
    /// For requests that wait for replicas.
    seats: Seats,
    written: Written,
}

/// What a sidecar calls itself, from its start to its end.
pub(super) const REPLICA: HeaderName = HeaderName::from_static("claviger-replica");
/// How many requests all sidecars with one key may send.
const SIDECARS_OF_KEY: Rate = Rate { per_second: 10_000.0, burst: 50_000.0 };

impl AdminState {
    /// Manages by `control`.
    ///
    /// # Errors
    /// The system has no randomness to give.
    pub fn new(control: Arc<Control>, turnstile: Arc<Turnstile>, metrics: Arc<Metrics>) -> std::io::Result<Self> {
        let ids = RequestIds::seeded().map_err(std::io::Error::other)?;
        Ok(Self(Arc::new(Shared {
            control,
            turnstile,
            metrics,
            ids: Mutex::new(ids),
            sidecars: Throttle::default(),
            sidecars_of_key: Throttle::default(),
            seats: Seats::default(),
            written: Written::default(),
        })))
    }

    pub(super) fn control(&self) -> &Arc<Control> {
        &self.0.control
    }

    pub(super) fn metrics(&self) -> &Arc<Metrics> {
        &self.0.metrics
    }

    pub(super) fn turnstile(&self) -> &Turnstile {
        &self.0.turnstile
    }

    /// Takes one of what a sidecar may ask, which is as much as a key may that manages: one key may be that of a thousand sidecars, so it
    /// is counted by what they call themselves, and all that have it together are held to what so many of them take.
    ///
    /// # Errors
    /// How long it is until there is one.
    pub(super) fn take_for_sidecar(&self, digest: &KeyDigest, name: &[u8], now: Duration) -> Result<(), Duration> {
        self.0.sidecars_of_key.take(digest.as_bytes(), now, SIDECARS_OF_KEY)?;
        self.0.sidecars.take((digest.as_bytes(), name), now, self.0.turnstile.rate())
    }

    pub(super) fn written(&self) -> &Written {
        &self.0.written
    }

    pub(super) fn live(&self) -> &LiveSettings {
        self.0.turnstile.live()
    }

    pub(super) fn seats(&self) -> &Seats {
        &self.0.seats
    }

    pub(super) fn next_request_id(&self) -> RequestId {
        let now = self.0.control.now();
        self.0.ids.lock().unwrap_or_else(PoisonError::into_inner).next(now)
    }
}
