//! Doors for the fuzz targets.

use super::framing::ShadowParser;
use super::header_blocks::HeaderBlocks;
use super::hpack::{HpackDecoder, HpackError, encode};
use crate::proxy::connection::FramingFaults;

/// What the shadow parser makes of a client's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Followed {
    /// How many heads it has seen whole.
    pub heads: u32,
    /// For each of them, whether it or one before it has a fault.
    pub faulty: Vec<bool>,
    /// Whether a message has begun and not ended.
    pub amid: bool,
}

/// Follows bytes that come in these pieces.
pub fn follow(pieces: &[&[u8]]) -> Followed {
    let (mut parser, faults) = (ShadowParser::new(), FramingFaults::none());
    for piece in pieces {
        parser.follow(piece, &faults);
    }
    let heads = parser.heads();
    Followed { heads, faulty: (0..=heads).map(|number| faults.of(number).is_some()).collect(), amid: parser.is_amid() }
}

/// What h2 is given of a client's frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewritten {
    /// The frames, written anew.
    pub bytes: Vec<u8>,
    /// Whether nothing passes any more.
    pub is_lost: bool,
    /// How many bytes were held back at the most, the table's among them.
    pub held: usize,
}

/// Follows frames that come in these pieces, where a list of fields may be so large.
pub fn rewrite(pieces: &[&[u8]], list_max: usize) -> Rewritten {
    let (mut blocks, mut bytes, mut held) = (HeaderBlocks::new(list_max), Vec::new(), 0);
    for piece in pieces {
        if blocks.passes(piece.len()) {
            bytes.extend_from_slice(piece);
        } else {
            blocks.follow(piece, &mut bytes);
        }
        held = held.max(blocks.held());
    }
    Rewritten { bytes, is_lost: blocks.is_lost(), held }
}

/// A name and a value.
pub type NameAndValue = (Vec<u8>, Vec<u8>);

/// The fields of one connection's blocks, as far as they can be read, each block in these pieces; and how large the table was at the most.
pub fn fields(blocks: &[&[&[u8]]]) -> (Vec<Vec<NameAndValue>>, usize) {
    let (mut decoder, mut all, mut table) = (HpackDecoder::default(), Vec::new(), 0);
    for pieces in blocks {
        let (mut pending, mut fields) = (Vec::new(), Vec::new());
        decoder.begin();
        for piece in *pieces {
            pending.extend_from_slice(piece);
            let mut rest = pending.as_slice();
            loop {
                match decoder.next(&mut rest, fields.is_empty()) {
                    Ok(Some(field)) => fields.push((field.name.to_vec(), field.value.to_vec())),
                    Ok(None) => break,
                    Err(HpackError) => return (all, table),
                }
                table = table.max(decoder.table());
            }
            pending = rest.to_vec();
        }
        if !pending.is_empty() {
            break;
        }
        all.push(fields);
    }
    (all, table)
}

/// A block of these fields.
pub fn block(fields: &[NameAndValue]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in fields {
        encode(name, value, &mut out);
    }
    out
}
