//! Where a test fails.
//!
//! A test is a list of statements that must hold together. The one that was come to last, and did not hold, is the one to look at.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use regorus::Value;

use super::outcome::Failing;
use crate::policy::compiled::{BranchPlace, Observer};
use crate::policy::syntax::core::{Node, Program};
use crate::policy::syntax::tree::Span;

/// A value longer than this is cut, in characters.
const SHOWN: usize = 400;

/// The statements of one rule that were looked at, by where they stand in its body.
pub(super) struct Watch<'p> {
    program: &'p Program,
    rule: usize,
    seen: RefCell<BTreeMap<BranchPlace, BranchLooks>>,
}

#[derive(Default)]
struct BranchLooks {
    /// The statements in the order in which they were come to first, each once.
    looked_at: Vec<(Span, Vec<Value>)>,
    held: BTreeSet<u32>,
}

impl<'p> Watch<'p> {
    pub(super) fn of(program: &'p Program, rule: usize) -> Self {
        Self { program, rule, seen: RefCell::default() }
    }

    /// The statement that the rule fails at; `None` if none can be said to be the one. Of several bodies the last one is looked at: it was
    /// the last chance.
    pub(super) fn failing(&self) -> Option<Failing> {
        let seen = self.seen.borrow();
        let (place, branch) = seen.last_key_value()?;
        let (span, slots) = branch.looked_at.iter().rev().find(|(span, _)| !branch.held.contains(&span.start))?;
        let definition = self.program.rules.get(self.rule)?.definitions.get(place.definition)?;
        let words: BTreeSet<&str> = span.text().split(|c: char| !c.is_alphanumeric() && c != '_').collect();
        let mut values: Vec<(String, String)> = definition
            .slots
            .iter()
            .zip(slots)
            .filter_map(|(name, value)| Some((name.as_deref()?, value)))
            .filter(|(name, value)| words.contains(name) && **value != Value::Undefined)
            .map(|(name, value)| (name.to_owned(), cut(&one_line(&value.to_json_str().unwrap_or_default()))))
            .collect();
        values.sort();
        values.dedup();
        Some(Failing { line: span.line, text: one_line(span.text()), values })
    }
}

impl Observer for Watch<'_> {
    fn looks(&self, branch: BranchPlace, statement: &Span, slots: &[Value]) {
        if branch.of != Node::Rule(self.rule) {
            return;
        }
        let mut seen = self.seen.borrow_mut();
        let looked_at = &mut seen.entry(branch).or_default().looked_at;
        match looked_at.iter_mut().find(|(known, _)| known.start == statement.start) {
            // The last way in which it was come to.
            Some((_, known)) => *known = slots.to_vec(),
            None => looked_at.push((statement.clone(), slots.to_vec())),
        }
    }

    fn holds(&self, branch: BranchPlace, statement: &Span, _slots: &[Value]) {
        if branch.of == Node::Rule(self.rule) {
            self.seen.borrow_mut().entry(branch).or_default().held.insert(statement.start);
        }
    }
}

fn cut(text: &str) -> String {
    if text.chars().count() <= SHOWN { text.to_owned() } else { text.chars().take(SHOWN).chain(['…']).collect() }
}

/// Blanks of any kind become one.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
