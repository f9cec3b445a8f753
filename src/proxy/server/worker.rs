//! One data-plane thread: its connections, its way to the upstream, its clock.

use std::cell::Cell;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::runtime::RuntimeMetrics;
use tokio::sync::mpsc::UnboundedReceiver;

use super::io::ClientIo;
use super::parse_error::ParseErrors;
use super::protocol::{self, Protocol};
use super::stream_timeout::StreamExecutor;
use crate::clock::Clock;
use crate::config::Settings;
use crate::edge::client_address::TrustedProxies;
use crate::edge::request_id::RequestIds;
use crate::edge::{Seat, Seats};
use crate::exchange::Exchange;
use crate::proxy::connection::{ConnectionState, ConnectionTimeouts};
use crate::proxy::context::RequestContext;
use crate::proxy::error::ProxyError;
use crate::proxy::failure_log::FailureLog;
use crate::proxy::headers::{HeaderRules, Peer};
use crate::proxy::poll_epoch::PollEpochs;
use crate::proxy::request::RequestHandler;
use crate::proxy::request_body::BodyTimeouts;
use crate::proxy::timer::CoarseTimer;
use crate::proxy::tracker::ConnectionTracker;
use crate::proxy::upstream::Upstream;
use crate::telemetry::Metrics;

/// How long the rest of a refused request is read, so that the client gets its answer.
const CLOSING: Duration = Duration::from_secs(2);
/// For how long nothing passes through a WebSocket, or is asked on an idle connection, before it is closed while the process drains: the
/// two are hardly amid a message.
const DRAIN_CLOSING: Duration = Duration::from_secs(1);
/// How long the head of a request may take while others wait for a connection's end.
const FULL_HEAD: Duration = Duration::from_secs(1);
/// hyper's own limit of header lines, for which it needs no allocation.
const HYPER_HEADERS_MAX: usize = 100;
/// What heads that are not whole may take together, in all threads, in bytes: anybody can send half of one.
const HEADS_MAX: u64 = 16 << 20;
/// Requests at once on one HTTP/2 connection.
const STREAMS_MAX: u32 = 200;

/// Connections, for each thread.
pub(super) type Load = Vec<Arc<AtomicUsize>>;

/// A connection's seat, and its share in a thread's load.
pub(super) struct ThreadSeat {
    load: Arc<AtomicUsize>,
    _seat: Seat,
}

impl ThreadSeat {
    pub(super) fn new(seat: Seat, load: &Arc<AtomicUsize>) -> Self {
        load.fetch_add(1, Ordering::Relaxed);
        Self { load: Arc::clone(load), _seat: seat }
    }
}

impl Drop for ThreadSeat {
    fn drop(&mut self) {
        self.load.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection that is handed over to a thread.
pub(super) struct Accepted {
    pub(super) socket: std::net::TcpStream,
    pub(super) peer: SocketAddr,
    pub(super) seat: ThreadSeat,
}

/// A thread's state.
pub(super) struct Worker {
    context: Rc<RequestContext>,
    parse_errors: Arc<ParseErrors>,
    seats: Arc<Seats>,
    timeouts: ConnectionTimeouts,
    /// For heads that are not whole, in bytes.
    head_budget: u64,
    http1: http1::Builder,
    http2: http2::Builder<StreamExecutor>,
    streams: StreamExecutor,
    /// Since which tick.
    draining: Cell<Option<u64>>,
}

impl Worker {
    pub(super) fn new(
        settings: &Settings,
        exchange: Arc<Exchange>,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
        seats: Arc<Seats>,
        runtime: RuntimeMetrics,
        threads: usize,
    ) -> Result<Rc<Self>, ProxyError> {
        let limits = &settings.limits;
        let epochs = Rc::new(PollEpochs::of(runtime));
        let timer = CoarseTimer::for_spans(&[limits.header_timeout, limits.idle_timeout, settings.upstream.response_timeout], &clock);
        let head_max = limits.max_header_bytes.max(8192);
        let mut http1 = http1::Builder::new();
        // Time-outs are the thread's own. One flat buffer is written faster than two pieces.
        http1.writev(false).header_read_timeout(None).max_buf_size(head_max).max_header_size(limits.max_header_bytes);
        if limits.max_headers != HYPER_HEADERS_MAX {
            http1.max_headers(limits.max_headers);
        }
        let streams = StreamExecutor::new(&timer, limits.idle_timeout);
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
        let parse_errors = ParseErrors::new(Arc::clone(&clock), Arc::clone(&metrics), settings.log.access).map_err(std::io::Error::from)?;
        let timeouts = ConnectionTimeouts {
            head: timer.spanning(limits.header_timeout),
            idle: timer.spanning(limits.idle_timeout),
            // One that is told to finish and does not is cut as late as one that never began.
            overdue: timer.spanning(limits.header_timeout),
            stuck: timer.spanning(limits.idle_timeout),
            receiving: timer.spanning(limits.idle_timeout.saturating_add(limits.header_timeout)),
            closing: timer.spanning(CLOSING),
            tunnel: timer.spanning(limits.websocket_idle_timeout),
        };
        let proxy = &settings.proxy;
        let header_rules = HeaderRules::new(&proxy.credential_headers, &settings.token.header, &proxy.remove_headers, proxy.via);
        let upstream =
            Upstream::new(&settings.upstream, limits.max_headers, Rc::clone(&timer), Rc::clone(&epochs)).ok_or(ProxyError::NoUpstream)?;
        let context = RequestContext {
            exchange,
            clock,
            metrics,
            access_log: settings.log.access,
            end_streams: proxy.end_streams,
            credential_headers: proxy.credential_headers.clone(),
            header_rules: Rc::new(header_rules),
            max_headers: limits.max_headers,
            trusted_proxies: TrustedProxies::of(proxy),
            failures: FailureLog::new(&timer, upstream.authority()),
            upstream,
            timer,
            request_ids: RequestIds::seeded().map_err(std::io::Error::from)?,
            body_timeouts: BodyTimeouts { stall: limits.idle_timeout, grace: limits.header_timeout },
            cutting: Cell::new(false),
            connections: ConnectionTracker::new(epochs),
        };
        let head_budget = HEADS_MAX / u64::try_from(threads.max(1)).unwrap_or(1);
        Ok(Rc::new(Self {
            context: Rc::new(context),
            parse_errors,
            seats,
            timeouts,
            head_budget,
            http1,
            http2,
            streams,
            draining: Cell::new(None),
        }))
    }

    /// Takes connections until the acceptor's end is gone, then finishes those that are open. The caller cuts it short by dropping
    /// the runtime.
    pub(super) async fn run(self: Rc<Self>, mut accepted: UnboundedReceiver<Accepted>) {
        let mut beat = tokio::time::interval(self.context.timer.step());
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                next = accepted.recv() => match next {
                    Some(accepted) => {
                        tokio::task::spawn_local(Rc::clone(&self).serve(accepted));
                    }
                    None => break,
                },
                _ = beat.tick() => self.sweep(),
            }
        }
        self.draining.set(Some(self.context.timer.now()));
        self.context.upstream.close_idle();
        let connections = self.context.connections.drain();
        let thread = std::thread::current();
        tracing::debug!(thread = thread.name().unwrap_or_default(), connections, "draining");
        loop {
            beat.tick().await;
            self.sweep();
        }
    }

    /// What still runs is about to be cut off.
    pub(super) fn cut(&self) {
        self.context.cutting.set(true);
    }

    /// Looks after time-outs of connections, requests and idle connections to the upstream.
    fn sweep(&self) {
        let timer = &self.context.timer;
        timer.advance();
        self.context.upstream.sweep();
        let mut timeouts = self.timeouts;
        if self.seats.are_full() {
            timeouts.idle = 0;
            timeouts.head = timeouts.head.min(timer.spanning(FULL_HEAD));
        }
        if let Some(since) = self.draining.get() {
            let closing = timer.spanning(DRAIN_CLOSING);
            timeouts.tunnel = timeouts.tunnel.min(closing);
            // All have been told to finish. Over HTTP/2 one that is idle ends only when its client says that it has heard so, and a
            // request of it may be on its way until then.
            if timer.now().saturating_sub(since) > closing {
                (timeouts.idle, timeouts.overdue) = (0, timeouts.overdue.min(closing));
            }
        }
        self.context.connections.sweep(&timeouts);
        self.context.connections.shed_heads(self.head_budget);
    }

    async fn serve(self: Rc<Self>, accepted: Accepted) {
        let Accepted { socket, peer, seat } = accepted;
        let Ok(socket) = TcpStream::from_std(socket) else { return };
        let state = ConnectionState::new(self.context.timer.counter());
        let tracking = self.context.connections.track(&state);
        let protocol = tracking.unless_told(protocol::detect(&socket)).await;
        let peer = peer.ip().to_canonical();
        let trusted = self.context.trusted_proxies.holds(peer);
        let handler = Rc::new(RequestHandler::new(&self.context, Peer::at(peer, trusted), Arc::clone(&state)));
        match protocol {
            None | Some(Err(_) | Ok(Protocol::Nothing)) => {}
            Some(Ok(Protocol::Http1(taken))) => {
                let service = service_fn(move |request| RequestHandler::handle(Rc::clone(&handler), request, None));
                let io = TokioIo::new(ClientIo::http1(socket, taken, state, Arc::clone(&self.parse_errors), seat));
                let mut connection = pin!(self.http1.serve_connection(io, service).with_upgrades());
                tracking.run(connection.as_mut(), http1::UpgradeableConnection::graceful_shutdown).await;
            }
            Some(Ok(Protocol::Http2(taken))) => {
                let streams = self.streams.clone();
                let service = service_fn(move |request| RequestHandler::handle(Rc::clone(&handler), request, Some(streams.begin())));
                let io = TokioIo::new(ClientIo::http2(socket, taken, state, seat));
                let mut connection = pin!(self.http2.serve_connection(io, service));
                tracking.run(connection.as_mut(), http2::Connection::graceful_shutdown).await;
            }
        }
    }
}
