//! Connections to the admin listener.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;

use super::router::{Pages, router};
use super::state::AdminState;
use crate::edge::service::{self, Limits};
use crate::edge::tls::ListenerTls;
use crate::telemetry::Listener;

const LIMITS: Limits = Limits {
    connections: 256,
    // Of a thousand sidecars, each with one for what changes and some for keys.
    followers: 4096,
    head: Duration::from_secs(30),
    longest_head: 32 * 1024,
    life: Duration::from_mins(10),
    farewell: Duration::from_secs(5),
    keep_alive: true,
};

/// Serves until `shutdown` comes, then finishes what runs. `pages` have every path that the API has not.
pub async fn serve(listener: (TcpListener, ListenerTls), state: AdminState, pages: Pages, shutdown: impl Future<Output = ()>) {
    let (metrics, control) = (Arc::clone(state.metrics()), Arc::clone(state.control()));
    let shutdown = async move {
        shutdown.await;
        // What has been changed is answered, and not waited for any longer.
        control.stop_waiting();
    };
    service::serve(Listener::Admin, LIMITS, listener, &metrics, TowerToHyperService::new(router(state, pages)), shutdown).await;
}
