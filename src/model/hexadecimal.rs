//! A SHA-256 as text: 64 hexadecimal digits, as `sha256sum` prints them.

use std::fmt;

/// Prints 32 bytes, in small letters.
pub(super) struct Hexadecimal<'a>(pub(super) &'a [u8; 32]);

impl fmt::Display for Hexadecimal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The 32 bytes that these digits stand for, in letters of either case. `None`: they are not 64 hexadecimal digits.
pub(super) fn read_hexadecimal(digits: &str) -> Option<[u8; 32]> {
    let digits = digits.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let &[high, low] = pair else { return None };
        *byte = value(high)? << 4 | value(low)?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_as_they_are_printed() {
        let bytes = std::array::from_fn(|index| u8::try_from(index * 8).unwrap());
        assert_eq!(read_hexadecimal(&Hexadecimal(&bytes).to_string()), Some(bytes));
        assert_eq!(read_hexadecimal(&"Ab".repeat(32)), Some([0xab; 32]));
        for wrong in ["", "a5", &"g".repeat(64), &"ü".repeat(32), &format!("+1{}", "0".repeat(62)), &"a".repeat(63)] {
            assert_eq!(read_hexadecimal(wrong), None, "{wrong}");
        }
    }
}
