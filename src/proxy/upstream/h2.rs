//! Connections to an upstream over HTTP/2, each shared by many requests of a thread.
//!
//! The upstream says how many requests a connection carries at once. h2 lets those that are over wait on it without end, behind whatever
//! is slow there; here they are counted, and go to another connection.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use hyper::client::conn::http2;
use hyper::rt::Executor;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::body::RequestBody;
use super::ticks::Ticks;

/// How many connections a thread may have; a request for which there is no place is shed.
const CONNECTIONS_MAX: usize = 64;
/// How long all but the first may carry nothing.
const IDLE: Duration = Duration::from_secs(4);

/// Spawns on the thread that asks.
#[derive(Clone, Copy, Debug)]
pub(super) struct OnThisThread;

impl<F: Future + 'static> Executor<F> for OnThisThread {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

pub(super) type Sender = http2::SendRequest<RequestBody>;
type Driver = http2::Connection<TokioIo<TcpStream>, RequestBody, OnThisThread>;

/// A thread's connections; the one that came first is used first.
#[derive(Debug)]
pub(super) struct Shared {
    ticks: Rc<Ticks>,
    connections: RefCell<Vec<Connection>>,
}

#[derive(Debug)]
struct Connection {
    sender: Sender,
    streams: Rc<Streams>,
}

#[derive(Debug)]
struct Streams {
    ticks: Rc<Ticks>,
    open: Cell<usize>,
    /// As the upstream has it.
    most: Cell<usize>,
    /// Since which tick none is open.
    idle_since: Cell<u64>,
}

/// A request's place on a connection, until its answer has ended.
#[derive(Debug)]
pub(super) struct Place(Rc<Streams>);

impl Shared {
    pub(super) fn new(ticks: &Rc<Ticks>) -> Self {
        Self { ticks: Rc::clone(ticks), connections: RefCell::default() }
    }

    /// A place on a connection that is open.
    pub(super) fn place(&self) -> Option<(Sender, Place)> {
        let mut connections = self.connections.borrow_mut();
        connections.retain(|connection| !connection.sender.is_closed());
        connections.iter().find(|connection| connection.streams.has_room()).map(Connection::place)
    }

    /// Whether there must not be another connection.
    pub(super) fn is_full(&self) -> bool {
        self.connections.borrow().len() >= CONNECTIONS_MAX
    }

    /// A place on a fresh connection, which is carried on from here.
    pub(super) fn add(&self, sender: Sender, driver: Driver) -> (Sender, Place) {
        let streams = Rc::new(Streams {
            ticks: Rc::clone(&self.ticks),
            open: Cell::new(0),
            most: Cell::new(driver.current_max_send_streams()),
            idle_since: Cell::new(self.ticks.now()),
        });
        let counted = Rc::clone(&streams);
        tokio::task::spawn_local(async move {
            let mut driver = std::pin::pin!(driver);
            std::future::poll_fn(|cx| {
                let end = driver.as_mut().poll(cx);
                counted.most.set(driver.current_max_send_streams());
                // What its requests see of an error is all there is to say.
                end.map(drop)
            })
            .await;
        });
        let connection = Connection { sender, streams };
        let place = connection.place();
        self.connections.borrow_mut().push(connection);
        place
    }

    /// Closes what is not needed any more. The first stays: it costs less than to connect for the next request.
    pub(super) fn sweep(&self) {
        let oldest = self.ticks.now().saturating_sub(self.ticks.spanning(IDLE));
        let mut first = true;
        self.connections.borrow_mut().retain(|connection| std::mem::take(&mut first) || !connection.streams.are_idle_since(oldest));
    }
}

impl Connection {
    fn place(&self) -> (Sender, Place) {
        let open = &self.streams.open;
        open.set(open.get().saturating_add(1));
        (self.sender.clone(), Place(Rc::clone(&self.streams)))
    }
}

impl Streams {
    fn has_room(&self) -> bool {
        self.open.get() < self.most.get()
    }

    fn are_idle_since(&self, tick: u64) -> bool {
        self.open.get() == 0 && self.idle_since.get() < tick
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let open = self.0.open.get().saturating_sub(1);
        self.0.open.set(open);
        if open == 0 {
            self.0.idle_since.set(self.0.ticks.now());
        }
    }
}
