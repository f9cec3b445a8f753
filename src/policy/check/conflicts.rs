//! Rules that have two values at once.
//!
//! A complete rule or a function with two different values is an error of the evaluation, and everybody whom it is asked about is refused.
//! Where the text alone says that it must come to that, the policy is refused instead.

use std::collections::BTreeMap;

use regorus::Value;
use regorus::unstable::{Expr, Span};

use super::rules::{Definition, Kind, Rules};
use super::{Faults, ast};

/// Where a rule got a value whatever the input is.
type Fixed<'m> = (&'m Span, Value);

pub(super) fn check(rules: &Rules<'_>, faults: &mut Faults<'_>) {
    let mut fixed: BTreeMap<&str, Fixed<'_>> = BTreeMap::new();
    for definition in &rules.definitions {
        let Some((span, value)) = always(definition) else { continue };
        match fixed.get(definition.name) {
            Some((before, other)) if *other != value => faults.push_with_hint(
                span,
                format!("`{}` is always {} here and always {} on line {}", definition.name, shown(&value), shown(other), before.line),
                "leave one of the two, or give each the conditions under which it holds",
            ),
            Some(_) => {}
            None => {
                fixed.insert(definition.name, (span, value));
            }
        }
    }
}

/// Tells of rules that get different constants under different conditions: where both hold, the policy fails.
pub(super) fn warn(rules: &Rules<'_>, faults: &mut Faults<'_>) {
    let mut first: BTreeMap<&str, Fixed<'_>> = BTreeMap::new();
    for definition in rules.definitions.iter().filter(|definition| definition.kind == Kind::Complete && !definition.default) {
        // With an `else` the conditions shut each other out, as far as this definition goes.
        let value = if definition.bodies.iter().any(|body| body.is_else) { None } else { given(definition) };
        let Some((span, value)) = value else { continue };
        match first.get(definition.name) {
            Some((before, other)) if *other != value => faults.warn(
                span,
                format!("`{}` is {} here and {} on line {}", definition.name, shown(&value), shown(other), before.line),
                "where both conditions hold the policy fails, and who is asked about is refused: put one after the other by `else := …`",
            ),
            Some(_) => {}
            None => {
                first.insert(definition.name, (span, value));
            }
        }
    }
}

/// The constant that a rule has if it holds.
fn given<'m>(definition: &Definition<'m>) -> Option<Fixed<'m>> {
    match definition.value {
        Some(value) => Some((value.span(), scalar(value)?)),
        None => Some((definition.span, Value::Bool(true))),
    }
}

/// The constant that a rule has without a condition, or a function for all arguments.
fn always<'m>(definition: &Definition<'m>) -> Option<Fixed<'m>> {
    let is_one_value = match definition.kind {
        Kind::Complete => true,
        Kind::Function(_) => definition.args.iter().all(|arg| ast::var(arg).is_some()),
        Kind::Set | Kind::Object => false,
    };
    if !is_one_value || definition.default || !definition.bodies.is_empty() {
        return None;
    }
    let value = definition.value?;
    Some((value.span(), scalar(value)?))
}

/// The value of a literal that is neither a collection nor computed.
fn scalar(expr: &Expr) -> Option<Value> {
    match expr {
        Expr::String { value, .. }
        | Expr::RawString { value, .. }
        | Expr::Number { value, .. }
        | Expr::Bool { value, .. }
        | Expr::Null { value, .. } => Some(value.clone()),
        _ => None,
    }
}

/// A scalar as the text of a policy would have it.
fn shown(value: &Value) -> String {
    let text = value.to_json_str().unwrap_or_default();
    format!("`{text}`")
}
