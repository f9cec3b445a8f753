//! Sets and objects that are written out with names in them, `{a, b}`, where it can be told how they are gone through.
//!
//! OPA's evaluator hands such a literal on as it was written: until something puts values in the place of the names (a builtin, a
//! comprehension, what is remembered of a rule), its items are the names. So whoever goes through it meets two that come to the same
//! twice, and all of them in the order of names that OPA's compiler has made up. Only an array shows either, as its items have an order
//! and may stand in it twice; what could be gone through so for an array is refused.

use std::collections::BTreeMap;
use std::ops::BitOr;

use super::super::core::{Branch, Collection, Comprehension, Definition, Function, Program, Rule, RuleForm, Stmt, StmtKind, Term};
use super::super::tree::Span;
use crate::policy::fault::PolicyFault;

/// Every place where an array is made of such a literal.
pub(super) fn check(program: &Program) -> Vec<PolicyFault> {
    let mut flow = MemberFlow {
        program,
        rules: vec![Holds::default(); program.rules.len()],
        results: vec![Holds::default(); program.functions.len()],
        arguments: program.functions.iter().map(|function| vec![Holds::default(); function.arity]).collect(),
        told: BTreeMap::new(),
        has_grown: true,
    };
    while std::mem::take(&mut flow.has_grown) {
        flow.program();
    }
    let fault = |span: &&Span| {
        let reason = "what is gone through here is written out in braces with names in it, and the order of its items is not known";
        let hint = "an array shows that order, so make it of an array, `[a, b]`, or make a set instead, `{… | …}`";
        PolicyFault::at_span(&span.source.name, span, reason).hint(hint)
    };
    flow.told.values().map(fault).collect()
}

/// What a value may hold: a literal with names in it.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Holds {
    /// It may be one.
    itself: bool,
    /// One may be in it.
    within: bool,
}

impl Holds {
    /// What an item of it holds.
    fn item(self) -> Self {
        Self { itself: self.within, within: self.within }
    }

    /// What a value holds that this one is an item of.
    fn around(self) -> Self {
        Self { itself: false, within: self.itself || self.within }
    }
}

impl BitOr for Holds {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self { itself: self.itself || other.itself, within: self.within || other.within }
    }
}

/// What is known of a program so far; it only grows.
struct MemberFlow<'p> {
    program: &'p Program,
    rules: Vec<Holds>,
    results: Vec<Holds>,
    arguments: Vec<Vec<Holds>>,
    /// Where an array is made of such a literal, by where it stands in the text.
    told: BTreeMap<(&'p str, u32), &'p Span>,
    has_grown: bool,
}

/// What the slots of a definition hold.
type Slots = BTreeMap<usize, Holds>;

/// Whether each solution of a body is an item of an array.
#[derive(Clone, Copy, PartialEq, Eq)]
enum For {
    Array,
    Other,
}

impl<'p> MemberFlow<'p> {
    fn program(&mut self) {
        for (number, Rule { kind, definitions, .. }) in self.program.rules.iter().enumerate() {
            let value = self.definitions(definitions, &Slots::new());
            let value = if *kind == RuleForm::Complete { value } else { value.around() };
            grow(&mut self.has_grown, self.rules.get_mut(number), value);
        }
        for (number, Function { definitions, .. }) in self.program.functions.iter().enumerate() {
            let arguments = self.arguments.get(number).into_iter().flatten().copied().enumerate().collect();
            let value = self.definitions(definitions, &arguments);
            grow(&mut self.has_grown, self.results.get_mut(number), value);
        }
    }

    fn definitions(&mut self, definitions: &'p [Definition], arguments: &Slots) -> Holds {
        let mut value = Holds::default();
        for Branch { body, steps, put, .. } in definitions.iter().flat_map(|definition| &definition.branches) {
            let mut slots = arguments.clone();
            self.body(body, For::Other, &mut slots);
            for step in steps {
                self.term(step, &mut slots);
            }
            value = value | self.term(put.term(), &mut slots);
        }
        value
    }

    fn body(&mut self, body: &'p [Stmt], purpose: For, slots: &mut Slots) {
        for Stmt { span, kind } in body {
            let terms: Vec<Holds> = kind.terms().into_iter().map(|term| self.term(term, slots)).collect();
            let first = terms.first().copied().unwrap_or_default();
            let within = match kind {
                StmtKind::Bind(slot, _) => {
                    slots.insert(*slot, first);
                    For::Other
                }
                StmtKind::Each { key, item, .. } | StmtKind::Every { key, item, .. } => {
                    slots.extend(key.iter().chain(item).map(|slot| (*slot, first.item())));
                    if first.itself && purpose == For::Array && matches!(kind, StmtKind::Each { .. }) {
                        self.told.insert((&span.source.name, span.start), span);
                    }
                    For::Other
                }
                StmtKind::With { .. } => purpose,
                StmtKind::Holds(_) | StmtKind::Equal(..) | StmtKind::IsArray(..) | StmtKind::IsObject(..) | StmtKind::Not(_) => For::Other,
            };
            self.body(kind.body(), within, slots);
        }
    }

    fn term(&mut self, term: &'p Term, slots: &mut Slots) -> Holds {
        if let Term::Collect(comprehension) = term {
            let Comprehension { kind, body, .. } = comprehension.as_ref();
            self.body(body, if *kind == Collection::Array { For::Array } else { For::Other }, slots);
        }
        let parts: Vec<Holds> = term.parts().into_iter().map(|part| self.term(part, slots)).collect();
        let of_parts = parts.iter().copied().fold(Holds::default(), BitOr::bitor);
        match term {
            Term::Slot(slot) => slots.get(slot).copied().unwrap_or_default(),
            Term::Rule(number) => self.rules.get(*number).copied().unwrap_or_default(),
            Term::Extent(path) => self.extent(path),
            Term::At(..) => parts.first().copied().unwrap_or_default().item(),
            Term::Function(number, _) => {
                for (known, part) in self.arguments.get_mut(*number).into_iter().flatten().zip(parts) {
                    grow(&mut self.has_grown, Some(known), part);
                }
                self.results.get(*number).copied().unwrap_or_default()
            }
            Term::Array(_) => of_parts.around(),
            Term::Set(items) => of_parts.around() | Holds { itself: items.len() > 1 && !items.iter().all(is_written), within: false },
            Term::Object(fields) => {
                let itself = fields.len() > 1 && !fields.iter().all(|(key, _)| is_written(key));
                of_parts.around() | Holds { itself, within: false }
            }
            // Values stand in the place of the names in all that these are given, and make.
            Term::Const(_)
            | Term::Input
            | Term::Call(..)
            | Term::Compare(..)
            | Term::In(..)
            | Term::Sets(..)
            | Term::Arithmetic(..)
            | Term::Collect(_)
            | Term::Template(_)
            | Term::Named(_) => Holds::default(),
        }
    }

    /// All that is at a path of `data`, and all that the path may lead into.
    fn extent(&self, path: &[Box<str>]) -> Holds {
        let is_near = |rule: &Rule| rule.path.iter().zip(path).all(|(one, other)| one == other);
        // Hardly any rule holds one, and policies may be long.
        let holding = self.program.rules.iter().zip(&self.rules).filter(|(_, holds)| **holds != Holds::default());
        let all = holding.filter(|(rule, _)| is_near(rule)).fold(Holds::default(), |all, (_, holds)| all | *holds);
        all | all.around() | all.around().item()
    }
}

fn grow(has_grown: &mut bool, known: Option<&mut Holds>, new: Holds) {
    if let Some(known) = known
        && *known | new != *known
    {
        *known = *known | new;
        *has_grown = true;
    }
}

/// Whether there is no name in it.
fn is_written(term: &Term) -> bool {
    match term {
        Term::Const(_) => true,
        Term::Array(_) | Term::Set(_) | Term::Object(_) => term.parts().into_iter().all(is_written),
        _ => false,
    }
}
