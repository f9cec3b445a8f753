//! What is wrong with a policy, and where.

use std::fmt;

use regorus::unstable::Span;
use serde::Serialize;

/// What is wrong with a policy. `Display` renders `file:line:column: reason`, the line and a caret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PolicyFault {
    /// The policy's file, or its name.
    pub policy: String,
    /// 1-based; 0 if the fault has no place.
    pub line: u32,
    /// 1-based, in characters.
    pub column: u32,
    /// The offending line's text.
    pub text: String,
    /// What is wrong, a sentence without capital and full stop.
    pub reason: String,
    /// What to write instead, where that can be said.
    pub hint: Option<String>,
}

/// Lines longer than this are cut in messages.
const SHOWN: usize = 200;

impl PolicyFault {
    /// A fault of the whole policy.
    pub(super) fn of(policy: &str, reason: impl Into<String>) -> Self {
        Self { policy: policy.to_owned(), line: 0, column: 0, text: String::new(), reason: reason.into(), hint: None }
    }

    /// A fault at a line and column, both 1-based.
    pub(super) fn at(policy: &str, text: &str, line: u32, column: u32, reason: impl Into<String>) -> Self {
        let index = usize::try_from(line).unwrap_or(usize::MAX).saturating_sub(1);
        let shown = text.lines().nth(index).unwrap_or_default().chars().take(SHOWN).collect();
        Self { line, column, text: shown, ..Self::of(policy, reason) }
    }

    /// A fault at a byte of the text.
    pub(super) fn at_byte(policy: &str, text: &str, byte: usize, reason: impl Into<String>) -> Self {
        let before = text.get(..byte).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Self::at(policy, text, u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX), reason)
    }

    /// A fault at a piece of a parsed module.
    pub(super) fn at_span(policy: &str, span: &Span, reason: impl Into<String>) -> Self {
        Self::at_byte(policy, span.source.get_contents(), usize::try_from(span.start).unwrap_or(0), reason)
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Reads the place and the reason out of an error of regorus, which come as text:
    /// `--> file:line:column`, the line, a caret, `error: reason`.
    pub(super) fn of_engine(policy: &str, text: &str, error: &anyhow::Error) -> Self {
        let message = format!("{error:#}");
        let reason =
            message.rsplit("error: ").next().unwrap_or(&message).trim().lines().next().unwrap_or_default().trim_end_matches('.').to_owned();
        let place = message.lines().find_map(|line| {
            let mut parts = line.strip_prefix("--> ")?.rsplitn(3, ':');
            let column = parts.next()?.parse().ok()?;
            Some((parts.next()?.parse().ok()?, column))
        });
        match place {
            Some((line, column)) => Self::at(policy, text, line, column, reason),
            None => Self::of(policy, reason),
        }
    }
}

impl fmt::Display for PolicyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            write!(f, "{}: {}", self.policy, self.reason)?;
        } else {
            write!(f, "{}:{}:{}: {}", self.policy, self.line, self.column, self.reason)?;
            let number = self.line.to_string();
            // A tab stays a tab below itself, so that the caret stands under its character whatever a tab's width is.
            let left: String =
                self.text.chars().take(self.column.saturating_sub(1) as usize).map(|c| if c == '\t' { c } else { ' ' }).collect();
            write!(f, "\n  {number} | {}\n  {:width$} | {left}^", self.text, "", width = number.len())?;
        }
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_shows_its_line_and_a_caret_below_the_place() {
        let fault = PolicyFault::at_byte("p.rego", "package spacelift\n\tällow = x\n", 28, "x is unsafe").hint("bind x");
        assert_eq!(fault.to_string(), "p.rego:2:10: x is unsafe\n  2 | \tällow = x\n    | \t        ^\n  hint: bind x");
    }

    #[test]
    fn a_fault_without_a_place_is_one_line() {
        assert_eq!(PolicyFault::of("p", "it is too long").to_string(), "p: it is too long");
    }

    #[test]
    fn an_error_of_the_engine_keeps_its_place_and_its_last_reason() {
        let error = anyhow::anyhow!("\n--> policy:2:3\n  |\n2 | x y\n  |   ^\nerror: expecting error: what");
        let fault = PolicyFault::of_engine("p.rego", "one\nx y\n", &error);
        assert_eq!((fault.line, fault.column, fault.text.as_str(), fault.reason.as_str()), (2, 3, "x y", "what"));
    }
}
