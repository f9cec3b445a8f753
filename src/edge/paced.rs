//! A client's frames of HTTP/2, so many at a time.
//!
//! The runtime goes by reads, of which one can bring hundreds of frames of a few bytes each, and each may be worth a request's work: whoever sent
//! nothing else would have the thread for a tenth of a second at a time. So frames are counted here, on their way to whoever reads them; after some it is
//! the others' turn, and of all clients on a thread that have more to say than that, one goes on in each round of its event loop. What has been
//! read and is for a later turn waits here.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::tls::ClientStream;
use super::turns::Turns;

/// What a turn may cost, in frames that say little.
const TURN: u32 = 128;
/// The same of each turn that a client has had to wait for: each such frame can mean one that is written in answer, and to write all those of a whole
/// turn takes longer than others should wait again and again. h2 must still see enough of requests that are taken back to count them.
const LATER_TURN: u32 = 48;
/// What a head costs more than they: it is a request, or wants to be refused as one. Nobody begins with one that is taken back at once; h2 counts
/// those of each turn, and ends a connection that has many.
const HEAD: u32 = 8;
/// So many bytes of a head cost as much as a frame.
const HEAD_BYTES: usize = 256;

/// How long the preface is (RFC 9113, section 3.4).
const PREFACE: usize = 24;
/// How a frame begins: its length, its kind, its flags, and its stream (RFC 9113, section 4.1).
const FRAME_HEAD: usize = 9;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const CONTINUATION: u8 = 9;

/// A client's connection, to whoever reads and writes on it.
#[derive(Debug)]
pub(crate) struct PacedStream {
    stream: ClientStream,
    turns: Turns,
    /// Until its next turn.
    waiting: Option<Turn>,
    /// Of HTTP/2 only. Apart, because others are not to be as large.
    pace: Option<Box<Pace>>,
}

/// What a client waits for that has had its turn.
struct Turn(Pin<Box<dyn Future<Output = ()> + Send>>);

/// Where in its turn a client is.
#[derive(Debug)]
struct Pace {
    frames: FrameCounter,
    /// What it may still cost.
    left: u32,
    /// What has been read for a later turn, and how much of it has been given since.
    rest: (Vec<u8>, usize),
}

/// Counts what a client's frames cost, as they pass.
#[derive(Debug)]
struct FrameCounter {
    /// Of the preface, or of a payload, what has not come.
    skip: usize,
    /// The beginning of a frame's head, and how much of it has come.
    head: ([u8; FRAME_HEAD], usize),
    /// Of the last head.
    stream: [u8; 4],
}

impl PacedStream {
    /// Of HTTP/1. When a turn is over, whoever reads it says.
    pub(crate) fn http1(stream: ClientStream, turns: &Turns) -> Self {
        Self { stream, turns: turns.clone(), waiting: None, pace: None }
    }

    /// Of HTTP/2. So many bytes have been taken off before.
    pub(crate) fn http2(stream: ClientStream, taken: usize, turns: &Turns) -> Self {
        let frames = FrameCounter::behind(taken);
        let pace = Pace { frames, left: TURN, rest: (Vec::new(), 0) };
        Self { pace: Some(Box::new(pace)), ..Self::http1(stream, turns) }
    }

    pub(crate) fn stream(&self) -> &ClientStream {
        &self.stream
    }

    /// Waits for the next turn.
    pub(crate) fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let turn = self.waiting.get_or_insert_with(|| Turn(Box::pin(self.turns.next())));
        ready!(turn.0.as_mut().poll(cx));
        self.waiting = None;
        Poll::Ready(())
    }
}

impl std::fmt::Debug for Turn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Turn").finish_non_exhaustive()
    }
}

impl Pace {
    fn is_over(&self) -> bool {
        self.left == 0 && self.frames.is_between()
    }

    fn poll_read(&mut self, stream: &mut ClientStream, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        if self.rest.0.is_empty() {
            let read = Pin::new(stream).poll_read(cx, buf);
            if read.is_pending() {
                // It has said all that it had to say.
                self.left = TURN;
            }
            ready!(read)?;
            let read = buf.filled().get(before..).unwrap_or_default();
            let passed = self.frames.pass(read, &mut self.left);
            self.rest.0.extend_from_slice(read.get(passed..).unwrap_or_default());
            buf.set_filled(before + passed);
        } else {
            let (rest, given) = &mut self.rest;
            let piece = rest.get(*given..).unwrap_or_default();
            let piece = piece.get(..buf.remaining()).unwrap_or(piece);
            let passed = self.frames.pass(piece, &mut self.left);
            buf.put_slice(piece.get(..passed).unwrap_or_default());
            *given += passed;
            if *given == rest.len() {
                self.rest = (Vec::new(), 0);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl FrameCounter {
    /// Of a client of whose first bytes so many have been taken off.
    fn behind(taken: usize) -> Self {
        Self { skip: PREFACE.saturating_sub(taken), head: ([0; FRAME_HEAD], 0), stream: [0; 4] }
    }

    /// Whether the next byte begins a frame.
    fn is_between(&self) -> bool {
        self.skip == 0 && self.head.1 == 0
    }

    /// How many of these bytes pass, if so much is left: none of a frame that begins when nothing is. What they cost is taken off it.
    fn pass(&mut self, bytes: &[u8], left: &mut u32) -> usize {
        let mut rest = bytes;
        while !rest.is_empty() && (*left > 0 || !self.is_between()) {
            if self.skip > 0 {
                let skipped = self.skip.min(rest.len());
                self.skip -= skipped;
                rest = rest.get(skipped..).unwrap_or_default();
                continue;
            }
            let (head, come) = &mut self.head;
            let wanted = (FRAME_HEAD - *come).min(rest.len());
            let (piece, behind) = rest.split_at_checked(wanted).unwrap_or((rest, &[]));
            if let Some(room) = head.get_mut(*come..*come + wanted) {
                room.copy_from_slice(piece);
            }
            *come += wanted;
            rest = behind;
            if *come == FRAME_HEAD {
                *come = 0;
                let [length @ .., kind, _, one, two, three, four] = *head;
                let stream = [one, two, three, four];
                self.skip = length.into_iter().fold(0, |length, byte| length << 8 | usize::from(byte));
                *left = left.saturating_sub(cost(kind, self.skip));
                if kind == HEADERS {
                    self.stream = stream;
                } else if kind == RST_STREAM && stream == std::mem::take(&mut self.stream) {
                    *left = left.saturating_add(HEAD).min(TURN);
                }
            }
        }
        bytes.len() - rest.len()
    }
}

/// What a frame of this kind costs whose payload is so long.
fn cost(kind: u8, length: usize) -> u32 {
    let bytes = u32::try_from(length / HEAD_BYTES).unwrap_or(TURN);
    match kind {
        HEADERS => 1 + HEAD + bytes,
        CONTINUATION => 1 + bytes,
        _ => 1,
    }
}

impl AsyncRead for PacedStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.pace.as_ref().is_some_and(|pace| pace.is_over()) {
            ready!(this.poll_turn(cx));
            if let Some(pace) = &mut this.pace {
                pace.left = LATER_TURN;
            }
        }
        match &mut this.pace {
            None => Pin::new(&mut this.stream).poll_read(cx, buf),
            Some(pace) => pace.poll_read(&mut this.stream, cx, buf),
        }
    }
}

impl AsyncWrite for PacedStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, pieces: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;
    use tokio::net::TcpStream;

    use super::*;

    const PREFACE_BYTES: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    const PING: u8 = 6;

    fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, 0, 0, 0, 0, 1], payload].concat()
    }

    /// A client that has sent this, and how it is read.
    async fn client_of(sent: &[u8], turns: &Turns) -> (std::net::TcpStream, PacedStream) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (socket, _) = listener.accept().unwrap();
        socket.set_nonblocking(true).unwrap();
        client.write_all(sent).unwrap();
        let stream = PacedStream::http2(ClientStream::Plain(TcpStream::from_std(socket).unwrap()), 0, turns);
        readable(&stream).await;
        (client, stream)
    }

    async fn readable(stream: &PacedStream) {
        match stream.stream() {
            ClientStream::Plain(socket) => socket.readable().await.unwrap(),
            ClientStream::Tls(_) => unreachable!("it is not encrypted"),
        }
    }

    /// What can be read now, and nothing that would have to be waited for.
    async fn read_now(stream: &mut PacedStream) -> Vec<u8> {
        let mut all = Vec::new();
        std::future::poll_fn(|cx| {
            loop {
                let mut waste = [0; 8192];
                let mut buf = ReadBuf::new(&mut waste);
                match Pin::new(&mut *stream).poll_read(cx, &mut buf) {
                    Poll::Ready(read) => {
                        read.unwrap();
                        assert!(!buf.filled().is_empty(), "nothing would be the end");
                        all.extend_from_slice(buf.filled());
                    }
                    Poll::Pending => return Poll::Ready(()),
                }
            }
        })
        .await;
        all
    }

    /// What each turn brings, until all has come.
    async fn read_in_turns(stream: &mut PacedStream, length: usize) -> Vec<Vec<u8>> {
        let (mut turns, mut come) = (Vec::new(), 0);
        while come < length {
            let turn = read_now(stream).await;
            come += turn.len();
            if !turn.is_empty() {
                turns.push(turn);
            }
            tokio::task::yield_now().await;
        }
        turns
    }

    #[tokio::test]
    async fn a_client_that_sends_frames_of_a_few_bytes_lets_others_have_their_turn() {
        const FRAMES: usize = 5000;
        let ping = frame(PING, &[7; 8]);
        let sent = [PREFACE_BYTES, &ping.repeat(FRAMES)].concat();
        let (_client, mut stream) = client_of(&sent, &Turns::default()).await;

        let turns = read_in_turns(&mut stream, sent.len()).await;

        assert_eq!(turns.concat(), sent);
        assert_eq!(turns.len(), 1 + (FRAMES - TURN as usize).div_ceil(LATER_TURN as usize));
        let most = LATER_TURN as usize * ping.len();
        assert!(turns[1..].iter().all(|turn| turn.len() <= most), "{:?}", turns.iter().map(Vec::len).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn heads_have_fewer_in_a_turn_than_frames_that_say_little_and_long_ones_fewer_still() {
        for (payload, heads, expected) in [(10, 60, 9), (4000, 12, 4)] {
            let head = frame(HEADERS, &vec![0; payload]);
            let sent = [PREFACE_BYTES, &head.repeat(heads)].concat();
            let (_client, mut stream) = client_of(&sent, &Turns::default()).await;

            let turns = read_in_turns(&mut stream, sent.len()).await;

            assert_eq!(turns.concat(), sent);
            assert_eq!(turns.len(), expected, "heads of {payload} bytes");
        }
    }

    #[tokio::test]
    async fn requests_that_are_taken_back_at_once_come_together_so_that_they_can_be_counted() {
        let pair = [frame(HEADERS, &[0; 10]), frame(RST_STREAM, &[0, 0, 0, 8])].concat();
        let sent = [PREFACE_BYTES, &pair.repeat(100)].concat();
        let (_client, mut stream) = client_of(&sent, &Turns::default()).await;

        let first = read_now(&mut stream).await.len();
        assert!(first > PREFACE + 50 * pair.len());
        // h2 ends connections that have more than twenty.
        assert!(read_in_turns(&mut stream, sent.len() - first).await[0].len() > 20 * pair.len());
        // To take one back again and again is no gain.
        let head = frame(HEADERS, &[0; 10]);
        let block = [&head[..], &frame(RST_STREAM, &[0, 0, 0, 8]).repeat(20)].concat();
        let sent = [PREFACE_BYTES, &block.repeat(20)].concat();
        let (_client, mut stream) = client_of(&sent, &Turns::default()).await;
        assert_eq!(read_now(&mut stream).await.len(), PREFACE + 6 * block.len() + head.len());
    }

    #[tokio::test]
    async fn of_many_clients_that_have_more_to_say_one_goes_on_in_each_round() {
        const CLIENTS: usize = 8;
        let (queue, ping) = (Turns::default(), frame(PING, &[7; 8]));
        let sent = [PREFACE_BYTES, &ping.repeat(10 * TURN as usize)].concat();
        let mut clients = Vec::new();
        for _ in 0..CLIENTS {
            clients.push(client_of(&sent, &queue).await);
        }
        for (_, stream) in &mut clients {
            assert!(!read_now(stream).await.is_empty(), "each has its first turn");
        }

        let (mut come, mut rounds) = (0, 0);
        while come < CLIENTS * 9 * TURN as usize * ping.len() - CLIENTS * ping.len() {
            tokio::task::yield_now().await;
            let mut now = 0;
            for (_, stream) in &mut clients {
                now += read_now(stream).await.len();
            }
            assert!(now <= LATER_TURN as usize * ping.len(), "{now} bytes in one round");
            come += now;
            rounds += 1;
            assert!(rounds < 10_000, "nobody goes on");
        }
        assert!(rounds >= CLIENTS * 9 - CLIENTS);
    }

    #[tokio::test]
    async fn whoever_says_little_at_a_time_never_waits() {
        let ping = frame(PING, &[7; 8]);
        let (mut client, mut stream) = client_of(PREFACE_BYTES, &Turns::default()).await;
        assert_eq!(read_now(&mut stream).await, PREFACE_BYTES);
        for _ in 0..3 {
            let some = ping.repeat(TURN as usize - 1);
            client.write_all(&some).unwrap();
            readable(&stream).await;
            assert_eq!(read_now(&mut stream).await, some);
        }
    }

    proptest! {
        #[test]
        fn what_passes_does_not_depend_on_how_it_is_cut(frames in prop::collection::vec((0u8..10, 0usize..600), 0..80), cut in 1usize..97) {
            let bytes = [PREFACE_BYTES.to_vec(), frames.into_iter().flat_map(|(kind, length)| frame(kind, &vec![9; length])).collect()].concat();
            let passed = |step: usize| {
                let mut counter = FrameCounter::behind(0);
                let (mut left, mut passed) = (TURN, 0);
                for piece in bytes.chunks(step) {
                    let now = counter.pass(piece, &mut left);
                    passed += now;
                    if now < piece.len() {
                        break;
                    }
                }
                (passed, left)
            };
            prop_assert_eq!(passed(cut), passed(bytes.len()));
        }
    }
}
