//! A lowered module as the text that regorus is given.
//!
//! Regorus is asked for a second opinion, so what it is given uses as little of it as can be: rules and functions with flat names of our
//! own, `:=` with one variable on its left, `some x in` a collection, comprehensions, `else`, and `with input`. Whatever else there is to
//! do is a call of an [operation](crate::policy::engine) of ours: looking up, comparing, computing, putting collections together. So what
//! regorus does otherwise than OPA (its `not`, `every`, `in`, `with`, default values, rules with several steps, patterns) does not come
//! up, and everything that makes a collection can be charged for.
//!
//! | in the text | what it is |
//! |---|---|
//! | `r3`, `d3` | a rule's value, and without its default |
//! | `q3` | the same where a `with` may put something in its place |
//! | `f3`, `e3`, `m3` | a function, without its default, and where a `with` may put something in its place |
//! | `b3`, `n3` | a builtin, and where a `with` may put something in its place |
//! | `g3` | what the definitions of a set or an object give |
//! | `x3` | a document of several rules |
//! | `s3`, `c3` | what one definition gives; a comprehension that would stand too deep in others |
//! | `v3`, `t3` | a slot; a value on the way |
//!
//! What the engine calls `input` is an object of ours: `input.input` is what the policy calls so, beside it stands what a `with` has put
//! in the place of something (see [`replaced`]).

mod body;
mod lines;
mod replaced;
mod rules;

use std::collections::BTreeMap;

use regorus::Value;

use super::core::{Extent, Program};
use super::tree::Span;
use body::Body;
pub(in crate::policy) use lines::Lines;
use replaced::Replaced;

/// What the engine is to be asked for.
pub(in crate::policy) const RESULT: &str = "result";

/// A rule that is `true`.
pub(in crate::policy) const READY: &str = "ready";

/// Where the module stands.
pub(in crate::policy) const PACKAGE: &str = "claviger";

/// A module for the engine.
#[derive(Debug)]
pub(in crate::policy) struct Written {
    pub(in crate::policy) lines: Lines,
    /// The builtins that are called, `b0`, `b1`, … in the text.
    pub(in crate::policy) builtins: Vec<Box<str>>,
    /// What `op_const` answers with.
    pub(in crate::policy) constants: Vec<Value>,
}

/// Writes a module whose [result](RESULT) is an array of these documents of `data`, each as an array of its value or of nothing.
pub(in crate::policy) fn module(program: &Program, documents: &[Vec<Box<str>>]) -> Written {
    let mut writer = Writer::new(program);
    writer.lines.push(&format!("package {PACKAGE}"), None);
    writer.lines.push(&format!("{READY} := true"), None);
    for (number, rule) in program.rules.iter().enumerate() {
        writer.rule(number, rule);
    }
    for (number, function) in program.functions.iter().enumerate() {
        writer.function(number, function);
    }
    writer.result(documents);
    writer.documents();
    writer.replaceable_builtins();
    let apart = std::mem::take(&mut writer.apart);
    writer.lines.append(apart);
    let mut builtins: Vec<(usize, Box<str>)> = writer.builtins.into_iter().map(|(name, number)| (number, name.into())).collect();
    builtins.sort_unstable();
    Written { lines: writer.lines, builtins: builtins.into_iter().map(|(_, name)| name).collect(), constants: writer.constants }
}

/// What a rule is called in the text, to be asked for by itself.
pub(in crate::policy) fn rule_name(number: usize) -> String {
    format!("r{number}")
}

struct Writer<'p> {
    program: &'p Program,
    lines: Lines,
    /// Comprehensions that have become functions. Not among the others: between an `if` and its `else` nothing may come.
    apart: Lines,
    replaced: Replaced<'p>,
    /// Those that are called, with their numbers.
    builtins: BTreeMap<&'p str, usize>,
    constants: Vec<Value>,
    /// Documents that are asked for, with their numbers; those from `written` on are still to be written.
    documents: Vec<Vec<Box<str>>>,
    by_path: BTreeMap<Vec<Box<str>>, usize>,
    /// How many things have a name that counts up.
    names: usize,
}

impl<'p> Writer<'p> {
    fn new(program: &'p Program) -> Self {
        Self {
            program,
            lines: Lines::default(),
            apart: Lines::default(),
            replaced: Replaced::of(program),
            builtins: BTreeMap::new(),
            constants: Vec::new(),
            documents: Vec::new(),
            by_path: BTreeMap::new(),
            names: 0,
        }
    }

    /// Ends what was [finished](Body::finish).
    fn close(&mut self) {
        self.lines.push("}", NOWHERE);
    }

    fn next_name(&mut self, letter: char) -> String {
        self.names += 1;
        format!("{letter}{}", self.names)
    }

    /// A value that stands in the text, or is kept beside it where it is not certain to be read back as it is.
    fn constant(&mut self, value: &Value) -> String {
        match value {
            Value::Null => return "null".to_owned(),
            Value::Bool(flag) => return flag.to_string(),
            Value::String(text) => {
                if let Some(quoted) = quoted(text) {
                    return quoted;
                }
            }
            Value::Number(_) => {
                let digits = value.to_string();
                if digits.len() < 16 && digits.bytes().all(|byte| byte.is_ascii_digit()) {
                    return digits;
                }
            }
            Value::Array(_) | Value::Set(_) | Value::Object(_) | Value::Undefined => {}
        }
        self.constants.push(value.clone());
        format!("op_const({})", self.constants.len() - 1)
    }

    /// Names as an array.
    fn path(&mut self, path: &[Box<str>]) -> String {
        let names: Vec<String> = path.iter().map(|name| self.constant(&Value::from(name.as_ref()))).collect();
        format!("[{}]", names.join(", "))
    }

    /// What the value of a rule is called where it is used.
    fn rule_in_use(&self, number: usize) -> String {
        let is_replaced = self.program.rules.get(number).is_some_and(|rule| self.replaced.covers(&rule.path));
        if is_replaced { format!("q{number}") } else { rule_name(number) }
    }

    fn function_in_use(&self, number: usize) -> String {
        if self.replaced.functions.contains_key(&number) { format!("m{number}") } else { format!("f{number}") }
    }

    fn builtin_in_use(&mut self, name: &'p str) -> String {
        let number = self.builtin(name);
        if self.replaced.builtins.contains_key(name) { format!("n{number}") } else { format!("b{number}") }
    }

    fn builtin(&mut self, name: &'p str) -> usize {
        let next = self.builtins.len();
        *self.builtins.entry(name).or_insert(next)
    }

    /// What the document at a path of `data` is called.
    fn document(&mut self, path: &[Box<str>]) -> String {
        if let Some(number) = self.by_path.get(path) {
            return format!("x{number}");
        }
        self.by_path.insert(path.to_vec(), self.documents.len());
        self.documents.push(path.to_vec());
        format!("x{}", self.documents.len() - 1)
    }

    /// Writes the documents that have been asked for.
    fn documents(&mut self) {
        let mut number = 0;
        while let Some(path) = self.documents.get(number).cloned() {
            let mut body = Body::new(self, None);
            let steps = body.writer.path(&path);
            if !body.writer.replaced.data.is_empty() {
                body.line(&format!("op_eq(op_is_given(input, {steps}), false)"));
            }
            let value = body.tree(&path, &steps);
            body.finish(&format!("x{number} := {value} if {{"));
            self.close();
            if !self.replaced.data.is_empty() {
                let mut body = Body::new(self, None);
                body.line(&format!("op_is_given(input, {steps})"));
                let value = body.bind(&format!("op_given(input, {steps})"));
                body.finish(&format!("x{number} := {value} if {{"));
                self.close();
            }
            number += 1;
        }
    }

    fn result(&mut self, documents: &[Vec<Box<str>>]) {
        let names: Vec<String> = documents.iter().map(|path| self.document_in_use(path)).collect();
        let mut body = Body::new(self, None);
        let values: Vec<String> = names.iter().map(|name| body.maybe(name)).collect();
        let value = body.bind_lines("op_is([", values, "])");
        body.finish(&format!("{RESULT} := {value} if {{"));
        self.close();
    }

    /// A rule, if it gives the document alone.
    fn document_in_use(&mut self, path: &[Box<str>]) -> String {
        let mut place = &self.program.root;
        for name in path {
            match place.fields.get(name) {
                Some(next) => place = next,
                None => return self.document(path),
            }
        }
        match place {
            Extent { rule: Some(number), fields } if fields.is_empty() => self.rule_in_use(*number),
            Extent { .. } => self.document(path),
        }
    }
}

/// A text between quotes, if there is nothing in it that needs more than a backslash.
fn quoted(text: &str) -> Option<String> {
    if text.chars().any(|char| char.is_control() || matches!(char, '\u{2028}' | '\u{2029}' | '\u{feff}')) {
        return None;
    }
    Some(format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
}

/// For what we add.
const NOWHERE: Option<&Span> = None;
