//! What a `with` puts in the place of something.
//!
//! Regorus' own `with` is used for the whole of `input` alone. That is an object of ours then:
//!
//! - `input`: what the policy calls so,
//! - `data`: what was put into `data`, and in `given` the paths where it was put,
//! - `named`, `value`: by function, what was put in its place.
//!
//! What a `with` may replace anywhere in the module is asked for through a rule or function that looks there first. Nothing else is.

use std::collections::{BTreeMap, BTreeSet};

use super::body::Body;
use super::rules::parameters;
use super::{NOWHERE, Writer, rule_name};
use crate::policy::builtins;
use crate::policy::syntax::core::{Program, Rule, Stmt, StmtKind, Target, Term};
use crate::policy::syntax::parts;

/// What any `with` of a module replaces; of functions, what named others stand in their places.
#[derive(Debug, Default)]
pub(super) struct Replaced<'p> {
    pub(super) data: BTreeSet<&'p [Box<str>]>,
    pub(super) functions: BTreeMap<usize, BTreeSet<&'p str>>,
    pub(super) builtins: BTreeMap<&'p str, BTreeSet<&'p str>>,
}

impl<'p> Replaced<'p> {
    pub(super) fn of(program: &'p Program) -> Self {
        let mut found = Self::default();
        let mut look = |statement: &'p Stmt| found.look(&statement.kind);
        for (_, _, default, definitions) in program.nodes() {
            if let Some(default) = default {
                parts::statements_of(default, &mut look);
            }
            for branch in definitions.iter().flat_map(|definition| &definition.branches) {
                branch.head().for_each(|term| parts::statements_of(term, &mut look));
                parts::statements(&branch.body, &mut look);
            }
        }
        found
    }

    fn look(&mut self, kind: &'p StmtKind) {
        let StmtKind::With { replaced, .. } = kind else { return };
        for (target, value) in replaced {
            let named = if let Term::Named(name) = value { Some(name.as_ref()) } else { None };
            match target {
                Target::Input(_) => {}
                Target::Data(path) => drop(self.data.insert(path)),
                Target::Function(number) => self.functions.entry(*number).or_default().extend(named),
                Target::Builtin(name) => self.builtins.entry(name).or_default().extend(named),
            }
        }
    }

    /// Whether the document at a path may be replaced as a whole.
    pub(super) fn covers(&self, path: &[Box<str>]) -> bool {
        (0..=path.len()).filter_map(|length| path.get(..length)).any(|above| self.data.contains(above))
    }
}

impl<'p> Writer<'p> {
    pub(super) fn replaceable_rule(&mut self, number: usize, rule: &Rule) {
        if !self.replaced.covers(&rule.path) {
            return;
        }
        let path = self.path(&rule.path);
        let mut body = Body::new(self, NOWHERE);
        body.line(&format!("op_is_given(input, {path})"));
        let value = body.bind(&format!("op_given(input, {path})"));
        body.finish(&format!("q{number} := {value} if {{"));
        self.close();
        let mut body = Body::new(self, NOWHERE);
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
        let mut body = Body::new(self, NOWHERE);
        let value = body.bind(&format!("op_dig(input, [\"value\", \"{original}\"])"));
        body.finish(&format!("{head} := {value} if {{"));
        for other in others {
            let function = self.named(other);
            let named = self.constant(&(*other).into());
            let mut body = Body::new(self, NOWHERE);
            body.line(&format!("op_eq(op_dig(input, [\"named\", \"{original}\"]), {named})"));
            // In what stands in another's place, nothing stands in the place of any.
            let input = body.bind("op_with_functions(input)");
            let value = body.bind(&format!("{function}({parameters}) with input as {input}"));
            body.finish(&format!("}} else := {value} if {{"));
        }
        let mut body = Body::new(self, NOWHERE);
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
