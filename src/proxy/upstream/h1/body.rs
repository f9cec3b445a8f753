//! An answer's body on its way in, read straight from its connection.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body::{Frame, SizeHint};
use tokio::io::{AsyncWrite as _, WriteHalf};
use tokio::task::AbortHandle;

use super::chunked::{ChunkedDecoder, Piece};
use super::connection::{H1Connection, UpstreamSocket};
use super::encode::RequestEncoder;
use super::error::H1Error;
use super::head::{Framing, ResponseHead};
use super::open::OpenConnection;
use super::pool::H1Pool;
use crate::edge::tls::UpstreamStream;
use crate::proxy::request_body::RequestBody;
use crate::proxy::timer::{CoarseTimer, Deadline};

/// What of the body is still to come.
#[derive(Debug)]
enum Remaining {
    /// It has come to its end.
    Nothing,
    Length(u64),
    ChunkedDecoder(ChunkedDecoder),
    UntilClose,
}

/// An answer's body, and the connection that it comes on.
#[derive(Debug)]
pub(crate) struct H1Body {
    /// `None`: the body has come to its end, or it has failed.
    connection: Option<Box<H1Connection>>,
    remaining: Remaining,
    /// Whether the connection may serve another request afterwards.
    keeps: bool,
    /// Where it goes then.
    pool: Rc<H1Pool>,
    sender: Option<AbortHandle>,
}

impl H1Body {
    /// The answer that a head began.
    pub(crate) fn answer(connection: Box<H1Connection>, head: ResponseHead, pool: &Rc<H1Pool>) -> Response<Self> {
        let remaining = match head.framing {
            Framing::Length(length) => Remaining::Length(length),
            Framing::Chunked => Remaining::ChunkedDecoder(ChunkedDecoder::new()),
            Framing::UntilClose => Remaining::UntilClose,
        };
        let inflow = Self { connection: Some(connection), remaining, keeps: head.keeps, pool: Rc::clone(pool), sender: None };
        head.response.map(|()| inflow)
    }

    /// The connection is not to be used again.
    pub(crate) fn closes_after(&mut self) {
        self.keeps = false;
    }

    /// Whether a part of the request has not left yet.
    pub(crate) fn is_early(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.cut.is_none() && !connection.encoder.is_done())
    }

    /// Lets somebody else go on sending the request: that must not wait until the client takes the answer. Such a connection is not used again.
    pub(crate) fn send_aside(&mut self, body: RequestBody, timer: &Rc<CoarseTimer>, timeout: Duration) {
        self.keeps = false;
        self.connection = self.connection.take().map(|mut connection| {
            connection.socket = match connection.socket {
                UpstreamSocket::Whole(socket) => {
                    let (reading, socket) = tokio::io::split(socket);
                    let encoder = std::mem::take(&mut connection.encoder);
                    let sender = DetachedSender { socket, encoder, body, timer: Rc::clone(timer), timeout };
                    self.sender = Some(tokio::task::spawn_local(sender.run()).abort_handle());
                    UpstreamSocket::Half(reading)
                }
                half @ UpstreamSocket::Half(_) => half,
            };
            connection
        });
    }

    /// The whole body, if it has come already: then the connection is free at once.
    pub(crate) fn whole(&mut self) -> Option<Bytes> {
        let (Some(connection), Remaining::Length(length)) = (&mut self.connection, &self.remaining) else { return None };
        let length = usize::try_from(*length).ok().filter(|length| *length <= connection.input.len())?;
        let whole = if length == 0 { Bytes::new() } else { connection.input.split_to(length).freeze() };
        self.end();
        Some(whole)
    }

    /// The next piece.
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, H1Error>>> {
        let Some(connection) = &mut self.connection else {
            return Poll::Ready(if self.remaining.is_at_end() { None } else { Some(Err(H1Error::Closed)) });
        };
        let frame = loop {
            match self.remaining.next(connection) {
                Ok(Piece::Data(data)) => break Some(Frame::data(data)),
                Ok(Piece::Trailers(trailers)) => break Some(Frame::trailers(trailers)),
                Ok(Piece::End) => break None,
                Ok(Piece::More) => {}
                Err(fault) => return self.fail(fault),
            }
            match ready!(connection.poll_fill(cx)) {
                Ok(0) if matches!(self.remaining, Remaining::UntilClose) => break None,
                Ok(0) => return self.fail(H1Error::Closed),
                Ok(_) => {}
                Err(error) => return self.fail(error.into()),
            }
        };
        if self.remaining.is_at_end() || frame.is_none() {
            self.end();
        }
        Poll::Ready(frame.map(Ok))
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        self.remaining.is_at_end()
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        match self.remaining {
            Remaining::Nothing => SizeHint::with_exact(0),
            Remaining::Length(left) => SizeHint::with_exact(left),
            Remaining::ChunkedDecoder(_) | Remaining::UntilClose => SizeHint::default(),
        }
    }

    /// The connection, for whoever goes on with it, what has come behind the head, and its place among those that are open.
    pub(crate) fn into_parts(mut self) -> Option<(UpstreamStream, Bytes, OpenConnection)> {
        self.connection.take()?.into_parts()
    }

    /// The body has come to its end as its framing says. The only place that gives a connection back.
    fn end(&mut self) {
        (self.remaining, self.sender) = (Remaining::Nothing, None);
        let Some(mut connection) = self.connection.take() else { return };
        if self.keeps && connection.has_sent_all() && connection.input.is_empty() {
            connection.rest();
            self.pool.put(connection);
        }
    }

    fn fail(&mut self, fault: H1Error) -> Poll<Option<Result<Frame<Bytes>, H1Error>>> {
        self.connection = None;
        Poll::Ready(Some(Err(fault)))
    }
}

impl Drop for H1Body {
    /// The client has gone amid the answer: nobody waits for the end of the request either.
    fn drop(&mut self) {
        if let Some(sender) = self.sender.take() {
            sender.abort();
        }
    }
}

impl Remaining {
    fn next(&mut self, connection: &mut H1Connection) -> Result<Piece, H1Error> {
        let input = &mut connection.input;
        Ok(match self {
            Self::Nothing | Self::Length(0) => Piece::End,
            Self::ChunkedDecoder(chunks) => chunks.next(input)?,
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
            Self::ChunkedDecoder(chunks) => chunks.is_at_end(),
            Self::UntilClose => false,
        }
    }
}

/// Sends the rest of a request whose answer has begun.
struct DetachedSender {
    socket: WriteHalf<UpstreamStream>,
    encoder: RequestEncoder,
    body: RequestBody,
    timer: Rc<CoarseTimer>,
    timeout: Duration,
}

impl DetachedSender {
    /// Ends with the request, or when the client or the upstream breaks off, or the upstream takes nothing for too long.
    async fn run(mut self) {
        let mut deadline: Option<Deadline> = None;
        let sent = std::future::poll_fn(|cx| {
            let (before, _) = self.encoder.progress();
            if let Poll::Ready(sent) = self.encoder.poll(cx, &mut self.socket, &mut self.body) {
                return Poll::Ready(sent.is_ok());
            }
            let (written, stuck) = self.encoder.progress();
            if written != before || !stuck {
                deadline = None;
            }
            // A client that is slow has its own time-outs.
            if stuck && deadline.get_or_insert_with(|| self.timer.deadline(self.timeout)).has_passed(cx) {
                return Poll::Ready(false);
            }
            Poll::Pending
        })
        .await;
        // Of a whole request the upstream is not told that nothing more comes: there are some that take this for a hang-up.
        if !sent {
            // One try: who takes nothing is not waited for.
            std::future::poll_fn(|cx| {
                let _ = Pin::new(&mut self.socket).poll_shutdown(cx);
                Poll::Ready(())
            })
            .await;
        }
    }
}
