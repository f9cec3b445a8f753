//! The listening socket, the threads behind it, and how they end.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{mpsc, oneshot, watch};

use super::turns::POLLS_MAX;
use super::worker::{Arrival, Counted, Shared, Worker};
use crate::clock::Clock;
use crate::config::Settings;
use crate::exchange::Exchange;
use crate::telemetry::Metrics;

/// How long the acceptor rests when the machine has no socket to give.
const PAUSE: Duration = Duration::from_millis(100);

/// What it takes to start.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// Sockets or threads.
    #[error("the proxy cannot start: {0}")]
    Io(#[from] io::Error),
    /// The upstream's URL has no host.
    #[error("the upstream's URL has no host")]
    NoUpstream,
}

/// The data plane, running.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    threads: Vec<Thread>,
}

#[derive(Debug)]
struct Thread {
    cut: oneshot::Sender<()>,
    handle: JoinHandle<()>,
}

/// Starts threads and acceptor; see [`Proxy::start`](super::Proxy::start).
pub(super) fn start(
    settings: &Settings,
    exchange: &Arc<Exchange>,
    clock: &Arc<dyn Clock>,
    metrics: &Arc<Metrics>,
    listener: StdListener,
) -> Result<Running, ProxyError> {
    let address = listener.local_addr()?;
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let count = match settings.proxy.threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        count => count,
    };
    let shared = Arc::new(Shared { load: std::iter::repeat_with(Default::default).take(count).collect(), ..Shared::default() });
    let mut threads = Vec::with_capacity(count);
    let mut inboxes = Vec::with_capacity(count);
    for index in 0..count {
        let (inbox, arrivals) = mpsc::unbounded_channel();
        let (cut, cutting) = oneshot::channel();
        let (exchange, clock, metrics, shared) = (Arc::clone(exchange), Arc::clone(clock), Arc::clone(metrics), Arc::clone(&shared));
        let settings = settings.clone();
        // A runtime of this kind cannot change threads, so the thread makes it and tells what became of it.
        let (tell, told) = std::sync::mpsc::channel();
        let handle = std::thread::Builder::new().name(format!("claviger-proxy-{index}")).spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().event_interval(POLLS_MAX).build_local(LocalOptions::default());
            let made = runtime.map_err(ProxyError::Io).and_then(|runtime| {
                let turns = runtime.handle().metrics();
                Ok((runtime, Worker::new(&settings, exchange, clock, metrics, shared, turns)?))
            });
            let (runtime, worker) = match made {
                Ok(made) => made,
                Err(error) => return drop(tell.send(Err(error))),
            };
            drop(tell.send(Ok(())));
            runtime.block_on(async {
                tokio::select! {
                    () = worker.run(arrivals) => {}
                    _ = cutting => {}
                }
            });
        })?;
        told.recv().map_err(|_| io::Error::other("a thread ended while it was starting"))??;
        threads.push(Thread { cut, handle });
        inboxes.push(inbox);
    }
    let (stop, stopped) = watch::channel(false);
    let acceptor =
        Acceptor { listener, inboxes, shared: Arc::clone(&shared), metrics: Arc::clone(metrics), most: settings.limits.max_connections };
    tokio::spawn(acceptor.run(stopped));
    Ok(Running { address, shared, stop, threads })
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
        let all_closed = async {
            loop {
                let closed = self.shared.closed.notified();
                if self.shared.connections() == 0 {
                    break;
                }
                closed.await;
            }
        };
        if tokio::time::timeout(deadline, all_closed).await.is_err() {
            tracing::warn!(connections = self.shared.connections(), "connections were cut: they did not finish in time");
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

impl Shared {
    pub(super) fn connections(&self) -> usize {
        self.load.iter().map(|load| load.load(Ordering::Relaxed)).sum()
    }
}

/// Hands each connection to the thread with the fewest.
struct Acceptor {
    listener: TcpListener,
    inboxes: Vec<mpsc::UnboundedSender<Arrival>>,
    shared: Arc<Shared>,
    metrics: Arc<Metrics>,
    most: usize,
}

impl Acceptor {
    async fn run(self, mut stopped: watch::Receiver<bool>) {
        tokio::select! {
            () = self.accept() => {}
            // The other end is gone: nobody can stop it properly any more.
            _ = stopped.wait_for(|stopped| *stopped) => {}
        }
    }

    async fn accept(&self) {
        loop {
            self.room().await;
            match self.listener.accept().await {
                Ok((socket, peer)) => self.hand_over(socket, peer),
                // It was gone before it could be taken; the next one may be there.
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept connections at the moment");
                    pause().await;
                }
            }
        }
    }

    /// Waits while there are as many connections as there may be. Clients queue in the kernel meanwhile, and the threads close what is
    /// idle.
    async fn room(&self) {
        loop {
            let closed = self.shared.closed.notified();
            let full = self.shared.connections() >= self.most;
            self.shared.full.store(full, Ordering::Relaxed);
            if !full {
                return;
            }
            closed.await;
        }
    }

    fn hand_over(&self, socket: tokio::net::TcpStream, peer: SocketAddr) {
        // Without the first, pipelined answers wait for acknowledgements; the second finds peers that are gone.
        let tuned = socket.set_nodelay(true).and_then(|()| socket2::SockRef::from(&socket).set_keepalive(true));
        let Ok(socket) = tuned.and_then(|()| socket.into_std()) else { return };
        let least = self
            .shared
            .load
            .iter()
            .zip(&self.inboxes)
            .enumerate()
            .min_by_key(|(_, (load, inbox))| (inbox.is_closed(), load.load(Ordering::Relaxed)));
        if let Some((thread, (_, inbox))) = least {
            let counted = Counted::new(&self.shared, &self.metrics, thread);
            // If the thread is gone, the connection is closed with the arrival.
            let _ = inbox.send(Arrival { socket, peer, counted });
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

#[expect(clippy::disallowed_methods, reason = "nothing tells when the machine has sockets again")]
async fn pause() {
    tokio::time::sleep(PAUSE).await;
}
