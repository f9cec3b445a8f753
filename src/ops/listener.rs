//! Connections to the ops listener: few, short, and one request each.

use std::future::Future;
use std::time::Duration;

use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;

use super::router::router;
use super::state::OpsState;
use crate::edge::service::{self, Limits};
use crate::edge::tls::ListenerTls;
use crate::telemetry::Listener;

/// Nobody has a long question, or a second one.
const LIMITS: Limits = Limits {
    connections: 64,
    followers: 0,
    head: Duration::from_secs(2),
    longest_head: 16 * 1024,
    life: Duration::from_secs(5),
    farewell: Duration::from_secs(1),
    keep_alive: false,
};

/// Serves until `shutdown` comes. A draining process keeps serving here, so that probes and scrapes see it drain.
pub async fn serve(listener: (TcpListener, ListenerTls), state: OpsState, shutdown: impl Future<Output = ()>) {
    serve_within(LIMITS, listener, state, shutdown).await;
}

async fn serve_within(limits: Limits, listener: (TcpListener, ListenerTls), state: OpsState, shutdown: impl Future<Output = ()>) {
    let metrics = std::sync::Arc::clone(&state.metrics);
    service::serve(Listener::Ops, limits, listener, &metrics, TowerToHyperService::new(router(state)), shutdown).await;
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;
    use crate::clock::{Clock, SystemClock};
    use crate::ops::lifecycle::Lifecycle;
    use crate::telemetry::Metrics;

    fn state() -> OpsState {
        OpsState {
            lifecycle: Arc::new(Lifecycle::starting()),
            metrics: Arc::new(Metrics::new()),
            issuer: Arc::new(|| "http://127.0.0.1:9464".to_owned()),
            parts: Arc::new(Vec::new),
            jwks: Arc::new(|| r#"{"keys":[]}"#.into()),
        }
    }

    #[tokio::test]
    async fn who_says_nothing_is_cut_off_and_makes_room() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let long = Duration::from_mins(1);
        let limits = Limits { connections: 1, head: long, life: long, farewell: Duration::ZERO, ..LIMITS };
        let state = state();
        let metrics = Arc::clone(&state.metrics);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
        let tls = ListenerTls::plain(Listener::Ops, &metrics, &clock).unwrap();
        let server = tokio::spawn(serve_within(limits, (listener, tls), state, std::future::pending()));

        let mut silent = TcpStream::connect(address).await.unwrap();
        let mut slow = TcpStream::connect(address).await.unwrap();
        slow.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\nX: ").await.unwrap();
        let mut honest = TcpStream::connect(address).await.unwrap();
        honest.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();

        let mut answer = String::new();
        honest.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("live\n"), "{answer}");
        // Both have been cut off, long before their time: there is one seat.
        for mut cut in [silent_end(&mut silent).await, silent_end(&mut slow).await] {
            cut.retain(|byte| *byte != 0);
            assert!(cut.is_empty() || cut.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&cut));
        }
        server.abort();
        _ = server.await;
        assert_eq!(metrics.connections(Listener::Ops).get(), 0);
    }

    async fn silent_end(stream: &mut TcpStream) -> Vec<u8> {
        let mut rest = Vec::new();
        _ = stream.read_to_end(&mut rest).await;
        rest
    }
}
