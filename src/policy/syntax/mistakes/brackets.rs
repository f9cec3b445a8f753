//! Brackets that are not closed, or close nothing.

use super::super::lexer::{Token, TokenKind};

/// Which brackets of a text belong together. One that is closed by a bracket of another kind is not closed: whoever forgets one closes
/// those around it nevertheless.
pub(super) struct Brackets {
    /// Token by token: the bracket that is open around it.
    pub(super) around: Vec<Option<usize>>,
    pub(super) unclosed: Vec<usize>,
    pub(super) unopened: Vec<usize>,
}

impl Brackets {
    pub(super) fn of(tokens: &[Token]) -> Self {
        let mut found = Self { around: Vec::with_capacity(tokens.len()), unclosed: Vec::new(), unopened: Vec::new() };
        let mut open: Vec<(usize, TokenKind)> = Vec::new();
        for (index, token) in tokens.iter().enumerate() {
            found.around.push(open.last().map(|(index, _)| *index));
            if is_closing(token.kind) {
                match open.iter().rposition(|(_, opening)| closes(*opening, token.kind)) {
                    Some(at) => found.unclosed.extend(open.drain(at..).skip(1).map(|(index, _)| index)),
                    None => found.unopened.push(index),
                }
            }
            if is_opening(token.kind) {
                open.push((index, token.kind));
            }
        }
        found.unclosed.extend(open.into_iter().map(|(index, _)| index));
        found.unclosed.sort_unstable();
        found
    }

    /// The bracket that is open around a token.
    pub(super) fn around(&self, index: usize) -> Option<usize> {
        self.around.get(index).copied().flatten()
    }
}

pub(super) fn is_opening(kind: TokenKind) -> bool {
    matches!(kind, TokenKind::LeftBrack | TokenKind::LeftBrace | TokenKind::LeftParen | TokenKind::Template { last: false, .. })
}

pub(super) fn is_closing(kind: TokenKind) -> bool {
    matches!(kind, TokenKind::RightBrack | TokenKind::RightBrace | TokenKind::RightParen | TokenKind::Template { first: false, .. })
}

pub(super) fn closes(opening: TokenKind, closing: TokenKind) -> bool {
    matches!(
        (opening, closing),
        (TokenKind::LeftBrack, TokenKind::RightBrack)
            | (TokenKind::LeftBrace, TokenKind::RightBrace)
            | (TokenKind::LeftParen, TokenKind::RightParen)
            | (TokenKind::Template { last: false, .. }, TokenKind::Template { first: false, .. })
    )
}

/// The mark of a bracket, and of the one that closes it.
pub(super) fn marks(kind: TokenKind) -> (&'static str, &'static str) {
    match kind {
        TokenKind::LeftBrack => ("[", "]"),
        TokenKind::LeftParen => ("(", ")"),
        _ => ("{", "}"),
    }
}
