//! How far a text has been read, and what its parts come to.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::lexer::{Token, TokenKind, TokenPlace, Word};
use super::super::tree::{ExprRef, Query, Source, Span};
use crate::model::RegoVersion;

/// Brackets within brackets.
pub(in super::super) const NESTED_MAX: u32 = 100;
/// Expressions within expressions; an operator's left side is in it. Bounds whoever walks through a tree.
pub(in super::super) const DEPTH_MAX: u32 = 250;
/// Digits of all numbers together that a machine's number does not hold: each costs its square.
pub(super) const DIGITS_MAX: u64 = 100_000;

/// Where a text cannot be read on, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Stop {
    /// The token's number.
    pub(in super::super) at: usize,
    pub(in super::super) why: Why,
}

/// What is wrong at a token. Numbers are those of brackets that are open there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Why {
    /// Something that has a value ought to begin here.
    Term,
    /// The next statement of a body, or its end.
    Separator(Option<usize>),
    /// A body has no statement.
    EmptyBody,
    /// `,` or the end of a list.
    List(usize),
    /// The `:` behind an object's key.
    Colon(usize),
    /// The end of a set, or of an object.
    Braces(usize),
    /// `)`
    Paren(usize),
    /// `]`
    Index(usize),
    /// The name behind a `.`.
    Field,
    /// Fields of what has none.
    NoFields,
    /// The number behind a minus, or a point.
    Digits,
    LeadingZero,
    TooBig,
    TooManyDigits,
    TooDeep,
    /// `some` without names, or with something that is no loop.
    Some,
    /// `every` without `x in xs`.
    Every,
    EveryVariable,
    EveryBody,
    NegatedSome,
    NegatedEvery,
    WithTarget,
    WithAs,
    /// `$"…"` is of v1 alone, whatever is imported.
    TemplateOfV1,
    /// What stands in a template's braces gives no value.
    TemplateValue,
    TemplateWith,
    /// The end of a template's expression.
    TemplateEnd(usize),
    /// `and` or `or` that an import has made operators.
    Logical,
    /// `not { … }` that an import has made a body.
    NotBody,
    NoPackage,
    SecondPackage,
    PackagePath,
    ImportPath,
    ImportRoot,
    ImportKeyword,
    ImportFuture,
    ImportRego,
    ImportAlias,
    /// The value behind a head's `:=`, `=` or `contains`.
    HeadValue,
    FunctionContains,
    Else,
    ElseBody,
    ElseOfSet,
    ElseOfVariable,
    BodyBehindElse,
    DefaultWithoutValue,
    DefaultValue,
    DefaultArgument,
    /// Statements that `;` divides, outside of a body.
    Semicolon,
    /// What stands where a rule ought to is none.
    NoRule,
    /// A rule that is called as a builtin is.
    BuiltinRule,
    /// A function without arguments.
    NoArguments,
    /// In Rego v0, `if`, `in` or `every` is a name.
    WordOfV1,
    /// Of Rego v1: a rule's name is a keyword.
    KeywordRule,
    /// Of Rego v1: a rule has neither a value nor a body.
    NothingRule,
    /// Of Rego v1: a body without `if`.
    If,
    /// Of Rego v1: a set without `contains`.
    Contains,
}

pub(in super::super) type Found<T> = Result<T, Stop>;

/// A text that is being read.
pub(super) struct Parser<'t> {
    pub(super) source: &'t Arc<Source>,
    pub(super) tokens: &'t [Token],
    pub(super) here: Here,
    pub(super) version: RegoVersion,
    pub(super) keywords: Keywords,
    /// Whether rules have to be as v1 wants them.
    pub(super) rego_v1: bool,
    /// What v1 has against rules; an import may still bring it in.
    pub(super) complaints: Vec<Stop>,
    /// Words that only v1, or an import, makes keywords, where they are names.
    pub(super) plain_words: Vec<usize>,
    pub(super) nested: u32,
    pub(super) digits: u64,
    /// What each bracket was found to begin, and the token behind it.
    pub(super) terms: HashMap<usize, Found<(ParsedTerm, usize)>>,
}

/// How far the text has been read.
#[derive(Clone, Copy)]
pub(super) struct Here {
    pub(super) pos: usize,
    /// A keyword that is a name here, because a step follows it: `if.x`, `not["x"]`.
    pub(super) named: Option<usize>,
}

/// Words that imports, or the version, have made keywords.
#[expect(clippy::struct_excessive_bools, reason = "each word may be one by itself")]
#[derive(Clone, Copy, Default)]
pub(super) struct Keywords {
    /// All of `in`, `every`, `contains` and `if`.
    pub(super) future: bool,
    pub(super) r#in: bool,
    pub(super) every: bool,
    pub(super) contains: bool,
    pub(super) r#if: bool,
    pub(super) and: bool,
    pub(super) or: bool,
    /// `not` may have a body.
    pub(super) not: bool,
}

impl Keywords {
    pub(super) fn has(self, word: Word) -> bool {
        match word {
            Word::Package
            | Word::Import
            | Word::As
            | Word::Default
            | Word::Else
            | Word::Not
            | Word::Some
            | Word::With
            | Word::Null
            | Word::True
            | Word::False => true,
            Word::In => self.future || self.r#in || self.every,
            Word::Every => self.future || self.every,
            Word::Contains => self.future || self.contains,
            Word::If => self.future || self.r#if,
            Word::And => self.and,
            Word::Or => self.or,
        }
    }
}

/// Ways through the tokens.
impl Parser<'_> {
    pub(super) fn stop<T>(&self, why: Why) -> Found<T> {
        Err(Stop { at: self.here.pos, why })
    }

    pub(super) fn at(&self, index: usize) -> Token {
        let end = Token { kind: TokenKind::End, place: TokenPlace { line: 1, col: 1, start: 0, end: 0 }, spaced: false, newline: false };
        self.tokens.get(index).or_else(|| self.tokens.last()).copied().unwrap_or(end)
    }

    pub(super) fn token(&self) -> Token {
        self.at(self.here.pos)
    }

    pub(super) fn raw_kind(&self) -> TokenKind {
        self.token().kind
    }

    /// The token's kind, as keywords are here: a word that is none is a name without one.
    pub(super) fn kind(&self) -> TokenKind {
        match self.raw_kind() {
            TokenKind::Name(Some(word)) if self.here.named != Some(self.here.pos) && self.keywords.has(word) => TokenKind::Name(Some(word)),
            TokenKind::Name(_) => TokenKind::Name(None),
            other => other,
        }
    }

    pub(super) fn is_word(&self, word: Word) -> bool {
        self.kind() == TokenKind::Name(Some(word))
    }

    pub(super) fn is_plain_name(&self) -> bool {
        self.kind() == TokenKind::Name(None)
    }

    pub(super) fn bump(&mut self) {
        if self.here.pos + 1 < self.tokens.len() {
            self.here = Here { pos: self.here.pos + 1, named: None };
        }
    }

    /// Whether the token begins a step: `.`, `[`.
    pub(super) fn is_step(&self) -> bool {
        matches!(self.raw_kind(), TokenKind::Dot | TokenKind::LeftBrack)
    }

    /// Whether the next token is a step of this one.
    pub(super) fn is_step_next(&self) -> bool {
        let next = self.at(self.here.pos + 1);
        matches!(next.kind, TokenKind::Dot | TokenKind::LeftBrack) && !next.spaced
    }

    pub(super) fn is_keyword_of_version(&self, word: Word) -> bool {
        Keywords { future: self.version == RegoVersion::V1, ..Keywords::default() }.has(word)
    }

    /// Takes a keyword that a step follows for a name.
    pub(super) fn name_if_stepped(&mut self) -> bool {
        let is = matches!(self.kind(), TokenKind::Name(Some(_))) && self.is_step_next();
        if is {
            self.here.named = Some(self.here.pos);
        }
        is
    }

    pub(super) fn span_of(&self, index: usize) -> Span {
        self.span(self.at(index).place)
    }

    /// From a token to the last that has been read.
    pub(super) fn span_from(&self, first: usize) -> Span {
        self.span(self.at(first).place.to(self.at(self.here.pos.saturating_sub(1).max(first)).place))
    }

    pub(super) fn span(&self, place: TokenPlace) -> Span {
        let TokenPlace { line, col, start, end } = place;
        Span { source: self.source.clone(), line, col, start, end }
    }

    /// Reads what is in brackets, which are nested to a bound.
    pub(super) fn nest<T>(&mut self, read: impl FnOnce(&mut Self) -> Found<T>) -> Found<T> {
        if self.nested == NESTED_MAX {
            return self.stop(Why::TooDeep);
        }
        self.nested += 1;
        let found = read(self);
        self.nested -= 1;
        found
    }
}

/// An expression with what its surroundings must know of it.
#[derive(Clone, Debug)]
pub(super) struct ParsedTerm {
    pub(super) expr: ExprRef,
    /// How many are in one another.
    pub(super) depth: u32,
}

impl ParsedTerm {
    /// How deep what holds these is.
    pub(super) fn around<'a>(terms: impl IntoIterator<Item = &'a Self>) -> u32 {
        terms.into_iter().map(|term| term.depth).max().unwrap_or(0) + 1
    }
}

/// Whether `k, x in xs` may stand here, which takes a comma.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Comma {
    OfMembership,
    OfList,
}

/// Statements with how deep the expressions in them are.
pub(super) struct ParsedBody {
    pub(super) query: Arc<Query>,
    pub(super) depth: u32,
}
