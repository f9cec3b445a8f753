//! Makes the [author's tree](super::tree) of a text. Takes what OPA's parser takes and refuses what it refuses, in Rego v0 and v1.
//!
//! OPA decides what a `{` begins by trying: a body behind `if` is first read as a literal, a comprehension's term first as an item. So does
//! this, and keeps what each bracket was found to be: however often its surroundings are tried, it is read once.
//!
//! Nothing is said here but where it cannot go on, and what was wanted there. What that means for an author is found out by
//! [`mistakes`](super::mistakes).

mod reader;
mod rules;
mod statements;
mod terms;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

pub(super) use self::reader::{DEPTH_MAX, Found, NESTED_MAX, Stop, Why};
use self::reader::{Here, Keywords, ParsedTerm, Parser};
use super::lexer::{Token, TokenKind, Word};
use super::tree::{Import, Module, Package, Source, Span};
use crate::model::RegoVersion;

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

impl Parser<'_> {
    fn module(&mut self) -> Found<Module> {
        let mut package = None;
        let mut imports = Vec::new();
        let mut policy = Vec::new();
        while self.kind() != TokenKind::End {
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
        if !matches!(self.raw_kind(), TokenKind::Name(_)) {
            return self.stop(Why::PackagePath);
        }
        let refr = self.path(Why::PackagePath)?;
        Ok(Package { span: self.span_from(first), refr: refr.expr })
    }

    fn import(&mut self) -> Found<Import> {
        let first = self.here.pos;
        self.bump();
        if !matches!(self.raw_kind(), TokenKind::Name(_)) {
            return self.stop(Why::ImportPath);
        }
        let begin = self.here.pos;
        let refr = self.path(Why::ImportPath)?;
        // What stands behind a path has been read when the import is known, and is not yet a keyword for it.
        if let TokenKind::Name(Some(Word::In | Word::Every | Word::Contains | Word::If | Word::Not | Word::And | Word::Or)) =
            self.raw_kind()
        {
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
    fn path(&mut self, why: Why) -> Found<ParsedTerm> {
        let first = self.here.pos;
        self.here.named = Some(first);
        let term = self.term()?;
        if super::walk::path(&term.expr).is_some() { Ok(term) } else { Err(Stop { at: first, why }) }
    }
}
