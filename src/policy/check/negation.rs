//! `not` around something that may be undefined.
//!
//! OPA takes the arguments out of a negated call first: where one is undefined, so is the body, and the rule does not hold. Regorus negates
//! the undefined call and goes on with `true`. What gives a role in the one refuses it in the other, so such a `not` is taken only if its
//! arguments are always there: the paths that every `input` has, constants, variables that are bound, and little more.

use std::collections::BTreeSet;

use regorus::unstable::{ArithOp, BoolOp, Expr, Literal, LiteralStmt};

use super::rules::{Definition, Kind, Rules};
use super::{Faults, ast};
use crate::policy::input;

/// What is known of a value that is always there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    Text,
    Number,
    Bool,
    Set,
    /// An array or an object.
    Collection,
    /// Something.
    Any,
}

pub(super) fn check(rules: &Rules<'_>, faults: &mut Faults<'_>) {
    for definition in &rules.definitions {
        let mut statements = Vec::new();
        definition.visit_statements(&mut |statement| statements.push(statement));
        let context = Context { rules, locals: locals(definition, &statements) };
        for statement in statements {
            if let Literal::NotExpr { expr, .. } = &statement.literal {
                for argument in arguments(expr) {
                    if context.sort(argument).is_none() {
                        let text = argument.span().text();
                        faults.push_with_hint(
                            argument.span(),
                            format!("`{text}` may be undefined, and `not` around it would then hold here and fail in OPA"),
                            format!("bind it first, on a line of its own: `value := {text}`, and then use `value` after `not`"),
                        );
                    }
                }
            }
        }
    }
}

/// The variables that a rule declares or binds anywhere. In a body that has come as far as a `not` they have values.
fn locals<'a>(definition: &Definition<'a>, statements: &[&'a LiteralStmt]) -> BTreeSet<&'a str> {
    let mut locals = Vec::new();
    definition.args.iter().for_each(|arg| ast::pattern_vars(arg, &mut locals));
    for statement in statements {
        ast::declared(statement, &mut locals);
    }
    locals.into_iter().collect()
}

/// What OPA takes out of a negated expression. Not what is only looked up or compared for equality: there both agree.
fn arguments(negated: &Expr) -> Vec<&Expr> {
    let is_operation =
        |expr: &Expr| matches!(expr, Expr::Call { .. } | Expr::ArithExpr { .. } | Expr::BinExpr { .. } | Expr::Membership { .. });
    match negated {
        Expr::BoolExpr { op: BoolOp::Eq, lhs, rhs, .. } | Expr::AssignExpr { lhs, rhs, .. } => {
            [lhs, rhs].into_iter().map(AsRef::as_ref).filter(|side| is_operation(side)).collect()
        }
        Expr::Call { .. } | Expr::ArithExpr { .. } | Expr::BinExpr { .. } | Expr::Membership { .. } | Expr::BoolExpr { .. } => {
            ast::parts(negated)
        }
        Expr::RefDot { .. } | Expr::RefBrack { .. } => ast::parts(negated),
        Expr::Array { .. } | Expr::Set { .. } | Expr::Object { .. } => vec![negated],
        _ => Vec::new(),
    }
}

struct Context<'a> {
    rules: &'a Rules<'a>,
    locals: BTreeSet<&'a str>,
}

impl Context<'_> {
    /// What an expression's value is, if it always has one.
    fn sort(&self, expr: &Expr) -> Option<Sort> {
        match expr {
            Expr::String { .. } | Expr::RawString { .. } => Some(Sort::Text),
            Expr::Number { .. } | Expr::UnaryExpr { .. } => Some(Sort::Number),
            Expr::Bool { .. } => Some(Sort::Bool),
            Expr::Null { .. } => Some(Sort::Any),
            Expr::SetCompr { .. } => Some(Sort::Set),
            Expr::ArrayCompr { .. } | Expr::ObjectCompr { .. } => Some(Sort::Collection),
            Expr::Array { .. } | Expr::Object { .. } => self.all_there(expr).then_some(Sort::Collection),
            Expr::Set { .. } => self.all_there(expr).then_some(Sort::Set),
            Expr::Var { .. } | Expr::RefDot { .. } | Expr::RefBrack { .. } => self.reference(expr),
            Expr::BoolExpr { .. } | Expr::Membership { .. } => self.all_there(expr).then_some(Sort::Bool),
            Expr::BinExpr { lhs, rhs, .. } => (self.sort(lhs)? == Sort::Set && self.sort(rhs)? == Sort::Set).then_some(Sort::Set),
            Expr::ArithExpr { op, lhs, rhs, .. } => {
                let total = matches!(op, ArithOp::Add | ArithOp::Sub | ArithOp::Mul);
                (total && self.sort(lhs)? == Sort::Number && self.sort(rhs)? == Sort::Number).then_some(Sort::Number)
            }
            Expr::Call { fcn, params, .. } => {
                let sorts: Vec<Sort> = params.iter().map(|param| self.sort(param)).collect::<Option<_>>()?;
                result(&ast::path(fcn)?.join("."), &sorts)
            }
            Expr::AssignExpr { .. } => None,
        }
    }

    fn all_there(&self, expr: &Expr) -> bool {
        ast::parts(expr).into_iter().all(|part| self.sort(part).is_some())
    }

    fn reference(&self, expr: &Expr) -> Option<Sort> {
        let names = ast::path(expr)?;
        let first = *names.first()?;
        if self.locals.contains(first) || !self.rules.is_global(first) {
            return (names.len() == 1).then_some(Sort::Any);
        }
        match self.rules.resolve(&names).as_slice() {
            ["input", path @ ..] if !self.rules.changes_input => input::kind_at(path).map(|kind| match kind {
                input::Kind::Text => Sort::Text,
                input::Kind::Number => Sort::Number,
                input::Kind::Bool => Sort::Bool,
                input::Kind::Null => Sort::Any,
                input::Kind::Array | input::Kind::Object => Sort::Collection,
            }),
            [name] if self.rules.is_always_defined(name) => match self.rules.kind(name) {
                Some(Kind::Set) => Some(Sort::Set),
                Some(Kind::Object) => Some(Sort::Collection),
                Some(Kind::Complete | Kind::Function(_)) | None => Some(Sort::Any),
            },
            _ => None,
        }
    }
}

/// What a builtin answers with, if it has an answer to all arguments of these sorts.
fn result(name: &str, arguments: &[Sort]) -> Option<Sort> {
    match (name, arguments) {
        ("lower" | "upper" | "trim_space", [Sort::Text])
        | ("trim" | "trim_left" | "trim_right" | "trim_prefix" | "trim_suffix", [Sort::Text, Sort::Text]) => Some(Sort::Text),
        ("startswith" | "endswith" | "contains", [Sort::Text, Sort::Text]) => Some(Sort::Bool),
        ("split", [Sort::Text, Sort::Text]) => Some(Sort::Collection),
        ("count", [Sort::Text | Sort::Set | Sort::Collection]) => Some(Sort::Number),
        _ => None,
    }
}
