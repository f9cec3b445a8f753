//! A chunked body, taken apart (RFC 9112, section 7.1).
//!
//! The bytes may come cut in any way; what is made of them is the same.

use bytes::{Buf as _, Bytes, BytesMut};
use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::error::Malformed;
use super::head::{LINES_MAX, check_line_ends};

/// The longest line before a chunk, in bytes.
const LINE_MAX: usize = 4096;
/// How many bytes of chunk extensions may come beyond the number of those of the body.
const EXTENSIONS_MAX: u64 = 16 * 1024;
/// The longest trailers, in bytes.
const TRAILERS_MAX: usize = 16 * 1024;
/// The most digits of a chunk's size: what 64 bits hold.
const DIGITS_MAX: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ChunkPosition {
    /// Before a chunk's size.
    Size,
    /// In a chunk with so many bytes to come.
    Data(u64),
    /// After a chunk, before its CR LF.
    DataEnd,
    Trailers,
    End,
}

/// Where in a chunked body one is.
#[derive(Clone, Debug)]
pub(super) struct ChunkedDecoder {
    at: ChunkPosition,
    /// How many bytes of extensions may still come.
    allowance: u64,
}

/// What a step gives.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// At least one byte.
    Data(Bytes),
    /// The body has ended with these; what is left in the input does not belong to it.
    Trailers(HeaderMap),
    End,
    /// The input does not suffice.
    More,
}

impl ChunkedDecoder {
    pub(super) fn new() -> Self {
        Self { at: ChunkPosition::Size, allowance: EXTENSIONS_MAX }
    }

    /// Takes the next piece off the input.
    pub(super) fn next(&mut self, input: &mut BytesMut) -> Result<Piece, Malformed> {
        loop {
            match self.at {
                ChunkPosition::Size => {
                    let line = input.get(..input.len().min(LINE_MAX)).unwrap_or_default();
                    let Some(end) = line.iter().position(|byte| *byte == b'\n') else {
                        return if line.len() < LINE_MAX { Ok(Piece::More) } else { Err(Malformed("chunk header too long")) };
                    };
                    let (size, extension) = size(line.get(..end).unwrap_or_default()).ok_or(Malformed("invalid chunk size"))?;
                    self.allowance = self.allowance.checked_sub(extension as u64).ok_or(Malformed("too many chunk extensions"))?;
                    input.advance(end + 1);
                    self.at = if size == 0 { ChunkPosition::Trailers } else { ChunkPosition::Data(size) };
                }
                ChunkPosition::Data(_) if input.is_empty() => return Ok(Piece::More),
                ChunkPosition::Data(left) => {
                    let taken = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                    let left = left - taken as u64;
                    self.at = if left == 0 { ChunkPosition::DataEnd } else { ChunkPosition::Data(left) };
                    self.allowance = self.allowance.saturating_add(taken as u64);
                    return Ok(Piece::Data(input.split_to(taken).freeze()));
                }
                ChunkPosition::DataEnd => match &input[..] {
                    [] | [b'\r'] => return Ok(Piece::More),
                    [b'\r', b'\n', ..] => {
                        input.advance(2);
                        self.at = ChunkPosition::Size;
                    }
                    _ => return Err(Malformed("chunk longer than its size")),
                },
                ChunkPosition::Trailers => {
                    let Some(trailers) = trailers(input)? else { return Ok(Piece::More) };
                    self.at = ChunkPosition::End;
                    return Ok(if trailers.is_empty() { Piece::End } else { Piece::Trailers(trailers) });
                }
                ChunkPosition::End => return Ok(Piece::End),
            }
        }
    }

    /// Whether the body has come to its end.
    pub(super) fn is_at_end(&self) -> bool {
        self.at == ChunkPosition::End
    }
}

/// The number of a line without its LF, and how many bytes there are behind it. Space behind the number is let pass: there are servers
/// that write it at a fixed width, and what is sent on is framed anew.
fn size(line: &[u8]) -> Option<(u64, usize)> {
    let line = line.strip_suffix(b"\r")?;
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (digits, behind) = line.split_at_checked(digits)?;
    if digits.is_empty() || digits.len() > DIGITS_MAX {
        return None;
    }
    let extension = behind.trim_ascii_start();
    let sound = matches!(extension.first(), None | Some(b';')) && !behind.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t');
    let size = u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    sound.then_some((size, behind.len()))
}

/// Takes the lines behind the last chunk off the input; `None`: there is not enough of them.
fn trailers(input: &mut BytesMut) -> Result<Option<HeaderMap>, Malformed> {
    match &input[..] {
        [] | [b'\r'] => return Ok(None),
        [b'\r', b'\n', ..] => {
            input.advance(2);
            return Ok(Some(HeaderMap::new()));
        }
        _ => {}
    }
    let seen = input.get(..input.len().min(TRAILERS_MAX)).unwrap_or_default();
    let Some(length) = seen.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4) else {
        check_line_ends(seen)?;
        return if seen.len() < TRAILERS_MAX { Ok(None) } else { Err(Malformed("trailers too large")) };
    };
    let block = input.split_to(length).freeze();
    check_line_ends(&block)?;
    let mut lines = [httparse::EMPTY_HEADER; LINES_MAX];
    let Ok(httparse::Status::Complete((_, lines))) = httparse::parse_headers(&block, &mut lines) else {
        return Err(Malformed("malformed trailers"));
    };
    let mut trailers = HeaderMap::with_capacity(lines.len());
    for line in lines {
        let name = HeaderName::from_bytes(line.name.as_bytes()).map_err(|_| Malformed("invalid trailer name"))?;
        let value = HeaderValue::from_maybe_shared(block.slice_ref(line.value)).map_err(|_| Malformed("invalid trailer value"))?;
        trailers.append(name, value);
    }
    Ok(Some(trailers))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is made of a body: its bytes, its trailers, and what is left behind it; or that it is malformed.
    #[derive(Debug, PartialEq)]
    enum Decoded {
        Whole(Vec<u8>, Vec<(String, String)>, Vec<u8>),
        Unfinished(Vec<u8>),
        Malformed(Vec<u8>),
    }

    /// Reads bytes that come in pieces of these lengths, again and again.
    fn read(bytes: &[u8], cuts: &[usize]) -> Decoded {
        let (mut chunks, mut input, mut body) = (ChunkedDecoder::new(), BytesMut::new(), Vec::new());
        let (mut rest, mut cuts) = (bytes, cuts.iter().cycle());
        loop {
            match chunks.next(&mut input) {
                Ok(Piece::Data(data)) => {
                    assert!(!data.is_empty());
                    body.extend_from_slice(&data);
                }
                Ok(Piece::More) if rest.is_empty() => return Decoded::Unfinished(body),
                Ok(Piece::More) => {
                    let (piece, behind) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
                    input.extend_from_slice(piece);
                    rest = behind;
                }
                Ok(end) => {
                    let trailers = if let Piece::Trailers(trailers) = end { trailers } else { HeaderMap::new() };
                    let trailers = trailers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap_or("?").to_owned()));
                    return Decoded::Whole(body, trailers.collect(), [&input[..], rest].concat());
                }
                Err(_) => return Decoded::Malformed(body),
            }
        }
    }

    /// The same, cut everywhere.
    fn read_any(bytes: &[u8]) -> Decoded {
        let whole = read(bytes, &[usize::MAX]);
        for cut in 1..bytes.len().min(40) {
            assert_eq!(read(bytes, &[cut]), whole, "{cut} bytes at a time of {:?}", String::from_utf8_lossy(bytes));
        }
        whole
    }

    #[test]
    fn chunks_become_the_bytes_in_them_and_what_comes_behind_stays() {
        let trailers = [("x-sum".to_owned(), "1".to_owned())];
        let bytes = b"3\r\nabc\r\n00a;x=\"y\" \r\n0123456789\r\n1  \r\n\n\r\n0;z\r\nX-Sum: 1\r\n\r\nHTTP/1.1";
        assert_eq!(read_any(bytes), Decoded::Whole(b"abc0123456789\n".to_vec(), trailers.to_vec(), b"HTTP/1.1".to_vec()));
        assert_eq!(read_any(b"0\r\n\r\n"), Decoded::Whole(vec![], vec![], vec![]));
        assert_eq!(read_any(b"2\r\nab\r\n0\r\n\r"), Decoded::Unfinished(b"ab".to_vec()));
    }

    #[test]
    fn chunks_that_could_be_read_in_two_ways_are_none() {
        for bytes in [
            "\r\na",
            "g\r\n",
            "-1\r\na",
            "+1\r\na",
            "0x1\r\na",
            "1\na\r\n",
            " 1\r\na",
            "1 1\r\na",
            "1\r\r\na",
            "1x\r\na",
            "1;\0\r\na",
            "1;a\rb\r\na",
            "fffffffffffffffff\r\n",
            "00000000000000001\r\na",
        ] {
            assert_eq!(read_any(bytes.as_bytes()), Decoded::Malformed(vec![]), "{bytes:?}");
        }
        for bytes in ["1\r\nabc\r\n", "1\r\na\n0\r\n\r\n", "1\r\na\r0\r\n", "1\r\na0\r\n\r\n"] {
            assert_eq!(read_any(bytes.as_bytes()), Decoded::Malformed(b"a".to_vec()), "{bytes:?}");
        }
        for trailers in
            ["X: a\n\r\n", "X: a\r\n b\r\n\r\n", "X Y: a\r\n\r\n", "X: \0\r\n\r\n", "X: a\rb\r\n\r\n", "none\r\n\r\n", ": a\r\n\r\n"]
        {
            assert_eq!(read_any(format!("0\r\n{trailers}").as_bytes()), Decoded::Malformed(vec![]), "{trailers:?}");
        }
    }

    #[test]
    fn what_is_said_beside_the_body_has_limits() {
        let endless = |text: &str| read(text.as_bytes(), &[1000]);
        assert_eq!(endless(&"0".repeat(10_000)), Decoded::Malformed(vec![]));
        assert_eq!(endless(&format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(10_000))), Decoded::Malformed(vec![]));
        assert!(matches!(endless(&"1;xxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\na\r\n".repeat(10_000)), Decoded::Malformed(_)));
        assert_eq!(endless(&format!("0\r\n{}\r\n", "X: y\r\n".repeat(101))), Decoded::Malformed(vec![]));
        assert_eq!(endless(&format!("0\r\nX: {}\r\n\r\n", "y".repeat(20_000))), Decoded::Malformed(vec![]));
        // Extensions in proportion to the body are nothing unusual: some servers sign every chunk.
        let signed = format!("64;{}\r\n{}\r\n", "s".repeat(80), "a".repeat(100)).repeat(1000) + "0\r\n\r\n";
        assert!(matches!(endless(&signed), Decoded::Whole(body, ..) if body.len() == 100_000));
    }

    fn lines() -> impl Strategy<Value = Vec<u8>> {
        let part = prop_oneof![
            4 => (0usize..40, ";?[ a-z=]{0,6}").prop_map(|(size, extension)| format!("{size:x}{extension}\r\n{}\r\n", "d".repeat(size)).into_bytes()),
            1 => Just(b"0\r\n".to_vec()),
            1 => Just(b"\r\n".to_vec()),
            1 => "[A-Za-z-]{1,4}: [ -~]{0,6}\r\n".prop_map(String::into_bytes),
            1 => prop::collection::vec(any::<u8>(), 0..4),
            1 => prop::sample::select(vec![&b"\r"[..], b"\n", b"\0", b" ", b"ffffffffffffffff\r\n"]).prop_map(<[u8]>::to_vec),
        ];
        prop::collection::vec(part, 0..8).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn any_cut_of_any_bytes_gives_the_same(bytes in lines(), cuts in prop::collection::vec(1usize..30, 1..8)) {
            prop_assert_eq!(read(&bytes, &cuts), read(&bytes, &[usize::MAX]));
        }

        #[test]
        fn a_body_that_is_cut_into_chunks_comes_out_as_it_was(
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 0..10),
            cuts in prop::collection::vec(1usize..100, 1..8),
        ) {
            let mut bytes = Vec::new();
            for part in &parts {
                bytes.extend([format!("{:X}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat());
            }
            bytes.extend(b"0\r\n\r\n");
            prop_assert_eq!(read(&bytes, &cuts), Decoded::Whole(parts.concat(), vec![], vec![]));
        }
    }
}
