//! What a text that cannot be read means to its author.
//!
//! The [parser](super::parser) says at which token it cannot go on, and what it wanted there. Some authors have left a bracket open further
//! above ([`brackets`]); many know another language better than Rego and have written what it calls for ([`habits`]); what remains is said
//! as it is ([`plain`]). A hint is true of the text that it is given for, or there is none.

mod brackets;
mod habits;
mod plain;
#[cfg(test)]
mod tests;

use self::brackets::Brackets;
use super::lexer::{Kind, Place, Token, Word};
use super::parser::{Stop, Why};
use super::tree::Source;
use crate::model::RegoVersion;
use crate::policy::fault::PolicyFault;

/// A text, to tell what is wrong with it.
pub(super) struct Told<'t> {
    source: &'t Source,
    tokens: &'t [Token],
    brackets: Brackets,
}

/// What is said of a text.
struct Said {
    /// The tokens that it is about.
    from: usize,
    to: usize,
    reason: String,
    hint: Option<String>,
}

impl Said {
    fn at(token: usize, reason: impl Into<String>) -> Self {
        Self { from: token, to: token, reason: reason.into(), hint: None }
    }

    fn from(self, from: usize) -> Self {
        Self { from, ..self }
    }

    fn to(self, to: usize) -> Self {
        Self { to, ..self }
    }

    fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

impl<'t> Told<'t> {
    pub(super) fn of(source: &'t Source, tokens: &'t [Token]) -> Self {
        Self { source, tokens, brackets: Brackets::of(tokens) }
    }

    /// The fault at which reading stopped.
    pub(super) fn fault(&self, stop: Stop, version: RegoVersion) -> PolicyFault {
        let bad = if let Kind::Bad(bad) = self.kind(stop.at) { Some(self.bad(bad, stop.at)) } else { None };
        let said = bad
            .or_else(|| self.open_bracket(stop))
            .or_else(|| self.habit(stop))
            .or_else(|| self.old_word(stop, version))
            .unwrap_or_else(|| self.plain(stop));
        let place = self.place(said.from).to(self.place(said.to.max(said.from)));
        let fault = PolicyFault::at_range(&self.source.name, &self.source.text, place.start as usize, place.end as usize, said.reason);
        match said.hint {
            Some(hint) => fault.hint(hint),
            None => fault,
        }
    }

    /// Which version an author meant of whose text neither could be read: by its words, or else by which understood more of it.
    pub(super) fn meant(&self, v1: Stop, v0: Stop) -> RegoVersion {
        let all = 0..self.tokens.len();
        let is_word = |index: usize, word| self.kind(index) == Kind::Name(Some(word)) && !self.is_step(index);
        let imports = |root: &str| all.clone().any(|index| is_word(index, Word::Import) && self.text(index + 1) == root);
        // `contains` is a function, too.
        let has_words = all
            .clone()
            .any(|index| is_word(index, Word::If) || (is_word(index, Word::Contains) && self.kind(index + 1) != Kind::LeftParen));
        let has_bodies = all.clone().any(|index| self.is_body_of_v0(index));
        let is_v1 = if imports("rego") {
            true
        } else if has_words && has_bodies && imports("future") {
            !matches!(v1.why, Why::If | Why::Contains)
        } else if has_words == has_bodies {
            has_words || v1.at >= v0.at
        } else {
            has_words
        };
        if is_v1 { RegoVersion::V1 } else { RegoVersion::V0 }
    }

    /// Whether it is a `{` that stands right behind a head.
    fn is_body_of_v0(&self, index: usize) -> bool {
        let Some(before) = index.checked_sub(1) else { return false };
        let ends_head = match self.kind(before) {
            Kind::Name(word) => !matches!(word, Some(Word::If | Word::In | Word::Contains | Word::Not)),
            Kind::RightBrack | Kind::RightParen | Kind::String | Kind::RawString | Kind::Number => true,
            _ => false,
        };
        self.kind(index) == Kind::LeftBrace && ends_head && self.brackets.around(index).is_none()
    }
}

/// Places and words.
impl Told<'_> {
    fn kind(&self, index: usize) -> Kind {
        self.tokens.get(index).map_or(Kind::End, |token| token.kind)
    }

    /// Of the text's end: that of its last token.
    fn place(&self, index: usize) -> Place {
        let last = self.tokens.len().saturating_sub(2);
        let nowhere = Place { line: 1, col: 1, start: 0, end: 0 };
        let is_empty = self.tokens.len() < 2;
        self.tokens.get(index.min(last)).filter(|_| !is_empty).map_or(nowhere, |token| token.place)
    }

    fn text(&self, index: usize) -> &str {
        if self.kind(index) == Kind::End {
            return "";
        }
        let place = self.place(index);
        self.source.text.get(place.start as usize..place.end as usize).unwrap_or_default()
    }

    /// The text from one token to another, in one line, or its beginning.
    fn excerpt(&self, from: usize, to: usize) -> String {
        const SHOWN: usize = 60;
        let (start, end) = (self.place(from).start, self.place(to).end);
        let text = self.source.text.get(start as usize..end as usize).unwrap_or_default();
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if text.chars().count() > SHOWN { format!("{}…", text.chars().take(SHOWN).collect::<String>()) } else { text }
    }

    /// Whether a token follows the one before it without a blank.
    fn is_glued(&self, index: usize) -> bool {
        index > 0 && self.tokens.get(index).is_some_and(|token| !token.spaced)
    }

    fn begins_line(&self, index: usize) -> bool {
        index == 0 || self.tokens.get(index).is_some_and(|token| token.newline)
    }

    /// The first token of a token's line.
    fn line_start(&self, index: usize) -> usize {
        (0..=index).rev().find(|index| self.begins_line(*index)).unwrap_or(0)
    }

    /// Whether it is the name in `x.name`.
    fn is_step(&self, index: usize) -> bool {
        index > 0 && self.kind(index - 1) == Kind::Dot
    }

    fn is_name(&self, index: usize) -> bool {
        matches!(self.kind(index), Kind::Name(_))
    }
}
