//! Header blocks of HTTP/2 (RFC 7541), read in pieces and written without a table.

mod huffman;
mod static_table;

use std::collections::VecDeque;

use bytes::Bytes;

use self::static_table::STATIC;

/// How large the table of a client's fields may be, in bytes: what HTTP/2 begins with, and nobody has told clients otherwise.
const TABLE_MAX: usize = 4096;
/// How often a block may say how large the table is to be: at its least since the block before, and in the end (RFC 7541, section 4.2). Each time takes
/// two bytes, and a block of nothing else would be read thousands of times as long as one of fields.
const RESIZES_MAX: u8 = 2;
/// What an entry takes besides its name and value (RFC 7541, section 4.1).
const ENTRY: usize = 32;

/// A block that cannot be read. It says nothing more: the connection is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HpackError;

/// A field of a head or of trailers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: Bytes,
    pub(super) value: Bytes,
}

impl Field {
    /// As limits count it.
    pub(super) fn size(&self) -> usize {
        self.name.len() + self.value.len() + ENTRY
    }
}

/// Reads the blocks of one connection.
#[derive(Debug, Default)]
pub(super) struct HpackDecoder {
    /// The youngest entry first.
    entries: VecDeque<Field>,
    size: usize,
    /// `None`: as large as it may be.
    limit: Option<usize>,
    /// How often the block has said so.
    resizes: u8,
}

impl HpackDecoder {
    /// A block begins.
    pub(super) fn begin(&mut self) {
        self.resizes = 0;
    }

    /// Takes the next field off `bytes`; `None`: there is not enough of it. `is_first`: no field of the block has been read.
    pub(super) fn next(&mut self, bytes: &mut &[u8], is_first: bool) -> Result<Option<Field>, HpackError> {
        loop {
            let mut rest = *bytes;
            let Some(first) = rest.first().copied() else { return Ok(None) };
            let field = match first {
                0x80.. => match number(&mut rest, 7)? {
                    Some(index) => self.entry(index)?,
                    None => return Ok(None),
                },
                0x20..=0x3f => {
                    let Some(limit) = number(&mut rest, 5)? else { return Ok(None) };
                    if !is_first || limit > TABLE_MAX || self.resizes == RESIZES_MAX {
                        return Err(HpackError);
                    }
                    self.resizes += 1;
                    self.limit = Some(limit);
                    self.shrink_to(limit);
                    *bytes = rest;
                    continue;
                }
                _ => {
                    let is_kept = first >= 0x40;
                    let Some(index) = number(&mut rest, if is_kept { 6 } else { 4 })? else { return Ok(None) };
                    let name = if index == 0 {
                        let Some(name) = text(&mut rest)? else { return Ok(None) };
                        name
                    } else {
                        self.entry(index)?.name
                    };
                    let Some(value) = text(&mut rest)? else { return Ok(None) };
                    let field = Field { name, value };
                    if is_kept {
                        self.keep(&field);
                    }
                    field
                }
            };
            *bytes = rest;
            return Ok(Some(field));
        }
    }

    /// How large the table is, entry by entry.
    pub(super) fn table(&self) -> usize {
        self.entries.iter().map(Field::size).sum()
    }

    fn entry(&self, index: usize) -> Result<Field, HpackError> {
        let index = index.checked_sub(1).ok_or(HpackError)?;
        match STATIC.get(index) {
            Some((name, value)) => Ok(Field { name: Bytes::from_static(name.as_bytes()), value: Bytes::from_static(value.as_bytes()) }),
            None => self.entries.get(index - STATIC.len()).cloned().ok_or(HpackError),
        }
    }

    fn keep(&mut self, field: &Field) {
        let limit = self.limit.unwrap_or(TABLE_MAX);
        let Some(room) = limit.checked_sub(field.size()) else {
            self.shrink_to(0);
            return;
        };
        self.shrink_to(room);
        self.size += field.size();
        self.entries.push_front(field.clone());
    }

    fn shrink_to(&mut self, limit: usize) {
        while self.size > limit
            && let Some(oldest) = self.entries.pop_back()
        {
            self.size -= oldest.size();
        }
    }
}

/// A number behind a prefix of so many bits (RFC 7541, section 5.1).
fn number(bytes: &mut &[u8], prefix: u8) -> Result<Option<usize>, HpackError> {
    let Some((first, mut rest)) = bytes.split_first() else { return Ok(None) };
    let mask = (1_u8 << prefix) - 1;
    let mut number = usize::from(first & mask);
    if first & mask == mask {
        let mut shift = 0;
        loop {
            let Some((next, behind)) = rest.split_first() else { return Ok(None) };
            rest = behind;
            // More than any text or table is long.
            if shift > 21 {
                return Err(HpackError);
            }
            number += usize::from(next & 0x7f) << shift;
            shift += 7;
            if next & 0x80 == 0 {
                break;
            }
        }
    }
    *bytes = rest;
    Ok(Some(number))
}

fn text(bytes: &mut &[u8]) -> Result<Option<Bytes>, HpackError> {
    let is_coded = bytes.first().is_some_and(|first| first & 0x80 != 0);
    let mut rest = *bytes;
    let Some(length) = number(&mut rest, 7)? else { return Ok(None) };
    let Some((text, rest)) = rest.split_at_checked(length) else { return Ok(None) };
    *bytes = rest;
    Ok(Some(if is_coded { huffman::decode(text)?.into() } else { Bytes::copy_from_slice(text) }))
}

/// Writes a field so that no table is needed to read it, nor changed by it.
pub(super) fn encode(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.push(0);
    for text in [name, value] {
        push_number(text.len(), 7, out);
        out.extend_from_slice(text);
    }
}

fn push_number(number: usize, prefix: u8, out: &mut Vec<u8>) {
    let mask = (1_usize << prefix) - 1;
    let low = |number: usize| u8::try_from(number & 0xff).unwrap_or_default();
    if number < mask {
        out.push(low(number));
        return;
    }
    out.push(low(mask));
    let mut rest = number - mask;
    while rest >= 0x80 {
        out.push(low(rest & 0x7f | 0x80));
        rest >>= 7;
    }
    out.push(low(rest));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(decoder: &mut HpackDecoder, block: &[u8]) -> Result<Vec<String>, HpackError> {
        let (mut rest, mut fields) = (block, Vec::new());
        decoder.begin();
        while let Some(field) = decoder.next(&mut rest, fields.is_empty())? {
            fields.push(format!("{}: {}", String::from_utf8_lossy(&field.name), String::from_utf8_lossy(&field.value)));
        }
        if rest.is_empty() { Ok(fields) } else { Err(HpackError) }
    }

    #[test]
    fn the_examples_of_the_rfc_are_read_with_their_table() {
        // RFC 7541, appendix C.4.
        let mut decoder = HpackDecoder::default();
        let first = [0x82, 0x86, 0x84, 0x41, 0x8c, 0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff];
        let common = [":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com"];
        assert_eq!(read(&mut decoder, &first).unwrap(), common);
        let second = [0x82, 0x86, 0x84, 0xbe, 0x58, 0x86, 0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf];
        assert_eq!(read(&mut decoder, &second).unwrap(), [&common[..], &["cache-control: no-cache"]].concat());
        let third = [
            &[0x82, 0x87, 0x85, 0xbf, 0x40, 0x88, 0x25, 0xa8, 0x49, 0xe9, 0x5b, 0xa9, 0x7d, 0x7f][..],
            &[0x89],
            b"\x25\xa8\x49\xe9\x5b\xb8\xe8\xb4\xbf",
        ];
        let third = read(&mut decoder, &third.concat()).unwrap();
        assert_eq!(third.last().unwrap(), "custom-key: custom-value");
        assert_eq!(third[3], ":authority: www.example.com");
        assert_eq!(decoder.size, 164);
    }

    #[test]
    fn old_entries_leave_a_table_that_is_full_or_made_smaller() {
        let mut decoder = HpackDecoder::default();
        let entry = |name: u8| [&[0x40, 1, name, 0x7f, 0xd0, 0x0b][..], &[b'v'; 1615]].concat();
        for name in *b"abc" {
            read(&mut decoder, &entry(name)).unwrap();
        }
        assert_eq!((decoder.entries.len(), decoder.size), (2, 2 * (1 + 1615 + ENTRY)));
        assert!(read(&mut decoder, &[0xbf]).unwrap()[0].starts_with("b: v"));
        assert!(read(&mut decoder, &[0xc0]).is_err());
        assert_eq!(read(&mut decoder, &[0x20, 0x3f, 0xe1, 0x1f, 0x82]).unwrap(), [":method: GET"]);
        assert_eq!(decoder.size, 0);
        // Behind a field, or larger than allowed.
        assert!(read(&mut decoder, &[0x82, 0x20]).is_err());
        assert!(read(&mut decoder, &[0x3f, 0xe2, 0x1f]).is_err());
    }

    #[test]
    fn a_block_says_twice_at_most_how_large_the_table_is_to_be() {
        let mut decoder = HpackDecoder::default();
        for _ in 0..3 {
            assert_eq!(read(&mut decoder, &[0x20, 0x3f, 0xe1, 0x1f, 0x82]).unwrap(), [":method: GET"]);
        }
        assert_eq!(read(&mut decoder, &[0x20, 0x20]).unwrap(), [""; 0]);
        assert!(read(&mut decoder, &[0x20, 0x20, 0x20, 0x82]).is_err());
    }

    #[test]
    fn what_is_written_is_read_and_leaves_the_table_alone() {
        let mut block = Vec::new();
        let long = "v".repeat(100_000);
        encode(b"name", b"", &mut block);
        encode(b"", long.as_bytes(), &mut block);
        let mut decoder = HpackDecoder::default();
        assert_eq!(read(&mut decoder, &block).unwrap(), ["name: ".to_owned(), format!(": {long}")]);
        assert_eq!(decoder.size, 0);
        for cut in 0..20 {
            let mut rest = &block[..cut];
            assert!(decoder.next(&mut rest, true).is_ok());
        }
    }
}
