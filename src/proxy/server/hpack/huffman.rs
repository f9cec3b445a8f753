//! The Huffman code of RFC 7541, appendix B.
//!
//! The code is canonical: shorter codes come before longer ones, and among those of one length the order is that of the symbols. So the
//! lengths say it all.

use super::HpackError;

/// How many bits each byte's code has; the last is the end of a text.
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28, 6, 10,
    10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6,
    7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23,
    21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22,
    22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28,
    27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27,
    26, 30,
];
const LONGEST: usize = 30;

/// All codes of one length.
#[derive(Clone, Copy)]
struct Codes {
    first: u32,
    count: u32,
    /// The place in `SYMBOLS` of the first one's symbol.
    place: u32,
}

/// Symbols in the order of their codes.
const SYMBOLS: [u16; 257] = tables().0;
/// By length.
const CODES: [Codes; LONGEST + 1] = tables().1;

#[expect(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "evaluated by the compiler")]
const fn tables() -> ([u16; 257], [Codes; LONGEST + 1]) {
    let mut symbols = [0; 257];
    let mut codes = [Codes { first: 0, count: 0, place: 0 }; LONGEST + 1];
    let (mut code, mut place, mut length) = (0_u32, 0, 1);
    while length <= LONGEST {
        code <<= 1;
        codes[length] = Codes { first: code, count: 0, place: place as u32 };
        let mut symbol = 0;
        while symbol < 257 {
            if LENGTHS[symbol] as usize == length {
                symbols[place] = symbol as u16;
                place += 1;
                code += 1;
                codes[length].count += 1;
            }
            symbol += 1;
        }
        length += 1;
    }
    (symbols, codes)
}

/// The text of these bytes.
pub(super) fn decode(bytes: &[u8]) -> Result<Vec<u8>, HpackError> {
    let mut text = Vec::with_capacity(bytes.len() * 8 / 5);
    let (mut code, mut length) = (0_u32, 0_usize);
    for byte in bytes {
        for bit in (0..8).rev() {
            code = code << 1 | u32::from(byte >> bit & 1);
            length += 1;
            let of_length = CODES.get(length).ok_or(HpackError)?;
            let Some(nth) = code.checked_sub(of_length.first).filter(|nth| *nth < of_length.count) else { continue };
            let symbol = SYMBOLS.get((of_length.place + nth) as usize).ok_or(HpackError)?;
            // The end is never said.
            text.push(u8::try_from(*symbol).map_err(|_| HpackError)?);
            (code, length) = (0, 0);
        }
    }
    // What fills the last byte is the beginning of the end's code, which has ones alone.
    if length < 8 && code == (1 << length) - 1 { Ok(text) } else { Err(HpackError) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_rfc_are_read() {
        // RFC 7541, appendices C.4 and C.6.
        for (bytes, text) in [
            (&[0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff][..], "www.example.com"),
            (&[0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf], "no-cache"),
            (&[0x25, 0xa8, 0x49, 0xe9, 0x5b, 0xb8, 0xe8, 0xb4, 0xbf], "custom-value"),
            (&[], ""),
        ] {
            assert_eq!(decode(bytes).unwrap(), text.as_bytes());
        }
    }

    #[test]
    fn what_fills_the_last_byte_is_nothing_else() {
        // `0` is 00000: the rest must be ones, and less than a byte.
        assert_eq!(decode(&[0b0000_0111]).unwrap(), b"0");
        assert!(decode(&[0b0000_0110]).is_err());
        assert!(decode(&[0b0000_0111, 0xff]).is_err());
        // The end itself, thirty ones.
        assert!(decode(&[0xff; 4]).is_err());
    }
}
