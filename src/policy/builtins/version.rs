//! Semantic versions, as loosely as OPA reads them: `v1.2.3` and `01.2.3` are versions.

use std::cmp::Ordering;

use regorus::Value;

use super::function::{Function, Own};

pub(super) static FUNCTIONS: [Function; 2] = [("semver.is_valid", 1, Own::Total(is_valid)), ("semver.compare", 2, Own::Total(compare))];

struct Version<'a> {
    numbers: [i64; 3],
    pre_release: &'a str,
}

fn is_valid(args: &[Value]) -> Value {
    Value::Bool(matches!(args, [Value::String(text)] if parse(text).is_some()))
}

fn compare(args: &[Value]) -> Value {
    let [Value::String(one), Value::String(other)] = args else { return Value::Undefined };
    let (Some(one), Some(other)) = (parse(one), parse(other)) else { return Value::Undefined };
    let pre_releases = || match (one.pre_release.is_empty(), other.pre_release.is_empty()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => identifiers(one.pre_release, other.pre_release),
    };
    Value::from(one.numbers.cmp(&other.numbers).then_with(pre_releases) as i64)
}

fn parse(text: &str) -> Option<Version<'_>> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let (text, build) = text.split_once('+').unwrap_or((text, ""));
    let (text, pre_release) = text.split_once('-').unwrap_or((text, ""));
    let is_identifier = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
    let mut parts = text.splitn(3, '.').map(|part| part.parse().ok().filter(|_| part.bytes().all(|byte| byte.is_ascii_digit())));
    let numbers = [parts.next()??, parts.next()??, parts.next()??];
    (is_identifier(build) && is_identifier(pre_release)).then_some(Version { numbers, pre_release })
}

/// Part by part: numbers by their value and before words, words by their letters, the shorter first.
fn identifiers(one: &str, other: &str) -> Ordering {
    let (mut ones, mut others) = (one.split('.'), other.split('.'));
    loop {
        let (one, other) = match (ones.next(), others.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(one), Some(other)) => (one, other),
        };
        let order = match (one.parse::<i64>(), other.parse::<i64>()) {
            (Ok(one), Ok(other)) => one.cmp(&other),
            (Ok(_), Err(_)) => Ordering::Less,
            (Err(_), Ok(_)) => Ordering::Greater,
            (Err(_), Err(_)) => one.cmp(other),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}
