//! How variables come by their values: `:=`, `=`, `some`, arguments, and indices that nothing has bound yet.

use regorus::unstable::{AssignOp, Expr};

use super::source::Source;
use super::walk::Walk;
use crate::policy::check::ast;

impl<'m> Walk<'_, 'm> {
    /// `lhs := rhs` or `lhs = rhs`.
    pub(super) fn assign(&mut self, op: &AssignOp, lhs: &'m Expr, rhs: &'m Expr) {
        if let (Expr::Array { items: left, .. }, Expr::Array { items: right, .. }) = (lhs, rhs)
            && left.len() == right.len()
        {
            left.iter().zip(right).for_each(|(left, right)| self.assign(op, left, right));
            return;
        }
        match op {
            AssignOp::ColEq => {
                let value = self.expr(rhs);
                self.declare(lhs, value);
            }
            AssignOp::Eq => match (is_pattern(lhs), is_pattern(rhs)) {
                (false, false) => {
                    let (left, right) = (self.expr(lhs), self.expr(rhs));
                    self.uses.equal(left, right);
                }
                (left, right) => {
                    if left {
                        self.unify(lhs, rhs);
                    }
                    if right {
                        self.unify(rhs, lhs);
                    }
                }
            },
        }
    }

    /// An index takes the keys of what it is an index into, one by one, or is compared with them.
    pub(super) fn compare_or_bind(&mut self, index: &'m Expr, keys: Source) {
        self.take(index, keys, Variables::MayBeBound);
    }

    /// The variables of a pattern take the value of another expression apart.
    fn unify(&mut self, pattern: &'m Expr, with: &'m Expr) {
        let value = self.expr(with);
        self.take(pattern, value, Variables::MayBeBound);
    }

    /// The variables of a pattern take a value apart.
    pub(super) fn declare(&mut self, pattern: &'m Expr, value: Source) {
        self.take(pattern, value, Variables::AreNew);
    }

    fn take(&mut self, pattern: &'m Expr, value: Source, variables: Variables) {
        match pattern {
            Expr::Var { span, .. } => {
                let name = span.text();
                if let Variables::MayBeBound = variables {
                    let there = self.variable(name) | self.global(name, &[]).0;
                    self.uses.equal(there, value);
                }
                self.bind(name, value);
            }
            Expr::Array { items, .. } => {
                let mut rest = value;
                if value.may_be(Source::CLOCK) {
                    rest = value.without(Source::CLOCK) | Source::OTHER;
                    for (part, _) in items.iter().enumerate().filter(|(_, item)| ast::var(item) != Some("_")) {
                        self.uses.clock_part(part);
                    }
                }
                let item_value = self.uses.read(rest).items();
                for item in items {
                    self.take(item, item_value, variables);
                }
            }
            Expr::Object { fields, .. } => {
                let item_value = self.uses.read(value).items();
                for (_, key, item) in fields {
                    let key = self.expr(key);
                    self.uses.equal(key, item_value);
                    self.take(item, item_value, variables);
                }
            }
            other => {
                let compared = self.expr(other);
                self.uses.equal(compared, value);
            }
        }
    }
}

/// What the variables of a pattern are.
#[derive(Clone, Copy)]
enum Variables {
    /// They begin here.
    AreNew,
    /// If they have values already, these are compared.
    MayBeBound,
}

fn is_pattern(expr: &Expr) -> bool {
    matches!(expr, Expr::Var { .. } | Expr::Array { .. } | Expr::Object { .. })
}
