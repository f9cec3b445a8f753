//! What is looked at before a text is parsed, because parsing it would already be too much.
//!
//! The parser takes each literal twice, once as a comprehension and once as a literal, at every level of nesting: its time doubles with
//! every bracket inside a bracket. And it descends without a bound through repeated minus signs.

use crate::policy::fault::PolicyFault;

/// The longest text, in bytes.
pub(in crate::policy) const TEXT_MAX: usize = 256 * 1024;
/// The longest line, in characters.
pub(in crate::policy) const LINE_MAX: u32 = 4096;
/// Brackets within brackets.
pub(in crate::policy) const DEPTH_MAX: usize = 12;
/// Bytes, each counted as often as the parser may come back to it.
const WORK_MAX: u64 = 64 * 1024 * 1024;

/// The text without a byte order mark, which some editors leave and regorus takes for a fault.
pub(in crate::policy) fn without_bom(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// Refuses what would be too much to parse.
pub(in crate::policy) fn check(policy: &str, text: &str) -> Result<(), PolicyFault> {
    if text.len() > TEXT_MAX {
        return Err(PolicyFault::of(policy, format!("the text has {} bytes; at most {TEXT_MAX} are taken", text.len())));
    }
    for (number, line) in (1..).zip(text.lines()) {
        if line.chars().count() > LINE_MAX as usize {
            return Err(PolicyFault::at(policy, text, number, LINE_MAX, format!("the line has more than {LINE_MAX} characters")));
        }
    }
    let (mut depth, mut work, mut minus) = (0_usize, 0_u64, false);
    for (at, token) in Tokens::of(text) {
        match token {
            Token::Mark(b'[' | b'{' | b'(') => {
                depth += 1;
                if depth > DEPTH_MAX {
                    let reason = format!("brackets are nested deeper than {DEPTH_MAX}");
                    return Err(PolicyFault::at_byte(policy, text, at, reason).hint("give the inner parts names of their own"));
                }
            }
            Token::Mark(b']' | b'}' | b')') => depth = depth.saturating_sub(1),
            Token::Mark(b'-') if minus => {
                return Err(PolicyFault::at_byte(policy, text, at, "two minus signs follow each other"));
            }
            Token::Mark(_) | Token::Word(_) | Token::Text(_) => {}
        }
        minus = matches!(token, Token::Mark(b'-'));
        work += u64::from(token.bytes()) << depth;
        if work > WORK_MAX {
            return Err(PolicyFault::at_byte(policy, text, at, "there is too much in nested brackets"));
        }
    }
    Ok(())
}

/// Whether the text uses a word that only Rego v1 (or an import) makes a keyword, without importing it. In v0 such a text would load as
/// something else: `allow if { … }` as the unconditional facts `allow` and `if`.
pub(in crate::policy) fn v1_word_without_import(text: &str) -> Option<(usize, &'static str)> {
    let words: Vec<(usize, &str)> =
        Tokens::of(text).filter_map(|(at, token)| if let Token::Word(word) = token { Some((at, word)) } else { None }).collect();
    let imported = words
        .windows(2)
        .any(|pair| matches!(pair, [(_, "import"), (_, path)] if path.starts_with("rego.v1") || path.starts_with("future.keywords")));
    if imported {
        return None;
    }
    words.into_iter().find_map(|(at, word)| match word {
        "if" => Some((at, "if")),
        "in" => Some((at, "in")),
        "every" => Some((at, "every")),
        _ => None,
    })
}

/// Where the strings of a text stand, quotes included. Regorus leaves a string's quotes out of the place that it says it has, and so out
/// of the place of all that begins or ends with one.
pub(in crate::policy) struct Strings {
    ranges: Vec<(usize, usize)>,
}

impl Strings {
    pub(in crate::policy) fn of(text: &str) -> Self {
        let range = |(at, token)| if let Token::Text(found) = token { Some((at, at + found.len())) } else { None };
        Self { ranges: Tokens::of(text).filter_map(range).collect() }
    }

    /// The beginning of what regorus says begins here.
    pub(in crate::policy) fn start(&self, place: u32) -> usize {
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        self.around(place).map_or(place, |range| range.0)
    }

    /// The end of what regorus says ends here.
    pub(in crate::policy) fn end(&self, place: u32) -> usize {
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        self.around(place).map_or(place, |range| range.1)
    }

    fn around(&self, place: usize) -> Option<(usize, usize)> {
        let next = self.ranges.partition_point(|range| range.1 <= place);
        self.ranges.get(next).copied().filter(|range| range.0 < place)
    }
}

pub(in crate::policy) enum Token<'a> {
    /// A name with its dots: `future.keywords.if`.
    Word(&'a str),
    /// A string of either kind.
    Text(&'a str),
    /// A byte that is neither.
    Mark(u8),
}

impl Token<'_> {
    fn bytes(&self) -> u32 {
        match self {
            Self::Word(text) | Self::Text(text) => u32::try_from(text.len()).unwrap_or(u32::MAX),
            Self::Mark(_) => 1,
        }
    }
}

/// Splits a text coarsely, comments and blanks left out. Never fails: an unclosed string ends with its line, as it does for the lexer.
pub(in crate::policy) struct Tokens<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Tokens<'a> {
    pub(in crate::policy) fn of(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The piece from `start` to here.
    fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_while(&mut self, wanted: impl Fn(u8) -> bool) {
        while self.peek().is_some_and(&wanted) {
            self.at += 1;
        }
    }

    fn string(&mut self) {
        self.at += 1;
        loop {
            match self.peek() {
                None | Some(b'\n') => break,
                Some(b'"') => {
                    self.at += 1;
                    break;
                }
                Some(b'\\') => self.at = (self.at + 2).min(self.text.len()),
                Some(_) => self.at += 1,
            }
        }
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = (usize, Token<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.skip_while(|byte| byte.is_ascii_whitespace());
            if self.peek()? != b'#' {
                break;
            }
            self.skip_while(|byte| byte != b'\n');
        }
        let start = self.at;
        let token = match self.peek()? {
            b'"' => {
                self.string();
                Token::Text(self.since(start))
            }
            b'`' => {
                self.at += 1;
                self.skip_while(|byte| byte != b'`');
                self.at = (self.at + 1).min(self.text.len());
                Token::Text(self.since(start))
            }
            byte if byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii() => {
                self.skip_while(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.' || !byte.is_ascii());
                Token::Word(self.since(start))
            }
            mark => {
                self.at += 1;
                Token::Mark(mark)
            }
        };
        Some((start, token))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_in_strings_and_comments_do_not_count() {
        let brackets = "[".repeat(50);
        for text in
            [format!("x := \"{brackets}\""), format!("x := `{brackets}`"), format!("# {brackets}\n"), format!("x := \"\\\"{brackets}\"")]
        {
            assert_eq!(check("p", &text), Ok(()), "{text}");
        }
    }

    #[test]
    fn deep_brackets_and_runs_of_minus_signs_are_refused_where_they_stand() {
        let deep = check("p", &format!("package spacelift\nx := {}", "[".repeat(13))).unwrap_err();
        assert_eq!((deep.line, deep.column), (2, 18));
        assert!(check("p", "x := - - 1").is_err());
        assert!(check("p", "x := 1 - 1 - 1").is_ok());
    }

    #[test]
    fn much_text_in_deep_brackets_is_refused_although_each_part_is_allowed() {
        let part = format!("{}1{}\n", "[".repeat(12), "]".repeat(12));
        assert!(check("p", &part).is_ok());
        assert!(check("p", &part.repeat(10_000)).is_err());
    }

    #[test]
    fn words_of_v1_are_seen_unless_imported() {
        assert_eq!(v1_word_without_import("package p\nallow if { true }"), Some((16, "if")));
        assert_eq!(v1_word_without_import("package p\nimport rego.v1\nallow if { true }"), None);
        assert_eq!(v1_word_without_import("package p\nimport future.keywords.if\nallow if { true }"), None);
        assert_eq!(v1_word_without_import("package p # if\nallow { x == \"if\"; input.if }"), None);
    }
}
