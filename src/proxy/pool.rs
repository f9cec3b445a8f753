//! Lines to the upstream that are between two requests.
//!
//! A line belongs to one thread, and while it serves a request it is polled by that request's task: no task of its own, no wake-up
//! from one to the other. It comes back only from the clean end of an answer, with the whole request sent and nothing left over.

use std::cell::RefCell;
use std::future::Future as _;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Connection, SendRequest};
use hyper_util::rt::TokioIo;

use super::body::RequestBody;
use super::line_socket::{LineSocket, Memory};
use super::ticks::Ticks;

/// How long a line may rest. Node closes after five seconds, and a request that meets the close is lost.
const IDLE: Duration = Duration::from_secs(4);
/// How many lines may rest, for each thread.
const IDLE_MAX: usize = 512;

type Driver = Connection<TokioIo<LineSocket>, RequestBody>;

/// A connection to the upstream, HTTP/1.
pub(super) struct Line {
    sender: SendRequest<RequestBody>,
    /// Moves the bytes. `None`: it has come to its end.
    driver: Option<Driver>,
    memory: Rc<Memory>,
}

/// Why a request that was put on a line has no answer.
pub(super) enum Unanswered {
    /// The line was dead before it took the request.
    Returned(hyper::Error),
    Failed(hyper::Error),
}

impl Line {
    pub(super) fn new(sender: SendRequest<RequestBody>, driver: Driver, memory: Rc<Memory>) -> Box<Self> {
        Box::new(Self { sender, driver: Some(driver), memory })
    }

    /// Sends a request and waits for the head of its answer. A request that is returned lies where it was before.
    pub(super) async fn send(&mut self, request: &mut Request<RequestBody>) -> Result<Response<Incoming>, Unanswered> {
        let mut answer = pin!(self.sender.try_send_request(std::mem::take(request)));
        let sent = std::future::poll_fn(|cx| {
            drive(&mut self.driver, cx);
            // Nobody but the driver resolves it, and that has just been polled.
            answer.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        })
        .await;
        sent.map_err(|mut failed| match failed.take_message() {
            Some(returned) => {
                *request = returned;
                Unanswered::Returned(failed.into_error())
            }
            None => Unanswered::Failed(failed.into_error()),
        })
    }

    /// The next request is sent after a rest, and the upstream may be closing at this moment.
    pub(super) fn remember(&self, request: &Request<RequestBody>) {
        self.memory.begin(request);
    }

    /// The request that was remembered, if it is lost and may be sent again.
    pub(super) fn lost(&self) -> Option<Request<RequestBody>> {
        self.memory.lost()
    }
}

fn drive(driver: &mut Option<Driver>, cx: &mut Context<'_>) {
    if let Some(driving) = driver
        && let Poll::Ready(_) = Pin::new(driving).poll(cx)
    {
        // Dropping it tells whoever waits; the reason has been told already if there is one.
        *driver = None;
    }
}

/// The lines of a thread that rest; the one that came last goes first.
#[derive(Default)]
pub(super) struct Pool {
    resting: RefCell<Vec<(u64, Box<Line>)>>,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("resting", &self.resting.borrow().len()).finish()
    }
}

impl Pool {
    pub(super) fn take(&self) -> Option<Box<Line>> {
        self.resting.borrow_mut().pop().map(|(_, line)| line)
    }

    /// Closes what has rested too long.
    pub(super) fn sweep(&self, ticks: &Ticks) {
        let oldest = ticks.now().saturating_sub(ticks.spanning(IDLE));
        let mut resting = self.resting.borrow_mut();
        // They lie in the order in which they came.
        let stale = resting.partition_point(|(since, _)| *since < oldest);
        resting.drain(..stale);
    }

    /// Closes all.
    pub(super) fn clear(&self) {
        self.resting.borrow_mut().clear();
    }

    fn put(&self, since: u64, line: Box<Line>) {
        let mut resting = self.resting.borrow_mut();
        if resting.len() < IDLE_MAX {
            resting.push((since, line));
        }
    }
}

/// Holds what an answer's body comes through, and decides what becomes of it.
pub(super) struct Lease {
    line: Option<Box<Line>>,
    pool: Rc<Pool>,
    ticks: Rc<Ticks>,
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lease").field("driven_here", &self.is_driven_here()).finish_non_exhaustive()
    }
}

impl Lease {
    /// Of a line that the answer's body polls itself.
    pub(super) fn of(line: Box<Line>, pool: &Rc<Pool>, ticks: &Rc<Ticks>) -> Self {
        Self { line: Some(line), pool: Rc::clone(pool), ticks: Rc::clone(ticks) }
    }

    /// Of something that moves by itself and is not pooled here.
    pub(super) fn none(pool: &Rc<Pool>, ticks: &Rc<Ticks>) -> Self {
        Self { line: None, pool: Rc::clone(pool), ticks: Rc::clone(ticks) }
    }

    /// Lets the line move by itself from now on: the request's body is still being sent, and must go on even if the client does not
    /// take the answer meanwhile. Such a line is not used again.
    pub(super) fn release(&mut self) {
        if let Some(driver) = self.line.take().and_then(|line| line.driver) {
            tokio::task::spawn_local(driver);
        }
    }

    pub(super) fn is_driven_here(&self) -> bool {
        self.line.is_some()
    }

    pub(super) fn drive(&mut self, cx: &mut Context<'_>) {
        if let Some(line) = &mut self.line {
            drive(&mut line.driver, cx);
        }
    }

    /// The answer has come to its clean end.
    pub(super) fn give_back(&mut self) {
        let Some(mut line) = self.line.take() else { return };
        // Lets the line come to rest: finds stray bytes and a close, and leaves no trace of this task's waker.
        drive(&mut line.driver, &mut Context::from_waker(Waker::noop()));
        if line.driver.is_some() && line.sender.is_ready() {
            self.pool.put(self.ticks.now(), line);
        }
    }
}
