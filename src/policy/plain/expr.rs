//! Expressions and patterns.

use std::collections::BTreeSet;

use regorus::Value;
use regorus::unstable::{Expr, ExprRef, Query};

use super::body::{Scopes, vars_of, vars_outside};
use super::compile::{Halt, Halting};
use super::term::{Collection, Comprehension, Kind, Membership, Pattern, Stmt, Term};
use crate::policy::builtins::Callable;
use crate::policy::check::ast::{self, Step};

impl Scopes<'_, '_> {
    /// A value that is written out.
    pub(super) fn constant(&mut self, expr: &Expr) -> Halting<Term> {
        let mut found = Vec::new();
        let term = self.term(expr, &mut found)?;
        if found.is_empty() && matches!(term, Term::Const(_)) { Ok(term) } else { Err(Halt::NotPlain) }
    }

    /// What an expression stands for; the loops within it come before it.
    pub(super) fn term(&mut self, expr: &Expr, found: &mut Vec<Stmt>) -> Halting<Term> {
        match expr {
            Expr::String { value, .. }
            | Expr::RawString { value, .. }
            | Expr::Number { value, .. }
            | Expr::Bool { value, .. }
            | Expr::Null { value, .. } => Ok(Term::Const(value.clone())),
            Expr::Var { .. } | Expr::RefDot { .. } | Expr::RefBrack { .. } => self.reference(expr, found),
            Expr::Array { items, .. } => Ok(fold(Term::Array(self.terms(items, found)?))),
            Expr::Set { items, .. } => Ok(fold(Term::Set(self.terms(items, found)?))),
            Expr::Object { fields, .. } => {
                let fields = fields.iter().map(|(_, key, value)| Ok((self.term(key, found)?, self.term(value, found)?)));
                Ok(fold(Term::Object(fields.collect::<Halting<_>>()?)))
            }
            Expr::Call { fcn, params, .. } => {
                let name = ast::path(fcn).ok_or(Halt::NotPlain)?.join(".");
                let arguments = self.terms(params, found)?;
                self.call(&name, arguments)
            }
            Expr::BoolExpr { op, lhs, rhs, .. } => Ok(Term::Compare(op.clone(), self.sides(lhs, rhs, found)?)),
            Expr::BinExpr { op, lhs, rhs, .. } => Ok(Term::Sets(op.clone(), self.sides(lhs, rhs, found)?)),
            Expr::ArithExpr { op, lhs, rhs, .. } => Ok(Term::Arithmetic(op.clone(), self.sides(lhs, rhs, found)?)),
            Expr::Membership { key, value, collection, .. } => {
                let key = key.as_ref().map(|key| self.term(key, found)).transpose()?;
                let (item, of) = (self.term(value, found)?, self.term(collection, found)?);
                Ok(Term::In(Box::new(Membership { key, item, of })))
            }
            Expr::ArrayCompr { term, query, .. } => self.comprehension(Collection::Array, None, term, query),
            Expr::SetCompr { term, query, .. } => self.comprehension(Collection::Set, None, term, query),
            Expr::ObjectCompr { key, value, query, .. } => self.comprehension(Collection::Object, Some(key), value, query),
            Expr::UnaryExpr { .. } | Expr::AssignExpr { .. } => Err(Halt::NotPlain),
        }
    }

    fn terms(&mut self, exprs: &[ExprRef], found: &mut Vec<Stmt>) -> Halting<Vec<Term>> {
        exprs.iter().map(|expr| self.term(expr, found)).collect()
    }

    fn sides(&mut self, lhs: &Expr, rhs: &Expr, found: &mut Vec<Stmt>) -> Halting<Box<(Term, Term)>> {
        Ok(Box::new((self.term(lhs, found)?, self.term(rhs, found)?)))
    }

    fn call(&self, name: &str, arguments: Vec<Term>) -> Halting<Term> {
        if let Some(number) = self.names.functions.get(name) {
            return Ok(Term::Function(*number, arguments));
        }
        // It holds whatever it is given, undefined or not.
        if name == "print" {
            return Err(Halt::NotPlain);
        }
        let function = Callable::of(name).ok_or(Halt::NotPlain)?;
        if function.arity() == arguments.len() { Ok(Term::Call(function, arguments)) } else { Err(Halt::NotPlain) }
    }

    fn comprehension(&mut self, kind: Collection, key: Option<&ExprRef>, item: &Expr, query: &Query) -> Halting<Term> {
        let mut vars = BTreeSet::new();
        for expr in key.map(AsRef::as_ref).into_iter().chain([item]) {
            vars_outside(expr, &mut vars);
        }
        vars_of(query, &mut vars);
        self.nested(vars, |scopes| {
            let mut body = scopes.query(query)?;
            let key = key.map(|key| scopes.term(key, &mut body)).transpose()?;
            let item = scopes.term(item, &mut body)?;
            Ok(Term::Collect(Box::new(Comprehension { kind, key, item, body })))
        })
    }

    /// A name, and what is taken out of its value step by step. A step that is a variable without a value goes through all items.
    fn reference(&mut self, expr: &Expr, found: &mut Vec<Stmt>) -> Halting<Term> {
        let (root, steps) = ast::unfold(expr);
        let mut steps = steps.as_slice();
        let mut term = match ast::var(root) {
            Some("_") => return Err(Halt::NotReady),
            Some(name) => match (self.slot(name), self.names.rules.get(name)) {
                (Some(_), Some(_)) => return Err(Halt::NotPlain),
                (Some(slot), None) => Term::Local(slot),
                (None, Some(rule)) => {
                    let rule = *rule;
                    self.rule(rule, steps.len())?
                }
                (None, None) if name == "input" => {
                    let names = steps.iter().take_while(|step| matches!(step, Step::Name(_))).count();
                    let (path, rest) = steps.split_at(names);
                    steps = rest;
                    let path = path.iter().filter_map(|step| if let Step::Name(name) = step { Some(Value::from(*name)) } else { None });
                    Term::Input(self.names.input(path.collect()))
                }
                (None, None) if name == "data" => return Err(Halt::NotPlain),
                (None, None) => return Err(Halt::NotReady),
            },
            None => self.term(root, found)?,
        };
        let mut known = Vec::new();
        for step in steps {
            let index = match step {
                Step::Name(name) => {
                    known.push(Term::Const(Value::from(*name)));
                    continue;
                }
                Step::Index(index) => *index,
            };
            let Some(key) = self.unknown(index)? else {
                known.push(self.term(index, found)?);
                continue;
            };
            let slot = self.fresh();
            found.push(Stmt::Each { of: taken(term, std::mem::take(&mut known)), key, item: Pattern::Slot(slot) });
            term = Term::Local(slot);
        }
        Ok(fold(taken(term, known)))
    }

    /// What goes through all items: `_`, or a variable that has no value yet.
    fn unknown(&mut self, index: &Expr) -> Halting<Option<Pattern>> {
        match ast::var(index) {
            Some("_") if self.negations_are_around() => Err(Halt::NotPlain),
            Some("_") => Ok(Some(Pattern::Any)),
            Some(name) if self.slot(name).is_none() && !self.names.is_global(name) => Ok(Some(Pattern::Slot(self.bind(name)?))),
            _ => Ok(None),
        }
    }

    /// A rule's value. Collections that are empty, or have empty parts, are taken only item by item: whether there is one is another
    /// question than what is in it.
    fn rule(&self, number: usize, steps: usize) -> Halting<Term> {
        let whole = match self.names.kinds.get(number).ok_or(Halt::NotPlain)? {
            Kind::Complete | Kind::Set(0) => 0,
            Kind::Set(depth) => depth + 1,
            Kind::Object(depth) => *depth,
        };
        if steps < whole {
            return Err(Halt::NotPlain);
        }
        Ok(self.names.constants.get(&number).map_or(Term::Rule(number), |value| Term::Const(value.clone())))
    }

    /// What stands on the left of `:=` or after `some`: its names are new.
    pub(super) fn declared(&mut self, expr: &Expr) -> Halting<Pattern> {
        match expr {
            Expr::Var { span, .. } if span.text() == "_" => Ok(Pattern::Any),
            Expr::Var { span, .. } if self.slot(span.text()).is_some() => Err(Halt::NotPlain),
            Expr::Var { span, .. } => self.bind(span.text()).map(Pattern::Slot),
            Expr::Array { items, .. } => Ok(Pattern::Array(items.iter().map(|item| self.declared(item)).collect::<Halting<_>>()?)),
            _ => self.constant(expr).map(Pattern::Is),
        }
    }

    /// What stands beside a `=`: its names are new unless they have values.
    pub(super) fn pattern(&mut self, expr: &Expr, found: &mut Vec<Stmt>) -> Halting<Pattern> {
        match expr {
            Expr::Var { span, .. } if span.text() == "_" => Ok(Pattern::Any),
            Expr::Var { span, .. } if self.slot(span.text()).is_none() && !self.names.is_global(span.text()) => {
                self.bind(span.text()).map(Pattern::Slot)
            }
            Expr::Array { items, .. } => Ok(Pattern::Array(items.iter().map(|item| self.pattern(item, found)).collect::<Halting<_>>()?)),
            Expr::Object { .. } | Expr::Set { .. } => self.constant(expr).map(Pattern::Is),
            _ => self.term(expr, found).map(Pattern::Is),
        }
    }
}

fn taken(term: Term, steps: Vec<Term>) -> Term {
    if steps.is_empty() { term } else { Term::At(Box::new(term), steps) }
}

/// Collections that are written out are made once.
fn fold(term: Term) -> Term {
    let constant = |term: &Term| if let Term::Const(value) = term { Some(value.clone()) } else { None };
    let value = match &term {
        Term::Array(items) => items.iter().map(constant).collect::<Option<Vec<_>>>().map(Value::from),
        Term::Set(items) => items.iter().map(constant).collect::<Option<BTreeSet<_>>>().map(Value::from),
        Term::Object(fields) => fields.iter().try_fold(Value::new_object(), |mut object, (key, value)| {
            super::value::put(&mut object, &[constant(key)?], constant(value)?)?;
            Some(object)
        }),
        _ => None,
    };
    value.map_or(term, Term::Const)
}
