//! Objects as patterns.
//!
//! In OPA `{"a": x} := object` holds for objects with that field and no other; regorus lets others be. A policy that tells requests apart by
//! it would take more of them here, so it must say what it means by naming fields.

use regorus::unstable::{AssignOp, Expr, Literal};

use super::rules::Rules;
use super::{Faults, ast, calls};

pub(super) fn check(rules: &Rules<'_>, faults: &mut Faults<'_>) {
    for definition in &rules.definitions {
        definition.args.iter().for_each(|arg| refuse(arg, faults));
        calls::visit(definition, &mut |expr| match expr {
            Expr::AssignExpr { op: AssignOp::ColEq, lhs, .. } => refuse(lhs, faults),
            // Either side may be the pattern. `x = {"a": y}` with a variable on the left makes an object, nearly always.
            Expr::AssignExpr { lhs, rhs, .. } => {
                refuse(lhs, faults);
                if ast::var(lhs).is_none_or(|name| rules.is_global(name)) {
                    refuse(rhs, faults);
                }
            }
            _ => {}
        });
        definition.visit_statements(&mut |statement| {
            if let Literal::SomeIn { key, value, .. } = &statement.literal {
                key.iter().chain([value]).for_each(|pattern| refuse(pattern, faults));
            }
        });
    }
}

/// Tells of the first object in a pattern that has variables for its fields.
fn refuse(pattern: &Expr, faults: &mut Faults<'_>) {
    match pattern {
        Expr::Object { span, .. } => {
            let mut vars = Vec::new();
            ast::pattern_vars(pattern, &mut vars);
            if !vars.is_empty() {
                faults.push_with_hint(
                    span,
                    "an object of variables matches objects with more fields here, and does not in OPA",
                    "take the fields one by one: `x := object.field`",
                );
            }
        }
        Expr::Array { items, .. } => items.iter().for_each(|item| refuse(item, faults)),
        _ => {}
    }
}
