//! Doors for the fuzz targets.

use bytes::BytesMut;
use http::HeaderMap;

use super::chunked::{ChunkedDecoder, Piece};
use super::head::{HeadReader, RequestKind};

/// Of a head, as the configuration has it where it says nothing.
const LINES: usize = 100;

/// What an answer's head is taken for that comes in these pieces: what it says and how many bytes are left, `None` if it is not whole, or
/// what is wrong with it.
pub fn response_head(pieces: &[&[u8]], to_head: bool) -> Result<Option<(String, usize)>, String> {
    let (mut input, mut reader, mut spare) = (BytesMut::new(), HeadReader::new(LINES), HeaderMap::new());
    let asked = if to_head { RequestKind::Head } else { RequestKind::Other };
    let mut taken = None;
    for piece in pieces {
        input.extend_from_slice(piece);
        if taken.is_none() {
            taken = reader.take(&mut input, asked, &mut spare).map_err(|fault| format!("{fault:?}"))?.map(|head| format!("{head:?}"));
        }
    }
    Ok(taken.map(|head| (head, input.len())))
}

/// What a chunked body is taken for that comes in these pieces: its bytes, its trailers, whether it has ended, and how many bytes are left.
pub fn chunked(pieces: &[&[u8]]) -> Result<(Vec<u8>, String, bool, usize), String> {
    let (mut input, mut decoder) = (BytesMut::new(), ChunkedDecoder::new());
    let (mut body, mut trailers) = (Vec::new(), String::new());
    for piece in pieces {
        input.extend_from_slice(piece);
        while !decoder.is_at_end() {
            match decoder.next(&mut input).map_err(|fault| format!("{fault:?}"))? {
                Piece::Data(data) => body.extend_from_slice(&data),
                Piece::Trailers(lines) => trailers = format!("{lines:?}"),
                Piece::End => {}
                Piece::More => break,
            }
        }
    }
    Ok((body, trailers, decoder.is_at_end(), input.len()))
}
