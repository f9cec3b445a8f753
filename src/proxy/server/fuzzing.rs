//! A door for the fuzz targets.

use super::framing::ShadowParser;
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
