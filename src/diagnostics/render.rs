//! A diagnostic as a terminal shows it.

use std::fmt::Write as _;

use super::diagnostic::{Diagnostic, Severity};
use super::terminal::escaped;

/// Whether a rendering carries the escape sequences of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// For a terminal.
    Always,
    /// For everything else.
    Never,
}

impl Diagnostic {
    /// Message, place, the offending line with a caret, the suggestion. Ends with a newline.
    #[must_use]
    pub fn render(&self, colour: Colour) -> String {
        let Paint { word, mark, strong, gutter: gutter_on, plain } = Paint::of(self.severity, colour);
        let number = self.place.spot().map(|spot| spot.line.to_string()).unwrap_or_default();
        let gutter = " ".repeat(number.len().max(2));

        let key = self.key.as_ref().map(|key| format!("{}: ", escaped(key))).unwrap_or_default();
        let mut out = format!("{mark}{word}{plain}{strong}: {key}{}{plain}\n", escaped(&self.reason));
        let _ = writeln!(out, "{gutter_on}{gutter}-->{plain} {}", escaped(&self.place.to_string()));
        if let Some(excerpt) = self.place.excerpt() {
            let caret = format!("{}{mark}{}{plain}", " ".repeat(excerpt.before()), "^".repeat(excerpt.width()));
            let _ = writeln!(out, "{gutter_on}{gutter} |{plain}");
            let _ = writeln!(out, "{gutter_on}{number:>width$} |{plain} {}", excerpt.text(), width = gutter.len());
            let _ = writeln!(out, "{gutter_on}{gutter} |{plain} {caret}");
        }
        if let Some(suggestion) = &self.suggestion {
            let _ = writeln!(out, "{gutter_on}{gutter} ={plain} {strong}help{plain}: {}", escaped(suggestion));
        }
        out
    }
}

/// The escape sequences of one rendering; all empty without colour.
struct Paint {
    word: &'static str,
    mark: &'static str,
    strong: &'static str,
    gutter: &'static str,
    plain: &'static str,
}

impl Paint {
    fn of(severity: Severity, colour: Colour) -> Self {
        let (word, mark) = match severity {
            Severity::Error => ("error", "\x1b[1;31m"),
            Severity::Warning => ("warning", "\x1b[1;33m"),
            Severity::Note => ("note", "\x1b[1;36m"),
        };
        match colour {
            Colour::Never => Self { word, mark: "", strong: "", gutter: "", plain: "" },
            Colour::Always => Self { word, mark, strong: "\x1b[1m", gutter: "\x1b[1;34m", plain: "\x1b[0m" },
        }
    }
}
