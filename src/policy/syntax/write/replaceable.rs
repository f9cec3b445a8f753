//! What a `with` puts in the place of something.
//!
//! Regorus' own `with` is used for the whole of `input` alone. That is an object of ours then:
//!
//! - `input`: what the policy calls so,
//! - `data`: what was put into `data`, and in `given` the paths where it was put,
//! - `named`, `value`: by function, what was put in its place.
//!
//! What a `with` may replace anywhere in the module is asked for through a rule or function that looks there first. Nothing else is.

use std::collections::BTreeSet;

use super::body::BodyWriter;
use super::writer::{ModuleWriter, NOWHERE, parameters, rule_name};
use crate::policy::builtins;
use crate::policy::syntax::core::Rule;

impl<'p> ModuleWriter<'p> {
    pub(super) fn replaceable_rule(&mut self, number: usize, rule: &Rule) {
        if !self.replaced.covers(&rule.path) {
            return;
        }
        let path = self.path(&rule.path);
        let mut body = BodyWriter::new(self, NOWHERE);
        body.line(&format!("op_is_given(input, {path})"));
        let value = body.bind(&format!("op_given(input, {path})"));
        body.finish(&format!("q{number} := {value} if {{"));
        self.close();
        let mut body = BodyWriter::new(self, NOWHERE);
        body.line(&format!("op_eq(op_is_given(input, {path}), false)"));
        let value = body.bind(&format!("op_is({})", rule_name(number)));
        body.finish(&format!("q{number} := {value} if {{"));
        self.close();
    }

    pub(super) fn replaceable_function(&mut self, number: usize, arity: usize) {
        if let Some(others) = self.replaced.functions.get(&number).cloned() {
            self.replaceable(&format!("m{number}"), &format!("f{number}"), arity, &others);
        }
    }

    pub(super) fn replaceable_builtins(&mut self) {
        for (name, others) in self.replaced.builtins.clone() {
            let number = self.builtin(name);
            let arity = builtins::arity(name).unwrap_or_default();
            self.replaceable(&format!("n{number}"), &format!("b{number}"), arity, &others);
        }
    }

    /// A function that is another one where a `with` says so.
    fn replaceable(&mut self, name: &str, original: &str, arity: usize, others: &BTreeSet<&'p str>) {
        let parameters = parameters(arity, 'v');
        let head = format!("{name}({parameters})");
        let mut body = BodyWriter::new(self, NOWHERE);
        let value = body.bind(&format!("op_dig(input, [\"value\", \"{original}\"])"));
        body.finish(&format!("{head} := {value} if {{"));
        for other in others {
            let function = self.named(other);
            let named = self.constant(&(*other).into());
            let mut body = BodyWriter::new(self, NOWHERE);
            body.line(&format!("op_eq(op_dig(input, [\"named\", \"{original}\"]), {named})"));
            // In what stands in another's place, nothing stands in the place of any.
            let input = body.bind("op_with_functions(input)");
            let value = body.bind(&format!("{function}({parameters}) with input as {input}"));
            body.finish(&format!("}} else := {value} if {{"));
        }
        let mut body = BodyWriter::new(self, NOWHERE);
        body.line(&format!("op_is_original(input, \"{original}\")"));
        let value = body.bind(&format!("{original}({parameters})"));
        body.finish(&format!("}} else := {value} if {{"));
        self.close();
    }

    /// A function of the policy, or a builtin.
    fn named(&mut self, name: &'p str) -> String {
        let is_it = |path: &[Box<str>]| {
            let full = path.join(".");
            full == name || name.strip_prefix("data.").is_some_and(|name| full == name)
        };
        match self.program.functions.iter().position(|function| is_it(&function.path)) {
            Some(number) => format!("f{number}"),
            None => format!("b{}", self.builtin(name)),
        }
    }
}
