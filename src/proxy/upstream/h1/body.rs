//! An answer's body on its way in, read straight from the line.

use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body::{Frame, SizeHint};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::task::AbortHandle;

use super::chunks::{Chunks, Piece};
use super::head::{Framing, Head};
use super::outgoing::Outgoing;
use super::{Fault, Line, Socket};
use crate::proxy::body::RequestBody;
use crate::proxy::pool::Pool;
use crate::proxy::ticks::Ticks;

/// What of the body is still to come.
#[derive(Debug)]
enum Rest {
    /// It has come to its end.
    Nothing,
    Length(u64),
    Chunks(Chunks),
    UntilClose,
}

/// An answer's body, and the line that it comes on.
#[derive(Debug)]
pub(crate) struct Inflow {
    /// `None`: the body has come to its end, or it has failed.
    line: Option<Box<Line>>,
    rest: Rest,
    /// Whether the line may serve another request afterwards.
    keeps: bool,
    /// Where it goes then.
    pool: Rc<Pool>,
    sender: Option<AbortHandle>,
}

impl Inflow {
    /// The answer that a head began.
    pub(crate) fn answer(line: Box<Line>, head: Head, pool: &Rc<Pool>) -> Response<Self> {
        let rest = match head.framing {
            Framing::Length(length) => Rest::Length(length),
            Framing::Chunked => Rest::Chunks(Chunks::new()),
            Framing::UntilClose => Rest::UntilClose,
        };
        let inflow = Self { line: Some(line), rest, keeps: head.keeps, pool: Rc::clone(pool), sender: None };
        head.response.map(|()| inflow)
    }

    /// The line is not to be used again.
    pub(crate) fn closes_after(&mut self) {
        self.keeps = false;
    }

    /// Whether a part of the request has not left yet.
    pub(crate) fn is_early(&self) -> bool {
        self.line.as_ref().is_some_and(|line| line.cut.is_none() && !line.outgoing.is_done())
    }

    /// Lets somebody else go on sending the request: that must not wait until the client takes the answer. Such a line is not used again.
    pub(crate) fn send_aside(&mut self, body: RequestBody, ticks: &Rc<Ticks>, patience: Duration) {
        self.keeps = false;
        self.line = self.line.take().map(|mut line| {
            line.socket = match line.socket {
                Socket::Whole(socket) => {
                    let (reading, socket) = socket.into_split();
                    let outgoing = std::mem::take(&mut line.outgoing);
                    let sender = Sender { socket, outgoing, body, ticks: Rc::clone(ticks), patience };
                    self.sender = Some(tokio::task::spawn_local(sender.run()).abort_handle());
                    Socket::Half(reading)
                }
                half @ Socket::Half(_) => half,
            };
            line
        });
    }

    /// The whole body, if it has come already: then the line is free at once.
    pub(crate) fn whole(&mut self) -> Option<Bytes> {
        let (Some(line), Rest::Length(length)) = (&mut self.line, &self.rest) else { return None };
        let length = usize::try_from(*length).ok().filter(|length| *length <= line.input.len())?;
        let whole = if length == 0 { Bytes::new() } else { line.input.split_to(length).freeze() };
        self.end();
        Some(whole)
    }

    /// The next piece.
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let Some(line) = &mut self.line else {
            return Poll::Ready(if self.rest.is_at_end() { None } else { Some(Err(Fault::Closed)) });
        };
        let frame = loop {
            match self.rest.next(line) {
                Ok(Piece::Data(data)) => break Some(Frame::data(data)),
                Ok(Piece::Trailers(trailers)) => break Some(Frame::trailers(trailers)),
                Ok(Piece::End) => break None,
                Ok(Piece::More) => {}
                Err(fault) => return self.fail(fault),
            }
            match ready!(line.poll_fill(cx)) {
                Ok(0) if matches!(self.rest, Rest::UntilClose) => break None,
                Ok(0) => return self.fail(Fault::Closed),
                Ok(_) => {}
                Err(error) => return self.fail(Fault::Io(error)),
            }
        };
        if self.rest.is_at_end() || frame.is_none() {
            self.end();
        }
        Poll::Ready(frame.map(Ok))
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        self.rest.is_at_end()
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        match self.rest {
            Rest::Nothing => SizeHint::with_exact(0),
            Rest::Length(left) => SizeHint::with_exact(left),
            Rest::Chunks(_) | Rest::UntilClose => SizeHint::default(),
        }
    }

    /// The connection, for whoever goes on with it, and what has come behind the head.
    pub(crate) fn into_parts(mut self) -> Option<(TcpStream, Bytes)> {
        self.line.take()?.into_parts()
    }

    /// The body has come to its end as its framing says. The only place that gives a line back.
    fn end(&mut self) {
        (self.rest, self.sender) = (Rest::Nothing, None);
        let Some(mut line) = self.line.take() else { return };
        if self.keeps && line.has_sent_all() && line.input.is_empty() {
            line.rest();
            self.pool.put(line);
        }
    }

    fn fail(&mut self, fault: Fault) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        self.line = None;
        Poll::Ready(Some(Err(fault)))
    }
}

impl Drop for Inflow {
    /// The client has gone amid the answer: nobody waits for the end of the request either.
    fn drop(&mut self) {
        if let Some(sender) = self.sender.take() {
            sender.abort();
        }
    }
}

impl Rest {
    fn next(&mut self, line: &mut Line) -> Result<Piece, Fault> {
        let input = &mut line.input;
        Ok(match self {
            Self::Nothing | Self::Length(0) => Piece::End,
            Self::Chunks(chunks) => chunks.next(input)?,
            Self::Length(_) | Self::UntilClose if input.is_empty() => Piece::More,
            Self::Length(left) => {
                let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                *left -= taken as u64;
                Piece::Data(input.split_to(taken).freeze())
            }
            Self::UntilClose => Piece::Data(input.split().freeze()),
        })
    }

    fn is_at_end(&self) -> bool {
        match self {
            Self::Nothing => true,
            Self::Length(left) => *left == 0,
            Self::Chunks(chunks) => chunks.is_at_end(),
            Self::UntilClose => false,
        }
    }
}

/// Sends the rest of a request whose answer has begun.
struct Sender {
    socket: OwnedWriteHalf,
    outgoing: Outgoing,
    body: RequestBody,
    ticks: Rc<Ticks>,
    patience: Duration,
}

impl Sender {
    /// Ends with the request, or when the client or the upstream breaks off, or the upstream takes nothing for too long.
    async fn run(mut self) {
        let mut alarm = None;
        let sent = std::future::poll_fn(|cx| {
            let (before, _) = self.outgoing.progress();
            if let Poll::Ready(sent) = self.outgoing.poll(cx, &mut self.socket, &mut self.body) {
                return Poll::Ready(sent.is_ok());
            }
            let (written, stuck) = self.outgoing.progress();
            if written != before || !stuck {
                alarm = None;
            }
            // A client that is slow has its own time-outs.
            if stuck && alarm.get_or_insert_with(|| self.ticks.alarm(self.patience)).is_up(cx) {
                return Poll::Ready(false);
            }
            Poll::Pending
        })
        .await;
        if sent {
            // Dropping it would say that nothing more comes on the connection, and there are upstreams that take this for a hang-up.
            self.socket.forget();
        }
    }
}
