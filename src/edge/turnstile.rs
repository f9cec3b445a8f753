//! How often whoever manages may ask, at whichever entrance: keys that work, and addresses from which keys came that do not.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use http::HeaderMap;

use super::client_address::TrustedProxies;
use super::throttle::{Rate, Throttle};
use crate::config::LiveSettings;
use crate::model::KeyDigest;

/// How many keys that do not work may come from one address.
const FAILURES: Rate = Rate { per_second: 1.0, burst: 20.0 };
/// For how many seconds a key may have asked nothing before, and then ask at once what it might have asked.
const SAVED_UP: f64 = 10.0;

/// What all entrances for those who manage have in common, so that nobody may try twice as often by using two of them.
pub struct Turnstile {
    live: LiveSettings,
    /// Of keys that work.
    requests: Throttle,
    /// Of addresses from which a key came that does not work.
    failures: Throttle,
}

impl Turnstile {
    /// By these settings.
    pub fn new(live: LiveSettings) -> Self {
        Self { live, requests: Throttle::default(), failures: Throttle::default() }
    }

    pub(crate) fn live(&self) -> &LiveSettings {
        &self.live
    }

    /// How often a key that works may ask.
    pub(crate) fn rate(&self) -> Rate {
        let per_second = f64::from(self.live.now().admin.requests_per_second);
        Rate { per_second, burst: per_second * SAVED_UP }
    }

    /// Takes one of what a key may ask.
    ///
    /// # Errors
    /// How long it is until there is one.
    pub(crate) fn take(&self, digest: &KeyDigest, now: Duration) -> Result<(), Duration> {
        self.requests.take(digest.as_bytes(), now, self.rate())
    }

    /// Whether another key may be tried from this address.
    ///
    /// # Errors
    /// How long it is until one may be.
    pub(crate) fn may_try(&self, address: Option<IpAddr>, now: Duration) -> Result<(), Duration> {
        self.failures.look(address, now, FAILURES)
    }

    /// A key came from this address that does not work.
    ///
    /// # Errors
    /// How long it is until another one may be tried.
    pub(crate) fn note_failure(&self, address: Option<IpAddr>, now: Duration) -> Result<(), Duration> {
        self.failures.take(address, now, FAILURES)
    }

    /// Whether what this peer says of others counts.
    pub(crate) fn trusts(&self, peer: SocketAddr) -> bool {
        TrustedProxies::of(&self.live.now().proxy).may_speak_of_others(peer.ip().to_canonical())
    }

    /// Where a request comes from, by the same rules as at the proxy; what cannot be known is the peer.
    pub(crate) fn address(&self, peer: SocketAddr, headers: &HeaderMap) -> IpAddr {
        let proxies = TrustedProxies::of(&self.live.now().proxy);
        let peer = peer.ip().to_canonical();
        proxies.client(peer, proxies.holds(peer), headers).unwrap_or(peer)
    }
}
