//! A client of HTTP/2 that is made of frames: it sends any bytes as any frame, in any order, and says what comes back.

use std::collections::HashMap;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::proxy::world::{Duplex, PATIENCE, World};

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

// Types of frames (RFC 9113, section 6).
pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

// Flags.
pub(crate) const ACK: u8 = 1;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const PADDED: u8 = 8;

/// A frame as bytes.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A block of header lines, each a literal that no table remembers (RFC 7541, section 6.2.2).
pub(crate) fn block(lines: &[(&str, &str)]) -> Vec<u8> {
    lines.iter().flat_map(|(name, value)| [vec![0], text(name.as_bytes()), text(value.as_bytes())].concat()).collect()
}

/// A string without Huffman's code.
pub(crate) fn text(bytes: &[u8]) -> Vec<u8> {
    [number(bytes.len(), 7, 0), bytes.to_vec()].concat()
}

/// A number behind the bits `first` (RFC 7541, section 5.1).
pub(crate) fn number(mut value: usize, bits: u8, first: u8) -> Vec<u8> {
    let most = (1 << bits) - 1;
    if value < most {
        return vec![first | u8::try_from(value).unwrap()];
    }
    let mut bytes = vec![first | u8::try_from(most).unwrap()];
    value -= most;
    while value >= 128 {
        bytes.push(u8::try_from(value % 128).unwrap() | 128);
        value /= 128;
    }
    bytes.push(u8::try_from(value).unwrap());
    bytes
}

/// A setting and its value.
pub(crate) fn setting(id: u16, value: u32) -> Vec<u8> {
    [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// How a stream, or the whole connection, ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With an answer of this status. Of the header block nothing else is read.
    Answered(u16),
    /// With `RST_STREAM` and this code.
    Reset(u32),
    /// The connection, with `GOAWAY` and this code, or without a word.
    Gone(Option<u32>),
}

pub(crate) struct Frames {
    socket: Box<dyn Duplex>,
    buffer: Vec<u8>,
    goaway: Option<u32>,
    /// What is under way on each stream.
    sent: HashMap<u32, usize>,
}

impl Frames {
    /// Connects, and says the preface and empty settings.
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let mut frames = Self::silent(address).await;
        frames.send(PREFACE).await;
        frames.send(&frame(SETTINGS, 0, 0, &[])).await;
        frames
    }

    /// Connects as this world's clients do, and says the preface and empty settings.
    pub(crate) async fn to(world: &World) -> Self {
        let mut frames = Self::silently_to(world).await;
        frames.send(PREFACE).await;
        frames.send(&frame(SETTINGS, 0, 0, &[])).await;
        frames
    }

    /// Connects as this world's clients do, and says nothing.
    pub(crate) async fn silently_to(world: &World) -> Self {
        Self::over(world.connect("h2").await)
    }

    /// Connects, and says nothing.
    pub(crate) async fn silent(address: SocketAddr) -> Self {
        Self::over(Box::new(TcpStream::connect(address).await.unwrap()))
    }

    /// Says nothing yet.
    pub(crate) fn over(socket: Box<dyn Duplex>) -> Self {
        Self { socket, buffer: Vec::new(), goaway: None, sent: HashMap::new() }
    }

    /// The other side: waits for a client's preface, and says these settings.
    pub(crate) async fn serve(mut socket: TcpStream, settings: &[u8]) -> Self {
        let mut preface = [0; PREFACE.len()];
        socket.read_exact(&mut preface).await.unwrap();
        assert_eq!(preface, PREFACE);
        let mut frames = Self::over(Box::new(socket));
        frames.send(&frame(SETTINGS, 0, 0, settings)).await;
        frames
    }

    /// Whether the other end took it; one that has closed is for `end_of` to find out.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> bool {
        self.socket.write_all(bytes).await.is_ok() && self.socket.flush().await.is_ok()
    }

    /// The next frame; `None`: closed.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some((head, rest)) = self.buffer.split_first_chunk::<9>() {
                let [a, b, c, kind, flags, stream @ ..] = *head;
                let length = usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap();
                if rest.len() >= length {
                    let payload = rest[..length].to_vec();
                    self.buffer.drain(..9 + length);
                    return Some(Frame { kind, flags, stream: u32::from_be_bytes(stream), payload });
                }
            }
            let read = tokio::time::timeout(PATIENCE, self.socket.read_buf(&mut self.buffer)).await.expect("no frame comes");
            if read.unwrap_or(0) == 0 {
                return None;
            }
        }
    }

    /// Waits until so much more may be sent: on the connection and on this stream, as far as that has come meanwhile.
    pub(crate) async fn window_for(&mut self, stream: u32, length: usize) {
        // The window is 1 MiB, and opened again when half of it has been used.
        const AHEAD: usize = 640 << 10;
        let sent = self.sent.entry(stream).or_default();
        *sent += length;
        while self.sent.get(&stream).is_some_and(|sent| *sent > AHEAD) {
            let next = self.next().await.expect("an open connection");
            assert!(next.stream != stream || next.kind == WINDOW_UPDATE, "{next:?}");
            if next.kind == WINDOW_UPDATE && next.stream == stream {
                let more = usize::try_from(u32::from_be_bytes(next.payload.try_into().unwrap())).unwrap();
                let sent = self.sent.entry(stream).or_default();
                *sent = sent.saturating_sub(more);
            }
        }
    }

    /// How this stream ends; frames of others are passed over.
    pub(crate) async fn end_of(&mut self, stream: u32) -> End {
        let mut status = None;
        while let Some(frame) = self.next().await {
            match frame.kind {
                GOAWAY => self.goaway = Some(u32::from_be_bytes(frame.payload[4..8].try_into().unwrap())),
                RST_STREAM if frame.stream == stream => return End::Reset(u32::from_be_bytes(frame.payload.try_into().unwrap())),
                HEADERS if frame.stream == stream => {
                    status = Some(status_of(&frame.payload));
                    if frame.flags & END_STREAM != 0 {
                        return End::Answered(status.unwrap());
                    }
                }
                DATA if frame.stream == stream && frame.flags & END_STREAM != 0 => return End::Answered(status.unwrap()),
                _ => {}
            }
        }
        End::Gone(self.goaway)
    }

    /// How the connection ends; what comes before is passed over.
    pub(crate) async fn end(&mut self) -> End {
        self.end_of(u32::MAX).await
    }
}

/// `:status` as the encoder of h2 writes it, first in its block: an entry of the static table, or a literal with its name from there
/// and digits with or without Huffman's code.
fn status_of(block: &[u8]) -> u16 {
    // A change of the table's size may come before.
    let block = &block[block.iter().take_while(|byte| **byte & 0xe0 == 0x20).count()..];
    match block {
        [first @ 0x88..=0x8e, ..] => [200, 204, 206, 304, 400, 404, 500][usize::from(first - 0x88)],
        [0x48 | 0x08, length, rest @ ..] if length & 0x80 == 0 => {
            std::str::from_utf8(&rest[..usize::from(*length)]).unwrap().parse().unwrap()
        }
        [0x48 | 0x08, length, rest @ ..] => huffman_digits(&rest[..usize::from(length & 0x7f)]),
        _ => panic!("no status in {block:?}"),
    }
}

/// Three digits in Huffman's code (RFC 7541, appendix B): `0`, `1`, `2` have five bits, the others six.
fn huffman_digits(bytes: &[u8]) -> u16 {
    let bits: Vec<u8> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
    let value = |bits: &[u8]| bits.iter().fold(0_u16, |value, bit| value << 1 | u16::from(*bit));
    let (mut at, mut number) = (0, 0);
    for _ in 0..3 {
        let (digit, length) = match value(&bits[at..at + 5]) {
            digit @ 0..=2 => (digit, 5),
            _ => (value(&bits[at..at + 6]) - 0x19 + 3, 6),
        };
        (number, at) = (number * 10 + digit, at + length);
    }
    number
}
