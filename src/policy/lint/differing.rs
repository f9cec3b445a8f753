//! `some team in input.session.teams; team != "x"`: holds if there is any other group, and not only if there is no group `x`.

use super::Faults;
use super::meaning::{Meaning, RuleScope};
use super::rego_type::is_scalar;
use super::rules::RuleText;
use crate::policy::engine::entrypoint;
use crate::policy::syntax::tree::{AssignOp, BoolOp, Expr, Literal, LiteralStmt, Operator, Query};
use crate::policy::syntax::walk;

pub(super) fn check<'m>(scope: &RuleScope<'_, 'm>, definition: &RuleText<'m>, faults: &mut Faults<'_>) {
    for query in definition.bodies.iter().map(|body| body.query) {
        for (expr, lhs, rhs) in query.stmts.iter().filter_map(different) {
            for (item, other) in [(lhs, rhs), (rhs, lhs)] {
                let Some(collection) = collection(definition, query, item) else { continue };
                let (within, text) = (collection.span().text(), other.span().text());
                let (reason, hint) = match (scope.meaning(collection), scope.meaning(other)) {
                    (Meaning::Input(_), Meaning::Written(literal)) if is_scalar(literal) => (
                        format!("this holds if anything else than `{text}` is in `{within}`, even if `{text}` is in it, too"),
                        format!("write `not {text} in {within}` if that must not be in it"),
                    ),
                    (Meaning::Written(Expr::Array { items, .. } | Expr::Set { items, .. }), Meaning::Input(_)) if items.len() > 1 => (
                        format!("this holds for everybody: whatever `{text}` is, something else is in `{within}`, too"),
                        format!("write `not {text} in {within}`"),
                    ),
                    _ => continue,
                };
                // A rule of another name may be asked for under `not`, where this is what is meant.
                match entrypoint::shape(definition.name) {
                    Some(_) => faults.warn(expr.span(), reason, hint),
                    None => faults.note(expr.span(), reason, hint),
                }
            }
        }
    }
}

/// The sides of a statement that is `a != b`.
fn different(statement: &LiteralStmt) -> Option<(&Expr, &Expr, &Expr)> {
    match &statement.literal {
        Literal::Expr { expr, .. } => match expr.as_ref() {
            Expr::Binary { op: Operator::Compare(BoolOp::Ne), lhs, rhs, .. } => Some((expr, lhs, rhs)),
            _ => None,
        },
        _ => None,
    }
}

/// What an expression is any one item of. Where the item is used for more than to be different, it says which one is meant.
fn collection<'m>(definition: &RuleText<'m>, query: &'m Query, item: &'m Expr) -> Option<&'m Expr> {
    let Some(name) = walk::var(item) else { return any_of(item) };
    let collection = query.stmts.iter().find_map(|statement| match &statement.literal {
        Literal::SomeIn { key: None, value, collection, .. } if walk::var(value) == Some(name) => Some(collection.as_ref()),
        Literal::Expr { expr, .. } => match expr.as_ref() {
            Expr::AssignExpr { op: AssignOp::ColEq, lhs, rhs, .. } if walk::var(lhs) == Some(name) => any_of(rhs),
            _ => None,
        },
        _ => None,
    })?;
    let compared =
        query.stmts.iter().filter_map(different).filter(|(_, lhs, rhs)| [lhs, rhs].iter().any(|side| walk::var(side) == Some(name)));
    let mut used = 0;
    definition.visit(&mut |expr| used += usize::from(walk::var(walk::unfold(expr).0) == Some(name)));
    (used == 1 + compared.count()).then_some(collection)
}

/// `collection[_]`
fn any_of(expr: &Expr) -> Option<&Expr> {
    match expr {
        Expr::RefBrack { refr, index, .. } if walk::var(index) == Some("_") => Some(refr),
        _ => None,
    }
}
