//! What a client's connection is doing, and how long it may go on doing so.
//!
//! Socket, requests and thread note here what they see of the connection, so that one coarse timer for each thread can close those that
//! say nothing, stop amid a head, or do not take their answer; and what of their framing no request may rely on.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;

use jiff::Timestamp;

use super::interim::InterimAnswers;

/// hyper's smallest buffer, in bytes.
const HEAD_BUFFER_MIN: u64 = 8192;
/// What a TLS handshake takes while it runs, in bytes.
const HANDSHAKE: u32 = 16 * 1024;

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
pub(super) struct ConnectionTimeouts {
    /// What time it is, in seconds since 1970.
    pub(super) now: i64,
    pub(super) head: u64,
    /// Without the first byte of a head, after the connection was made.
    pub(super) silent: u64,
    /// Before it is told to finish.
    pub(super) idle: u64,
    /// After it has been told to, when nothing keeps it.
    pub(super) overdue: u64,
    /// Without taking a byte of its answer.
    pub(super) stuck: u64,
    /// Without a byte of a body whose answer is over. The body has time-outs of its own, which are to come first.
    pub(super) receiving: u64,
    /// After its last answer, without a byte of what nobody looks at any more.
    pub(super) closing: u64,
    /// The same, whatever comes.
    pub(super) lingering: u64,
    pub(super) tunnel: u64,
    /// While nothing of the answer leaves, after the client has said that nothing more comes from it: it may be gone altogether.
    pub(super) half_closed: u64,
}

/// What is to become of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SweepAction {
    Keep,
    /// Close it after what it is doing; if that is nothing, after the next request, which may be on its way.
    LastCall,
    /// Close it after what it is doing.
    GracefulShutdown,
    /// Close it.
    Close,
}

/// What socket, requests and thread tell each other of one connection. Shared, because an upgrade moves the socket into a box that
/// must be able to change threads, though it never does.
#[derive(Debug)]
pub(super) struct ConnectionState {
    tick: Arc<AtomicU64>,
    phase: AtomicU8,
    since: AtomicU64,
    active: AtomicU32,
    /// How many requests have their whole answer.
    answered: AtomicU32,
    /// How many bytes have come of a head that is not whole.
    head: AtomicU32,
    /// Bodies of requests that are still coming.
    uploads: AtomicU32,
    /// Since when the client has not taken what was written; 0: it takes.
    stuck: AtomicU64,
    linger: AtomicBool,
    /// Since when nothing more is answered.
    closing: AtomicU64,
    /// It was made by limits that are not in force any more.
    outdated: AtomicBool,
    /// When what the client has proven itself by ends, in seconds since 1970.
    ends: AtomicI64,
    /// Since when nothing has left for a client that sends no more; 0: it may send.
    half_closed: AtomicU64,
    /// Who is to hear of that when the answers are out.
    reader: Mutex<Option<Waker>>,
    /// No request is being answered, and everything that was said has left.
    quiet: AtomicBool,
    /// The socket is to say whether something has come that nobody has been told of yet.
    look: AtomicBool,
    pub(super) faults: FramingFaults,
    pub(super) interim: InterimAnswers,
}

impl ConnectionState {
    pub(super) fn new(tick: Arc<AtomicU64>) -> Arc<Self> {
        let since = AtomicU64::new(tick.load(Ordering::Relaxed));
        Arc::new(Self {
            tick,
            phase: AtomicU8::new(Phase::Head as u8),
            since,
            active: AtomicU32::new(0),
            answered: AtomicU32::new(0),
            head: AtomicU32::new(0),
            uploads: AtomicU32::new(0),
            stuck: AtomicU64::new(0),
            linger: AtomicBool::new(false),
            closing: AtomicU64::new(0),
            outdated: AtomicBool::new(false),
            ends: AtomicI64::new(i64::MAX),
            half_closed: AtomicU64::new(0),
            reader: Mutex::default(),
            quiet: AtomicBool::new(true),
            look: AtomicBool::new(false),
            faults: FramingFaults::none(),
            interim: InterimAnswers::default(),
        })
    }

    /// A request has begun.
    pub(super) fn begin(&self) {
        self.active.store(self.active.load(Ordering::Relaxed).saturating_add(1), Ordering::Relaxed);
        self.quiet.store(false, Ordering::Relaxed);
        self.head.store(0, Ordering::Relaxed);
        self.enter(Phase::Busy);
    }

    /// A request has its whole answer.
    pub(super) fn end(&self) {
        let active = self.active.load(Ordering::Relaxed).saturating_sub(1);
        self.active.store(active, Ordering::Relaxed);
        self.answered.store(self.answered().wrapping_add(1), Ordering::Relaxed);
        if self.is_half_closed()
            && let Some(reader) = self.reader.lock().unwrap_or_else(PoisonError::into_inner).take()
        {
            reader.wake();
        }
        if active == 0 && self.is(Phase::Busy) {
            self.enter(if self.uploads.load(Ordering::Relaxed) == 0 { Phase::Idle } else { Phase::Receiving });
        }
    }

    /// How many requests have their whole answer.
    pub(super) fn answered(&self) -> u32 {
        self.answered.load(Ordering::Relaxed)
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

    /// Whether bodies of requests are still coming.
    pub(super) fn is_uploading(&self) -> bool {
        self.uploads.load(Ordering::Relaxed) > 0
    }

    /// It is to end when what it is doing is done.
    pub(super) fn outdate(&self) {
        self.outdated.store(true, Ordering::Relaxed);
    }

    /// It is to end in the same way at this time.
    pub(super) fn ends_at(&self, end: Timestamp) {
        self.ends.store(end.as_second(), Ordering::Relaxed);
    }

    /// The protocol is being switched; whoever switches it looks after the connection from here on.
    pub(super) fn tunnel(&self) {
        self.enter(Phase::Tunnel);
    }

    /// The client is going to send what nobody will read: it must have its answer all the same.
    pub(super) fn linger(&self) {
        self.linger.store(true, Ordering::Relaxed);
    }

    /// So many bytes have come while nobody knows whose they are.
    pub(super) fn reads_head(&self, bytes: usize) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.head.store(self.head.load(Ordering::Relaxed).saturating_add(bytes), Ordering::Relaxed);
    }

    /// The connection is about to be closed because nothing is asked on it: has the socket look for what has come in the last moment, when it
    /// is read next.
    pub(super) fn look_once_more(&self) {
        self.look.store(true, Ordering::Relaxed);
    }

    /// Whether the socket is to look, once.
    pub(super) fn is_to_look(&self) -> bool {
        self.look.load(Ordering::Relaxed) && self.look.swap(false, Ordering::Relaxed)
    }

    /// Whether nothing is being asked: there is no request, or not all of its head.
    pub(super) fn awaits_head(&self) -> bool {
        matches!(self.phase(), Phase::Head | Phase::Idle)
    }

    /// A TLS handshake has begun, which takes memory like a head that is not whole.
    pub(super) fn begin_handshake(&self) {
        self.head.store(HANDSHAKE, Ordering::Relaxed);
    }

    /// The handshake is to be answered when it is its turn. Those that were answered, and whose clients do not go on, are to end before it.
    pub(super) fn await_turn(&self) {
        self.head.store(1, Ordering::Relaxed);
    }

    /// What has come is over, and what is expected next may take its time.
    pub(super) fn begin_anew(&self) {
        self.head.store(0, Ordering::Relaxed);
        self.enter(Phase::Head);
    }

    /// About how much memory a head takes that has begun, in bytes: hyper's buffer doubles.
    pub(super) fn head_memory(&self) -> u64 {
        match self.head.load(Ordering::Relaxed) {
            0 => 0,
            _ if !self.is(Phase::Head) => 0,
            bytes => u64::from(bytes).next_power_of_two().max(HEAD_BUFFER_MIN),
        }
    }

    /// Since which tick it does what it does.
    pub(super) fn since(&self) -> u64 {
        self.since.load(Ordering::Relaxed)
    }

    /// The client takes nothing at the moment.
    pub(super) fn blocked(&self) {
        if self.stuck.load(Ordering::Relaxed) == 0 {
            self.stuck.store(self.tick.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    /// The client has ended its side of the connection, and still waits for its answer, or is gone: the two look alike.
    pub(super) fn half_closes(&self) {
        self.half_closed.store(self.tick.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Wakes this one when the next request has its answer.
    pub(super) fn reads_on_later(&self, reader: &Waker) {
        *self.reader.lock().unwrap_or_else(PoisonError::into_inner) = Some(reader.clone());
    }

    /// Whether nothing more comes from the client.
    pub(super) fn is_half_closed(&self) -> bool {
        self.half_closed.load(Ordering::Relaxed) != 0
    }

    /// The client has taken something.
    pub(super) fn took(&self) {
        self.stuck.store(0, Ordering::Relaxed);
        if self.is_half_closed() {
            self.half_closes();
        }
        self.moved();
    }

    /// What was written and was still here has left.
    pub(super) fn unblocked(&self) {
        if self.stuck.load(Ordering::Relaxed) != 0 {
            self.took();
        }
    }

    /// All that there was to say has left.
    pub(super) fn flushed(&self) {
        if !self.is(Phase::Busy) {
            self.quiet.store(true, Ordering::Relaxed);
        }
    }

    /// Whether nothing of ours can be on its way to the client.
    pub(super) fn is_quiet(&self) -> bool {
        self.quiet.load(Ordering::Relaxed)
    }

    /// Whether what the client still sends is to be read and thrown away.
    pub(super) fn lingers(&self) -> bool {
        self.linger.load(Ordering::Relaxed)
    }

    /// What is to become of the connection now.
    pub(super) fn action(&self, timeouts: &ConnectionTimeouts) -> SweepAction {
        let now = self.tick.load(Ordering::Relaxed);
        let passed = |since: &AtomicU64| now.saturating_sub(since.load(Ordering::Relaxed));
        if self.stuck.load(Ordering::Relaxed) != 0 && passed(&self.stuck) > timeouts.stuck {
            return SweepAction::Close;
        }
        let in_phase = passed(&self.since);
        let outdated = self.outdated.load(Ordering::Relaxed) || timeouts.now >= self.ends.load(Ordering::Relaxed);
        let idle = if outdated { 0 } else { timeouts.idle };
        let limit = match self.phase() {
            Phase::Busy if self.is_half_closed() && passed(&self.half_closed) > timeouts.half_closed => return SweepAction::Close,
            Phase::Busy if outdated => return SweepAction::GracefulShutdown,
            Phase::Busy => return SweepAction::Keep,
            Phase::Idle if in_phase <= idle.saturating_add(timeouts.overdue) => {
                return if in_phase > idle { SweepAction::GracefulShutdown } else { SweepAction::Keep };
            }
            Phase::Idle => return SweepAction::Close,
            Phase::Head if self.head.load(Ordering::Relaxed) == 0 => timeouts.silent,
            Phase::Head => timeouts.head,
            Phase::Receiving => timeouts.receiving,
            Phase::Closing if passed(&self.closing) > timeouts.lingering => return SweepAction::Close,
            Phase::Closing => timeouts.closing,
            Phase::Tunnel => timeouts.tunnel,
        };
        if in_phase > limit { SweepAction::Close } else { SweepAction::Keep }
    }

    /// What it is doing.
    pub(super) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::Head,
            1 => Phase::Busy,
            2 => Phase::Receiving,
            3 => Phase::Idle,
            4 => Phase::Closing,
            _ => Phase::Tunnel,
        }
    }

    pub(super) fn is(&self, phase: Phase) -> bool {
        self.phase() == phase
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
        self.since.store(self.tick.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Nothing more is answered; what comes is read and thrown away.
    pub(super) fn begin_closing(&self) {
        self.closing.store(self.tick.load(Ordering::Relaxed), Ordering::Relaxed);
        self.enter(Phase::Closing);
    }

    /// Something has passed. It counts where nothing else tells that the two still talk.
    pub(super) fn moved(&self) {
        match self.phase() {
            phase @ (Phase::Tunnel | Phase::Receiving) => self.enter(phase),
            Phase::Head | Phase::Busy | Phase::Idle | Phase::Closing => {}
        }
    }
}

/// What is wrong with a head that hyper takes for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum FramingFault {
    BareLineFeed = 1,
    SeveralLengths,
    LengthAndEncoding,
    Fragment,
    Lost,
}

impl FramingFault {
    /// For the problem document.
    pub(super) fn detail(self) -> &'static str {
        match self {
            Self::BareLineFeed => "a line of the head does not end in CR LF",
            Self::SeveralLengths => "there is more than one Content-Length",
            Self::LengthAndEncoding => "Content-Length and Transfer-Encoding exclude each other",
            Self::Fragment => "the target has a fragment",
            Self::Lost => "the framing of an earlier request was broken",
        }
    }
}

/// The first faulty head of a connection, seen by the socket, asked for by the request.
#[derive(Debug)]
pub(super) struct FramingFaults {
    first: AtomicU32,
    what: AtomicU8,
}

impl FramingFaults {
    pub(super) fn none() -> Self {
        Self { first: AtomicU32::new(u32::MAX), what: AtomicU8::new(0) }
    }

    /// What is wrong with the connection's request number `index`, counted from 0, or with one before it.
    pub(super) fn of(&self, index: u32) -> Option<FramingFault> {
        if index < self.first.load(Ordering::Relaxed) {
            return None;
        }
        [FramingFault::BareLineFeed, FramingFault::SeveralLengths, FramingFault::LengthAndEncoding, FramingFault::Fragment]
            .into_iter()
            .find(|fault| *fault as u8 == self.what.load(Ordering::Relaxed))
            .or(Some(FramingFault::Lost))
    }

    /// Whether the body of the request number `index` ended otherwise than hyper thinks: then what follows it is lost.
    pub(super) fn spoil_body_of(&self, index: u32) -> bool {
        self.first.load(Ordering::Relaxed) == index.wrapping_add(1) && self.what.load(Ordering::Relaxed) == FramingFault::Lost as u8
    }

    pub(super) fn note(&self, index: u32, fault: FramingFault) {
        if self.first.load(Ordering::Relaxed) == u32::MAX {
            self.what.store(fault as u8, Ordering::Relaxed);
            self.first.store(index, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUTS: ConnectionTimeouts = ConnectionTimeouts {
        now: 1000,
        head: 10,
        silent: 10,
        idle: 100,
        overdue: 10,
        stuck: 100,
        receiving: 30,
        closing: 5,
        lingering: 12,
        tunnel: 1000,
        half_closed: 10,
    };

    fn watched() -> (Arc<AtomicU64>, Arc<ConnectionState>) {
        let tick = Arc::new(AtomicU64::new(1));
        (Arc::clone(&tick), ConnectionState::new(tick))
    }

    #[test]
    fn a_handshake_that_waits_for_its_turn_counts_as_less_than_one_that_waits_for_its_client() {
        let (_, watch) = watched();
        watch.begin_handshake();
        let running = watch.head_memory();
        watch.await_turn();
        assert!((1..running).contains(&watch.head_memory()));
    }

    #[test]
    fn a_body_that_outlasts_its_answer_has_its_own_patience_and_then_the_connection_is_idle() {
        let (tick, watch) = watched();
        watch.begin_upload();
        watch.begin();
        watch.end();
        for _ in 0..10 {
            tick.fetch_add(30, Ordering::Relaxed);
            assert_eq!(watch.action(&TIMEOUTS), SweepAction::Keep);
            watch.moved();
        }
        watch.end_upload();
        assert!(watch.is(Phase::Idle));
        tick.fetch_add(31, Ordering::Relaxed);
        assert_eq!(watch.action(&TIMEOUTS), SweepAction::Keep);
    }

    #[test]
    fn a_body_that_nobody_takes_any_more_does_not_hold_its_connection_for_ever() {
        let (tick, watch) = watched();
        watch.begin_upload();
        watch.begin();
        watch.end();
        tick.fetch_add(31, Ordering::Relaxed);
        assert_eq!(watch.action(&TIMEOUTS), SweepAction::Close);
    }

    #[test]
    fn one_that_was_made_by_other_limits_ends_with_what_it_is_doing() {
        let (tick, watch) = watched();
        watch.begin();
        watch.outdate();
        assert_eq!(watch.action(&TIMEOUTS), SweepAction::GracefulShutdown);
        watch.end();
        tick.fetch_add(10, Ordering::Relaxed);
        assert_eq!(watch.action(&TIMEOUTS), SweepAction::GracefulShutdown);
        tick.fetch_add(1, Ordering::Relaxed);
        assert_eq!(watch.action(&TIMEOUTS), SweepAction::Close);
    }

    #[test]
    fn one_whose_client_can_prove_itself_no_longer_ends_with_what_it_is_doing() {
        let (_, watch) = watched();
        watch.ends_at(Timestamp::from_second(1001).unwrap());
        watch.begin();
        assert_eq!(watch.action(&TIMEOUTS), SweepAction::Keep);
        assert_eq!(watch.action(&ConnectionTimeouts { now: 1001, ..TIMEOUTS }), SweepAction::GracefulShutdown);
        watch.end();
        assert_eq!(watch.action(&TIMEOUTS), SweepAction::Keep);
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
