//! Connections to the ops listener: few, short, and one request each.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};

use super::router::router;
use super::state::OpsState;
use crate::edge::Acceptor;
use crate::telemetry::Listener;

/// How much the listener lends to whoever connects.
#[derive(Clone, Copy)]
struct Limits {
    /// At a time. Whoever comes when there are so many is let in at once, and the one that has been asking for nothing for longest is cut
    /// off: so many connections that say nothing must not keep a probe waiting.
    connections: usize,
    /// For the head of the request.
    head: Duration,
    /// For the whole life of a connection.
    life: Duration,
    /// For those that run when the listener is to end.
    farewell: Duration,
}

const LIMITS: Limits =
    Limits { connections: 64, head: Duration::from_secs(2), life: Duration::from_secs(5), farewell: Duration::from_secs(1) };
/// Nobody has a long question.
const LONGEST_HEAD: usize = 16 * 1024;

/// Serves until `shutdown` comes. A draining process keeps serving here, so that probes and scrapes see it drain.
pub async fn serve(listener: TcpListener, state: OpsState, shutdown: impl Future<Output = ()>) {
    serve_within(LIMITS, listener, state, shutdown).await;
}

async fn serve_within(limits: Limits, listener: TcpListener, state: OpsState, shutdown: impl Future<Output = ()>) {
    // One more: it has its seat before another one loses its own.
    let acceptor = Acceptor::new(Listener::Ops, listener, move || limits.connections.saturating_add(1), &state.metrics);
    let service = TowerToHyperService::new(router(state));
    let mut connections = JoinSet::new();
    let mut open: VecDeque<Open> = VecDeque::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let (stream, _, seat) = tokio::select! {
            () = &mut shutdown => break,
            taken = acceptor.accept() => taken,
            // What has ended is forgotten as it ends.
            Some(_) = connections.join_next() => continue,
        };
        open.retain(|connection| !connection.task.is_finished());
        if open.len() >= limits.connections {
            cut_off_one(&mut open);
        }
        let asks = Arc::new(AtomicBool::new(false));
        let (service, asking) = (service.clone(), Arc::clone(&asks));
        let service = service_fn(move |request| {
            asking.store(true, Ordering::Relaxed);
            service.call(request)
        });
        let task = connections.spawn(async move {
            let _seat = seat;
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(limits.head)
                .max_buf_size(LONGEST_HEAD)
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), service);
            // A client that hurries nobody and says nothing is cut off; that it went away concerns nobody.
            _ = tokio::time::timeout(limits.life, connection).await;
        });
        open.push_back(Open { asks, task });
    }
    drop(acceptor);
    // Those that are still here after it are cut off with the set.
    _ = tokio::time::timeout(limits.farewell, async { while connections.join_next().await.is_some() {} }).await;
}

/// A connection that is open, in the order in which they came.
struct Open {
    /// Whether its request has come.
    asks: Arc<AtomicBool>,
    task: AbortHandle,
}

/// The one that has said nothing for longest; if all have asked, the one that has been here longest.
fn cut_off_one(open: &mut VecDeque<Open>) {
    let silent = open.iter().position(|connection| !connection.asks.load(Ordering::Relaxed)).unwrap_or(0);
    if let Some(connection) = open.remove(silent) {
        connection.task.abort();
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;
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
        let limits = Limits { connections: 1, head: Duration::from_mins(1), life: Duration::from_mins(1), farewell: Duration::ZERO };
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
