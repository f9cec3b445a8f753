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
mod replaceable;
mod replaced;
mod rules;
mod writer;

use regorus::Value;

use super::core::Program;
use body::BodyWriter;
pub(in crate::policy) use lines::Lines;
use writer::ModuleWriter;

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
    let mut writer = ModuleWriter::new(program);
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

impl ModuleWriter<'_> {
    /// Writes the documents that have been asked for.
    fn documents(&mut self) {
        let mut number = 0;
        while let Some(path) = self.documents.get(number).cloned() {
            let mut body = BodyWriter::new(self, None);
            let steps = body.writer.path(&path);
            if !body.writer.replaced.data.is_empty() {
                body.line(&format!("op_eq(op_is_given(input, {steps}), false)"));
            }
            let value = body.tree(&path, &steps);
            body.finish(&format!("x{number} := {value} if {{"));
            self.close();
            if !self.replaced.data.is_empty() {
                let mut body = BodyWriter::new(self, None);
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
        let mut body = BodyWriter::new(self, None);
        let values: Vec<String> = names.iter().map(|name| body.maybe(name)).collect();
        let value = body.bind_lines("op_is([", values, "])");
        body.finish(&format!("{RESULT} := {value} if {{"));
        self.close();
    }
}
