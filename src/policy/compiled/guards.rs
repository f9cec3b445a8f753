//! What a body asks for, read from it as OPA's index does.

#![expect(clippy::needless_for_each, clippy::match_same_arms, reason = "each arm is one expression, and has its own reason")]

use std::collections::BTreeMap;

use regorus::Value;

use super::index::{Asked, Guards, Subject, is_scalar};
use super::term::{CompiledStmt, CompiledStmtKind, CompiledTerm};
use crate::policy::syntax::tree::BoolOp;

/// What a body asks for that has its arguments in the first slots.
pub(super) fn guards_of(body: &[CompiledStmt], arguments: usize) -> Guards {
    let mut guards = Guards::default();
    // What is printed is printed whether or not the rest holds.
    if body.iter().any(|statement| matches!(statement.kind, CompiledStmtKind::Print(_))) {
        return guards;
    }
    let mut reader = Reader { guards: &mut guards, constants: BTreeMap::new(), arguments, may_fail: false };
    for (at, statement) in body.iter().enumerate() {
        reader.may_fail |= !cannot_fail(&statement.kind);
        // What is held against an object with variables in it is not looked at beforehand.
        let is_taken_apart = match (&statement.kind, body.get(at + 1).map(|next| &next.kind)) {
            (CompiledStmtKind::Bind(slot, _), Some(CompiledStmtKind::IsObject(CompiledTerm::Slot(whole), _))) => slot == whole,
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
    fn statement(&mut self, statement: &CompiledStmtKind) {
        match statement {
            CompiledStmtKind::Holds(CompiledTerm::Compare(BoolOp::Eq, sides)) => self.equal(&sides.0, &sides.1),
            CompiledStmtKind::Equal(one, other) => self.equal(one, other),
            CompiledStmtKind::Holds(CompiledTerm::In(None, sides)) => self.is_in(&sides.0, &sides.1),
            CompiledStmtKind::Bind(slot, CompiledTerm::Const(value)) => drop(self.constants.insert(*slot, value.clone())),
            CompiledStmtKind::Bind(slot, term) => match self.subject(term) {
                Some(subject) => self.ask(subject, Asked::Any(Some(*slot))),
                None => self.needed(term),
            },
            // A reference that goes on to each of its items.
            CompiledStmtKind::Each { of: CompiledTerm::Input(_), .. } => {}
            CompiledStmtKind::Holds(term)
            | CompiledStmtKind::IsArray(term, _)
            | CompiledStmtKind::Each { of: term, .. }
            | CompiledStmtKind::Every { of: term, .. } => {
                self.needed(term);
            }
            CompiledStmtKind::IsObject(..) | CompiledStmtKind::Not(_) | CompiledStmtKind::With { .. } | CompiledStmtKind::Print(_) => {}
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

    fn equal(&mut self, one: &CompiledTerm, other: &CompiledTerm) {
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

    fn is_in(&mut self, item: &CompiledTerm, of: &CompiledTerm) {
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
    fn subject(&self, term: &CompiledTerm) -> Option<Subject> {
        match term {
            CompiledTerm::Input(path) => Some(Subject::Input(*path)),
            CompiledTerm::Slot(slot) if *slot < self.arguments => Some(Subject::Slot(*slot)),
            CompiledTerm::Slot(slot) => {
                let asked = self.guards.asked.iter().find(|(_, asked)| *asked == Asked::Any(Some(*slot)));
                asked.map(|(subject, _)| *subject)
            }
            _ => None,
        }
    }

    fn constant(&self, term: &CompiledTerm) -> Option<Value> {
        match term {
            CompiledTerm::Const(value) => Some(value.clone()),
            CompiledTerm::Slot(slot) => self.constants.get(slot).cloned(),
            _ => None,
        }
    }

    /// Paths of `input` without which a term is undefined.
    fn needed(&mut self, term: &CompiledTerm) {
        match term {
            CompiledTerm::Input(path) => self.ask(Subject::Input(*path), Asked::Any(None)),
            CompiledTerm::At(at) => {
                // Where a reference begins that has steps of other values is not looked at.
                if !is_reference(&at.0) {
                    self.needed(&at.0);
                }
                at.1.iter().for_each(|step| self.needed(step));
            }
            CompiledTerm::Call(call) => call.arguments.iter().for_each(|argument| self.needed(argument)),
            CompiledTerm::Function(_, parts) | CompiledTerm::Array(parts) | CompiledTerm::Set(parts) | CompiledTerm::Template(parts) => {
                parts.iter().for_each(|part| self.needed(part));
            }
            CompiledTerm::Object(fields) => fields.iter().for_each(|(key, value)| {
                self.needed(key);
                self.needed(value);
            }),
            CompiledTerm::In(key, sides) => {
                key.iter().for_each(|key| self.needed(key));
                self.needed(&sides.0);
                self.needed(&sides.1);
            }
            CompiledTerm::Compare(_, sides) | CompiledTerm::Sets(_, sides) | CompiledTerm::Arithmetic(_, sides) => {
                self.needed(&sides.0);
                self.needed(&sides.1);
            }
            CompiledTerm::Const(_)
            | CompiledTerm::Slot(_)
            | CompiledTerm::Rule(_)
            | CompiledTerm::Document(_)
            | CompiledTerm::Collect(_)
            | CompiledTerm::Named(_) => {}
        }
    }
}

fn is_reference(term: &CompiledTerm) -> bool {
    matches!(term, CompiledTerm::Input(_) | CompiledTerm::At(_) | CompiledTerm::Rule(_) | CompiledTerm::Document(_))
}

/// Neither a set nor an object, and with none in it.
fn is_flat(value: &Value) -> bool {
    is_scalar(value) || matches!(value, Value::Array(items) if items.iter().all(is_scalar))
}

/// Whether a statement takes nothing but looking at values that are there.
fn cannot_fail(statement: &CompiledStmtKind) -> bool {
    let is_there = |term: &CompiledTerm| matches!(term, CompiledTerm::Const(_) | CompiledTerm::Input(_) | CompiledTerm::Slot(_));
    match statement {
        CompiledStmtKind::Holds(CompiledTerm::Compare(_, sides) | CompiledTerm::In(None, sides)) => {
            is_there(&sides.0) && is_there(&sides.1)
        }
        CompiledStmtKind::Holds(term) | CompiledStmtKind::Bind(_, term) | CompiledStmtKind::IsArray(term, _) => is_there(term),
        CompiledStmtKind::Equal(one, other) => is_there(one) && is_there(other),
        CompiledStmtKind::IsObject(..)
        | CompiledStmtKind::Each { .. }
        | CompiledStmtKind::Not(_)
        | CompiledStmtKind::Every { .. }
        | CompiledStmtKind::With { .. }
        | CompiledStmtKind::Print(_) => false,
    }
}
