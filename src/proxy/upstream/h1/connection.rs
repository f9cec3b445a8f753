//! A connection to the upstream, HTTP/1.1: our own codec.
//!
//! A line belongs to one thread, and while it serves a request it is polled by that request's task: there is no task of its own, no
//! channel and no wake-up between the two. A request's head, and what is there of its body, leaves in one write; an answer that comes in
//! one piece takes one read.
//!
//! Two clients' answers must never be mixed up. So a line goes back to its pool from one place alone, `Inflow::end`, and only if
//! the answer came to its end as its framing says, the whole request has left, and there is not one byte behind the answer. Whoever
//! drops a line at any other time closes it. What an upstream says behind an answer later than that is looked for when the line is taken
//! again (`Pool::poll_take`, which says what cannot be seen).

mod chunks;
mod head;
#[cfg(test)]
mod head_tests;
mod inflow;
mod outgoing;

use std::io;
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::header::{HeaderMap, HeaderValue};
use http::{Method, Request};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;

pub(super) use self::head::HEAD_MAX;
use self::head::{Asked, Head, Search};
pub(super) use self::inflow::Inflow;
use self::outgoing::Outgoing;
use super::body::{Broken, RequestBody};

/// What is made room for before a read, in bytes: at first, and at most when an upstream fills it again and again.
const READ_MIN: usize = 8 * 1024;
const READ_MAX: usize = 64 * 1024;

/// What an upstream says wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer is malformed: {0}")]
pub(super) struct Malformed(&'static str);

/// Why a line does not bring what it should.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("the connection was closed amid the answer, or before it")]
    Closed,
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The client's fault.
    #[error(transparent)]
    Body(Broken),
}

/// The way to the upstream, or, once somebody else goes on sending, the half that answers come on.
#[derive(Debug)]
enum Socket {
    Whole(TcpStream),
    Half(OwnedReadHalf),
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Whole(socket) => Pin::new(socket).poll_read(cx, buf),
            Self::Half(socket) => Pin::new(socket).poll_read(cx, buf),
        }
    }
}

/// A connection to the upstream.
#[derive(Debug)]
pub(super) struct Line {
    socket: Socket,
    /// What has come and was not taken.
    input: BytesMut,
    /// How much room the next read gets.
    room: usize,
    /// More room was made than a line should keep.
    grown: bool,
    outgoing: Outgoing,
    asked: Asked,
    search: Search,
    /// For the headers of the answer.
    spare: HeaderMap,
    /// It has rested, and not one byte has come since.
    may_be_stale: bool,
    /// Nothing is there to be read, and the task will be woken when there is.
    listens: bool,
    /// Why no more can be sent.
    cut: Option<Fault>,
}

impl Line {
    pub(super) fn new(socket: TcpStream) -> Box<Self> {
        Box::new(Self {
            socket: Socket::Whole(socket),
            input: BytesMut::new(),
            room: READ_MIN,
            grown: false,
            outgoing: Outgoing::default(),
            asked: Asked::Other,
            search: Search::default(),
            spare: HeaderMap::new(),
            may_be_stale: false,
            listens: false,
            cut: None,
        })
    }

    /// Whether a line that has rested may be used: it is open, and nobody has said anything on it meanwhile. If so, the task that asks
    /// is woken by the next byte. What has not been seen by the event loop costs no look at the socket.
    pub(super) fn is_quiet(&mut self, cx: &mut Context<'_>) -> bool {
        debug_assert!(self.input.is_empty(), "a line with something left on it was put to rest");
        self.listens = self.poll_fill(cx).is_pending();
        self.listens
    }

    /// Whether nothing lies in the kernel either, of what the event loop has not seen. Costs a system call.
    pub(super) fn holds_nothing(&self) -> bool {
        let Socket::Whole(socket) = &self.socket else { return false };
        let seen = SockRef::from(socket).peek(&mut [MaybeUninit::uninit()]);
        seen.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Puts a request on the line; its body is given to [`poll_head`](Self::poll_head). `authority` is for a request without a `Host`.
    pub(super) fn begin(&mut self, request: &mut Request<RequestBody>, authority: &HeaderValue) -> Result<(), Fault> {
        self.asked = if *request.method() == Method::HEAD { Asked::Head } else { Asked::Other };
        self.outgoing.begin(request, authority)?;
        // The room that the request's headers took does for the answer's.
        self.spare = std::mem::take(request.headers_mut());
        self.spare.clear();
        Ok(())
    }

    /// Sends the request as it comes, and reads the head of its answer, at the same time.
    pub(super) fn poll_head(&mut self, cx: &mut Context<'_>, body: &mut RequestBody) -> Poll<Result<Head, Fault>> {
        let listens = std::mem::take(&mut self.listens);
        if self.cut.is_none()
            && let Socket::Whole(socket) = &mut self.socket
        {
            match self.outgoing.poll(cx, socket, body) {
                Poll::Ready(Err(Fault::Body(broken))) => return Poll::Ready(Err(Fault::Body(broken))),
                // The upstream may have answered before it turned its back.
                Poll::Ready(Err(fault)) => self.cut = Some(fault),
                Poll::Ready(Ok(())) | Poll::Pending if listens => return Poll::Pending,
                Poll::Ready(Ok(())) | Poll::Pending => {}
            }
        }
        loop {
            match self.poll_fill(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(self.cut.take().unwrap_or(Fault::Closed))),
                Poll::Ready(Ok(_)) => self.may_be_stale = false,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(self.cut.take().unwrap_or(Fault::Io(error)))),
            }
            if let Some(head) = self.search.take(&mut self.input, self.asked, &mut self.spare)? {
                return Poll::Ready(Ok(head));
            }
        }
    }

    /// Whether it is the line's fault alone that the request failed, and a fresh one may try: the upstream had closed it while it
    /// rested, not one byte of an answer has come, and the request may be sent once more.
    pub(super) fn was_stale(&self, fault: &Fault) -> bool {
        matches!(fault, Fault::Closed | Fault::Io(_)) && self.may_be_stale && self.outgoing.may_be_repeated()
    }

    /// Takes over the request that a stale line could not bring to its end.
    pub(super) fn repeat(&mut self, stale: Self) {
        self.asked = stale.asked;
        self.spare = stale.spare;
        self.outgoing.repeat(stale.outgoing);
    }

    /// The connection, and what has come on it behind the answer's head: the upstream has switched protocols.
    pub(super) fn into_parts(self) -> Option<(TcpStream, Bytes)> {
        match self.socket {
            Socket::Whole(socket) => Some((socket, self.input.freeze())),
            Socket::Half(_) => None,
        }
    }

    /// Makes it ready for the next request.
    fn rest(&mut self) {
        self.may_be_stale = true;
        if std::mem::take(&mut self.grown) {
            self.input = BytesMut::new();
        }
    }

    fn has_sent_all(&self) -> bool {
        self.cut.is_none() && self.outgoing.is_done()
    }

    /// Reads what there is, at least a byte; 0: the upstream has closed.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        // A read that does not fill the room tells the event loop, without another one, that there is no more.
        if self.input.capacity() - self.input.len() < self.room / 2 {
            self.input.reserve(self.room);
        }
        let room = self.input.capacity() - self.input.len();
        let filled = pin!(self.socket.read_buf(&mut self.input)).poll(cx);
        if let Poll::Ready(Ok(read)) = filled {
            self.room = if read == room { (self.room * 2).min(READ_MAX) } else { READ_MIN };
            self.grown |= self.room > READ_MIN;
        }
        filled
    }
}
