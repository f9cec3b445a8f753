//! Comparisons whose outcome the types alone decide, and conditions that are none.
//!
//! Rego compares anything with anything: a boolean is never equal to a string, and a number is less than any string. Both are legal, and
//! neither is what somebody meant.

use regorus::unstable::{Expr, Literal};

use super::comparison::{Comparison, Op};
use super::meaning::{Call, Meaning, Scope};
use super::rules::Definition;
use super::schema::{self, Found, Shape};
use super::{Faults, ast, calls};

/// A type of Rego.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Null,
    Bool,
    Number,
    Text,
    Array,
    Object,
    Set,
}

impl Sort {
    fn noun(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "a boolean",
            Self::Number => "a number",
            Self::Text => "a string",
            Self::Array => "an array",
            Self::Object => "an object",
            Self::Set => "a set",
        }
    }
}

pub(super) fn check<'m>(scope: &Scope<'_, 'm>, definition: &Definition<'m>, comparisons: &[Comparison<'m>], faults: &mut Faults<'_>) {
    for comparison in comparisons {
        compare(comparison, faults);
    }
    conditions(scope, definition, faults);
    calls::visit(definition, &mut |expr| {
        if let Expr::Call { fcn, params, .. } = expr {
            let name = ast::path(fcn).unwrap_or_default().join(".");
            for (argument, wanted) in params.iter().zip(wanted(&name)) {
                let Some(found) = sort(&scope.meaning(argument)).filter(|found| found != wanted) else { continue };
                let text = argument.span().text();
                let hint = if found == Sort::Array && name == "contains" {
                    format!("look for an item by `item in {text}`")
                } else {
                    "take one of its items, or compare it in another way".to_owned()
                };
                let reason = format!("`{name}` wants {}, and `{text}` is {}: it never has an answer", wanted.noun(), found.noun());
                faults.warn(argument.span(), reason, hint);
            }
        }
    });
}

fn compare(comparison: &Comparison<'_>, faults: &mut Faults<'_>) {
    let Some(left) = sort(&comparison.meaning) else { return };
    let subject = comparison.subject.span().text();
    if comparison.op == Op::Holds {
        if matches!(left, Sort::Text | Sort::Number | Sort::Bool | Sort::Null) {
            let reason = format!("`in` looks into arrays, sets and objects, and `{subject}` is {}: this never holds", left.noun());
            faults.warn(
                comparison.span,
                reason,
                format!("write `contains({subject}, \"part\")` for a part of a string, `==` for the whole"),
            );
        }
        return;
    }
    let others = comparison.with.iter().map(|literal| (*literal, literal_sort(literal)));
    let others = others.chain(comparison.other.iter().map(|(expr, meaning)| (*expr, sort(meaning))));
    for (other, right) in others {
        let Some(right) = right.filter(|right| *right != left) else { continue };
        let text = quoted(other);
        let what = match comparison.op {
            Op::Equal => "they are never equal",
            Op::NotEqual => "they always differ",
            Op::Less | Op::AtMost | Op::AtLeast | Op::More | Op::Holds => "which is more is decided by the types alone",
        };
        faults.warn(
            comparison.span,
            format!("{} is {} and `{text}` is {}: {what}", comparison.shown(), left.noun(), right.noun()),
            hint(comparison, left, right, &text),
        );
    }
}

fn hint(comparison: &Comparison<'_>, left: Sort, right: Sort, other: &str) -> String {
    let subject = comparison.subject.span().text();
    match (left, right) {
        (Sort::Bool, Sort::Text) => format!("write `{subject}` for true, `not {subject}` for false"),
        (Sort::Number, Sort::Text) if comparison.path().last() == Some(&Some("timestamp_ns")) => {
            format!("write the time as `time.parse_rfc3339_ns({})`", if other.contains('T') { other } else { "\"2026-12-31T00:00:00Z\"" })
        }
        (Sort::Number, Sort::Text) => "take the quotes off".to_owned(),
        (Sort::Text, Sort::Number | Sort::Bool) => format!("write it in quotes: `\"{other}\"`"),
        (Sort::Array, Sort::Text) => format!("look for it by `{other} in {subject}`"),
        (Sort::Text, Sort::Array | Sort::Set) => format!("write `{subject} in {other}`"),
        _ => "compare it with something of its own type".to_owned(),
    }
}

/// A body of `input.session.login` alone: what it is does not matter.
fn conditions<'m>(scope: &Scope<'_, 'm>, definition: &Definition<'m>, faults: &mut Faults<'_>) {
    definition.visit_statements(&mut |statement| {
        let (expr, outcome) = match &statement.literal {
            Literal::Expr { expr, .. } => (expr, "always holds"),
            Literal::NotExpr { expr, .. } => (expr, "never holds with `not` before it"),
            Literal::SomeVars { .. } | Literal::SomeIn { .. } | Literal::Every { .. } => return,
        };
        let Meaning::Input(path) = scope.meaning(expr) else { return };
        if path.iter().any(Option::is_none) {
            // `input.session.teams[_]` asks whether there is any.
            return;
        }
        let Some(found) = sort(&Meaning::Input(path)).filter(|found| *found != Sort::Bool) else { return };
        let text = expr.span().text();
        let hint = match found {
            Sort::Text => format!("compare it: `{text} == \"…\"`"),
            Sort::Array => format!("look for something in it: `\"…\" in {text}`"),
            Sort::Null | Sort::Bool | Sort::Number | Sort::Object | Sort::Set => "compare it with something".to_owned(),
        };
        let reason = format!("`{text}` is {}, which is there for everybody: as a condition it {outcome}", found.noun());
        faults.warn(expr.span(), reason, hint);
    });
}

/// The type of what an expression stands for.
pub(super) fn sort(meaning: &Meaning<'_>) -> Option<Sort> {
    match meaning {
        Meaning::Input(path) => match schema::at(path) {
            Found::Shape(shape) => match shape {
                Shape::Text => Some(Sort::Text),
                Shape::Number => Some(Sort::Number),
                Shape::Bool => Some(Sort::Bool),
                Shape::Null => Some(Sort::Null),
                Shape::TextOrNull => None,
                Shape::Each(_) => Some(Sort::Array),
                Shape::Fields(_) => Some(Sort::Object),
            },
            Found::Nothing { .. } | Found::Unsure => None,
        },
        Meaning::Answer(call) => answer(call),
        Meaning::Written(expr) => literal_sort(expr),
        Meaning::ItemOf(_) | Meaning::OneOf(_) | Meaning::Unknown => None,
    }
}

fn literal_sort(expr: &Expr) -> Option<Sort> {
    Some(match expr {
        Expr::String { .. } | Expr::RawString { .. } => Sort::Text,
        Expr::Number { .. } => Sort::Number,
        Expr::Bool { .. } => Sort::Bool,
        Expr::Null { .. } => Sort::Null,
        Expr::Array { .. } => Sort::Array,
        Expr::Set { .. } => Sort::Set,
        Expr::Object { .. } => Sort::Object,
        _ => return None,
    })
}

/// What a builtin answers with, if it has an answer.
fn answer(call: &Call<'_>) -> Option<Sort> {
    let name = call.name.as_str();
    if call.item.is_some() {
        return match name {
            "time.clock" | "time.date" => Some(Sort::Number),
            "split" => Some(Sort::Text),
            _ => None,
        };
    }
    Some(match name {
        "lower" | "upper" | "trim" | "trim_space" | "trim_prefix" | "trim_suffix" | "trim_left" | "trim_right" | "concat" | "sprintf"
        | "replace" | "substring" | "time.weekday" | "time.format" | "format_int" | "json.marshal" => Sort::Text,
        "count" | "to_number" | "abs" | "ceil" | "floor" | "round" | "indexof" | "sum" | "time.parse_rfc3339_ns" | "time.parse_ns" => {
            Sort::Number
        }
        "startswith" | "endswith" | "contains" | "regex.match" | "glob.match" | "re_match" | "net.cidr_contains" => Sort::Bool,
        "split" | "time.clock" | "time.date" => Sort::Array,
        _ => return None,
    })
}

/// What a builtin wants its first arguments to be.
fn wanted(name: &str) -> &'static [Sort] {
    match name {
        "startswith" | "endswith" | "contains" | "split" | "regex.match" | "re_match" | "net.cidr_contains" | "trim" | "trim_prefix"
        | "trim_suffix" => &[Sort::Text, Sort::Text],
        "lower" | "upper" | "trim_space" | "to_number" | "time.parse_rfc3339_ns" => &[Sort::Text],
        _ => &[],
    }
}

/// A literal as it stands in the text, quotes included.
fn quoted(expr: &Expr) -> String {
    match expr {
        Expr::String { span, .. } => format!("\"{}\"", span.text()),
        Expr::RawString { span, .. } => format!("`{}`", span.text()),
        other => other.span().text().to_owned(),
    }
}
