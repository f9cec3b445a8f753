//! The walk through a policy: from the rules that count to whatever they use, until nothing new is found.
//!
//! What is known of a value is kept per rule, per argument of a function, and per variable of a rule's text, each as the union of all
//! that it may be anywhere: the order of statements and the scopes of variables do not matter then, and forgetting a way in which a
//! value gets somewhere is the only way to be wrong. So every kind of expression is named here, and what is not understood makes the
//! policy obscure.

use std::collections::{BTreeMap, BTreeSet};

use regorus::unstable::{Expr, Literal, LiteralStmt, Module, Query};

use super::Depends;
use super::definition::{Definition, Definitions, Global};
use super::source::Source;
use super::uses::Uses;
use crate::policy::check::ast::{self, Step};
use crate::policy::engine::entrypoint;

/// What is known so far.
pub(super) struct Walk<'w, 'm> {
    pub(super) definitions: &'w Definitions<'m>,
    pub(super) uses: Uses<'m>,
    /// Rules that the answer may depend on.
    reached: BTreeSet<&'m str>,
    /// What a rule's value, or a function's result, may be.
    values: BTreeMap<&'m str, Source>,
    arguments: BTreeMap<(&'m str, usize), Source>,
    /// By the number of the definition that they stand in.
    variables: BTreeMap<(usize, &'m str), Source>,
    /// The definition at hand.
    at: usize,
    /// Something became known in this round.
    news: bool,
    /// Nothing more can become known: a variable that nothing has bound by now is not understood.
    last_round: bool,
}

/// What the answers of a module depend on.
pub(in crate::policy) fn depends(module: &Module) -> Depends {
    let definitions = Definitions::of(module);
    let mut walk = Walk {
        definitions: &definitions,
        uses: Uses::default(),
        reached: entrypoint::RULES.iter().filter_map(|(name, _)| definitions.rule(name)).collect(),
        values: BTreeMap::new(),
        arguments: BTreeMap::new(),
        variables: BTreeMap::new(),
        at: 0,
        news: true,
        last_round: false,
    };
    while std::mem::take(&mut walk.news) {
        walk.round();
    }
    walk.last_round = true;
    walk.round();
    walk.uses.depends()
}

impl<'m> Walk<'_, 'm> {
    fn round(&mut self) {
        for name in self.reached.clone() {
            for (at, definition) in self.definitions.named(name) {
                self.at = at;
                self.definition(definition);
            }
            // Two values of one rule are compared: unless they are the same, the evaluation ends there.
            if self.definitions.may_have_two_values(name) {
                let value = self.result(name);
                self.uses.equal(value, value);
            }
            if entrypoint::shape(name).is_some() {
                let value = self.result(name);
                self.uses.read(value);
            }
        }
    }

    fn definition(&mut self, definition: &Definition<'m>) {
        self.uses.obscure |= definition.is_nested_function;
        for (index, arg) in definition.args.iter().enumerate() {
            let given = self.arguments.get(&(definition.name, index)).copied().unwrap_or_default();
            self.declare(arg, given);
        }
        for query in &definition.queries {
            self.query(query);
        }
        // The names that lead to a part are literals, too.
        let mut made = if definition.may_be_true || definition.is_part() { Source::LITERAL } else { Source::default() };
        for step in &definition.steps {
            match step {
                Step::Name(name) => self.uses.text(name),
                Step::Index(index) => made |= self.part(index),
            }
        }
        if let Some(key) = definition.key {
            made |= self.part(key);
        }
        for value in &definition.values {
            made |= if definition.is_part() { self.part(value) } else { self.expr(value) };
        }
        let before = self.values.entry(definition.name).or_default();
        self.news |= *before | made != *before;
        *before |= made;
    }

    fn query(&mut self, query: &'m Query) {
        for statement in &query.stmts {
            self.statement(statement);
        }
    }

    fn statement(&mut self, statement: &'m LiteralStmt) {
        match &statement.literal {
            Literal::SomeVars { vars, .. } => vars.iter().for_each(|var| self.bind(var.text(), Source::default())),
            Literal::SomeIn { key, value, collection, .. } => {
                let collection = self.part(collection);
                if let Some(key) = key {
                    self.declare(key, collection.keys());
                }
                self.declare(value, collection.items());
            }
            // Whether a statement holds tells nothing of an address, a time or a document: there is always one, and it is never false.
            Literal::Expr { expr, .. } | Literal::NotExpr { expr, .. } => {
                self.expr(expr);
            }
            Literal::Every { key, value, domain, query, .. } => {
                let domain = self.part(domain);
                if let Some(key) = key {
                    self.bind(key.text(), domain.keys());
                }
                self.bind(value.text(), domain.items());
                self.query(query);
            }
        }
        for modifier in &statement.with_mods {
            self.part(&modifier.r#as);
            self.uses.obscure |= !self.leaves_the_request(&modifier.refr);
        }
    }

    /// Whether `with` puts something in the place of a field of the key or the snapshot: that is the same for all requests of one class,
    /// and no constant is ever taken from there. An address or a time that is another one for a statement, and so can be compared with the
    /// request's own, is not followed; neither is another rule or function in the place of one.
    fn leaves_the_request(&self, target: &'m Expr) -> bool {
        let Some(path) = ast::path(target) else { return false };
        let Some((root, rest)) = path.split_first() else { return false };
        let Global::Input(above) = self.definitions.global(root, &[]) else { return false };
        let mut replaced = Source::INPUT;
        for name in above.iter().chain(rest) {
            // Beyond a field that varies, too, there is nothing to follow: what stood there is gone.
            let Some((_, fields)) = DOCUMENTS.iter().find(|(document, _)| *document == replaced) else { break };
            replaced = known(fields, name);
        }
        replaced == Source::OTHER
    }

    /// What an expression may be, where it becomes a part of something, or is looked into.
    pub(super) fn part(&mut self, expr: &'m Expr) -> Source {
        let whole = self.expr(expr);
        self.uses.read(whole)
    }

    /// What an expression may be.
    pub(super) fn expr(&mut self, expr: &'m Expr) -> Source {
        match expr {
            Expr::String { value, .. } | Expr::RawString { value, .. } => {
                if let Ok(text) = value.as_string() {
                    self.uses.text(text);
                }
                Source::LITERAL
            }
            Expr::Number { value, .. } => {
                self.uses.number(value);
                Source::LITERAL
            }
            Expr::Bool { .. } | Expr::Null { .. } => Source::LITERAL,
            Expr::Var { .. } | Expr::RefDot { .. } | Expr::RefBrack { .. } => self.reference(expr),
            Expr::Array { items, .. } | Expr::Set { items, .. } => items.iter().fold(Source::LITERAL, |made, item| made | self.part(item)),
            Expr::Object { fields, .. } => {
                fields.iter().fold(Source::LITERAL, |made, (_, key, value)| made | self.part(key) | self.part(value))
            }
            Expr::ArrayCompr { term, query, .. } | Expr::SetCompr { term, query, .. } => {
                self.query(query);
                self.part(term)
            }
            Expr::ObjectCompr { key, value, query, .. } => {
                self.query(query);
                self.part(key) | self.part(value)
            }
            Expr::Call { fcn, params, .. } => self.call(fcn, params),
            Expr::UnaryExpr { expr, .. } => self.part(expr) | Source::NUMBER,
            Expr::BinExpr { lhs, rhs, .. } => self.part(lhs) | self.part(rhs),
            // Also one set without another's items.
            Expr::ArithExpr { lhs, rhs, .. } => self.part(lhs) | self.part(rhs) | Source::NUMBER,
            Expr::BoolExpr { op, lhs, rhs, .. } => {
                let (lhs, rhs) = (self.expr(lhs), self.expr(rhs));
                match op {
                    regorus::unstable::BoolOp::Eq | regorus::unstable::BoolOp::Ne => self.uses.equal(lhs, rhs),
                    _ => self.uses.order(lhs, rhs),
                }
                Source::LITERAL
            }
            Expr::AssignExpr { op, lhs, rhs, .. } => {
                self.assign(op, lhs, rhs);
                Source::LITERAL
            }
            Expr::Membership { key, value, collection, .. } => {
                let collection = self.part(collection);
                if let Some(key) = key {
                    let key = self.expr(key);
                    self.uses.equal(key, collection.keys());
                }
                let value = self.expr(value);
                self.uses.equal(value, collection.items());
                Source::LITERAL
            }
        }
    }

    fn reference(&mut self, expr: &'m Expr) -> Source {
        let (root, steps) = ast::unfold(expr);
        let Some(name) = ast::var(root) else {
            let whole = self.expr(root);
            return self.steps(whole, &steps);
        };
        let names: Vec<&str> = steps.iter().map_while(|step| if let Step::Name(name) = step { Some(*name) } else { None }).collect();
        let (global, used) = self.global(name, &names);
        let value = global | self.variable(name);
        // By now everything that is bound has been seen to be: what this is bound by is not understood.
        self.uses.obscure |= self.last_round && value == Source::default() && name != "_";
        self.steps(value, steps.get(used..).unwrap_or_default())
    }

    /// What a name stands for where it is no variable, and how many of the names after it that took.
    pub(super) fn global(&mut self, name: &'m str, after: &[&'m str]) -> (Source, usize) {
        match self.definitions.global(name, after) {
            Global::Input(path) => (path.into_iter().fold(Source::INPUT, |whole, name| self.field(whole, name)), 0),
            Global::Rule(rule, used) => {
                self.reach(rule);
                (self.result(rule), used)
            }
            Global::Nothing => (Source::default(), 0),
            Global::Obscure => {
                self.uses.obscure = true;
                (Source::OTHER, 0)
            }
        }
    }

    fn steps(&mut self, whole: Source, steps: &[Step<'m>]) -> Source {
        steps.iter().fold(whole, |whole, step| match step {
            Step::Name(name) => self.field(whole, name),
            Step::Index(index) => self.index(whole, index),
        })
    }

    /// What stands in a field whose name is known.
    fn field(&mut self, whole: Source, name: &str) -> Source {
        let documents = Source::INPUT | Source::REQUEST | Source::SESSION;
        let mut found = self.uses.read(whole.without(documents)).items();
        for (document, fields) in DOCUMENTS {
            if whole.may_be(document) {
                found |= known(fields, name);
            }
        }
        found
    }

    /// What stands at an index that is found out when the policy is asked, and what its variables are then.
    fn index(&mut self, whole: Source, index: &'m Expr) -> Source {
        let rest = match index {
            Expr::Number { value, .. } if whole.may_be(Source::CLOCK) => {
                self.uses.clock_part(value.as_u64().ok().and_then(|part| usize::try_from(part).ok()).unwrap_or(usize::MAX));
                whole.without(Source::CLOCK) | Source::OTHER
            }
            _ => whole,
        };
        let items = self.uses.read(rest);
        // An item of a set, or a field of an object, is found by being equal to what is looked for; an array's is found by its number.
        self.compare_or_bind(index, items.keys());
        items.items()
    }

    fn reach(&mut self, rule: &'m str) {
        self.news |= self.reached.insert(rule);
    }

    /// What the argument of a function may be, by what one call gives.
    pub(super) fn give(&mut self, function: &'m str, index: usize, given: Source) {
        self.reach(function);
        let before = self.arguments.entry((function, index)).or_default();
        self.news |= *before | given != *before;
        *before |= given;
    }

    /// What a rule's value, or a function's result, may be.
    pub(super) fn result(&self, function: &str) -> Source {
        self.values.get(function).copied().unwrap_or_default()
    }

    /// What a variable may be.
    pub(super) fn variable(&self, name: &'m str) -> Source {
        self.variables.get(&(self.at, name)).copied().unwrap_or_default()
    }

    /// A variable may be this, too.
    pub(super) fn bind(&mut self, name: &'m str, value: Source) {
        if name == "_" {
            return;
        }
        let before = self.variables.entry((self.at, name)).or_default();
        self.news |= *before | value != *before;
        *before |= value;
    }
}

/// What stands in a field of a document.
fn known(fields: &[(&str, Source)], name: &str) -> Source {
    fields.iter().find(|(field, _)| *field == name).map_or(Source::OTHER, |(_, source)| *source)
}

/// The fields that differ between the requests of one key, and the way to them. All else in `input` tells of the key or the snapshot,
/// and an answer is remembered for these as they were.
const DOCUMENTS: [(Source, &[(&str, Source)]); 3] = [
    (Source::INPUT, &[("request", Source::REQUEST), ("session", Source::SESSION)]),
    (Source::REQUEST, &[("remote_ip", Source::ADDRESS), ("timestamp_ns", Source::TIME)]),
    (Source::SESSION, &[("creator_ip", Source::ADDRESS)]),
];
