//! What a name or an expression stands for, as far as the text alone says.
//!
//! `s := input.session` makes `s.login` a path of `input`; `some day in ["Sat", "Sun"]` makes `day` one of two literals. Whatever is not
//! that plain is [`Meaning::Unknown`]: who warns must be sure.

use std::collections::{BTreeMap, BTreeSet};

use super::rules::{ModuleRules, RuleKind, RuleText, number};
use crate::policy::syntax::tree::{AssignOp, Expr, ExprRef, Literal, Span};
use crate::policy::syntax::walk::{self, Step};

/// What an expression stands for.
#[derive(Clone, Debug)]
pub(super) enum Meaning<'m> {
    /// A path of `input`; `None` is an index that may be anything.
    Input(Vec<Option<&'m str>>),
    /// What a builtin answers with, or the item of it at an index.
    Answer(BuiltinCall<'m>),
    /// Something written out: a literal, an array, a set, an object.
    Written(&'m Expr),
    /// Any one item of an array or a set that is written out.
    ItemOf(&'m Expr),
    /// Any one of these literals: what a function is called with.
    OneOf(Vec<&'m Expr>),
    Unknown,
}

/// A call of a builtin.
#[derive(Clone, Debug)]
pub(super) struct BuiltinCall<'m> {
    pub(super) name: String,
    pub(super) arguments: &'m [ExprRef],
    /// Which item of the answer is meant; `None`: all of it.
    pub(super) item: Option<usize>,
}

/// What the names in one rule stand for.
pub(super) struct RuleScope<'r, 'm> {
    rules: &'r ModuleRules<'m>,
    locals: BTreeMap<&'m str, LocalName<'m>>,
    /// Arguments, and names that are bound twice.
    unknown: BTreeSet<&'m str>,
}

/// How a variable got its value.
#[derive(Clone, Copy)]
enum LocalName<'m> {
    Is(&'m Expr),
    /// An item of an array.
    Part(&'m Expr, usize),
    /// Any item.
    ItemOf(&'m Expr),
    /// What a function is called with: its name, and which argument.
    Argument(&'m str, usize),
}

/// How many names are followed.
const FAR: usize = 8;
/// How many of these an argument counts for: each of its function's calls is looked at.
const ARGUMENT: usize = 4;
/// The most calls that are looked at.
const CALLS: usize = 12;

impl<'r, 'm> RuleScope<'r, 'm> {
    pub(super) fn of(rules: &'r ModuleRules<'m>, definition: &RuleText<'m>) -> Self {
        let mut scope = Self { rules, locals: BTreeMap::new(), unknown: BTreeSet::new() };
        for (index, argument) in definition.args.iter().enumerate() {
            if let Some(name) = walk::var(argument) {
                scope.bind(name, LocalName::Argument(definition.name, index));
            } else {
                scope.unknown.extend(walk::pattern_vars(argument));
            }
        }
        definition.visit_statements(&mut |statement| match &statement.literal {
            Literal::SomeIn { key, value, collection, .. } => {
                scope.unknown.extend(key.iter().flat_map(|key| walk::pattern_vars(key)));
                match walk::var(value) {
                    Some(name) => scope.bind(name, LocalName::ItemOf(collection)),
                    None => scope.unknown.extend(walk::pattern_vars(value)),
                }
            }
            Literal::Every { key, value, domain, .. } => {
                scope.unknown.extend(key.iter().map(Span::text));
                scope.bind(value.text(), LocalName::ItemOf(domain));
            }
            Literal::SomeVars { .. } | Literal::Expr { .. } | Literal::NotExpr { .. } => {}
        });
        definition.visit(&mut |expr| {
            if let Expr::AssignExpr { op, lhs, rhs, .. } = expr {
                scope.assign(*op, lhs, rhs);
            }
        });
        scope
    }

    fn assign(&mut self, op: AssignOp, lhs: &'m Expr, rhs: &'m Expr) {
        match (lhs, rhs) {
            (Expr::Var { span, .. }, value) if op == AssignOp::ColEq || !self.rules.is_global(span.text()) => {
                self.bind(span.text(), LocalName::Is(value));
            }
            (value, Expr::Var { span, .. }) if op == AssignOp::Eq && !self.rules.is_global(span.text()) => {
                self.bind(span.text(), LocalName::Is(value));
            }
            (Expr::Array { items, .. }, value) => {
                for (index, item) in items.iter().enumerate() {
                    match walk::var(item) {
                        Some(name) => self.bind(name, LocalName::Part(value, index)),
                        None => self.unknown.extend(walk::pattern_vars(item)),
                    }
                }
            }
            _ => {}
        }
    }

    fn bind(&mut self, name: &'m str, local: LocalName<'m>) {
        if name != "_" && self.locals.insert(name, local).is_some() {
            self.unknown.insert(name);
        }
    }

    /// Whether a name is bound in this rule.
    pub(super) fn is_local(&self, name: &str) -> bool {
        self.locals.contains_key(name) || self.unknown.contains(name)
    }

    pub(super) fn meaning(&self, expr: &'m Expr) -> Meaning<'m> {
        self.follow(expr, FAR)
    }

    fn follow(&self, expr: &'m Expr, far: usize) -> Meaning<'m> {
        let Some(far) = far.checked_sub(1) else { return Meaning::Unknown };
        match expr {
            Expr::Scalar { .. } | Expr::Array { .. } | Expr::Set { .. } | Expr::Object { .. } => Meaning::Written(expr),
            Expr::Call { fcn, params, .. } => match walk::path(fcn) {
                Some(names) if self.rules.kind(names.first().copied().unwrap_or_default()).is_none() => {
                    Meaning::Answer(BuiltinCall { name: names.join("."), arguments: params, item: None })
                }
                Some(_) | None => Meaning::Unknown,
            },
            Expr::Var { .. } | Expr::RefDot { .. } | Expr::RefBrack { .. } => self.reference(expr, far),
            _ => Meaning::Unknown,
        }
    }

    fn reference(&self, expr: &'m Expr, far: usize) -> Meaning<'m> {
        let (root, steps) = walk::unfold(expr);
        let Some(name) = walk::var(root) else {
            return steps.iter().fold(self.follow(root, far), step);
        };
        if self.unknown.contains(name) {
            return Meaning::Unknown;
        }
        if let Some(local) = self.locals.get(name) {
            let value = match *local {
                LocalName::Is(value) => self.follow(value, far),
                LocalName::Part(value, index) => item(self.follow(value, far), Some(index)),
                LocalName::ItemOf(collection) => item(self.follow(collection, far), None),
                LocalName::Argument(function, index) => self.argument(function, index, far),
            };
            return steps.iter().fold(value, step);
        }
        if !self.rules.is_global(name) {
            return Meaning::Unknown;
        }
        let names: Vec<&'m str> = std::iter::once(name).chain(steps.iter().map_while(Step::name)).collect();
        let rest = steps.get(names.len() - 1..).unwrap_or_default();
        let resolved = self.rules.resolve(&names);
        let value = match resolved.as_slice() {
            ["input", path @ ..] => Meaning::Input(path.iter().map(|name| Some(*name)).collect()),
            [rule, path @ ..] => path.iter().map(|name| Step::Name(name)).fold(self.rule(rule, far), |value, next| step(value, &next)),
            [] => Meaning::Unknown,
        };
        rest.iter().fold(value, step)
    }

    /// What a function's argument stands for: what its only call gives it, or any one of the literals that its calls do.
    fn argument(&self, function: &str, index: usize, far: usize) -> Meaning<'m> {
        let Some(far) = far.checked_sub(ARGUMENT) else { return Meaning::Unknown };
        let mut given = Vec::new();
        for definition in &self.rules.definitions {
            let mut here = Vec::new();
            definition.visit(&mut |expr| {
                if let Expr::Call { fcn, params, .. } = expr
                    && let Some(names) = walk::path(fcn)
                    && self.rules.resolve(&names) == [function]
                {
                    here.extend(params.get(index));
                }
            });
            if given.len() + here.len() > CALLS {
                return Meaning::Unknown;
            }
            if !here.is_empty() {
                let scope = Self::of(self.rules, definition);
                given.extend(here.into_iter().map(|argument| scope.follow(argument, far)));
            }
        }
        let literals: Option<Vec<&'m Expr>> = given.iter().map(|meaning| literal(meaning)).collect();
        match (literals, given.pop()) {
            (_, Some(only)) if given.is_empty() => only,
            (Some(literals), Some(_)) => Meaning::OneOf(literals),
            _ => Meaning::Unknown,
        }
    }

    /// What a rule stands for: what its only definition gives it.
    fn rule(&self, name: &'m str, far: usize) -> Meaning<'m> {
        let mut definitions = self.rules.named(name).filter(|definition| !definition.default);
        let (Some(definition), None) = (definitions.next(), definitions.next()) else { return Meaning::Unknown };
        let value = match definition.bodies.as_slice() {
            [] => definition.value,
            [body] => body.value.or(definition.value),
            _ => None,
        };
        match value {
            Some(value) if definition.kind == RuleKind::Complete => RuleScope::of(self.rules, definition).follow(value, far),
            Some(_) | None => Meaning::Unknown,
        }
    }
}

/// The literal that something stands for.
fn literal<'m>(meaning: &Meaning<'m>) -> Option<&'m Expr> {
    match meaning {
        Meaning::Written(literal @ Expr::Scalar { .. }) => Some(literal),
        _ => None,
    }
}

/// One step further.
fn step<'m>(from: Meaning<'m>, step: &Step<'m>) -> Meaning<'m> {
    match (from, step) {
        (Meaning::Input(mut path), Step::Name(name)) => {
            path.push(Some(name));
            Meaning::Input(path)
        }
        (Meaning::Written(Expr::Object { fields, .. }), Step::Name(name)) => {
            let field = fields.iter().find(|(_, key, _)| walk::literal_text(key) == Some(name));
            field.map_or(Meaning::Unknown, |(_, _, value)| match value.as_ref() {
                literal @ (Expr::Scalar { .. } | Expr::Set { .. } | Expr::Array { .. }) => Meaning::Written(literal),
                _ => Meaning::Unknown,
            })
        }
        // A set's item looked up is that item; what it is looked up by is compared with it elsewhere.
        (from, Step::Index(_)) => item(from, number(step)),
        (_, Step::Name(_)) => Meaning::Unknown,
    }
}

/// The item at an index, or any one.
fn item(of: Meaning<'_>, index: Option<usize>) -> Meaning<'_> {
    match of {
        Meaning::Input(mut path) => {
            path.push(None);
            Meaning::Input(path)
        }
        Meaning::Answer(BuiltinCall { name, arguments, item: None }) if index.is_some() => {
            Meaning::Answer(BuiltinCall { name, arguments, item: index })
        }
        Meaning::Written(collection @ (Expr::Array { .. } | Expr::Set { .. })) => Meaning::ItemOf(collection),
        Meaning::Answer(_) | Meaning::Written(_) | Meaning::ItemOf(_) | Meaning::OneOf(_) | Meaning::Unknown => Meaning::Unknown,
    }
}
