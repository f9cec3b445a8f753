//! A connection to the upstream, and the one request that it serves at a time.

use std::io;
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::header::{HeaderMap, HeaderValue};
use http::{Method, Request, Response};
use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf, ReadHalf};

use super::encode::RequestEncoder;
use super::error::H1Error;
use super::head::{HeadReader, RequestKind, ResponseHead};
use super::open::OpenConnection;
use crate::edge::tls::UpstreamStream;
use crate::proxy::request_body::RequestBody;

/// What is made room for before a read, in bytes: at first, and at most when an upstream fills it again and again.
const READ_MIN: usize = 8 * 1024;
const READ_MAX: usize = 64 * 1024;

/// The way to the upstream, or, once somebody else goes on sending, the half that answers come on.
#[derive(Debug)]
pub(super) enum UpstreamSocket {
    Whole(UpstreamStream),
    Half(ReadHalf<UpstreamStream>),
}

impl AsyncRead for UpstreamSocket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Whole(socket) => Pin::new(socket).poll_read(cx, buf),
            Self::Half(socket) => Pin::new(socket).poll_read(cx, buf),
        }
    }
}

/// A connection to the upstream.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the connection, or about what it serves")]
pub(crate) struct H1Connection {
    pub(super) socket: UpstreamSocket,
    /// What has come and was not taken.
    pub(super) input: BytesMut,
    /// How much room the next read gets.
    room: usize,
    /// More room was made than a connection should keep.
    grown: bool,
    pub(super) encoder: RequestEncoder,
    kind: RequestKind,
    reader: HeadReader,
    /// For the headers of the answer.
    spare: HeaderMap,
    /// It has served another request before.
    has_rested: bool,
    /// Not one byte has come since the request began.
    unheard: bool,
    /// Nothing is there to be read, and the task will be woken when there is.
    listens: bool,
    /// Why no more can be sent.
    pub(super) cut: Option<H1Error>,
    /// Among those that are open.
    open: OpenConnection,
}

impl H1Connection {
    pub(crate) fn new(socket: UpstreamStream, max_headers: usize, open: OpenConnection) -> Box<Self> {
        Box::new(Self {
            socket: UpstreamSocket::Whole(socket),
            input: BytesMut::new(),
            room: READ_MIN,
            grown: false,
            encoder: RequestEncoder::default(),
            kind: RequestKind::Other,
            reader: HeadReader::new(max_headers),
            spare: HeaderMap::new(),
            has_rested: false,
            unheard: true,
            listens: false,
            cut: None,
            open,
        })
    }

    /// Whether one that has rested may be used: it is open, and nobody has said anything on it meanwhile. If so, the task that asks
    /// is woken by the next byte. What has not been seen by the event loop costs no look at the socket.
    pub(crate) fn is_quiet(&mut self, cx: &mut Context<'_>) -> bool {
        debug_assert!(self.input.is_empty(), "a connection with something left on it was put to rest");
        // Without a budget the runtime does not tell what more there is; under TLS one look may be several reads.
        self.listens = self.poll_fill(cx).is_pending() && tokio::task::coop::has_budget_remaining() && !self.holds_a_part();
        self.listens
    }

    /// Whether nothing lies in the kernel either, of what the event loop has not seen. Costs a system call.
    pub(crate) fn holds_nothing(&self) -> bool {
        let UpstreamSocket::Whole(socket) = &self.socket else { return false };
        let seen = socket.socket().peek(&mut [MaybeUninit::uninit()]);
        seen.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Whether bytes have come that are the beginning of something, and lie where they are decrypted.
    fn holds_a_part(&self) -> bool {
        match &self.socket {
            UpstreamSocket::Whole(socket) => socket.holds_a_part(),
            UpstreamSocket::Half(_) => true,
        }
    }

    /// Takes a request; its body is given to [`poll_head`](Self::poll_head). `authority` is for a request without a `Host`.
    pub(crate) fn begin(&mut self, request: &mut Request<RequestBody>, authority: &HeaderValue) -> Result<(), H1Error> {
        self.kind = if *request.method() == Method::HEAD { RequestKind::Head } else { RequestKind::Other };
        self.encoder.begin(request, authority)?;
        self.reader.begin();
        self.unheard = true;
        // The room that the request's headers took does for the answer's.
        self.spare = std::mem::take(request.headers_mut());
        self.spare.clear();
        Ok(())
    }

    /// Sends the request as it comes, and reads the head of its answer, at the same time.
    pub(crate) fn poll_head(&mut self, cx: &mut Context<'_>, body: &mut RequestBody) -> Poll<Result<ResponseHead, H1Error>> {
        let listens = std::mem::take(&mut self.listens);
        if self.cut.is_none()
            && let UpstreamSocket::Whole(socket) = &mut self.socket
        {
            match self.encoder.poll(cx, socket, body) {
                Poll::Ready(Err(H1Error::Body(broken))) => return Poll::Ready(Err(H1Error::Body(broken))),
                // The upstream may have answered before it turned its back.
                Poll::Ready(Err(fault)) => self.cut = Some(fault),
                Poll::Ready(Ok(())) | Poll::Pending if listens => return Poll::Pending,
                Poll::Ready(Ok(())) | Poll::Pending => {}
            }
        }
        loop {
            match self.poll_fill(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(self.cut.take().unwrap_or(H1Error::Closed))),
                Poll::Ready(Ok(_)) => self.unheard = false,
                // What TLS says of the end says more than that nothing more could be sent.
                Poll::Ready(Err(error)) => {
                    return Poll::Ready(Err(match H1Error::from(error) {
                        said @ H1Error::Tls(_) => said,
                        fault @ (H1Error::Io(_) | H1Error::Closed | H1Error::Malformed(_) | H1Error::Body(_)) => {
                            self.cut.take().unwrap_or(fault)
                        }
                    }));
                }
            }
            if let Some(head) = self.reader.take(&mut self.input, self.kind, &mut self.spare)? {
                return Poll::Ready(Ok(head));
            }
        }
    }

    /// The interim answers that have come since this was asked.
    pub(crate) fn interim(&mut self) -> std::vec::Drain<'_, Response<()>> {
        self.reader.interim()
    }

    /// Whether it is the connection's fault alone that the request failed, and a fresh one may try: the upstream had closed it while it
    /// rested, not one byte of an answer has come, and the request may be sent once more.
    pub(crate) fn was_stale(&self, fault: &H1Error) -> bool {
        self.has_rested && self.may_be_repeated(fault)
    }

    /// Whether the request may be sent once more (RFC 9110, section 9.2.2): the connection broke, and not one byte of an answer has come.
    pub(crate) fn may_be_repeated(&self, fault: &H1Error) -> bool {
        matches!(fault, H1Error::Closed | H1Error::Io(_)) && self.unheard && self.encoder.may_be_repeated()
    }

    /// Takes over the request that another connection could not bring to its end.
    pub(crate) fn repeat(&mut self, lost: Self) {
        self.kind = lost.kind;
        self.spare = lost.spare;
        self.encoder.repeat(lost.encoder);
    }

    /// The connection, what has come on it behind the answer's head, and its place among those that are open: the upstream has switched
    /// protocols.
    pub(crate) fn into_parts(self) -> Option<(UpstreamStream, Bytes, OpenConnection)> {
        match self.socket {
            UpstreamSocket::Whole(socket) => Some((socket, self.input.freeze(), self.open)),
            UpstreamSocket::Half(_) => None,
        }
    }

    /// Makes it ready for the next request.
    pub(super) fn rest(&mut self) {
        self.has_rested = true;
        if std::mem::take(&mut self.grown) {
            self.input = BytesMut::new();
        }
    }

    pub(super) fn has_sent_all(&self) -> bool {
        self.cut.is_none() && self.encoder.is_done()
    }

    /// Reads what there is, at least a byte; 0: the upstream has closed.
    pub(super) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
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
