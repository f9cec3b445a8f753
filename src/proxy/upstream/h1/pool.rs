//! Lines to the upstream that are between two requests.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::line::Line;
use super::ticks::Ticks;
use super::turns::{Turn, Turns};

/// How long a line may rest. Node closes after five seconds, and a request that meets the close is lost.
const IDLE: Duration = Duration::from_secs(4);
/// How many lines may rest, for each thread.
const IDLE_MAX: usize = 512;

/// The lines of a thread that rest; the one that came last goes first, of those that the event loop has looked at since they came.
pub(super) struct Pool {
    ticks: Rc<Ticks>,
    turns: Rc<Turns>,
    /// In the order in which they came.
    resting: RefCell<Vec<Resting>>,
}

struct Resting {
    line: Box<Line>,
    /// Since which tick, and which turn of the event loop.
    since: u64,
    turn: Turn,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("resting", &self.resting.borrow().len()).finish_non_exhaustive()
    }
}

impl Pool {
    pub(super) fn new(ticks: &Rc<Ticks>, turns: Rc<Turns>) -> Rc<Self> {
        Rc::new(Self { ticks: Rc::clone(ticks), turns, resting: RefCell::default() })
    }

    /// A line that may be used, if there is one. Those that were found closed, or that something was said on, are closed.
    ///
    /// What was said is found out from what the event loop has seen, which costs nothing. Only a line that it has not looked at since the
    /// last answer is asked itself, and it goes last: it is given back and taken within one turn, as between pipelined requests. What
    /// reaches us later than that look, be it by a microsecond, cannot be told from an answer to the next request: HTTP/1.1 has nothing
    /// to tell them apart by. So an upstream that answers a request twice can still be heard by another client; only lines that are
    /// used once would keep it from that.
    pub(super) fn poll_take(&self, cx: &mut Context<'_>) -> Poll<Option<Box<Line>>> {
        loop {
            // Without a budget the runtime does not tell what has come, and a line that nobody has looked at is not used.
            if !tokio::task::coop::has_budget_remaining() {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let now = self.turns.now();
            let mut resting = self.resting.borrow_mut();
            let looked_at = resting.iter().rposition(|resting| resting.turn.is_over(now));
            let taken = looked_at.map(|place| resting.remove(place)).or_else(|| resting.pop());
            drop(resting);
            let Some(Resting { mut line, .. }) = taken else { return Poll::Ready(None) };
            if line.is_quiet(cx) && (looked_at.is_some() || line.holds_nothing()) {
                return Poll::Ready(Some(line));
            }
        }
    }

    /// Closes what has rested too long.
    pub(super) fn sweep(&self) {
        let oldest = self.ticks.now().saturating_sub(self.ticks.spanning(IDLE));
        let mut resting = self.resting.borrow_mut();
        let stale = resting.partition_point(|resting| resting.since < oldest);
        resting.drain(..stale);
    }

    /// Closes all.
    pub(super) fn clear(&self) {
        self.resting.borrow_mut().clear();
    }

    pub(super) fn put(&self, line: Box<Line>) {
        let mut resting = self.resting.borrow_mut();
        if resting.len() < IDLE_MAX {
            resting.push(Resting { line, since: self.ticks.now(), turn: self.turns.now() });
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

    fn pool() -> Rc<Pool> {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(jiff::Timestamp::UNIX_EPOCH));
        let ticks = Ticks::for_spans(&[Duration::from_secs(1)], &clock);
        Pool::new(&ticks, Rc::new(Turns::of(tokio::runtime::Handle::current().metrics())))
    }

    /// A line, and the upstream's end of it.
    async fn line() -> (Box<Line>, std::net::TcpStream) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let line = Line::new(TcpStream::connect(listener.local_addr().unwrap()).await.unwrap());
        (line, listener.accept().unwrap().0)
    }

    fn take(pool: &Pool) -> Option<Box<Line>> {
        match pool.poll_take(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(line) => line,
            Poll::Pending => panic!("there is a budget"),
        }
    }

    /// Until the event loop has looked at all sockets.
    async fn a_turn() {
        let (here, there) = tokio::net::UnixStream::pair().unwrap();
        drop(there);
        here.readable().await.unwrap();
    }

    #[tokio::test]
    async fn what_came_behind_an_answer_within_the_same_turn_is_nobodys_answer() {
        let pool = pool();
        let (line, mut upstream) = line().await;
        a_turn().await;
        pool.put(line);
        upstream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil").unwrap();
        assert!(take(&pool).is_none());
    }

    #[tokio::test]
    async fn what_came_behind_an_answer_before_the_last_turn_is_nobodys_answer() {
        let pool = pool();
        let (line, mut upstream) = line().await;
        pool.put(line);
        upstream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil").unwrap();
        a_turn().await;
        assert!(take(&pool).is_none());
    }

    #[tokio::test]
    async fn a_line_that_has_rested_for_a_turn_goes_before_one_that_has_not() {
        let pool = pool();
        let ((old, _old), (older, _older), (fresh, mut talks)) = (line().await, line().await, line().await);
        pool.put(older);
        pool.put(old);
        a_turn().await;
        pool.put(fresh);
        talks.write_all(b"evil").unwrap();
        assert!(take(&pool).is_some() && take(&pool).is_some());
        assert!(take(&pool).is_none());
    }

    #[tokio::test]
    async fn a_line_may_be_used_again_at_once_if_nothing_is_said_on_it() {
        let pool = pool();
        let (line, _upstream) = line().await;
        pool.put(line);
        assert!(take(&pool).is_some());
    }
}
