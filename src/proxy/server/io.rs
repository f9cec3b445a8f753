//! A client's socket as hyper and h2 see it.
//!
//! Reads and writes go straight through; on their way it is noted whether the client does anything, and what they would hide is
//! shown to it in another way (`ShadowParser`, `HeaderBlocks`).

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::framing::ShadowParser;
use super::header_blocks::HeaderBlocks;
use super::parse_error::ParseErrors;
use super::protocol::Taken;
use crate::edge::PacedStream;
use crate::proxy::connection::{ConnectionState, Phase};

/// More room than this is given back, in bytes.
const REWRITTEN_KEPT: usize = 4 * 1024;
/// Of requests over HTTP/1 that have come together, so many bytes are read in one turn. hyper answers sixteen before it lets others go on, and goes on
/// itself before the runtime has looked at any socket: whoever was refused again and again would have the thread for tens of milliseconds.
const PIPELINED_IN_A_TURN: usize = 512;

/// A client's socket. Counts as a connection until it is dropped.
#[derive(Debug)]
pub(super) struct ClientIo<G> {
    socket: PacedStream,
    /// What was taken off the socket before; given to hyper first.
    taken: Taken,
    state: Arc<ConnectionState>,
    /// Of HTTP/1 only.
    shadow: Option<(ShadowParser, Arc<ParseErrors>)>,
    /// Of HTTP/2 only.
    blocks: Option<HeaderBlocks>,
    /// What hyper is to read instead of what has come, and how much of it has been read.
    rewritten: (Vec<u8>, usize),
    /// That is several requests, to be read in turns.
    is_pipelined: bool,
    /// Nothing more is read until the next turn.
    has_had_turn: bool,
    /// Our answer in the place of hyper's, and how much of it is out.
    instead: Option<(Vec<u8>, usize)>,
    shut: bool,
    _counted: G,
}

impl<G> ClientIo<G> {
    pub(super) fn http1(
        socket: PacedStream,
        taken: Taken,
        state: Arc<ConnectionState>,
        parse_errors: Arc<ParseErrors>,
        counted: G,
    ) -> Self {
        Self { shadow: Some((ShadowParser::new(), parse_errors)), ..Self::new(socket, taken, state, counted) }
    }

    /// `head_max`: how large a head may be, in bytes.
    pub(super) fn http2(socket: PacedStream, taken: Taken, state: Arc<ConnectionState>, head_max: usize, counted: G) -> Self {
        Self { blocks: Some(HeaderBlocks::new(head_max)), ..Self::new(socket, taken, state, counted) }
    }

    fn new(socket: PacedStream, taken: Taken, state: Arc<ConnectionState>, counted: G) -> Self {
        Self {
            socket,
            taken,
            state,
            shadow: None,
            blocks: None,
            rewritten: (Vec::new(), 0),
            is_pipelined: false,
            has_had_turn: false,
            instead: None,
            shut: false,
            _counted: counted,
        }
    }

    /// Gives hyper as much as it takes of what was written for it; whether there was anything.
    fn give_rewritten(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let (bytes, given) = &mut self.rewritten;
        let rest = bytes.get(*given..).unwrap_or_default();
        let most = if self.is_pipelined { buf.remaining().min(PIPELINED_IN_A_TURN) } else { buf.remaining() };
        let piece = rest.get(..most).unwrap_or(rest);
        buf.put_slice(piece);
        *given += piece.len();
        let any = !piece.is_empty();
        self.has_had_turn = any && self.is_pipelined;
        if *given == bytes.len() {
            bytes.clear();
            bytes.shrink_to(REWRITTEN_KEPT);
            *given = 0;
        }
        any
    }

    /// Whether requests have come whole and have no answer yet. One may be so new that nobody has begun with it. As long as that is so, hyper
    /// must not hear that the client has ended its side: it would give up the answer.
    fn owes_answers(&self) -> bool {
        let whole = self.shadow.as_ref().filter(|(shadow, _)| !shadow.is_amid()).map_or(0, |(shadow, _)| shadow.heads());
        whole > self.state.answered() && !self.state.is(Phase::Tunnel)
    }

    /// Looks at what has been read before hyper does; whether hyper is to read what was written for it instead.
    fn follow(&mut self, read: &[u8]) -> bool {
        if let Some(blocks) = &mut self.blocks {
            let passes = blocks.passes(read.len());
            if !passes {
                blocks.follow(read, &mut self.rewritten.0);
            }
            return !passes;
        }
        // What passes through a tunnel has no lines whose ends could be waited for.
        let Some((shadow, _)) = self.shadow.as_mut().filter(|_| !self.state.is(Phase::Tunnel)) else { return false };
        if self.state.is(Phase::Idle) {
            self.state.enter(Phase::Head);
        }
        if self.state.is(Phase::Head) {
            self.state.reads_head(read.len());
        }
        let heads = shadow.heads();
        shadow.follow(read, &self.state.faults);
        let wants_marks = shadow.wants_marks();
        self.is_pipelined = read.len() > PIPELINED_IN_A_TURN && shadow.heads().saturating_sub(heads) > 1;
        if wants_marks {
            shadow.mark(read, &mut self.rewritten.0);
        } else if self.is_pipelined {
            self.rewritten.0.extend_from_slice(read);
        }
        wants_marks || self.is_pipelined
    }

    /// Our answer if these bytes are one of hyper's own.
    fn ours_instead(&self, said: &[u8]) -> Option<Vec<u8>> {
        let (_, parse_errors) = self.shadow.as_ref()?;
        let own = self.state.is_quiet() && !self.state.is(Phase::Tunnel);
        if own { parse_errors.answer(said) } else { None }
    }

    fn must_linger(&self) -> bool {
        let amid = self.shadow.as_ref().is_some_and(|(shadow, _)| shadow.is_amid() && !self.state.is(Phase::Busy));
        amid || self.state.lingers()
    }
}

impl<G: Unpin> AsyncRead for ClientIo<G> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        if this.has_had_turn {
            if this.socket.poll_turn(cx).is_pending() {
                if this.state.is_to_look() && !this.rewritten.0.is_empty() {
                    this.state.enter(Phase::Head);
                }
                return Poll::Pending;
            }
            this.has_had_turn = false;
        }
        // What is held back until more has come is nothing that hyper could read, and to read nothing would be the end.
        while !this.give_rewritten(buf) {
            if this.state.is_half_closed() && this.owes_answers() {
                this.state.reads_on_later(cx.waker());
                return Poll::Pending;
            }
            if this.taken.as_bytes().is_empty() {
                let read = Pin::new(&mut this.socket).poll_read(cx, buf);
                if read.is_pending() && this.shadow.is_some() && this.state.is_to_look() && this.socket.stream().has_more() {
                    // The thread hears of it in its next turn.
                    this.state.enter(Phase::Head);
                }
                ready!(read)?;
            } else {
                // hyper never has room for less.
                buf.put_slice(std::mem::take(&mut this.taken).as_bytes());
            }
            let read = buf.filled().get(before..).unwrap_or_default();
            this.state.moved();
            if read.is_empty() {
                if this.owes_answers() {
                    this.state.half_closes();
                    this.state.reads_on_later(cx.waker());
                    return Poll::Pending;
                }
                break;
            }
            if !this.follow(read) {
                break;
            }
            buf.set_filled(before);
            // Whatever more comes, nobody looks at it.
            if this.rewritten.0.is_empty() && this.blocks.as_ref().is_some_and(HeaderBlocks::is_lost) {
                break;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<G: Unpin> AsyncWrite for ClientIo<G> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.instead.is_none() {
            this.instead = this.ours_instead(bytes).map(|ours| (ours, 0));
        }
        let written = match &mut this.instead {
            None => Pin::new(&mut this.socket).poll_write(cx, bytes),
            Some((ours, out)) => write_all(&mut this.socket, cx, ours, out).map_ok(|()| bytes.len()),
        };
        match written {
            Poll::Pending => this.state.blocked(),
            Poll::Ready(_) => this.state.took(),
        }
        written
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper flushes when it has written all it has.
        let this = self.get_mut();
        if this.state.interim.any() {
            match this.state.interim.poll_write(cx, &mut this.socket) {
                Poll::Pending => {
                    this.state.blocked();
                    return Poll::Pending;
                }
                Poll::Ready(written) => {
                    this.state.took();
                    written?;
                }
            }
        }
        // Encrypted, what was written may still be here.
        let flushed = Pin::new(&mut this.socket).poll_flush(cx);
        match flushed {
            Poll::Pending => this.state.blocked(),
            Poll::Ready(_) => {
                // Of a plain socket this says nothing of whether the client takes anything: that it does not was told by a write.
                if this.socket.stream().is_encrypted() {
                    this.state.unblocked();
                }
                this.state.flushed();
            }
        }
        flushed
    }

    /// Bytes that arrive at a closed socket make the kernel reset the connection, and the reset can take an answer away that the
    /// client has not read yet. So the other half is read for a while (`ConnectionTimeouts::closing` and `lingering`).
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.shut {
            let Poll::Ready(shut) = Pin::new(&mut this.socket).poll_shutdown(cx) else {
                // Encrypted, the end has to be said, too.
                this.state.blocked();
                return Poll::Pending;
            };
            shut?;
            this.shut = true;
            if !this.must_linger() {
                return Poll::Ready(Ok(()));
            }
            this.state.begin_closing();
        }
        let mut waste = [0; 16 * 1024];
        while this.state.is(Phase::Closing) {
            let mut buf = ReadBuf::new(&mut waste);
            match ready!(Pin::new(&mut this.socket).poll_read(cx, &mut buf)) {
                Ok(()) if !buf.filled().is_empty() => this.state.enter(Phase::Closing),
                Ok(()) | Err(_) => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

fn write_all(socket: &mut PacedStream, cx: &mut Context<'_>, bytes: &[u8], out: &mut usize) -> Poll<io::Result<()>> {
    while let Some(rest) = bytes.get(*out..).filter(|rest| !rest.is_empty()) {
        match ready!(Pin::new(&mut *socket).poll_write(cx, rest))? {
            0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            written => *out += written,
        }
    }
    Poll::Ready(Ok(()))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::sync::atomic::AtomicU64;

    use tokio::net::TcpStream;

    use super::*;
    use crate::clock::SystemClock;
    use crate::config::{LiveSettings, Settings};
    use crate::edge::Turns;
    use crate::edge::tls::ClientStream;
    use crate::telemetry::Metrics;

    #[tokio::test]
    async fn a_request_that_has_come_in_the_last_moment_is_seen_before_its_connection_is_closed() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (socket, _) = listener.accept().unwrap();
        socket.set_nonblocking(true).unwrap();
        let state = ConnectionState::new(Arc::new(AtomicU64::new(1)));
        state.begin();
        state.end();
        let socket = PacedStream::http1(ClientStream::Plain(TcpStream::from_std(socket).unwrap()), &Turns::default());
        let live = LiveSettings::from(&Settings::default());
        let parse_errors = ParseErrors::new(Arc::new(SystemClock::start()), Arc::new(Metrics::new()), live).unwrap();
        let mut io = ClientIo::http1(socket, Taken::default(), Arc::clone(&state), parse_errors, ());
        let mut read = |state: &ConnectionState| {
            state.look_once_more();
            let mut waste = [0; 16];
            let read = Pin::new(&mut io).poll_read(&mut Context::from_waker(std::task::Waker::noop()), &mut ReadBuf::new(&mut waste));
            (read.is_ready(), state.phase())
        };

        assert_eq!(read(&state), (false, Phase::Idle));
        // It is there, and this thread has not been told: it has had no turn since.
        client.write_all(b"GET / HTTP/1.1\r\n").unwrap();
        assert_eq!(read(&state), (false, Phase::Head));
    }

    #[tokio::test]
    async fn requests_that_come_together_are_read_in_turns_and_one_alone_at_once() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (socket, _) = listener.accept().unwrap();
        socket.set_nonblocking(true).unwrap();
        let socket = TcpStream::from_std(socket).unwrap();
        let state = ConnectionState::new(Arc::new(AtomicU64::new(1)));
        let live = LiveSettings::from(&Settings::default());
        let parse_errors = ParseErrors::new(Arc::new(SystemClock::start()), Arc::new(Metrics::new()), live).unwrap();
        let alone = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(2000));
        let together = "GET / HTTP/1.1\r\n\r\n".repeat(200);
        client.write_all(alone.as_bytes()).unwrap();
        socket.readable().await.unwrap();
        let socket = PacedStream::http1(ClientStream::Plain(socket), &Turns::default());
        let mut io = ClientIo::http1(socket, Taken::default(), state, parse_errors, ());
        // What can be read before others have their turn.
        let mut turn = async || {
            std::future::poll_fn(|cx| {
                let mut come = Vec::new();
                loop {
                    let mut waste = [0; 8192];
                    let mut buf = ReadBuf::new(&mut waste);
                    match Pin::new(&mut io).poll_read(cx, &mut buf) {
                        Poll::Ready(read) => read.unwrap(),
                        Poll::Pending if come.is_empty() => return Poll::Pending,
                        Poll::Pending => return Poll::Ready(come),
                    }
                    come.extend_from_slice(buf.filled());
                }
            })
            .await
        };

        assert_eq!(turn().await, alone.as_bytes());
        client.write_all(together.as_bytes()).unwrap();
        let mut turns = Vec::new();
        while turns.iter().map(Vec::len).sum::<usize>() < together.len() {
            turns.push(turn().await);
        }
        assert_eq!(turns.concat(), together.as_bytes());
        assert_eq!(turns.len(), together.len().div_ceil(PIPELINED_IN_A_TURN));
        // Behind it, everything is as it was.
        client.write_all(alone.as_bytes()).unwrap();
        assert_eq!(turn().await, alone.as_bytes());
    }
}
