//! A module that tells which of its rules hold.
//!
//! Regorus answers with a value and not with where it comes from, and what it knows of lines (a line was looked at) says nothing about
//! `allow if x`, which is looked at whether it holds or not. So the value of every head is put into a call of a function of ours: a head's
//! value is evaluated for as long as the body below it holds, once for each way in which it does, and never otherwise. The lines of the
//! text stay where they are.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use regorus::unstable::{Expr, Module, Rule, RuleAssign, RuleHead, Span};
use regorus::{Engine, Value};

use super::text::{Strings, Token, Tokens};

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
    let text: &str = module.package.refr.span().source.get_contents();
    let mut pen = Pen { text, strings: Strings::of(text), edits: Vec::new(), marks: Vec::new() };
    for rule in &module.policy {
        if let Rule::Spec { span, head, bodies } = rule.as_ref() {
            let Some(path) = pen.head(span, head) else { continue };
            for body in bodies.iter().filter(|body| body.is_else) {
                let rule = name(head).to_owned();
                let number = pen.number(rule, body.span.line, matches!(head, RuleHead::Func { .. }));
                match &body.assign {
                    Some(assign) => pen.wrap_value(number, &path, assign),
                    None => pen.give(number, &path, pen.strings.start(body.span.start) + "else".len()),
                }
            }
        }
    }
    pen.finish()
}

struct Pen<'t> {
    text: &'t str,
    strings: Strings,
    /// Where in the text, and what is put there.
    edits: Vec<(usize, String)>,
    marks: Vec<Mark>,
}

impl Pen<'_> {
    /// Marks a head; answers with its steps, as an array in Rego.
    fn head(&mut self, span: &Span, head: &RuleHead) -> Option<String> {
        let rule = name(head).to_owned();
        match head {
            RuleHead::Compr { span: head_span, refr, assign } => {
                let number = self.number(rule, span.line, false);
                let path = self.steps(refr, self.strings.end(head_span.end));
                match assign {
                    Some(assign) => self.wrap_value(number, &path, assign),
                    None => self.give(number, &path, self.strings.end(head_span.end)),
                }
                Some(path)
            }
            RuleHead::Func { span: head_span, assign, .. } => {
                let (number, path) = (self.number(rule, span.line, true), "[]".to_owned());
                match assign {
                    Some(assign) => self.wrap_value(number, &path, assign),
                    None => self.give(number, &path, self.strings.end(head_span.end)),
                }
                Some(path)
            }
            RuleHead::Set { span: head_span, refr, key: Some(key) } => {
                let end = self.strings.end(head_span.end);
                let range = match self.word_before("contains", self.strings.start(refr.span().start), self.strings.start(key.span().start))
                {
                    Some(contains) => (contains + "contains".len(), end),
                    // `name[key]`, as v0 has it.
                    None => (self.strings.end(refr.span().end) + 1, end - 1),
                };
                let number = self.number(rule, span.line, false);
                if let Some(mark) = self.marks.last_mut() {
                    mark.is_item = true;
                }
                let path = self.steps(refr, range.0.min(self.strings.start(key.span().start)));
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
    fn wrap(&mut self, number: usize, path: &str, (start, end): (usize, usize)) {
        self.edits.push((start, format!(" {FUNCTION}({number}, {path}, ")));
        self.edits.push((end, ")".to_owned()));
    }

    /// The same for `:= value` or `= value`.
    fn wrap_value(&mut self, number: usize, path: &str, assign: &RuleAssign) {
        let operator = if assign.span.text().starts_with(':') { 2 } else { 1 };
        let range = (self.strings.start(assign.span.start) + operator, self.strings.end(assign.span.end));
        self.wrap(number, path, range);
    }

    /// Says the value that goes without saying.
    fn give(&mut self, number: usize, path: &str, place: usize) {
        self.edits.push((place, format!(" = {FUNCTION}({number}, {path}, true)")));
    }

    /// Where the last such word begins between two places.
    fn word_before(&self, word: &str, from: usize, to: usize) -> Option<usize> {
        let part = self.text.get(from..to)?;
        let words = Tokens::of(part).filter(|(_, token)| matches!(token, Token::Word(found) if *found == word));
        words.last().map(|(place, _)| from + place)
    }

    /// The steps of a head: `["production", role]` of `roles.production[role]`. Taken from the text, as the tree does not tell where a
    /// bracket ends.
    fn steps(&self, refr: &Expr, end: usize) -> String {
        let start = self.strings.start(refr.span().start);
        let part = self.text.get(start..end).unwrap_or_default();
        let (mut steps, mut depth, mut opened, mut is_first) = (Vec::new(), 0_usize, 0, true);
        for (place, token) in Tokens::of(part) {
            match token {
                Token::Mark(b'[') if depth == 0 => (depth, opened) = (1, place + 1),
                Token::Mark(b'[' | b'{' | b'(') => depth += 1,
                Token::Mark(b']') if depth == 1 => {
                    depth = 0;
                    steps.push(part.get(opened..place).unwrap_or_default().to_owned());
                }
                Token::Mark(b']' | b'}' | b')') => depth = depth.saturating_sub(1),
                Token::Word(names) if depth == 0 => {
                    if !is_first && !names.starts_with('.') && !part.get(..place).is_some_and(|before| before.ends_with('.')) {
                        break;
                    }
                    steps.extend(names.split('.').skip(usize::from(is_first)).filter(|name| !name.is_empty()).map(quoted));
                }
                Token::Mark(b'.') if depth == 0 => {}
                Token::Mark(_) | Token::Text(_) if depth == 0 => break,
                Token::Mark(_) | Token::Word(_) | Token::Text(_) => {}
            }
            is_first = false;
        }
        format!("[{}]", steps.join(", "))
    }

    fn finish(mut self) -> Marked {
        self.edits.sort_by_key(|(place, _)| *place);
        let mut text = String::with_capacity(self.text.len() + self.edits.len() * 40);
        let mut done = 0;
        for (place, edit) in &self.edits {
            text.push_str(self.text.get(done..*place).unwrap_or_default());
            text.push_str(edit);
            done = *place;
        }
        text.push_str(self.text.get(done..).unwrap_or_default());
        Marked { text, marks: self.marks }
    }
}

fn name(head: &RuleHead) -> &str {
    let (RuleHead::Compr { refr, .. } | RuleHead::Set { refr, .. } | RuleHead::Func { refr, .. }) = head;
    let text = refr.span().text();
    text.split(['.', '[']).next().unwrap_or(text)
}

fn quoted(name: &str) -> String {
    format!("\"{name}\"")
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
