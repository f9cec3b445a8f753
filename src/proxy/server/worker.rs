//! One data-plane thread: its connections, its way to the upstream, its clock.

use std::cell::Cell;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use tokio::net::TcpStream;
use tokio::runtime::RuntimeMetrics;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Interval, MissedTickBehavior};

use super::http2::{DateHeader, Http2Connection};
use super::io::ClientIo;
use super::offered_upgrade::OfferedUpgrade;
use super::parse_error::ParseErrors;
use super::protocol::{self, First, Protocol, Taken};
use crate::clock::Clock;
use crate::config::{LimitSettings, LiveSettings};
use crate::edge::rate::RateTable;
use crate::edge::request_id::RequestIds;
use crate::edge::tls::{ClientStream, ListenerTls, ShownCertificate, UpstreamTls};
use crate::edge::unread::{LINGER, LINGER_QUIET};
use crate::edge::{Announced, HeaderReader, PacedStream, Seat, Seats, Turns};
use crate::exchange::Exchange;
use crate::proxy::client_body::ClientBody;
use crate::proxy::connection::{ConnectionState, ConnectionTimeouts};
use crate::proxy::context::{LiveContext, ThreadParts, spans};
use crate::proxy::error::ProxyError;
use crate::proxy::failure_log::FailureLog;
use crate::proxy::in_flight::RequestsInFlight;
use crate::proxy::poll_epoch::PollEpochs;
use crate::proxy::request::{Client, RequestHandlers};
use crate::proxy::timer::CoarseTimer;
use crate::proxy::tracker::{ConnectionTracker, Goodbye};
use crate::telemetry::Metrics;

/// For how long nothing passes through a WebSocket, or is asked on a connection, before it is closed while the process drains: the two are
/// hardly amid a message. Whoever asks something until then has it answered, and hears that it was the last.
const DRAIN_CLOSING: Duration = Duration::from_secs(1);
/// How long the head of a request may take while others wait for a connection's end.
const FULL_HEAD: Duration = Duration::from_secs(1);
/// hyper's own limit of header lines, for which it needs no allocation.
const HYPER_HEADERS_MAX: usize = 100;
/// What heads that are not whole may take together, in all threads, in bytes: anybody can send half of one.
const HEADS_MAX: u64 = 16 << 20;
/// About what a handshake takes that waits to be answered, in bytes: it counts as a head of them.
const WAITING_HANDSHAKE: u64 = 8 << 10;
/// So many connections are begun with in a round of the event loop. Those that are there wait for what is begun before them; whoever comes, comes by the
/// thousand.
const BEGUN_IN_A_ROUND: u32 = 8;

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

/// A connection on which the client can ask.
struct Begun {
    stream: ClientStream,
    /// What a proxy in front has said of who it is.
    announced: Option<Announced>,
    certificate: ShownCertificate,
}

/// A thread's state.
pub(super) struct Worker {
    contexts: Rc<LiveContext>,
    parse_errors: Arc<ParseErrors>,
    seats: Arc<Seats>,
    tls: ListenerTls,
    handshakes: Turns,
    /// Of those who send requests, or frames of HTTP/2, by the hundred.
    turns: Turns,
    /// What trusted proxies begin their connections with.
    headers: HeaderReader,
    /// For heads that are not whole, in bytes.
    head_budget: u64,
    /// Of answers over HTTP/2.
    date: Rc<DateHeader>,
    /// Since which tick.
    draining: Cell<Option<u64>>,
}

impl Worker {
    pub(super) fn new(
        live: LiveSettings,
        exchange: Arc<Exchange>,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
        (seats, tls, upstream_tls): (Arc<Seats>, ListenerTls, UpstreamTls),
        (rates, in_flight): (Arc<RateTable>, Arc<RequestsInFlight>),
        (runtime, threads): (RuntimeMetrics, usize),
    ) -> Result<Rc<Self>, ProxyError> {
        let epochs = Rc::new(PollEpochs::of(runtime));
        let timer = CoarseTimer::for_spans(&spans(&live.now()), &clock);
        let thread = ThreadParts {
            failures: Rc::new(FailureLog::new(&timer)),
            timer,
            request_ids: Rc::new(RequestIds::seeded().map_err(std::io::Error::from)?),
            cutting: Rc::default(),
            connections: ConnectionTracker::new(Rc::clone(&epochs)),
            upstream_tls,
            threads,
            rates,
            in_flight,
            exchange,
            clock,
            metrics,
            epochs,
        };
        let (clock, metrics) = (Arc::clone(&thread.clock), Arc::clone(&thread.metrics));
        let parse_errors = ParseErrors::new(clock, metrics, live.clone()).map_err(std::io::Error::from)?;
        let contexts = Rc::new(LiveContext::new(live, thread).ok_or(ProxyError::NoUpstream)?);
        let head_budget = HEADS_MAX / u64::try_from(threads.max(1)).unwrap_or(1);
        let headers = HeaderReader::new(&contexts.thread.clock, &contexts.thread.metrics);
        let date = DateHeader::new(&contexts.thread.clock, &contexts.thread.timer);
        Ok(Rc::new(Self {
            contexts,
            parse_errors,
            seats,
            tls,
            handshakes: Turns::of_at_most(usize::try_from(head_budget / WAITING_HANDSHAKE).unwrap_or(usize::MAX)),
            turns: Turns::default(),
            headers,
            head_budget,
            date,
            draining: Cell::new(None),
        }))
    }

    /// Takes connections until the acceptor's end is gone, then finishes those that are open. The caller cuts it short by dropping
    /// the runtime.
    pub(super) async fn run(self: Rc<Self>, mut accepted: UnboundedReceiver<Accepted>) {
        let (mut beat, mut begun) = (self.interval(), 0);
        loop {
            if begun == BEGUN_IN_A_ROUND {
                begun = 0;
                tokio::task::yield_now().await;
            }
            tokio::select! {
                next = accepted.recv() => match next {
                    Some(accepted) => {
                        tokio::task::spawn_local(Rc::clone(&self).serve(accepted));
                        begun += 1;
                    }
                    None => break,
                },
                () = self.keep_beat(&mut beat) => {}
            }
        }
        let thread_parts = &self.contexts.thread;
        self.draining.set(Some(thread_parts.timer.now()));
        self.contexts.now().upstreams.close_idle();
        let connections = thread_parts.connections.drain();
        let thread = std::thread::current();
        tracing::debug!(thread = thread.name().unwrap_or_default(), connections, "draining");
        loop {
            self.keep_beat(&mut beat).await;
        }
    }

    fn interval(&self) -> Interval {
        let mut beat = tokio::time::interval(self.contexts.thread.timer.beat());
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        beat
    }

    /// Sweeps with the next beat. Nothing is lost if it is dropped.
    async fn keep_beat(&self, beat: &mut Interval) {
        beat.tick().await;
        self.sweep();
        if beat.period() != self.contexts.thread.timer.beat() {
            *beat = self.interval();
        }
    }

    /// What still runs is about to be cut off.
    pub(super) fn cut(&self) {
        self.contexts.thread.cutting.set(true);
    }

    /// Looks after time-outs of connections, requests and idle connections to the upstream.
    fn sweep(&self) {
        let ThreadParts { timer, connections, .. } = &self.contexts.thread;
        timer.advance();
        let context = self.contexts.now();
        context.upstreams.sweep();
        let mut timeouts = timeouts(&context.settings.limits, timer, context.clock.now().wall);
        if self.seats.are_full() {
            timeouts.idle = 0;
            timeouts.head = timeouts.head.min(timer.spanning(FULL_HEAD));
            timeouts.silent = timeouts.silent.min(timeouts.head);
        }
        if let Some(since) = self.draining.get() {
            let closing = timer.spanning(DRAIN_CLOSING);
            (timeouts.tunnel, timeouts.lingering) = (timeouts.tunnel.min(closing), timeouts.lingering.min(closing));
            // Over HTTP/2 all have been told to finish. One that is idle ends only when its client says that it has heard so, and a
            // request of it may be on its way until then.
            if timer.now().saturating_sub(since) > closing {
                (timeouts.idle, timeouts.overdue, timeouts.silent) = (0, timeouts.overdue.min(closing), timeouts.silent.min(closing));
            }
        }
        connections.sweep(&timeouts);
        connections.shed_heads(self.head_budget);
        // There may be more of them than before.
        self.seats.look_again();
    }

    async fn serve(self: Rc<Self>, accepted: Accepted) {
        let Accepted { socket, peer, seat } = accepted;
        let Ok(socket) = TcpStream::from_std(socket) else { return };
        let ThreadParts { timer, connections, .. } = &self.contexts.thread;
        let state = ConnectionState::new(timer.counter());
        let tracking = connections.track(&state);
        // Who says nothing, or is told to go, ends here.
        let peer = peer.ip().to_canonical();
        let Some(Some((protocol, begun))) = tracking.unless_told(self.begin(socket, peer, &state)).await else { return };
        let Begun { stream, announced, certificate } = begun;
        if let Some(certificate) = &certificate {
            state.ends_at(certificate.not_after);
        }
        // A connection keeps the limits that it is made by.
        let context = self.contexts.now();
        let limits = context.settings.limits.clone();
        let handlers = RequestHandlers::new(
            &self.contexts,
            context,
            Client { peer, announced, encrypted: stream.is_encrypted(), certificate },
            Arc::clone(&state),
        );
        match protocol {
            Protocol::Http1(taken) => {
                let offered = OfferedUpgrade::default();
                let service = service_fn(|request: Request<Incoming>| {
                    offered.note(&request);
                    handlers.handle(request.map(ClientBody::Http1), None)
                });
                let io = TokioIo::new(ClientIo::http1(
                    PacedStream::http1(stream, &self.turns),
                    taken,
                    Arc::clone(&state),
                    Arc::clone(&self.parse_errors),
                    seat,
                ));
                let mut connection = pin!(http1_server(&limits).serve_connection(io, service).with_upgrades());
                tracking.run(Goodbye::WithAnswer, connection.as_mut(), http1::UpgradeableConnection::graceful_shutdown).await;
                offered.shut_down(&state, &tracking).await;
            }
            Protocol::Http2(taken) => {
                let stream = PacedStream::http2(stream, taken.as_bytes().len(), &self.turns);
                let io = ClientIo::http2(stream, taken, state, limits.max_header_bytes, seat);
                let mut connection = pin!(Http2Connection::new(io, handlers, &limits, timer, &self.date));
                tracking.run(Goodbye::AtOnce, connection.as_mut(), Http2Connection::graceful_shutdown).await;
            }
        }
    }

    /// How the client is to be spoken to, and what a proxy in front says of it; `None`: it said nothing, or nothing that counts.
    async fn begin(&self, socket: TcpStream, peer: IpAddr, state: &ConnectionState) -> Option<(Protocol, Begun)> {
        let must_announce = self.contexts.now().trusted_proxies.must_announce(peer);
        let announced = if must_announce {
            // Apart, as the handshake is below.
            let announced = Box::pin(self.headers.take(&socket, peer, |bytes| state.reads_head(bytes))).await?;
            state.begin_anew();
            Some(announced)
        } else {
            None
        };
        let address = match announced {
            Some(Announced::Client(address)) => address,
            Some(Announced::Itself | Announced::Unknown) | None => peer,
        };
        let (protocol, stream, certificate) = self.greet(socket, address, state).await?;
        Some((protocol, Begun { stream, announced, certificate }))
    }

    /// `address`: of the client, as far as it is known by now.
    async fn greet(
        &self,
        socket: TcpStream,
        address: IpAddr,
        state: &ConnectionState,
    ) -> Option<(Protocol, ClientStream, ShownCertificate)> {
        if !self.tls.is_on() {
            return match protocol::detect(&socket).await.ok()? {
                First::Nothing => None,
                First::Spoken(protocol) => Some((protocol, ClientStream::Plain(socket), None)),
                First::Handshake => {
                    self.tls.refuse_encrypted(socket).await;
                    None
                }
            };
        }
        // Apart, because a handshake is large, and connections that have none are not to be as large.
        let turn = async {
            state.await_turn();
            let given = self.handshakes.next_of(address).await;
            state.begin_handshake();
            given
        };
        let (stream, certificate) = Box::pin(self.tls.accept(socket, || state.begin_handshake(), turn)).await?;
        state.begin_anew();
        let protocol = if stream.agreed_on_http2() { Protocol::Http2(Taken::default()) } else { Protocol::Http1(Taken::default()) };
        Some((protocol, stream, certificate))
    }
}

fn http1_server(limits: &LimitSettings) -> http1::Builder {
    let mut http1 = http1::Builder::new();
    let head_max = limits.max_header_bytes.max(8192);
    // Time-outs are the thread's own. One flat buffer is written faster than two pieces.
    http1.writev(false).header_read_timeout(None).max_buf_size(head_max).max_header_size(limits.max_header_bytes);
    if limits.max_headers != HYPER_HEADERS_MAX {
        http1.max_headers(limits.max_headers);
    }
    http1
}

fn timeouts(limits: &LimitSettings, timer: &CoarseTimer, now: Timestamp) -> ConnectionTimeouts {
    ConnectionTimeouts {
        now: now.as_second(),
        head: timer.spanning(limits.header_timeout),
        silent: timer.spanning(limits.header_timeout),
        idle: timer.spanning(limits.idle_timeout),
        // One that is told to finish and does not is cut as late as one that never began.
        overdue: timer.spanning(limits.header_timeout),
        stuck: timer.spanning(limits.idle_timeout),
        receiving: timer.spanning(limits.idle_timeout.saturating_add(limits.header_timeout)),
        closing: timer.spanning(LINGER_QUIET),
        lingering: timer.spanning(LINGER),
        tunnel: timer.spanning(limits.websocket_idle_timeout),
        half_closed: timer.spanning(limits.header_timeout),
    }
}
