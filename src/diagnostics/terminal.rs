//! Texts on their way to a terminal.
//!
//! Names, labels, messages and policies' texts are filled in by others: a key named with an escape sequence must not be able to rewrite the
//! screen of whoever lists the keys.

use std::fmt::Write as _;

/// The text with every character that could steer a terminal or turn the writing around spelled out.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => safe.push_str("\\n"),
            '\r' => safe.push_str("\\r"),
            '\t' => safe.push_str("\\t"),
            _ if steers(character) => {
                let _ = write!(safe, "\\u{{{:x}}}", u32::from(character));
            }
            _ => safe.push(character),
        }
    }
    safe
}

/// The same for a text of several lines, which stay lines.
#[must_use]
pub fn escaped_lines(text: &str) -> String {
    text.trim_end_matches('\n').split('\n').map(escaped).collect::<Vec<_>>().join("\n")
}

/// Characters that are read as something other than themselves: controls (C0, DEL, C1), line and paragraph separators, and marks that turn
/// the direction of writing.
#[must_use]
pub fn steers(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_steer_a_terminal_is_spelled_out() {
        assert_eq!(escaped("ci\u{1b}[2J\u{202e}x\u{9b}\n"), "ci\\u{1b}[2J\\u{202e}x\\u{9b}\\n");
        assert_eq!(escaped("Zürich – 東京"), "Zürich – 東京");
    }

    #[test]
    fn lines_of_a_message_stay_lines() {
        assert_eq!(escaped_lines("a\n\u{1b}b\n"), "a\n\\u{1b}b");
    }
}
