//! One data-plane thread: its connections, its way to the upstream, its clock.

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Poll, Waker};
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::runtime::RuntimeMetrics;

use super::body::BodyPatience;
use super::conversation::Conversation;
use super::headers::{Hygiene, Sender};
use super::listener::ProxyError;
use super::taking::Streams;
use super::ticks::Ticks;
use super::turns::Turns;
use super::unread::Unread;
use super::upstream::Upstream;
use super::wire::{Patience, Verdict, Watch, Wire};
use crate::clock::Clock;
use crate::config::{AccessLog, Settings};
use crate::edge::client_address::TrustedProxies;
use crate::edge::request_id::RequestIds;
use crate::exchange::Exchange;
use crate::telemetry::{Listener, Metrics};

/// What every HTTP/2 connection begins with (RFC 9113, section 3.4). Its first three bytes are no method of HTTP/1.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// How long the rest of a refused request is read, so that the client gets its answer.
const CLOSING: Duration = Duration::from_secs(2);
/// For how long nothing passes through a WebSocket, or is asked on an idle connection, before it is closed while the process drains: the
/// two are hardly amid a message.
const DRAIN_CLOSING: Duration = Duration::from_secs(1);
/// Requests at once on one HTTP/2 connection.
const STREAMS_MAX: u32 = 200;

/// What threads and acceptor tell each other.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Connections, for each thread.
    pub(super) load: Vec<AtomicUsize>,
    /// No connection more is taken: those that are idle are closed.
    pub(super) full: AtomicBool,
    /// A connection has closed.
    pub(super) closed: tokio::sync::Notify,
}

/// Counts a connection while it lives.
pub(super) struct Counted {
    shared: Arc<Shared>,
    metrics: Arc<Metrics>,
    thread: usize,
}

impl Counted {
    pub(super) fn new(shared: &Arc<Shared>, metrics: &Arc<Metrics>, thread: usize) -> Self {
        if let Some(load) = shared.load.get(thread) {
            load.fetch_add(1, Ordering::Relaxed);
        }
        metrics.connections(Listener::Proxy).inc();
        Self { shared: Arc::clone(shared), metrics: Arc::clone(metrics), thread }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if let Some(load) = self.shared.load.get(self.thread) {
            load.fetch_sub(1, Ordering::Relaxed);
        }
        self.metrics.connections(Listener::Proxy).dec();
        self.shared.closed.notify_waiters();
    }
}

/// A connection that the acceptor hands over.
pub(super) struct Arrival {
    pub(super) socket: std::net::TcpStream,
    pub(super) peer: SocketAddr,
    pub(super) counted: Counted,
}

/// A connection in the thread's book.
#[derive(Debug)]
struct Entry {
    watch: Arc<Watch>,
    waker: RefCell<Option<Waker>>,
    order: Cell<Verdict>,
    turns: Rc<Turns>,
}

/// A thread's state; everything that its requests share.
pub(super) struct Worker {
    pub(super) exchange: Arc<Exchange>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) access: AccessLog,
    pub(super) credentials: Vec<http::HeaderName>,
    pub(super) hygiene: Rc<Hygiene>,
    pub(super) trust: TrustedProxies,
    pub(super) upstream: Upstream,
    pub(super) ticks: Rc<Ticks>,
    turns: Rc<Turns>,
    pub(super) ids: RequestIds,
    pub(super) body_patience: BodyPatience,
    unread: Arc<Unread>,
    shared: Arc<Shared>,
    patience: Patience,
    http1: http1::Builder,
    http2: http2::Builder<Streams>,
    streams: Streams,
    book: RefCell<Vec<Rc<Entry>>>,
    /// Since which tick.
    draining: Cell<Option<u64>>,
}

impl Worker {
    pub(super) fn new(
        settings: &Settings,
        exchange: Arc<Exchange>,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
        shared: Arc<Shared>,
        runtime: RuntimeMetrics,
    ) -> Result<Rc<Self>, ProxyError> {
        let limits = &settings.limits;
        let turns = Rc::new(Turns::of(runtime));
        let ticks = Ticks::for_spans(&[limits.header_timeout, limits.idle_timeout, settings.upstream.response_timeout], &clock);
        let head_max = limits.max_header_bytes.max(8192);
        let mut http1 = http1::Builder::new();
        // Time-outs are the thread's own. One flat buffer is written faster than two pieces.
        http1.writev(false).header_read_timeout(None).max_buf_size(head_max).max_header_size(limits.max_header_bytes);
        let streams = Streams::new(&ticks, limits.idle_timeout);
        let mut http2 = http2::Builder::new(streams.clone());
        http2
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS_MAX)
            .max_header_list_size(u32::try_from(limits.max_header_bytes).unwrap_or(u32::MAX))
            .max_pending_accept_reset_streams(20)
            .max_local_error_reset_streams(100)
            .max_send_buf_size(64 * 1024)
            .keep_alive_interval(limits.idle_timeout)
            .keep_alive_timeout(limits.header_timeout);
        let unread = Unread::new(Arc::clone(&clock), Arc::clone(&metrics), settings.log.access).map_err(std::io::Error::from)?;
        Ok(Rc::new(Self {
            exchange,
            clock,
            metrics,
            access: settings.log.access,
            credentials: settings.proxy.credential_headers.clone(),
            hygiene: Rc::new(Hygiene::new(&settings.proxy.credential_headers, &settings.token.header)),
            trust: TrustedProxies::of(&settings.proxy),
            upstream: Upstream::new(&settings.upstream, Rc::clone(&ticks), Rc::clone(&turns)).ok_or(ProxyError::NoUpstream)?,
            ids: RequestIds::seeded().map_err(std::io::Error::from)?,
            body_patience: BodyPatience { stall: limits.idle_timeout, grace: limits.header_timeout },
            unread,
            shared,
            patience: Patience {
                head: ticks.spanning(limits.header_timeout),
                idle: ticks.spanning(limits.idle_timeout),
                // One that is told to finish and does not is cut as late as one that never began.
                overdue: ticks.spanning(limits.header_timeout),
                stuck: ticks.spanning(limits.idle_timeout),
                receiving: ticks.spanning(limits.idle_timeout.saturating_add(limits.header_timeout)),
                closing: ticks.spanning(CLOSING),
                tunnel: ticks.spanning(limits.websocket_idle_timeout),
            },
            http1,
            http2,
            streams,
            book: RefCell::default(),
            draining: Cell::new(None),
            ticks,
            turns,
        }))
    }

    /// Takes connections until the acceptor's end is gone, then finishes those that are open. The caller cuts it short by dropping
    /// the runtime.
    pub(super) async fn run(self: Rc<Self>, mut arrivals: tokio::sync::mpsc::UnboundedReceiver<Arrival>) {
        let mut beat = tokio::time::interval(self.ticks.step());
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                arrival = arrivals.recv() => match arrival {
                    Some(arrival) => {
                        tokio::task::spawn_local(Rc::clone(&self).host(arrival));
                    }
                    None => break,
                },
                _ = beat.tick() => self.sweep(),
            }
        }
        self.draining.set(Some(self.ticks.now()));
        self.upstream.pool.clear();
        self.book.borrow().iter().for_each(|entry| entry.tell(Verdict::Finish));
        let thread = std::thread::current();
        tracing::debug!(thread = thread.name().unwrap_or_default(), connections = self.book.borrow().len(), "draining");
        loop {
            beat.tick().await;
            self.sweep();
        }
    }

    /// Looks after time-outs of connections, requests and resting lines.
    fn sweep(&self) {
        self.ticks.advance();
        self.upstream.sweep();
        let mut patience = self.patience;
        if self.shared.full.load(Ordering::Relaxed) {
            patience.idle = 0;
        }
        if let Some(since) = self.draining.get() {
            let closing = self.ticks.spanning(DRAIN_CLOSING);
            patience.tunnel = patience.tunnel.min(closing);
            // All have been told to finish. Over HTTP/2 one that is idle ends only when its client says that it has heard so, and a
            // request of it may be on its way until then.
            if self.ticks.now().saturating_sub(since) > closing {
                (patience.idle, patience.overdue) = (0, patience.overdue.min(closing));
            }
        }
        for entry in self.book.borrow().iter() {
            match entry.watch.verdict(&patience) {
                Verdict::Carry => {}
                verdict => entry.tell(verdict),
            }
        }
    }

    async fn host(self: Rc<Self>, arrival: Arrival) {
        let Arrival { socket, peer, counted } = arrival;
        let Ok(socket) = TcpStream::from_std(socket) else { return };
        let watch = Watch::new(self.ticks.counter());
        let entry = self.enter(&watch);
        let _left = Leave { worker: &self, entry: &entry };
        let first = entry.unless_told(first_bytes(&socket)).await;
        let peer = peer.ip().to_canonical();
        let conversation = Rc::new(Conversation::new(&self, self.sender(peer), peer, Arc::clone(&watch)));
        match first {
            None | Some(Err(_) | Ok(First::Nothing)) => {}
            Some(Ok(First::Http1)) => {
                let service = service_fn(move |request| Conversation::answer(Rc::clone(&conversation), request, None));
                let wire = TokioIo::new(Wire::http1(socket, watch, Arc::clone(&self.unread), counted));
                let mut connection = pin!(self.http1.serve_connection(wire, service).with_upgrades());
                entry.carry(connection.as_mut(), http1::UpgradeableConnection::graceful_shutdown).await;
            }
            Some(Ok(First::Http2)) => {
                let streams = self.streams.clone();
                let service = service_fn(move |request| Conversation::answer(Rc::clone(&conversation), request, Some(streams.begin())));
                let wire = TokioIo::new(Wire::http2(socket, watch, counted));
                let mut connection = pin!(self.http2.serve_connection(wire, service));
                entry.carry(connection.as_mut(), http2::Connection::graceful_shutdown).await;
            }
        }
    }

    /// Carries what has come out of a connection to its end, or cuts it when nothing has moved on its socket for too long.
    pub(super) async fn look_after(self: Rc<Self>, watch: Arc<Watch>, carried: impl Future) {
        let entry = self.enter(&watch);
        let _left = Leave { worker: &self, entry: &entry };
        entry.carry(pin!(carried), |_| {}).await;
    }

    fn enter(&self, watch: &Arc<Watch>) -> Rc<Entry> {
        let order = if self.draining.get().is_some() { Verdict::Finish } else { Verdict::Carry };
        let turns = Rc::clone(&self.turns);
        let entry = Rc::new(Entry { watch: Arc::clone(watch), waker: RefCell::default(), order: Cell::new(order), turns });
        self.book.borrow_mut().push(Rc::clone(&entry));
        entry
    }

    fn sender(&self, peer: IpAddr) -> Sender {
        Sender::at(peer, self.trust.holds(peer))
    }
}

impl Entry {
    fn tell(&self, verdict: Verdict) {
        if self.order.get() != verdict && self.order.get() != Verdict::Cut {
            self.order.set(verdict);
            if let Some(waker) = self.waker.borrow().as_ref() {
                waker.wake_by_ref();
            }
        }
    }

    /// Polls something that may be given up at any time.
    async fn unless_told<F: Future>(&self, something: F) -> Option<F::Output> {
        let mut something = pin!(something);
        std::future::poll_fn(|cx| {
            if self.order.get() != Verdict::Carry {
                return Poll::Ready(None);
            }
            self.listen(cx);
            something.as_mut().poll(cx).map(Some)
        })
        .await
    }

    fn listen(&self, cx: &std::task::Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
    }

    /// Polls a connection to its end, or to the order to cut it.
    async fn carry<C: Future>(&self, mut connection: std::pin::Pin<&mut C>, finish: impl Fn(std::pin::Pin<&mut C>)) {
        let mut told = false;
        std::future::poll_fn(|cx| {
            self.turns.polled();
            match self.order.get() {
                Verdict::Carry => {}
                Verdict::Finish if told => {}
                Verdict::Finish => {
                    told = true;
                    finish(connection.as_mut());
                }
                Verdict::Cut => return Poll::Ready(()),
            }
            self.listen(cx);
            // An error has been answered, or there is nobody left to answer.
            connection.as_mut().poll(cx).map(drop)
        })
        .await;
    }
}

/// Takes a connection out of the book, also when its task is dropped or panics.
struct Leave<'a> {
    worker: &'a Worker,
    entry: &'a Rc<Entry>,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        let mut book = self.worker.book.borrow_mut();
        if let Some(place) = book.iter().position(|entry| Rc::ptr_eq(entry, self.entry)) {
            book.swap_remove(place);
        }
    }
}

enum First {
    Nothing,
    Http1,
    Http2,
}

/// Looks at the first bytes without taking them.
async fn first_bytes(socket: &TcpStream) -> std::io::Result<First> {
    let mut buffer = [0; PREFACE.len()];
    loop {
        let seen = socket.peek(&mut buffer).await?;
        let first = buffer.get(..seen).unwrap_or_default();
        return Ok(match first {
            [] => First::Nothing,
            _ if first.len() >= 3 && PREFACE.starts_with(first) => First::Http2,
            _ if PREFACE.starts_with(first) => {
                wait_for_more().await;
                continue;
            }
            _ => First::Http1,
        });
    }
}

/// The kernel says "readable" as long as the first byte lies there, so there is nothing to wait for but time.
#[expect(clippy::disallowed_methods, reason = "one or two bytes of a preface alone: nothing will wake us when the third comes")]
async fn wait_for_more() {
    tokio::time::sleep(Duration::from_millis(5)).await;
}
