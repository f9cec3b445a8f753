//! Keys and items that are the same by their text.
//!
//! OPA's parser puts the fields of an object into one, so that of two fields whose keys are written alike the later one is all that the
//! compiler ever sees: what the other one says is never evaluated, and may be undefined.

use super::super::tree::{Expr, ExprRef, Span};
use super::super::walk::{self, Step};

type Field = (Span, ExprRef, ExprRef);

/// The fields of an object, those left out whose keys stand in it again.
pub(super) fn latest(fields: &[Field]) -> impl Iterator<Item = &Field> {
    let is_latest = |(at, (_, key, _)): &(usize, &Field)| !fields.iter().skip(at + 1).any(|(_, later, _)| is_same(key, later));
    fields.iter().enumerate().filter(is_latest).map(|(_, field)| field)
}

/// The items of a set, those left out that stand in it before.
pub(super) fn distinct(items: &[ExprRef]) -> impl Iterator<Item = &ExprRef> {
    let is_first = |(at, item): &(usize, &ExprRef)| !items.iter().take(*at).any(|earlier| is_same(earlier, item));
    items.iter().enumerate().filter(is_first).map(|(_, item)| item)
}

fn is_same(one: &Expr, other: &Expr) -> bool {
    match (one, other) {
        (Expr::Scalar { value: one, .. }, Expr::Scalar { value: other, .. }) => one == other,
        // Each wildcard is a variable of its own.
        (Expr::Var { span: one }, Expr::Var { span: other }) => one.text() == other.text() && one.text() != "_",
        (Expr::RefDot { .. } | Expr::RefBrack { .. }, Expr::RefDot { .. } | Expr::RefBrack { .. }) => {
            let ((one, ones), (other, others)) = (walk::unfold(one), walk::unfold(other));
            is_same(one, other) && ones.len() == others.len() && ones.iter().zip(&others).all(|(one, other)| is_same_step(*one, *other))
        }
        (Expr::Array { items: ones, .. }, Expr::Array { items: others, .. }) => are_same(ones, others),
        (Expr::Call { fcn: one, params: ones, .. }, Expr::Call { fcn: other, params: others, .. }) => {
            is_same(one, other) && are_same(ones, others)
        }
        (one, other) => one.span().text() == other.span().text() && !one.span().text().contains('_'),
    }
}

fn is_same_step(one: Step<'_>, other: Step<'_>) -> bool {
    match (one, other) {
        (Step::Name(one), Step::Name(other)) => one == other,
        (Step::Index(one), Step::Index(other)) => is_same(one, other),
        (Step::Name(_), Step::Index(_)) | (Step::Index(_), Step::Name(_)) => false,
    }
}

fn are_same(ones: &[ExprRef], others: &[ExprRef]) -> bool {
    ones.len() == others.len() && ones.iter().zip(others).all(|(one, other)| is_same(one, other))
}
