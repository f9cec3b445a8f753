//! A text that cannot be read, and what is said of it.

use super::super::lexer::{Token, TokenKind, TokenPlace};
use super::super::tree::Source;
use super::brackets::Brackets;

/// A text, to tell what is wrong with it.
pub(in super::super) struct Told<'t> {
    pub(super) source: &'t Source,
    pub(super) tokens: &'t [Token],
    pub(super) brackets: Brackets,
}

/// What is said of a text.
pub(super) struct Said {
    /// The tokens that it is about.
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) reason: String,
    pub(super) hint: Option<String>,
}

impl Said {
    pub(super) fn at(token: usize, reason: impl Into<String>) -> Self {
        Self { from: token, to: token, reason: reason.into(), hint: None }
    }

    pub(super) fn from(self, from: usize) -> Self {
        Self { from, ..self }
    }

    pub(super) fn to(self, to: usize) -> Self {
        Self { to, ..self }
    }

    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

impl<'t> Told<'t> {
    pub(in super::super) fn of(source: &'t Source, tokens: &'t [Token]) -> Self {
        Self { source, tokens, brackets: Brackets::of(tokens) }
    }
}

/// Places and words.
impl Told<'_> {
    pub(super) fn kind(&self, index: usize) -> TokenKind {
        self.tokens.get(index).map_or(TokenKind::End, |token| token.kind)
    }

    /// Of the text's end: that of its last token.
    pub(super) fn place(&self, index: usize) -> TokenPlace {
        let last = self.tokens.len().saturating_sub(2);
        let nowhere = TokenPlace { line: 1, col: 1, start: 0, end: 0 };
        let is_empty = self.tokens.len() < 2;
        self.tokens.get(index.min(last)).filter(|_| !is_empty).map_or(nowhere, |token| token.place)
    }

    pub(super) fn text(&self, index: usize) -> &str {
        if self.kind(index) == TokenKind::End {
            return "";
        }
        let place = self.place(index);
        self.source.text.get(place.start as usize..place.end as usize).unwrap_or_default()
    }

    /// The text from one token to another, in one line, or its beginning.
    pub(super) fn excerpt(&self, from: usize, to: usize) -> String {
        const SHOWN: usize = 60;
        let (start, end) = (self.place(from).start, self.place(to).end);
        let text = self.source.text.get(start as usize..end as usize).unwrap_or_default();
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if text.chars().count() > SHOWN { format!("{}…", text.chars().take(SHOWN).collect::<String>()) } else { text }
    }

    /// Whether a token follows the one before it without a blank.
    pub(super) fn is_glued(&self, index: usize) -> bool {
        index > 0 && self.tokens.get(index).is_some_and(|token| !token.spaced)
    }

    pub(super) fn begins_line(&self, index: usize) -> bool {
        index == 0 || self.tokens.get(index).is_some_and(|token| token.newline)
    }

    /// The first token of a token's line.
    pub(super) fn line_start(&self, index: usize) -> usize {
        (0..=index).rev().find(|index| self.begins_line(*index)).unwrap_or(0)
    }

    /// Whether it is the name in `x.name`.
    pub(super) fn is_step(&self, index: usize) -> bool {
        index > 0 && self.kind(index - 1) == TokenKind::Dot
    }

    pub(super) fn is_name(&self, index: usize) -> bool {
        matches!(self.kind(index), TokenKind::Name(_))
    }
}
