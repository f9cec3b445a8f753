//! HTTP for those who manage and look after the process: few connections, and no client that keeps the others waiting, be it by handshakes, or
//! by frames of HTTP/2, which is spoken where it is agreed on while hands are shaken.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};

use super::tls::{ClientStream, ListenerTls};
use super::unread::{HeldBody, LINGER, LINGER_QUIET, LentBody, Rest};
use super::{Acceptor, PacedStream, Turns};
use crate::telemetry::{Listener, Metrics};

/// How much a listener lends to whoever connects.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// At a time. Whoever comes when there are so many is let in at once, and the one that has been asking for nothing for longest is cut
    /// off: so many connections that say nothing must not keep anybody waiting.
    pub(crate) connections: usize,
    /// The same of those that follow: beside the others, which do not lose their seats to them.
    pub(crate) followers: usize,
    /// For the head of a request, and before the first one for a TLS handshake; where connections are kept, also for the next one to begin.
    pub(crate) head: Duration,
    /// Of a head, in bytes.
    pub(crate) longest_head: usize,
    /// For the whole life of a connection.
    pub(crate) life: Duration,
    /// For what runs when a connection, or the listener, is to end.
    pub(crate) farewell: Duration,
    /// Whether a connection serves more than one request.
    pub(crate) keep_alive: bool,
}

/// Requests at a time of one HTTP/2 connection.
const STREAMS: u32 = 32;
/// How often an HTTP/2 client is asked whether it is still there, and how long it may take to say so.
const PING: Duration = Duration::from_secs(20);
const PONG: Duration = Duration::from_secs(10);

/// Who is at the other end of a request's connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// A request's connection, which may be that of somebody who follows what happens here and keeps it open for that.
#[derive(Clone, Debug)]
pub(crate) struct Follows(Arc<AtomicBool>);

impl Follows {
    /// It is.
    pub(crate) fn mark(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Serves until `shutdown` comes. Each request carries its [`Peer`].
pub(crate) async fn serve<S, B>(
    which: Listener,
    limits: Limits,
    (listener, tls): (TcpListener, ListenerTls),
    metrics: &Arc<Metrics>,
    service: S,
    shutdown: impl Future<Output = ()>,
) where
    S: Service<Request<LentBody>, Response = Response<B>> + Clone + Send + Sync + Unpin + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    // One more: it has its seat before another one loses its own.
    let most = limits.connections.saturating_add(limits.followers).saturating_add(1);
    let acceptor = Acceptor::new(which, listener, move || most, metrics);
    let mut connections = JoinSet::new();
    let mut open: VecDeque<Open> = VecDeque::new();
    // The same threads look keys up for the proxy and hear of changes.
    let (handshakes, frames) = (Turns::default(), Turns::default());
    let mut shutdown = pin!(shutdown);
    loop {
        let (stream, peer, seat) = tokio::select! {
            () = &mut shutdown => break,
            taken = acceptor.accept() => taken,
            // What has ended is forgotten as it ends.
            Some(_) = connections.join_next() => continue,
        };
        open.retain(|connection| !connection.task.is_finished());
        make_room(&mut open, limits.connections, |connection| !connection.follows());
        make_room(&mut open, limits.followers, Open::follows);
        let (requests, follows) = (Arc::new(Requests::default()), Arc::new(AtomicBool::new(false)));
        let marked = Follows(Arc::clone(&follows));
        let (service, asking) = (service.clone(), Arc::clone(&requests));
        let service = service_fn(move |mut request: Request<LentBody>| {
            let asking = asking.begin(limits.keep_alive);
            request.extensions_mut().insert(Peer(peer));
            request.extensions_mut().insert(marked.clone());
            let answer = service.call(request);
            async move {
                let answer = answer.await;
                drop(asking);
                answer
            }
        });
        let (tls, asked) = (tls.clone(), Arc::clone(&requests));
        let (handshake, frames) = (handshakes.next_of(peer.ip()), frames.clone());
        let task = connections.spawn(async move {
            let _seat = seat;
            let Ok(Some((stream, _))) = tokio::time::timeout(limits.head, tls.accept(stream, || {}, handshake)).await else { return };
            if stream.agreed_on_http2() {
                speak_http2(PacedStream::http2(stream, 0, &frames), limits, service, &asked).await;
            } else {
                speak_http1(stream, limits, service).await;
            }
        });
        open.push_back(Open { requests, follows, task });
    }
    drop(acceptor);
    for idle in open.iter().filter(|connection| limits.keep_alive && !connection.asks()) {
        idle.task.abort();
    }
    // Those that are still here after it are cut off with the set.
    _ = tokio::time::timeout(limits.farewell, async { while connections.join_next().await.is_some() {} }).await;
}

async fn speak_http1<S, B>(stream: ClientStream, limits: Limits, service: S)
where
    S: Service<Request<LentBody>, Response = Response<B>> + Unpin,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    // What answers stands on the heap, so that the connection can be moved, and its socket be had back.
    let service = service_fn(move |request: Request<Incoming>| Box::pin(service.call(request.map(LentBody::for_good))));
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(limits.longest_head)
        .keep_alive(limits.keep_alive)
        .serve_connection(TokioIo::new(stream), service);
    // A client that hurries nobody and says nothing is cut off; that it went away concerns nobody.
    if tokio::time::timeout(limits.life, poll_fn(|cx| connection.poll_without_shutdown(cx))).await.is_err() {
        Pin::new(&mut connection).graceful_shutdown();
        if tokio::time::timeout(limits.farewell, poll_fn(|cx| connection.poll_without_shutdown(cx))).await.is_err() {
            return;
        }
    }
    _ = tokio::time::timeout(LINGER, end(connection.into_parts().io.into_inner())).await;
}

/// Says that nothing more comes, and throws away what still does: bytes that arrive at a closed socket make the kernel reset the connection,
/// and the reset can take an answer away that the client has not read yet. hyper would read nothing more, and where the client has offered to
/// switch protocols it would not even say so.
async fn end(mut stream: ClientStream) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let mut waste = vec![0; 16 << 10];
    while matches!(tokio::time::timeout(LINGER_QUIET, stream.read(&mut waste)).await, Ok(Ok(1..))) {}
}

async fn speak_http2<S, B>(stream: PacedStream, limits: Limits, service: S, requests: &Requests)
where
    S: Service<Request<LentBody>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let rest = Rest::default();
        let answer = service.call(request.map(|body| LentBody::new(body, &rest)));
        async move { answer.await.map(|answer| answer.map(|body| HeldBody::new(body, rest))) }
    });
    let longest_head = u32::try_from(limits.longest_head).unwrap_or(u32::MAX);
    let streams = Streams::default();
    let _end = EndOf(&streams);
    let mut connection = pin!(
        http2::Builder::new(streams.clone())
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .max_header_list_size(longest_head)
            .keep_alive_interval(PING)
            .keep_alive_timeout(PONG)
            .serve_connection(TokioIo::new(stream), service)
    );
    if tokio::time::timeout(limits.head, connection.as_mut()).await.is_ok() || !requests.any.load(Ordering::Relaxed) {
        return;
    }
    if tokio::time::timeout(limits.life, connection.as_mut()).await.is_err() {
        connection.as_mut().graceful_shutdown();
        _ = tokio::time::timeout(limits.farewell, connection).await;
    }
}

/// Answers under way on an HTTP/2 connection.
#[derive(Clone, Default)]
struct Streams(Arc<Mutex<JoinSet<()>>>);

/// They end with it: each of them holds on to them all.
struct EndOf<'a>(&'a Streams);

impl Drop for EndOf<'_> {
    fn drop(&mut self) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, answer: F) {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(answer);
    }
}

/// The requests of a connection.
#[derive(Debug, Default)]
struct Requests {
    /// Whether there has been one.
    any: AtomicBool,
    under_way: AtomicUsize,
}

/// A request of a connection, until it is dropped.
struct Asking(Option<Arc<Requests>>);

impl Requests {
    /// Where a connection serves no other request, it asks to its end.
    fn begin(self: &Arc<Self>, ends: bool) -> Asking {
        self.any.store(true, Ordering::Relaxed);
        self.under_way.fetch_add(1, Ordering::Relaxed);
        Asking(ends.then(|| Arc::clone(self)))
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        if let Some(requests) = &self.0 {
            requests.under_way.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// A connection that is open, in the order in which they came.
struct Open {
    requests: Arc<Requests>,
    follows: Arc<AtomicBool>,
    task: AbortHandle,
}

impl Open {
    /// Whether a request of it is being answered.
    fn asks(&self) -> bool {
        self.requests.under_way.load(Ordering::Relaxed) > 0
    }

    fn follows(&self) -> bool {
        self.follows.load(Ordering::Relaxed)
    }
}

/// If there are so many of these: ends the one that has said nothing for longest; if all have asked, the one that has been here longest.
fn make_room(open: &mut VecDeque<Open>, most: usize, those: impl Fn(&Open) -> bool) {
    if open.iter().filter(|connection| those(connection)).count() < most {
        return;
    }
    let silent = open.iter().position(|connection| those(connection) && !connection.asks());
    if let Some(connection) = silent.or_else(|| open.iter().position(&those)).and_then(|at| open.remove(at)) {
        connection.task.abort();
    }
}
