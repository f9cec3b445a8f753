//! Types that do not fit: what OPA's type checker refuses when it loads a policy.
//!
//! Types are inferred as far as declarations and rules go: of `input` OPA knows nothing, and neither is anything known here of variables
//! that are bound without being declared. So nothing is refused that OPA takes.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::rego_type::{At, Type, is_scalar, joined};
use super::rules::{ModuleRules, RuleKind, RuleText, number};
use super::signatures::signature;
use super::{Faults, did_you_mean, schema, types};
use crate::policy::syntax::tree::{ArithOp, AssignOp, BoolOp, Expr, Literal, LiteralStmt, Operator, Query, Span, TemplatePart};
use crate::policy::syntax::walk::{self, HeadStep, Step};

/// What is known of `input`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Input {
    /// Nothing, as in OPA.
    Any,
    /// Its [`schema`].
    Known,
}

/// Everything that the types of a module's expressions are inferred from, and the faults that are found on the way.
pub(super) struct Typing<'r, 'm, 'f> {
    rules: &'r ModuleRules<'m>,
    input: Input,
    faults: Faults<'f>,
    /// Types of rules, and of what functions answer with. One that is being looked at is anything.
    known: BTreeMap<&'m str, Rc<Type>>,
    /// The declared variables at hand, the innermost last.
    locals: Vec<(&'m str, Rc<Type>)>,
    /// What `with` puts something in the place of.
    replaced: Vec<&'m str>,
    /// How many types may yet be copied: those that name each other twice would be copied without end.
    copies: usize,
    /// How many rules stand on each other.
    depth: usize,
    /// In the body of an `every`, which OPA does not look at.
    is_quiet: bool,
}

/// Enough for every policy that somebody writes.
const COPIES: usize = 200_000;
const DEPTH: usize = 100;

/// The types of one definition.
pub(super) struct OfDefinition<'m> {
    pub(super) steps: Vec<Type>,
    /// The set's item, or the value, for each body; without an expression it is `true`.
    pub(super) values: Vec<(Option<&'m Expr>, Type)>,
}

pub(super) fn check(rules: &ModuleRules<'_>, faults: &mut Faults<'_>) {
    let mut typing = Typing::new(rules, Input::Any, faults.place);
    for name in rules.names() {
        typing.rule(name);
    }
    faults.list.append(&mut typing.faults.list);
}

impl<'r, 'm, 'f> Typing<'r, 'm, 'f> {
    pub(super) fn new(rules: &'r ModuleRules<'m>, input: Input, place: &'f str) -> Self {
        let (known, locals, replaced) = (BTreeMap::new(), Vec::new(), Vec::new());
        Self { rules, input, faults: Faults::new(place), known, locals, replaced, copies: COPIES, depth: 0, is_quiet: false }
    }

    fn rule(&mut self, name: &'m str) -> Rc<Type> {
        if self.replaced.contains(&name) || self.depth > DEPTH {
            return Rc::new(Type::Any);
        }
        if let Some(known) = self.known.get(name) {
            return Rc::clone(known);
        }
        self.known.insert(name, Rc::new(Type::Any));
        self.depth += 1;
        // What is replaced, or declared, around the place where the rule is asked for is nothing to the rule.
        let around = (std::mem::take(&mut self.locals), std::mem::take(&mut self.replaced), std::mem::take(&mut self.is_quiet));
        let rules = self.rules;
        let types = rules.named(name).map(|definition| (definition, self.definition(definition))).collect();
        (self.locals, self.replaced, self.is_quiet) = around;
        self.depth -= 1;
        let found = Rc::new(made(types));
        self.known.insert(name, Rc::clone(&found));
        found
    }

    pub(super) fn definition(&mut self, definition: &RuleText<'m>) -> OfDefinition<'m> {
        let outside = self.locals.len();
        for arg in &definition.args {
            self.pattern(arg, &Type::Any);
        }
        let mut found = OfDefinition { steps: Vec::new(), values: Vec::new() };
        if definition.bodies.is_empty() {
            self.head(definition, definition.value, &mut found);
        }
        for body in &definition.bodies {
            let inside = self.locals.len();
            self.query(body.query);
            self.head(definition, body.value.or(definition.value.filter(|_| !body.is_else)), &mut found);
            self.locals.truncate(inside);
        }
        self.locals.truncate(outside);
        found
    }

    fn head(&mut self, definition: &RuleText<'m>, value: Option<&'m Expr>, found: &mut OfDefinition<'m>) {
        found.steps = Vec::new();
        for step in &definition.steps {
            found.steps.push(match step {
                HeadStep::Field(_) => Type::Text,
                HeadStep::Expr(expr) => self.of(expr),
            });
        }
        let given = definition.key.or(value);
        let of = given.map_or(Type::Bool, |expr| self.of(expr));
        found.values.push((given, of));
    }

    fn query(&mut self, query: &'m Query) {
        let outside = query.stmts.iter().filter(|statement| !matches!(statement.literal, Literal::Every { .. }));
        let unknown = Rc::new(Type::Any);
        self.locals.extend(outside.flat_map(walk::declared).map(|name| (name, Rc::clone(&unknown))));
        for statement in &query.stmts {
            let replaced = self.replaced.len();
            for modifier in &statement.with_mods {
                self.of(&modifier.r#as);
                let names = walk::path(&modifier.refr).unwrap_or_default();
                self.replaced.extend(self.rules.resolve(&names).first());
            }
            self.statement(statement);
            self.replaced.truncate(replaced);
        }
    }

    fn statement(&mut self, statement: &'m LiteralStmt) {
        match &statement.literal {
            Literal::SomeVars { .. } => {}
            Literal::SomeIn { span, key, value, collection } => {
                let of = self.of(collection);
                let Some(item) = of.at(At::Of(&Type::Any)) else {
                    let reason = format!("`{}` is {}, and has no items: this never holds", collection.span().text(), of.noun());
                    self.tell(span, reason, None);
                    return;
                };
                if let Some(key) = key {
                    self.pattern(key, &of.keys());
                }
                self.pattern(value, &item);
            }
            Literal::Expr { expr, .. } | Literal::NotExpr { expr, .. } => match expr.as_ref() {
                Expr::AssignExpr { op: AssignOp::ColEq, lhs, rhs, .. } => {
                    let value = self.of(rhs);
                    self.pattern(lhs, &value);
                }
                Expr::AssignExpr { span, lhs, rhs, .. } | Expr::Binary { span, op: Operator::Compare(BoolOp::Eq), lhs, rhs } => {
                    let (left, right) = (self.of(lhs), self.of(rhs));
                    if !left.overlaps(&right) {
                        let (one, other) = (shown(lhs), shown(rhs));
                        let reason = format!("`{one}` is {} and `{other}` is {}: they are never equal", left.noun(), right.noun());
                        self.tell(span, reason, by_quotes((lhs, &left), (rhs, &right)));
                    }
                }
                other => {
                    self.of(other);
                }
            },
            Literal::Every { key, value, domain, query, .. } => {
                self.of(domain);
                let outside = self.locals.len();
                let unknown = Rc::new(Type::Any);
                self.locals.extend(key.iter().chain([value]).map(|var| (var.text(), Rc::clone(&unknown))));
                let around = std::mem::replace(&mut self.is_quiet, true);
                self.query(query);
                self.is_quiet = around;
                self.locals.truncate(outside);
            }
        }
    }

    fn tell(&mut self, span: &Span, reason: String, hint: Option<String>) {
        if !self.is_quiet {
            self.faults.push_maybe(span, reason, hint);
        }
    }

    /// Gives the variables of a pattern their types.
    fn pattern(&mut self, pattern: &'m Expr, of: &Type) {
        match pattern {
            Expr::Var { span } => {
                let of = Rc::new(self.copy(of));
                self.locals.push((span.text(), of));
            }
            Expr::Array { span, items } => {
                let wanted = Type::Tuple(vec![Type::Any; items.len()]);
                if !of.overlaps(&wanted) {
                    self.no_pattern(span, of, &wanted);
                    return;
                }
                for (index, item) in items.iter().enumerate() {
                    self.pattern(item, &of.at(At::Index(index)).unwrap_or(Type::Any));
                }
            }
            Expr::Object { span, fields } => {
                let names = fields.iter().map(|(_, key, _)| Some((walk::literal_text(key)?.into(), Type::Any)));
                if let Some(wanted) = names.collect::<Option<_>>().map(|names| Type::Object(names, None))
                    && !of.overlaps(&wanted)
                {
                    self.no_pattern(span, of, &wanted);
                    return;
                }
                for (_, key, value) in fields {
                    let item = walk::literal_text(key).and_then(|name| of.at(At::Name(name)));
                    self.pattern(value, &item.unwrap_or(Type::Any));
                }
            }
            other => {
                self.of(other);
            }
        }
    }

    fn no_pattern(&mut self, span: &Span, of: &Type, wanted: &Type) {
        let (reason, hint) = match (of, wanted) {
            (Type::Tuple(items), Type::Tuple(wanted)) => {
                let (found, wanted) = (items.len(), wanted.len());
                (
                    format!("an array of {found} is taken for one of {wanted}: they are never equal"),
                    format!("write `_` for each item that is not needed, {found} in all"),
                )
            }
            (Type::Object(..), Type::Object(..)) => (
                "the object has other fields than these: they are never equal".to_owned(),
                "take the fields one by one: `x := object.field`".to_owned(),
            ),
            _ => {
                (format!("{} is taken for {}: they are never equal", of.noun(), wanted.noun()), "give the whole of it one name".to_owned())
            }
        };
        self.tell(span, reason, Some(hint));
    }

    /// The type of an expression; tells of what does not fit in it.
    pub(super) fn of(&mut self, expr: &'m Expr) -> Type {
        match expr {
            Expr::Scalar { .. } => Type::of_syntax(expr),
            Expr::Template { parts, .. } => {
                for part in parts {
                    if let TemplatePart::Expr(expr) = part {
                        self.of(expr);
                    }
                }
                Type::Text
            }
            Expr::Array { items, .. } => Type::Tuple(items.iter().map(|item| self.of(item)).collect()),
            Expr::Set { items, .. } => {
                let items: Vec<Type> = items.iter().map(|item| self.of(item)).collect();
                Type::set(Type::one_of(items))
            }
            Expr::Object { fields, .. } => {
                let (mut named, mut others) = (BTreeMap::new(), Vec::new());
                for (_, key, value) in fields {
                    match (walk::literal_text(key), self.of(key), self.of(value)) {
                        (Some(name), _, value) => {
                            named.insert(name.into(), value);
                        }
                        (None, key, value) => others.push((key, value)),
                    }
                }
                let (keys, values): (Vec<Type>, Vec<Type>) = others.into_iter().unzip();
                Type::Object(named, (!keys.is_empty()).then(|| Box::new((Type::one_of(keys), Type::one_of(values)))))
            }
            Expr::Compr { kind, key, item, query, .. } => self.within(query, |typing| {
                let key = key.as_ref().map_or(Type::Any, |key| typing.of(key));
                Type::collection(*kind, key, typing.of(item))
            }),
            Expr::Call { fcn, params, .. } => self.call(fcn, params.iter().map(AsRef::as_ref).collect()),
            Expr::UnaryExpr { expr, .. } => {
                self.of(expr);
                Type::Any
            }
            Expr::Var { .. } | Expr::RefDot { .. } | Expr::RefBrack { .. } => self.reference(expr),
            Expr::Binary { op: Operator::Sets(_), lhs, rhs, .. } => {
                self.operands([lhs, rhs], &Type::set(Type::Any), "only sets can be put together and intersected");
                Type::set(Type::Any)
            }
            Expr::Binary { op: Operator::Arithmetic(ArithOp::Sub), lhs, rhs, .. } => {
                let either = Type::one_of([Type::Number, Type::set(Type::Any)]);
                self.operands([lhs, rhs], &either, "only numbers and sets can be subtracted");
                either
            }
            Expr::Binary { op: Operator::Arithmetic(_), lhs, rhs, .. } => {
                self.operands([lhs, rhs], &Type::Number, "only numbers can be computed with");
                Type::Number
            }
            Expr::Binary { op: Operator::Compare(_), .. } | Expr::Membership { .. } | Expr::AssignExpr { .. } => {
                for part in walk::parts(expr) {
                    self.of(part);
                }
                Type::Bool
            }
        }
    }

    /// Something that sees what a query declares.
    fn within(&mut self, query: &'m Query, then: impl FnOnce(&mut Self) -> Type) -> Type {
        let outside = self.locals.len();
        self.query(query);
        let found = then(self);
        self.locals.truncate(outside);
        found
    }

    fn operands(&mut self, sides: [&'m Expr; 2], wanted: &Type, reason: &str) {
        for side in sides {
            let found = self.of(side);
            if !found.overlaps(wanted) {
                self.tell(side.span(), format!("{reason}, and this is {}", found.noun()), None);
            }
        }
    }

    fn call(&mut self, function: &'m Expr, params: Vec<&'m Expr>) -> Type {
        let given: Vec<Type> = params.iter().map(|param| self.of(param)).collect();
        let names = walk::path(function).unwrap_or_default();
        if let [name] = self.rules.resolve(&names).as_slice()
            && self.rules.kind(name).is_some()
        {
            let answer = self.rule(name);
            return self.copy(&answer);
        }
        let name = names.join(".");
        let Some((wanted, answer)) = signature(&name) else { return Type::Any };
        for ((param, given), wanted) in params.into_iter().zip(given).zip(wanted) {
            if !given.overlaps(&wanted) || !items_fit(param, &wanted) {
                self.tell(param.span(), format!("`{name}` takes {} here, and this is {}", wanted.noun(), given.noun()), None);
            }
        }
        answer
    }

    fn reference(&mut self, expr: &'m Expr) -> Type {
        let (root, steps) = walk::unfold(expr);
        let local = |name| self.locals.iter().rev().find(|(local, _)| *local == name).map(|(_, of)| Rc::clone(of));
        // Each wildcard is a variable of its own.
        let local = walk::var(root).filter(|name| *name != "_").and_then(local);
        // How many steps the root has swallowed, and steps that it has brought along.
        let (mut of, taken) = match (walk::var(root), local) {
            (_, Some(of)) => (of, 0),
            (None, None) => (Rc::new(self.of(root)), 0),
            (Some(name), None) => self.global(name, &steps),
        };
        let spans = walk::step_spans(expr);
        for (index, step) in steps.iter().enumerate() {
            let key = if let Step::Index(index) = step { self.of(index) } else { Type::Text };
            if index < taken {
                continue;
            }
            let place = match (step, number(step)) {
                (Step::Name(name), _) => At::Name(name),
                (Step::Index(_), Some(index)) => At::Index(index),
                (Step::Index(_), None) => At::Of(&key),
            };
            let Some(item) = of.at(place) else {
                if let Some(span) = spans.get(index) {
                    self.tell(span, nothing_at(expr, &of, place, span), instead(&of, place, before(expr, span)));
                }
                return Type::Any;
            };
            of = Rc::new(item);
        }
        self.copy(&of)
    }

    /// What the names at a reference's beginning stand for, and how many steps of it are taken by that.
    fn global(&mut self, name: &'m str, steps: &[Step<'m>]) -> (Rc<Type>, usize) {
        let anything = (Rc::new(Type::Any), steps.len());
        if !self.rules.is_global(name) {
            return anything;
        }
        let names: Vec<&'m str> = std::iter::once(name).chain(steps.iter().map_while(Step::name)).collect();
        let resolved = self.rules.resolve(&names);
        let Some((first, path)) = resolved.split_first() else { return anything };
        let of = match *first {
            "input" if self.input == Input::Known && self.rules.kind("input").is_none() => Rc::new(schema::input().clone()),
            first if self.rules.kind(first).is_some_and(|kind| !matches!(kind, RuleKind::Function(_))) => self.rule(first),
            _ => return anything,
        };
        // An import brings steps along that stand nowhere here.
        let own = path.len().min(names.len() - 1);
        let brought = path.iter().take(path.len() - own).try_fold(of, |of, name| of.at(At::Name(name)).map(Rc::new));
        brought.map_or(anything, |of| (of, names.len() - 1 - own))
    }

    fn copy(&mut self, of: &Type) -> Type {
        match self.copies.checked_sub(of.size()) {
            Some(left) => {
                self.copies = left;
                of.clone()
            }
            None => Type::Any,
        }
    }
}

/// What the definitions of a name make together.
fn made(definitions: Vec<(&RuleText<'_>, OfDefinition<'_>)>) -> Type {
    if definitions.iter().any(|(definition, _)| definition.kind == RuleKind::Object) {
        return object(definitions);
    }
    let is_set = definitions.iter().any(|(definition, _)| definition.kind == RuleKind::Set);
    let values = Type::one_of(definitions.into_iter().flat_map(|(_, types)| types.values).map(|(_, of)| of));
    if is_set { Type::set(values) } else { values }
}

/// What rules with steps in their heads make. OPA keeps them by the names at the beginning of their heads, and does not mind what is looked
/// for by others.
fn object(definitions: Vec<(&RuleText<'_>, OfDefinition<'_>)>) -> Type {
    let paths = definitions.into_iter().map(|(definition, types)| {
        let value = Type::one_of(types.values.into_iter().map(|(_, of)| of));
        let value = if definition.key.is_some() { Type::set(value) } else { value };
        let names: Vec<&str> = definition.steps.iter().map_while(|step| step.name()).collect();
        let rest = definition.steps.iter().zip(types.steps).skip(names.len()).rev();
        let keys = rest.map(|(step, of)| if matches!(step, HeadStep::Expr(expr) if is_scalar(expr)) { Type::Any } else { of });
        (names, keys.fold(value, |value, key| Type::object(key, value)))
    });
    fields(paths.collect(), 0)
}

/// By the names at one depth.
fn fields(paths: Vec<(Vec<&str>, Type)>, depth: usize) -> Type {
    let (mut here, mut by_name): (Vec<Type>, BTreeMap<&str, Vec<_>>) = (Vec::new(), BTreeMap::new());
    for (names, of) in paths {
        match names.get(depth) {
            Some(name) => by_name.entry(name).or_default().push((names, of)),
            None => here.push(of),
        }
    }
    if !by_name.is_empty() {
        let fields = by_name.into_iter().map(|(name, paths)| (name.into(), fields(paths, depth + 1)));
        here.push(Type::Object(fields.collect(), Some(Box::new((Type::Any, Type::Any)))));
    }
    Type::one_of(here)
}

/// In a set that is written out each literal must fit, though the set as a whole could.
fn items_fit(param: &Expr, wanted: &Type) -> bool {
    let Expr::Set { items, .. } = param else { return true };
    items.iter().filter(|item| is_scalar(item)).all(|item| wanted.overlaps(&Type::set(Type::of_syntax(item))))
}

/// The text of a reference as far as before a step.
fn before<'a>(expr: &'a Expr, step: &Span) -> &'a str {
    let (span, from) = (expr.span(), expr.span().start as usize);
    let text = span.source.text.get(from..step.start as usize).unwrap_or_default();
    text.trim_end_matches(|c: char| matches!(c, '.' | '[' | '"' | '`') || c.is_whitespace())
}

fn nothing_at(expr: &Expr, of: &Type, place: At<'_>, step: &Span) -> String {
    let before = before(expr, step);
    let missing = match place {
        At::Name(name) => format!("`{name}`"),
        At::Index(index) => format!("item {index}"),
        At::Of(_) => "item".to_owned(),
    };
    match (of, place) {
        (Type::Tuple(items), At::Index(_)) => {
            format!("`{before}` has {} items, counted from 0: `{}` is never there", items.len(), expr.span().text())
        }
        (Type::Set(_), _) => format!("`{before}` is {}, and what is looked for never is in it", of.noun()),
        _ => format!("`{before}` is {}, and has no {missing}: `{}` is never defined", of.noun(), expr.span().text()),
    }
}

/// What to write in the place of a step that leads nowhere.
fn instead(of: &Type, place: At<'_>, before: &str) -> Option<String> {
    match (of, place) {
        (Type::Bool, _) => Some(format!("write `{before}` alone: it is true or it is not there")),
        (Type::Tuple(_) | Type::Array(_), At::Name(name)) => Some(format!("look for an item by `\"{name}\" in {before}`")),
        (Type::Object(fields, _), At::Name(name)) => did_you_mean(name, fields.keys().map(AsRef::as_ref)).or_else(|| {
            let names = fields.keys().take(5).map(|name| format!("`{name}`"));
            (!fields.is_empty()).then(|| format!("it has {}", joined(names, "and")))
        }),
        _ => None,
    }
}

/// What to do with quotes where a number is compared with a string of digits.
fn by_quotes(one: (&Expr, &Type), other: (&Expr, &Type)) -> Option<String> {
    match (one, other) {
        ((Expr::Scalar { span, .. }, Type::Number), (_, Type::Text)) | ((_, Type::Text), (Expr::Scalar { span, .. }, Type::Number)) => {
            Some(format!("write it in quotes: `\"{}\"`", span.text()))
        }
        ((_, Type::Number), (literal, Type::Text)) | ((literal, Type::Text), (_, Type::Number)) => {
            walk::literal_text(literal).and_then(types::without_quotes)
        }
        _ => None,
    }
}

/// An expression as it stands in the text.
fn shown(expr: &Expr) -> &str {
    expr.span().text()
}
