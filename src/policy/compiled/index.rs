//! Which definitions can have a solution at all, and in which order they are looked at.
//!
//! As in OPA's rule index, what a body asks of `input`, or of an argument, is looked at before anything else of it is, wherever it stands:
//! a branch that is passed over for it neither costs anything nor fails. Of many definitions that ask for one thing each
//! (`input.session.login == "…"`), those that ask for what is there are found at once. And definitions that ask for nothing come first,
//! which decides what is found first: a value that is enough, or two values where there is room for one.

#![expect(clippy::needless_for_each, clippy::match_same_arms, reason = "each arm is one expression, and has its own reason")]

use std::cmp::Reverse;
use std::collections::BTreeMap;

use regorus::Value;

use super::term::{Stmt, StmtKind, Term};
use super::value::holds;
use crate::policy::syntax::tree::BoolOp;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    /// A path of `input`, by number.
    Input(usize),
    /// An argument.
    Slot(usize),
}

/// What a body asks for, as far as OPA's index sees it.
#[derive(Debug, Default)]
pub(super) struct Guards {
    asked: Vec<(Subject, Asked)>,
    /// Something that may fail stands before one of them.
    pub(super) is_ahead: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Asked {
    /// To be defined. The slot, if there is one, has its value.
    Any(Option<usize>),
    /// To be this value, or one of several.
    Value(Value),
}

impl Guards {
    /// Of a body that has its arguments in the first slots.
    pub(super) fn of(body: &[Stmt], arguments: usize) -> Self {
        let mut guards = Self::default();
        // What is printed is printed whether or not the rest holds.
        if body.iter().any(|statement| matches!(statement.kind, StmtKind::Print(_))) {
            return guards;
        }
        let mut reader = Reader { guards: &mut guards, constants: BTreeMap::new(), arguments, may_fail: false };
        for (at, statement) in body.iter().enumerate() {
            reader.may_fail |= !cannot_fail(&statement.kind);
            // What is held against an object with variables in it is not looked at beforehand.
            let is_taken_apart = match (&statement.kind, body.get(at + 1).map(|next| &next.kind)) {
                (StmtKind::Bind(slot, _), Some(StmtKind::IsObject(Term::Slot(whole), _))) => slot == whole,
                _ => false,
            };
            if !is_taken_apart {
                reader.statement(&statement.kind);
            }
        }
        guards
    }

    /// Whether all that is asked for is there.
    pub(super) fn hold<'v>(&self, value_of: impl Fn(Subject) -> &'v Value) -> bool {
        self.asked.iter().all(|(of, asked)| {
            let value = value_of(*of);
            match asked {
                Asked::Any(_) => *value != Value::Undefined,
                // One of several is enough, as it may be one of a set.
                Asked::Value(_) => {
                    self.wanted(*of).is_none_or(|mut wanted| wanted.any(|wanted| wanted == value || holds(value, None, wanted)))
                }
            }
        })
    }

    /// The values that are asked for; `None` if any will do.
    fn wanted(&self, of: Subject) -> Option<impl Iterator<Item = &Value>> {
        let asked = || self.asked.iter().filter(move |(subject, _)| *subject == of);
        let is_particular = asked().next().is_some() && asked().all(|(_, asked)| matches!(asked, Asked::Value(_)));
        is_particular.then(|| asked().filter_map(|(_, asked)| if let Asked::Value(value) = asked { Some(value) } else { None }))
    }
}

/// Reads what a body asks for, statement by statement.
struct Reader<'g> {
    guards: &'g mut Guards,
    /// Slots that are known beforehand.
    constants: BTreeMap<usize, Value>,
    arguments: usize,
    /// One of the statements so far may fail.
    may_fail: bool,
}

impl Reader<'_> {
    fn statement(&mut self, statement: &StmtKind) {
        match statement {
            StmtKind::Holds(Term::Compare(BoolOp::Eq, sides)) => self.equal(&sides.0, &sides.1),
            StmtKind::Equal(one, other) => self.equal(one, other),
            StmtKind::Holds(Term::In(None, sides)) => self.is_in(&sides.0, &sides.1),
            StmtKind::Bind(slot, Term::Const(value)) => drop(self.constants.insert(*slot, value.clone())),
            StmtKind::Bind(slot, term) => match self.subject(term) {
                Some(subject) => self.ask(subject, Asked::Any(Some(*slot))),
                None => self.needed(term),
            },
            // A reference that goes on to each of its items.
            StmtKind::Each { of: Term::Input(_), .. } => {}
            StmtKind::Holds(term) | StmtKind::IsArray(term, _) | StmtKind::Each { of: term, .. } | StmtKind::Every { of: term, .. } => {
                self.needed(term);
            }
            StmtKind::IsObject(..) | StmtKind::Not(_) | StmtKind::With { .. } | StmtKind::Print(_) => {}
        }
    }

    fn ask(&mut self, of: Subject, new: Asked) {
        let mut before = self.guards.asked.iter_mut().filter(|(subject, _)| *subject == of).map(|(_, asked)| asked);
        let known = before.find(|asked| **asked == new || matches!((&new, &**asked), (Asked::Value(_), Asked::Any(_))));
        match known {
            Some(asked) if *asked == new => return,
            Some(asked) => *asked = new,
            None => self.guards.asked.push((of, new)),
        }
        self.guards.is_ahead |= self.may_fail;
    }

    fn equal(&mut self, one: &Term, other: &Term) {
        for (one, other) in [(one, other), (other, one)] {
            if let Some(subject) = self.subject(one)
                && let Some(value) = self.constant(other)
            {
                if is_flat(&value) {
                    self.ask(subject, Asked::Value(value));
                }
                return;
            }
        }
        // Two references are compared where they are.
        if !is_reference(one) || !is_reference(other) {
            self.needed(one);
            self.needed(other);
        }
    }

    fn is_in(&mut self, item: &Term, of: &Term) {
        self.needed(item);
        self.needed(of);
        match (self.subject(item), self.constant(of), self.constant(item), self.subject(of)) {
            (Some(subject), Some(of), ..) => {
                let items: Vec<&Value> = match &of {
                    Value::Array(items) => items.iter().collect(),
                    Value::Set(items) => items.iter().collect(),
                    Value::Object(fields) => fields.values().collect(),
                    Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Undefined => Vec::new(),
                };
                for item in items {
                    self.ask(subject, if is_flat(item) { Asked::Value(item.clone()) } else { Asked::Any(None) });
                }
            }
            (_, _, Some(item), Some(subject)) if is_scalar(&item) => self.ask(subject, Asked::Value(item)),
            _ => {}
        }
    }

    /// What a term stands for: a path of `input`, an argument, or a slot that has been given the value of one.
    fn subject(&self, term: &Term) -> Option<Subject> {
        match term {
            Term::Input(path) => Some(Subject::Input(*path)),
            Term::Slot(slot) if *slot < self.arguments => Some(Subject::Slot(*slot)),
            Term::Slot(slot) => {
                let asked = self.guards.asked.iter().find(|(_, asked)| *asked == Asked::Any(Some(*slot)));
                asked.map(|(subject, _)| *subject)
            }
            _ => None,
        }
    }

    fn constant(&self, term: &Term) -> Option<Value> {
        match term {
            Term::Const(value) => Some(value.clone()),
            Term::Slot(slot) => self.constants.get(slot).cloned(),
            _ => None,
        }
    }

    /// Paths of `input` without which a term is undefined.
    fn needed(&mut self, term: &Term) {
        match term {
            Term::Input(path) => self.ask(Subject::Input(*path), Asked::Any(None)),
            Term::At(at) => {
                // Where a reference begins that has steps of other values is not looked at.
                if !is_reference(&at.0) {
                    self.needed(&at.0);
                }
                at.1.iter().for_each(|step| self.needed(step));
            }
            Term::Call(call) => call.arguments.iter().for_each(|argument| self.needed(argument)),
            Term::Function(_, parts) | Term::Array(parts) | Term::Set(parts) | Term::Template(parts) => {
                parts.iter().for_each(|part| self.needed(part));
            }
            Term::Object(fields) => fields.iter().for_each(|(key, value)| {
                self.needed(key);
                self.needed(value);
            }),
            Term::In(key, sides) => {
                key.iter().for_each(|key| self.needed(key));
                self.needed(&sides.0);
                self.needed(&sides.1);
            }
            Term::Compare(_, sides) | Term::Sets(_, sides) | Term::Arithmetic(_, sides) => {
                self.needed(&sides.0);
                self.needed(&sides.1);
            }
            Term::Const(_) | Term::Slot(_) | Term::Rule(_) | Term::Document(_) | Term::Collect(_) | Term::Named(_) => {}
        }
    }
}

fn is_reference(term: &Term) -> bool {
    matches!(term, Term::Input(_) | Term::At(_) | Term::Rule(_) | Term::Document(_))
}

fn is_scalar(value: &Value) -> bool {
    matches!(value, Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_))
}

/// Neither a set nor an object, and with none in it.
fn is_flat(value: &Value) -> bool {
    is_scalar(value) || matches!(value, Value::Array(items) if items.iter().all(is_scalar))
}

/// Whether a statement takes nothing but looking at values that are there.
fn cannot_fail(statement: &StmtKind) -> bool {
    let is_there = |term: &Term| matches!(term, Term::Const(_) | Term::Input(_) | Term::Slot(_));
    match statement {
        StmtKind::Holds(Term::Compare(_, sides) | Term::In(None, sides)) => is_there(&sides.0) && is_there(&sides.1),
        StmtKind::Holds(term) | StmtKind::Bind(_, term) | StmtKind::IsArray(term, _) => is_there(term),
        StmtKind::Equal(one, other) => is_there(one) && is_there(other),
        StmtKind::IsObject(..)
        | StmtKind::Each { .. }
        | StmtKind::Not(_)
        | StmtKind::Every { .. }
        | StmtKind::With { .. }
        | StmtKind::Print(_) => false,
    }
}

/// What there is to choose from, by what it asks of one subject.
pub(super) struct Index {
    pub(super) of: Subject,
    by_value: BTreeMap<Value, Vec<usize>>,
    /// Those that ask for nothing in particular.
    rest: Vec<usize>,
}

impl Index {
    /// As many of them as it takes for a search to be less work than looking at each.
    const LEAST: usize = 8;

    /// Of choices that have some branches each.
    pub(super) fn of(choices: &[Vec<&Guards>]) -> Option<Self> {
        let wanted = |branches: &[&Guards], of| {
            let of_each = branches.iter().map(|guards| Some(guards.wanted(of)?.filter(|value| is_scalar(value)).cloned()));
            of_each.collect::<Option<Vec<_>>>().map(|values| values.into_iter().flatten().collect::<Vec<Value>>())
        };
        let mut counts: BTreeMap<Subject, usize> = BTreeMap::new();
        for (of, _) in choices.iter().filter_map(|branches| branches.first()).flat_map(|guards| &guards.asked) {
            *counts.entry(*of).or_default() += 1;
        }
        let (of, _) = counts.into_iter().max_by_key(|(_, count)| *count).filter(|(_, count)| *count >= Self::LEAST)?;
        let (mut by_value, mut rest): (BTreeMap<Value, Vec<usize>>, Vec<usize>) = (BTreeMap::new(), Vec::new());
        for (number, branches) in choices.iter().enumerate() {
            let Some(values) = wanted(branches, of) else {
                rest.push(number);
                continue;
            };
            for value in values {
                let numbers = by_value.entry(value).or_default();
                if numbers.last() != Some(&number) {
                    numbers.push(number);
                }
            }
        }
        Some(Self { of, by_value, rest })
    }

    /// Those that can hold if the subject has this value; `None`: all of them, since it has parts that may be asked for.
    pub(super) fn chosen<'i>(&'i self, value: &Value) -> Option<impl Iterator<Item = usize> + use<'i>> {
        let is_one = is_scalar(value) || *value == Value::Undefined;
        is_one.then(|| self.rest.iter().chain(self.by_value.get(value).into_iter().flatten()).copied())
    }
}

/// By which OPA puts choices in order that have some branches each: those that ask for nothing first, and then, subject by subject and
/// the commonest first, those that do not ask for it, those that ask for any value of it, and those that ask for one.
pub(super) fn ranks(choices: &[Vec<&Guards>]) -> Vec<Option<Vec<u8>>> {
    let mut subjects: Vec<(Subject, usize)> = Vec::new();
    for (of, _) in choices.iter().flatten().flat_map(|guards| &guards.asked) {
        match subjects.iter_mut().find(|(subject, _)| subject == of) {
            Some((_, count)) => *count += 1,
            None => subjects.push((*of, 1)),
        }
    }
    subjects.sort_by_key(|(_, count)| Reverse(*count));
    let rank = |guards: &&Guards| -> Vec<u8> {
        let asks = |of| guards.asked.iter().any(|(subject, _)| *subject == of);
        let of_one = |of| if asks(of) { 1 + u8::from(guards.wanted(of).is_some()) } else { 0 };
        if guards.asked.is_empty() { Vec::new() } else { subjects.iter().map(|(of, _)| of_one(*of)).collect() }
    };
    choices.iter().map(|guards| guards.iter().map(rank).min()).collect()
}
