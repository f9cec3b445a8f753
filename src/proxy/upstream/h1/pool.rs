//! Connections to the upstream that are between two requests.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::connection::H1Connection;
use crate::proxy::poll_epoch::{PollEpoch, PollEpochs};
use crate::proxy::timer::CoarseTimer;

/// How long a connection may rest. Node closes after five seconds, and a request that meets the close is lost.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);
/// How many connections may rest, for each thread.
const IDLE_MAX: usize = 512;

/// The connections of a thread that rest; the one that has rested longest goes first, if the event loop has looked at it since it came:
/// the longer it rests, the more of what an upstream says too much has been seen.
pub(crate) struct H1Pool {
    timer: Rc<CoarseTimer>,
    epochs: Rc<PollEpochs>,
    /// In the order in which they came.
    idle: RefCell<VecDeque<Idle>>,
    /// Nothing rests here any more.
    retired: Cell<bool>,
}

struct Idle {
    connection: Box<H1Connection>,
    /// Since which tick, and which epoch of the event loop.
    since: u64,
    epoch: PollEpoch,
}

impl std::fmt::Debug for H1Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("H1Pool").field("idle", &self.idle.borrow().len()).finish_non_exhaustive()
    }
}

impl H1Pool {
    pub(crate) fn new(timer: &Rc<CoarseTimer>, epochs: Rc<PollEpochs>) -> Rc<Self> {
        Rc::new(Self { timer: Rc::clone(timer), epochs, idle: RefCell::default(), retired: Cell::new(false) })
    }

    /// A connection that may be used, if there is one. Those that were found closed, or that something was said on, are closed.
    ///
    /// What was said is found out from what the event loop has seen, which costs nothing. Only a connection that it has not looked at since the
    /// last answer is asked itself, and it goes last: it is given back and taken within one epoch, as between pipelined requests. What
    /// reaches us later than that look, be it by a microsecond, cannot be told from an answer to the next request: HTTP/1.1 has nothing
    /// to tell them apart by. So an upstream that answers a request twice can still be heard by another client; only connections that are
    /// used once would keep it from that.
    pub(crate) fn poll_take(&self, cx: &mut Context<'_>) -> Poll<Option<Box<H1Connection>>> {
        loop {
            // Without a budget the runtime does not tell what has come, and a connection that nobody has looked at is not used.
            if !tokio::task::coop::has_budget_remaining() {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let now = self.epochs.now();
            let mut idle = self.idle.borrow_mut();
            // They came in order, so if the first has not been looked at, none has.
            let looked_at = idle.front().is_some_and(|first| first.epoch.is_over(now));
            let taken = if looked_at { idle.pop_front() } else { idle.pop_back() };
            drop(idle);
            let Some(Idle { mut connection, .. }) = taken else { return Poll::Ready(None) };
            if connection.is_quiet(cx) && (looked_at || connection.holds_nothing()) {
                return Poll::Ready(Some(connection));
            }
        }
    }

    /// Closes what has rested too long.
    pub(crate) fn sweep(&self) {
        let oldest = self.timer.now().saturating_sub(self.timer.spanning(IDLE_TIMEOUT));
        let mut idle = self.idle.borrow_mut();
        let stale = idle.partition_point(|idle| idle.since < oldest);
        idle.drain(..stale);
    }

    /// Closes all.
    pub(crate) fn clear(&self) {
        self.idle.borrow_mut().clear();
    }

    /// Closes all, and those that are still in use when they are given back: no request is going to ask for them.
    pub(crate) fn retire(&self) {
        self.retired.set(true);
        self.clear();
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.idle.borrow().len()
    }

    #[cfg(test)]
    pub(crate) fn is_retired(&self) -> bool {
        self.retired.get()
    }

    pub(crate) fn put(&self, connection: Box<H1Connection>) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() < IDLE_MAX && !self.retired.get() {
            idle.push_back(Idle { connection, since: self.timer.now(), epoch: self.epochs.now() });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::sync::Arc;
    use std::task::Waker;

    use tokio::net::TcpStream;

    use super::*;
    use crate::clock::{Clock, ManualClock};
    use crate::edge::tls::{PlainSocket, UpstreamStream};
    use crate::proxy::upstream::h1::open::OpenConnections;

    fn pool() -> Rc<H1Pool> {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(jiff::Timestamp::UNIX_EPOCH));
        let timer = CoarseTimer::for_spans(&[Duration::from_secs(1)], &clock);
        H1Pool::new(&timer, Rc::new(PollEpochs::of(tokio::runtime::Handle::current().metrics())))
    }

    /// A connection, and the upstream's end of it.
    async fn connection() -> (Box<H1Connection>, std::net::TcpStream) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let open = OpenConnections::new(1).open().unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let connection = H1Connection::new(UpstreamStream::Plain(PlainSocket::Tcp(socket)), 100, open);
        (connection, listener.accept().unwrap().0)
    }

    fn take(pool: &H1Pool) -> Option<Box<H1Connection>> {
        match pool.poll_take(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(connection) => connection,
            Poll::Pending => panic!("there is a budget"),
        }
    }

    /// Until the event loop has looked at all sockets.
    async fn an_epoch() {
        let (here, there) = tokio::net::UnixStream::pair().unwrap();
        drop(there);
        here.readable().await.unwrap();
    }

    #[tokio::test]
    async fn what_came_behind_an_answer_within_the_same_epoch_is_nobodys_answer() {
        let pool = pool();
        let (connection, mut upstream) = connection().await;
        an_epoch().await;
        pool.put(connection);
        upstream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil").unwrap();
        assert!(take(&pool).is_none());
    }

    #[tokio::test]
    async fn what_came_behind_an_answer_before_the_last_epoch_is_nobodys_answer() {
        let pool = pool();
        let (connection, mut upstream) = connection().await;
        pool.put(connection);
        upstream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil").unwrap();
        an_epoch().await;
        assert!(take(&pool).is_none());
    }

    #[tokio::test]
    async fn a_connection_that_has_rested_for_an_epoch_goes_before_one_that_has_not() {
        let pool = pool();
        let ((old, _old), (older, _older), (fresh, mut talks)) = (connection().await, connection().await, connection().await);
        pool.put(older);
        pool.put(old);
        an_epoch().await;
        pool.put(fresh);
        talks.write_all(b"evil").unwrap();
        assert!(take(&pool).is_some() && take(&pool).is_some());
        assert!(take(&pool).is_none());
    }

    #[tokio::test]
    async fn a_retired_pool_keeps_no_connection_neither_those_that_rest_nor_those_that_come_back() {
        let pool = pool();
        let ((resting, _resting), (in_use, _in_use)) = (connection().await, connection().await);
        pool.put(resting);
        pool.retire();
        pool.put(in_use);
        assert!(take(&pool).is_none());
    }

    #[tokio::test]
    async fn a_connection_may_be_used_again_at_once_if_nothing_is_said_on_it() {
        let pool = pool();
        let (connection, _upstream) = connection().await;
        pool.put(connection);
        assert!(take(&pool).is_some());
    }
}
