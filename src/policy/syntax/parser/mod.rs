//! Makes the [author's tree](super::tree) of a text. Takes what OPA's parser takes and refuses what it refuses, in Rego v0 and v1.
//!
//! OPA decides what a `{` begins by trying: a body behind `if` is first read as a literal, a comprehension's term first as an item. So does
//! this, and keeps what each bracket was found to be: however often its surroundings are tried, it is read once.
//!
//! Nothing is said here but where it cannot go on, and what was wanted there. What that means for an author is found out by
//! [`mistakes`](super::mistakes).

mod rules;
mod statements;
mod terms;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use self::terms::Term;
use super::lexer::{Kind, Place, Token, Word};
use super::tree::{Import, Module, Package, Source, Span};
use crate::model::RegoVersion;

/// Brackets within brackets.
pub(super) const NESTED_MAX: u32 = 100;
/// Expressions within expressions; an operator's left side is in it. Bounds whoever walks through a tree.
pub(super) const DEPTH_MAX: u32 = 250;
/// Digits of all numbers together that a machine's number does not hold: each costs its square.
const DIGITS_MAX: u64 = 100_000;

/// Where a text cannot be read on, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stop {
    /// The token's number.
    pub(super) at: usize,
    pub(super) why: Why,
}

/// What is wrong at a token. Numbers are those of brackets that are open there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
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

pub(super) type Found<T> = Result<T, Stop>;

/// Parses a text as a module of this version.
pub(super) fn parse(source: &Arc<Source>, tokens: &[Token], version: RegoVersion) -> Found<Module> {
    let mut parser = Parser {
        source,
        tokens,
        here: Here { pos: 0, named: None },
        version,
        keywords: Keywords { future: version == RegoVersion::V1, ..Keywords::default() },
        rego_v1: version == RegoVersion::V1,
        complaints: Vec::new(),
        plain_words: Vec::new(),
        nested: 0,
        digits: 0,
        terms: HashMap::new(),
    };
    parser.module()
}

pub(super) struct Parser<'t> {
    source: &'t Arc<Source>,
    tokens: &'t [Token],
    here: Here,
    version: RegoVersion,
    keywords: Keywords,
    /// Whether rules have to be as v1 wants them.
    rego_v1: bool,
    /// What v1 has against rules; an import may still bring it in.
    complaints: Vec<Stop>,
    /// Words that only v1, or an import, makes keywords, where they are names.
    plain_words: Vec<usize>,
    nested: u32,
    digits: u64,
    /// What each bracket was found to begin, and the token behind it.
    terms: HashMap<usize, Found<(Term, usize)>>,
}

/// How far the text has been read.
#[derive(Clone, Copy)]
struct Here {
    pos: usize,
    /// A keyword that is a name here, because a step follows it: `if.x`, `not["x"]`.
    named: Option<usize>,
}

/// Words that imports, or the version, have made keywords.
#[expect(clippy::struct_excessive_bools, reason = "each word may be one by itself")]
#[derive(Clone, Copy, Default)]
struct Keywords {
    /// All of `in`, `every`, `contains` and `if`.
    future: bool,
    r#in: bool,
    every: bool,
    contains: bool,
    r#if: bool,
    and: bool,
    or: bool,
    /// `not` may have a body.
    not: bool,
}

impl Keywords {
    fn has(self, word: Word) -> bool {
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

impl Parser<'_> {
    fn module(&mut self) -> Found<Module> {
        let mut package = None;
        let mut imports = Vec::new();
        let mut policy = Vec::new();
        while self.kind() != Kind::End {
            let first = self.here.pos;
            if self.is_word(Word::Package) && !self.is_step_next() {
                let found = self.package()?;
                if package.is_some() {
                    return Err(Stop { at: first, why: Why::SecondPackage });
                }
                package = Some(found);
            } else if package.is_none() {
                return self.stop(Why::NoPackage);
            } else if self.is_word(Word::Import) && !self.is_step_next() {
                imports.push(self.import()?);
            } else {
                policy.push(Arc::new(self.rule()?));
            }
        }
        let Some(package) = package else { return self.stop(Why::NoPackage) };
        if self.rego_v1
            && let Some(complaint) = self.complaints.first()
        {
            return Err(*complaint);
        }
        // OPA takes it: `roles["a"]["b"] if { … }` is two rules to it, of which the first holds always.
        if self.version == RegoVersion::V0
            && let Some(word) = self.plain_words.iter().min()
        {
            return Err(Stop { at: *word, why: Why::WordOfV1 });
        }
        let (rego_v1, not_bodies) = (self.rego_v1, self.keywords.not);
        Ok(Module { source: self.source.clone(), package, imports, policy, rego_v1, not_bodies })
    }

    fn package(&mut self) -> Found<Package> {
        let first = self.here.pos;
        self.bump();
        if !matches!(self.raw_kind(), Kind::Name(_)) {
            return self.stop(Why::PackagePath);
        }
        let refr = self.path(Why::PackagePath)?;
        Ok(Package { span: self.span_from(first), refr: refr.expr })
    }

    fn import(&mut self) -> Found<Import> {
        let first = self.here.pos;
        self.bump();
        if !matches!(self.raw_kind(), Kind::Name(_)) {
            return self.stop(Why::ImportPath);
        }
        let begin = self.here.pos;
        let refr = self.path(Why::ImportPath)?;
        // What stands behind a path has been read when the import is known, and is not yet a keyword for it.
        if let Kind::Name(Some(Word::In | Word::Every | Word::Contains | Word::If | Word::Not | Word::And | Word::Or)) = self.raw_kind() {
            self.here.named = Some(self.here.pos);
        }
        let names: Vec<String> = super::walk::path(&refr.expr).unwrap_or_default().into_iter().map(str::to_owned).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let stop = |why| Err(Stop { at: begin, why });
        let Some(root @ ("data" | "input" | "future" | "rego")) = names.first().copied() else { return stop(Why::ImportRoot) };
        let mut alias = None;
        if self.is_word(Word::As) {
            self.bump();
            if !self.is_plain_name() {
                return self.stop(Why::ImportAlias);
            }
            alias = Some(self.span_of(self.here.pos));
            if matches!(alias.as_ref().map(Span::text), Some("input" | "data")) {
                return self.stop(Why::ImportAlias);
            }
            self.bump();
            if self.is_step() && !self.token().spaced {
                return self.stop(Why::ImportAlias);
            }
        }
        let last = names.last().copied().unwrap_or_default();
        if alias.is_none() && root != "future" && Word::of(last).is_some_and(|word| self.is_keyword_of_version(word)) {
            return stop(Why::ImportKeyword);
        }
        match root {
            "rego" => {
                if names != ["rego", "v1"] {
                    return stop(Why::ImportRego);
                }
                if self.version == RegoVersion::V0 {
                    if alias.is_some() {
                        return stop(Why::ImportRego);
                    }
                    self.keywords.future = true;
                    self.rego_v1 = true;
                }
            }
            "future" => {
                if names.get(1) != Some(&"keywords") || alias.is_some() {
                    return stop(Why::ImportFuture);
                }
                let one = if names.len() == 3 { names.get(2).copied() } else { None };
                self.add_keywords(one).map_err(|()| Stop { at: begin, why: Why::ImportFuture })?;
            }
            _ => {}
        }
        Ok(Import { span: self.span_from(first), refr: refr.expr, r#as: alias })
    }

    fn add_keywords(&mut self, one: Option<&str>) -> Result<(), ()> {
        let keywords = &mut self.keywords;
        match one {
            None => *keywords = Keywords { future: true, and: true, or: true, not: true, ..*keywords },
            Some("in") => keywords.r#in = true,
            Some("every") => keywords.every = true,
            Some("contains") => keywords.contains = true,
            Some("if") => keywords.r#if = true,
            Some("and") => keywords.and = true,
            Some("or") => keywords.or = true,
            Some("not") => keywords.not = true,
            Some(_) => return Err(()),
        }
        Ok(())
    }

    /// A path of names, of a package or an import. Its first may be a keyword.
    fn path(&mut self, why: Why) -> Found<Term> {
        let first = self.here.pos;
        self.here.named = Some(first);
        let term = self.term()?;
        if super::walk::path(&term.expr).is_some() { Ok(term) } else { Err(Stop { at: first, why }) }
    }
}

/// Ways through the tokens.
impl Parser<'_> {
    fn stop<T>(&self, why: Why) -> Found<T> {
        Err(Stop { at: self.here.pos, why })
    }

    fn at(&self, index: usize) -> Token {
        let end = Token { kind: Kind::End, place: Place { line: 1, col: 1, start: 0, end: 0 }, spaced: false, newline: false };
        self.tokens.get(index).or_else(|| self.tokens.last()).copied().unwrap_or(end)
    }

    fn token(&self) -> Token {
        self.at(self.here.pos)
    }

    fn raw_kind(&self) -> Kind {
        self.token().kind
    }

    /// The token's kind, as keywords are here: a word that is none is a name without one.
    fn kind(&self) -> Kind {
        match self.raw_kind() {
            Kind::Name(Some(word)) if self.here.named != Some(self.here.pos) && self.keywords.has(word) => Kind::Name(Some(word)),
            Kind::Name(_) => Kind::Name(None),
            other => other,
        }
    }

    fn is_word(&self, word: Word) -> bool {
        self.kind() == Kind::Name(Some(word))
    }

    fn is_plain_name(&self) -> bool {
        self.kind() == Kind::Name(None)
    }

    fn bump(&mut self) {
        if self.here.pos + 1 < self.tokens.len() {
            self.here = Here { pos: self.here.pos + 1, named: None };
        }
    }

    /// Whether the token begins a step: `.`, `[`.
    fn is_step(&self) -> bool {
        matches!(self.raw_kind(), Kind::Dot | Kind::LeftBrack)
    }

    /// Whether the next token is a step of this one.
    fn is_step_next(&self) -> bool {
        let next = self.at(self.here.pos + 1);
        matches!(next.kind, Kind::Dot | Kind::LeftBrack) && !next.spaced
    }

    fn is_keyword_of_version(&self, word: Word) -> bool {
        Keywords { future: self.version == RegoVersion::V1, ..Keywords::default() }.has(word)
    }

    /// Takes a keyword that a step follows for a name.
    fn name_if_stepped(&mut self) -> bool {
        let is = matches!(self.kind(), Kind::Name(Some(_))) && self.is_step_next();
        if is {
            self.here.named = Some(self.here.pos);
        }
        is
    }

    fn span_of(&self, index: usize) -> Span {
        self.span(self.at(index).place)
    }

    /// From a token to the last that has been read.
    fn span_from(&self, first: usize) -> Span {
        self.span(self.at(first).place.to(self.at(self.here.pos.saturating_sub(1).max(first)).place))
    }

    fn span(&self, place: Place) -> Span {
        let Place { line, col, start, end } = place;
        Span { source: self.source.clone(), line, col, start, end }
    }

    /// Reads what is in brackets, which are nested to a bound.
    fn nest<T>(&mut self, read: impl FnOnce(&mut Self) -> Found<T>) -> Found<T> {
        if self.nested == NESTED_MAX {
            return self.stop(Why::TooDeep);
        }
        self.nested += 1;
        let found = read(self);
        self.nested -= 1;
        found
    }
}
