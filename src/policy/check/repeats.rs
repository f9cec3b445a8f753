//! Names that stand twice where each part is given its own value.
//!
//! In OPA `f(x, x)` takes two values that are the same, and `some x, x in object` goes through the fields whose value is their name.
//! Regorus gives the name the one value and then the other, and whatever is asked of it holds for all. Within one array or object it
//! compares as OPA does.

use std::collections::BTreeSet;

use regorus::unstable::{Expr, Literal, Span};

use super::Faults;
use super::rules::Rules;

pub(super) fn check(rules: &Rules<'_>, faults: &mut Faults<'_>) {
    for definition in &rules.definitions {
        refuse(definition.args.iter().map(|arg| variables(arg)), faults);
        definition.visit_statements(&mut |statement| match &statement.literal {
            Literal::SomeIn { key: Some(key), value, .. } => refuse([key, value].into_iter().map(|part| variables(part)), faults),
            Literal::Every { key: Some(key), value, .. } => refuse([key, value].into_iter().map(|var| vec![var]), faults),
            Literal::SomeIn { key: None, .. }
            | Literal::Every { key: None, .. }
            | Literal::SomeVars { .. }
            | Literal::Expr { .. }
            | Literal::NotExpr { .. } => {}
        });
    }
}

/// Tells of the names that an earlier part has, too.
fn refuse<'a>(parts: impl Iterator<Item = Vec<&'a Span>>, faults: &mut Faults<'_>) {
    let mut before = BTreeSet::new();
    for part in parts {
        for var in part.iter().filter(|var| var.text() != "_" && before.contains(var.text())) {
            let name = var.text();
            faults.push_with_hint(
                var,
                format!("`{name}` stands twice here, and the two would not be compared"),
                format!("give the second a name of its own, and write `{name} == other`"),
            );
        }
        before.extend(part.iter().map(|var| var.text()));
    }
}

/// Where the variables of a pattern stand.
fn variables(pattern: &Expr) -> Vec<&Span> {
    match pattern {
        Expr::Var { span, .. } => vec![span],
        Expr::Array { items, .. } => items.iter().flat_map(|item| variables(item)).collect(),
        Expr::Object { fields, .. } => fields.iter().flat_map(|(_, _, value)| variables(value)).collect(),
        _ => Vec::new(),
    }
}
