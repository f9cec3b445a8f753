//! Regular expressions as OPA reads them.
//!
//! OPA's syntax is RE2's (<https://github.com/google/re2/wiki/Syntax>), as Go has it. Ours differs in what can decide who gets in: its `\d` and
//! `\w` take the digits and letters of all scripts, its brackets hold brackets and differences, it has no `\Q…\E`, and it takes patterns that
//! are errors to OPA. So a pattern is written anew, and what `regex_syntax` then reads in it is held to what RE2 has. What has no equal here
//! is told, and neither guessed nor passed over.

#![expect(clippy::match_same_arms, reason = "each arm has its own reason")]

use std::str::Chars;

use regex_syntax::ast::{self, AssertionKind, Ast, ErrorKind, GroupKind, RepetitionKind, RepetitionRange};

/// Why a pattern is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::policy) enum Odd {
    /// It is an error to OPA, too.
    Wrong,
    /// It means something to OPA that cannot be said here.
    NotTaken(&'static str),
}

/// The most repetitions, those within each other multiplied.
const REPEAT_MAX: u32 = 1000;
/// The scripts with names as long as short names.
const FOUR_LETTERS: [&str; 9] = ["ahom", "cham", "kawi", "lisu", "miao", "modi", "newa", "thai", "toto"];
/// Groups within groups.
const DEPTH_MAX: u32 = 50;

/// The pattern in the words of `regex`.
///
/// # Errors
/// What is odd about it.
pub(in crate::policy) fn translate(pattern: &str) -> Result<String, Odd> {
    let mut writer = PatternWriter { rest: pattern.chars(), out: String::with_capacity(pattern.len() * 2) };
    writer.write()?;
    let parsed = ast::parse::ParserBuilder::new().nest_limit(DEPTH_MAX).octal(true).build().parse(&writer.out);
    repeats(&parsed.map_err(|error| odd(&error))?)?;
    Ok(writer.out)
}

struct PatternWriter<'a> {
    rest: Chars<'a>,
    out: String,
}

impl PatternWriter<'_> {
    fn write(&mut self) -> Result<(), Odd> {
        while let Some(character) = self.rest.next() {
            match character {
                '[' => self.class()?,
                '\\' if self.skip("Q") => {
                    let (quoted, after) = self.rest.as_str().split_once("\\E").unwrap_or((self.rest.as_str(), ""));
                    regex_syntax::escape_into(quoted, &mut self.out);
                    self.rest = after.chars();
                }
                '\\' => drop(self.escape(["[0-9]", "[\\t\\n\\f\\r ]", "[0-9A-Za-z_]"])?),
                // No flags at all; ours wants one.
                '(' if self.skip("?)") => self.out.push_str("(?-x)"),
                // Flags that RE2 has not.
                '(' if self
                    .rest
                    .as_str()
                    .strip_prefix('?')
                    .is_some_and(|flags| flags.trim_start_matches(['i', 'm', 's', 'U', '-']).starts_with(['u', 'x', 'R'])) =>
                {
                    return Err(Odd::Wrong);
                }
                '{' if !is_repetition(self.rest.as_str()) => self.out.push_str("\\{"),
                other => self.out.push(other),
            }
        }
        Ok(())
    }

    /// Goes past a text, if it is next.
    fn skip(&mut self, text: &str) -> bool {
        let after = self.rest.as_str().strip_prefix(text).map(str::chars);
        after.map(|after| self.rest = after).is_some()
    }

    /// Takes over as many characters as fit, at most so many.
    fn copy(&mut self, most: usize, fits: fn(&char) -> bool) {
        let taken: String = self.rest.clone().take(most).take_while(fits).collect();
        self.skip(&taken);
        self.out.push_str(&taken);
    }

    /// What follows a backslash: whether it stands for one character. The classes are what `\d`, `\s` and `\w` stand for.
    fn escape(&mut self, [digits, blanks, letters]: [&str; 3]) -> Result<bool, Odd> {
        let class = match self.rest.next().ok_or(Odd::Wrong)? {
            'd' => digits,
            's' => blanks,
            'w' => letters,
            'D' => "[^0-9]",
            'S' => "[^\\t\\n\\f\\r ]",
            'W' => "[^0-9A-Za-z_]",
            'b' => "(?-u:\\b)",
            'B' => return Err(Odd::NotTaken("`\\B`")),
            kind @ ('p' | 'P') => return self.property(kind).map(|()| false),
            'u' | 'U' => return Err(Odd::Wrong),
            // These would begin and end a word.
            mark @ ('<' | '>') => {
                self.out.push(mark);
                return Ok(true);
            }
            other => {
                self.out.extend(['\\', other]);
                match other {
                    'x' if self.rest.as_str().starts_with('{') => {
                        let (digits, after) = self.rest.as_str().split_once('}').ok_or(Odd::Wrong)?;
                        self.out.extend([digits, "}"]);
                        self.rest = after.chars();
                    }
                    'x' => self.copy(2, |_| true),
                    // A single digit would be a group that was found before.
                    '1'..='7' if !self.rest.as_str().starts_with(|next| matches!(next, '0'..='7')) => return Err(Odd::Wrong),
                    '0'..='7' => self.copy(2, |character| matches!(character, '0'..='7')),
                    _ => {}
                }
                return Ok(true);
            }
        };
        self.out.push_str(class);
        Ok(false)
    }

    /// `\pL`, `\p{Greek}`, `\p{^Greek}`: a general category or a script, by the names that Go knows.
    fn property(&mut self, mut kind: char) -> Result<(), Odd> {
        let name = if self.skip("{") {
            if self.skip("^") {
                kind = if kind == 'p' { 'P' } else { 'p' };
            }
            let (name, after) = self.rest.as_str().split_once('}').ok_or(Odd::Wrong)?;
            self.rest = after.chars();
            name.to_owned()
        } else {
            self.rest.next().ok_or(Odd::Wrong)?.to_string()
        };
        let plain = name.replace([' ', '-', '_'], "").to_ascii_lowercase();
        if !plain.chars().all(|character| character.is_ascii_alphanumeric()) {
            return Err(Odd::Wrong);
        }
        if ["cs", "surrogate"].contains(&plain.as_str()) {
            return Err(Odd::NotTaken("halves of characters"));
        }
        // Of scripts, Go finds those whose names are one word, and not by their short names, which have four letters.
        let is_short = plain.len() == 4 && !FOUR_LETTERS.contains(&plain.as_str());
        let is_script = !is_short && plain != "signwriting" && plain.len() == name.len();
        let tables = if is_script { &["gc", "sc"][..] } else { &["gc"] };
        let mut classes = tables.iter().map(|table| format!("\\{kind}{{{table}={plain}}}"));
        self.out.push_str(&classes.find(|class| regex_syntax::parse(class).is_ok()).ok_or(Odd::Wrong)?);
        Ok(())
    }

    /// A class, its first bracket read.
    fn class(&mut self) -> Result<(), Odd> {
        self.out.push('[');
        if self.skip("^") {
            self.out.push('^');
        }
        let mut first = true;
        loop {
            match self.rest.next().ok_or(Odd::Wrong)? {
                ']' if !first => break,
                '[' if self.named_class()? => {}
                item => {
                    let is_range = self.item(item)? && self.rest.as_str().starts_with('-') && !self.rest.as_str().starts_with("-]");
                    if is_range && self.skip("-") {
                        self.out.push('-');
                        let end = self.rest.next().ok_or(Odd::Wrong)?;
                        if !self.item(end)? {
                            return Err(Odd::Wrong);
                        }
                    }
                }
            }
            first = false;
        }
        self.out.push(']');
        Ok(())
    }

    /// What a class holds: whether it is one character.
    fn item(&mut self, item: char) -> Result<bool, Odd> {
        match item {
            '\\' if self.rest.as_str().starts_with('b') => return Err(Odd::Wrong),
            '\\' => return self.escape(["0-9", "\\t\\n\\f\\r ", "0-9A-Za-z_"]),
            '[' | ']' | '^' | '-' | '&' | '~' => self.out.extend(['\\', item]),
            _ => self.out.push(item),
        }
        Ok(true)
    }

    /// `[:alpha:]`, its first bracket read; nothing is read of anything else.
    fn named_class(&mut self) -> Result<bool, Odd> {
        let Some((name, after)) = self.rest.as_str().strip_prefix(':').and_then(|rest| rest.split_once(":]")) else { return Ok(false) };
        ast::ClassAsciiKind::from_name(name.strip_prefix('^').unwrap_or(name)).ok_or(Odd::Wrong)?;
        self.out.extend(["[:", name, ":]"]);
        self.rest = after.chars();
        Ok(true)
    }
}

/// `2}`, `2,}` or `2,3}`; a brace before anything else is a brace.
fn is_repetition(rest: &str) -> bool {
    let is_number =
        |text: &str| text == "0" || !text.starts_with('0') && !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    rest.split_once('}').is_some_and(|(bounds, _)| match bounds.split_once(',') {
        None => is_number(bounds),
        Some((least, most)) => is_number(least) && (most.is_empty() || is_number(most)),
    })
}

/// The most repetitions in a pattern, in which there is nothing that RE2 has not.
fn repeats(pattern: &Ast) -> Result<u32, Odd> {
    let most = |parts: &[Ast]| parts.iter().try_fold(1, |most, part| Ok(repeats(part)?.max(most)));
    match pattern {
        Ast::Assertion(assertion) => match assertion.kind {
            AssertionKind::StartLine | AssertionKind::EndLine | AssertionKind::StartText | AssertionKind::EndText => Ok(1),
            AssertionKind::WordBoundary => Ok(1),
            _ => Err(Odd::NotTaken("an edge of a word that is written otherwise than `\\b`")),
        },
        Ast::Repetition(repetition) => {
            if matches!(*repetition.ast, Ast::Repetition(_)) {
                return Err(Odd::Wrong);
            }
            let within = repeats(&repetition.ast)?;
            let times = match &repetition.op.kind {
                RepetitionKind::ZeroOrOne | RepetitionKind::ZeroOrMore | RepetitionKind::OneOrMore => return Ok(within),
                RepetitionKind::Range(RepetitionRange::Exactly(times) | RepetitionRange::Bounded(_, times)) => *times,
                RepetitionKind::Range(RepetitionRange::AtLeast(times)) => (*times).max(1),
            };
            match within.saturating_mul(times) {
                // Its groups would not be there.
                0 => Err(Odd::NotTaken("a repetition of no times")),
                repeats if repeats > REPEAT_MAX => Err(Odd::Wrong),
                repeats => Ok(repeats),
            }
        }
        Ast::Group(group) => match &group.kind {
            GroupKind::CaptureName { name, .. } if !name.name.chars().all(is_word) => Err(Odd::Wrong),
            GroupKind::CaptureName { .. } | GroupKind::CaptureIndex(_) | GroupKind::NonCapturing(_) => repeats(&group.ast),
        },
        Ast::Alternation(alternation) => most(&alternation.asts),
        Ast::Concat(concat) => most(&concat.asts),
        Ast::Empty(_) | Ast::Flags(_) | Ast::Literal(_) | Ast::Dot(_) => Ok(1),
        Ast::ClassUnicode(_) | Ast::ClassPerl(_) | Ast::ClassBracketed(_) => Ok(1),
    }
}

fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

/// What RE2 takes of what cannot be read here.
fn odd(error: &ast::Error) -> Odd {
    let (before, at) = error.pattern().split_at_checked(error.span().start.offset).unwrap_or_default();
    match error.kind() {
        ErrorKind::NestLimitExceeded(_) => Odd::NotTaken("groups nested deeper than 50"),
        ErrorKind::FlagDuplicate { .. } => Odd::NotTaken("a flag that is given twice"),
        ErrorKind::GroupNameDuplicate { .. } => Odd::NotTaken("two groups of one name"),
        ErrorKind::GroupNameInvalid if before.ends_with('<') && at.starts_with(is_word) => {
            Odd::NotTaken("a group whose name begins with a digit")
        }
        ErrorKind::RepetitionMissing if before.ends_with(')') => Odd::NotTaken("a repetition after flags"),
        ErrorKind::EscapeHexInvalid if at.split('}').next().is_some_and(is_half) => Odd::NotTaken("halves of characters"),
        _ => Odd::Wrong,
    }
}

/// Whether a number is that of one of the two that make a character in UTF-16.
fn is_half(digits: &str) -> bool {
    u32::from_str_radix(digits.trim_start_matches('{'), 16).is_ok_and(|number| (0xd800..0xe000).contains(&number))
}
