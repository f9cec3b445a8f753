//! What is said of a bracket that is open where it cannot be, or that closes nothing.

use super::super::lexer::{TokenKind, Word};
use super::super::parser::Stop;
use super::brackets::{closes, is_closing, is_opening, marks};
use super::told::{Said, Told};

impl Told<'_> {
    /// A bracket that is still open where it cannot be: at the end of the text, where another rule begins, or where one around it is closed.
    pub(super) fn open_bracket(&self, stop: Stop) -> Option<Said> {
        let brackets = &self.brackets;
        let at = stop.at;
        if brackets.unopened.contains(&at) {
            let mark = self.text(at);
            if let Some(open) = brackets.around(at) {
                let ((opening, closing), place) = (marks(self.kind(open)), self.place(open));
                let reason = format!("`{mark}` cannot close the `{opening}` of line {}, column {}", place.line, place.col);
                return Some(Said::at(at, reason).hint(format!("close it with `{closing}`")));
            }
            let reason = format!("`{mark}` closes nothing that is open here");
            return Some(Said::at(at, reason).hint(format!("take the `{mark}` away, or open what it closes")));
        }
        let open = brackets.unclosed.iter().copied().rfind(|open| *open < at)?;
        let (opening, closing) = marks(self.kind(open));
        let place = self.place(open);
        let close_it = format!("close the `{opening}` of line {}, column {}, with `{closing}`", place.line, place.col);
        let first = self.line_start(at);
        if self.kind(at) == TokenKind::End {
            let reason = format!("the `{opening}` is not closed before the end of the text");
            Some(Said::at(open, reason).hint(format!("put the `{closing}` where what belongs to it ends")))
        } else if first > open && self.begins_rule(first) {
            let name = self.text(first);
            let reason = format!("`{name}` begins something new here, while a `{opening}` is still open: `{closing}` is missing");
            Some(Said::at(first, reason).hint(close_it))
        } else if is_closing(self.kind(at)) && !closes(self.kind(open), self.kind(at)) {
            let mark = self.text(at).get(..1).unwrap_or_default();
            Some(Said::at(at, format!("`{mark}` stands here before the `{opening}` is closed: `{closing}` is missing")).hint(close_it))
        } else {
            None
        }
    }

    /// Whether a line looks like the beginning of a rule.
    fn begins_rule(&self, first: usize) -> bool {
        if self.place(first).col != 1 {
            return false;
        }
        if let TokenKind::Name(Some(Word::Default | Word::Import | Word::Package)) = self.kind(first) {
            return true;
        }
        if !self.is_name(first) {
            return false;
        }
        let mut at = first + 1;
        loop {
            match self.kind(at) {
                TokenKind::Dot => at += 2,
                TokenKind::LeftBrack | TokenKind::LeftParen => match self.closing_of(at) {
                    Some(closing) => at = closing + 1,
                    None => return false,
                },
                TokenKind::Name(Some(Word::If | Word::Contains)) | TokenKind::Assign | TokenKind::Unify => return true,
                TokenKind::LeftBrace => return self.kind(at - 1) != TokenKind::Name(Some(Word::Else)),
                _ => return false,
            }
        }
    }

    /// What closes a bracket.
    pub(super) fn closing_of(&self, open: usize) -> Option<usize> {
        let mut depth = 0_usize;
        for index in open..self.tokens.len() {
            if is_closing(self.kind(index)) {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(index);
                }
            }
            if is_opening(self.kind(index)) {
                depth += 1;
            }
        }
        None
    }
}
