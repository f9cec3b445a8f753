//! Comparisons whose outcome the types alone decide, and conditions that are none.
//!
//! Rego compares anything with anything: a boolean is never equal to a string, and a number is less than any string. Both are legal, and
//! neither is what somebody meant.

use super::Faults;
use super::comparison::{Comparison, Op};
use super::meaning::{BuiltinCall, Meaning, RuleScope};
use super::rego_type::{At, Type};
use super::rules::RuleText;
use super::schema::{self, SchemaEntry};
use super::signatures::signature;
use crate::policy::syntax::tree::Literal;
use crate::policy::syntax::walk;

pub(super) fn check<'m>(scope: &RuleScope<'_, 'm>, definition: &RuleText<'m>, comparisons: &[Comparison<'m>], faults: &mut Faults<'_>) {
    for comparison in comparisons {
        compare(comparison, faults);
    }
    conditions(scope, definition, faults);
    definition.visit_calls(&mut |name, _, params| {
        let Some((wanted, _)) = signature(name) else { return };
        for (argument, wanted) in params.iter().zip(wanted) {
            let found = of(&scope.meaning(argument));
            if found.overlaps(&wanted) {
                continue;
            }
            let text = argument.span().text();
            let hint = if matches!(found, Type::Array(_)) && name == "contains" {
                let item = params.get(1).and_then(|part| walk::literal_text(part)).map_or("item".to_owned(), |item| format!("\"{item}\""));
                format!("look for an item by `{item} in {text}`")
            } else {
                "take one of its items, or compare it in another way".to_owned()
            };
            let reason = format!("`{name}` wants {}, and `{text}` is {}: it never has an answer", wanted.noun(), found.noun());
            faults.warn(argument.span(), reason, hint);
        }
    });
}

fn compare(comparison: &Comparison<'_>, faults: &mut Faults<'_>) {
    let left = of(&comparison.meaning);
    let subject = comparison.subject.span().text();
    if comparison.op == Op::Holds {
        if matches!(left, Type::Text | Type::Number | Type::Bool | Type::Null) {
            let reason = format!("`in` looks into arrays, sets and objects, and `{subject}` is {}: this never holds", left.noun());
            faults.warn(
                comparison.span,
                reason,
                format!("write `contains({subject}, \"part\")` for a part of a string, `==` for the whole"),
            );
        }
        return;
    }
    let others = comparison.with.iter().map(|literal| (*literal, Type::of_syntax(literal)));
    let others = others.chain(comparison.other.iter().map(|(expr, meaning)| (*expr, of(meaning))));
    for (other, right) in others.filter(|(_, right)| !left.overlaps(right)) {
        let text = other.span().text();
        let what = match comparison.op {
            Op::Equal => "they are never equal",
            Op::NotEqual => "they always differ",
            Op::Less | Op::AtMost | Op::AtLeast | Op::More | Op::Holds => "which is more is decided by the types alone",
        };
        faults.warn(
            comparison.span,
            format!("{} is {} and `{text}` is {}: {what}", comparison.shown(), left.noun(), right.noun()),
            hint(comparison, &left, &right, text),
        );
    }
}

fn hint(comparison: &Comparison<'_>, left: &Type, right: &Type, other: &str) -> String {
    let subject = comparison.subject.span().text();
    match (left, right) {
        (Type::Bool, Type::Text) => format!("write `{subject}` for true, `not {subject}` for false"),
        (Type::Number, Type::Text) if comparison.path().last() == Some(&Some("timestamp_ns")) => {
            format!("write the time as `time.parse_rfc3339_ns({})`", if other.contains('T') { other } else { "\"2026-12-31T00:00:00Z\"" })
        }
        (Type::Number, Type::Text) => without_quotes(other.trim_matches('"')).unwrap_or_else(|| "compare it with a number".to_owned()),
        (Type::Text, Type::Number | Type::Bool) => format!("write it in quotes: `\"{other}\"`"),
        (Type::Array(_), Type::Text) => format!("look for it by `{other} in {subject}`"),
        (Type::Text, Type::Array(_) | Type::Tuple(_) | Type::Set(_)) => format!("write `{subject} in {other}`"),
        _ => "compare it with something of its own type".to_owned(),
    }
}

/// What to write for a number that stands in quotes, where it may begin with zeros.
pub(super) fn without_quotes(text: &str) -> Option<String> {
    text.parse::<i64>().ok().map(|number| format!("take the quotes off: `{number}`"))
}

/// A body of `input.session.login` alone: what it is does not matter.
fn conditions<'m>(scope: &RuleScope<'_, 'm>, definition: &RuleText<'m>, faults: &mut Faults<'_>) {
    definition.visit_statements(&mut |statement| {
        let (expr, outcome) = match &statement.literal {
            Literal::Expr { expr, .. } => (expr, "always holds"),
            Literal::NotExpr { expr, .. } => (expr, "never holds with `not` before it"),
            Literal::SomeVars { .. } | Literal::SomeIn { .. } | Literal::Every { .. } => return,
        };
        let meaning = scope.meaning(expr);
        // `input.session.teams[_]` asks whether there is any.
        let Meaning::Input(path) = &meaning else { return };
        if !path.iter().all(Option::is_some) || may_be_missing(path) {
            return;
        }
        let found = of(&meaning);
        if found.overlaps(&Type::Bool) {
            return;
        }
        let text = expr.span().text();
        let hint = match found {
            Type::Text => format!("compare it: `{text} == \"…\"`"),
            Type::Array(_) => format!("look for something in it: `\"…\" in {text}`"),
            _ => "compare it with something".to_owned(),
        };
        let reason = format!("`{text}` is {}, which is there for everybody: as a condition it {outcome}", found.noun());
        faults.warn(expr.span(), reason, hint);
    });
}

/// Whether this is in something that may be null, where there is nothing.
fn may_be_missing(path: &[Option<&str>]) -> bool {
    let within = (1..path.len()).filter_map(|length| path.get(..length));
    within.map(schema::at).any(|entry| matches!(entry, SchemaEntry::Type(of) if of.overlaps(&Type::Null)))
}

/// The type of what an expression stands for.
pub(super) fn of(meaning: &Meaning<'_>) -> Type {
    match meaning {
        Meaning::Input(path) => match schema::at(path) {
            SchemaEntry::Type(of) => of,
            SchemaEntry::Nothing { .. } | SchemaEntry::Unsure => Type::Any,
        },
        Meaning::Answer(BuiltinCall { name, item, .. }) => {
            let answer = signature(name).map_or(Type::Any, |(_, answer)| answer);
            item.map_or(Some(answer.clone()), |item| answer.at(At::Index(item))).unwrap_or(Type::Any)
        }
        Meaning::Written(expr) => Type::of_syntax(expr),
        Meaning::ItemOf(_) | Meaning::OneOf(_) | Meaning::Unknown => Type::Any,
    }
}

/// Whether an expression stands for a string of `input`.
pub(super) fn is_text_of_input(meaning: &Meaning<'_>) -> bool {
    matches!(meaning, Meaning::Input(_)) && of(meaning) == Type::Text
}
