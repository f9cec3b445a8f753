//! What the handlers share.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use http::HeaderMap;

use super::seats::Seats;
use super::throttle::{Rate, Throttle};
use crate::config::LiveSettings;
use crate::control::Control;
use crate::edge::client_address::TrustedProxies;
use crate::edge::request_id::{RequestId, RequestIds};
use crate::telemetry::Metrics;

/// What the handlers share.
#[derive(Clone)]
pub struct AdminState(Arc<Shared>);

struct Shared {
    control: Arc<Control>,
    live: LiveSettings,
    metrics: Arc<Metrics>,
    ids: Mutex<RequestIds>,
    /// Of keys that work.
    requests: Throttle,
    /// Of addresses from which a key came that does not work.
    failures: Throttle,
    /// For requests that wait for replicas.
    seats: Seats,
}

/// How many keys that do not work may come from one address.
pub(super) const FAILURES: Rate = Rate { per_second: 1.0, burst: 20.0 };
/// For how many seconds a key may have asked nothing before, and then ask at once what it might have asked.
const SAVED_UP: f64 = 10.0;

impl AdminState {
    /// Manages by `control`.
    ///
    /// # Errors
    /// The system has no randomness to give.
    pub fn new(control: Arc<Control>, live: LiveSettings, metrics: Arc<Metrics>) -> std::io::Result<Self> {
        let ids = RequestIds::seeded().map_err(std::io::Error::other)?;
        let (requests, failures, seats) = (Throttle::default(), Throttle::default(), Seats::default());
        Ok(Self(Arc::new(Shared { control, live, metrics, ids: Mutex::new(ids), requests, failures, seats })))
    }

    pub(super) fn control(&self) -> &Arc<Control> {
        &self.0.control
    }

    pub(super) fn metrics(&self) -> &Arc<Metrics> {
        &self.0.metrics
    }

    pub(super) fn requests(&self) -> &Throttle {
        &self.0.requests
    }

    /// How often a key that works may ask.
    pub(super) fn rate(&self) -> Rate {
        let per_second = f64::from(self.0.live.now().admin.requests_per_second);
        Rate { per_second, burst: per_second * SAVED_UP }
    }

    pub(super) fn live(&self) -> &LiveSettings {
        &self.0.live
    }

    pub(super) fn failures(&self) -> &Throttle {
        &self.0.failures
    }

    pub(super) fn seats(&self) -> &Seats {
        &self.0.seats
    }

    pub(super) fn next_request_id(&self) -> RequestId {
        let now = self.0.control.now();
        self.0.ids.lock().unwrap_or_else(PoisonError::into_inner).next(now)
    }

    /// Where a request comes from, by the same rules as at the proxy; what cannot be known is the peer.
    pub(super) fn address(&self, peer: SocketAddr, headers: &HeaderMap) -> std::net::IpAddr {
        let proxies = TrustedProxies::of(&self.0.live.now().proxy);
        let peer = peer.ip().to_canonical();
        proxies.client(peer, proxies.holds(peer), headers).unwrap_or(peer)
    }
}
