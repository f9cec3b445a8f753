//! Variables that nothing binds, as OPA finds them.
//!
//! A body is put into an order in which each statement finds the variables that it needs bound by those before it. What is left over when
//! no statement can be added needs a variable that nothing binds. A comprehension may use the variables around it, once they are bound.

use std::collections::{BTreeMap, BTreeSet};

use regorus::unstable::{Expr, Literal, LiteralStmt, Query, Span};

use super::ast::{self, Step};
use super::rules::Rules;
use super::{Faults, did_you_mean};

type Names<'a> = BTreeSet<&'a str>;
/// Where each name stands first.
type Places<'a> = BTreeMap<&'a str, &'a Span>;

pub(super) fn check<'a>(rules: &'a Rules<'a>, faults: &mut Faults<'_>) {
    for definition in &rules.definitions {
        let mut unsafe_vars = Places::new();
        let mut arguments = Vec::new();
        definition.args.iter().for_each(|arg| ast::pattern_vars(arg, &mut arguments));
        let bound: Names<'_> = arguments.into_iter().collect();
        let head: Vec<&Expr> = definition.head.iter().copied().chain(definition.value).collect();
        if definition.bodies.is_empty() {
            Check { rules, unsafe_vars: &mut unsafe_vars }.body(&[], &head, &bound);
        }
        for body in &definition.bodies {
            let values: Vec<&Expr> = match body.value {
                Some(value) => vec![value],
                None => head.clone(),
            };
            Check { rules, unsafe_vars: &mut unsafe_vars }.body(&body.query.stmts, &values, &bound);
        }
        for (name, span) in unsafe_vars {
            report(name, span, rules, faults);
        }
    }
}

fn report(name: &str, span: &Span, rules: &Rules<'_>, faults: &mut Faults<'_>) {
    if name == "_" {
        faults.push(span, "`_` is unsafe here: a value is needed, and `_` has none");
        return;
    }
    let reason = format!("variable `{name}` is unsafe: nothing binds it");
    match did_you_mean(name, rules.names().chain(["input", "data"])) {
        Some(hint) => faults.push_with_hint(span, reason, hint),
        None => faults.push_with_hint(
            span,
            reason,
            format!("give it a value in the body, for example by `{name} := \"…\"` or `{name} in {{…}}` after `some`"),
        ),
    }
}

struct Check<'a, 'f> {
    rules: &'a Rules<'a>,
    unsafe_vars: &'f mut Places<'a>,
}

/// What an expression needs and what it binds, given what is bound already.
#[derive(Default)]
struct Flow<'a> {
    needs: Places<'a>,
    binds: Names<'a>,
    /// Comprehensions, and the bodies of `every`, to be checked on their own.
    closures: Vec<Closure<'a>>,
}

#[derive(Clone, Copy)]
struct Closure<'a> {
    query: &'a Query,
    /// What a comprehension collects, and the variables of an `every`.
    values: [Option<&'a Expr>; 2],
    vars: [Option<&'a Span>; 2],
}

/// Whether a reference's free indices are bound by looking them up.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Indices {
    Bind,
    /// Under `not`, where looking up binds nothing.
    Need,
}

/// What is bound, and which names are variables although they are the names of rules, too.
struct Scope<'a> {
    bound: Names<'a>,
    declared: Names<'a>,
    /// Every variable of the body itself.
    own: Names<'a>,
    rules: &'a Rules<'a>,
}

impl Scope<'_> {
    /// Whether a name stands for a variable that has no value yet.
    fn is_free(&self, name: &str) -> bool {
        !self.bound.contains(name) && (self.declared.contains(name) || !self.rules.is_global(name))
    }
}

impl<'a> Check<'a, '_> {
    /// Checks a body and the values that are made with it; `outer` is bound before it begins.
    fn body(&mut self, statements: &'a [LiteralStmt], values: &[&'a Expr], outer: &Names<'a>) {
        let mut declared = Vec::new();
        for statement in statements.iter().filter(|statement| !matches!(statement.literal, Literal::Every { .. })) {
            ast::declared(statement, &mut declared);
        }
        let declared: Names<'a> = declared.into_iter().collect();
        // What is declared here hides what is bound outside.
        let bound = outer.difference(&declared).copied().collect();
        let mut own = Names::new();
        for expr in statements.iter().flat_map(ast::statement_parts).chain(values.iter().copied()) {
            vars(expr, &mut own);
        }
        let mut scope = Scope { bound, declared, own, rules: self.rules };
        let mut waiting: Vec<&'a LiteralStmt> = statements.iter().collect();
        loop {
            let before = waiting.len();
            waiting.retain(|statement| {
                let flow = of_statement(statement, &scope);
                let ready = flow.needs.is_empty();
                if ready {
                    scope.bound.extend(flow.binds.iter().copied());
                    self.closures(&flow, &scope);
                }
                !ready
            });
            if waiting.is_empty() || waiting.len() == before {
                break;
            }
        }
        self.left_over(&waiting, &scope);
        for value in values {
            let mut flow = Flow::default();
            of_expr(value, Indices::Bind, &scope, &mut flow);
            if waiting.is_empty() {
                self.closures(&flow, &scope);
            }
            // What a statement that is left over would have bound has been told of already.
            let promised: Names<'a> = waiting.iter().flat_map(|statement| of_statement(statement, &scope).binds).collect();
            self.unsafe_vars.extend(flow.needs.into_iter().filter(|(name, _)| !flow.binds.contains(name) && !promised.contains(name)));
        }
    }

    fn closures(&mut self, flow: &Flow<'a>, scope: &Scope<'a>) {
        for closure in &flow.closures {
            let mut outer = scope.bound.clone();
            // Variables of this body that have no value are told of by the statement that needs them.
            outer.extend(closure.vars.iter().flatten().map(|var| var.text()));
            let values: Vec<&'a Expr> = closure.values.iter().flatten().copied().collect();
            self.body(&closure.query.stmts, &values, &outer);
        }
    }

    /// Tells of the variables that keep statements from being added; not of those that another of these would bind.
    fn left_over(&mut self, waiting: &[&'a LiteralStmt], scope: &Scope<'a>) {
        let flows: Vec<Flow<'a>> = waiting.iter().map(|statement| of_statement(statement, scope)).collect();
        let promised: Names<'a> = flows.iter().flat_map(|flow| flow.binds.iter().copied()).collect();
        let roots =
            flows.iter().flat_map(|flow| &flow.needs).filter(|(name, _)| !promised.contains(*name)).map(|(name, span)| (*name, *span));
        let mut found: Places<'a> = roots.collect();
        if found.is_empty() {
            found = flows.iter().flat_map(|flow| &flow.needs).map(|(name, span)| (*name, *span)).collect();
        }
        for (name, span) in found {
            self.unsafe_vars.entry(name).or_insert(span);
        }
    }
}

fn of_statement<'a>(statement: &'a LiteralStmt, scope: &Scope<'a>) -> Flow<'a> {
    let mut flow = Flow::default();
    match &statement.literal {
        Literal::SomeVars { .. } => {}
        Literal::SomeIn { key, value, collection, .. } => {
            of_expr(collection, Indices::Bind, scope, &mut flow);
            for pattern in key.iter().chain([value]) {
                of_pattern(pattern, scope, &mut flow);
            }
        }
        Literal::Expr { expr, .. } => match expr.as_ref() {
            Expr::AssignExpr { op: regorus::unstable::AssignOp::ColEq, lhs, rhs, .. } => {
                of_expr(rhs, Indices::Bind, scope, &mut flow);
                of_pattern(lhs, scope, &mut flow);
            }
            Expr::AssignExpr { lhs, rhs, .. } => of_unification(lhs, rhs, scope, &mut flow),
            other => of_expr(other, Indices::Bind, scope, &mut flow),
        },
        Literal::NotExpr { expr, .. } => match expr.as_ref() {
            Expr::AssignExpr { lhs, rhs, .. } => [lhs, rhs].into_iter().for_each(|side| of_expr(side, Indices::Need, scope, &mut flow)),
            other => of_expr(other, Indices::Need, scope, &mut flow),
        },
        Literal::Every { key, value, domain, query, .. } => {
            of_expr(domain, Indices::Bind, scope, &mut flow);
            of_closure(Closure { query, values: [None; 2], vars: [key.as_ref(), Some(value)] }, scope, &mut flow);
        }
    }
    for modifier in &statement.with_mods {
        of_expr(&modifier.r#as, Indices::Need, scope, &mut flow);
    }
    let Flow { needs, binds, .. } = &mut flow;
    needs.retain(|name, _| *name == "_" || !binds.contains(name));
    flow
}

fn of_expr<'a>(expr: &'a Expr, indices: Indices, scope: &Scope<'a>, flow: &mut Flow<'a>) {
    match expr {
        Expr::Var { span, .. } => {
            let name = span.text();
            if name == "_" || scope.is_free(name) {
                flow.needs.entry(name).or_insert(span);
            }
        }
        Expr::RefDot { .. } | Expr::RefBrack { .. } => {
            let (root, steps) = ast::unfold(expr);
            of_expr(root, indices, scope, flow);
            for step in steps {
                match step {
                    Step::Index(index) if indices == Indices::Bind => of_pattern(index, scope, flow),
                    Step::Index(index) => of_expr(index, indices, scope, flow),
                    Step::Name(_) => {}
                }
            }
        }
        Expr::ArrayCompr { term, query, .. } | Expr::SetCompr { term, query, .. } => {
            of_closure(Closure { query, values: [Some(term), None], vars: [None; 2] }, scope, flow);
        }
        Expr::ObjectCompr { key, value, query, .. } => {
            of_closure(Closure { query, values: [Some(key), Some(value)], vars: [None; 2] }, scope, flow);
        }
        other => ast::parts(other).into_iter().for_each(|part| of_expr(part, indices, scope, flow)),
    }
}

/// A place where a free variable gets its value: an index, the left side of `:=`, what follows `some`.
fn of_pattern<'a>(pattern: &'a Expr, scope: &Scope<'a>, flow: &mut Flow<'a>) {
    match pattern {
        Expr::Var { span, .. } => {
            let name = span.text();
            if name != "_" && scope.is_free(name) {
                flow.binds.insert(name);
            }
        }
        Expr::Array { items, .. } => items.iter().for_each(|item| of_pattern(item, scope, flow)),
        Expr::Object { fields, .. } => {
            for (_, key, value) in fields {
                of_expr(key, Indices::Bind, scope, flow);
                of_pattern(value, scope, flow);
            }
        }
        other => of_expr(other, Indices::Bind, scope, flow),
    }
}

/// `one = other`: whichever side has all that it needs binds the variables of the other; arrays and objects of one shape do so part by
/// part.
fn of_unification<'a>(one: &'a Expr, other: &'a Expr, scope: &Scope<'a>, flow: &mut Flow<'a>) {
    match (one, other) {
        (Expr::Array { items: ones, .. }, Expr::Array { items: others, .. }) if ones.len() == others.len() => {
            ones.iter().zip(others).for_each(|(one, other)| of_unification(one, other, scope, flow));
        }
        (Expr::Object { fields: ones, .. }, Expr::Object { fields: others, .. }) if ones.len() == others.len() => {
            for (_, key, one) in ones {
                of_expr(key, Indices::Bind, scope, flow);
                match others.iter().find(|(_, found, _)| found.span().text() == key.span().text()) {
                    Some((_, _, other)) => of_unification(one, other, scope, flow),
                    None => of_expr(one, Indices::Bind, scope, flow),
                }
            }
        }
        _ => {
            let (mut of_one, mut of_other) = (Flow::default(), Flow::default());
            of_expr(one, Indices::Bind, scope, &mut of_one);
            of_expr(other, Indices::Bind, scope, &mut of_other);
            let ready = |flow: &Flow<'a>, binds: &Names<'a>| {
                flow.needs.keys().all(|name| *name != "_" && (flow.binds.contains(name) || binds.contains(name)))
            };
            let (one_ready, other_ready) = (ready(&of_one, &of_other.binds), ready(&of_other, &of_one.binds));
            let (mut left, mut right) = (Flow::default(), Flow::default());
            if other_ready {
                of_pattern(one, scope, &mut left);
            } else {
                left = of_one;
            }
            if one_ready {
                of_pattern(other, scope, &mut right);
            } else {
                right = of_other;
            }
            for side in [left, right] {
                side.needs.into_iter().for_each(|(name, span)| {
                    flow.needs.entry(name).or_insert(span);
                });
                flow.binds.extend(side.binds);
                flow.closures.extend(side.closures);
            }
        }
    }
}

/// A comprehension needs the free variables of the body around it that it uses; the rest are its own.
fn of_closure<'a>(closure: Closure<'a>, scope: &Scope<'a>, flow: &mut Flow<'a>) {
    let mut hidden = Vec::new();
    ast::visit_statements(closure.query, &mut |statement| ast::declared(statement, &mut hidden));
    hidden.extend(closure.vars.iter().flatten().map(|var| var.text()));
    let mut need = |expr: &'a Expr| {
        if let (root, _) = ast::unfold(expr)
            && let Expr::Var { span, .. } = root
            && scope.is_free(span.text())
            && scope.own.contains(span.text())
            && span.text() != "_"
            && !hidden.contains(&span.text())
        {
            flow.needs.entry(span.text()).or_insert(span);
        }
    };
    ast::visit_query(closure.query, &mut need);
    closure.values.iter().flatten().for_each(|value| ast::visit(value, &mut need));
    flow.closures.push(closure);
}

/// The variables of an expression, those inside of comprehensions left out.
fn vars<'a>(expr: &'a Expr, found: &mut Names<'a>) {
    let (root, _) = ast::unfold(expr);
    found.extend(ast::var(root));
    if ast::query(expr).is_none() {
        for part in ast::parts(expr) {
            vars(part, found);
        }
    }
}
