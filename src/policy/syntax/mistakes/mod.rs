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
mod told;
mod unclosed;

pub(super) use self::told::Told;
use super::lexer::{TokenKind, Word};
use super::parser::{Stop, Why};
use crate::model::RegoVersion;
use crate::policy::fault::PolicyFault;

impl Told<'_> {
    /// The fault at which reading stopped.
    pub(super) fn fault(&self, stop: Stop, version: RegoVersion) -> PolicyFault {
        let bad = if let TokenKind::Bad(bad) = self.kind(stop.at) { Some(self.bad(bad, stop.at)) } else { None };
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
        let is_word = |index: usize, word| self.kind(index) == TokenKind::Name(Some(word)) && !self.is_step(index);
        let imports = |root: &str| all.clone().any(|index| is_word(index, Word::Import) && self.text(index + 1) == root);
        // `contains` is a function, too.
        let has_words = all
            .clone()
            .any(|index| is_word(index, Word::If) || (is_word(index, Word::Contains) && self.kind(index + 1) != TokenKind::LeftParen));
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
            TokenKind::Name(word) => !matches!(word, Some(Word::If | Word::In | Word::Contains | Word::Not)),
            TokenKind::RightBrack | TokenKind::RightParen | TokenKind::String | TokenKind::RawString | TokenKind::Number => true,
            _ => false,
        };
        self.kind(index) == TokenKind::LeftBrace && ends_head && self.brackets.around(index).is_none()
    }
}
