//! Text with the places that its lines come from.

use crate::policy::syntax::tree::Span;

/// Lines of a module that is given to the engine, each with the place in the author's text that it comes from, if there is one.
#[derive(Debug, Default)]
pub(in crate::policy) struct Lines {
    pub(in crate::policy) text: String,
    spans: Vec<Option<Span>>,
    longest: usize,
}

impl Lines {
    pub(super) fn push(&mut self, line: &str, span: Option<&Span>) {
        self.text.push_str(line);
        self.text.push('\n');
        self.spans.push(span.cloned());
    }

    pub(super) fn append(&mut self, other: Self) {
        self.text.push_str(&other.text);
        self.spans.extend(other.spans);
        self.longest = self.longest.max(other.longest);
    }

    /// A body has at least one statement.
    pub(super) fn append_body(&mut self, body: Self) {
        self.longest = self.longest.max(body.spans.len());
        if body.spans.is_empty() {
            self.push("true", None);
        }
        self.append(body);
    }

    /// How many lines the longest body has, those within it counted.
    pub(in crate::policy) fn longest_body(&self) -> usize {
        self.longest
    }

    /// Where a line, 1-based, comes from. One that we have added belongs to the one before.
    pub(in crate::policy) fn span(&self, line: usize) -> Option<&Span> {
        self.spans.get(..line)?.iter().rev().find_map(Option::as_ref)
    }
}
