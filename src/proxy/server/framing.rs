//! Reads along with hyper's HTTP/1 parser, and says what the parser hides.
//!
//! hyper is lenient in places, and by the time a request reaches us the evidence is gone: a `Content-Length` beside a
//! `Transfer-Encoding` has been removed, a second `Content-Length` folded into the first, a bare LF taken for a line's end, a
//! fragment cut off the target. Two parsers that differ over such a message are how requests are smuggled, so it is refused. The
//! shadow parser needs only the framing: where heads begin and end. Whatever it cannot follow counts as a fault of all that comes after.

use std::io::BufRead as _;
use std::ops::Range;

use crate::edge::raw_target::{TargetMarker, needs_marks};
use crate::proxy::connection::{FramingFault, FramingFaults};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    /// Before a head's first line; empty lines may come.
    Start,
    /// Among a head's header lines.
    Head,
    /// In a body with this many bytes to come.
    Body(u64),
    /// Before a chunk's size.
    Size,
    /// In a chunk with this many bytes to come.
    Chunk(u64),
    /// After a chunk, before its CR LF.
    ChunkEnd,
    /// Among the trailers.
    Trailers,
    /// Nothing more is understood.
    Lost,
}

/// Where in a client's bytes the socket is.
#[derive(Debug)]
pub(super) struct ShadowParser {
    at: Position,
    /// How many heads have been seen whole.
    heads: u32,
    /// The beginning of a line whose end has not come.
    carry: Carry,
    lengths: u32,
    length: Option<u64>,
    encoded: bool,
    fault: Option<FramingFault>,
    /// Whether the first line has come as far as its target.
    in_target: bool,
    marker: TargetMarker,
    /// Which of the bytes that came last belong to targets that need marks.
    unmarked: Vec<Range<usize>>,
}

impl ShadowParser {
    pub(super) fn new() -> Self {
        Self {
            at: Position::Start,
            heads: 0,
            carry: Carry::default(),
            lengths: 0,
            length: None,
            encoded: false,
            fault: None,
            in_target: false,
            marker: TargetMarker::default(),
            unmarked: Vec::new(),
        }
    }

    /// How many heads have been seen whole.
    pub(super) fn heads(&self) -> u32 {
        self.heads
    }

    /// Whether a message has begun and not ended.
    pub(super) fn is_amid(&self) -> bool {
        self.at != Position::Start || self.carry.length > 0
    }

    /// Whether what has just been followed has a target that hyper must see with marks.
    pub(super) fn wants_marks(&self) -> bool {
        !self.unmarked.is_empty()
    }

    /// Writes what has just been followed, with marks in its targets.
    pub(super) fn mark(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let mut rest = 0;
        for Range { start, end } in self.unmarked.drain(..) {
            out.extend_from_slice(bytes.get(rest..start).unwrap_or_default());
            self.marker.mark(bytes.get(start..end).unwrap_or_default(), out);
            rest = end;
        }
        out.extend_from_slice(bytes.get(rest..).unwrap_or_default());
    }

    /// Notes where in a piece of a first line, the bytes from `place` on, the target needs marks.
    fn look_for_target(&mut self, piece: &[u8], place: usize) {
        if self.carry.length == 0 {
            self.in_target = false;
        }
        let is_begun = self.in_target && self.marker.is_begun();
        if !self.in_target || !is_begun {
            self.marker = TargetMarker::default();
        }
        let start = if self.in_target { Some(0) } else { piece.iter().position(|byte| *byte == b' ').map(|space| space + 1) };
        self.in_target |= start.is_some();
        if let Some(start) = start
            && (is_begun || needs_marks(piece.get(start..).unwrap_or_default()))
        {
            self.unmarked.push(place + start..place + piece.len());
        }
    }

    /// Takes the next bytes of the connection. Whoever follows must [`mark`](Self::mark) what wants it before the next ones.
    pub(super) fn follow(&mut self, mut bytes: &[u8], faults: &FramingFaults) {
        let all = bytes.len();
        self.unmarked.clear();
        while !bytes.is_empty() {
            match self.at {
                Position::Lost => return,
                Position::Body(left) => {
                    let left = skip(&mut bytes, left);
                    self.at = if left == 0 { Position::Start } else { Position::Body(left) };
                }
                Position::Chunk(left) => {
                    let left = skip(&mut bytes, left);
                    self.at = if left == 0 { Position::ChunkEnd } else { Position::Chunk(left) };
                }
                Position::Start | Position::Head | Position::Size | Position::ChunkEnd | Position::Trailers => {
                    let (whole, place) = (bytes, all - bytes.len());
                    // The standard library's way to `memchr`; on a slice it cannot fail.
                    let taken = bytes.skip_until(b'\n').unwrap_or(whole.len());
                    if self.at == Position::Start {
                        self.look_for_target(whole.get(..taken).unwrap_or_default(), place);
                    }
                    let Some(line) = whole.get(..taken).and_then(|line| line.strip_suffix(b"\n")) else {
                        self.carry.add(whole);
                        return;
                    };
                    if self.carry.length == 0 {
                        let start = line.strip_suffix(b"\r").unwrap_or(line);
                        let fragment = self.at == Position::Start && line.contains(&b'#');
                        self.line(&Line { start, is_whole: line.len() <= KEPT, ended: start.len() < line.len(), fragment });
                    } else {
                        let mut carry = std::mem::take(&mut self.carry);
                        carry.add(line);
                        self.line(&carry.line());
                    }
                    if let (Position::Lost, fault) = (self.at, self.fault) {
                        // A faulty head has been counted; a body that cannot be followed spoils the heads after it.
                        let index = if fault.is_some() { self.heads.saturating_sub(1) } else { self.heads };
                        faults.note(index, fault.unwrap_or(FramingFault::Lost));
                    }
                }
            }
        }
    }

    /// Takes a line without its LF.
    fn line(&mut self, line: &Line<'_>) {
        self.at = match (self.at, line.ended) {
            // Empty lines before a request are to be ignored (RFC 9112, section 2.2).
            (Position::Start, _) | (Position::Trailers, true) if line.is_empty() => Position::Start,
            (Position::Start, ended) => {
                (self.lengths, self.length, self.encoded, self.fault) = (0, None, false, None);
                if line.fragment {
                    self.fault = Some(FramingFault::Fragment);
                }
                if !ended {
                    self.fault = Some(FramingFault::BareLineFeed);
                }
                Position::Head
            }
            (Position::Head, true) if line.is_empty() => self.end_of_head(),
            (Position::Head, false) => {
                self.fault = Some(FramingFault::BareLineFeed);
                if line.is_empty() { self.end_of_head() } else { Position::Head }
            }
            (Position::Head, true) => {
                self.header(line);
                Position::Head
            }
            (Position::Size, true) => match chunk_size(line.start) {
                Some(0) => Position::Trailers,
                Some(size) => Position::Chunk(size),
                None => Position::Lost,
            },
            (Position::ChunkEnd, true) if line.is_empty() => Position::Size,
            (Position::Trailers, true) => Position::Trailers,
            (Position::Size | Position::ChunkEnd | Position::Trailers | Position::Body(_) | Position::Chunk(_) | Position::Lost, _) => {
                Position::Lost
            }
        };
    }

    fn header(&mut self, line: &Line<'_>) {
        let named = |name: &[u8]| {
            line.start
                .split_at_checked(name.len())
                .filter(|(start, _)| start.eq_ignore_ascii_case(name))
                .and_then(|(_, rest)| rest.strip_prefix(b":"))
        };
        match line.start.first() {
            Some(b'c' | b'C') => {
                if let Some(value) = named(b"content-length") {
                    self.lengths += 1;
                    let value = if line.is_whole { std::str::from_utf8(value.trim_ascii()).ok() } else { None };
                    self.length = value.and_then(|digits| digits.parse().ok());
                }
            }
            Some(b't' | b'T') => self.encoded |= named(b"transfer-encoding").is_some(),
            _ => {}
        }
    }

    fn end_of_head(&mut self) -> Position {
        self.heads = self.heads.saturating_add(1);
        if self.lengths > 1 {
            self.fault = Some(FramingFault::SeveralLengths);
        }
        if self.lengths > 0 && self.encoded {
            self.fault = Some(FramingFault::LengthAndEncoding);
        }
        match (self.fault, self.encoded, self.lengths, self.length) {
            (Some(_), ..) | (None, false, 1.., None) => Position::Lost,
            (None, true, ..) => Position::Size,
            (None, false, _, Some(length)) if length > 0 => Position::Body(length),
            (None, false, ..) => Position::Start,
        }
    }
}

/// How much of a line is kept until its end has come, in bytes: more than names, sizes and lengths take.
const KEPT: usize = 128;

/// A line whose end has not come. However long it is, only its start is kept: hyper has the whole of it already.
#[derive(Debug, Default)]
struct Carry {
    start: Vec<u8>,
    length: usize,
    fragment: bool,
    last: u8,
}

impl Carry {
    fn add(&mut self, bytes: &[u8]) {
        let room = KEPT.saturating_sub(self.start.len());
        self.start.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        self.length = self.length.saturating_add(bytes.len());
        self.fragment |= bytes.contains(&b'#');
        self.last = bytes.last().copied().unwrap_or(self.last);
    }

    fn line(&self) -> Line<'_> {
        let ended = self.last == b'\r';
        let is_whole = self.length <= KEPT;
        let start = if ended && is_whole { self.start.strip_suffix(b"\r").unwrap_or(&self.start) } else { self.start.as_slice() };
        Line { start, is_whole, ended, fragment: self.fragment }
    }
}

/// A line without its LF, as far as it was kept.
#[derive(Debug)]
struct Line<'a> {
    /// Without its CR, if it is whole.
    start: &'a [u8],
    is_whole: bool,
    /// Whether there was a CR before the LF.
    ended: bool,
    /// Whether there is a `#` in it. Asked of a head's first line alone.
    fragment: bool,
}

impl Line<'_> {
    fn is_empty(&self) -> bool {
        self.is_whole && self.start.is_empty()
    }
}

/// Passes over as many of `left` bytes as there are; how many are still to come.
fn skip(bytes: &mut &[u8], left: u64) -> u64 {
    let taken = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
    *bytes = bytes.get(taken..).unwrap_or_default();
    left - taken as u64
}

/// The number that a chunk's first line begins with.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (digits, rest) = line.split_at_checked(digits)?;
    let extended = matches!(rest.first(), None | Some(b';' | b' ' | b'\t'));
    extended.then(|| std::str::from_utf8(digits).ok().and_then(|digits| u64::from_str_radix(digits, 16).ok()))?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults_of(bytes: &[u8], step: usize) -> (Option<u32>, Option<FramingFault>, ShadowParser) {
        let (mut shadow, faults) = (ShadowParser::new(), FramingFaults::none());
        bytes.chunks(step).for_each(|part| shadow.follow(part, &faults));
        let first = (0..9).find(|index| faults.of(*index).is_some());
        (first, first.and_then(|index| faults.of(index)), shadow)
    }

    /// Every cut of the bytes into reads must give the same.
    fn fault(bytes: &[u8]) -> Option<(u32, FramingFault)> {
        let whole = faults_of(bytes, bytes.len());
        for step in 1..bytes.len() {
            let cut = faults_of(bytes, step);
            assert_eq!((cut.0, cut.1), (whole.0, whole.1), "read {step} bytes at a time");
        }
        whole.0.zip(whole.1)
    }

    #[test]
    fn sound_requests_have_no_fault() {
        assert_eq!(fault(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n"), None);
        assert_eq!(fault(b"POST / HTTP/1.1\r\ncontent-LENGTH: 5\r\n\r\na\nb\r\nPOST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n"), None);
        assert_eq!(
            fault(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\n\n\n\r\n0\r\nA: b\r\n\r\nGET / HTTP/1.1\r\n\r\n"),
            None
        );
    }

    #[test]
    fn what_hyper_hides_is_a_fault_of_the_request_that_has_it() {
        let both = b"GET / HTTP/1.1\r\n\r\nPOST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
        assert_eq!(fault(both), Some((1, FramingFault::LengthAndEncoding)));
        let two = b"POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc";
        assert_eq!(fault(two), Some((0, FramingFault::SeveralLengths)));
        assert_eq!(fault(b"GET / HTTP/1.1\nHost: a\r\n\r\n"), Some((0, FramingFault::BareLineFeed)));
        assert_eq!(fault(b"GET / HTTP/1.1\r\nHost: a\n\r\n"), Some((0, FramingFault::BareLineFeed)));
        assert_eq!(fault(b"GET / HTTP/1.1\r\nHost: a\r\n\n"), Some((0, FramingFault::BareLineFeed)));
        assert_eq!(fault(b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"), Some((0, FramingFault::Fragment)));
    }

    #[test]
    fn what_comes_after_broken_framing_is_refused() {
        let head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        for body in ["x\r\n", "1\nab", "1\r\nabc\r\n", "fffffffffffffffff\r\n", "0\r\nA: b\n\r\n"] {
            assert_eq!(fault([head, body].concat().as_bytes()), Some((1, FramingFault::Lost)), "{body:?}");
        }
    }

    #[test]
    fn a_line_is_followed_without_being_kept() {
        let long = "a".repeat(31_000);
        let (mut shadow, faults) = (ShadowParser::new(), FramingFaults::none());
        shadow.follow(format!("GET /{long}").as_bytes(), &faults);
        shadow.follow(b"#b HTTP/1.1", &faults);
        assert!(shadow.carry.start.capacity() <= 2 * KEPT, "{} bytes are kept", shadow.carry.start.capacity());
        shadow.follow(format!("\r\nX: {long}").as_bytes(), &faults);
        assert!(shadow.carry.start.capacity() <= 2 * KEPT);
        shadow.follow(b"\r\n\r\n", &faults);
        assert_eq!(faults.of(0), Some(FramingFault::Fragment));
        // A length that cannot be read to its end frames nothing.
        let padded = format!("POST / HTTP/1.1\r\nContent-Length:{}3\r\n\r\nabcGET / HTTP/1.1\r\n\r\n", " ".repeat(KEPT));
        assert_eq!(fault(padded.as_bytes()), Some((1, FramingFault::Lost)));
    }

    #[test]
    fn a_connection_is_amid_a_message_until_its_last_byte() {
        let amid = |bytes: &[u8]| faults_of(bytes, bytes.len()).2.is_amid();
        assert!(amid(b"G"));
        assert!(amid(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\na"));
        assert!(!amid(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nab"));
    }
}
