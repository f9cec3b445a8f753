//! What is wrong with a policy, or odd about it, and where.

use std::fmt;
use std::path::Path;

use serde::{Serialize, Serializer};

use super::syntax::tree::Span;
use crate::diagnostics::{Colour, Diagnostic, Place, Severity, Spot};

/// What is wrong with a policy, or odd about it. `Display` renders it as the faults of a configuration are: the reason, the place, the line
/// with carets, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PolicyFault {
    /// The policy's file, or its name.
    pub policy: String,
    /// Whether the policy is refused for it.
    pub severity: Severity,
    /// 1-based; 0 if the fault has no place.
    pub line: u32,
    /// 1-based, in characters.
    pub column: u32,
    /// How many characters of the line it is about; 0 if the fault has no place.
    pub width: u32,
    /// The offending line's text.
    pub text: String,
    /// What is wrong, a sentence without capital and full stop.
    pub reason: String,
    /// What to write instead, where that can be said.
    pub hint: Option<String>,
}

/// Lines longer than this are cut.
const SHOWN: usize = 4096;

impl PolicyFault {
    /// A fault of the whole policy.
    #[must_use]
    pub fn of(policy: &str, reason: impl Into<String>) -> Self {
        Self {
            policy: policy.to_owned(),
            severity: Severity::Error,
            line: 0,
            column: 0,
            width: 0,
            text: String::new(),
            reason: reason.into(),
            hint: None,
        }
    }

    /// A fault at a line and column, both 1-based.
    pub(super) fn at(policy: &str, text: &str, line: u32, column: u32, reason: impl Into<String>) -> Self {
        let index = usize::try_from(line).unwrap_or(usize::MAX).saturating_sub(1);
        let shown = text.lines().nth(index).unwrap_or_default().chars().take(SHOWN).collect();
        Self { line, column, width: 1, text: shown, ..Self::of(policy, reason) }
    }

    /// A fault at a byte of the text.
    pub(super) fn at_byte(policy: &str, text: &str, byte: usize, reason: impl Into<String>) -> Self {
        let before = text.get(..byte).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Self::at(policy, text, narrow(line), narrow(column), reason)
    }

    /// A fault at a piece of the text, in bytes. Of a piece of several lines the first is marked.
    pub(super) fn at_range(policy: &str, text: &str, start: usize, end: usize, reason: impl Into<String>) -> Self {
        let marked = text.get(start..end).unwrap_or_default().lines().next().unwrap_or_default().trim_end();
        let width = narrow(marked.chars().count().max(1));
        Self { width, ..Self::at_byte(policy, text, start, reason) }
    }

    /// The same of a piece that has been parsed.
    pub(super) fn at_span(policy: &str, span: &Span, reason: impl Into<String>) -> Self {
        Self::at_range(policy, &span.source.text, span.start as usize, span.end as usize, reason)
    }

    /// The same with what to write instead.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same with another weight.
    pub(super) fn weighing(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// Whether the policy is refused for it.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// In one line: the place and the reason.
    #[must_use]
    pub fn summary(&self) -> String {
        if self.line == 0 { self.reason.clone() } else { format!("line {}, column {}: {}", self.line, self.column, self.reason) }
    }

    /// The same in the form that everything is told in.
    #[must_use]
    pub fn diagnostic(&self) -> Diagnostic {
        let spot = (self.line > 0).then(|| Spot::new(self.line as usize, self.column as usize, &self.text, self.width as usize));
        // What is read from a directory is told by its path, whose end every such file has.
        let path = Path::new(&self.policy);
        let place = if path.extension().is_some_and(|end| end.eq_ignore_ascii_case("rego")) {
            Place::File { file: path.to_owned(), spot }
        } else {
            Place::Policy { policy: self.policy.clone(), spot }
        };
        Diagnostic { severity: self.severity, place, key: None, reason: self.reason.clone(), suggestion: self.hint.clone() }
    }
}

impl fmt::Display for PolicyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.diagnostic().render(Colour::Never).trim_end())
    }
}

impl Serialize for PolicyFault {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.diagnostic().serialize(serializer)
    }
}

fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_shows_its_line_and_a_caret_below_the_place() {
        let fault = PolicyFault::at_byte("p.rego", "package spacelift\n\tällow = x\n", 28, "x is unsafe").hint("bind x");
        assert_eq!(fault.to_string(), "error: x is unsafe\n  --> p.rego:2:10\n   |\n 2 |  ällow = x\n   |          ^\n   = help: bind x");
    }

    #[test]
    fn a_fault_without_a_place_names_its_policy() {
        assert_eq!(PolicyFault::of("p", "it is too long").to_string(), "error: it is too long\n  --> p");
    }

    #[test]
    fn what_is_no_error_says_what_it_is() {
        let fault = PolicyFault::of("p", "host bits are set");
        assert!(fault.clone().weighing(Severity::Warning).to_string().starts_with("warning: host"));
        assert!(fault.weighing(Severity::Note).to_string().starts_with("note: host"));
    }
}
