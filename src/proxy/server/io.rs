//! A client's socket as hyper sees it, and what the thread keeps an eye on.
//!
//! Reads and writes go straight through; on their way it is noted whether the client does anything, so that one coarse timer per
//! thread can close connections that say nothing, stop amid a head, or do not take their answer.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::follower::{Faults, Follower};
use super::unread::Unread;

/// How much of a refused request is read and thrown away before the connection is closed, in bytes.
const LINGER_BYTES: usize = 256 * 1024;

/// What a client's connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    /// A head is expected, or has begun.
    Head = 0,
    /// At least one request is being answered.
    Busy,
    /// Everything has been answered, but a request is still coming: its answer was early.
    Receiving,
    /// Everything has been answered.
    Idle,
    /// The last answer is out; what the client still sends is thrown away.
    Closing,
    /// It is no HTTP any more.
    Tunnel,
}

/// How many ticks a connection may spend in what it does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    pub(super) head: u64,
    /// Before it is told to finish.
    pub(super) idle: u64,
    /// After it has been told to, when nothing keeps it.
    pub(super) overdue: u64,
    /// Without taking a byte of its answer.
    pub(super) stuck: u64,
    /// Without a byte of a body whose answer is over. The body has time-outs of its own, which are to come first.
    pub(super) receiving: u64,
    pub(super) closing: u64,
    pub(super) tunnel: u64,
}

/// What is to become of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Carry,
    /// Close it after what it is doing.
    Finish,
    /// Close it.
    Cut,
}

/// What socket, requests and thread tell each other of one connection. Shared, because an upgrade moves the socket into a box that
/// must be able to change threads, though it never does.
#[derive(Debug)]
pub(super) struct Watch {
    tick: Arc<AtomicU64>,
    phase: AtomicU8,
    since: AtomicU64,
    active: AtomicU32,
    /// Bodies of requests that are still coming.
    uploads: AtomicU32,
    /// Since when the client has not taken what was written; 0: it takes.
    stuck: AtomicU64,
    linger: AtomicBool,
    /// No request is being answered, and everything that was said has left.
    quiet: AtomicBool,
    pub(super) faults: Faults,
}

impl Watch {
    pub(super) fn new(tick: Arc<AtomicU64>) -> Arc<Self> {
        let since = AtomicU64::new(tick.load(Ordering::Relaxed));
        Arc::new(Self {
            tick,
            phase: AtomicU8::new(Phase::Head as u8),
            since,
            active: AtomicU32::new(0),
            uploads: AtomicU32::new(0),
            stuck: AtomicU64::new(0),
            linger: AtomicBool::new(false),
            quiet: AtomicBool::new(true),
            faults: Faults::none(),
        })
    }

    /// A request has begun.
    pub(super) fn begin(&self) {
        self.active.store(self.active.load(Ordering::Relaxed).saturating_add(1), Ordering::Relaxed);
        self.quiet.store(false, Ordering::Relaxed);
        self.enter(Phase::Busy);
    }

    /// A request has its whole answer.
    pub(super) fn end(&self) {
        let active = self.active.load(Ordering::Relaxed).saturating_sub(1);
        self.active.store(active, Ordering::Relaxed);
        if active == 0 && self.is(Phase::Busy) {
            self.enter(if self.uploads.load(Ordering::Relaxed) == 0 { Phase::Idle } else { Phase::Receiving });
        }
    }

    /// The request that begins has a body. It can outlast its answer, and what comes of it then is not the next head.
    pub(super) fn begin_upload(&self) {
        self.uploads.store(self.uploads.load(Ordering::Relaxed).saturating_add(1), Ordering::Relaxed);
    }

    /// The body has come, or nobody waits for it any more.
    pub(super) fn end_upload(&self) {
        let uploads = self.uploads.load(Ordering::Relaxed).saturating_sub(1);
        self.uploads.store(uploads, Ordering::Relaxed);
        if uploads == 0 && self.is(Phase::Receiving) {
            self.enter(Phase::Idle);
        }
    }

    /// The protocol is being switched; whoever switches it looks after the connection from here on.
    pub(super) fn tunnel(&self) {
        self.enter(Phase::Tunnel);
    }

    /// The client is going to send what nobody will read: it must have its answer all the same.
    pub(super) fn linger(&self) {
        self.linger.store(true, Ordering::Relaxed);
    }

    /// What is to become of the connection now.
    pub(super) fn verdict(&self, patience: &Patience) -> Verdict {
        let now = self.tick.load(Ordering::Relaxed);
        let passed = |since: &AtomicU64| now.saturating_sub(since.load(Ordering::Relaxed));
        if self.stuck.load(Ordering::Relaxed) != 0 && passed(&self.stuck) > patience.stuck {
            return Verdict::Cut;
        }
        let in_phase = passed(&self.since);
        if self.is(Phase::Busy) {
            Verdict::Carry
        } else if self.is(Phase::Tunnel) {
            if in_phase > patience.tunnel { Verdict::Cut } else { Verdict::Carry }
        } else if self.is(Phase::Receiving) {
            if in_phase > patience.receiving { Verdict::Cut } else { Verdict::Carry }
        } else if self.is(Phase::Idle) {
            match in_phase {
                passed if passed > patience.idle.saturating_add(patience.overdue) => Verdict::Cut,
                passed if passed > patience.idle => Verdict::Finish,
                _ => Verdict::Carry,
            }
        } else {
            let limit = if self.is(Phase::Head) { patience.head } else { patience.closing };
            if in_phase > limit { Verdict::Cut } else { Verdict::Carry }
        }
    }

    fn is(&self, phase: Phase) -> bool {
        self.phase.load(Ordering::Relaxed) == phase as u8
    }

    fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
        self.since.store(self.tick.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Something has passed. It counts where nothing else tells that the two still talk.
    fn moved(&self) {
        if self.is(Phase::Tunnel) {
            self.enter(Phase::Tunnel);
        } else if self.is(Phase::Receiving) {
            self.enter(Phase::Receiving);
        }
    }
}

/// A client's socket. Counts as a connection until it is dropped.
#[derive(Debug)]
pub(super) struct Wire<G> {
    socket: TcpStream,
    watch: Arc<Watch>,
    /// Of HTTP/1 only.
    follower: Option<(Follower, Arc<Unread>)>,
    /// Our answer in the place of hyper's, and how much of it is out.
    instead: Option<(Vec<u8>, usize)>,
    shut: bool,
    lingered: usize,
    _counted: G,
}

impl<G> Wire<G> {
    pub(super) fn http1(socket: TcpStream, watch: Arc<Watch>, unread: Arc<Unread>, counted: G) -> Self {
        Self { follower: Some((Follower::new(), unread)), ..Self::http2(socket, watch, counted) }
    }

    pub(super) fn http2(socket: TcpStream, watch: Arc<Watch>, counted: G) -> Self {
        Self { socket, watch, follower: None, instead: None, shut: false, lingered: 0, _counted: counted }
    }

    /// Our answer if these bytes are one of hyper's own.
    fn ours_instead(&self, said: &[u8]) -> Option<Vec<u8>> {
        let (_, unread) = self.follower.as_ref()?;
        let own = self.watch.quiet.load(Ordering::Relaxed) && !self.watch.is(Phase::Tunnel);
        if own { unread.answer(said) } else { None }
    }

    fn must_linger(&self) -> bool {
        let amid = self.follower.as_ref().is_some_and(|(follower, _)| follower.is_amid() && !self.watch.is(Phase::Busy));
        amid || self.watch.linger.load(Ordering::Relaxed)
    }
}

impl<G: Unpin> AsyncRead for Wire<G> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.socket).poll_read(cx, buf))?;
        let read = buf.filled().get(before..).unwrap_or_default();
        this.watch.moved();
        // What passes through a tunnel has no lines whose ends could be waited for.
        if !read.is_empty()
            && !this.watch.is(Phase::Tunnel)
            && let Some((follower, _)) = &mut this.follower
        {
            if this.watch.is(Phase::Idle) {
                this.watch.enter(Phase::Head);
            }
            follower.follow(read, &this.watch.faults);
        }
        Poll::Ready(Ok(()))
    }
}

impl<G: Unpin> AsyncWrite for Wire<G> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.instead.is_none() {
            this.instead = this.ours_instead(bytes).map(|ours| (ours, 0));
        }
        let written = match &mut this.instead {
            None => Pin::new(&mut this.socket).poll_write(cx, bytes),
            Some((ours, out)) => write_all(&mut this.socket, cx, ours, out).map_ok(|()| bytes.len()),
        };
        let stuck = &this.watch.stuck;
        match written {
            Poll::Pending if stuck.load(Ordering::Relaxed) == 0 => {
                stuck.store(this.watch.tick.load(Ordering::Relaxed), Ordering::Relaxed);
            }
            Poll::Pending => {}
            Poll::Ready(_) => {
                stuck.store(0, Ordering::Relaxed);
                this.watch.moved();
            }
        }
        written
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper flushes when it has written all it has.
        let this = self.get_mut();
        if !this.watch.is(Phase::Busy) {
            this.watch.quiet.store(true, Ordering::Relaxed);
        }
        Pin::new(&mut this.socket).poll_flush(cx)
    }

    /// Bytes that arrive at a closed socket make the kernel reset the connection, and the reset can take an answer away that the
    /// client has not read yet. So the other half is read for a while (as long as `Patience::closing`).
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.shut {
            ready!(Pin::new(&mut this.socket).poll_shutdown(cx))?;
            this.shut = true;
            if !this.must_linger() {
                return Poll::Ready(Ok(()));
            }
            this.watch.enter(Phase::Closing);
        }
        let mut waste = [0; 4096];
        while this.watch.is(Phase::Closing) && this.lingered < LINGER_BYTES {
            let mut buf = ReadBuf::new(&mut waste);
            match ready!(Pin::new(&mut this.socket).poll_read(cx, &mut buf)) {
                Ok(()) if !buf.filled().is_empty() => this.lingered += buf.filled().len(),
                Ok(()) | Err(_) => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

fn write_all(socket: &mut TcpStream, cx: &mut Context<'_>, bytes: &[u8], out: &mut usize) -> Poll<io::Result<()>> {
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
    use super::*;

    const PATIENCE: Patience = Patience { head: 10, idle: 100, overdue: 10, stuck: 100, receiving: 30, closing: 5, tunnel: 1000 };

    fn watched() -> (Arc<AtomicU64>, Arc<Watch>) {
        let tick = Arc::new(AtomicU64::new(1));
        (Arc::clone(&tick), Watch::new(tick))
    }

    #[test]
    fn a_body_that_outlasts_its_answer_has_its_own_patience_and_then_the_connection_is_idle() {
        let (tick, watch) = watched();
        watch.begin_upload();
        watch.begin();
        watch.end();
        for _ in 0..10 {
            tick.fetch_add(30, Ordering::Relaxed);
            assert_eq!(watch.verdict(&PATIENCE), Verdict::Carry);
            watch.moved();
        }
        watch.end_upload();
        assert!(watch.is(Phase::Idle));
        tick.fetch_add(31, Ordering::Relaxed);
        assert_eq!(watch.verdict(&PATIENCE), Verdict::Carry);
    }

    #[test]
    fn a_body_that_nobody_takes_any_more_does_not_hold_its_connection_for_ever() {
        let (tick, watch) = watched();
        watch.begin_upload();
        watch.begin();
        watch.end();
        tick.fetch_add(31, Ordering::Relaxed);
        assert_eq!(watch.verdict(&PATIENCE), Verdict::Cut);
    }

    #[test]
    fn a_body_that_ends_before_its_answer_leaves_nothing_behind() {
        let (_, watch) = watched();
        watch.begin_upload();
        watch.begin();
        watch.end_upload();
        assert!(watch.is(Phase::Busy));
        watch.end();
        assert!(watch.is(Phase::Idle));
    }
}
