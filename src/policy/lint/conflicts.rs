//! Rules that have two values at once.
//!
//! A complete rule with two different values is an error of the evaluation, and everybody whom it is asked about is refused.

use std::collections::BTreeMap;

use regorus::Value;

use super::Faults;
use super::rules::{ModuleRules, RuleKind, RuleText};
use crate::policy::syntax::tree::{Expr, Span};

/// Where a rule got a constant.
type Fixed<'m> = (&'m Span, Value);

/// Tells of rules that get different constants under different conditions: where both hold, the policy fails.
pub(super) fn check(rules: &ModuleRules<'_>, faults: &mut Faults<'_>) {
    let mut first: BTreeMap<&str, Fixed<'_>> = BTreeMap::new();
    for definition in rules.definitions.iter().filter(|definition| definition.kind == RuleKind::Complete && !definition.default) {
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
fn given<'m>(definition: &RuleText<'m>) -> Option<Fixed<'m>> {
    match definition.value {
        Some(value) => Some((value.span(), scalar(value)?)),
        None => Some((definition.span, Value::Bool(true))),
    }
}

/// The value of a literal that is neither a collection nor computed.
fn scalar(expr: &Expr) -> Option<Value> {
    if let Expr::Scalar { value, .. } = expr { Some(value.clone()) } else { None }
}

/// A scalar as the text of a policy would have it.
fn shown(value: &Value) -> String {
    let text = value.to_json_str().unwrap_or_default();
    format!("`{text}`")
}
