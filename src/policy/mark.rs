//! A module that tells which of its rules hold.
//!
//! Regorus answers with a value and not with where it comes from, and what it knows of lines (a line was looked at) says nothing about
//! `allow if x`, which is looked at whether it holds or not. So the value of every head is put into a call of a function of ours: a head's
//! value is evaluated for as long as the body below it holds, once for each way in which it does, and never otherwise. The lines of the
//! text stay where they are.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use regorus::unstable::{Module, Rule, RuleAssign, RuleHead, Span};
use regorus::{Engine, Value};

use super::edits::Edits;

/// What the function is called.
const FUNCTION: &str = "claviger_mark";
/// Findings that are kept.
const MOST: usize = 10_000;

/// A rule's head, or the `else` of one: whatever can hold by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// The rule's name.
    pub(super) rule: String,
    /// 1-based.
    pub(super) line: u32,
    /// A function: what it is given, and so how it is spoken of, is not the rule's own doing.
    pub(super) is_function: bool,
    /// The value is an item of a set.
    pub(super) is_item: bool,
}

/// A module's text with marks.
pub(super) struct Marked {
    pub(super) text: String,
    pub(super) marks: Vec<Mark>,
}

/// A head that has held: which mark, the steps behind the rule's name (`["production", "deployer"]`), and the value.
pub(super) type Held = (usize, Value, Value);

/// Collects heads that have held.
#[derive(Clone, Debug, Default)]
pub(super) struct Recorder {
    held: Arc<Mutex<BTreeSet<Held>>>,
}

impl Recorder {
    /// Makes the function callable, and its calls known here.
    pub(super) fn listen(&self, engine: &mut Engine) -> anyhow::Result<()> {
        let held = Arc::clone(&self.held);
        let call = move |args: Vec<Value>| {
            let [number, path, value] = <[Value; 3]>::try_from(args).map_err(|_| anyhow::anyhow!("a mark has three parts"))?;
            let number = usize::try_from(number.as_u64()?)?;
            let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
            if held.len() < MOST {
                held.insert((number, path, value.clone()));
            }
            Ok(value)
        };
        engine.add_extension(FUNCTION.to_owned(), 3, Box::new(call))
    }

    /// What has held since the last time.
    pub(super) fn take(&self) -> BTreeSet<Held> {
        std::mem::take(&mut *self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Marks every head of a module but those of defaults, which hold for want of others.
pub(super) fn mark(module: &Module) -> Marked {
    let mut pen = Pen { edits: Edits::of(module), marks: Vec::new() };
    for rule in &module.policy {
        if let Rule::Spec { span, head, bodies } = rule.as_ref() {
            let Some(path) = pen.head(span, head) else { continue };
            for body in bodies.iter().filter(|body| body.is_else) {
                let rule = name(head).to_owned();
                let number = pen.number(rule, body.span.line, matches!(head, RuleHead::Func { .. }));
                match &body.assign {
                    Some(assign) => pen.wrap_value(number, &path, assign),
                    None => pen.give(number, &path, pen.edits.start(&body.span) + "else".len()),
                }
            }
        }
    }
    Marked { text: pen.edits.text(), marks: pen.marks }
}

struct Pen<'t> {
    edits: Edits<'t>,
    marks: Vec<Mark>,
}

impl Pen<'_> {
    /// Marks a head; answers with its steps, as an array in Rego.
    fn head(&mut self, span: &Span, head: &RuleHead) -> Option<String> {
        let rule = name(head).to_owned();
        match head {
            RuleHead::Compr { span: head_span, refr, assign } => {
                let number = self.number(rule, span.line, false);
                let path = self.edits.steps(refr, self.edits.end(head_span));
                match assign {
                    Some(assign) => self.wrap_value(number, &path, assign),
                    None => self.give(number, &path, self.edits.end(head_span)),
                }
                Some(path)
            }
            RuleHead::Func { span: head_span, assign, .. } => {
                let (number, path) = (self.number(rule, span.line, true), "[]".to_owned());
                match assign {
                    Some(assign) => self.wrap_value(number, &path, assign),
                    None => self.give(number, &path, self.edits.end(head_span)),
                }
                Some(path)
            }
            RuleHead::Set { span: head_span, refr, key: Some(key) } => {
                let range = self.edits.key(head_span, refr, key);
                let number = self.number(rule, span.line, false);
                if let Some(mark) = self.marks.last_mut() {
                    mark.is_item = true;
                }
                let path = self.edits.steps(refr, range.0.min(self.edits.start(key.span())));
                self.wrap(number, &path, range);
                Some(path)
            }
            // `name.item`, as v0 has it: nothing is evaluated for it.
            RuleHead::Set { key: None, .. } => None,
        }
    }

    fn number(&mut self, rule: String, line: u32, is_function: bool) -> usize {
        self.marks.push(Mark { rule, line, is_function, is_item: false });
        self.marks.len() - 1
    }

    /// Puts the value into a call.
    fn wrap(&mut self, number: usize, path: &str, range: (usize, usize)) {
        self.edits.wrap(range, format!(" {FUNCTION}({number}, {path}, "), ")");
    }

    /// The same for `:= value` or `= value`.
    fn wrap_value(&mut self, number: usize, path: &str, assign: &RuleAssign) {
        self.wrap(number, path, self.edits.value(assign));
    }

    /// Says the value that goes without saying.
    fn give(&mut self, number: usize, path: &str, place: usize) {
        self.edits.insert(place, format!(" = {FUNCTION}({number}, {path}, true)"));
    }
}

fn name(head: &RuleHead) -> &str {
    let (RuleHead::Compr { refr, .. } | RuleHead::Set { refr, .. } | RuleHead::Func { refr, .. }) = head;
    let text = refr.span().text();
    text.split(['.', '[']).next().unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RegoVersion;
    use crate::policy::{PolicySource, module};
    use std::time::Duration;

    fn marked(text: &str, rego: Option<RegoVersion>) -> Marked {
        let source = PolicySource { name: "p".parse().unwrap(), file: None, text: format!("package spacelift\n{text}\n").into(), rego };
        mark(&module::parse(&source, Duration::from_secs(5)).unwrap().module)
    }

    fn line(text: &str, rego: Option<RegoVersion>) -> String {
        marked(text, rego).text.lines().nth(1).unwrap().to_owned()
    }

    #[test]
    fn the_value_of_every_kind_of_head_is_put_into_a_call() {
        for (text, expected) in [
            ("allow if input.x", "allow = claviger_mark(0, [], true) if input.x"),
            ("allow := input.x", "allow := claviger_mark(0, [],  input.x)"),
            ("x := (input.a | input.b) if true", "x := claviger_mark(0, [],  (input.a | input.b)) if true"),
            ("roles[s][\"r\"] if some s in [\"a\"]", "roles[s][\"r\"] = claviger_mark(0, [s, \"r\"], true) if some s in [\"a\"]"),
            ("roles.a.b if input.x", "roles.a.b = claviger_mark(0, [\"a\", \"b\"], true) if input.x"),
            ("team contains t if some t in input.x", "team contains claviger_mark(0, [],  t) if some t in input.x"),
            (
                "roles[s] contains r if { s := \"a\"; r := \"b\" }",
                "roles[s] contains claviger_mark(0, [s],  r) if { s := \"a\"; r := \"b\" }",
            ),
            ("f(x) := y if y := x", "f(x) := claviger_mark(0, [],  y) if y := x"),
            ("x := \"a\"", "x := claviger_mark(0, [],  \"a\")"),
            ("x contains \"a\" if true", "x contains claviger_mark(0, [],  \"a\") if true"),
            ("f(x) if x", "f(x) = claviger_mark(0, [], true) if x"),
            (
                "allow if input.x else := false if input.y else if input.z",
                "allow = claviger_mark(0, [], true) if input.x else := claviger_mark(1, [],  false) if input.y else = claviger_mark(2, [], true) if input.z",
            ),
            ("default allow := false", "default allow := false"),
        ] {
            assert_eq!(line(text, Some(RegoVersion::V1)).replace(" if", "if"), expected.replace(" if", "if"), "{text}");
        }
        for (text, expected) in [
            ("allow { input.x }", "allow = claviger_mark(0, [], true) { input.x }"),
            ("team[\"t\"] { true }", "team[ claviger_mark(0, [], \"t\")] { true }"),
            ("team[t] { t := input.x[_] }", "team[ claviger_mark(0, [], t)] { t := input.x[_] }"),
            ("roles[\"a\"][\"b\"] { input.x }", "roles[\"a\"][\"b\"] = claviger_mark(0, [\"a\", \"b\"], true) { input.x }"),
            (
                "x = y { y := input.x } else = 3 { true }",
                "x = claviger_mark(0, [],  y) { y := input.x } else = claviger_mark(1, [],  3) { true }",
            ),
        ] {
            assert_eq!(line(text, Some(RegoVersion::V0)).replace("  ", " "), expected.replace("  ", " "), "{text}");
        }
    }

    #[test]
    fn marks_know_their_lines_and_lines_stay_where_they_are() {
        let marked = marked("a := 1\n\n# b\nb if {\n  a == 1\n} else := false if {\n  a == 2\n}", None);
        let lines: Vec<(&str, u32)> = marked.marks.iter().map(|mark| (mark.rule.as_str(), mark.line)).collect();
        assert_eq!(lines, [("a", 2), ("b", 5), ("b", 7)]);
        assert_eq!(marked.text.lines().count(), 9);
    }
}
