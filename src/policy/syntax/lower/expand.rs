//! A body's expressions, with names resolved and calls taken out of each other.
//!
//! A name that `:=`, `some`, `every` or a head's argument declares is a variable of the query that it stands in, and may bear the name of
//! a rule. A name that is declared nowhere is a rule, an import, or else one variable in all of its definition.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use regorus::Value;

use super::super::core::{Collection, Target};
use super::super::tree::{self, ArithOp, AssignOp, BoolOp, Literal, LiteralStmt, Operator, Query, Span, TemplatePart, WithModifier};
use super::super::walk::{self, Step};
use super::flat::{Callee, Collect, Flat, FlatExpr, FlatExprKind, RefHead, Var, Vars};
use super::heads;
use super::lowering::{self, Global, Lowering, Path, Purpose};
use super::same;
use crate::policy::builtins::{self, Refused};
use crate::policy::lint;

/// The variables of a definition, and what its names stand for at the place at hand.
pub(super) struct Expander<'l, 'm> {
    pub(super) lowering: &'l Lowering<'m>,
    pub(super) unit: usize,
    pub(super) vars: Vec<Variable>,
    scopes: Vec<Scope<'m>>,
    /// Names that are declared nowhere: one variable each.
    undeclared: BTreeMap<&'m str, Var>,
    /// What the `every`s declare whose collections are at hand.
    domains: Vec<Domain<'m>>,
    /// The head is at hand: see [`Scope::seen`].
    in_head: bool,
    /// A `$"…"` is at hand that is a step of a reference: it knows no rules and no imports.
    in_step: bool,
    /// A fault was found, and told.
    pub(super) is_faulty: bool,
}

pub(super) struct Variable {
    /// `None`: it is one of ours.
    pub(super) name: Option<Box<str>>,
    /// Where it stands first.
    pub(super) span: Span,
}

/// What a query declares.
#[derive(Default)]
struct Scope<'m> {
    /// All that its statements declare, wherever they stand.
    declares: BTreeSet<&'m str>,
    declared: BTreeMap<&'m str, Declared>,
    /// Names that stood in it before they were declared, if they are. In a comprehension of a head, those count that the body or an argument
    /// declares, too.
    seen: BTreeSet<&'m str>,
    /// Names that stand in it, or in a query within, and are declared by none of those.
    loose: BTreeSet<&'m str>,
    is_every: bool,
}

/// What an `every` declares, while its collection is at hand. OPA takes these names for its variables there, too.
struct Domain<'m> {
    names: Vec<&'m str>,
    /// Names that stand in a query within the collection, where they can get values of their own.
    within: BTreeMap<&'m str, Var>,
    /// How many queries are around the `every`.
    depth: usize,
}

struct Declared {
    var: Var,
    by: By,
    span: Span,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Argument,
    Assignment,
    Some,
    Every,
}

/// Statements of one query. Whoever walks through a body goes deeper with each.
const STATEMENTS_MAX: usize = 500;

type With = Rc<[(Target, Flat)]>;

impl<'l, 'm> Expander<'l, 'm> {
    pub(super) fn new(lowering: &'l Lowering<'m>, unit: usize) -> Self {
        Self {
            lowering,
            unit,
            vars: Vec::new(),
            scopes: vec![Scope::default()],
            undeclared: BTreeMap::new(),
            domains: Vec::new(),
            in_head: false,
            in_step: false,
            is_faulty: false,
        }
    }

    pub(super) fn fault(&mut self, span: &Span, reason: impl Into<String>, hint: Option<String>) {
        self.is_faulty = true;
        self.lowering.fault(self.unit, span, reason, hint);
    }

    /// A variable of ours.
    pub(super) fn fresh(&mut self, span: &Span) -> Var {
        self.vars.push(Variable { name: None, span: span.clone() });
        self.vars.len() - 1
    }

    fn variable(&mut self, name: &str, span: &Span) -> Var {
        self.vars.push(Variable { name: Some(name.into()), span: span.clone() });
        self.vars.len() - 1
    }

    /// The arguments of a function, declared for all its bodies: what each call's values are held against.
    pub(super) fn arguments(&mut self, args: &[&'m tree::Expr]) -> Vec<Flat> {
        args.iter().map(|arg| self.argument(arg)).collect()
    }

    fn argument(&mut self, arg: &'m tree::Expr) -> Flat {
        match arg {
            tree::Expr::Var { span } if span.text() == "_" => Flat::Var(self.fresh(span)),
            tree::Expr::Var { span } if matches!(span.text(), "input" | "data") => {
                self.fault(span, format!("an argument may not be named `{}`", span.text()), Some("give it another name".to_owned()));
                Flat::Const(Value::Null)
            }
            tree::Expr::Var { span } => {
                let name = span.text();
                let known = self.scopes.first().and_then(|scope| scope.declared.get(name)).map(|declared| declared.var);
                Flat::Var(known.unwrap_or_else(|| self.insert(name, span, By::Argument)))
            }
            tree::Expr::Array { items, .. } => Flat::Array(items.iter().map(|item| self.argument(item)).collect()),
            tree::Expr::Object { fields, .. } => {
                let field = |this: &mut Self, key: &'m tree::Expr, value: &'m tree::Expr| {
                    let mut support = Vec::new();
                    (this.term(key, &mut support), this.argument(value))
                };
                Flat::Object(fields.iter().map(|(_, key, value)| field(self, key, value)).collect())
            }
            other => {
                let mut support = Vec::new();
                let term = self.term(other, &mut support);
                if !support.is_empty() {
                    self.fault(other.span(), "an argument may not be computed", Some("compare it in the body: `x == …`".to_owned()));
                }
                term
            }
        }
    }

    /// A body, and what its head wants to know: answers with the head's terms, which are never undefined.
    ///
    /// The body has a scope of its own within that of the arguments, which it may not declare anew.
    pub(super) fn branch(
        &mut self,
        query: Option<&'m Query>,
        steps: &[Step<'m>],
        value: Option<&'m tree::Expr>,
    ) -> (Vec<FlatExpr>, Vec<Flat>, Option<Flat>) {
        // What an earlier branch has declared is not known to this one.
        if let Some(scope) = self.scopes.first_mut() {
            scope.declared.retain(|_, declared| declared.by == By::Argument);
            scope.declares = query.map(declares).unwrap_or_default();
            scope.seen.clear();
            scope.loose.clear();
        }
        self.undeclared.clear();
        let mut body = Vec::new();
        if let Some(query) = query {
            self.statements(query, &mut body);
        }
        let (lone, length) = (query.and_then(lone_true), body.len());
        self.in_head = true;
        let mut used = Vars::new();
        let steps: Vec<Flat> = steps
            .iter()
            .map(|step| match step {
                Step::Name(name) => Flat::Const(Value::from(*name)),
                Step::Index(expr) => self.settled(expr, &mut body),
            })
            .collect();
        let value = value.map(|value| self.settled(value, &mut body));
        self.in_head = false;
        self.check_overlooked(lone, body.len() > length);
        steps.iter().chain(&value).for_each(|term| {
            term.vars(&mut used);
            term.closed_over(&mut used);
        });
        self.check_unused(&body, &used);
        (body, steps, value)
    }

    /// A term of a head: what has to be evaluated for it is put into the body.
    fn settled(&mut self, expr: &'m tree::Expr, body: &mut Vec<FlatExpr>) -> Flat {
        let term = self.term(expr, body);
        self.evaluated(term, expr.span(), body)
    }

    /// A term that is never undefined.
    fn evaluated(&mut self, term: Flat, span: &Span, body: &mut Vec<FlatExpr>) -> Flat {
        if term.requires_evaluation() { Flat::Var(self.subject(term, span, body)) } else { term }
    }

    /// Where a head is evaluated behind a body that is `true` and nothing else, OPA loses that body, with its `not` and its `with`.
    fn check_overlooked(&mut self, lone: Option<&LiteralStmt>, is_followed: bool) {
        let Some(LiteralStmt { literal, span, .. }) = lone.filter(|_| is_followed) else { return };
        if matches!(literal, Literal::NotExpr { .. }) {
            self.fault(span, "`not true` alone never holds, and OPA overlooks it here", Some("write `false`".to_owned()));
        } else {
            self.fault(span, "`true` alone is overlooked by OPA here, and its `with` along with it", Some("leave both".to_owned()));
        }
    }

    /// What `some` declares has to be used. OPA says so of no other declaration.
    fn check_unused(&mut self, body: &[FlatExpr], by_head: &Vars) {
        if self.is_faulty {
            return;
        }
        let mut used = by_head.clone();
        for expr in body {
            expr.vars(&mut used);
            expr.closed_over(&mut used);
        }
        let declared = self.scopes.last().into_iter().flat_map(|scope| &scope.declared);
        let unused: Vec<(Span, &str)> = declared
            .filter(|(_, declared)| matches!(declared.by, By::Some | By::Every) && !used.contains(&declared.var))
            .map(|(name, declared)| (declared.span.clone(), *name))
            .collect();
        for (span, name) in unused {
            self.fault(&span, format!("variable `{name}` is declared and not used"), Some("write `_`, or use it".to_owned()));
        }
    }

    fn insert(&mut self, name: &'m str, span: &Span, by: By) -> Var {
        let var = self.variable(name, span);
        if let Some(scope) = self.scopes.last_mut() {
            scope.declared.insert(name, Declared { var, by, span: span.clone() });
        }
        var
    }

    /// A name is declared in the query at hand.
    fn declare(&mut self, name: &'m str, span: &Span, by: By) -> Var {
        if name == "_" {
            return self.variable("_", span);
        }
        if matches!(name, "input" | "data") {
            self.fault(span, format!("a variable may not be named `{name}`"), Some("give it another name".to_owned()));
        }
        let clash = self.scopes.last().and_then(|scope| match scope.declared.get(name) {
            Some(declared) => Some(match declared.by {
                By::Argument => format!("variable `{name}` is an argument already"),
                By::Assignment => format!("variable `{name}` is assigned above"),
                By::Some => format!("variable `{name}` is declared above"),
                By::Every => format!("variable `{name}` is declared above, by the `every`"),
            }),
            // A second pass of OPA's over the body of an `every` finds what the first has left, however deep.
            None if scope.seen.contains(name) || scope.is_every && scope.loose.contains(name) => {
                Some(format!("variable `{name}` is used above, before it is declared"))
            }
            None => None,
        });
        if let Some(reason) = clash {
            self.fault(span, reason, Some("give this one a name of its own".to_owned()));
        }
        self.insert(name, span, by)
    }

    fn declared(&self, name: &str) -> Option<Var> {
        self.scopes.iter().rev().find_map(|scope| scope.declared.get(name)).map(|declared| declared.var)
    }

    /// A name stands here, and nothing that is in sight declares it.
    fn see(&mut self, name: &'m str) {
        let hidden = usize::from(self.in_head);
        let in_sight = self.scopes.get(hidden..).unwrap_or_default();
        let is_known = in_sight.is_empty() || in_sight.iter().any(|scope| scope.declared.contains_key(name) || scope.seen.contains(name));
        if let Some(scope) = self.scopes.last_mut() {
            scope.loose.insert(name);
            if !is_known {
                scope.seen.insert(name);
            }
        }
    }

    /// A query of its own begins.
    fn enter(&mut self, query: &'m Query, is_every: bool) {
        self.scopes.push(Scope { declares: declares(query), is_every, ..Scope::default() });
    }

    fn leave(&mut self) {
        if let Some(mut scope) = self.scopes.pop()
            && let Some(outer) = self.scopes.last_mut()
        {
            outer.loose.append(&mut scope.loose);
        }
    }

    /// What a name stands for that no variable in sight has.
    fn global(&self, name: &str) -> Option<&Global> {
        if self.scopes.iter().any(|scope| scope.declares.contains(name) || scope.declared.contains_key(name)) {
            return None;
        }
        self.lowering.units.get(self.unit)?.globals.get(name)
    }

    /// The statements of a query, in the order of the text.
    fn statements(&mut self, query: &'m Query, body: &mut Vec<FlatExpr>) {
        if query.stmts.len() > STATEMENTS_MAX {
            let reason = format!("there are {} statements here; at most {STATEMENTS_MAX} are taken", query.stmts.len());
            self.fault(&query.span, reason, Some("give parts of it names of their own".to_owned()));
            return;
        }
        for statement in &query.stmts {
            self.statement(statement, body);
        }
    }

    /// A query with a scope of its own.
    fn nested<T>(
        &mut self,
        query: &'m Query,
        body: &mut Vec<FlatExpr>,
        then: impl FnOnce(&mut Self, &mut Vec<FlatExpr>) -> (T, Vars),
    ) -> T {
        self.enter(query, false);
        self.statements(query, body);
        let (lone, length) = (lone_true(query), body.len());
        let (done, used) = then(self, body);
        self.check_overlooked(lone, body.len() > length);
        self.check_unused(body, &used);
        self.leave();
        done
    }

    fn statement(&mut self, statement: &'m LiteralStmt, body: &mut Vec<FlatExpr>) {
        let span = &statement.span;
        // What is computed for the statement is computed under its `with`, too; what is put in is not.
        let with = self.with(&statement.with_mods, body);
        let mut support = Vec::new();
        let (negated, what) = match &statement.literal {
            Literal::SomeVars { vars, .. } => {
                for var in vars {
                    self.declare(var.text(), var, By::Some);
                }
                return;
            }
            Literal::SomeIn { key, value, collection, .. } => (false, self.some_in(key.as_deref(), value, collection, &mut support)),
            Literal::Expr { expr, .. } => (false, self.expression(expr, &mut support)),
            Literal::NotExpr { expr, .. } => {
                if let tree::Expr::AssignExpr { op: AssignOp::ColEq, span, .. } = expr.as_ref() {
                    self.fault(span, "nothing can be assigned under a `not`", Some("write `==`, or assign it on a line before".to_owned()));
                    return;
                }
                let what = self.expression(expr, &mut support);
                if self.lowering.units.get(self.unit).is_some_and(|unit| unit.module.not_bodies) {
                    let mut whole = std::mem::take(&mut support);
                    let own = whole.iter().flat_map(|expr| expr.terms()).filter_map(|term| match term {
                        Flat::Var(var) if self.vars.get(*var).is_some_and(|variable| variable.name.is_none()) => Some(*var),
                        _ => None,
                    });
                    let own = Rc::new(own.collect());
                    whole.push(FlatExpr { span: span.clone(), negated: false, what, with: Rc::from([]) });
                    (false, FlatExprKind::Not { body: Rc::new(whole), own })
                } else {
                    (true, what)
                }
            }
            Literal::Every { key, value, domain, query, .. } => {
                let names = key.iter().chain([value]).map(Span::text).filter(|name| *name != "_").chain(declares_itself(query)).collect();
                self.domains.push(Domain { names, within: BTreeMap::new(), depth: self.scopes.len() });
                let domain = self.term(domain, &mut support);
                self.domains.pop();
                let domain = self.subject(domain, span, &mut support);
                (false, self.every(key.as_ref(), value, Flat::Var(domain), query))
            }
        };
        for expr in support {
            // One that stands in for a part of the statement.
            body.push(FlatExpr { span: span.clone(), with: Rc::clone(&with), ..expr });
        }
        body.push(FlatExpr { span: span.clone(), negated, what, with });
    }

    fn every(&mut self, key: Option<&'m Span>, value: &'m Span, domain: Flat, query: &'m Query) -> FlatExprKind {
        self.enter(query, true);
        let mut declare = |span: &'m Span| (span.text() != "_").then(|| self.declare(span.text(), span, By::Every));
        let key = key.and_then(&mut declare);
        let item = declare(value);
        let mut body = Vec::new();
        self.statements(query, &mut body);
        self.check_unused(&body, &Vars::new());
        self.leave();
        FlatExprKind::Every { key, item, domain, body: Rc::new(body) }
    }

    fn some_in(
        &mut self,
        key: Option<&'m tree::Expr>,
        value: &'m tree::Expr,
        collection: &'m tree::Expr,
        support: &mut Vec<FlatExpr>,
    ) -> FlatExprKind {
        // What stands in the collection is known before, and a name that stands twice is declared once.
        let mut known = BTreeSet::new();
        every_name(collection, &mut known);
        if let Some(key) = key {
            self.declare_key(key, &mut known);
        }
        self.declare_pattern(value, &mut known);
        let item = self.term(value, support);
        let key = match key {
            Some(key) => self.term(key, support),
            None => Flat::Var(self.variable("_", value.span())),
        };
        let place = collection.span();
        let collection = self.term(collection, support);
        let subject = match collection {
            Flat::Ref(head, mut steps) => {
                steps.push(key);
                return FlatExprKind::Equal(item, Flat::Ref(head, steps));
            }
            Flat::Var(var) => var,
            other => self.subject(other, place, support),
        };
        FlatExprKind::Equal(item, Flat::Ref(RefHead::Var(subject), vec![key]))
    }

    /// What a term comes to, or what a reference begins with, as a variable of ours.
    fn subject(&mut self, term: Flat, span: &Span, support: &mut Vec<FlatExpr>) -> Var {
        let var = self.fresh(span);
        support.push(FlatExpr { span: span.clone(), negated: false, what: FlatExprKind::Equal(Flat::Var(var), term), with: Rc::from([]) });
        var
    }

    /// The variables of a key behind `some`, which declares whatever stands in it.
    fn declare_key(&mut self, key: &'m tree::Expr, known: &mut BTreeSet<&'m str>) {
        match key {
            tree::Expr::Var { .. } => self.declare_pattern(key, known),
            other => walk::parts(other).into_iter().for_each(|part| self.declare_key(part, known)),
        }
    }

    /// The variables of what stands behind `some`, but for those that are known.
    fn declare_pattern(&mut self, pattern: &'m tree::Expr, known: &mut BTreeSet<&'m str>) {
        match pattern {
            tree::Expr::Var { span } => {
                let name = span.text();
                if name != "_" && known.insert(name) {
                    self.declare(name, span, By::Some);
                }
            }
            tree::Expr::Array { items, .. } => items.iter().for_each(|item| self.declare_pattern(item, known)),
            tree::Expr::Object { fields, .. } => fields.iter().for_each(|(_, _, value)| self.declare_pattern(value, known)),
            tree::Expr::Set { .. } | tree::Expr::Template { .. } | tree::Expr::Compr { .. } => {}
            other => walk::parts(other).into_iter().for_each(|part| self.declare_pattern(part, known)),
        }
    }

    /// What a statement is that consists of an expression.
    fn expression(&mut self, expr: &'m tree::Expr, support: &mut Vec<FlatExpr>) -> FlatExprKind {
        match expr {
            tree::Expr::AssignExpr { op: AssignOp::ColEq, lhs, rhs, .. } => {
                let value = self.term(rhs, support);
                FlatExprKind::Equal(self.assigned(lhs), value)
            }
            tree::Expr::AssignExpr { op: AssignOp::Eq, lhs, rhs, .. } => {
                let one = self.term(lhs, support);
                FlatExprKind::Equal(one, self.term(rhs, support))
            }
            tree::Expr::Call { span, fcn, params, .. } => match self.call(span, fcn, params, CallPlace::Statement, support) {
                Some((callee, mut args, with_out)) => {
                    let out = if with_out { args.pop() } else { None };
                    FlatExprKind::Call { callee, args, out }
                }
                None => FlatExprKind::Term(Flat::Const(Value::Bool(true))),
            },
            other => match self.operation(other, support) {
                Some((callee, args)) => FlatExprKind::Call { callee, args, out: None },
                None => FlatExprKind::Term(self.term(other, support)),
            },
        }
    }

    /// What stands on the left of `:=`: its names are new.
    fn assigned(&mut self, pattern: &'m tree::Expr) -> Flat {
        match pattern {
            tree::Expr::Var { span } => Flat::Var(self.declare(span.text(), span, By::Assignment)),
            tree::Expr::Array { items, .. } => Flat::Array(items.iter().map(|item| self.assigned(item)).collect()),
            tree::Expr::Object { fields, .. } => {
                let mut support = Vec::new();
                let fields = fields.iter().map(|(_, key, value)| (self.term(key, &mut support), self.assigned(value)));
                Flat::Object(fields.collect())
            }
            other => {
                let reason = format!("nothing can be assigned to `{}`", other.span().text());
                self.fault(other.span(), reason, Some("write `==` to compare".to_owned()));
                Flat::Const(Value::Null)
            }
        }
    }

    /// An operator with its operands, if the expression is one.
    fn operation(&mut self, expr: &'m tree::Expr, support: &mut Vec<FlatExpr>) -> Option<(Callee, Vec<Flat>)> {
        let (callee, operands) = match expr {
            tree::Expr::Binary { op, lhs, rhs, .. } => (Callee::Operator(*op), vec![lhs, rhs]),
            tree::Expr::UnaryExpr { expr, .. } => {
                let operand = self.term(expr, support);
                return Some((Callee::Operator(Operator::Arithmetic(ArithOp::Sub)), vec![Flat::Const(Value::from(0_i64)), operand]));
            }
            tree::Expr::Membership { key: Some(key), value, collection, .. } => (Callee::MemberAt, vec![key, value, collection]),
            tree::Expr::Membership { key: None, value, collection, .. } => (Callee::Member, vec![value, collection]),
            tree::Expr::Template { parts, .. } => return Some((Callee::Template, self.template(parts))),
            _ => return None,
        };
        Some((callee, operands.into_iter().map(|operand| self.term(operand, support)).collect()))
    }

    /// Each part that is an expression becomes a set of at most one item.
    fn template(&mut self, parts: &'m [TemplatePart]) -> Vec<Flat> {
        let parts = parts.iter().map(|part| match part {
            TemplatePart::Text(text) => Flat::Const(Value::from(text.as_ref())),
            TemplatePart::Expr(expr) => self.shown(expr, true),
        });
        parts.collect()
    }

    /// What an expression stands for; the calls in it come before it.
    pub(super) fn term(&mut self, expr: &'m tree::Expr, support: &mut Vec<FlatExpr>) -> Flat {
        match expr {
            tree::Expr::Scalar { value, .. } => Flat::Const(value.clone()),
            tree::Expr::Var { .. } | tree::Expr::RefDot { .. } | tree::Expr::RefBrack { .. } => self.reference(expr, support),
            tree::Expr::Array { items, .. } => Flat::Array(items.iter().map(|item| self.term(item, support)).collect()),
            tree::Expr::Set { items, .. } => Flat::Set(same::distinct(items).map(|item| self.term(item, support)).collect()),
            tree::Expr::Object { fields, .. } => {
                let fields = same::latest(fields).map(|(_, key, value)| (self.term(key, support), self.term(value, support)));
                Flat::Object(fields.collect())
            }
            tree::Expr::Compr { kind, key, item, query, .. } => self.comprehension(*kind, key.as_deref(), item, query),
            tree::Expr::Call { span, fcn, params, .. } => match self.call(span, fcn, params, CallPlace::Within, support) {
                Some((callee, args, _)) => self.result(callee, args, span, support),
                None => Flat::Const(Value::Null),
            },
            tree::Expr::AssignExpr { span, .. } => {
                let hint = "compare by `==`, and assign on a line of its own".to_owned();
                self.fault(span, "an assignment stands alone, and not within something else", Some(hint));
                Flat::Const(Value::Null)
            }
            tree::Expr::Template { span, .. }
            | tree::Expr::UnaryExpr { span, .. }
            | tree::Expr::Binary { span, .. }
            | tree::Expr::Membership { span, .. } => match self.operation(expr, support) {
                Some((callee, args)) => self.result(callee, args, span, support),
                None => Flat::Const(Value::Null),
            },
        }
    }

    /// A call's result, as a variable of ours.
    fn result(&mut self, callee: Callee, args: Vec<Flat>, span: &Span, support: &mut Vec<FlatExpr>) -> Flat {
        let var = self.fresh(span);
        let what = FlatExprKind::Call { callee, args, out: Some(Flat::Var(var)) };
        support.push(FlatExpr { span: span.clone(), negated: false, what, with: Rc::from([]) });
        Flat::Var(var)
    }

    fn comprehension(&mut self, kind: Collection, key: Option<&'m tree::Expr>, item: &'m tree::Expr, query: &'m Query) -> Flat {
        let mut body = Vec::new();
        let (key, item) = self.nested(query, &mut body, |this, body| {
            let key = key.map(|key| this.settled(key, body));
            let item = this.settled(item, body);
            let mut used = Vars::new();
            key.iter().chain([&item]).for_each(|term| term.vars(&mut used));
            ((key, item), used)
        });
        Flat::Collect(Rc::new(Collect { kind, key, item, body, is_part: false }))
    }

    fn reference(&mut self, expr: &'m tree::Expr, support: &mut Vec<FlatExpr>) -> Flat {
        let (root, steps) = walk::unfold(expr);
        let head = match root {
            tree::Expr::Var { span } => self.name(span),
            other => Named::Term(self.term(other, support)),
        };
        let (head, mut path) = match head {
            Named::Head(head) => (Ok(head), Vec::new()),
            Named::Term(Flat::Var(var)) => (Ok(RefHead::Var(var)), Vec::new()),
            Named::Term(term) => (Err(term), Vec::new()),
            Named::Global(Global::Input(path)) => (Ok(RefHead::Input), path),
            Named::Global(Global::Data(path)) => (Ok(RefHead::Data), path),
        };
        let mut flat: Vec<Flat> = path.drain(..).map(|name| Flat::Const(Value::from(name.as_ref()))).collect();
        for step in steps {
            flat.push(match step {
                Step::Name(name) => Flat::Const(Value::from(name)),
                Step::Index(index @ tree::Expr::Template { .. }) => {
                    let outside = std::mem::replace(&mut self.in_step, true);
                    let step = self.term(index, support);
                    self.in_step = outside;
                    step
                }
                Step::Index(index) => self.term(index, support),
            });
        }
        let head = head.unwrap_or_else(|term| RefHead::Var(self.subject(term, root.span(), support)));
        match head {
            RefHead::Var(var) if flat.is_empty() => Flat::Var(var),
            head => Flat::Ref(head, flat),
        }
    }

    fn name(&mut self, span: &'m Span) -> Named {
        let name = span.text();
        if name == "_" {
            return Named::Head(RefHead::Var(self.variable("_", span)));
        }
        if let Some(var) = self.declared(name) {
            let of_definition = !self.scopes.iter().skip(1).any(|scope| scope.declared.contains_key(name));
            // In a head, a collection knows what the `every` declares before it knows what the body does.
            if !(self.in_head && of_definition && self.is_of_domain(name)) {
                if self.in_head && of_definition {
                    self.see(name);
                }
                return Named::Head(RefHead::Var(var));
            }
        } else if let Some(var) = self.within_domain(name, span) {
            return Named::Head(RefHead::Var(var));
        }
        if self.is_of_domain(name) {
            let reason = format!("`{name}` is declared by the `every`, and stands in the collection that it goes through");
            self.fault(span, reason, Some("give what the `every` declares another name".to_owned()));
            return Named::Head(RefHead::Input);
        }
        if let Some(global) = self.global(name).cloned() {
            if self.in_step {
                let reason = format!("a text `$\"…\"` that stands in brackets cannot use `{name}`: it knows no rules and no imports there");
                self.fault(span, reason, Some("give the text a name on a line before: `key := $\"…\"`".to_owned()));
            }
            return Named::Global(global);
        }
        match name {
            "input" => return Named::Head(RefHead::Input),
            "data" => return Named::Head(RefHead::Data),
            _ => {}
        }
        self.see(name);
        let known = self.undeclared.get(name).copied();
        let var = known.unwrap_or_else(|| {
            let var = self.variable(name, span);
            self.undeclared.insert(name, var);
            var
        });
        Named::Head(RefHead::Var(var))
    }

    fn is_of_domain(&self, name: &str) -> bool {
        self.domains.iter().any(|domain| domain.names.contains(&name))
    }

    fn within_domain(&mut self, name: &'m str, span: &Span) -> Option<Var> {
        let depth = self.scopes.len();
        let at = self.domains.iter().rposition(|domain| domain.names.contains(&name) && depth > domain.depth)?;
        if let Some(var) = self.domains.get(at)?.within.get(name) {
            return Some(*var);
        }
        let var = self.variable(name, span);
        self.domains.get_mut(at)?.within.insert(name, var);
        Some(var)
    }

    /// The function that is called, and its arguments; whether the last of them is what the result is held against.
    fn call(
        &mut self,
        span: &Span,
        fcn: &'m tree::Expr,
        params: &'m [tree::ExprRef],
        place: CallPlace,
        support: &mut Vec<FlatExpr>,
    ) -> Option<(Callee, Vec<Flat>, bool)> {
        let Some(names) = heads::names(fcn) else {
            self.fault(span, "a function must be called by its name", None);
            return None;
        };
        let first = names.first().cloned().unwrap_or_default();
        if self.declared(&first).is_some() || self.is_of_domain(&first) {
            let reason = format!("`{first}` is a variable here, and not the function of that name");
            self.fault(fcn.span(), reason, Some("give the variable another name".to_owned()));
            return None;
        }
        if names.join(".") == "print" && self.global("print").is_none() && self.purpose() == Purpose::Tests {
            let parts = params.iter().map(|param| self.shown(param, false)).collect();
            return Some((Callee::Builtin("internal.print".into()), vec![Flat::Array(parts)], false));
        }
        let (callee, wanted) = self.callee(&names, fcn.span(), span)?;
        if self.in_step && self.global(&first).is_some() {
            let reason = format!("a text `$\"…\"` that stands in brackets cannot use `{first}`: it knows no rules and no imports there");
            self.fault(span, reason, Some("give the text a name on a line before: `key := $\"…\"`".to_owned()));
        }
        let given = params.len();
        if given != wanted && !(given == wanted + 1 && place == CallPlace::Statement) {
            let (reason, hint) = lint::calls::arity(&names.join("."), wanted, given);
            self.fault(span, reason, hint);
            return None;
        }
        Some((callee, params.iter().map(|param| self.term(param, support)).collect(), given > wanted))
    }

    fn purpose(&self) -> Purpose {
        self.lowering.units.get(self.unit).map_or(Purpose::Policy, |unit| unit.purpose)
    }

    fn is_v1(&self) -> bool {
        self.lowering.units.get(self.unit).is_some_and(|unit| unit.module.rego_v1)
    }

    /// The path of `data` that names lead to, if they are not a builtin's.
    fn data_path(&self, names: &[Box<str>]) -> Option<Path> {
        let (first, rest) = names.split_first()?;
        match self.global(first) {
            Some(Global::Data(path)) => Some(path.iter().chain(rest).cloned().collect()),
            Some(Global::Input(_)) => None,
            None => (first.as_ref() == "data").then(|| rest.to_vec()),
        }
    }

    /// A function by its names, and how many arguments it takes.
    fn callee(&mut self, names: &[Box<str>], place: &Span, call: &Span) -> Option<(Callee, usize)> {
        let written = names.join(".");
        if let Some(path) = self.data_path(names) {
            if let Some((number, arity)) = self.lowering.functions.get(&path) {
                return Some((Callee::Function(*number), *arity));
            }
            let (reason, hint) = if self.lowering.rules.contains_key(&path) {
                lint::calls::of_rule(&written)
            } else {
                lint::calls::unknown(&written, self.own_names())
            };
            self.fault(place, reason, hint);
            return None;
        }
        match builtins::arity(&written) {
            Ok(_) if self.is_v1() && builtins::OLD.contains(&written.as_str()) => {
                let (reason, hint) = lint::calls::old(&written);
                self.fault(place, reason, hint);
                None
            }
            Ok(wanted) => Some((Callee::Builtin(written.into()), wanted)),
            Err(Refused::Impure(why)) => {
                let (reason, hint) = lint::calls::impure(&written, why);
                self.fault(call, reason, hint);
                None
            }
            Err(Refused::Unknown) => {
                let (reason, hint) = lint::calls::unknown(&written, self.own_names());
                self.fault(place, reason, hint);
                None
            }
        }
    }

    /// Every name of the module's own: those of rules are often meant to be called, too.
    fn own_names(&self) -> impl Iterator<Item = &'m str> + use<'l, 'm> {
        self.lowering.units.get(self.unit).into_iter().flat_map(|unit| unit.globals.keys().copied())
    }

    /// What is printed, or put into a text: a set, empty if it is undefined.
    fn shown(&mut self, expr: &'m tree::Expr, is_part: bool) -> Flat {
        let mut body = Vec::new();
        let term = self.term(expr, &mut body);
        let item = Flat::Var(self.subject(term, expr.span(), &mut body));
        Flat::Collect(Rc::new(Collect { kind: Collection::Set, key: None, item, body, is_part }))
    }

    fn with(&mut self, modifiers: &'m [WithModifier], body: &mut Vec<FlatExpr>) -> With {
        let mut replaced = Vec::with_capacity(modifiers.len());
        for modifier in modifiers {
            let Some(target) = self.target(&modifier.refr) else { continue };
            let is_function = matches!(target, Target::Function(_) | Target::Builtin(_));
            if is_function && self.purpose() == Purpose::Policy {
                let reason = format!("`with` may not put anything in the place of the function `{}`", modifier.refr.span().text());
                let hint =
                    "give the function what varies as an argument; tests, in a file that ends in `_test.rego`, may replace functions";
                self.fault(modifier.refr.span(), reason, Some(hint.to_owned()));
                continue;
            }
            if is_function && let Some(named) = self.stand_in(&modifier.r#as) {
                replaced.push((target, Flat::Named(named)));
                continue;
            }
            let value = self.settled(&modifier.r#as, body);
            replaced.push((target, value));
        }
        replaced.into()
    }

    fn target(&mut self, refr: &'m tree::Expr) -> Option<Target> {
        let hint = "`with` takes `input`, a part of it, or a rule: `with input.session.login as \"x\"`".to_owned();
        let Some(names) = heads::names(refr) else {
            self.fault(refr.span(), "what `with` replaces must be written out", Some(hint));
            return None;
        };
        let (first, rest) = names.split_first()?;
        let path = match self.global(first) {
            Some(Global::Input(path)) => return Some(Target::Input(path.iter().chain(rest).cloned().collect())),
            Some(Global::Data(path)) => path.iter().chain(rest).cloned().collect(),
            None if first.as_ref() == "input" => return Some(Target::Input(rest.to_vec())),
            None if first.as_ref() == "data" => rest.to_vec(),
            None if builtins::is_one(&names.join(".")) => return Some(Target::Builtin(names.join(".").into())),
            None => {
                self.fault(refr.span(), format!("there is no `{}` that `with` could replace", names.join(".")), Some(hint));
                return None;
            }
        };
        if let Some((number, _)) = self.lowering.functions.get(&path) {
            return Some(Target::Function(*number));
        }
        let whole = (1..path.len()).filter_map(|length| path.get(..length)).find(|above| self.lowering.rules.contains_key(*above));
        if let Some(whole) = whole {
            let reason = format!("`with` cannot replace a part of the rule `{}`", lowering::shown(whole));
            self.fault(refr.span(), reason, Some("replace the whole rule".to_owned()));
            return None;
        }
        Some(Target::Data(path))
    }

    /// A function that is named where a value could stand.
    fn stand_in(&mut self, expr: &'m tree::Expr) -> Option<Box<str>> {
        let names = heads::names(expr)?;
        if let Some(path) = self.data_path(&names) {
            return self.lowering.functions.contains_key(&path).then(|| format!("data.{}", path.join(".")).into());
        }
        let name = names.join(".");
        if self.declared(names.first()?).is_some() || !builtins::is_one(&name) {
            return None;
        }
        if builtins::arity(&name).is_err() {
            let reason = format!("`{name}` may not be called in a login policy, and not in the place of another function either");
            self.fault(expr.span(), reason, None);
        }
        Some(name.into())
    }
}

/// A body that is `not true`, or `true` with a `with`, and nothing else.
fn lone_true(query: &Query) -> Option<&LiteralStmt> {
    let [statement] = query.stmts.as_slice() else { return None };
    let is_plain = statement.with_mods.is_empty();
    let expr = match &statement.literal {
        Literal::NotExpr { expr, .. } => expr,
        Literal::Expr { expr, .. } if !is_plain => expr,
        Literal::Expr { .. } | Literal::SomeVars { .. } | Literal::SomeIn { .. } | Literal::Every { .. } => return None,
    };
    matches!(expr.as_ref(), tree::Expr::Scalar { value: Value::Bool(true), .. }).then_some(statement)
}

enum Named {
    Head(RefHead),
    Global(Global),
    Term(Flat),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum CallPlace {
    Statement,
    Within,
}

/// The names that the statements of a query declare, those of queries within left out.
fn declares(query: &Query) -> BTreeSet<&str> {
    let mut found = declares_itself(query);
    for statement in &query.stmts {
        // The names of an `every` are taken for variables outside of it, too.
        if let Some(within) = walk::statement_query(statement) {
            found.extend(declares(within));
        }
    }
    found
}

fn declares_itself(query: &Query) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    for statement in &query.stmts {
        match &statement.literal {
            Literal::SomeVars { vars, .. } => found.extend(vars.iter().map(Span::text)),
            Literal::SomeIn { key, value, .. } => {
                key.iter().chain([value]).for_each(|pattern| names_in(pattern, &mut found));
            }
            Literal::Expr { expr, .. } => {
                if let tree::Expr::AssignExpr { op: AssignOp::ColEq, lhs, .. } = expr.as_ref() {
                    names_in(lhs, &mut found);
                }
            }
            Literal::NotExpr { .. } | Literal::Every { .. } => {}
        }
    }
    found.remove("_");
    found
}

/// Every name that stands in an expression, those of queries within included.
fn every_name<'m>(expr: &'m tree::Expr, found: &mut BTreeSet<&'m str>) {
    walk::visit(expr, &mut |expr| found.extend(walk::var(walk::unfold(expr).0)));
    walk::visit_statements_in(expr, &mut |statement| found.extend(walk::declared(statement)));
}

/// Every name that stands in an expression, queries left out.
fn names_in<'m>(expr: &'m tree::Expr, found: &mut BTreeSet<&'m str>) {
    let (root, steps) = walk::unfold(expr);
    for step in steps {
        if let Step::Index(index) = step {
            names_in(index, found);
        }
    }
    match root {
        tree::Expr::Var { span } => drop(found.insert(span.text())),
        tree::Expr::RefDot { .. } | tree::Expr::RefBrack { .. } => {}
        other => walk::parts(other).into_iter().for_each(|part| names_in(part, found)),
    }
}

/// `==`, which is unification where it stands as a statement.
pub(super) fn is_equality(callee: &Callee) -> bool {
    matches!(callee, Callee::Operator(Operator::Compare(BoolOp::Eq)))
}
