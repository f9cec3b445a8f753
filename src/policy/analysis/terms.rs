//! What statements do with values, and what terms may be.

use super::source::ValueSource;
use super::walk::Walk;
use crate::policy::syntax::core::{Stmt, StmtKind, Target, Term};
use crate::policy::syntax::tree::BoolOp;

use regorus::Value;

impl<'p> Walk<'p> {
    pub(super) fn body(&mut self, body: &'p [Stmt]) {
        for statement in body {
            self.statement(&statement.kind);
        }
    }

    fn statement(&mut self, kind: &'p StmtKind) {
        match kind {
            // Whether it holds tells nothing of an address, a time or a document: there is always one, and it is never false. Neither does
            // it tell whether it is an array.
            StmtKind::Holds(term) | StmtKind::IsArray(term, _) => {
                self.term(term);
            }
            StmtKind::Bind(slot, Term::At(of, key)) if matches!(**key, Term::Const(_)) && !self.is_used(*slot) => {
                // As of a pattern with `_` in it. The hour, the minute or the second is always there.
                let whole = self.term(of);
                self.at(whole.without(ValueSource::CLOCK), key);
                self.bind(*slot, ValueSource::OTHER);
            }
            StmtKind::Bind(slot, term) => {
                let value = self.term(term);
                self.bind(*slot, value);
            }
            StmtKind::Equal(one, other) => {
                let (one, other) = (self.term(one), self.term(other));
                self.uses.equal(one, other);
            }
            StmtKind::IsObject(term, keys) => {
                let whole = self.term(term);
                for key in keys.iter().filter(|key| !matches!(key, Term::Const(_))) {
                    // The fields of a document have the same names in every request; which of them this is, is another matter.
                    let keys = self.uses.read(whole).keys();
                    let key = self.term(key);
                    self.uses.equal(key, keys);
                }
            }
            StmtKind::Each { of, key, item } => self.each(of, *key, *item),
            StmtKind::Not(body) => self.body(body),
            StmtKind::Every { of, key, item, body } => {
                self.each(of, *key, *item);
                self.body(body);
            }
            StmtKind::With { replaced, body } => {
                for (target, value) in replaced {
                    self.part(value);
                    self.uses.obscure |= !leaves_the_request(target);
                }
                self.body(body);
            }
        }
    }

    fn each(&mut self, of: &'p Term, key: Option<usize>, item: Option<usize>) {
        let of = self.part(of);
        if let Some(key) = key {
            self.bind(key, of.keys());
        }
        if let Some(item) = item {
            self.bind(item, of.items());
        }
    }

    /// What a term may be, where it becomes a part of something, or is looked into.
    pub(super) fn part(&mut self, term: &'p Term) -> ValueSource {
        let whole = self.term(term);
        self.uses.read(whole)
    }

    fn all_parts(&mut self, terms: &[&'p Term]) -> ValueSource {
        terms.iter().fold(ValueSource::default(), |made, term| made | self.part(term))
    }

    /// What a term may be.
    pub(super) fn term(&mut self, term: &'p Term) -> ValueSource {
        match term {
            Term::Const(value) => {
                self.constant(value);
                ValueSource::LITERAL
            }
            Term::Input => ValueSource::INPUT,
            Term::Extent(path) => self.document(path),
            Term::Slot(slot) => self.slot(*slot),
            Term::Rule(number) => self.rule(*number),
            Term::At(of, key) => {
                let whole = self.term(of);
                self.at(whole, key)
            }
            Term::Call(name, arguments) => self.call(name, arguments),
            Term::Function(number, arguments) => self.function(*number, arguments),
            Term::Array(_) | Term::Set(_) | Term::Object(_) => ValueSource::LITERAL | self.all_parts(&term.parts()),
            Term::Compare(op, sides) => {
                let (one, other) = (self.term(&sides.0), self.term(&sides.1));
                match op {
                    BoolOp::Eq | BoolOp::Ne => self.uses.equal(one, other),
                    BoolOp::Lt | BoolOp::Le | BoolOp::Ge | BoolOp::Gt => self.uses.order(one, other),
                }
                ValueSource::LITERAL
            }
            Term::In(key, sides) => {
                let of = self.part(&sides.1);
                if let Some(key) = key {
                    let key = self.term(key);
                    self.uses.equal(key, of.keys());
                }
                let item = self.term(&sides.0);
                self.uses.equal(item, of.items());
                ValueSource::LITERAL
            }
            Term::Sets(_, sides) => self.part(&sides.0) | self.part(&sides.1),
            // Also one set without another's items.
            Term::Arithmetic(_, sides) => self.part(&sides.0) | self.part(&sides.1) | ValueSource::NUMBER,
            Term::Collect(comprehension) => {
                self.body(&comprehension.body);
                // Empty, it is none of its parts.
                ValueSource::LITERAL | self.all_parts(&term.parts())
            }
            Term::Template(_) => {
                self.all_parts(&term.parts());
                ValueSource::OTHER
            }
            Term::Named(_) => {
                self.uses.obscure = true;
                ValueSource::OTHER
            }
        }
    }

    fn constant(&mut self, value: &'p Value) {
        match value {
            Value::String(text) => self.uses.text(text),
            Value::Number(_) => self.uses.number(value),
            Value::Array(items) => items.iter().for_each(|item| self.constant(item)),
            Value::Set(items) => items.iter().for_each(|item| self.constant(item)),
            Value::Object(fields) => fields.iter().for_each(|(key, item)| {
                self.constant(key);
                self.constant(item);
            }),
            Value::Null | Value::Bool(_) | Value::Undefined => {}
        }
    }

    /// An item of what a value may be. An item of a set, or a field of an object, is found by being equal to the key; an array's is found by
    /// its number.
    fn at(&mut self, whole: ValueSource, key: &'p Term) -> ValueSource {
        match key {
            Term::Const(Value::String(name)) => self.field(whole, name),
            // Nothing that varies is a key of anything.
            Term::Const(key) => {
                if whole.may_be(ValueSource::CLOCK) {
                    let part = key.as_u64().ok().and_then(|part| usize::try_from(part).ok());
                    self.uses.clock_part(part.unwrap_or(usize::MAX));
                }
                let rest = if whole.may_be(ValueSource::CLOCK) { whole.without(ValueSource::CLOCK) | ValueSource::OTHER } else { whole };
                self.uses.read(rest).items()
            }
            key => {
                let items = self.uses.read(whole);
                let key = self.term(key);
                self.uses.equal(key, items.keys());
                items.items()
            }
        }
    }

    /// What stands in a field whose name is known.
    pub(super) fn field(&mut self, whole: ValueSource, name: &str) -> ValueSource {
        let documents = ValueSource::INPUT | ValueSource::REQUEST | ValueSource::SESSION;
        let mut found = self.uses.read(whole.without(documents)).items();
        for (document, fields) in DOCUMENTS {
            if whole.may_be(document) {
                found |= known(fields, name);
            }
        }
        // There may be none, so that it is told something to look for a field of it.
        if found.may_be(ValueSource::CERTIFICATE) { self.uses.read(found) } else { found }
    }
}

/// Whether `with` puts something in the place of a field of the key or the snapshot: that is the same for all requests of one class,
/// and no constant is ever taken from there. An address or a time that is another one for a statement, and so can be compared with the
/// request's own, is not followed; neither is another rule or function in the place of one.
fn leaves_the_request(target: &Target) -> bool {
    let Target::Input(path) = target else { return false };
    let mut replaced = ValueSource::INPUT;
    for name in path {
        // Beyond a field that varies, too, there is nothing to follow: what stood there is gone.
        let Some((_, fields)) = DOCUMENTS.iter().find(|(document, _)| *document == replaced) else { break };
        replaced = known(fields, name);
    }
    replaced == ValueSource::OTHER
}

/// What stands in a field of a document.
fn known(fields: &[(&str, ValueSource)], name: &str) -> ValueSource {
    fields.iter().find(|(field, _)| *field == name).map_or(ValueSource::OTHER, |(_, source)| *source)
}

/// The fields that differ between the requests of one key, and the way to them. All else in `input` tells of the key or the snapshot,
/// and an answer is remembered for these as they were.
const DOCUMENTS: [(ValueSource, &[(&str, ValueSource)]); 3] = [
    (ValueSource::INPUT, &[("request", ValueSource::REQUEST), ("session", ValueSource::SESSION)]),
    (
        ValueSource::REQUEST,
        &[("client_certificate", ValueSource::CERTIFICATE), ("remote_ip", ValueSource::ADDRESS), ("timestamp_ns", ValueSource::TIME)],
    ),
    (ValueSource::SESSION, &[("creator_ip", ValueSource::ADDRESS)]),
];
