//! A text of a file, with its place.

/// Where something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct At {
    /// Which of the files.
    pub(crate) file: usize,
    /// From 1.
    pub(crate) line: usize,
    /// From 1, in characters.
    pub(crate) column: usize,
    /// In characters.
    pub(crate) width: usize,
}

/// A text with its place, and how it is written.
#[derive(Clone)]
pub(crate) struct PlacedText {
    pub(crate) text: String,
    pub(crate) at: At,
    pub(crate) style: Style,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Without quotes: it may stand for something that is no text.
    Plain,
    Quoted,
    /// Lines as they are, after `|`.
    Block,
}

impl PlacedText {
    /// What it stands for, if that is no text: the core schema of YAML 1.2.
    pub(crate) fn other_kind(&self) -> Option<&'static str> {
        if self.style != Style::Plain {
            return None;
        }
        let digits = self.text.strip_prefix(['-', '+']).unwrap_or(&self.text);
        match self.text.as_str() {
            "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => Some("a truth value"),
            _ if digits.starts_with(|first: char| first.is_ascii_digit() || first == '.') && is_number(digits) => Some("a number"),
            _ => None,
        }
    }
}

fn is_number(digits: &str) -> bool {
    let of = |radix: u32| move |rest: &str| !rest.is_empty() && rest.chars().all(|digit| digit.is_digit(radix));
    matches!(digits, ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN")
        || digits.strip_prefix("0x").is_some_and(of(16))
        || digits.strip_prefix("0o").is_some_and(of(8))
        || digits.parse::<f64>().is_ok()
}
