//! Rules, functions, and documents that several rules make together.

use regorus::Value;

use super::body::{BodyWriter, Enclosure, Give};
use super::writer::{ModuleWriter, NOWHERE, parameters, rule_name};
use crate::policy::syntax::core::{Definition, Extent, Function, Rule, RuleForm, Term};

impl<'p> ModuleWriter<'p> {
    pub(super) fn rule(&mut self, number: usize, rule: &'p Rule) {
        let name = rule_name(number);
        match rule.kind {
            RuleForm::Complete => self.complete(&name, &format!("d{number}"), rule),
            RuleForm::Set | RuleForm::Object => {
                let gives: Vec<String> = rule.definitions.iter().map(|definition| self.gives(definition, rule.kind)).collect();
                let span = rule.definitions.first().map(|definition| &definition.span);
                let mut body = BodyWriter::new(self, span);
                let all = body.bind_lines("op_is([", gives, "])");
                body.finish(&format!("g{number} := {all} if {{"));
                self.close();
                let mut body = BodyWriter::new(self, span);
                let together = if rule.kind == RuleForm::Set { "op_set" } else { "op_build" };
                let value = body.bind(&format!("{together}(g{number})"));
                body.finish(&format!("{name} := {value} if {{"));
                self.close();
            }
        }
        self.replaceable_rule(number, rule);
    }

    fn complete(&mut self, name: &str, without_default: &str, rule: &'p Rule) {
        let simple = rule.default.as_ref().and_then(|default| match default {
            Term::Const(value @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_))) => Some(self.constant(value)),
            _ => None,
        });
        match (&rule.default, simple.filter(|text| !text.contains('('))) {
            (None, _) => self.definitions(name, &rule.definitions),
            (Some(_), Some(text)) => {
                self.lines.push(&format!("default {name} := {text}"), NOWHERE);
                self.definitions(name, &rule.definitions);
            }
            (Some(default), None) => {
                self.definitions(without_default, &rule.definitions);
                self.or_default(name, without_default, default);
            }
        }
    }

    /// `name`, or another one where that has no value.
    fn or_default(&mut self, name: &str, without: &str, default: &'p Term) {
        let mut body = BodyWriter::new(self, NOWHERE);
        let value = body.bind(&format!("op_is({without})"));
        body.finish(&format!("{name} := {value} if {{"));
        let mut body = BodyWriter::new(self, NOWHERE);
        let value = body.bound(default);
        body.finish(&format!("}} else := {value} if {{"));
        self.close();
    }

    /// Definitions of one value. `head` is what stands before `:=`.
    fn definitions(&mut self, head: &str, definitions: &'p [Definition]) {
        if definitions.is_empty() && !head.contains('(') {
            // Regorus wants to have seen what it is asked for.
            self.lines.push(&format!("{head} := true if false"), NOWHERE);
        }
        for definition in definitions {
            let mut open = format!("{head} :=");
            for branch in &definition.branches {
                let mut body = BodyWriter::new(self, Some(&branch.span));
                body.statements(&branch.body);
                let value = body.bound(branch.put.term());
                body.finish(&format!("{open} {value} if {{"));
                "} else :=".clone_into(&mut open);
            }
            self.close();
        }
    }

    /// What the definition of a set or an object gives, as an array: items, or entries.
    fn gives(&mut self, definition: &'p Definition, kind: RuleForm) -> String {
        let name = self.next_name('s');
        let mut open = format!("{name} :=");
        let has_else = definition.branches.len() > 1;
        for branch in &definition.branches {
            let mut body = BodyWriter::new(self, Some(&branch.span));
            let give = if kind == RuleForm::Set { Give::Term(branch.put.term()) } else { Give::Entry(&branch.steps, &branch.put) };
            let given = body.within(Enclosure::Given, give, &branch.body, "");
            if has_else {
                body.line(&format!("op_eq(op_is_empty({given}), false)"));
            }
            body.finish(&format!("{open} {given} if {{"));
            "} else :=".clone_into(&mut open);
        }
        if has_else {
            self.lines.push("} else := [] if {", NOWHERE);
            self.lines.push("true", NOWHERE);
        }
        self.close();
        name
    }

    pub(super) fn function(&mut self, number: usize, function: &'p Function) {
        let parameters = parameters(function.arity, 'v');
        let name = format!("f{number}");
        match &function.default {
            None => self.definitions(&format!("{name}({parameters})"), &function.definitions),
            Some(default) => {
                let without = format!("e{number}({parameters})");
                self.definitions(&without, &function.definitions);
                let without = if function.definitions.is_empty() { "op_nothing(0)" } else { &without };
                self.or_default(&format!("{name}({parameters})"), without, default);
            }
        }
        self.replaceable_function(number, function.arity);
    }
}

impl BodyWriter<'_, '_> {
    /// The document at a path of `data` that no rule gives alone.
    pub(super) fn tree(&mut self, path: &[Box<str>], steps: &str) -> String {
        let mut place = Some(&self.writer.program.root);
        for (length, name) in path.iter().enumerate() {
            if let Some(extent) = place.filter(|extent| extent.rule.is_some()) {
                let (above, below) = path.split_at(length);
                let is_plain = self.writer.replaced.data.is_empty();
                let whole =
                    if is_plain && !extent.fields.is_empty() { self.along(extent, below) } else { self.writer.document_in_use(above) };
                let below = self.writer.path(below);
                return self.bind(&format!("op_dig({whole}, {below})"));
            }
            place = place.and_then(|extent| extent.fields.get(name));
        }
        let mut entries = Vec::new();
        if let Some(extent) = place {
            self.entries(extent, Below::Nothing, &mut Vec::new(), &mut entries);
        }
        if !self.writer.replaced.data.is_empty() {
            let given = self.maybe(&format!("op_given(input, {steps})"));
            entries.push(format!("[[], \"given\", {given}]"));
        }
        self.bind_lines("op_tree([", entries, "])")
    }

    /// What a rule gives, and others on the way to a place in it: what they give beside it may need what stands at the place.
    fn along(&mut self, extent: &Extent, below: &[Box<str>]) -> String {
        let (mut entries, mut names, mut place, mut state) = (Vec::new(), Vec::new(), Some(extent), Below::Nothing);
        for name in below {
            let Some(extent) = place else { break };
            state = self.own_entries(extent, state, &names, &mut entries);
            names.push(name.clone());
            place = extent.fields.get(name);
        }
        if let Some(extent) = place {
            self.entries(extent, state, &mut names, &mut entries);
        }
        self.bind_lines("op_tree([", entries, "])")
    }

    /// What rules give at and below a place, each with the names that lead there.
    fn entries(&mut self, extent: &Extent, below: Below, names: &mut Vec<Box<str>>, entries: &mut Vec<String>) {
        let below = self.own_entries(extent, below, names, entries);
        for (name, field) in &extent.fields {
            names.push(name.clone());
            self.entries(field, below, names, entries);
            names.pop();
        }
    }

    /// What the rule at a place gives, if there is one; and what then stands above those below.
    fn own_entries(&mut self, extent: &Extent, below: Below, names: &[Box<str>], entries: &mut Vec<String>) -> Below {
        let path = self.writer.path(names);
        let rule = extent.rule.and_then(|number| Some((number, self.writer.program.rules.get(number)?)));
        let is_object = rule.is_none_or(|(_, rule)| rule.kind == RuleForm::Object);
        if is_object && below == Below::Nothing {
            entries.push(format!("[{path}, \"object\", []]"));
        }
        let mut below = below;
        if let Some((number, rule)) = rule {
            let name = self.writer.rule_in_use(number);
            let (kind, value) = match rule.kind {
                RuleForm::Set if name == rule_name(number) => ("set", name),
                RuleForm::Object if name == rule_name(number) => ("entries", format!("g{number}")),
                RuleForm::Complete | RuleForm::Set | RuleForm::Object => ("value", name),
            };
            if is_object {
                below = Below::Object;
            }
            let value = self.maybe(&value);
            entries.push(format!("[{path}, \"{kind}\", {value}]"));
        }
        below
    }
}

/// What stands above a place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Below {
    /// Names alone: each is there whatever rules there are below.
    Nothing,
    /// A rule with steps that are found out: only what has a value is there.
    Object,
}
