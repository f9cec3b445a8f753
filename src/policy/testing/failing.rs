//! Where a test fails.
//!
//! A test is a list of statements that must hold together. So each beginning of the list is made a rule of its own, and the first that
//! does not hold ends with the statement to look at. A beginning that cannot be evaluated, because a later statement says what a variable
//! of it is, is passed over.

use std::fmt::Write as _;

use regorus::Value;
use regorus::unstable::{LiteralStmt, Module, Rule, RuleHead};

use super::Failing;
use super::run::{Pair, evaluate};
use crate::policy::check::ast;
use crate::policy::{PolicySource, module};

/// Names of the rules that are added.
const BEGINNING: &str = "claviger_beginning";
const VALUES: &str = "claviger_values";
/// A value longer than this is cut, in characters.
const SHOWN: usize = 400;

/// Every rule of a module that has a body, each name once, in the order of the text.
pub(super) fn rules(module: &Module) -> Vec<(String, u32)> {
    let mut rules: Vec<(String, u32)> = Vec::new();
    for rule in &module.policy {
        if let Rule::Spec { span, head, .. } = rule.as_ref() {
            let name = name(head);
            if !rules.iter().any(|(known, _)| *known == name) {
                rules.push((name, span.line));
            }
        }
    }
    rules
}

fn name(head: &RuleHead) -> String {
    let (RuleHead::Compr { refr, .. } | RuleHead::Set { refr, .. } | RuleHead::Func { refr, .. }) = head;
    refr.span().text().to_owned()
}

/// The statement that a test fails at; `None` if all of them hold, or none can be said to be the one.
pub(super) fn find(pair: &Pair<'_>, test: &str) -> Option<Failing> {
    let bodies = pair.module.policy.iter().filter_map(|rule| match rule.as_ref() {
        Rule::Spec { head, bodies, .. } if name(head) == test => Some(bodies),
        Rule::Spec { .. } | Rule::Default { .. } => None,
    });
    // Of several bodies the last one is looked at: it was the last chance.
    let statements = &bodies.flatten().last()?.query.stmts;
    let (engine, package) = with_beginnings(pair, statements)?;
    let holds = |rule: String| evaluate(&mut engine.clone(), format!("data.{package}.{rule}"), pair.limits).ok();
    let failing = (0..statements.len()).find(|index| match holds(format!("{BEGINNING}_{index}")) {
        Some(value) => value != Value::Bool(true),
        None => false,
    })?;
    let statement = statements.get(failing)?;
    let values = match holds(format!("{VALUES}_{failing}")) {
        Some(Value::Array(found)) => found.first().map(values).unwrap_or_default(),
        Some(_) | None => Vec::new(),
    };
    Some(Failing { line: statement.span.line, text: one_line(written(pair, statement)), values })
}

/// The engine with a rule for each beginning, and one for the variables that stand in its last statement.
fn with_beginnings(pair: &Pair<'_>, statements: &[LiteralStmt]) -> Option<(regorus::Engine, String)> {
    let is_v1 = pair.module.rego_v1;
    let mut text = pair.module.package.refr.span().source.get_contents().clone();
    let mut before = String::new();
    let mut bound: Vec<&str> = Vec::new();
    for (index, statement) in statements.iter().enumerate() {
        let seen: Vec<String> = variables(statement).into_iter().filter(|name| bound.contains(name)).map(entry).collect();
        if !seen.is_empty() {
            let _ = write!(text, "\n{VALUES}_{index} := [{{{}}} | {before}]", seen.join(", "));
        }
        before.push_str("\n  ");
        before.push_str(written(pair, statement));
        let word = if is_v1 { "if " } else { "" };
        let _ = write!(text, "\n{BEGINNING}_{index} {word}{{{before}\n}}");
        ast::declared(statement, &mut bound);
    }
    let source = PolicySource { text: text.into(), rego: Some(module::version(&pair.module)), ..pair.tests.clone() };
    let engine = pair.rebuilt(&source)?;
    Some((engine, pair.module.package.refr.span().text().to_owned()))
}

/// A statement as it stands in the text.
fn written<'p>(pair: &'p Pair<'_>, statement: &LiteralStmt) -> &'p str {
    let text = pair.module.package.refr.span().source.get_contents();
    text.get(pair.strings.start(statement.span.start)..pair.strings.end(statement.span.end)).unwrap_or_default()
}

/// Names that a statement uses.
fn variables(statement: &LiteralStmt) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for part in ast::statement_parts(statement) {
        ast::visit(part, &mut |expr| names.extend(ast::var(ast::unfold(expr).0)));
    }
    if let Some(query) = ast::statement_query(statement) {
        ast::visit_query(query, &mut |expr| names.extend(ast::var(ast::unfold(expr).0)));
    }
    names.sort_unstable();
    names.dedup();
    names
}

fn entry(name: &str) -> String {
    format!("\"{name}\": {name}")
}

fn values(found: &Value) -> Vec<(String, String)> {
    let Ok(found) = found.as_object() else { return Vec::new() };
    let shown = |value: &Value| value.to_json_str().unwrap_or_default();
    found.iter().filter_map(|(name, value)| Some((name.as_string().ok()?.to_string(), cut(&one_line(&shown(value)))))).collect()
}

fn cut(text: &str) -> String {
    if text.chars().count() <= SHOWN { text.to_owned() } else { text.chars().take(SHOWN).chain(['…']).collect() }
}

/// Blanks of any kind become one.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
