//! What comes of another language.

#![expect(clippy::match_same_arms, reason = "each arm has its own reason")]

use super::super::lexer::{Bad, TokenKind, Word};
use super::super::parser::{Stop, Why};
use super::told::{Said, Told};
use crate::model::RegoVersion;

const OR: &str = "write the rule a second time with the other condition, or for values of one thing `x in {\"a\", \"b\"}`";
const AND: &str = "put each condition on a line of its own, or `;` between them: all conditions of a body have to hold";
const BARE_AND: &str = "put the conditions into braces, each on a line of its own: `if { …; … }`";
const NOT: &str = "write `not` before the condition: `not x`";
const BRACES: &str = "put several conditions into braces: `if { …; … }`";

/// Marks that other languages have and Rego has not: what they are for, and what to write.
const MARKS: [(&str, &str, &str); 22] = [
    ("&&", "Rego has no `&&`", AND),
    ("||", "Rego has no `||`", OR),
    ("===", "Rego has no `===`", "write `==`"),
    ("!==", "Rego has no `!==`", "write `!=`"),
    ("<>", "Rego has no `<>`", "write `!=`"),
    ("=<", "Rego has no `=<`", "write `<=`"),
    ("=>", "Rego has no `=>`", "write `>=` to compare, `:` between the key and the value of an object, `if` before a condition"),
    ("->", "Rego has no `->`", "write `:` between the key and the value of an object, `:=` before a value"),
    ("<-", "Rego has no `<-`", "write `:=` before a value; a number below zero needs a blank before its `-`"),
    ("+=", "Rego has no `+=`: no value is ever changed", "give the new value a name of its own, as in `y := x + 1`"),
    ("-=", "Rego has no `-=`: no value is ever changed", "give the new value a name of its own, as in `y := x - 1`"),
    ("*=", "Rego has no `*=`: no value is ever changed", "give the new value a name of its own, as in `y := x * 2`"),
    ("/=", "Rego has no `/=`", "write `!=` for what differs"),
    ("++", "Rego has no `++`: no value is ever changed", "give the new value a name of its own, as in `y := x + 1`"),
    ("--", "Rego has no `--`", "a comment begins with `#`; no value is ever changed"),
    ("//", "Rego has no `//`", "a comment begins with `#`"),
    ("/*", "Rego has no `/*`", "a comment begins with `#`, on each of its lines"),
    ("**", "Rego has no `**`", "multiply: `x * x`"),
    ("::", "Rego has no `::`", "a field is taken with `.`"),
    ("==>", "Rego has no `==>`", "write `if` between a rule and its condition"),
    (":==", "Rego has no `:==`", "write `:=` for a value, `==` to compare"),
    ("..", "Rego has no `..`", "a field is taken with one `.`; the numbers from 1 to 5 are `numbers.range(1, 5)`"),
];

/// Words that other languages begin a statement or a definition with.
const OPENERS: [(&[&str], &str, &str); 10] = [
    (
        &["return", "yield"],
        "a body gives no value by `return`",
        "what a rule is stands before its body, as in `level := 2 if { … }`; in a body stand the conditions that have to hold",
    ),
    (
        &["for", "foreach", "forEach", "while", "loop"],
        "Rego has no loops",
        "write `some x in xs` for one that the following conditions hold of, `every x in xs { … }` if they have to hold for all",
    ),
    (&["any", "exists", "there", "one"], "there is no statement with this word", "write `some x in xs`, and the condition below it"),
    (&["all", "each", "forall"], "there is no statement with this word", "write `every x in xs { … }`"),
    (
        &["let", "var", "const", "val", "local", "my", "set", "auto"],
        "a value gets a name without a word before it",
        "write `name := value`",
    ),
    (
        &["function", "func", "fn", "fun", "def", "define", "sub", "proc"],
        "a function is defined without a word before its name",
        "write `f(x) := value`, or `f(x) if { … }` for one that is true or undefined",
    ),
    (&["rule", "policy", "permission"], "a rule is defined without a word before its name", "begin with its name: `allow if { … }`"),
    (
        &["switch", "case", "match", "select", "when", "unless"],
        "there is no statement with this word",
        "write the rule once for each case: `level := 1 if { … }`",
    ),
    (
        &["print", "echo", "log", "assert", "raise", "throw", "require"],
        "there is no statement with this word",
        "in a body stand conditions alone",
    ),
    (
        &["from", "include", "use", "using", "module", "namespace"],
        "there is no statement with this word",
        "write `package spacelift` on the first line; most policies import nothing",
    ),
];

/// What stands between two conditions in other languages.
fn connective(word: &str) -> Option<&'static str> {
    match word {
        "or" | "OR" | "Or" | "xor" => Some(OR),
        "and" | "AND" | "And" => Some(AND),
        _ => None,
    }
}

/// What stands before a condition in other languages, where Rego has `if`.
fn is_condition_word(word: &str) -> bool {
    matches!(
        word,
        "when" | "where" | "while" | "unless" | "iff" | "provided" | "If" | "IF" | "on" | "requires" | "then" | "is" | "for" | "only"
    )
}

impl Told<'_> {
    /// What an author of another language would write where reading stopped.
    pub(super) fn habit(&self, stop: Stop) -> Option<Said> {
        self.foreign_mark(stop)
            .or_else(|| self.foreign_word(stop))
            .or_else(|| self.odd_blank(stop))
            .or_else(|| self.several_conditions(stop))
            .or_else(|| self.no_name(stop))
            .or_else(|| self.comprehension_of_python(stop))
    }

    /// A word that means something in v1 alone, where v0 stopped.
    pub(super) fn old_word(&self, stop: Stop, version: RegoVersion) -> Option<Said> {
        if version == RegoVersion::V1 {
            return None;
        }
        let is_word = |index: &usize| {
            matches!(self.kind(*index), TokenKind::Name(Some(Word::If | Word::In | Word::Every | Word::Contains))) && !self.is_step(*index)
        };
        let at = [stop.at, stop.at + 1, stop.at.saturating_sub(1)].into_iter().find(is_word)?;
        let is_known = (0..at)
            .any(|index| self.kind(index) == TokenKind::Name(Some(Word::Import)) && matches!(self.text(index + 1), "rego" | "future"));
        if is_known {
            return None;
        }
        let word = self.text(at);
        let reason = format!("`{word}` is a name like any other in Rego v0, unless it is imported");
        Some(Said::at(at, reason).hint("add `import rego.v1` below `package`, or leave the version of the policy unstated"))
    }

    /// An operator of another language, of marks that stand together.
    fn foreign_mark(&self, stop: Stop) -> Option<Said> {
        if !matches!(stop.why, Why::Term | Why::Digits | Why::Braces(_) | Why::List(_) | Why::NoRule | Why::Field | Why::Separator(_)) {
            return None;
        }
        let is_mark = |index: usize| {
            let text = self.text(index);
            !text.is_empty() && text.chars().all(|next| next.is_ascii_punctuation() && !"\"`_()[]{}#$,;'".contains(next))
        };
        let reaches = |index: usize| index == 0 || !(is_mark(index) && is_mark(index - 1) && self.is_glued(index));
        let from = (0..=stop.at).rev().find(|index| reaches(*index))?;
        // At the beginning of what is no mark itself, the marks may be behind it: a statement is read as far as it can be.
        let from = if is_mark(from) { from } else { stop.at };
        let to = (from + 1..self.tokens.len()).take_while(|index| is_mark(*index) && self.is_glued(*index)).last()?;
        let written = self.excerpt(from, to);
        let (mark, reason, hint) = MARKS.iter().filter(|(mark, ..)| written.starts_with(mark)).max_by_key(|(mark, ..)| mark.len())?;
        let to = (from..=to).find(|to| self.excerpt(from, *to).len() >= mark.len())?;
        let hint = if *hint == AND && self.bare_if(from).is_some() { BARE_AND } else { hint };
        Some(Said::at(from, *reason).to(to).hint(hint))
    }

    fn foreign_word(&self, stop: Stop) -> Option<Said> {
        let at = stop.at;
        let (here, before) = (self.text(at), at.checked_sub(1).map_or("", |before| self.text(before)));
        let is_here = self.is_name(at) && !self.is_step(at);
        let joined = |at: usize, word: &str, hint: &'static str| {
            let hint = if hint == AND && self.bare_if(at).is_some() { BARE_AND } else { hint };
            Some(Said::at(at, format!("Rego has no `{word}`")).hint(hint))
        };
        if is_here && let Some(hint) = connective(here) {
            return joined(at, here, hint);
        }
        if stop.why == Why::If
            && let Some(hint) = connective(before)
        {
            return joined(at - 1, before, hint);
        }
        let not = if here == "in" && before == "not" {
            at.checked_sub(1)
        } else {
            Some(at).filter(|_| here == "not" && self.text(at + 1) == "in")
        };
        if let Some(not) = not {
            return Some(Said::at(not, "`not` stands before the whole condition").to(not + 1).hint("write `not … in …`"));
        }
        let is_elif = |word: &str| matches!(word, "elif" | "elsif" | "elseif" | "elsif_");
        let elif =
            [at, at.saturating_sub(1)].into_iter().chain([self.line_start(at), self.line_start(at) + 1]).find(|at| is_elif(self.text(*at)));
        if let Some(elif) = elif {
            let word = self.text(elif);
            return Some(
                Said::at(elif, format!("Rego has no `{word}`")).hint("write `else := value if { … }`, or `else if { … }` for `true`"),
            );
        }
        // `for x in xs`: the word is a statement to Rego, and what follows it is one too many. Of a rule, it is the rule's name.
        let is_of_rules = matches!(stop.why, Why::NoRule | Why::NothingRule | Why::BuiltinRule | Why::NoPackage);
        let words = [self.statement_word(at), Some(at).filter(|at| is_of_rules && self.is_name(at + 1))];
        words.into_iter().flatten().find_map(|opener| {
            let word = self.text(opener);
            let (_, reason, hint) = OPENERS.iter().find(|(words, ..)| words.contains(&word))?;
            Some(Said::at(opener, format!("`{word}`: {reason}")).hint(*hint))
        })
    }

    /// The word that a statement begins with which something else follows on its line.
    fn statement_word(&self, at: usize) -> Option<usize> {
        let first = at.checked_sub(1)?;
        let begins = self.begins_line(first)
            || matches!(
                self.kind(first.checked_sub(1)?),
                TokenKind::LeftBrace | TokenKind::Semicolon | TokenKind::Name(Some(Word::If)) | TokenKind::Bar
            );
        (self.is_name(first) && begins && !self.begins_line(at)).then_some(first)
    }

    /// A blank that takes apart what belongs together, or one that is missing.
    fn odd_blank(&self, stop: Stop) -> Option<Said> {
        let at = stop.at;
        let before = at.checked_sub(1)?;
        let is_in = |at: usize| {
            self.kind(at) == TokenKind::Name(Some(Word::In)) && self.is_glued(at + 1) && self.kind(at + 1) == TokenKind::LeftBrack
        };
        let of_index = if let Why::Index(open) = stop.why { open.checked_sub(1) } else { None };
        if let Some(at) = [of_index, Some(at)].into_iter().flatten().find(|at| is_in(*at)) {
            let reason = "`in` is a name here, because a `[` follows it without a blank";
            return Some(Said::at(at, reason).hint("put a blank behind `in`"));
        }
        let can_be_stepped = self.is_name(before) || matches!(self.kind(before), TokenKind::RightBrack | TokenKind::RightParen);
        if self.begins_line(at) || !can_be_stepped || !matches!(stop.why, Why::Separator(_) | Why::NoRule | Why::Term | Why::List(_)) {
            return None;
        }
        let word = self.text(before);
        match self.kind(at) {
            TokenKind::LeftParen if self.is_name(before) && !self.is_glued(at) => {
                let reason = format!("a blank stands between `{word}` and its arguments");
                Some(Said::at(at, reason).hint(format!("write `{word}(…)`")))
            }
            TokenKind::LeftBrack if !self.is_glued(at) => {
                Some(Said::at(at, "a blank stands before the `[` that takes something out of a value").hint("write `x[…]`"))
            }
            TokenKind::Dot if !self.is_glued(at) => {
                Some(Said::at(at, "a blank stands before the `.` that takes a field").hint("write `x.name`"))
            }
            TokenKind::String if self.is_name(before) && self.is_glued(at) => Some(
                Said::at(at, format!("no `{word}` stands before a text"))
                    .from(before)
                    .hint("a text with expressions in it is `$\"… {x} …\"`"),
            ),
            _ => None,
        }
    }

    /// Whether a value can end with this token.
    fn ends_value(&self, at: usize) -> bool {
        match self.kind(at) {
            TokenKind::Name(word) => {
                matches!(word, None | Some(Word::True | Word::False | Word::Null | Word::Contains)) || self.is_step(at)
            }
            TokenKind::Number | TokenKind::String | TokenKind::RawString | TokenKind::Template { last: true, .. } => true,
            TokenKind::RightBrack | TokenKind::RightBrace | TokenKind::RightParen => true,
            _ => false,
        }
    }

    /// More than one condition behind an `if` without braces.
    fn several_conditions(&self, stop: Stop) -> Option<Said> {
        let at = stop.at;
        let is_of_rules = matches!(
            stop.why,
            Why::NoRule
                | Why::NothingRule
                | Why::BuiltinRule
                | Why::Contains
                | Why::Term
                | Why::Semicolon
                | Why::BodyBehindElse
                | Why::If
                | Why::KeywordRule
        );
        if !is_of_rules || self.brackets.around(at).is_some() || self.kind(at) == TokenKind::Name(Some(Word::If)) {
            return None;
        }
        if self.kind(at) == TokenKind::Comma || self.kind(at) == TokenKind::Semicolon {
            let mark = self.text(at);
            let is_last = self.begins_line(at + 1) || self.kind(at + 1) == TokenKind::End;
            return if self.bare_if(at).is_some() && !is_last {
                Some(Said::at(at, format!("`{mark}` ends the condition: without braces, one alone stands behind `if`")).hint(BRACES))
            } else if stop.why == Why::Term || stop.why == Why::Semicolon {
                Some(Said::at(at, format!("no `{mark}` stands outside of bodies")).hint(format!("take the `{mark}` away")))
            } else {
                None
            };
        }
        let begins = stop.why != Why::Term || at.checked_sub(1).is_some_and(|before| self.ends_value(before));
        let is_continued = begins && (self.place(at).col > 1 || !self.begins_line(at));
        if is_continued && stop.why != Why::If && self.bare_if(at).is_some() {
            let reason = "without braces, one condition alone stands behind `if`, and this is another";
            return Some(Said::at(at, reason).hint(BRACES));
        }
        None
    }

    /// The `if` without braces that a token comes after, before which no line begins at the margin.
    fn bare_if(&self, at: usize) -> Option<usize> {
        let found = (0..at).rev().find(|index| {
            let is_margin = self.begins_line(*index) && self.place(*index).col == 1;
            self.kind(*index) == TokenKind::Name(Some(Word::If)) || is_margin
        })?;
        (self.kind(found) == TokenKind::Name(Some(Word::If)) && self.kind(found + 1) != TokenKind::LeftBrace).then_some(found)
    }

    /// A head that is followed by what is no part of one.
    fn no_name(&self, stop: Stop) -> Option<Said> {
        if !matches!(stop.why, Why::NoRule | Why::Term | Why::NothingRule | Why::Contains) || self.brackets.around(stop.at).is_some() {
            return None;
        }
        // What stands behind a head that could be a fact is what is no rule.
        let first = self.line_start(stop.at);
        let at = if self.is_name(first) && self.head_end(first) + 1 == stop.at { first } else { stop.at };
        if !self.is_name(at) || (stop.why != Why::NoRule && at == stop.at) {
            return None;
        }
        let end = self.head_end(at);
        let next = end + 1;
        let name = &*self.excerpt(at, end);
        if name == "contains" && !self.begins_line(next) {
            return Some(Said::at(at, "before `contains` the name of a set is missing").hint("write `team contains … if …`"));
        }
        if self.kind(next) == TokenKind::Minus && (self.is_glued(next) || self.is_glued(next + 1)) && self.is_name(next + 1) {
            let mut to = next + 1;
            while self.kind(to + 1) == TokenKind::Minus && self.is_glued(to + 1) && self.is_name(to + 2) {
                to += 2;
            }
            let written = self.excerpt(at, to);
            return Some(Said::at(at, "a name has no `-`").to(to).hint(format!("write `{}`", written.replace('-', "_").replace(' ', ""))));
        }
        if self.begins_line(next) || self.kind(next) == TokenKind::End {
            return None;
        }
        if self.kind(next) == TokenKind::Colon {
            return Some(Said::at(next, format!("no `:` stands behind the name of a rule, `{name}`")).hint(format!("write `{name} := …`")));
        }
        if self.kind(next) == TokenKind::Equal {
            return Some(
                Said::at(next, "`==` compares, and outside of a body there is nothing to compare")
                    .hint(format!("write `{name} := …` for a value, `{name} if …` for a condition")),
            );
        }
        let word = self.text(next);
        if let Some(head) = name.strip_suffix("if").filter(|head| head.ends_with(|last: char| last.is_ascii_alphanumeric() || last == ']'))
        {
            return Some(Said::at(at, "before `if` a blank is missing").to(end).hint(format!("write `{head} if …`")));
        }
        if self.is_name(next) && word.len() > 2 && word.starts_with("if") {
            return Some(
                Said::at(next, "behind `if` a blank is missing").hint(format!("write `{name} if {}`", word.trim_start_matches("if"))),
            );
        }
        if is_condition_word(word) {
            let not = if word == "unless" { " not" } else { "" };
            return Some(Said::at(next, format!("Rego has no `{word}`")).hint(format!("write `{name} if{not} …`")));
        }
        if matches!(
            self.kind(next),
            TokenKind::Name(None | Some(Word::Not | Word::True | Word::False | Word::Null | Word::Some | Word::Every))
                | TokenKind::String
                | TokenKind::RawString
                | TokenKind::Number
        ) {
            return Some(
                Said::at(next, format!("between `{name}` and what follows it something is missing"))
                    .hint(format!("write `{name} if …` if it is a condition, `{name} := …` if it is a value")),
            );
        }
        None
    }

    /// `[x for x in xs]`
    fn comprehension_of_python(&self, stop: Stop) -> Option<Said> {
        let is_list = matches!(stop.why, Why::List(_) | Why::Braces(_) | Why::Paren(_) | Why::Separator(_));
        if !is_list || self.text(stop.at) != "for" || self.brackets.around(stop.at).is_none() {
            return None;
        }
        Some(Said::at(stop.at, "Rego has no `for`").hint("write what is collected, then `|`, then the conditions: `[x | some x in xs]`"))
    }

    /// What is no token of Rego.
    pub(super) fn bad(&self, bad: Bad, at: usize) -> Said {
        let text = self.text(at);
        match bad {
            Bad::UnclosedString => {
                let said = Said::at(at, "the text is not closed on its line");
                if let Some(open) = self.open_template(at) {
                    return Said::at(open, "the braces of the expression in this `$\"…\"` are not closed")
                        .hint("close them with `}` before the quote");
                }
                said.hint("put a `\"` at its end; a text of several lines stands in backquotes: `` `…` ``")
            }
            Bad::UnclosedRaw => Said::at(at, "the backquote is never closed").hint("put a `` ` `` at the end of the text"),
            Bad::Escape => {
                let said = Said::at(at, format!("`{text}` means nothing in a text of double quotes"));
                let written = self.around_escape(at).filter(|inner| !inner.contains('`')).unwrap_or(text);
                said.hint(format!("write a pattern in backquotes, where a backslash stands for itself: `` `{written}` ``"))
            }
            Bad::UnicodeEscape => Said::at(at, "`\\u` wants four hexadecimal digits").hint("as in `\\u00e9`"),
            Bad::Control => Said::at(at, "a text that has escapes may not have a tab or another control character as it is")
                .hint("write a tab as `\\t`"),
            Bad::Fraction => Said::at(at, "a point in a number wants a digit behind it").hint(
                if text.ends_with('.') && self.kind(at + 1) == TokenKind::Dot {
                    "the numbers from 1 to 5 are `numbers.range(1, 5)`"
                } else {
                    "write `1.0`, or `1`"
                },
            ),
            Bad::Exponent => Said::at(at, "an exponent wants a digit").hint("as in `1e3`"),
            Bad::Number => {
                let said = Said::at(at, format!("`{text}` is neither a number nor a name"));
                if text.contains('_') {
                    said.hint("write a number without `_`")
                } else {
                    said.hint("a name does not begin with a digit; a text stands in double quotes")
                }
            }
            Bad::Bang => Said::at(at, "Rego has no `!`").hint(NOT),
            Bad::Dollar => Said::at(at, "a `$` stands only before a text that has expressions in it")
                .hint("write `$\"… {x} …\"` for that, or the name without the `$`"),
            Bad::Forbidden => Said::at(at, "a character stands here that no policy may have")
                .hint("take it away: it is a NUL or a byte order mark, and is not seen"),
            Bad::Strange => self.strange(at),
        }
    }

    /// The text in quotes that an escape stands in.
    fn around_escape(&self, at: usize) -> Option<&str> {
        let before = at.checked_sub(1)?;
        let line = self.source.text.get(self.place(before).end as usize..)?.lines().next()?;
        let (_, quoted) = line.split_once('"')?;
        let mut is_escaped = false;
        let end = quoted.find(|next| {
            let ends = next == '"' && !is_escaped;
            is_escaped = next == '\\' && !is_escaped;
            ends
        })?;
        quoted.get(..end)
    }

    /// The template whose expression a string stands in.
    fn open_template(&self, at: usize) -> Option<usize> {
        let open = self.brackets.around(at)?;
        matches!(self.kind(open), TokenKind::Template { .. }).then_some(open)
    }

    fn strange(&self, at: usize) -> Said {
        let character = self.text(at);
        match character {
            "'" => {
                let place = self.place(at);
                let rest = self.source.text.get(place.end as usize..).unwrap_or_default();
                let line = rest.lines().next().unwrap_or_default();
                let said = Said::at(at, "a text stands in double quotes, not in `'`");
                match line.split_once('\'') {
                    Some((text, _)) if !text.contains(['"', '\\']) => said.hint(format!("write `\"{text}\"`")),
                    _ => said.hint("write `\"` at both ends"),
                }
            }
            "“" | "”" | "„" | "‟" | "«" | "»" | "‘" | "’" | "‚" | "″" | "′" => {
                Said::at(at, format!("`{character}` is a typographic quote")).hint("write a text in plain double quotes: `\"…\"`")
            }
            "?" => Said::at(at, "Rego has no `?`").hint("write `value := a if { … } else := b` for a choice"),
            "@" | "~" | "^" | "\\" => Said::at(at, format!("`{character}` means nothing in Rego")).hint("a text stands in double quotes"),
            "–" | "—" | "−" => Said::at(at, format!("`{character}` is a dash and no minus sign")).hint("write `-`"),
            "\u{a0}" | "\u{202f}" | "\u{2007}" | "\u{3000}" | "\u{2003}" | "\u{2002}" | "\u{2009}" | "\u{200b}" => {
                Said::at(at, "a blank of another kind stands here, which cannot be told from a plain one by eye")
                    .hint("write a plain blank in its place")
            }
            _ => Said::at(at, format!("`{character}` can stand only in a text or in a comment"))
                .hint("names are made of the letters `a` to `z`, digits and `_`"),
        }
    }
}
