//! What a rule compares with what.
//!
//! `"x" in input.session.teams`, `input.session.teams[_] == "x"`, `some team in input.session.teams; team == "x"` and
//! `names[input.session.login]` all ask whether two things are equal. They are brought into one form here, so that whoever warns of
//! a comparison sees all of its spellings.

use super::meaning::{Meaning, RuleScope};
use super::rego_type::{Type, is_scalar};
use super::rules::RuleText;
use super::schema::{self, SchemaEntry};
use crate::policy::syntax::tree::{AssignOp, BoolOp, Expr, Operator, Span};
use crate::policy::syntax::walk;

/// One comparison.
pub(super) struct Comparison<'m> {
    /// The whole of it.
    pub(super) span: &'m Span,
    pub(super) op: Op,
    /// What is compared, and what it stands for.
    pub(super) subject: &'m Expr,
    pub(super) meaning: Meaning<'m>,
    /// Not the subject is meant but each of its items.
    pub(super) each: bool,
    /// The literals that it is compared with, one after the other.
    pub(super) with: Vec<&'m Expr>,
    /// What it is compared with if that is no literal.
    pub(super) other: Option<(&'m Expr, Meaning<'m>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Equal,
    NotEqual,
    Less,
    AtMost,
    AtLeast,
    More,
    /// Something is looked for in the subject.
    Holds,
}

impl<'m> Comparison<'m> {
    /// With no literal.
    fn new(span: &'m Span, op: Op, subject: &'m Expr, meaning: Meaning<'m>) -> Self {
        Self { span, op, subject, meaning, each: false, with: Vec::new(), other: None }
    }
}

impl Comparison<'_> {
    /// The subject in words.
    pub(super) fn shown(&self) -> String {
        let text = self.subject.span().text();
        if self.each { format!("an item of `{text}`") } else { format!("`{text}`") }
    }

    /// The path of `input` that the subject is.
    pub(super) fn path(&self) -> &[Option<&str>] {
        if let Meaning::Input(path) = &self.meaning { path } else { &[] }
    }
}

impl Op {
    fn of(op: BoolOp) -> Self {
        match op {
            BoolOp::Lt => Self::Less,
            BoolOp::Le => Self::AtMost,
            BoolOp::Eq => Self::Equal,
            BoolOp::Ge => Self::AtLeast,
            BoolOp::Gt => Self::More,
            BoolOp::Ne => Self::NotEqual,
        }
    }

    /// The same with the sides changed.
    fn mirrored(self) -> Self {
        match self {
            Self::Less => Self::More,
            Self::AtMost => Self::AtLeast,
            Self::AtLeast => Self::AtMost,
            Self::More => Self::Less,
            Self::Equal | Self::NotEqual | Self::Holds => self,
        }
    }
}

/// Every comparison of a rule.
pub(super) fn all<'m>(scope: &RuleScope<'_, 'm>, definition: &RuleText<'m>) -> Vec<Comparison<'m>> {
    let mut found = Vec::new();
    definition.visit(&mut |expr| found.extend(of(scope, expr)));
    found
}

/// The comparison that an expression is, if it is one.
pub(super) fn of<'m>(scope: &RuleScope<'_, 'm>, expr: &'m Expr) -> Option<Comparison<'m>> {
    match expr {
        Expr::Binary { span, op: Operator::Compare(op), lhs, rhs } => pair(scope, span, Op::of(*op), lhs, rhs),
        Expr::AssignExpr { span, op: AssignOp::Eq, lhs, rhs, .. } => {
            let binds = |side: &Expr| walk::var(side).is_some_and(|name| scope.is_local(name));
            (!binds(lhs) && !binds(rhs)).then(|| pair(scope, span, Op::Equal, lhs, rhs)).flatten()
        }
        Expr::Membership { span, value, collection, .. } => membership(scope, span, value, collection),
        Expr::RefBrack { span, refr, index, .. } => {
            let items = match scope.meaning(refr) {
                Meaning::Written(Expr::Set { items, .. }) => items.iter().map(AsRef::as_ref).collect(),
                Meaning::Written(Expr::Object { fields, .. }) => fields.iter().map(|(_, key, _)| key.as_ref()).collect(),
                _ => Vec::new(),
            };
            let with = literals(items);
            let has_subject = !with.is_empty() && !is_scalar(index);
            has_subject.then(|| Comparison { with, ..Comparison::new(span, Op::Equal, index, scope.meaning(index)) })
        }
        _ => None,
    }
}

fn pair<'m>(scope: &RuleScope<'_, 'm>, span: &'m Span, op: Op, lhs: &'m Expr, rhs: &'m Expr) -> Option<Comparison<'m>> {
    let (left, right) = (scope.meaning(lhs), scope.meaning(rhs));
    let (of_left, of_right) = (spelled(&left), spelled(&right));
    Some(match (of_left.is_empty(), of_right.is_empty()) {
        (true, false) => Comparison { with: of_right, ..Comparison::new(span, op, lhs, left) },
        (false, true) => Comparison { with: of_left, ..Comparison::new(span, op.mirrored(), rhs, right) },
        (true, true) => Comparison { other: Some((rhs, right)), ..Comparison::new(span, op, lhs, left) },
        (false, false) => return None,
    })
}

fn membership<'m>(scope: &RuleScope<'_, 'm>, span: &'m Span, value: &'m Expr, collection: &'m Expr) -> Option<Comparison<'m>> {
    let (what, place) = (scope.meaning(value), scope.meaning(collection));
    match place {
        Meaning::Written(Expr::Array { items, .. } | Expr::Set { items, .. }) if spelled(&what).is_empty() => {
            let with = literals(items.iter().map(AsRef::as_ref).collect());
            Some(Comparison { with, ..Comparison::new(span, Op::Equal, value, what) })
        }
        Meaning::Input(mut path) => match schema::at(&path) {
            SchemaEntry::Type(Type::Array(_)) => {
                path.push(None);
                let each = Comparison::new(span, Op::Equal, collection, Meaning::Input(path));
                Some(Comparison { each: true, with: spelled(&what), ..each })
            }
            _ => Some(Comparison::new(span, Op::Holds, collection, Meaning::Input(path))),
        },
        place @ Meaning::Answer(_) => Some(Comparison::new(span, Op::Holds, collection, place)),
        _ => None,
    }
}

/// The literals that something stands for, if it stands for nothing else.
fn spelled<'m>(meaning: &Meaning<'m>) -> Vec<&'m Expr> {
    match meaning {
        Meaning::Written(literal) if is_scalar(literal) => vec![literal],
        Meaning::ItemOf(Expr::Array { items, .. } | Expr::Set { items, .. }) => literals(items.iter().map(AsRef::as_ref).collect()),
        Meaning::OneOf(literals) => literals.clone(),
        _ => Vec::new(),
    }
}

fn literals(mut items: Vec<&Expr>) -> Vec<&Expr> {
    items.retain(|item| is_scalar(item));
    items
}
