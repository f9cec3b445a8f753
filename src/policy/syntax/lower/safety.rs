//! In which order the expressions of a body can be taken, so that each has what it needs: OPA's stage `CheckSafetyRuleBodies`.
//!
//! The order is OPA's to the letter, because it shows: an array that a comprehension makes has its items in the order of the loops.

#![expect(clippy::needless_for_each, reason = "each arm is one expression")]

use std::collections::BTreeMap;

use super::flat::{Flat, FlatExpr, FlatExprKind, RefHead, Var, Vars};

/// Puts a body in order, given the variables that are known around it; or tells the variables that nothing gives a value, each with its
/// expression.
///
/// It is OPA's `reorderBodyForSafety`, with what is peculiar to it. What closes over variables (a comprehension, the body of an `every`)
/// waits for them and for nothing else; and where these are the very variables that its expression binds, it waits in vain.
pub(super) fn reorder<'b>(body: &'b [FlatExpr], around: &Vars) -> Result<Vec<&'b FlatExpr>, Vec<(Var, &'b FlatExpr)>> {
    let mut of_body = Vars::new();
    body.iter().for_each(|expr| expr.vars(&mut of_body));
    let mut safe: Vars = &of_body & around;
    let mut ordered = Vec::with_capacity(body.len());
    let mut waiting: Vec<(&FlatExpr, Vars)> = body
        .iter()
        .map(|expr| {
            let mut needed = Vars::new();
            expr.vars(&mut needed);
            (expr, &needed - &safe)
        })
        .collect();
    while !waiting.is_empty() {
        let before = waiting.len();
        waiting.retain_mut(|(expr, needed)| {
            let outputs = outputs(expr, &safe);
            let mut closed = Vars::new();
            expr.closed_over(&mut closed);
            closed.retain(|var| of_body.contains(var) && !around.contains(var));
            if !closed.is_empty() {
                if closed == outputs {
                    return true;
                }
                *needed = closed;
            }
            needed.retain(|var| !outputs.contains(var) && !safe.contains(var));
            if needed.is_empty() {
                safe.extend(outputs);
                ordered.push(*expr);
            }
            !needed.is_empty()
        });
        if waiting.len() == before {
            return Err(waiting.into_iter().flat_map(|(expr, needed)| needed.into_iter().map(move |var| (var, expr))).collect());
        }
    }
    Ok(ordered)
}

/// The variables that an expression gives values to; those that have values already are among them, but for an equation's.
fn outputs(expr: &FlatExpr, safe: &Vars) -> Vars {
    let mut given = Vars::new();
    for (_, value) in expr.with.iter() {
        value.vars(&mut given);
    }
    if expr.negated || given.iter().any(|var| !safe.contains(var)) {
        return Vars::new();
    }
    let mut found = Vars::new();
    match &expr.what {
        FlatExprKind::Term(term) => of_references(term, safe, &mut found),
        FlatExprKind::Every { domain, .. } => of_references(domain, safe, &mut found),
        FlatExprKind::Not { .. } => {}
        FlatExprKind::Equal(one, other) => {
            of_references(one, safe, &mut found);
            of_references(other, safe, &mut found);
            let mut unifier = Unifier { safe: safe | &found, unified: Vars::new(), unknown: BTreeMap::new() };
            unifier.unify(one, other);
            found.extend(unifier.unified);
            found.retain(|var| !safe.contains(var));
        }
        FlatExprKind::Call { args, out, .. } => {
            args.iter().chain(out).for_each(|term| of_references(term, safe, &mut found));
            let mut needed = Vars::new();
            args.iter().for_each(|arg| values(arg, &mut needed));
            if needed.iter().any(|var| !safe.contains(var) && !found.contains(var)) {
                return Vars::new();
            }
            out.iter().for_each(|out| values(out, &mut found));
        }
    }
    found
}

/// The variables that go through what a reference leads to.
fn of_references(term: &Flat, safe: &Vars, found: &mut Vars) {
    if let Flat::Ref(head, steps) = term {
        let mut needed = Vars::new();
        head.vars(&mut needed);
        if needed.iter().any(|var| !safe.contains(var)) {
            return;
        }
        steps.iter().for_each(|step| step.vars(found));
    }
    term.parts().into_iter().for_each(|part| of_references(part, safe, found));
}

/// The variables of a term that unification could give values to: not those that references begin with, nor those of sets and keys.
fn values(term: &Flat, found: &mut Vars) {
    match term {
        Flat::Const(_) | Flat::Collect(_) | Flat::Set(_) | Flat::Named(_) => {}
        Flat::Var(var) => drop(found.insert(*var)),
        Flat::Ref(_, steps) => steps.iter().for_each(|step| values(step, found)),
        Flat::Array(items) => items.iter().for_each(|item| values(item, found)),
        Flat::Object(fields) => fields.iter().for_each(|(_, value)| values(value, found)),
    }
}

/// Which variables of two terms have values once the terms are equal: OPA's `ast.Unify`.
struct Unifier {
    safe: Vars,
    unified: Vars,
    /// What has to be known before a variable is.
    unknown: BTreeMap<Var, Vars>,
}

impl Unifier {
    fn is_safe(&self, var: Var) -> bool {
        self.safe.contains(&var) || self.unified.contains(&var)
    }

    fn begins_safely(&self, head: &RefHead) -> bool {
        let mut vars = Vars::new();
        head.vars(&mut vars);
        vars.into_iter().all(|var| self.is_safe(var))
    }

    fn unify(&mut self, one: &Flat, other: &Flat) {
        match (one, other) {
            (Flat::Var(one), Flat::Var(other)) => match (self.is_safe(*one), self.is_safe(*other)) {
                (_, true) => self.mark(*one),
                (true, false) => self.mark(*other),
                (false, false) => {
                    self.unknown.entry(*one).or_default().insert(*other);
                    self.unknown.entry(*other).or_default().insert(*one);
                }
            },
            (Flat::Var(var), whole @ (Flat::Array(_) | Flat::Object(_))) | (whole @ (Flat::Array(_) | Flat::Object(_)), Flat::Var(var)) => {
                self.with_whole(*var, whole);
            }
            (Flat::Var(var), Flat::Ref(head, _)) | (Flat::Ref(head, _), Flat::Var(var)) => {
                if self.begins_safely(head) {
                    self.mark(*var);
                }
            }
            (Flat::Var(var), Flat::Const(_) | Flat::Set(_) | Flat::Collect(_) | Flat::Named(_))
            | (Flat::Const(_) | Flat::Set(_) | Flat::Collect(_) | Flat::Named(_), Flat::Var(var)) => self.mark(*var),
            (Flat::Ref(head, _), whole @ (Flat::Array(_) | Flat::Object(_)))
            | (whole @ (Flat::Array(_) | Flat::Object(_)), Flat::Ref(head, _)) => {
                if self.begins_safely(head) {
                    self.mark_all(whole);
                }
            }
            (Flat::Collect(_), whole @ (Flat::Array(_) | Flat::Object(_)))
            | (whole @ (Flat::Array(_) | Flat::Object(_)), Flat::Collect(_)) => self.mark_all(whole),
            (Flat::Array(ones), Flat::Array(others)) => {
                if ones.len() == others.len() {
                    ones.iter().zip(others).for_each(|(one, other)| self.unify(one, other));
                }
            }
            (Flat::Object(ones), Flat::Object(others)) => {
                if ones.len() == others.len() {
                    for (key, value) in ones {
                        if let Some((_, other)) = others.iter().find(|(other, _)| is_same(key, other)) {
                            self.unify(value, other);
                        }
                    }
                }
            }
            (
                Flat::Const(_) | Flat::Ref(..) | Flat::Array(_) | Flat::Set(_) | Flat::Object(_) | Flat::Collect(_) | Flat::Named(_),
                Flat::Const(_) | Flat::Ref(..) | Flat::Array(_) | Flat::Set(_) | Flat::Object(_) | Flat::Collect(_) | Flat::Named(_),
            ) => {}
        }
    }

    fn with_whole(&mut self, var: Var, whole: &Flat) {
        if self.is_safe(var) {
            return self.mark_all(whole);
        }
        let mut parts = Vars::new();
        values(whole, &mut parts);
        parts.retain(|part| !self.is_safe(*part));
        if parts.is_empty() { self.mark(var) } else { self.unknown.entry(var).or_default().extend(parts) }
    }

    fn mark_all(&mut self, whole: &Flat) {
        let mut parts = Vars::new();
        values(whole, &mut parts);
        parts.into_iter().for_each(|part| self.mark(part));
    }

    fn mark(&mut self, var: Var) {
        self.unified.insert(var);
        for needed in self.unknown.remove(&var).unwrap_or_default() {
            self.mark(needed);
        }
        let mut known = Vec::new();
        self.unknown.retain(|dependant, needed| {
            if needed.remove(&var) && needed.is_empty() {
                known.push(*dependant);
                return false;
            }
            true
        });
        known.into_iter().for_each(|var| self.mark(var));
    }
}

/// Whether two keys are the same by their syntax.
pub(super) fn is_same(one: &Flat, other: &Flat) -> bool {
    match (one, other) {
        (Flat::Const(one), Flat::Const(other)) => one == other,
        (Flat::Var(one), Flat::Var(other)) => one == other,
        _ => false,
    }
}
