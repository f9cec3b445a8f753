//! Towards clients: the listening socket, the threads behind it, and how they end.

mod framing;
pub(super) mod fuzzing;
mod header_blocks;
mod hpack;
mod http2;
mod io;
mod offered_upgrade;
mod parse_error;
mod protocol;
mod worker;

use std::io::Error;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{mpsc, oneshot, watch};

use self::worker::{Accepted, Load, ThreadSeat, Worker};
use super::error::ProxyError;
use super::in_flight::RequestsInFlight;
use super::poll_epoch::POLLS_MAX;
use crate::clock::Clock;
use crate::config::LiveSettings;
use crate::edge::rate::RateTable;
use crate::edge::tls::{ListenerTls, UpstreamTls};
use crate::edge::{Acceptor, Seat, Seats};
use crate::exchange::Exchange;
use crate::telemetry::{Listener, Metrics};

/// The data plane, running.
pub struct Running {
    address: SocketAddr,
    seats: Arc<Seats>,
    stop: watch::Sender<bool>,
    threads: Vec<Thread>,
}

struct Thread {
    cut: oneshot::Sender<()>,
    handle: JoinHandle<()>,
}

/// Starts threads and acceptor; see [`Proxy::start`](super::Proxy::start).
pub(super) fn start(
    live: &LiveSettings,
    exchange: &Arc<Exchange>,
    clock: &Arc<dyn Clock>,
    metrics: &Arc<Metrics>,
    (listener, tls, upstream_tls): (StdListener, &ListenerTls, &UpstreamTls),
) -> Result<Running, ProxyError> {
    let address = listener.local_addr()?;
    metrics.name_routes(&live.now().routes);
    listener.set_nonblocking(true)?;
    let most = live.clone();
    let acceptor = Acceptor::new(Listener::Proxy, TcpListener::from_std(listener)?, move || most.now().limits.max_connections, metrics);
    let seats = Arc::clone(acceptor.seats());
    let count = match live.now().proxy.threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        count => count,
    };
    let load: Load = std::iter::repeat_with(Default::default).take(count).collect();
    let mut threads = Vec::with_capacity(count);
    let mut inboxes = Vec::with_capacity(count);
    let (rates, in_flight) = (Arc::new(RateTable::default()), Arc::<RequestsInFlight>::default());
    for index in 0..count {
        let (inbox, accepted) = mpsc::unbounded_channel();
        let (cut, cutting) = oneshot::channel();
        let (exchange, clock, metrics, seats) = (Arc::clone(exchange), Arc::clone(clock), Arc::clone(metrics), Arc::clone(&seats));
        let (live, tls, upstream_tls) = (live.clone(), tls.clone(), upstream_tls.clone());
        let (rates, in_flight) = (Arc::clone(&rates), Arc::clone(&in_flight));
        // A runtime of this kind cannot change threads, so the thread makes it and tells what became of it.
        let (tell, told) = std::sync::mpsc::channel();
        let handle = std::thread::Builder::new().name(format!("claviger-proxy-{index}")).spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().event_interval(POLLS_MAX).build_local(LocalOptions::default());
            let made = runtime.map_err(ProxyError::Io).and_then(|runtime| {
                let epochs = runtime.handle().metrics();
                Ok((runtime, Worker::new(live, exchange, clock, metrics, (seats, tls, upstream_tls), (rates, in_flight), (epochs, count))?))
            });
            let (runtime, worker) = match made {
                Ok(made) => made,
                Err(error) => return drop(tell.send(Err(error))),
            };
            drop(tell.send(Ok(())));
            runtime.block_on(async {
                tokio::select! {
                    () = Rc::clone(&worker).run(accepted) => {}
                    _ = cutting => worker.cut(),
                }
            });
        })?;
        told.recv().map_err(|_| Error::other("a thread ended while it was starting"))??;
        threads.push(Thread { cut, handle });
        inboxes.push(inbox);
    }
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(Dispatcher { acceptor, inboxes, load }.run(stopped));
    Ok(Running { address, seats, stop, threads })
}

impl Running {
    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Takes no connection more, closes those that are idle, lets the others finish what they are doing (their answers say
    /// `Connection: close` or GOAWAY), and returns when the last one has closed; what is open after `deadline` is cut.
    pub async fn drain(self, deadline: Duration) {
        self.stop.send_replace(true);
        if tokio::time::timeout(deadline, self.seats.empty()).await.is_err() {
            tracing::warn!(connections = self.seats.taken(), "connections were cut: they did not finish in time");
        }
        let joined = tokio::task::spawn_blocking(move || {
            for thread in self.threads {
                let _ = thread.cut.send(());
                if thread.handle.join().is_err() {
                    tracing::error!("a data plane thread panicked");
                }
            }
        });
        if joined.await.is_err() {
            tracing::error!("could not wait for the data plane's threads");
        }
    }
}

/// Hands each connection to the thread with the fewest.
struct Dispatcher {
    acceptor: Acceptor,
    inboxes: Vec<mpsc::UnboundedSender<Accepted>>,
    load: Load,
}

impl Dispatcher {
    async fn run(self, mut stopped: watch::Receiver<bool>) {
        tokio::select! {
            () = self.dispatch() => {}
            // The other end is gone: nobody can stop it properly any more.
            _ = stopped.wait_for(|stopped| *stopped) => {}
        }
    }

    async fn dispatch(&self) {
        loop {
            let (socket, peer, seat) = self.acceptor.accept().await;
            self.hand_over(socket, peer, seat);
        }
    }

    fn hand_over(&self, socket: tokio::net::TcpStream, peer: SocketAddr, seat: Seat) {
        // Without the first, pipelined answers wait for acknowledgements; the second finds peers that are gone.
        let tuned = socket.set_nodelay(true).and_then(|()| socket2::SockRef::from(&socket).set_keepalive(true));
        let Ok(socket) = tuned.and_then(|()| socket.into_std()) else { return };
        let least = self.load.iter().zip(&self.inboxes).min_by_key(|(load, inbox)| (inbox.is_closed(), load.load(Ordering::Relaxed)));
        if let Some((load, inbox)) = least {
            // If the thread is gone, the connection is closed with what was handed over.
            let _ = inbox.send(Accepted { socket, peer, seat: ThreadSeat::new(seat, load) });
        }
    }
}
