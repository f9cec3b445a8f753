//! Where a number made of a text could be seen as it was written.
//!
//! To OPA, `to_number("09")` is 9 in every comparison and in all arithmetic; but it keeps the text, `$"…"` and `sprintf` put it out again, and
//! `json.marshal` has no answer for it. Here a number has no text. So in a policy that writes out what it does not know to be something else,
//! a call whose answer is more than compared or computed with becomes the function [`TO_NUMBER`], which ends the evaluation there.

use std::collections::BTreeMap;

use super::super::core::{Branch, Comprehension, Definition, Program, Put, Stmt, StmtKind, Term};
use super::inline::{bodies, parts, terms};
use crate::policy::builtins::TO_NUMBER;

pub(super) fn program(program: &mut Program) {
    let mut writes = false;
    each_definition(program, &mut |definition| each_term(definition, &mut |term| writes |= is_writer(term)));
    if writes {
        each_definition(program, &mut mark);
    }
}

fn each_definition(program: &mut Program, see: &mut dyn FnMut(&mut Definition)) {
    let of_rules = program.rules.iter_mut().flat_map(|rule| &mut rule.definitions);
    of_rules.chain(program.functions.iter_mut().flat_map(|function| &mut function.definitions)).for_each(see);
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

/// How often each slot is used, and how often where only its value counts.
#[derive(Default)]
struct Uses {
    all: BTreeMap<usize, usize>,
    as_operand: BTreeMap<usize, usize>,
}

fn mark(definition: &mut Definition) {
    let mut uses = Uses::default();
    each_term(definition, &mut |term| {
        if let Term::Slot(slot) = term {
            *uses.all.entry(*slot).or_default() += 1;
        }
        operands(term, &mut |operand| {
            if let Term::Slot(slot) = operand {
                *uses.as_operand.entry(*slot).or_default() += 1;
            }
        });
    });
    let only_as_operand = |slot: usize| uses.all.get(&slot) == uses.as_operand.get(&slot);
    each_statement(definition, &mut |kind| match kind {
        StmtKind::Bind(slot, term) if only_as_operand(*slot) => spare(term),
        StmtKind::Equal(one, other) => {
            spare(one);
            spare(other);
        }
        _ => {}
    });
    each_term(definition, &mut |term| operands(term, &mut spare));
    each_term(definition, &mut |term| match term {
        Term::Call(name, _) if is_conversion(name) => *name = TO_NUMBER.into(),
        Term::Call(name, _) if name.strip_suffix(SPARED).is_some_and(is_conversion) => {
            *name = name.trim_end_matches(SPARED).into();
        }
        _ => {}
    });
}

/// No name of a function ends so.
const SPARED: &str = "!";

fn spare(term: &mut Term) {
    if let Term::Call(name, _) = term
        && is_conversion(name)
    {
        *name = format!("{name}{SPARED}").into();
    }
}

/// The parts of which only the value counts.
fn operands(term: &mut Term, see: &mut dyn FnMut(&mut Term)) {
    match term {
        Term::Compare(_, sides) | Term::Arithmetic(_, sides) => {
            see(&mut sides.0);
            see(&mut sides.1);
        }
        Term::In(_, sides) => see(&mut sides.0),
        Term::At(_, key) => see(key),
        Term::Call(name, args) if name.as_ref() == "sprintf" => {
            if let Some(Term::Array(items)) = args.get_mut(1) {
                items.iter_mut().for_each(see);
            }
        }
        _ => {}
    }
}

fn each_statement(definition: &mut Definition, see: &mut dyn FnMut(&mut StmtKind)) {
    for stmt in definition.branches.iter_mut().flat_map(|branch| &mut branch.body) {
        statement(stmt, see);
    }
    each_term(definition, &mut |term| {
        if let Term::Collect(collect) = term {
            collect.body.iter_mut().for_each(|stmt| statement(stmt, see));
        }
    });
}

fn statement(stmt: &mut Stmt, see: &mut dyn FnMut(&mut StmtKind)) {
    see(&mut stmt.kind);
    bodies(&mut stmt.kind, &mut |body| body.iter_mut().for_each(|stmt| statement(stmt, see)));
}

/// Every term of a definition, those within others after them.
fn each_term(definition: &mut Definition, see: &mut dyn FnMut(&mut Term)) {
    for Branch { body, steps, put, .. } in &mut definition.branches {
        for stmt in body {
            of_statement(stmt, see);
        }
        let (Put::Value(value) | Put::Item(value)) = put;
        steps.iter_mut().chain([value]).for_each(|term| within(term, see));
    }
}

fn of_statement(stmt: &mut Stmt, see: &mut dyn FnMut(&mut Term)) {
    terms(&mut stmt.kind, &mut |term| within(term, see));
    bodies(&mut stmt.kind, &mut |body| body.iter_mut().for_each(|stmt| of_statement(stmt, see)));
}

fn within(term: &mut Term, see: &mut dyn FnMut(&mut Term)) {
    see(term);
    if let Term::Collect(collect) = term {
        let Comprehension { key, item, body, .. } = collect.as_mut();
        for stmt in body {
            of_statement(stmt, see);
        }
        key.iter_mut().chain([item]).for_each(|term| within(term, see));
    }
    parts(term, &mut |part| within(part, see));
}
