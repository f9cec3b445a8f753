//! What a body asks for, read from it as OPA's index does.

#![expect(clippy::needless_for_each, clippy::match_same_arms, reason = "each arm is one expression, and has its own reason")]

use std::collections::BTreeMap;

use regorus::Value;

use super::index::{Asked, Guards, Subject, is_scalar};
use super::term::{Stmt, StmtKind, Term};
use crate::policy::syntax::tree::BoolOp;

/// What a body asks for that has its arguments in the first slots.
pub(super) fn guards_of(body: &[Stmt], arguments: usize) -> Guards {
    let mut guards = Guards::default();
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
