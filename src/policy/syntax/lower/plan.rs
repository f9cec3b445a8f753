//! From expressions in order to statements: which variable gets its value where, which loops go around what, and what stands before a
//! `not`.

use std::collections::BTreeMap;
use std::rc::Rc;

use regorus::Value;

use super::super::core::{Branch, Comprehension, Definition, Node, Put, Stmt, StmtKind, Term};
use super::super::tree::{Operator, Span};
use super::expand::{Expander, is_equality};
use super::flat::{Callee, Collect, Flat, FlatExpr, FlatExprKind, RefHead, Var, Vars};
use super::heads::{DefinitionHead, Gives};
use super::lowering::Lowering;
use super::safety;
use crate::policy::lint;

/// The value that a rule or function has where no definition gives one.
pub(super) fn default(lowering: &Lowering<'_>, head: &DefinitionHead<'_>) -> Option<Term> {
    let Gives::Value(value) = head.gives else { return None };
    let mut planner = Planner::new(lowering, head);
    let mut support = Vec::new();
    let term = planner.names.term(value, &mut support);
    let is_constant = support.is_empty() && !planner.names.is_faulty && is_constant(&term);
    if !is_constant {
        let name = lowering.name(head.owner);
        let hint = format!("write `{name} := {} if {{ … }}` for a value that depends on something", value.span().text());
        planner.names.fault(value.span(), format!("the default of `{name}` must be a constant"), Some(hint));
        return None;
    }
    let mut before = Vec::new();
    let term = planner.value(&term, value.span(), &mut before);
    (!planner.names.is_faulty && before.is_empty()).then_some(term)
}

/// Whether nothing has to be known to evaluate it but what stands in it; comprehensions are looked at when they are evaluated.
fn is_constant(term: &Flat) -> bool {
    match term {
        Flat::Const(_) | Flat::Collect(_) => true,
        Flat::Var(_) | Flat::Ref(..) | Flat::Named(_) => false,
        Flat::Array(_) | Flat::Set(_) | Flat::Object(_) => term.parts().into_iter().all(is_constant),
    }
}

/// One definition of a rule or function; `None` if it has faults, which have been told.
pub(super) fn definition(lowering: &Lowering<'_>, head: &DefinitionHead<'_>) -> Option<Definition> {
    let mut planner = Planner::new(lowering, head);
    let args = planner.names.arguments(&head.args);
    let arguments = planner.bind_arguments(&args);
    let mut branches = Vec::new();
    let value_of_head = match head.gives {
        Gives::True => None,
        Gives::Value(value) | Gives::Item(value) => Some(value),
    };
    let bodies: Vec<_> = if head.bodies.is_empty() { vec![None] } else { head.bodies.iter().map(Some).collect() };
    for body in bodies {
        let value = match body.filter(|body| body.is_else) {
            Some(body) => body.assign.as_ref().map(|assign| assign.value.as_ref()),
            None => value_of_head,
        };
        let span = body.filter(|body| body.is_else).map_or(head.span, |body| &body.span);
        if let Some(branch) = planner.branch(head, span, body.map(|body| body.query.as_ref()), value, &args, &arguments) {
            branches.push(branch);
        }
    }
    let slots = planner.slots;
    (!planner.names.is_faulty).then(|| Definition { span: head.span.clone(), slots, branches })
}

struct Planner<'l, 'm> {
    names: Expander<'l, 'm>,
    owner: Node,
    slots: Vec<Option<Box<str>>>,
    /// Variables that have values, and where.
    bound: BTreeMap<Var, usize>,
    /// Variables that what closes over them may use, as far as OPA's check of safety is concerned: those of the expressions before, and of
    /// bodies around. What the expression at hand binds is not among them.
    known: Vars,
}

/// One side of an equation, or a part of one.
#[derive(Clone)]
enum Side<'f> {
    Flat(&'f Flat),
    Slot(usize),
    /// An item of what is in a slot.
    Item(usize, Rc<Flat>),
}

impl<'l, 'm> Planner<'l, 'm> {
    fn new(lowering: &'l Lowering<'m>, head: &DefinitionHead<'_>) -> Self {
        let names = Expander::new(lowering, head.unit);
        Self { names, owner: head.owner, slots: Vec::new(), bound: BTreeMap::new(), known: Vars::new() }
    }

    /// Gives each argument a slot, in their order, and tells which of them are patterns.
    fn bind_arguments(&mut self, args: &[Flat]) -> Vec<usize> {
        let mut patterns = Vec::new();
        for (index, arg) in args.iter().enumerate() {
            arg.vars(&mut self.known);
            match arg {
                Flat::Var(var) if !self.bound.contains_key(var) => {
                    let name = self.name_of(*var);
                    self.slots.push(name);
                    self.bound.insert(*var, index);
                }
                _ => {
                    self.slots.push(None);
                    patterns.push(index);
                }
            }
        }
        patterns
    }

    fn branch(
        &mut self,
        head: &DefinitionHead<'m>,
        span: &Span,
        query: Option<&'m super::super::tree::Query>,
        value: Option<&'m super::super::tree::Expr>,
        args: &[Flat],
        patterns: &[usize],
    ) -> Option<Branch> {
        let of_value = value.map(|value| value.span().clone());
        let (exprs, steps, value) = self.names.branch(query, &head.steps, value);
        if self.names.is_faulty {
            return None;
        }
        let before = self.bound.clone();
        let mut body = Vec::new();
        for index in patterns {
            if let Some(pattern) = args.get(*index) {
                self.unify(Side::Slot(*index), Side::Flat(pattern), head.span, &mut body);
            }
        }
        self.body(&exprs, &mut body);
        let mut used = Vars::new();
        steps.iter().chain(&value).for_each(|term| term.vars(&mut used));
        if !self.names.is_faulty {
            self.check_bound(&used, span, of_value.as_ref());
        }
        if self.names.is_faulty {
            self.bound = before;
            return None;
        }
        let mut after = Vec::new();
        let steps = steps.iter().map(|step| self.value(step, span, &mut after)).collect();
        let value = value.map_or(Term::Const(Value::Bool(true)), |value| self.value(&value, span, &mut after));
        self.bound = before;
        let put = if matches!(head.gives, Gives::Item(_)) { Put::Item(value) } else { Put::Value(value) };
        after.is_empty().then(|| Branch { span: span.clone(), body, steps, put })
    }

    fn check_bound(&mut self, used: &Vars, head: &Span, value: Option<&Span>) {
        let unbound: Vec<Var> = used.iter().copied().filter(|var| !self.bound.contains_key(var)).collect();
        for var in unbound {
            let of_variable = self.names.vars.get(var).map(|variable| variable.span.start);
            let in_value = value.filter(|value| of_variable.is_some_and(|start| (value.start..value.end).contains(&start)));
            self.unsafe_variable(var, in_value.unwrap_or(head));
        }
    }

    /// `place`: the statement that needs it.
    fn unsafe_variable(&mut self, var: Var, place: &Span) {
        let Some(variable) = self.names.vars.get(var) else { return };
        let is_within = (place.start..place.end).contains(&variable.span.start);
        let span = if is_within { variable.span.clone() } else { place.clone() };
        let Some(name) = variable.name.clone() else {
            return self.names.fault(&span, "what stands here cannot be known before it is needed", None);
        };
        let globals = self.names.lowering.units.get(self.names.unit).into_iter().flat_map(|unit| unit.globals.keys().copied());
        let rule = self.names.lowering.name(self.owner);
        let (reason, hint) = lint::unbound::told(&name, &rule, globals);
        self.names.fault(&span, reason, Some(hint));
    }

    fn name_of(&self, var: Var) -> Option<Box<str>> {
        self.names.vars.get(var)?.name.clone().filter(|name| &**name != "_")
    }

    /// A slot for a value of ours.
    fn fresh(&mut self) -> usize {
        self.slots.push(None);
        self.slots.len() - 1
    }

    fn bind(&mut self, var: Var) -> usize {
        let name = self.name_of(var);
        self.slots.push(name);
        self.bound.insert(var, self.slots.len() - 1);
        self.slots.len() - 1
    }

    fn is_bound(&self, var: Var) -> bool {
        self.bound.contains_key(&var)
    }

    fn is_closed(&self, term: &Flat) -> bool {
        let mut vars = Vars::new();
        term.vars(&mut vars);
        vars.into_iter().all(|var| self.is_bound(var))
    }

    fn body(&mut self, exprs: &[FlatExpr], out: &mut Vec<Stmt>) {
        let around = self.known.clone();
        match safety::reorder(exprs, &around) {
            Ok(ordered) => {
                for expr in ordered {
                    self.expr(expr, out);
                    expr.vars(&mut self.known);
                }
            }
            Err(unbound) => {
                let mut told = Vars::new();
                for (var, expr) in &unbound {
                    let is_ours = self.names.vars.get(*var).is_none_or(|variable| variable.name.is_none());
                    if !is_ours && told.insert(*var) {
                        self.unsafe_variable(*var, &expr.span);
                    }
                }
                if told.is_empty()
                    && let Some((_, expr)) = unbound.first()
                {
                    self.names.fault(&expr.span, "what this needs is not known before it", None);
                }
            }
        }
        self.known = around;
    }

    /// A body whose variables are not known outside of it.
    fn within<T>(&mut self, plan: impl FnOnce(&mut Self) -> T) -> T {
        let before = (self.bound.clone(), self.known.clone());
        let done = plan(self);
        (self.bound, self.known) = before;
        done
    }

    fn expr(&mut self, expr: &FlatExpr, out: &mut Vec<Stmt>) {
        if self.names.is_faulty {
            return;
        }
        if expr.with.is_empty() {
            return self.what(expr, out);
        }
        let span = &expr.span;
        let replaced = expr.with.iter().map(|(target, value)| (target.clone(), self.value(value, span, out))).collect();
        let mut body = Vec::new();
        self.what(expr, &mut body);
        out.push(stmt(span, StmtKind::With { replaced, body }));
    }

    fn what(&mut self, expr: &FlatExpr, out: &mut Vec<Stmt>) {
        let span = &expr.span;
        if expr.negated {
            let kind = self.negated(&expr.what, span, out);
            return out.push(stmt(span, StmtKind::Not(vec![stmt(span, kind)])));
        }
        match &expr.what {
            FlatExprKind::Term(term) => {
                let term = self.value(term, span, out);
                out.push(stmt(span, StmtKind::Holds(term)));
            }
            FlatExprKind::Equal(one, other) => self.unify(Side::Flat(one), Side::Flat(other), span, out),
            FlatExprKind::Call { callee, args, out: None } if is_equality(callee) && args.len() == 2 => {
                if let [one, other] = args.as_slice() {
                    self.unify(Side::Flat(one), Side::Flat(other), span, out);
                }
            }
            FlatExprKind::Call { callee, args, out: result } => {
                let args = self.arguments(args, span, out);
                let term = self.call(callee, args, span);
                match result {
                    None => out.push(stmt(span, StmtKind::Holds(term))),
                    Some(Flat::Var(var)) if !self.is_bound(*var) => {
                        let slot = self.bind(*var);
                        out.push(stmt(span, StmtKind::Bind(slot, term)));
                    }
                    Some(result) => {
                        let slot = self.fresh();
                        out.push(stmt(span, StmtKind::Bind(slot, term)));
                        self.unify(Side::Slot(slot), Side::Flat(result), span, out);
                    }
                }
            }
            FlatExprKind::Every { key, item, domain, body } => {
                let of = self.value(domain, span, out);
                let every = self.within(|this| {
                    this.known.extend(key.iter().chain(item));
                    let (key, item) = (key.map(|key| this.bind(key)), item.map(|item| this.bind(item)));
                    let mut stmts = Vec::new();
                    this.body(body, &mut stmts);
                    StmtKind::Every { of, key, item, body: stmts }
                });
                out.push(stmt(span, every));
            }
            FlatExprKind::Not { body, .. } => {
                let mut stmts = Vec::new();
                self.within(|this| body.iter().for_each(|expr| this.expr(expr, &mut stmts)));
                out.push(stmt(span, StmtKind::Not(stmts)));
            }
        }
    }

    /// The arguments of a call, of which one may go through what another one leads to.
    fn arguments(&mut self, args: &[Flat], span: &Span, out: &mut Vec<Stmt>) -> Vec<Term> {
        let ready: Vec<Option<Term>> = args.iter().map(|arg| self.can_be_evaluated(arg).then(|| self.value(arg, span, out))).collect();
        ready.into_iter().zip(args).map(|(ready, arg)| ready.unwrap_or_else(|| self.value(arg, span, out))).collect()
    }

    /// What stands under a `not`. Whatever could be undefined in it stands before it, but for a reference that is the whole of it, or one
    /// side of an equation.
    fn negated(&mut self, what: &FlatExprKind, span: &Span, out: &mut Vec<Stmt>) -> StmtKind {
        match what {
            FlatExprKind::Term(term) => StmtKind::Holds(self.under_not(term, span, out)),
            FlatExprKind::Equal(one, other) => StmtKind::Equal(self.under_not(one, span, out), self.under_not(other, span, out)),
            FlatExprKind::Call { callee, args, out: None } if is_equality(callee) && args.len() == 2 => match args.as_slice() {
                [one, other] => StmtKind::Equal(self.under_not(one, span, out), self.under_not(other, span, out)),
                _ => StmtKind::Holds(Term::Const(Value::Bool(false))),
            },
            FlatExprKind::Call { callee, args, out: result } => {
                let args = args.iter().map(|arg| self.defined(arg, span, out)).collect();
                let term = self.call(callee, args, span);
                match result {
                    None => StmtKind::Holds(term),
                    Some(result) => StmtKind::Equal(term, self.defined(result, span, out)),
                }
            }
            FlatExprKind::Every { .. } | FlatExprKind::Not { .. } => {
                self.names.fault(
                    span,
                    "`not` cannot stand before `every`",
                    Some("put the `every` into a rule of its own, and negate that".to_owned()),
                );
                StmtKind::Holds(Term::Const(Value::Bool(false)))
            }
        }
    }

    fn under_not(&mut self, term: &Flat, span: &Span, out: &mut Vec<Stmt>) -> Term {
        let Flat::Ref(root, steps) = term else { return self.defined(term, span, out) };
        let steps: Vec<Flat> = steps.iter().map(|step| self.taken_out(step, span, out)).collect();
        self.reference(root, &steps, span, out)
    }

    /// A part that is never undefined: a variable of ours, if it could be.
    fn taken_out(&mut self, term: &Flat, span: &Span, out: &mut Vec<Stmt>) -> Flat {
        match term {
            Flat::Const(_) | Flat::Var(_) | Flat::Named(_) => term.clone(),
            Flat::Array(items) => Flat::Array(items.iter().map(|item| self.taken_out(item, span, out)).collect()),
            Flat::Set(items) => Flat::Set(items.iter().map(|item| self.taken_out(item, span, out)).collect()),
            Flat::Object(fields) => {
                let fields = fields.iter().map(|(key, value)| (self.taken_out(key, span, out), self.taken_out(value, span, out)));
                Flat::Object(fields.collect())
            }
            Flat::Ref(..) | Flat::Collect(_) => {
                let value = self.value(term, span, out);
                let var = self.names.fresh(span);
                let slot = self.bind(var);
                out.push(stmt(span, StmtKind::Bind(slot, value)));
                Flat::Var(var)
            }
        }
    }

    fn defined(&mut self, term: &Flat, span: &Span, out: &mut Vec<Stmt>) -> Term {
        let term = self.taken_out(term, span, out);
        self.value(&term, span, out)
    }

    fn call(&mut self, callee: &Callee, args: Vec<Term>, span: &Span) -> Term {
        let pair = |args: Vec<Term>| {
            let mut args = args.into_iter();
            Box::new((args.next().unwrap_or(Term::Const(Value::Null)), args.next().unwrap_or(Term::Const(Value::Null))))
        };
        match callee {
            Callee::Builtin(name) => Term::Call(name.clone(), args),
            Callee::Function(number) => {
                self.uses(Node::Function(*number), span);
                Term::Function(*number, args)
            }
            Callee::Operator(Operator::Compare(op)) => Term::Compare(*op, pair(args)),
            Callee::Operator(Operator::Arithmetic(op)) => Term::Arithmetic(*op, pair(args)),
            Callee::Operator(Operator::Sets(op)) => Term::Sets(*op, pair(args)),
            Callee::Member => Term::In(None, pair(args)),
            Callee::MemberAt => {
                let mut args = args.into_iter();
                let key = args.next().map(Box::new);
                Term::In(key, pair(args.collect()))
            }
            Callee::Template => Term::Template(args),
        }
    }

    fn uses(&self, node: Node, span: &Span) {
        self.names.lowering.uses.borrow_mut().entry(self.owner).or_default().entry(node).or_insert_with(|| span.clone());
    }

    /// What a term stands for; the loops that its references need come before it.
    fn value(&mut self, term: &Flat, span: &Span, out: &mut Vec<Stmt>) -> Term {
        match term {
            Flat::Const(value) => Term::Const(value.clone()),
            Flat::Named(name) => Term::Named(name.clone()),
            Flat::Var(var) => {
                if let Some(slot) = self.bound.get(var) {
                    Term::Slot(*slot)
                } else {
                    self.unsafe_variable(*var, span);
                    Term::Const(Value::Null)
                }
            }
            Flat::Array(items) => Term::Array(items.iter().map(|item| self.value(item, span, out)).collect()),
            Flat::Set(items) => Term::Set(items.iter().map(|item| self.value(item, span, out)).collect()),
            Flat::Object(fields) => {
                Term::Object(fields.iter().map(|(key, value)| (self.value(key, span, out), self.value(value, span, out))).collect())
            }
            Flat::Collect(collect) => self.collect(collect, span),
            Flat::Ref(root, steps) => self.reference(root, steps, span, out),
        }
    }

    fn collect(&mut self, collect: &Collect, span: &Span) -> Term {
        self.within(|this| {
            let (mut body, mut after) = (Vec::new(), Vec::new());
            let (mut used, mut given) = (Vars::new(), this.known.clone());
            collect.key.iter().chain([&collect.item]).for_each(|term| term.vars(&mut used));
            collect.body.iter().for_each(|expr| expr.vars(&mut given));
            if collect.is_part {
                this.check_part(&collect.body, span);
            } else if let Some(var) = used.difference(&given).next() {
                this.unsafe_variable(*var, span);
            }
            this.body(&collect.body, &mut body);
            if !this.names.is_faulty {
                this.check_bound(&used, span, None);
            }
            if this.names.is_faulty {
                return Term::Const(Value::Null);
            }
            let key = collect.key.as_ref().map(|key| this.value(key, span, &mut after));
            let item = this.value(&collect.item, span, &mut after);
            body.append(&mut after);
            Term::Collect(Box::new(Comprehension { kind: collect.kind, key, item, body }))
        })
    }

    /// What stands between braces in a `$"…"` has to be known without it.
    fn check_part(&mut self, body: &[FlatExpr], place: &Span) {
        let mut vars = Vars::new();
        for expr in body {
            expr.vars(&mut vars);
        }
        let own = |var: &Var| self.names.vars.get(*var).is_none_or(|variable| variable.name.is_none());
        let Some(var) = vars.into_iter().find(|var| !own(var) && !self.known.contains(var)) else { return };
        let Some(variable) = self.names.vars.get(var) else { return };
        let name = variable.name.as_deref().unwrap_or("_").to_owned();
        let hint = "give it a value on a line before: `some … in …`, `… := …`";
        self.names.fault(
            place,
            format!("variable `{name}` in a `$\"…\"` has no value: a text goes through nothing"),
            Some(hint.to_owned()),
        );
    }

    fn reference(&mut self, root: &RefHead, steps: &[Flat], span: &Span, out: &mut Vec<Stmt>) -> Term {
        let (mut term, used) = match root {
            RefHead::Input => (Term::Input, 0),
            RefHead::Data => self.document(steps, span),
            RefHead::Var(var) => (self.value(&Flat::Var(*var), span, out), 0),
        };
        for step in steps.get(used..).unwrap_or_default() {
            if self.is_closed(step) {
                let key = self.value(step, span, out);
                term = Term::At(Box::new(term), Box::new(key));
                continue;
            }
            let (key, pattern) = match step {
                Flat::Var(var) => {
                    let named = self.names.vars.get(*var).is_some_and(|variable| variable.name.as_deref() != Some("_"));
                    (named.then(|| self.bind(*var)), None)
                }
                pattern => (Some(self.fresh()), Some(pattern)),
            };
            let item = self.fresh();
            out.push(stmt(span, StmtKind::Each { of: term, key, item: Some(item) }));
            if let (Some(key), Some(pattern)) = (key, pattern) {
                self.unify(Side::Slot(key), Side::Flat(pattern), span, out);
            }
            term = Term::Slot(item);
        }
        term
    }

    /// What is at a path of `data`, and how many of the steps lead there.
    fn document(&self, steps: &[Flat], span: &Span) -> (Term, usize) {
        let names: Vec<&str> =
            steps.iter().map_while(|step| if let Flat::Const(Value::String(name)) = step { Some(name.as_ref()) } else { None }).collect();
        let path = |length: usize| names.get(..length).unwrap_or_default().iter().map(|name| Box::from(*name)).collect();
        let lowering = self.names.lowering;
        let (mut place, mut used, mut above) = (&lowering.root, 0, None);
        while let Some(next) = names.get(used).and_then(|name| place.fields.get(*name)) {
            // A rule of an object may give something here, too.
            if let Some(rule) = place.rule {
                self.uses(Node::Rule(rule), span);
                above = Some(rule);
            }
            (place, used) = (next, used + 1);
        }
        // A function is no document; but what names it needs it.
        for length in 1..=names.len() {
            if let Some((function, _)) = lowering.functions.get(&path(length)) {
                self.uses(Node::Function(*function), span);
            }
        }
        let is_nowhere = place.rule.is_none() && names.len() > used;
        if is_nowhere {
            return (Term::Extent(path(names.len())), names.len());
        }
        if let Some(rule) = place.rule {
            self.uses(Node::Rule(rule), span);
        }
        // A name that is none of the fields leads into what the rule gives, and a step that is not known may lead to any of them.
        let of_rule_alone = place.fields.is_empty() || names.len() > used;
        match (place.rule, above) {
            (Some(rule), None) if of_rule_alone => (Term::Rule(rule), used),
            _ => {
                self.uses_all(place, span);
                (Term::Extent(path(used)), used)
            }
        }
    }

    fn uses_all(&self, extent: &super::super::core::Extent, span: &Span) {
        if let Some(rule) = extent.rule {
            self.uses(Node::Rule(rule), span);
        }
        extent.fields.values().for_each(|field| self.uses_all(field, span));
    }

    /// Makes two sides equal: variables without a value get one, and whatever has one is compared.
    fn unify<'f>(&mut self, one: Side<'f>, other: Side<'f>, span: &Span, out: &mut Vec<Stmt>) {
        let mut waiting: Vec<(Side<'f>, Side<'f>)> = vec![(one, other)];
        while !waiting.is_empty() {
            let mut later = Vec::new();
            let before = waiting.len();
            let mut moved = false;
            for (one, other) in waiting {
                match self.settle(&one, &other, span, out) {
                    Settled::Done => moved = true,
                    Settled::Parts(parts) => {
                        moved = true;
                        later.extend(parts);
                    }
                    Settled::Later => later.push((one, other)),
                }
            }
            if !moved && later.len() == before {
                if !self.names.is_faulty {
                    self.names.fault(span, "it cannot be told which side of `=` gives the other its value", Some("write `:=`".to_owned()));
                }
                return;
            }
            waiting = later;
        }
    }

    fn settle<'f>(&mut self, one: &Side<'f>, other: &Side<'f>, span: &Span, out: &mut Vec<Stmt>) -> Settled<'f> {
        match (self.form(one), self.form(other)) {
            (Form::Value, Form::Value) => {
                let (one, other) = (self.side(one, span, out), self.side(other, span, out));
                out.push(stmt(span, StmtKind::Equal(one, other)));
                Settled::Done
            }
            (Form::New(var), Form::Value) => self.give(var, other, span, out),
            (Form::Value, Form::New(var)) => self.give(var, one, span, out),
            (Form::Pattern(one), Form::Pattern(other)) => self.pair(one, other, span, out),
            (Form::Pattern(pattern), Form::Value) => match other {
                Side::Flat(whole @ (Flat::Array(_) | Flat::Object(_))) => self.pair(pattern, whole, span, out),
                _ => self.take_apart(pattern, other, span, out),
            },
            (Form::Value, Form::Pattern(pattern)) => match one {
                Side::Flat(whole @ (Flat::Array(_) | Flat::Object(_))) => self.pair(whole, pattern, span, out),
                _ => self.take_apart(pattern, one, span, out),
            },
            (Form::New(_) | Form::Unready, _) | (_, Form::New(_) | Form::Unready) => Settled::Later,
        }
    }

    fn form<'f>(&self, side: &Side<'f>) -> Form<'f> {
        let Side::Flat(term) = side else { return Form::Value };
        match term {
            Flat::Var(var) if !self.is_bound(*var) => Form::New(*var),
            Flat::Array(_) | Flat::Object(_) if !self.can_be_evaluated(term) => Form::Pattern(term),
            _ if self.can_be_evaluated(term) => Form::Value,
            _ => Form::Unready,
        }
    }

    /// Whether it needs no other values than there are; the steps of references may still go through what they lead to.
    fn can_be_evaluated(&self, term: &Flat) -> bool {
        match term {
            Flat::Const(_) | Flat::Collect(_) | Flat::Named(_) => true,
            Flat::Var(var) => self.is_bound(*var),
            Flat::Ref(root, _) => {
                let mut vars = Vars::new();
                root.vars(&mut vars);
                vars.into_iter().all(|var| self.is_bound(var))
            }
            Flat::Array(_) | Flat::Set(_) | Flat::Object(_) => term.parts().into_iter().all(|part| self.can_be_evaluated(part)),
        }
    }

    fn side(&mut self, side: &Side<'_>, span: &Span, out: &mut Vec<Stmt>) -> Term {
        match side {
            Side::Flat(term) => self.value(term, span, out),
            Side::Slot(slot) => Term::Slot(*slot),
            Side::Item(slot, key) => {
                let key = self.value(key, span, out);
                Term::At(Box::new(Term::Slot(*slot)), Box::new(key))
            }
        }
    }

    fn give<'f>(&mut self, var: Var, value: &Side<'_>, span: &Span, out: &mut Vec<Stmt>) -> Settled<'f> {
        let value = self.side(value, span, out);
        // The value's own loops may have given it one: `i = xs[i]`.
        let kind = match self.bound.get(&var) {
            Some(slot) => StmtKind::Equal(Term::Slot(*slot), value),
            None => StmtKind::Bind(self.bind(var), value),
        };
        out.push(stmt(span, kind));
        Settled::Done
    }

    /// Two arrays, or two objects, part by part.
    fn pair<'f>(&mut self, one: &'f Flat, other: &'f Flat, span: &Span, out: &mut Vec<Stmt>) -> Settled<'f> {
        let parts: Option<Vec<_>> = match (one, other) {
            (Flat::Array(ones), Flat::Array(others)) if ones.len() == others.len() => {
                Some(ones.iter().zip(others).map(|(one, other)| (Side::Flat(one), Side::Flat(other))).collect())
            }
            (Flat::Object(ones), Flat::Object(others)) if ones.len() == others.len() => {
                let field = |(key, value): &'f (Flat, Flat)| {
                    let (_, other) = others.iter().find(|(other, _)| safety::is_same(key, other))?;
                    Some((Side::Flat(value), Side::Flat(other)))
                };
                ones.iter().map(field).collect()
            }
            _ => None,
        };
        if let Some(parts) = parts {
            Settled::Parts(parts)
        } else {
            out.push(stmt(span, StmtKind::Holds(Term::Const(Value::Bool(false)))));
            // What would have had a value below has none, and is never looked at.
            let mut vars = Vars::new();
            one.vars(&mut vars);
            other.vars(&mut vars);
            for var in vars {
                if !self.is_bound(var) {
                    let slot = self.bind(var);
                    out.push(stmt(span, StmtKind::Bind(slot, Term::Const(Value::Null))));
                }
            }
            Settled::Done
        }
    }

    fn take_apart<'f>(&mut self, pattern: &'f Flat, whole: &Side<'_>, span: &Span, out: &mut Vec<Stmt>) -> Settled<'f> {
        let whole = match whole {
            Side::Slot(slot) => *slot,
            other => {
                let value = self.side(other, span, out);
                let slot = self.fresh();
                out.push(stmt(span, StmtKind::Bind(slot, value)));
                slot
            }
        };
        match pattern {
            Flat::Array(items) => {
                out.push(stmt(span, StmtKind::IsArray(Term::Slot(whole), items.len())));
                let item = |(index, item): (usize, &'f Flat)| {
                    let key = Value::from(u64::try_from(index).unwrap_or(u64::MAX));
                    (Side::Item(whole, Rc::new(Flat::Const(key))), Side::Flat(item))
                };
                Settled::Parts(items.iter().enumerate().map(item).collect())
            }
            Flat::Object(fields) => {
                let keys: Vec<Flat> = fields.iter().map(|(key, _)| self.taken_out(key, span, out)).collect();
                let terms = keys.iter().map(|key| self.value(key, span, out)).collect();
                out.push(stmt(span, StmtKind::IsObject(Term::Slot(whole), terms)));
                let field = |(key, (_, value)): (Flat, &'f (Flat, Flat))| (Side::Item(whole, Rc::new(key)), Side::Flat(value));
                Settled::Parts(keys.into_iter().zip(fields).map(field).collect())
            }
            Flat::Const(_) | Flat::Var(_) | Flat::Ref(..) | Flat::Set(_) | Flat::Collect(_) | Flat::Named(_) => Settled::Later,
        }
    }
}

enum Settled<'f> {
    Done,
    Parts(Vec<(Side<'f>, Side<'f>)>),
    Later,
}

/// What a side is for unification.
enum Form<'f> {
    Value,
    /// A variable without a value.
    New(Var),
    /// An array or an object with such variables in it.
    Pattern(&'f Flat),
    /// Something that needs a value that is not there yet.
    Unready,
}

fn stmt(span: &Span, kind: StmtKind) -> Stmt {
    Stmt { span: span.clone(), kind }
}
