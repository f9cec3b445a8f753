//! Where a policy puts into a value what may have parts of its own, or be long.
//!
//! A value is held once however often it is put into others: `y1 := [y0, y0]`, `y2 := [y1, y1]` and so on is small after thirty steps, and
//! without end for whoever walks through it. Regorus does at every comparison, and when it spells a value out in an error. Only what is put
//! together makes a value larger; so these places are all that has to be watched. A place is left out if its parts are known to be
//! small: whether a name is that is asked of [`Scope`], which says so only if it is sure.

use std::collections::BTreeSet;

use regorus::unstable::{ArithOp, AssignOp, Expr, ExprRef, Literal, Module, Query, Rule, Span, WithModifier};

use super::ast::{self, HeadStep, Step};
use super::meaning::{Call, Meaning, Scope};
use super::rules::{Definition, Kind, Rules};
use super::schema::{self, Found, Shape};

/// A place where a value is put together.
#[derive(Clone, Copy)]
pub(in crate::policy) enum Place<'m> {
    /// An array, a set, an object, or a comprehension of one.
    Collection(&'m Span),
    /// A field of an object, or an item of a set, that a rule makes.
    Rule(&'m Rule),
    /// A value that is put into `input` or `data`.
    With(&'m WithModifier),
}

/// The longest text that is small, in bytes.
const SMALL: usize = 64;

/// Every such place; or where one cannot be told from a pattern.
pub(in crate::policy) fn places(module: &Module) -> Result<Vec<Place<'_>>, &Span> {
    let rules = Rules::of_tests(module);
    let mut places = Vec::new();
    for (definition, rule) in rules.definitions.iter().zip(&module.policy) {
        let finder = Finder { rules: &rules, scope: Scope::of(&rules, definition), evaluated: BTreeSet::new(), places: Vec::new() };
        places.extend(finder.rule(definition, rule)?);
    }
    Ok(places)
}

struct Finder<'r, 'm> {
    rules: &'r Rules<'m>,
    scope: Scope<'r, 'm>,
    /// The sides of `=` that give the other side its value, by where they stand.
    evaluated: BTreeSet<*const Expr>,
    places: Vec<Place<'m>>,
}

/// Whether an expression gives a value, or takes one apart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Value,
    Pattern,
}

impl<'m> Finder<'_, 'm> {
    fn rule(mut self, definition: &Definition<'m>, rule: &'m Rule) -> Result<Vec<Place<'m>>, &'m Span> {
        self.unify(definition)?;
        if self.makes_a_collection(definition) {
            self.places.push(Place::Rule(rule));
        }
        for expr in definition.head.iter().copied().chain(definition.values()) {
            self.expr(expr, Role::Value);
        }
        definition.args.iter().for_each(|argument| self.expr(argument, Role::Pattern));
        definition.bodies.iter().for_each(|body| self.query(body.query));
        Ok(self.places)
    }

    fn makes_a_collection(&self, definition: &Definition<'m>) -> bool {
        let steps = ast::head_steps(definition.refr);
        let mut parts = definition.key.into_iter().chain(definition.values());
        match definition.kind {
            Kind::Complete | Kind::Function(_) => false,
            Kind::Set | Kind::Object => {
                steps.iter().any(|step| matches!(step, HeadStep::Expr(index) if self.is_shared(index)))
                    || parts.any(|part| self.is_shared(part))
            }
        }
    }

    fn query(&mut self, query: &'m Query) {
        for statement in &query.stmts {
            match &statement.literal {
                Literal::SomeVars { .. } => {}
                Literal::SomeIn { key, value, collection, .. } => {
                    key.iter().chain([value]).for_each(|pattern| self.expr(pattern, Role::Pattern));
                    self.expr(collection, Role::Value);
                }
                Literal::Expr { expr, .. } | Literal::NotExpr { expr, .. } => self.expr(expr, Role::Value),
                Literal::Every { domain, query, .. } => {
                    self.expr(domain, Role::Value);
                    self.query(query);
                }
            }
            for modifier in &statement.with_mods {
                self.expr(&modifier.r#as, Role::Value);
                if self.is_shared(&modifier.r#as) && !self.names_a_function(&modifier.r#as) {
                    self.places.push(Place::With(modifier));
                }
            }
        }
    }

    fn names_a_function(&self, expr: &Expr) -> bool {
        let names = ast::path(expr).unwrap_or_default();
        match self.rules.resolve(&names).as_slice() {
            [name] if self.rules.kind(name).is_some() => matches!(self.rules.kind(name), Some(Kind::Function(_))),
            resolved => crate::policy::builtins::arity(&resolved.join(".")).is_ok(),
        }
    }

    fn expr(&mut self, expr: &'m Expr, role: Role) {
        match expr {
            // A set is never taken apart.
            Expr::Array { .. } | Expr::Object { .. } if role == Role::Pattern => {}
            Expr::Array { span, .. } | Expr::Set { span, .. } | Expr::Object { span, .. } => self.collection(expr, span),
            Expr::ArrayCompr { span, query, .. } | Expr::SetCompr { span, query, .. } | Expr::ObjectCompr { span, query, .. } => {
                self.collection(expr, span);
                self.query(query);
                for part in ast::parts(expr) {
                    self.expr(part, Role::Value);
                }
                return;
            }
            Expr::AssignExpr { lhs, rhs, .. } => {
                for side in [lhs, rhs] {
                    self.side(side);
                }
                return;
            }
            Expr::RefDot { .. } | Expr::RefBrack { .. } => {
                let (root, steps) = ast::unfold(expr);
                self.expr(root, Role::Value);
                for step in steps {
                    // What is looked up binds what is in the brackets.
                    if let Step::Index(index) = step {
                        self.expr(index, Role::Pattern);
                    }
                }
                return;
            }
            _ => {}
        }
        let inner = if matches!(expr, Expr::Array { .. } | Expr::Object { .. }) { role } else { Role::Value };
        for part in ast::parts(expr) {
            self.expr(part, inner);
        }
    }

    fn collection(&mut self, expr: &'m Expr, span: &'m Span) {
        if ast::parts(expr).into_iter().any(|part| self.is_shared(part)) {
            self.places.push(Place::Collection(span));
        }
    }

    /// One side of `:=` or `=`, or one part of a side.
    fn side(&mut self, side: &'m Expr) {
        let is_value = !matches!(side, Expr::Array { .. } | Expr::Object { .. }) || self.evaluated.contains(&std::ptr::from_ref(side));
        if is_value {
            self.expr(side, Role::Value);
        } else {
            for part in ast::parts(side) {
                self.side(part);
            }
        }
    }

    /// Finds out which side of each `=` gives the other its value: the one whose variables are all bound, by something else or by another
    /// `=`. Arrays of one length are taken part by part.
    fn unify(&mut self, definition: &Definition<'m>) -> Result<(), &'m Span> {
        let mut bound = BTreeSet::new();
        let mut declared = Vec::new();
        definition.args.iter().for_each(|argument| ast::pattern_vars(argument, &mut declared));
        definition.visit_statements(&mut |statement| {
            // `some x` says only that there is an `x`.
            if !matches!(statement.literal, Literal::SomeVars { .. }) {
                ast::declared(statement, &mut declared);
            }
        });
        bound.extend(declared);
        let mut waiting: Vec<(&'m Expr, &'m Expr)> = Vec::new();
        let mut looked_up = BTreeSet::new();
        super::calls::visit(definition, &mut |expr| match expr {
            Expr::AssignExpr { op: AssignOp::ColEq, rhs, .. } => {
                self.evaluated.insert(std::ptr::from_ref(rhs.as_ref()));
            }
            Expr::AssignExpr { op: AssignOp::Eq, lhs, rhs, .. } => pairs(lhs, rhs, &mut waiting),
            Expr::RefBrack { index, .. } => {
                let mut vars = Vec::new();
                ast::pattern_vars(index, &mut vars);
                looked_up.extend(vars);
            }
            _ => {}
        });
        self.settle(&mut waiting, &mut bound);
        bound.extend(looked_up);
        self.settle(&mut waiting, &mut bound);
        let unclear = waiting.iter().flat_map(|(one, other)| [*one, *other]).find(|side| match side {
            Expr::Array { .. } | Expr::Object { .. } => ast::parts(side).into_iter().any(|part| self.is_shared(part)),
            _ => false,
        });
        unclear.map_or(Ok(()), |side| Err(side.span()))
    }

    fn settle(&mut self, waiting: &mut Vec<(&'m Expr, &'m Expr)>, bound: &mut BTreeSet<&'m str>) {
        loop {
            let before = waiting.len();
            waiting.retain(|(one, other)| {
                let free = |side: &'m Expr| {
                    let mut vars = Vec::new();
                    ast::pattern_vars(side, &mut vars);
                    vars.retain(|name| *name == "_" || !(bound.contains(name) || self.rules.is_global(name)));
                    vars
                };
                let (of_one, of_other) = (free(one), free(other));
                if !of_one.is_empty() && !of_other.is_empty() {
                    return true;
                }
                for (side, vars) in [(one, &of_one), (other, &of_other)] {
                    if vars.is_empty() {
                        self.evaluated.insert(std::ptr::from_ref(*side));
                    }
                }
                bound.extend(of_one.into_iter().chain(of_other).filter(|name| *name != "_"));
                false
            });
            if waiting.is_empty() || waiting.len() == before {
                break;
            }
        }
    }

    /// Whether a part may be what others hold, too, and is not known to be small. What an expression makes anew is its own affair.
    fn is_shared(&self, part: &'m Expr) -> bool {
        match part {
            Expr::String { span, .. } | Expr::RawString { span, .. } => span.text().len() > SMALL,
            Expr::Number { .. }
            | Expr::Bool { .. }
            | Expr::Null { .. }
            | Expr::BoolExpr { .. }
            | Expr::Membership { .. }
            | Expr::UnaryExpr { .. }
            | Expr::Array { .. }
            | Expr::Set { .. }
            | Expr::Object { .. }
            | Expr::ArrayCompr { .. }
            | Expr::SetCompr { .. }
            | Expr::ObjectCompr { .. } => false,
            // A set without some items; the rest of what is computed is numbers.
            Expr::ArithExpr { op, lhs, rhs, .. } => {
                *op == ArithOp::Sub && ![lhs, rhs].into_iter().any(|side| matches!(side.as_ref(), Expr::Number { .. }))
            }
            Expr::Var { .. } | Expr::RefDot { .. } | Expr::RefBrack { .. } => !self.is_small(&self.scope.meaning(part)),
            // What a builtin answers with has been charged for.
            Expr::Call { fcn, .. } => {
                let names = ast::path(fcn).unwrap_or_default();
                self.rules.resolve(&names).first().is_none_or(|name| self.rules.kind(name).is_some())
            }
            Expr::BinExpr { .. } | Expr::AssignExpr { .. } => true,
        }
    }

    fn is_small(&self, meaning: &Meaning<'m>) -> bool {
        match meaning {
            // A name or a number of the key, or of what all keys share.
            Meaning::Input(path) => {
                let scalar =
                    |found| matches!(found, Found::Shape(Shape::Text | Shape::Number | Shape::Bool | Shape::Null | Shape::TextOrNull));
                !self.rules.changes_input && scalar(schema::at(path))
            }
            Meaning::Answer(Call { name, item, .. }) => match name.as_str() {
                "time.clock" | "time.date" => item.is_some(),
                "count" | "indexof" | "time.weekday" | "time.parse_ns" | "time.parse_rfc3339_ns" => true,
                _ => false,
            },
            Meaning::Written(expr) => is_small_literal(expr),
            Meaning::ItemOf(collection) => ast::parts(collection).into_iter().all(is_small_literal),
            Meaning::OneOf(literals) => literals.iter().all(|literal| is_small_literal(literal)),
            Meaning::Unknown => false,
        }
    }
}

fn is_small_literal(expr: &Expr) -> bool {
    match expr {
        Expr::Number { .. } | Expr::Bool { .. } | Expr::Null { .. } => true,
        Expr::String { span, .. } | Expr::RawString { span, .. } => span.text().len() <= SMALL,
        _ => false,
    }
}

/// What `one = other` compares with each other.
fn pairs<'m>(one: &'m Expr, other: &'m Expr, found: &mut Vec<(&'m Expr, &'m Expr)>) {
    match (one, other) {
        (Expr::Array { items: ones, .. }, Expr::Array { items: others, .. }) if ones.len() == others.len() => {
            ones.iter().zip(others).for_each(|(one, other): (&ExprRef, &ExprRef)| pairs(one, other, found));
        }
        _ => found.push((one, other)),
    }
}
