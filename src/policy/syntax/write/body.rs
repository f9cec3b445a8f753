//! Bodies, statement by statement.

use std::collections::BTreeSet;

use super::lines::Lines;
use super::writer::{ModuleWriter, NOWHERE, quoted};
use crate::policy::syntax::core::{Collection, Comprehension, Put, Stmt, StmtKind, Target, Term};
use crate::policy::syntax::parts;
use crate::policy::syntax::tree::{ArithOp, BinOp, BoolOp, Span};

/// Levels of calls in one line; what is deeper gets a name first. Regorus' parser goes 32 deep, all around a place counted.
const LEVELS: usize = 3;
/// Comprehensions within each other; what is deeper becomes a function.
const NESTED: usize = 4;

/// A body that is being written.
pub(super) struct BodyWriter<'w, 'p> {
    pub(super) writer: &'w mut ModuleWriter<'p>,
    lines: Lines,
    /// The place of the statement at hand.
    span: Option<Span>,
    temporaries: usize,
    nested: usize,
}

/// What each solution of a body within another gives.
#[derive(Clone, Copy)]
pub(super) enum Give<'t> {
    /// Something: it is only asked whether there is one.
    Any,
    Term(&'t Term),
    Field(&'t Term, &'t Term),
    /// The values of the slots that it binds.
    Slots,
    /// What an object's definition puts where.
    Entry(&'t [Term], &'t Put),
}

/// What stands around what the solutions of a body give.
#[derive(Clone, Copy)]
pub(super) enum Enclosure {
    /// Of an array that is soon taken apart.
    Given,
    /// Of an array.
    Array,
    /// Of a set or an object.
    Braces,
}

impl<'p> Give<'p> {
    fn terms(self) -> Vec<&'p Term> {
        match self {
            Self::Any | Self::Slots => Vec::new(),
            Self::Term(term) => vec![term],
            Self::Field(key, value) => vec![key, value],
            Self::Entry(steps, put) => steps.iter().chain([put.term()]).collect(),
        }
    }
}

impl<'w, 'p> BodyWriter<'w, 'p> {
    pub(super) fn new(writer: &'w mut ModuleWriter<'p>, span: Option<&Span>) -> Self {
        Self { writer, lines: Lines::default(), span: span.cloned(), temporaries: 0, nested: 0 }
    }

    pub(super) fn line(&mut self, line: &str) {
        self.lines.push(line, self.span.as_ref());
    }

    /// Adds the body to the module, behind its head.
    pub(super) fn finish(self, head: &str) {
        let Self { writer, lines, span, .. } = self;
        writer.lines.push(head, span.as_ref());
        writer.lines.append_body(lines);
    }

    fn temporary(&mut self) -> String {
        self.temporaries += 1;
        format!("t{}", self.temporaries)
    }

    /// Gives a name to the value of a text.
    pub(super) fn bind(&mut self, text: &str) -> String {
        let name = self.temporary();
        self.line(&format!("{name} := {text}"));
        name
    }

    /// The same for what has a line for each item.
    pub(super) fn bind_lines(&mut self, open: &str, items: Vec<String>, close: &str) -> String {
        let name = self.temporary();
        self.line(&format!("{name} := {open}"));
        let last = items.len().saturating_sub(1);
        for (index, item) in items.into_iter().enumerate() {
            self.line(&if index == last { item } else { item + "," });
        }
        self.line(close);
        name
    }

    /// An array of a value, or of nothing if it is undefined.
    pub(super) fn maybe(&mut self, text: &str) -> String {
        let name = self.temporary();
        format!("[{name} | {name} := op_is({text})]")
    }

    pub(super) fn statements(&mut self, body: &'p [Stmt]) {
        for statement in body {
            let around = self.span.replace(statement.span.clone());
            self.statement(&statement.kind);
            self.span = around;
        }
    }

    fn statement(&mut self, kind: &'p StmtKind) {
        match kind {
            StmtKind::Holds(term) => {
                let text = self.term(term);
                self.line(&text);
            }
            StmtKind::Bind(slot, term) => {
                let text = self.term(term);
                let text = as_value(text);
                self.line(&format!("v{slot} := {text}"));
            }
            StmtKind::Equal(one, other) => {
                let text = self.call("op_eq", &[one, other]);
                self.line(&text);
            }
            StmtKind::IsArray(term, length) => {
                let term = self.term(term);
                self.line(&format!("op_is_array({term}, {length})"));
            }
            StmtKind::IsObject(term, keys) => {
                let parts: Vec<&Term> = std::iter::once(term).chain(keys).collect();
                let parts = self.terms(&parts);
                let (term, keys) =
                    parts.split_first().map_or((String::new(), String::new()), |(term, keys)| (term.clone(), keys.join(", ")));
                self.line(&format!("op_is_object({term}, [{keys}])"));
            }
            StmtKind::Each { of, key, item } => {
                let of = self.bound(of);
                self.each(&of, *key, *item);
            }
            StmtKind::Not(body) => {
                let found = self.within(Enclosure::Given, Give::Any, body, "");
                self.line(&format!("op_is_empty({found})"));
            }
            StmtKind::Every { of, key, item, body } => {
                let of = self.bound(of);
                self.line(&format!("op_is_collection({of})"));
                let (lines, ()) = self.nest(|me| {
                    me.each(&of, *key, *item);
                    let found = me.within(Enclosure::Given, Give::Any, body, "");
                    me.line(&format!("op_is_empty({found})"));
                });
                let without = self.comprehension(Enclosure::Given, "op_held(true)", lines, "");
                self.line(&format!("op_is_empty({without})"));
            }
            StmtKind::With { replaced, body } => self.with(replaced, body),
        }
    }

    /// Goes through a collection that has a name.
    fn each(&mut self, of: &str, key: Option<usize>, item: Option<usize>) {
        match (key, item) {
            (Some(key), item) => {
                self.line(&format!("some v{key} in op_keys({of})"));
                if let Some(item) = item {
                    self.line(&format!("v{item} := op_at({of}, v{key})"));
                }
            }
            (None, Some(item)) => self.line(&format!("some v{item} in op_items({of})")),
            (None, None) => {
                let unused = self.temporary();
                self.line(&format!("some {unused} in op_items({of})"));
            }
        }
    }

    fn with(&mut self, replaced: &'p [(Target, Term)], body: &'p [Stmt]) {
        let mut input = "input".to_owned();
        for (target, value) in replaced {
            let named = if let Term::Named(name) = value { Some(name) } else { None };
            let (kind, path) = match target {
                Target::Input(path) => ("input", self.writer.path(path)),
                Target::Data(path) => ("data", self.writer.path(path)),
                Target::Function(number) => (if named.is_some() { "named" } else { "value" }, format!("[\"f{number}\"]")),
                Target::Builtin(name) => {
                    let number = self.writer.builtin(name);
                    (if named.is_some() { "named" } else { "value" }, format!("[\"b{number}\"]"))
                }
            };
            let value = match named {
                Some(name) => self.writer.constant(&name.as_ref().into()),
                None => self.term(value),
            };
            input = self.bind(&format!("op_with({input}, \"{kind}\", {path}, {value})"));
        }
        let found = self.within(Enclosure::Given, Give::Slots, body, &format!(" with input as {input}"));
        let solution = self.temporary();
        self.line(&format!("some {solution} in {found}"));
        for (index, slot) in bound_by(body).into_iter().enumerate() {
            self.line(&format!("v{slot} := op_at({solution}, {index})"));
        }
    }

    /// A body within this one: the name of what all its solutions give. `behind` stands behind it.
    pub(super) fn within(&mut self, brackets: Enclosure, give: Give<'p>, body: &'p [Stmt], behind: &str) -> String {
        if self.nested >= NESTED {
            return self.apart(brackets, give, body, behind);
        }
        let (lines, given) = self.nest(|me| {
            me.statements(body);
            me.given(brackets, give, body)
        });
        self.comprehension(brackets, &given, lines, behind)
    }

    /// The same as a function of the slots that are bound around it.
    fn apart(&mut self, brackets: Enclosure, give: Give<'p>, body: &'p [Stmt], behind: &str) -> String {
        let slots: Vec<String> = free(give, body).into_iter().map(|slot| format!("v{slot}")).collect();
        let (parameters, arguments) =
            if slots.is_empty() { ("t0".to_owned(), "0".to_owned()) } else { (slots.join(", "), slots.join(", ")) };
        let function = self.writer.next_name('c');
        let mut apart = BodyWriter::new(self.writer, self.span.as_ref());
        let value = apart.within(brackets, give, body, "");
        let lines = apart.lines;
        let written = &mut self.writer.apart;
        written.push(&format!("{function}({parameters}) := {value} if {{"), self.span.as_ref());
        written.append_body(lines);
        written.push("}", NOWHERE);
        self.bind(&format!("{function}({arguments}){behind}"))
    }

    fn nest<T>(&mut self, write: impl FnOnce(&mut Self) -> T) -> (Lines, T) {
        let around = std::mem::take(&mut self.lines);
        self.nested += 1;
        let written = write(self);
        self.nested -= 1;
        (std::mem::replace(&mut self.lines, around), written)
    }

    fn comprehension(&mut self, brackets: Enclosure, given: &str, body: Lines, behind: &str) -> String {
        let (open, close) = match brackets {
            Enclosure::Given | Enclosure::Array => ("op_is([", "])"),
            Enclosure::Braces => ("op_is({", "})"),
        };
        let name = self.temporary();
        self.line(&format!("{name} := {open}{given} |"));
        self.lines.append_body(body);
        self.line(&format!("{close}{behind}"));
        name
    }

    /// What a solution gives, charged for as it comes: of how many there are, regorus knows no end.
    fn given(&mut self, brackets: Enclosure, give: Give<'p>, body: &[Stmt]) -> String {
        let charge = match brackets {
            Enclosure::Given => "op_held",
            Enclosure::Array | Enclosure::Braces => "op_made",
        };
        match give {
            Give::Any => format!("{charge}(true)"),
            Give::Term(term) => format!("{charge}({})", self.term(term)),
            Give::Field(..) => {
                let field: Vec<String> = self.terms(&give.terms()).iter().map(|term| format!("{charge}({term})")).collect();
                field.join(": ")
            }
            Give::Slots => {
                let slots: Vec<String> = bound_by(body).into_iter().map(|slot| format!("v{slot}")).collect();
                format!("{charge}([{}])", slots.join(", "))
            }
            Give::Entry(_, put) => {
                let mut steps = self.terms(&give.terms());
                let value = steps.pop().unwrap_or_default();
                format!("{charge}([[{}], {}, {value}])", steps.join(", "), matches!(put, Put::Item(_)))
            }
        }
    }

    /// The text of a term, in one line.
    pub(super) fn term(&mut self, term: &'p Term) -> String {
        match term {
            Term::Const(value) => self.writer.constant(value),
            Term::Input => "input.input".to_owned(),
            Term::Extent(path) => self.writer.document(path),
            Term::Slot(slot) => format!("v{slot}"),
            Term::Rule(number) => self.writer.rule_in_use(*number),
            Term::Named(name) => self.writer.constant(&name.as_ref().into()),
            Term::At(..) => match of_input(term) {
                Some(path) => {
                    let steps: Vec<String> = path.into_iter().map(|name| format!("[{name}]")).collect();
                    format!("input.input{}", steps.concat())
                }
                None => self.call("op_at", &term.parts()),
            },
            Term::Call(name, parts) => {
                let parts: Vec<&Term> = parts.iter().collect();
                let function = self.writer.builtin_in_use(name);
                self.call(&function, &parts)
            }
            Term::Function(number, parts) => {
                let function = self.writer.function_in_use(*number);
                if parts.is_empty() { format!("{function}(0)") } else { self.call(&function, &parts.iter().collect::<Vec<_>>()) }
            }
            Term::Array(_) => format!("op_made([{}])", self.terms(&term.parts()).join(", ")),
            Term::Set(items) if items.is_empty() => self.writer.constant(&regorus::Value::new_set()),
            Term::Set(_) => format!("op_made({{{}}})", self.terms(&term.parts()).join(", ")),
            Term::Object(_) => {
                let fields: Vec<String> = self.terms(&term.parts()).chunks(2).map(|field| format!("[{}]", field.join(", "))).collect();
                format!("op_object([{}])", fields.join(", "))
            }
            Term::Compare(op, _) => self.call(comparison(*op), &term.parts()),
            Term::In(None, _) => self.call("op_in", &term.parts()),
            Term::In(Some(_), _) => self.call("op_in_at", &term.parts()),
            Term::Sets(op, _) => self.call(of_sets(*op), &term.parts()),
            Term::Arithmetic(op, _) => self.call(arithmetic(*op), &term.parts()),
            Term::Template(_) => format!("op_template([{}])", self.terms(&term.parts()).join(", ")),
            Term::Collect(comprehension) => self.collect(comprehension),
        }
    }

    fn call(&mut self, function: &str, parts: &[&'p Term]) -> String {
        format!("{function}({})", self.terms(parts).join(", "))
    }

    /// The texts of terms that are evaluated one after the other: none of them writes a line that would come before another.
    fn terms(&mut self, terms: &[&'p Term]) -> Vec<String> {
        let fit = terms.iter().all(|term| fits(term, LEVELS));
        terms.iter().map(|term| if fit { self.term(term) } else { self.bound(term) }).collect()
    }

    /// A name for the value of a term, or what needs none.
    pub(super) fn bound(&mut self, term: &'p Term) -> String {
        let text = self.term(term);
        match term {
            Term::Const(_) | Term::Slot(_) | Term::Collect(_) | Term::Named(_) => text,
            _ => self.bind(&as_value(text)),
        }
    }

    fn collect(&mut self, comprehension: &'p Comprehension) -> String {
        let Comprehension { kind, key, item, body } = comprehension;
        match (kind, key) {
            (Collection::Array, _) => self.within(Enclosure::Array, Give::Term(item), body, ""),
            (Collection::Object, Some(key)) => self.within(Enclosure::Braces, Give::Field(key, item), body, ""),
            (Collection::Set | Collection::Object, _) => self.within(Enclosure::Braces, Give::Term(item), body, ""),
        }
    }
}

/// As it can stand behind `:=`: between two variables alone, regorus' order of statements would have either side give the other its value.
fn as_value(text: String) -> String {
    if text.contains(['(', '[', '"']) { text } else { format!("op_is({text})") }
}

/// The slots that a body binds, for what stands behind it.
fn bound_by(body: &[Stmt]) -> Vec<usize> {
    body.iter().flat_map(|statement| statement.kind.binds()).collect()
}

/// Whether a term can stand in one line.
fn fits(term: &Term, levels: usize) -> bool {
    match term {
        Term::Collect(_) => false,
        _ if of_input(term).is_some() => true,
        _ => {
            let parts = term.parts();
            parts.is_empty() || (levels > 0 && parts.into_iter().all(|part| fits(part, levels - 1)))
        }
    }
}

/// The path of a term in `input`, if it is one.
fn of_input(mut term: &Term) -> Option<Vec<String>> {
    let mut path = Vec::new();
    while let Term::At(of, key) = term {
        let Term::Const(regorus::Value::String(name)) = key.as_ref() else { return None };
        path.push(quoted(name)?);
        term = of;
    }
    path.reverse();
    // Regorus takes 32 steps at most.
    (matches!(term, Term::Input) && path.len() < 16).then_some(path)
}

/// The slots that a body uses and does not bind.
fn free(give: Give<'_>, body: &[Stmt]) -> Vec<usize> {
    let (mut used, mut bound) = (BTreeSet::new(), BTreeSet::new());
    give.terms().into_iter().for_each(|term| parts::slots_of(term, &mut used, &mut bound));
    parts::slots_in(body, &mut used, &mut bound);
    used.difference(&bound).copied().collect()
}

fn comparison(op: BoolOp) -> &'static str {
    match op {
        BoolOp::Lt => "op_lt",
        BoolOp::Le => "op_le",
        BoolOp::Eq => "op_eq",
        BoolOp::Ge => "op_ge",
        BoolOp::Gt => "op_gt",
        BoolOp::Ne => "op_ne",
    }
}

fn of_sets(op: BinOp) -> &'static str {
    match op {
        BinOp::Intersection => "op_and",
        BinOp::Union => "op_or",
    }
}

fn arithmetic(op: ArithOp) -> &'static str {
    match op {
        ArithOp::Add => "op_add",
        ArithOp::Sub => "op_sub",
        ArithOp::Mul => "op_mul",
        ArithOp::Div => "op_div",
        ArithOp::Mod => "op_mod",
    }
}
