//! Takes connections: no more at a time than there are seats, and without spinning when the machine has none to give.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::telemetry::{Listener, Metrics};

/// How long the acceptor rests when the machine has no socket to give.
const BACK_OFF: Duration = Duration::from_millis(100);

/// A listening socket, and how many connections it may have at a time.
pub(crate) struct Acceptor {
    socket: TcpListener,
    seats: Arc<Seats>,
}

/// The connections of one listener.
pub(crate) struct Seats {
    listener: Listener,
    metrics: Arc<Metrics>,
    most: Box<dyn Fn() -> usize + Send + Sync>,
    taken: AtomicUsize,
    /// No connection more is taken.
    full: AtomicBool,
    /// A connection has closed.
    freed: Notify,
}

/// A connection's place; given back when it is dropped.
pub(crate) struct Seat(Arc<Seats>);

impl Acceptor {
    /// Takes at most `most` connections at a time from `socket`; it is asked before each.
    pub(crate) fn new(
        listener: Listener,
        socket: TcpListener,
        most: impl Fn() -> usize + Send + Sync + 'static,
        metrics: &Arc<Metrics>,
    ) -> Self {
        let seats = Seats {
            listener,
            metrics: Arc::clone(metrics),
            most: Box::new(most),
            taken: AtomicUsize::new(0),
            full: AtomicBool::new(false),
            freed: Notify::new(),
        };
        Self { socket, seats: Arc::new(seats) }
    }

    /// How many there are, and whether there may be more.
    pub(crate) fn seats(&self) -> &Arc<Seats> {
        &self.seats
    }

    /// The next connection, once there is a seat for it. Clients queue in the kernel meanwhile. Nothing is lost if it is dropped.
    pub(crate) async fn accept(&self) -> (TcpStream, SocketAddr, Seat) {
        loop {
            self.seats.room().await;
            match self.socket.accept().await {
                Ok((stream, peer)) => return (stream, peer, Seat::take(&self.seats)),
                // It was gone before it could be taken; the next one may be there.
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(listener = name(self.seats.listener), %error, "cannot accept connections at the moment");
                    back_off().await;
                }
            }
        }
    }
}

impl Seats {
    /// Whether whoever connects now has to wait: what is idle should be closed.
    pub(crate) fn are_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    /// Has whoever waits look whether there may be more connections by now.
    pub(crate) fn look_again(&self) {
        if self.are_full() {
            self.freed.notify_waiters();
        }
    }

    /// How many connections there are.
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// Returns when there is no connection any more.
    pub(crate) async fn empty(&self) {
        loop {
            let freed = self.freed.notified();
            if self.taken() == 0 {
                return;
            }
            freed.await;
        }
    }

    /// Waits while there are as many connections as there may be.
    async fn room(&self) {
        loop {
            let freed = self.freed.notified();
            let full = self.taken() >= (self.most)();
            self.full.store(full, Ordering::Relaxed);
            if !full {
                return;
            }
            freed.await;
        }
    }
}

impl Seat {
    fn take(seats: &Arc<Seats>) -> Self {
        seats.taken.fetch_add(1, Ordering::Relaxed);
        seats.metrics.connections(seats.listener).inc();
        Self(Arc::clone(seats))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
        self.0.metrics.connections(self.0.listener).dec();
        self.0.freed.notify_waiters();
    }
}

/// What a listener is called.
pub(super) fn name(listener: Listener) -> &'static str {
    match listener {
        Listener::Proxy => "proxy",
        Listener::Ops => "ops",
        Listener::Admin => "admin",
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

#[expect(clippy::disallowed_methods, reason = "nothing tells when the machine has sockets again")]
async fn back_off() {
    tokio::time::sleep(BACK_OFF).await;
}
