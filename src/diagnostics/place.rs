//! Where something stands, and the text around it.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::terminal::steers;

/// The widest excerpt that is shown, in characters. A longer line is cut around the caret.
const EXCERPT_MAX: usize = 140;

/// Where a diagnostic stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a file, or the file as a whole.
    File { file: PathBuf, spot: Option<Spot> },
    /// In a policy that is no file, or the policy as a whole.
    Policy { policy: String, spot: Option<Spot> },
    /// In a variable of the environment, by its name.
    Variable { name: String, excerpt: Excerpt },
    /// In an override from the command line, by its dotted key.
    Flag { key: String, excerpt: Excerpt },
}

/// A stretch of one line of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// The line, and how much of it is meant.
    pub excerpt: Excerpt,
}

/// The offending text. Characters that could steer a terminal and the user part of URLs are masked, one character for one, so that neither
/// happens and no password is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    text: String,
    /// Characters before the caret.
    before: usize,
    /// Carets: at least one.
    width: usize,
}

/// A file's name and text, to find places in.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// What messages call it.
    pub file: &'a Path,
    /// The whole of it.
    pub text: &'a str,
}

impl Source<'_> {
    /// The place of a stretch of bytes. A stretch of several lines is shown as far as the first one goes.
    #[must_use]
    pub fn place(&self, bytes: Range<usize>) -> Place {
        let start = self.text.floor_char_boundary(bytes.start);
        let (before, after) = self.text.split_at(start);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let (_, head) = before.split_at(line_start);
        let tail = after.split('\n').next().unwrap_or_default();
        let tail = tail.strip_suffix('\r').unwrap_or(tail);
        let marked = tail.split_at(tail.floor_char_boundary(bytes.end.saturating_sub(start))).0;

        let line = before.matches('\n').count() + 1;
        let excerpt = Excerpt::new(&format!("{head}{tail}"), head.chars().count(), marked.chars().count());
        Place::File { file: self.file.to_owned(), spot: Some(Spot { line, column: head.chars().count() + 1, excerpt }) }
    }
}

impl Place {
    /// A file as a whole.
    pub fn whole(file: impl Into<PathBuf>) -> Self {
        Self::File { file: file.into(), spot: None }
    }

    /// Where a fault of the whole value of an environment variable stands.
    #[must_use]
    pub fn of_variable(name: &str, value: &str) -> Self {
        let excerpt = Excerpt::new(&format!("{name}={value}"), name.chars().count() + 1, value.chars().count());
        Self::Variable { name: name.to_owned(), excerpt }
    }

    /// Where a fault of a variable's name stands. The value is left out: of a variable that is not a setting nobody knows whether it is
    /// a secret.
    #[must_use]
    pub fn of_variable_name(name: &str) -> Self {
        Self::Variable { name: name.to_owned(), excerpt: Excerpt::new(name, 0, name.chars().count()) }
    }

    /// Where a fault of the whole value of a flag stands.
    #[must_use]
    pub fn of_flag(key: &str, value: &str) -> Self {
        let head = format!("--set {key}=");
        let excerpt = Excerpt::new(&format!("{head}{value}"), head.chars().count(), value.chars().count());
        Self::Flag { key: key.to_owned(), excerpt }
    }

    /// Where a fault of a flag's key stands.
    #[must_use]
    pub fn of_flag_key(key: &str) -> Self {
        Self::Flag { key: key.to_owned(), excerpt: Excerpt::new(&format!("--set {key}"), "--set ".len(), key.chars().count()) }
    }

    /// By file, line and column; then policies; then variables; then flags.
    #[must_use]
    pub fn order(&self) -> (u8, usize, usize, &str) {
        let (line, column) = self.spot().map_or((0, 0), |spot| (spot.line, spot.column));
        match self {
            Self::File { .. } => (0, line, column, ""),
            Self::Policy { policy, .. } => (1, line, column, policy),
            Self::Variable { name, .. } => (2, 0, 0, name),
            Self::Flag { key, .. } => (3, 0, 0, key),
        }
    }

    /// The file, if it is in one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File { file, .. } => Some(file),
            Self::Policy { .. } | Self::Variable { .. } | Self::Flag { .. } => None,
        }
    }

    /// The policy, if it is in one that is no file.
    #[must_use]
    pub fn policy(&self) -> Option<&str> {
        match self {
            Self::Policy { policy, .. } => Some(policy),
            Self::File { .. } | Self::Variable { .. } | Self::Flag { .. } => None,
        }
    }

    /// The variable, if it is in one.
    #[must_use]
    pub fn variable(&self) -> Option<&str> {
        match self {
            Self::Variable { name, .. } => Some(name),
            Self::File { .. } | Self::Policy { .. } | Self::Flag { .. } => None,
        }
    }

    /// The key of the flag, if it is in one.
    #[must_use]
    pub fn flag(&self) -> Option<&str> {
        match self {
            Self::Flag { key, .. } => Some(key),
            Self::File { .. } | Self::Policy { .. } | Self::Variable { .. } => None,
        }
    }

    /// Where in the text, if not the whole is meant.
    #[must_use]
    pub fn spot(&self) -> Option<&Spot> {
        match self {
            Self::File { spot, .. } | Self::Policy { spot, .. } => spot.as_ref(),
            Self::Variable { .. } | Self::Flag { .. } => None,
        }
    }

    /// The offending text, if there is some to show.
    #[must_use]
    pub fn excerpt(&self) -> Option<&Excerpt> {
        match self {
            Self::File { spot, .. } | Self::Policy { spot, .. } => spot.as_ref().map(|spot| &spot.excerpt),
            Self::Variable { excerpt, .. } | Self::Flag { excerpt, .. } => Some(excerpt),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, spot: None } => write!(f, "{}", file.display()),
            Self::File { file, spot: Some(Spot { line, column, .. }) } => write!(f, "{}:{line}:{column}", file.display()),
            Self::Policy { policy, spot: None } => f.write_str(policy),
            Self::Policy { policy, spot: Some(Spot { line, column, .. }) } => write!(f, "{policy}:{line}:{column}"),
            Self::Variable { name, .. } => write!(f, "environment variable {name}"),
            Self::Flag { key, .. } => write!(f, "flag --set {key}"),
        }
    }
}

impl Spot {
    /// A stretch of a line whose text is known; line and column count from 1, in characters.
    #[must_use]
    pub fn new(line: usize, column: usize, text: &str, width: usize) -> Self {
        Self { line, column, excerpt: Excerpt::new(text, column.saturating_sub(1), width) }
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
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How many characters of the line stand before what is meant.
    #[must_use]
    pub fn before(&self) -> usize {
        self.before
    }

    /// How many characters are meant: at least one.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
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

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str, bytes: Range<usize>) -> Place {
        Source { file: Path::new("c.toml"), text }.place(bytes)
    }

    fn line_and_column(place: &Place) -> (usize, usize) {
        place.spot().map(|spot| (spot.line, spot.column)).unwrap()
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
