//! Where in a configuration something stands, and the offending text around it.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The widest excerpt that is shown, in characters. A longer line is cut around the caret.
const EXCERPT_MAX: usize = 140;

/// Where a finding stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A stretch of one line of a file. Line and column count from 1, columns in characters.
    File { file: PathBuf, line: usize, column: usize, excerpt: Excerpt },
    /// A file that could not be read.
    WholeFile(PathBuf),
    /// A variable of the environment, by its name.
    Variable { name: String, excerpt: Excerpt },
    /// An override from the command line, by its dotted key.
    Flag { key: String, excerpt: Excerpt },
}

/// The offending text. Characters that could steer a terminal and the user part of URLs are masked, one character for one, so that neither happens and
/// no password is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    text: String,
    /// Characters before the caret.
    pub(super) before: usize,
    /// Carets: at least one.
    pub(super) width: usize,
}

/// A file's name and text, to find places in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a> {
    pub(super) file: &'a Path,
    pub(super) text: &'a str,
}

impl Source<'_> {
    /// The place of a stretch of bytes. A stretch of several lines is shown as far as the first one goes.
    pub(super) fn place(&self, bytes: Range<usize>) -> Place {
        let start = self.text.floor_char_boundary(bytes.start);
        let (before, after) = self.text.split_at(start);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let (_, head) = before.split_at(line_start);
        let tail = after.split('\n').next().unwrap_or_default();
        let tail = tail.strip_suffix('\r').unwrap_or(tail);
        let marked = tail.split_at(tail.floor_char_boundary(bytes.end.saturating_sub(start))).0;

        let line = before.matches('\n').count() + 1;
        let excerpt = Excerpt::new(&format!("{head}{tail}"), head.chars().count(), marked.chars().count());
        Place::File { file: self.file.to_owned(), line, column: head.chars().count() + 1, excerpt }
    }
}

impl Place {
    /// A stretch of a line of a file that is no configuration, such as a login policy. Line and column count from 1, in characters.
    pub fn in_line(file: PathBuf, line: usize, column: usize, text: &str, width: usize) -> Self {
        Self::File { file, line, column, excerpt: Excerpt::new(text, column.saturating_sub(1), width) }
    }

    /// Where a fault of the whole value of an environment variable stands.
    pub(super) fn variable(name: &str, value: &str) -> Self {
        let excerpt = Excerpt::new(&format!("{name}={value}"), name.chars().count() + 1, value.chars().count());
        Self::Variable { name: name.to_owned(), excerpt }
    }

    /// Where a fault of a variable's name stands. The value is left out: of a variable that is not a setting nobody knows whether it is
    /// a secret.
    pub(super) fn variable_name(name: &str) -> Self {
        Self::Variable { name: name.to_owned(), excerpt: Excerpt::new(name, 0, name.chars().count()) }
    }

    /// Where a fault of the whole value of a flag stands.
    pub(super) fn flag(key: &str, value: &str) -> Self {
        let head = format!("--set {key}=");
        let excerpt = Excerpt::new(&format!("{head}{value}"), head.chars().count(), value.chars().count());
        Self::Flag { key: key.to_owned(), excerpt }
    }

    /// Where a fault of a flag's key stands.
    pub(super) fn flag_key(key: &str) -> Self {
        Self::Flag { key: key.to_owned(), excerpt: Excerpt::new(&format!("--set {key}"), "--set ".len(), key.chars().count()) }
    }

    /// By file, line and column; then variables; then flags.
    pub(super) fn order(&self) -> (u8, usize, usize, &str) {
        match self {
            Self::WholeFile(_) => (0, 0, 0, ""),
            Self::File { line, column, .. } => (0, *line, *column, ""),
            Self::Variable { name, .. } => (1, 0, 0, name),
            Self::Flag { key, .. } => (2, 0, 0, key),
        }
    }

    /// The offending text, if it could be read.
    pub(super) fn excerpt(&self) -> Option<&Excerpt> {
        match self {
            Self::File { excerpt, .. } | Self::Variable { excerpt, .. } | Self::Flag { excerpt, .. } => Some(excerpt),
            Self::WholeFile(_) => None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, line, column, .. } => write!(f, "{}:{line}:{column}", file.display()),
            Self::WholeFile(file) => write!(f, "{}", file.display()),
            Self::Variable { name, .. } => write!(f, "environment variable {name}"),
            Self::Flag { key, .. } => write!(f, "flag --set {key}"),
        }
    }
}

impl Excerpt {
    fn new(line: &str, before: usize, width: usize) -> Self {
        let shown = masked(line);
        let skipped = if shown.len() > EXCERPT_MAX { before.saturating_sub(EXCERPT_MAX / 2) } else { 0 };
        let mut text: String = shown.iter().skip(skipped).take(EXCERPT_MAX).collect();
        let mut before = before - skipped;
        if skipped > 0 {
            text.insert(0, '…');
            before += 1;
        }
        if skipped + EXCERPT_MAX < shown.len() {
            text.push('…');
        }
        let width = width.min(text.chars().count().saturating_sub(before)).max(1);
        Self { text, before, width }
    }

    /// The offending line.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// The line's characters, each control character as a blank or a replacement, each character of a URL's user part as `*`.
fn masked(line: &str) -> Vec<char> {
    let mut characters: Vec<char> = line
        .chars()
        .map(|character| match character {
            '\t' => ' ',
            other if steers(other) => char::REPLACEMENT_CHARACTER,
            other => other,
        })
        .collect();
    let mut at = 0;
    while let Some(found) = characters.get(at..).and_then(|rest| rest.windows(3).position(|three| three == [':', '/', '/'])) {
        let authority = at + found + 3;
        let rest = characters.get_mut(authority..).unwrap_or_default();
        let length = rest.iter().position(|c| matches!(c, '/' | '?' | '#' | '"' | '\'' | ' ')).unwrap_or(rest.len());
        if let Some(user) = rest.iter().take(length).rposition(|&c| c == '@') {
            rest.iter_mut().take(user).for_each(|c| *c = '*');
        }
        at = authority;
    }
    characters
}

/// Control characters, line and paragraph separators, and the marks that change the direction of writing.
pub(super) fn steers(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str, bytes: Range<usize>) -> Place {
        Source { file: Path::new("c.toml"), text }.place(bytes)
    }

    fn line_and_column(place: &Place) -> (usize, usize) {
        match place {
            Place::File { line, column, .. } => (*line, *column),
            other => panic!("{other} is not in a file"),
        }
    }

    #[test]
    fn columns_count_characters_not_bytes() {
        let text = "a = 1\nü = \"ß\"\n";
        let found = place(text, text.find("\"ß").unwrap()..text.len() - 1);
        assert_eq!(line_and_column(&found), (2, 5));
        assert_eq!(found.excerpt().unwrap().width, 3);
    }

    #[test]
    fn a_place_at_the_very_end_is_one_caret() {
        for text in ["", "a = ", "a = \n", "a = \r\n"] {
            let found = place(text, text.len()..text.len() + 9);
            assert_eq!(found.excerpt().unwrap().width, 1, "{text:?}");
        }
    }

    #[test]
    fn passwords_and_control_characters_are_masked() {
        let found = place("url = \"postgres://me:s3c@ret@db/x\" # \u{1b}[31m", 6..34);
        assert_eq!(found.excerpt().unwrap().text(), "url = \"postgres://**********@db/x\" # \u{fffd}[31m");
    }

    #[test]
    fn a_long_line_is_cut_around_the_caret() {
        let text = format!("{}HERE{}", "a".repeat(1000), "b".repeat(1000));
        let found = place(&text, 1000..1004);
        let excerpt = found.excerpt().unwrap();
        let marked: String = excerpt.text().chars().skip(excerpt.before).take(excerpt.width).collect();
        assert_eq!(marked, "HERE");
        assert!(excerpt.text().chars().count() <= EXCERPT_MAX + 2);
    }
}
