//! Connections to an upstream over HTTP/2, each shared by many requests of a thread.
//!
//! The upstream says how many requests a connection carries at once. h2 lets those that are over wait on it without end, behind whatever
//! is slow there; here they are counted, and go to another connection.

use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use hyper::client::conn::http2;
use hyper::rt::Executor;
use hyper_util::rt::TokioIo;

use super::connect::ConnectError;
use super::connect_queue::Connecting;
use super::error::ForwardError;
use super::lent_body::LentBody;
use super::said::{Said, TellingStream};
use crate::edge::tls::HandshakeFault;
use crate::proxy::timer::CoarseTimer;

/// How many connections a thread may have; a request for which there is no place is shed.
const CONNECTIONS_MAX: usize = 64;
/// How many requests a connection carries until its upstream has said how many: the one that it was opened for.
pub(super) const STREAMS_UNTIL_SAID: usize = 1;
/// How many it is taken to carry as long as no upstream has said anything: as many as one should at least (RFC 9113, section 6.5.2).
const STREAMS_ASSUMED: usize = 100;
/// How long all but the first may carry nothing.
const IDLE: Duration = Duration::from_secs(4);

/// Spawns on the thread that asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OnThisThread;

impl<F: Future + 'static> Executor<F> for OnThisThread {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

pub(crate) type H2Sender = http2::SendRequest<LentBody>;
type H2Driver = http2::Connection<TokioIo<TellingStream>, LentBody, OnThisThread>;

/// A connection on which nothing has been asked yet.
pub(crate) struct H2Fresh {
    pub(crate) sender: H2Sender,
    pub(crate) driver: H2Driver,
    pub(crate) said: Said,
}

/// A thread's connections; the one that came first is used first.
#[derive(Debug)]
pub(crate) struct H2Pool {
    timer: Rc<CoarseTimer>,
    connections: RefCell<Vec<H2Connection>>,
    /// How many requests the upstream takes at once on each, as it has said last.
    each: Cell<usize>,
}

#[derive(Debug)]
struct H2Connection {
    sender: H2Sender,
    streams: Rc<StreamCount>,
}

#[derive(Debug)]
struct StreamCount {
    timer: Rc<CoarseTimer>,
    open: Cell<usize>,
    /// As the upstream has it.
    most: Cell<usize>,
    /// Since which tick none is open.
    idle_since: Cell<u64>,
    /// The upstream has said that it takes no more (RFC 9113, section 6.8).
    leaving: Cell<bool>,
    said: Said,
}

/// A request's place on a connection, until its answer has ended.
#[derive(Debug)]
pub(crate) struct StreamPermit(Rc<StreamCount>);

impl H2Pool {
    pub(crate) fn new(timer: &Rc<CoarseTimer>) -> Self {
        Self { timer: Rc::clone(timer), connections: RefCell::default(), each: Cell::new(STREAMS_ASSUMED) }
    }

    /// How many requests the next connection is going to carry, as far as that can be known.
    pub(crate) fn each(&self) -> usize {
        self.each.get()
    }

    /// How many requests are under way.
    pub(crate) fn streams(&self) -> usize {
        self.connections.borrow().iter().map(|connection| connection.streams.open.get()).sum()
    }

    /// A place on a connection that is open.
    pub(crate) fn permit(&self) -> Option<(H2Sender, StreamPermit)> {
        let mut connections = self.connections.borrow_mut();
        connections.retain(|connection| !connection.sender.is_closed() && !connection.streams.leaving.get());
        connections.iter().find(|connection| connection.streams.has_room()).map(H2Connection::permit)
    }

    /// Whether there may be another connection beside those that there are and so many more.
    pub(crate) fn may_grow(&self, connecting: usize) -> bool {
        self.connections.borrow().len().saturating_add(connecting) < CONNECTIONS_MAX
    }

    /// Carries a fresh connection on. It counts as about to be until the upstream has said something on it, for which it has so much time.
    pub(crate) fn add(self: &Rc<Self>, H2Fresh { sender, driver, said }: H2Fresh, connecting: Connecting, timeout: Duration) {
        let streams = Rc::new(StreamCount {
            timer: Rc::clone(&self.timer),
            open: Cell::new(0),
            most: Cell::new(driver.current_max_send_streams()),
            idle_since: Cell::new(self.timer.now()),
            leaving: Cell::new(false),
            said: said.clone(),
        });
        let counted = Rc::clone(&streams);
        self.connections.borrow_mut().push(H2Connection { sender, streams });
        connecting.has_some_room();
        let pool = Rc::clone(self);
        tokio::task::spawn_local(async move {
            let (mut driver, mut late) = (pin!(driver), counted.timer.deadline_in(counted.timer.spanning(timeout)));
            let mut fresh = Some((connecting, pool));
            std::future::poll_fn(|cx| {
                let end = driver.as_mut().poll(cx);
                counted.most.set(driver.current_max_send_streams());
                if fresh.is_some() && (end.is_ready() || said.poll_anything(cx) || late.has_passed(cx)) {
                    let Some((connecting, pool)) = fresh.take() else { return end.map(drop) };
                    match &end {
                        Poll::Ready(_) => connecting.fails(said.fault().map_or(ForwardError::ClosedAtOnce, ForwardError::Tls)),
                        Poll::Pending if said.is_anything() => pool.each.set(counted.most.get().max(1)),
                        Poll::Pending => {
                            // Who is on it waits for the answer as long as for any.
                            counted.leaving.set(true);
                            connecting.fails(ConnectError::TimedOut { address: None }.into());
                        }
                    }
                }
                // What its requests see of an error is all there is to say.
                end.map(drop)
            })
            .await;
        });
    }

    /// Lets each connection close when the last of its requests is answered: no other is going to ask for it.
    pub(crate) fn retire(&self) {
        self.connections.borrow_mut().clear();
    }

    /// Closes what is not needed any more. The first stays: it costs less than to connect for the next request.
    pub(crate) fn sweep(&self) {
        let oldest = self.timer.now().saturating_sub(self.timer.spanning(IDLE));
        let mut first = true;
        self.connections.borrow_mut().retain(|connection| std::mem::take(&mut first) || !connection.streams.are_idle_since(oldest));
    }
}

impl H2Connection {
    fn permit(&self) -> (H2Sender, StreamPermit) {
        let open = &self.streams.open;
        open.set(open.get().saturating_add(1));
        (self.sender.clone(), StreamPermit(Rc::clone(&self.streams)))
    }
}

impl StreamCount {
    fn has_room(&self) -> bool {
        self.open.get() < self.most.get()
    }

    fn are_idle_since(&self, tick: u64) -> bool {
        self.open.get() == 0 && self.idle_since.get() < tick
    }
}

impl StreamPermit {
    /// The upstream takes no more requests on the connection.
    pub(crate) fn leaves(&self) {
        self.0.leaving.set(true);
    }

    /// What TLS has said of the connection, if that is why a request failed.
    pub(crate) fn said_by_tls(&self) -> Option<HandshakeFault> {
        self.0.said.take_fault()
    }
}

impl Drop for StreamPermit {
    fn drop(&mut self) {
        let open = self.0.open.get().saturating_sub(1);
        self.0.open.set(open);
        if open == 0 {
            self.0.idle_since.set(self.0.timer.now());
        }
    }
}
