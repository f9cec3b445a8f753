//! Bodies: which variables there are, and in which order statements can be taken.
//!
//! Rego has no order of statements. Here each is taken as soon as its variables have values, in the order of the text as far as that goes.

use std::collections::{BTreeMap, BTreeSet};

use regorus::unstable::{AssignOp, Expr, Literal, LiteralStmt, Query, Span};

use super::compile::{Halt, Halting, Names};
use super::term::{Pattern, Stmt, Term};
use crate::policy::check::ast;

/// The variables of a definition, by scope: its own, and those of the queries within that are being translated.
pub(super) struct Scopes<'n, 'm> {
    pub(super) names: &'n mut Names<'m>,
    open: Vec<Scope>,
    slots: usize,
    /// How many negations are around: nothing may get a value in them.
    negations: usize,
}

struct Scope {
    bound: BTreeMap<String, usize>,
    /// Every name that stands in it, outside of queries within.
    vars: BTreeSet<String>,
}

impl Scope {
    fn of(vars: BTreeSet<&str>) -> Self {
        Self { bound: BTreeMap::new(), vars: vars.into_iter().map(str::to_owned).collect() }
    }
}

/// Which variables had values, by scope.
pub(super) struct Bound(Vec<BTreeMap<String, usize>>);

impl<'n, 'm> Scopes<'n, 'm> {
    /// For a definition in which these names stand.
    pub(super) fn new(names: &'n mut Names<'m>, vars: BTreeSet<&str>) -> Self {
        Self { names, open: vec![Scope::of(vars)], slots: 0, negations: 0 }
    }

    pub(super) fn slots(&self) -> usize {
        self.slots
    }

    pub(super) fn bound(&self) -> Bound {
        Bound(self.open.iter().map(|scope| scope.bound.clone()).collect())
    }

    pub(super) fn unbind(&mut self, bound: Bound) {
        self.open.truncate(bound.0.len());
        for (scope, bound) in self.open.iter_mut().zip(bound.0) {
            scope.bound = bound;
        }
    }

    pub(super) fn negations_are_around(&self) -> bool {
        self.negations > 0
    }

    /// A place of its own in the frame.
    pub(super) fn fresh(&mut self) -> usize {
        self.slots += 1;
        self.slots - 1
    }

    /// Where a variable's value is, if it has one.
    pub(super) fn slot(&self, name: &str) -> Option<usize> {
        self.open.iter().rev().find_map(|scope| scope.bound.get(name)).copied()
    }

    /// Gives a variable of the innermost query a place.
    pub(super) fn bind(&mut self, name: &str) -> Halting<usize> {
        let Some((innermost, outer)) = self.open.split_last() else { return Err(Halt::NotPlain) };
        // A name that stands outside too may mean the variable there, or another one that hides it.
        let obscure =
            self.names.is_global(name) || outer.iter().any(|scope| scope.vars.contains(name)) || innermost.bound.contains_key(name);
        if obscure || self.negations > 0 {
            return Err(Halt::NotPlain);
        }
        let slot = self.fresh();
        if let Some(scope) = self.open.last_mut() {
            scope.bound.insert(name.to_owned(), slot);
        }
        Ok(slot)
    }

    /// An argument of a function: a name.
    pub(super) fn argument(&mut self, arg: &Expr) -> Halting<()> {
        match ast::var(arg) {
            Some("_") => drop(self.fresh()),
            Some(name) => drop(self.bind(name)?),
            None => return Err(Halt::NotPlain),
        }
        Ok(())
    }

    /// What stands in a query within, with variables of its own.
    pub(super) fn nested<T>(&mut self, vars: BTreeSet<&str>, translate: impl FnOnce(&mut Self) -> Halting<T>) -> Halting<T> {
        self.open.push(Scope::of(vars));
        let negations = std::mem::take(&mut self.negations);
        let done = translate(self);
        self.negations = negations;
        self.open.pop();
        done
    }

    /// The statements of a query, in an order in which each has what it needs.
    pub(super) fn query(&mut self, query: &Query) -> Halting<Vec<Stmt>> {
        let mut statements = Vec::new();
        let mut waiting: Vec<&LiteralStmt> = query.stmts.iter().collect();
        while !waiting.is_empty() {
            let mut later = Vec::new();
            let before = waiting.len();
            for statement in waiting {
                let bound = self.bound();
                let mut found = Vec::new();
                match self.statement(statement, &mut found) {
                    Ok(()) => statements.append(&mut found),
                    Err(Halt::NotReady) => {
                        self.unbind(bound);
                        later.push(statement);
                    }
                    Err(Halt::NotPlain) => return Err(Halt::NotPlain),
                }
            }
            if later.len() == before {
                return Err(Halt::NotReady);
            }
            waiting = later;
        }
        Ok(statements)
    }

    fn statement(&mut self, statement: &LiteralStmt, found: &mut Vec<Stmt>) -> Halting<()> {
        if !statement.with_mods.is_empty() {
            return Err(Halt::NotPlain);
        }
        match &statement.literal {
            Literal::SomeVars { vars, .. } => {
                if vars.iter().any(|var| self.names.is_global(var.text()) || self.slot(var.text()).is_some()) {
                    return Err(Halt::NotPlain);
                }
            }
            Literal::SomeIn { key, value, collection, .. } => {
                let of = self.term(collection, found)?;
                let key = match key {
                    Some(key) => self.declared(key)?,
                    None => Pattern::Any,
                };
                let item = self.declared(value)?;
                found.push(Stmt::Each { of, key, item });
            }
            Literal::Expr { expr, .. } => match expr.as_ref() {
                Expr::AssignExpr { op, lhs, rhs, .. } => self.assign(op, lhs, rhs, found)?,
                other => {
                    let term = self.term(other, found)?;
                    found.push(Stmt::Holds(term));
                }
            },
            Literal::NotExpr { expr, .. } => {
                let mut negated = Vec::new();
                self.negations += 1;
                let term = self.term(expr, &mut negated);
                self.negations -= 1;
                negated.push(Stmt::Holds(term?));
                found.push(Stmt::Not(negated));
            }
            Literal::Every { key, value, domain, query, .. } => {
                let of = self.term(domain, found)?;
                let mut vars = BTreeSet::from([value.text()]);
                vars.extend(key.iter().map(Span::text));
                vars_of(query, &mut vars);
                let every = self.nested(vars, |scopes| {
                    let mut name = |name: &str| if name == "_" { Ok(Pattern::Any) } else { scopes.bind(name).map(Pattern::Slot) };
                    let key = key.as_ref().map_or(Ok(Pattern::Any), |key| name(key.text()))?;
                    let item = name(value.text())?;
                    Ok(Stmt::Every { of, key, item, body: scopes.query(query)? })
                })?;
                found.push(every);
            }
        }
        Ok(())
    }

    /// `x := …`, `x = …`, `[x, y] := …`.
    fn assign(&mut self, op: &AssignOp, lhs: &Expr, rhs: &Expr, found: &mut Vec<Stmt>) -> Halting<()> {
        if super::compile::declares(op) {
            let term = self.term(rhs, found)?;
            let pattern = self.declared(lhs)?;
            found.push(Stmt::Bind(pattern, term));
            return Ok(());
        }
        let bound = self.bound();
        let (length, attempt) = (found.len(), self.unify(lhs, rhs, found));
        if attempt != Err(Halt::NotReady) {
            return attempt;
        }
        found.truncate(length);
        self.unbind(bound);
        self.unify(rhs, lhs, found)
    }

    fn unify(&mut self, pattern: &Expr, value: &Expr, found: &mut Vec<Stmt>) -> Halting<()> {
        let term: Term = self.term(value, found)?;
        let pattern = self.pattern(pattern, found)?;
        found.push(Stmt::Bind(pattern, term));
        Ok(())
    }
}

/// The names of all variables in an expression, those of queries within left out.
pub(super) fn vars_outside<'m>(expr: &'m Expr, vars: &mut BTreeSet<&'m str>) {
    if ast::query(expr).is_some() {
        return;
    }
    let (root, _) = ast::unfold(expr);
    vars.extend(ast::var(root));
    for part in ast::parts(expr) {
        vars_outside(part, vars);
    }
}

/// The names of all variables in a query, those of queries within left out.
pub(super) fn vars_of<'m>(query: &'m Query, vars: &mut BTreeSet<&'m str>) {
    for statement in &query.stmts {
        for part in ast::statement_parts(statement) {
            vars_outside(part, vars);
        }
        if let Literal::SomeVars { vars: declared, .. } = &statement.literal {
            vars.extend(declared.iter().map(Span::text));
        }
    }
}
