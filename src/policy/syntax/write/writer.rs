//! What is written of a module so far, and the names in it.

use std::collections::BTreeMap;

use regorus::Value;

use super::lines::Lines;
use super::replaced::ReplacedTargets;
use crate::policy::syntax::core::{Extent, Program};
use crate::policy::syntax::tree::Span;

/// For what we add.
pub(super) const NOWHERE: Option<&Span> = None;

/// A module that is being written.
pub(super) struct ModuleWriter<'p> {
    pub(super) program: &'p Program,
    pub(super) lines: Lines,
    /// Comprehensions that have become functions. Not among the others: between an `if` and its `else` nothing may come.
    pub(super) apart: Lines,
    pub(super) replaced: ReplacedTargets<'p>,
    /// Those that are called, with their numbers.
    pub(super) builtins: BTreeMap<&'p str, usize>,
    pub(super) constants: Vec<Value>,
    /// Documents that are asked for, with their numbers; those from `written` on are still to be written.
    pub(super) documents: Vec<Vec<Box<str>>>,
    pub(super) by_path: BTreeMap<Vec<Box<str>>, usize>,
    /// How many things have a name that counts up.
    pub(super) names: usize,
}

impl<'p> ModuleWriter<'p> {
    pub(super) fn new(program: &'p Program) -> Self {
        Self {
            program,
            lines: Lines::default(),
            apart: Lines::default(),
            replaced: ReplacedTargets::of(program),
            builtins: BTreeMap::new(),
            constants: Vec::new(),
            documents: Vec::new(),
            by_path: BTreeMap::new(),
            names: 0,
        }
    }

    /// Ends what was [finished](BodyWriter::finish).
    pub(super) fn close(&mut self) {
        self.lines.push("}", NOWHERE);
    }

    pub(super) fn next_name(&mut self, letter: char) -> String {
        self.names += 1;
        format!("{letter}{}", self.names)
    }

    /// A value that stands in the text, or is kept beside it where it is not certain to be read back as it is.
    pub(super) fn constant(&mut self, value: &Value) -> String {
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
    pub(super) fn path(&mut self, path: &[Box<str>]) -> String {
        let names: Vec<String> = path.iter().map(|name| self.constant(&Value::from(name.as_ref()))).collect();
        format!("[{}]", names.join(", "))
    }

    /// What the value of a rule is called where it is used.
    pub(super) fn rule_in_use(&self, number: usize) -> String {
        let is_replaced = self.program.rules.get(number).is_some_and(|rule| self.replaced.covers(&rule.path));
        if is_replaced { format!("q{number}") } else { rule_name(number) }
    }

    pub(super) fn function_in_use(&self, number: usize) -> String {
        if self.replaced.functions.contains_key(&number) { format!("m{number}") } else { format!("f{number}") }
    }

    pub(super) fn builtin_in_use(&mut self, name: &'p str) -> String {
        let number = self.builtin(name);
        if self.replaced.builtins.contains_key(name) { format!("n{number}") } else { format!("b{number}") }
    }

    pub(super) fn builtin(&mut self, name: &'p str) -> usize {
        let next = self.builtins.len();
        *self.builtins.entry(name).or_insert(next)
    }

    /// What the document at a path of `data` is called.
    pub(super) fn document(&mut self, path: &[Box<str>]) -> String {
        if let Some(number) = self.by_path.get(path) {
            return format!("x{number}");
        }
        self.by_path.insert(path.to_vec(), self.documents.len());
        self.documents.push(path.to_vec());
        format!("x{}", self.documents.len() - 1)
    }

    /// A rule, if it gives the document alone.
    pub(super) fn document_in_use(&mut self, path: &[Box<str>]) -> String {
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

/// What a rule is called in the text, to be asked for by itself.
pub(super) fn rule_name(number: usize) -> String {
    format!("r{number}")
}

/// Names of arguments; one that is never looked at if there is none.
pub(super) fn parameters(arity: usize, letter: char) -> String {
    if arity == 0 { format!("{letter}0") } else { (0..arity).map(|index| format!("{letter}{index}")).collect::<Vec<_>>().join(", ") }
}

/// A text between quotes, if there is nothing in it that needs more than a backslash.
pub(super) fn quoted(text: &str) -> Option<String> {
    if text.chars().any(|char| char.is_control() || matches!(char, '\u{2028}' | '\u{2029}' | '\u{feff}')) {
        return None;
    }
    Some(format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
}
