//! Connections to the ops listener: few, short, and one request each.

use std::future::Future;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::OpsState;
use super::router::router;
use crate::edge::Acceptor;
use crate::telemetry::Listener;

/// How much the listener lends to whoever connects.
#[derive(Clone, Copy)]
struct Limits {
    /// At a time; more wait in the kernel's queue until one of them ends.
    connections: usize,
    /// For the whole life of a connection.
    life: Duration,
    /// For those that run when the listener is to end.
    farewell: Duration,
}

const LIMITS: Limits = Limits { connections: 64, life: Duration::from_secs(5), farewell: Duration::from_secs(1) };
/// Nobody has a long question.
const LONGEST_HEAD: usize = 16 * 1024;

/// Serves until `shutdown` comes. A draining process keeps serving here, so that probes and scrapes see it drain.
pub async fn serve(listener: TcpListener, state: OpsState, shutdown: impl Future<Output = ()>) {
    serve_within(LIMITS, listener, state, shutdown).await;
}

async fn serve_within(limits: Limits, listener: TcpListener, state: OpsState, shutdown: impl Future<Output = ()>) {
    let acceptor = Acceptor::new(Listener::Ops, listener, limits.connections, &state.metrics);
    let service = TowerToHyperService::new(router(state));
    let mut connections = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let (stream, _, seat) = tokio::select! {
            () = &mut shutdown => break,
            taken = acceptor.accept() => taken,
            // What has ended is forgotten as it ends.
            Some(_) = connections.join_next() => continue,
        };
        let service = service.clone();
        connections.spawn(async move {
            let _seat = seat;
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(limits.life)
                .max_buf_size(LONGEST_HEAD)
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), service);
            // A client that hurries nobody and says nothing is cut off; that it went away concerns nobody.
            _ = tokio::time::timeout(limits.life, connection).await;
        });
    }
    drop(acceptor);
    // Those that are still here after it are cut off with the set.
    _ = tokio::time::timeout(limits.farewell, async { while connections.join_next().await.is_some() {} }).await;
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use std::sync::Arc;

    use super::*;
    use crate::ops::Lifecycle;
    use crate::telemetry::Metrics;

    fn state() -> OpsState {
        OpsState {
            lifecycle: Arc::new(Lifecycle::starting()),
            metrics: Arc::new(Metrics::new()),
            issuer: "http://127.0.0.1:9464".into(),
            parts: Arc::new(Vec::new),
            jwks: Arc::new(|| r#"{"keys":[]}"#.into()),
        }
    }

    #[tokio::test]
    async fn who_says_nothing_is_cut_off_and_makes_room() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let limits = Limits { connections: 1, life: Duration::from_millis(100), farewell: Duration::ZERO };
        let state = state();
        let metrics = Arc::clone(&state.metrics);
        let server = tokio::spawn(serve_within(limits, listener, state, std::future::pending()));

        let mut silent = TcpStream::connect(address).await.unwrap();
        let mut slow = TcpStream::connect(address).await.unwrap();
        slow.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\nX: ").await.unwrap();
        let mut honest = TcpStream::connect(address).await.unwrap();
        honest.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();

        let mut answer = String::new();
        honest.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("live\n"), "{answer}");
        // Both have been cut off before: there is one seat.
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
