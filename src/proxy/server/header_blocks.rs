//! Reads a client's HTTP/2 frames before h2 does, and writes the heads anew so that nothing of them is hidden.
//!
//! h2 cuts a fragment off `:path`, refuses bytes there that others forward, and overlooks a pseudo-header among trailers; by the time that
//! a request reaches us the evidence is gone. So the fields are decoded here, with the table that the client has for them, and go on to
//! h2 as plain literals: bytes of a path that it would hide with marks in their place ([`raw_target`](crate::edge::raw_target)), and trailers that are malformed with
//! a field that it knows to be so. All else passes as it is, and what breaks the rules of frames is for h2 to answer.

use std::collections::VecDeque;

use super::hpack::{HpackDecoder, HpackError, encode};
use crate::edge::raw_target::{TargetMarker, needs_marks};

/// How long the preface is (RFC 9113, section 3.4).
const PREFACE: usize = 24;
const FRAME_HEAD: usize = 9;
/// The longest payload: nobody has told clients otherwise.
const PAYLOAD_MAX: usize = 16 * 1024;
/// What stands before a block that says its priority.
const PRIORITY_LENGTH: usize = 5;
/// A list so many times as large as it may be is no mistake, and ends the connection.
const ABUSE: usize = 4;
/// How many requests without an end are remembered. So many at once there never are; some may have been reset from here.
const OPEN_MAX: usize = 1024;
/// Malformed in HTTP/2 wherever it stands (RFC 9113, section 8.2.2), and an entry that no table has (RFC 7541, section 2.3.3).
const MALFORMED: (&[u8], &[u8]) = (b"connection", b"close");
const UNREADABLE: u8 = 0x80;

// Kinds of frames, and flags (RFC 9113, section 6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const PUSH_PROMISE: u8 = 5;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PRIORITY: u8 = 0x20;

/// A client's frames on their way to h2.
#[derive(Debug)]
pub(super) struct HeaderBlocks {
    at: FramePosition,
    /// A frame, or the head of one, that has not come whole.
    gathered: Vec<u8>,
    decoder: HpackDecoder,
    block: Option<Block>,
    /// Requests whose end has not come: what comes as a head is their trailers.
    open: VecDeque<u32>,
    /// How large a list of fields may be, as h2 counts it.
    list_max: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FramePosition {
    /// In what passes as it is, with this many bytes to come.
    Passing(usize),
    /// In what is for h2 to refuse, with this many bytes to come; behind it nothing passes.
    Last(usize),
    /// In the head of a frame.
    FrameHead,
    /// In a frame with a part of a block, this long with its head.
    Fragment(usize),
}

/// A block of fields that has begun.
#[derive(Debug)]
struct Block {
    stream: u32,
    is_trailers: bool,
    /// The beginning of a field.
    pending: Vec<u8>,
    /// Of the fields that have been read.
    size: usize,
}

/// The head of a frame.
#[derive(Clone, Copy, Debug)]
struct FrameHead {
    length: usize,
    kind: u8,
    flags: u8,
    stream: u32,
}

impl HeaderBlocks {
    pub(super) fn new(list_max: usize) -> Self {
        Self {
            at: FramePosition::Passing(PREFACE),
            gathered: Vec::new(),
            decoder: HpackDecoder::default(),
            block: None,
            open: VecDeque::new(),
            list_max,
        }
    }

    /// Whether the next bytes, so many, pass as they are.
    pub(super) fn passes(&mut self, length: usize) -> bool {
        match &mut self.at {
            FramePosition::Passing(left) if length < *left => {
                *left -= length;
                true
            }
            FramePosition::Passing(_) | FramePosition::Last(_) | FramePosition::FrameHead | FramePosition::Fragment(_) => false,
        }
    }

    /// Whether nothing passes any more.
    pub(super) fn is_lost(&self) -> bool {
        self.at == FramePosition::Last(0)
    }

    /// How many bytes are held back, those of the table among them.
    pub(super) fn held(&self) -> usize {
        let pending = self.block.as_ref().map_or(0, |block| block.pending.len());
        self.gathered.len() + pending + self.decoder.table()
    }

    /// Takes the next bytes of the connection; what h2 is to read is put into `out`.
    pub(super) fn follow(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        while !bytes.is_empty() {
            match self.at {
                FramePosition::Passing(left) => {
                    out.extend_from_slice(take(&mut bytes, left, &mut self.at, FramePosition::Passing));
                    if self.at == FramePosition::Passing(0) {
                        self.at = FramePosition::FrameHead;
                    }
                }
                FramePosition::Last(left) => {
                    let passed = take(&mut bytes, left, &mut self.at, FramePosition::Last);
                    if passed.is_empty() {
                        return;
                    }
                    out.extend_from_slice(passed);
                }
                FramePosition::FrameHead => {
                    if self.gather(&mut bytes, FRAME_HEAD) {
                        self.frame_head(out);
                    }
                }
                FramePosition::Fragment(length) => {
                    if self.gather(&mut bytes, length) {
                        self.fragment(out);
                    }
                }
            }
        }
    }

    /// Whether so many bytes have been gathered.
    fn gather(&mut self, bytes: &mut &[u8], length: usize) -> bool {
        let wanted = length.saturating_sub(self.gathered.len()).min(bytes.len());
        let (taken, rest) = bytes.split_at_checked(wanted).unwrap_or((bytes, &[]));
        self.gathered.extend_from_slice(taken);
        *bytes = rest;
        self.gathered.len() >= length
    }

    fn frame_head(&mut self, out: &mut Vec<u8>) {
        let head = FrameHead::read(&self.gathered);
        let amid = self.block.as_ref().map(|block| block.stream);
        self.at = match (head.kind, amid) {
            (HEADERS, None) if head.length <= PAYLOAD_MAX && head.stream != 0 => FramePosition::Fragment(FRAME_HEAD + head.length),
            (CONTINUATION, Some(stream)) if head.length <= PAYLOAD_MAX && head.stream == stream => {
                FramePosition::Fragment(FRAME_HEAD + head.length)
            }
            (HEADERS | CONTINUATION | PUSH_PROMISE, _) | (_, Some(_)) => FramePosition::Last(head.length),
            (kind, None) => {
                if kind == RST_STREAM || (kind == DATA && head.flags & END_STREAM != 0) {
                    self.open.retain(|stream| *stream != head.stream);
                }
                if head.length == 0 { FramePosition::FrameHead } else { FramePosition::Passing(head.length) }
            }
        };
        match self.at {
            FramePosition::Fragment(FRAME_HEAD) => self.fragment(out),
            FramePosition::Fragment(_) => {}
            FramePosition::Passing(_) | FramePosition::Last(_) | FramePosition::FrameHead => out.append(&mut self.gathered),
        }
    }

    /// Takes a whole frame that has a part of a block.
    fn fragment(&mut self, out: &mut Vec<u8>) {
        let frame = std::mem::take(&mut self.gathered);
        let head = FrameHead::read(&frame);
        let payload = frame.get(FRAME_HEAD..).unwrap_or_default();
        let Some((priority, fragment)) = head.parts(payload) else {
            self.at = FramePosition::Last(0);
            out.extend_from_slice(&frame);
            return;
        };
        self.at = FramePosition::FrameHead;
        let mut block = self.block.take().unwrap_or_else(|| self.begin(head));
        let mut fields = Vec::with_capacity(fragment.len() * 2);
        if self.read(&mut block, fragment, head.flags & END_HEADERS != 0, &mut fields).is_ok() {
            head.write(priority, &fields, out);
        } else {
            self.at = FramePosition::Last(0);
            FrameHead { flags: head.flags | END_HEADERS, ..head }.write(priority, &[UNREADABLE], out);
        }
        if head.flags & END_HEADERS == 0 {
            self.block = Some(block);
        }
        // The room is kept, for there is a next head.
        self.gathered = frame;
        self.gathered.clear();
    }

    /// What a frame of headers begins.
    fn begin(&mut self, head: FrameHead) -> Block {
        self.decoder.begin();
        let is_trailers = self.open.contains(&head.stream);
        if head.flags & END_STREAM != 0 {
            self.open.retain(|stream| *stream != head.stream);
        } else if !is_trailers {
            if self.open.len() >= OPEN_MAX {
                self.open.pop_front();
            }
            self.open.push_back(head.stream);
        }
        Block { stream: head.stream, is_trailers, pending: Vec::new(), size: 0 }
    }

    /// Reads the fields of a fragment and writes them anew. Those above the limit are read for the table's sake alone: by the first of
    /// them h2 sees that the list is too large, and answers so.
    fn read(&mut self, block: &mut Block, fragment: &[u8], ends: bool, out: &mut Vec<u8>) -> Result<(), HpackError> {
        let mut whole = std::mem::take(&mut block.pending);
        let mut rest = if whole.is_empty() {
            fragment
        } else {
            whole.extend_from_slice(fragment);
            &whole
        };
        while let Some(field) = self.decoder.next(&mut rest, block.size == 0)? {
            if block.size <= self.list_max {
                match &*field.name {
                    [b':', ..] if block.is_trailers => encode(MALFORMED.0, MALFORMED.1, out),
                    b":path" if needs_marks(&field.value) => {
                        let mut path = Vec::with_capacity(field.value.len() + 16);
                        TargetMarker::default().mark(&field.value, &mut path);
                        encode(&field.name, &path, out);
                    }
                    name => encode(name, &field.value, out),
                }
            }
            block.size = block.size.saturating_add(field.size());
            if block.size > self.list_max.saturating_mul(ABUSE) {
                return Err(HpackError);
            }
        }
        if (ends && !rest.is_empty()) || rest.len() > self.list_max.saturating_add(PAYLOAD_MAX) {
            return Err(HpackError);
        }
        block.pending = rest.to_vec();
        Ok(())
    }
}

/// Takes up to `left` bytes; what is left then is the new position.
fn take<'a>(bytes: &mut &'a [u8], left: usize, at: &mut FramePosition, position: fn(usize) -> FramePosition) -> &'a [u8] {
    let (taken, rest) = bytes.split_at_checked(left).unwrap_or((bytes, &[]));
    *bytes = rest;
    *at = position(left - taken.len());
    taken
}

impl FrameHead {
    fn read(bytes: &[u8]) -> Self {
        let [length @ .., kind, flags, _, _, _, _] = *bytes.first_chunk::<FRAME_HEAD>().unwrap_or(&[0; FRAME_HEAD]);
        let length = length.into_iter().fold(0, |length, byte| length << 8 | u32::from(byte));
        let stream = bytes.get(5..FRAME_HEAD).and_then(|stream| stream.first_chunk()).copied().map_or(0, u32::from_be_bytes);
        Self { length: length as usize, kind, flags, stream: stream & (u32::MAX >> 1) }
    }

    /// The priority that a payload begins with, if it does, and its part of the block; `None`: it is too short for what it says.
    fn parts(self, mut payload: &[u8]) -> Option<(&[u8], &[u8])> {
        if self.kind == HEADERS && self.flags & PADDED != 0 {
            let (padding, rest) = payload.split_first()?;
            payload = rest.get(..rest.len().checked_sub(usize::from(*padding))?)?;
        }
        if self.kind == HEADERS && self.flags & PRIORITY != 0 { payload.split_at_checked(PRIORITY_LENGTH) } else { Some((&[], payload)) }
    }

    /// Writes such a frame with these fields, and as many more as it takes.
    fn write(self, priority: &[u8], mut fields: &[u8], out: &mut Vec<u8>) {
        let (mut kind, mut flags, mut priority) = (self.kind, self.flags & (END_STREAM | PRIORITY), priority);
        loop {
            let (piece, rest) = fields.split_at_checked(PAYLOAD_MAX - priority.len()).unwrap_or((fields, &[]));
            if rest.is_empty() {
                flags |= self.flags & END_HEADERS;
            }
            let length = u32::try_from(priority.len() + piece.len()).unwrap_or_default().to_be_bytes();
            out.extend_from_slice(length.get(1..).unwrap_or_default());
            out.extend_from_slice(&[kind, flags]);
            out.extend_from_slice(&self.stream.to_be_bytes());
            out.extend_from_slice(priority);
            out.extend_from_slice(piece);
            if rest.is_empty() {
                return;
            }
            (kind, flags, priority, fields) = (CONTINUATION, 0, &[], rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREFACE_BYTES: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
    }

    fn block(fields: &[(&str, &str)]) -> Vec<u8> {
        let mut out = Vec::new();
        for (name, value) in fields {
            encode(name.as_bytes(), value.as_bytes(), &mut out);
        }
        out
    }

    /// What h2 is given; every cut of the bytes into reads must give the same.
    fn followed(bytes: &[u8]) -> Vec<u8> {
        let read = |step: usize| {
            let (mut blocks, mut out) = (HeaderBlocks::new(1000), Vec::new());
            for piece in bytes.chunks(step) {
                if blocks.passes(piece.len()) {
                    out.extend_from_slice(piece);
                } else {
                    blocks.follow(piece, &mut out);
                }
            }
            out
        };
        let whole = read(bytes.len());
        for step in [1, 2, 3, 7, 9, 20] {
            assert_eq!(read(step), whole, "read {step} bytes at a time");
        }
        whole
    }

    #[test]
    fn what_has_no_head_passes_as_it_is() {
        let bytes = [PREFACE_BYTES, &frame(4, 0, 0, &[]), &frame(DATA, 0, 1, b"abc"), &frame(6, 0, 0, &[7; 8])].concat();
        assert_eq!(followed(&bytes), bytes);
    }

    #[test]
    fn a_head_is_written_without_a_table_padding_or_huffman_codes() {
        let head = [&[2, 1, 2, 3, 4, 5, 0x82, 0x41, 0x8c][..], b"\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff\0\0"].concat();
        let [first, again] = [(1, head), (3, vec![0xbe])].map(|(stream, payload)| {
            let flags = if stream == 1 { END_HEADERS | END_STREAM | PADDED | PRIORITY } else { END_HEADERS };
            frame(HEADERS, flags, stream, &payload)
        });
        let authority = (":authority", "www.example.com");
        let expected = [
            PREFACE_BYTES,
            &frame(
                HEADERS,
                END_HEADERS | END_STREAM | PRIORITY,
                1,
                &[&[1, 2, 3, 4, 5], &*block(&[(":method", "GET"), authority])].concat(),
            ),
            &frame(HEADERS, END_HEADERS, 3, &block(&[authority])),
        ];
        assert_eq!(followed(&[PREFACE_BYTES, &first, &again].concat()), expected.concat());
    }

    #[test]
    fn a_head_in_pieces_is_cut_anywhere() {
        let whole = block(&[(":path", "/<"), ("x", "y")]);
        let (one, two) = whole.split_at(4);
        let bytes = [PREFACE_BYTES, &frame(HEADERS, 0, 1, one), &frame(CONTINUATION, END_HEADERS, 1, two)].concat();
        let expected =
            [PREFACE_BYTES, &frame(HEADERS, 0, 1, &[]), &frame(CONTINUATION, END_HEADERS, 1, &block(&[(":path", "/\u{9c}"), ("x", "y")]))];
        assert_eq!(followed(&bytes), expected.concat());
    }

    #[test]
    fn a_list_that_grows_by_its_table_does_not_grow_for_ever() {
        let kept = [&[0x40, 1, b'x', 0x7f, 0xf5, 0x0e][..], &[b'v'; 2036]].concat();
        let bytes = [PREFACE_BYTES, &frame(HEADERS, END_HEADERS, 1, &[&kept[..], &[0xbe; 10_000]].concat())].concat();
        assert!(followed(&bytes).len() < 5000);
        let long = "v".repeat(1500);
        let two = frame(HEADERS, END_HEADERS, 1, &block(&[("x", &long), ("y", &long)]));
        let one = frame(HEADERS, END_HEADERS, 1, &block(&[("x", &long)]));
        assert_eq!(followed(&[PREFACE_BYTES, &two].concat()), [PREFACE_BYTES, &one].concat());
    }

    #[test]
    fn behind_what_cannot_be_followed_nothing_passes() {
        let sound = frame(HEADERS, END_HEADERS, 3, &block(&[(":path", "/")]));
        for (broken, passed) in [
            (frame(PUSH_PROMISE, END_HEADERS, 1, &[0; 4]), frame(PUSH_PROMISE, END_HEADERS, 1, &[0; 4])),
            (frame(CONTINUATION, END_HEADERS, 1, b"x"), frame(CONTINUATION, END_HEADERS, 1, b"x")),
            (frame(HEADERS, END_HEADERS | PADDED, 1, &[9, 0]), frame(HEADERS, END_HEADERS | PADDED, 1, &[9, 0])),
            (frame(HEADERS, END_HEADERS, 1, &[0xbe]), frame(HEADERS, END_HEADERS, 1, &[UNREADABLE])),
            (frame(HEADERS, END_HEADERS, 1, &[0, 9]), frame(HEADERS, END_HEADERS, 1, &[UNREADABLE])),
        ] {
            let bytes = [PREFACE_BYTES, &broken, &sound].concat();
            assert_eq!(followed(&bytes), [PREFACE_BYTES, &passed].concat(), "{broken:?}");
        }
    }
}
