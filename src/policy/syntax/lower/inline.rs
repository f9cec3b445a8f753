//! Takes back what was taken apart only to be put in order: a value of ours that the very next statement uses, once, stands there again.

#![expect(clippy::needless_for_each, reason = "each arm is one expression")]

use std::collections::BTreeMap;
use std::mem;

use regorus::Value;

use super::super::core::{Branch, Definition, Program, Stmt, StmtKind, Term};

/// Shortens all bodies. What they mean stays: a term with an undefined part is undefined wherever it stands, and nothing is moved into
/// a body within another.
pub(super) fn program(program: &mut Program) {
    program.definitions_mut().for_each(definition);
}

/// How often each slot is used.
type Uses = BTreeMap<usize, usize>;

fn definition(definition: &mut Definition) {
    let mut uses = Uses::new();
    for branch in &definition.branches {
        count(&branch.body, &mut uses);
        branch.head().for_each(|term| count_term(term, &mut uses));
    }
    let ours = |slot: usize| uses.get(&slot) == Some(&1) && definition.slots.get(slot).is_some_and(Option::is_none);
    for Branch { body, .. } in &mut definition.branches {
        shorten(body, &ours);
    }
}

fn count(body: &[Stmt], uses: &mut Uses) {
    for Stmt { kind, .. } in body {
        kind.terms().into_iter().for_each(|term| count_term(term, uses));
        count(kind.body(), uses);
    }
}

fn count_term(term: &Term, uses: &mut Uses) {
    match term {
        Term::Slot(slot) => *uses.entry(*slot).or_default() += 1,
        Term::Collect(collect) => count(&collect.body, uses),
        _ => {}
    }
    term.parts().into_iter().for_each(|part| count_term(part, uses));
}

fn shorten(body: &mut Vec<Stmt>, ours: &dyn Fn(usize) -> bool) {
    for stmt in body.iter_mut() {
        bodies(&mut stmt.kind, &mut |body| shorten(body, ours));
        terms(&mut stmt.kind, &mut |term| shorten_within(term, ours));
    }
    // From the end, so that what has been put into a statement goes along with it.
    for at in (0..body.len().saturating_sub(1)).rev() {
        let [first, second] = body.get_mut(at..at + 2).unwrap_or_default() else { continue };
        let is_done = match (&mut first.kind, &mut second.kind) {
            (StmtKind::Bind(slot, value), next) if ours(*slot) => put(next, *slot, value),
            // `some x in xs`: the item is the variable.
            (StmtKind::Each { item: Some(item), .. }, StmtKind::Bind(slot, Term::Slot(same))) if item == same && ours(*item) => {
                *item = *slot;
                second.kind = StmtKind::Holds(Term::Const(Value::Bool(true)));
                mem::swap(first, second);
                true
            }
            _ => false,
        };
        if is_done {
            body.remove(at);
        }
    }
}

fn shorten_within(term: &mut Term, ours: &dyn Fn(usize) -> bool) {
    if let Term::Collect(collect) = term {
        shorten(&mut collect.body, ours);
    }
    parts(term, &mut |part| shorten_within(part, ours));
}

/// Puts the value in the place of the slot, if it stands directly in the statement, and if that does not change what is found out first: that
/// the value is undefined, or that two values conflict in it or in what stands before it.
fn put(stmt: &mut StmtKind, slot: usize, value: &mut Term) -> bool {
    let mut before = Before { may_be_undefined: false, may_conflict: false };
    let is_there = stmt.terms().into_iter().any(|term| before.reaches(term, slot));
    if !is_there || before.may_be_undefined && (before.may_conflict || may_conflict(value)) {
        return false;
    }
    let mut is_put = false;
    terms(stmt, &mut |term| is_put |= put_into(term, slot, value));
    is_put
}

/// What is evaluated in a statement before something else is.
struct Before {
    may_be_undefined: bool,
    may_conflict: bool,
}

impl Before {
    /// Whether a term leads to the slot; if it does not, it comes before it.
    fn reaches(&mut self, term: &Term, slot: usize) -> bool {
        match term {
            Term::Slot(other) => return *other == slot,
            Term::Const(_) => return false,
            _ => {}
        }
        let is_there = term.parts().into_iter().any(|part| self.reaches(part, slot));
        if !is_there {
            self.may_be_undefined = true;
            self.may_conflict |= conflicts(term);
        }
        is_there
    }
}

/// Whether two values may meet in a term where there is room for one.
fn may_conflict(term: &Term) -> bool {
    conflicts(term) || term.parts().into_iter().any(may_conflict)
}

fn conflicts(term: &Term) -> bool {
    matches!(term, Term::Rule(_) | Term::Function(..) | Term::Extent(_) | Term::Collect(_) | Term::Template(_))
}

fn put_into(term: &mut Term, slot: usize, value: &mut Term) -> bool {
    if matches!(term, Term::Slot(same) if *same == slot) {
        *term = mem::replace(value, Term::Const(Value::Null));
        return true;
    }
    let mut is_put = false;
    parts(term, &mut |part| is_put = is_put || put_into(part, slot, value));
    is_put
}

/// The terms that stand in a statement, and not in a body within it.
pub(super) fn terms(stmt: &mut StmtKind, see: &mut dyn FnMut(&mut Term)) {
    match stmt {
        StmtKind::Holds(term)
        | StmtKind::Bind(_, term)
        | StmtKind::IsArray(term, _)
        | StmtKind::Each { of: term, .. }
        | StmtKind::Every { of: term, .. } => see(term),
        StmtKind::Equal(one, other) => {
            see(one);
            see(other);
        }
        StmtKind::IsObject(term, keys) => {
            see(term);
            keys.iter_mut().for_each(see);
        }
        StmtKind::Not(_) => {}
        StmtKind::With { replaced, .. } => replaced.iter_mut().for_each(|(_, value)| see(value)),
    }
}

/// The bodies within a statement.
pub(super) fn bodies(stmt: &mut StmtKind, see: &mut dyn FnMut(&mut Vec<Stmt>)) {
    match stmt {
        StmtKind::Not(body) | StmtKind::Every { body, .. } | StmtKind::With { body, .. } => see(body),
        StmtKind::Holds(_)
        | StmtKind::Bind(..)
        | StmtKind::Equal(..)
        | StmtKind::IsArray(..)
        | StmtKind::IsObject(..)
        | StmtKind::Each { .. } => {}
    }
}

/// The terms directly in a term; those of a comprehension's body and head left out.
pub(super) fn parts(term: &mut Term, see: &mut dyn FnMut(&mut Term)) {
    match term {
        Term::Const(_) | Term::Input | Term::Extent(_) | Term::Slot(_) | Term::Rule(_) | Term::Collect(_) | Term::Named(_) => {}
        Term::At(of, key) => {
            see(of);
            see(key);
        }
        Term::Call(_, items) | Term::Function(_, items) | Term::Array(items) | Term::Set(items) | Term::Template(items) => {
            items.iter_mut().for_each(see);
        }
        Term::Object(fields) => fields.iter_mut().for_each(|(key, value)| {
            see(key);
            see(value);
        }),
        Term::Compare(_, sides) | Term::Sets(_, sides) | Term::Arithmetic(_, sides) => {
            see(&mut sides.0);
            see(&mut sides.1);
        }
        Term::In(key, sides) => {
            key.iter_mut().for_each(|key| see(key));
            see(&mut sides.0);
            see(&mut sides.1);
        }
    }
}
