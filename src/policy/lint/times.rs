//! Hours, weekdays and time zones that are not what they seem.

use regorus::Value;

use super::Faults;
use super::comparison::{self, Comparison, Op};
use super::meaning::{BuiltinCall, Meaning, RuleScope};
use super::rules::RuleText;
use crate::policy::builtins;
use crate::policy::syntax::tree::{Expr, Literal, Query};
use crate::policy::syntax::walk;

const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

pub(super) fn check<'m>(scope: &RuleScope<'_, 'm>, definition: &RuleText<'m>, comparisons: &[Comparison<'m>], faults: &mut Faults<'_>) {
    for comparison in comparisons {
        if is_hour(comparison) {
            hour(comparison, faults);
        }
        if comparison.path() == [Some("request"), Some("timestamp_ns")] {
            moment(comparison, faults);
        }
        if let Meaning::Answer(BuiltinCall { name, item: None, .. }) = &comparison.meaning
            && name == "time.weekday"
        {
            comparison.with.iter().for_each(|literal| weekday(literal, faults));
        }
    }
    let mut queries: Vec<&'m Query> = definition.bodies.iter().map(|body| body.query).collect();
    definition.visit(&mut |expr| queries.extend(walk::query(expr)));
    for query in queries {
        window(scope, query, faults);
    }
    definition.visit(&mut |expr| {
        if let Expr::Call { fcn, params, .. } = expr
            && walk::path(fcn).is_some_and(|names| matches!(names.as_slice(), ["time", "clock" | "date" | "weekday"]))
            && let Some(Meaning::Written(Expr::Array { items, .. })) = params.first().map(|moment| scope.meaning(moment))
            && let Some(Meaning::Written(place)) = items.get(1).map(|place| scope.meaning(place))
        {
            zone(place, faults);
        }
    });
}

/// Moments before this one, in nanoseconds, are 1973 and earlier: seconds, milliseconds or microseconds of our days.
const LONG_AGO: u64 = 100_000_000_000_000_000;

/// A moment in another unit.
fn moment(comparison: &Comparison<'_>, faults: &mut Faults<'_>) {
    for literal in &comparison.with {
        if let Expr::Scalar { span, value } = literal
            && value.as_u64().is_ok_and(|moment| (1..LONG_AGO).contains(&moment))
        {
            faults.warn(
                span,
                format!("`{}` is long past: the time of a request is in nanoseconds since 1970", span.text()),
                "write the moment as `time.parse_rfc3339_ns(\"2026-12-31T00:00:00Z\")`",
            );
        }
    }
}

fn is_hour(comparison: &Comparison<'_>) -> bool {
    matches!(&comparison.meaning, Meaning::Answer(BuiltinCall { name, item: Some(0), .. }) if name == "time.clock")
}

/// The literal hour that a comparison is with.
fn limit(comparison: &Comparison<'_>) -> Option<u64> {
    match comparison.with.as_slice() {
        [Expr::Scalar { value, .. }] => value.as_u64().ok(),
        _ => None,
    }
}

fn hour(comparison: &Comparison<'_>, faults: &mut Faults<'_>) {
    let Some(limit) = limit(comparison) else { return };
    let subject = comparison.subject.span().text();
    match comparison.op {
        Op::Equal | Op::Less | Op::AtMost | Op::AtLeast | Op::More if limit > 23 && !(comparison.op == Op::Less && limit == 24) => {
            faults.warn(comparison.span, format!("an hour goes from 0 to 23, and this compares it with {limit}"), "midnight is 0");
        }
        Op::AtMost if limit < 23 => faults.warn(
            comparison.span,
            format!("this includes the whole last hour: it holds until {limit:02}:59:59"),
            format!("write `{subject} < {limit}` to end at {limit:02}:00, or `{subject} < {}` if the last hour is meant", limit + 1),
        ),
        Op::More if limit < 23 => faults.warn(
            comparison.span,
            format!("this leaves out the whole first hour: it holds from {:02}:00", limit + 1),
            format!("write `{subject} >= {limit}` to begin at {limit:02}:00, or `{subject} >= {}` to say it plainly", limit + 1),
        ),
        Op::Equal | Op::NotEqual | Op::Less | Op::AtMost | Op::AtLeast | Op::More | Op::Holds => {}
    }
}

/// Two ends of a window in one body that no hour lies between: a night that was written like a day.
fn window<'m>(scope: &RuleScope<'_, 'm>, query: &'m Query, faults: &mut Faults<'_>) {
    let mut hours: Vec<Comparison<'m>> = Vec::new();
    for statement in &query.stmts {
        if let Literal::Expr { expr, .. } = &statement.literal {
            hours.extend(comparison::of(scope, expr).filter(is_hour));
        }
    }
    let begins = hours.iter().filter_map(|hour| match hour.op {
        Op::AtLeast => limit(hour),
        Op::More => limit(hour).map(|limit| limit + 1),
        Op::Equal | Op::NotEqual | Op::Less | Op::AtMost | Op::Holds => None,
    });
    let ends = hours.iter().filter_map(|hour| match hour.op {
        Op::Less => limit(hour),
        Op::AtMost => limit(hour).map(|limit| limit + 1),
        Op::Equal | Op::NotEqual | Op::AtLeast | Op::More | Op::Holds => None,
    });
    if let (Some(begin), Some(end), Some(last)) = (begins.max(), ends.min(), hours.last())
        && begin >= end
    {
        faults.warn(
            last.span,
            format!("no hour is both from {begin:02}:00 on and before {end:02}:00, so this body never holds"),
            "a window over midnight is two rules: one for the evening, one for the morning",
        );
    }
}

fn weekday(literal: &Expr, faults: &mut Faults<'_>) {
    let Some(text) = walk::literal_text(literal).filter(|text| !WEEKDAYS.contains(text)) else { return };
    let beginning: String = text.trim().chars().take(2).flat_map(char::to_lowercase).collect();
    let meant = WEEKDAYS.iter().find(|day| !beginning.is_empty() && day.to_lowercase().starts_with(&beginning));
    let hint = match meant {
        Some(day) => format!("did you mean `\"{day}\"`?"),
        None => "weekdays are named in English: \"Monday\" to \"Sunday\"".to_owned(),
    };
    faults.warn(literal.span(), format!("no weekday is spelled `\"{text}\"`, so this is never equal"), hint);
}

fn zone(place: &Expr, faults: &mut Faults<'_>) {
    let Some(text) = walk::literal_text(place).filter(|text| !is_zone(text)) else { return };
    let spellings = [text.trim().replace(' ', "_"), capitalised(text), text.to_uppercase()];
    let hint = match spellings.iter().find(|spelling| is_zone(spelling)) {
        Some(meant) => format!("did you mean `\"{meant}\"`?"),
        None => "name it as the tz database does, by its place: \"Europe/Berlin\"; or \"UTC\"".to_owned(),
    };
    faults.warn(place.span(), format!("there is no time zone `\"{text}\"`, so the time is undefined and this never holds"), hint);
}

/// Whether the engine itself knows it.
fn is_zone(name: &str) -> bool {
    let moment = Value::from(vec![Value::from(0_u64), Value::from(name)]);
    builtins::has_answer("time.clock", &[moment])
}

/// `europe/berlin` as the database spells it.
fn capitalised(name: &str) -> String {
    let mut begins = true;
    let capital = |character: char| {
        let shown = if begins { character.to_ascii_uppercase() } else { character.to_ascii_lowercase() };
        begins = !character.is_ascii_alphanumeric();
        if character == ' ' { '_' } else { shown }
    };
    name.trim().chars().map(capital).collect()
}
