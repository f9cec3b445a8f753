//! Where a number made of a text could be seen as it was written.
//!
//! To OPA, `to_number("09")` is 9 in every comparison and in all arithmetic; but it keeps the text, `$"…"` and `sprintf` put it out again, and
//! `json.marshal` has no answer for it. Here a number has no text. So in a policy that writes out what it does not know to be something else,
//! a call whose answer is more than compared or computed with becomes the function [`TO_NUMBER`], which ends the evaluation there.

use std::collections::BTreeSet;

use super::super::core::{Branch, Comprehension, Definition, Program, Put, Stmt, StmtKind, Term};
use super::inline::{bodies, parts, terms};
use crate::policy::builtins::TO_NUMBER;

pub(super) fn program(program: &mut Program) {
    let mut writes = false;
    program.definitions_mut().for_each(|definition| each_term(definition, &|_| Use::Any, &mut |term, _| writes |= is_writer(term)));
    if writes {
        program.definitions_mut().for_each(mark);
    }
}

/// Whether it writes out values, and might be given such a number.
fn is_writer(term: &Term) -> bool {
    match term {
        Term::Template(_) => true,
        Term::Call(name, args) => match (name.as_ref(), args.as_slice()) {
            // A number that stands by itself is written as what it is; one in a collection as it was written.
            ("sprintf", [_, Term::Array(items)]) => !items.iter().all(is_no_collection),
            ("json.marshal" | "json.marshal_with_options" | "sprintf", _) => true,
            _ => false,
        },
        _ => false,
    }
}

fn is_no_collection(term: &Term) -> bool {
    match term {
        Term::Const(value) => !matches!(value, regorus::Value::Array(_) | regorus::Value::Set(_) | regorus::Value::Object(_)),
        Term::Arithmetic(..) | Term::Compare(..) | Term::In(..) => true,
        Term::Call(name, _) => {
            is_conversion(name) || matches!(name.as_ref(), "count" | "lower" | "upper" | "concat" | "time.weekday" | "replace")
        }
        _ => false,
    }
}

fn is_conversion(name: &str) -> bool {
    matches!(name, "to_number" | "cast_number")
}

/// What is made of a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    /// It is compared or computed with: how it was written is not seen.
    Operand,
    Any,
}

fn mark(definition: &mut Definition) {
    let mut handed_on = BTreeSet::new();
    each_term(definition, &|_| Use::Any, &mut |term, of| {
        if let (Term::Slot(slot), Use::Any) = (term, of) {
            handed_on.insert(*slot);
        }
    });
    let of_slot = |slot: usize| if handed_on.contains(&slot) { Use::Any } else { Use::Operand };
    each_term(definition, &of_slot, &mut |term, of| match (term, of) {
        (Term::Call(name, _), Use::Any) if is_conversion(name) => *name = TO_NUMBER.into(),
        _ => {}
    });
}

/// Shows every term of a definition, those within others after them, and what is made of each.
fn each_term(definition: &mut Definition, of_slot: &dyn Fn(usize) -> Use, see: &mut dyn FnMut(&mut Term, Use)) {
    for Branch { body, steps, put, .. } in &mut definition.branches {
        of_body(body, of_slot, see);
        let (Put::Value(value) | Put::Item(value)) = put;
        steps.iter_mut().chain([value]).for_each(|term| within(term, Use::Any, of_slot, see));
    }
}

fn of_body(body: &mut [Stmt], of_slot: &dyn Fn(usize) -> Use, see: &mut dyn FnMut(&mut Term, Use)) {
    for Stmt { kind, .. } in body {
        let of = match kind {
            StmtKind::Bind(slot, _) => of_slot(*slot),
            StmtKind::Equal(..) => Use::Operand,
            _ => Use::Any,
        };
        terms(kind, &mut |term| within(term, of, of_slot, see));
        bodies(kind, &mut |body| of_body(body, of_slot, see));
    }
}

fn within(term: &mut Term, of: Use, of_slot: &dyn Fn(usize) -> Use, see: &mut dyn FnMut(&mut Term, Use)) {
    see(term, of);
    let mut part = |part: &mut Term, of| within(part, of, of_slot, see);
    match term {
        Term::Collect(collect) => {
            let Comprehension { key, item, body, .. } = collect.as_mut();
            key.iter_mut().chain([item]).for_each(|term| part(term, Use::Any));
            of_body(body, of_slot, see);
        }
        Term::Compare(_, sides) | Term::Arithmetic(_, sides) => {
            part(&mut sides.0, Use::Operand);
            part(&mut sides.1, Use::Operand);
        }
        Term::In(key, sides) => {
            if let Some(key) = key {
                part(key, Use::Any);
            }
            part(&mut sides.0, Use::Operand);
            part(&mut sides.1, Use::Any);
        }
        Term::At(of, key) => {
            part(of, Use::Any);
            part(key, Use::Operand);
        }
        Term::Call(name, args) => {
            let is_sprintf = name.as_ref() == "sprintf";
            for arg in args {
                match arg {
                    // A number that stands by itself is written as what it is.
                    Term::Array(items) if is_sprintf => items.iter_mut().for_each(|item| part(item, Use::Operand)),
                    other => part(other, Use::Any),
                }
            }
        }
        other => parts(other, &mut |term| part(term, Use::Any)),
    }
}
