//! Pieces put into a module's text, so that a function of ours is called where regorus would call nothing.
//!
//! Regorus takes modules as text alone. Lines stay where they are; columns move, and what is said of them can be [moved
//! back](Moved::column).

use regorus::unstable::{Expr, Module, RuleAssign, Span};

use super::source::text::{Strings, Token, Tokens};

/// A module's text, and what is to be put into it.
pub(super) struct Edits<'t> {
    text: &'t str,
    strings: Strings,
    /// Where in the text, in which order at that place, and what is put there.
    list: Vec<(usize, isize, String)>,
}

/// By how much the columns of a text have moved.
#[derive(Clone, Debug, Default)]
pub(super) struct Moved {
    /// Line, column (both 1-based, before the move) and how many characters were put there; in their order.
    pieces: Vec<(u32, u32, u32)>,
}

impl<'t> Edits<'t> {
    pub(super) fn of(module: &'t Module) -> Self {
        let text: &str = module.package.refr.span().source.get_contents();
        Self { text, strings: Strings::of(text), list: Vec::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Where a piece of the module begins.
    pub(super) fn start(&self, span: &Span) -> usize {
        self.strings.start(span.start)
    }

    /// Where a piece of the module ends.
    pub(super) fn end(&self, span: &Span) -> usize {
        self.strings.end(span.end)
    }

    /// At one place the first stands first.
    pub(super) fn insert(&mut self, place: usize, piece: String) {
        self.list.push((place, self.next(), piece));
    }

    /// Of two that begin or end at one place, the first is around the other.
    pub(super) fn wrap(&mut self, (start, end): (usize, usize), before: String, after: &str) {
        let order = self.next();
        self.list.push((start, order, before));
        self.list.push((end, -order, after.to_owned()));
    }

    fn next(&self) -> isize {
        isize::try_from(self.list.len() + 1).unwrap_or(isize::MAX)
    }

    /// Where the value of `:= value` or `= value` stands.
    pub(super) fn value(&self, assign: &RuleAssign) -> (usize, usize) {
        let operator = if assign.span.text().starts_with(':') { 2 } else { 1 };
        (self.start(&assign.span) + operator, self.end(&assign.span))
    }

    /// Where the item stands that a rule puts into a set.
    pub(super) fn key(&self, head: &Span, refr: &Expr, key: &Expr) -> (usize, usize) {
        let end = self.end(head);
        match self.words("contains", self.start(refr.span()), self.start(key.span())).last() {
            Some(contains) => (contains + "contains".len(), end),
            // `name[key]`, as v0 has it.
            None => (self.end(refr.span()) + 1, end - 1),
        }
    }

    /// Where such a word begins between two places.
    pub(super) fn words(&self, word: &str, from: usize, to: usize) -> impl Iterator<Item = usize> {
        let part = self.text.get(from..to).unwrap_or_default();
        Tokens::of(part).filter(move |(_, token)| matches!(token, Token::Word(found) if *found == word)).map(move |(place, _)| from + place)
    }

    /// For the end of each pair of brackets, where it begins. Regorus' own beginning of an object is that of its last field.
    pub(super) fn brackets(&self) -> std::collections::BTreeMap<usize, usize> {
        let (mut open, mut pairs) = (Vec::new(), std::collections::BTreeMap::new());
        for (place, token) in Tokens::of(self.text) {
            match token {
                Token::Mark(b'[' | b'{' | b'(') => open.push(place),
                Token::Mark(b']' | b'}' | b')') => {
                    pairs.extend(open.pop().map(|start| (place + 1, start)));
                }
                Token::Mark(_) | Token::Word(_) | Token::Text(_) => {}
            }
        }
        pairs
    }

    /// The steps of a head: `["production", role]` of `roles.production[role]`. Taken from the text, as the tree does not tell where a
    /// bracket ends.
    pub(super) fn steps(&self, refr: &Expr, end: usize) -> String {
        let part = self.text.get(self.start(refr.span())..end).unwrap_or_default();
        let (mut steps, mut depth, mut opened, mut is_first) = (Vec::new(), 0_usize, 0, true);
        for (place, token) in Tokens::of(part) {
            match token {
                Token::Mark(b'[') if depth == 0 => (depth, opened) = (1, place + 1),
                Token::Mark(b'[' | b'{' | b'(') => depth += 1,
                Token::Mark(b']') if depth == 1 => {
                    depth = 0;
                    steps.push(part.get(opened..place).unwrap_or_default().to_owned());
                }
                Token::Mark(b']' | b'}' | b')') => depth = depth.saturating_sub(1),
                Token::Word(names) if depth == 0 => {
                    if !is_first && !names.starts_with('.') && !part.get(..place).is_some_and(|before| before.ends_with('.')) {
                        break;
                    }
                    let names = names.split('.').skip(usize::from(is_first)).filter(|name| !name.is_empty());
                    steps.extend(names.map(|name| format!("\"{name}\"")));
                }
                Token::Mark(b'.') if depth == 0 => {}
                Token::Mark(_) | Token::Text(_) if depth == 0 => break,
                Token::Mark(_) | Token::Word(_) | Token::Text(_) => {}
            }
            is_first = false;
        }
        format!("[{}]", steps.join(", "))
    }

    /// The text with all that is put into it.
    pub(super) fn text(&mut self) -> String {
        self.list.sort_by_key(|(place, order, _)| (*place, *order));
        let mut text = String::with_capacity(self.text.len() + self.list.len() * 40);
        let mut done = 0;
        for (place, _, piece) in &self.list {
            text.push_str(self.text.get(done..*place).unwrap_or_default());
            text.push_str(piece);
            done = *place;
        }
        text.push_str(self.text.get(done..).unwrap_or_default());
        text
    }

    /// How the columns move. To be asked for after the text.
    pub(super) fn moved(&self) -> Moved {
        let (mut line, mut begins, mut pieces) = (1, 0, Vec::with_capacity(self.list.len()));
        let mut rest = self.text.match_indices('\n').map(|(place, _)| place + 1).peekable();
        for (place, _, piece) in &self.list {
            while let Some(next) = rest.next_if(|next| next <= place) {
                (line, begins) = (line + 1, next);
            }
            let column = self.text.get(begins..*place).unwrap_or_default().chars().count() + 1;
            pieces.push((line, u32::try_from(column).unwrap_or(u32::MAX), u32::try_from(piece.chars().count()).unwrap_or(u32::MAX)));
        }
        Moved { pieces }
    }
}

impl Moved {
    /// Where a column was before.
    pub(super) fn column(&self, line: u32, column: u32) -> u32 {
        let mut back = 0;
        for (_, at, length) in self.pieces.iter().filter(|(on, _, _)| *on == line) {
            match column.checked_sub(at + back) {
                None => break,
                // Within the piece: what it was put before.
                Some(into) if into < *length => return *at,
                Some(_) => back += length,
            }
        }
        column - back
    }
}
