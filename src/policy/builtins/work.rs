//! Builtins that may go on for long over arguments of a size that is allowed: refused before they run.
//!
//! The interpreter looks at the clock between calls and not inside of one, so a single call must be short whatever it is given. What is
//! estimated here is the worst that the builtin can make of its arguments, which for names, groups and addresses is far from any bound.

use anyhow::bail;
use regorus::Value;

use super::budget;
use super::function::{items_of, length};

/// The longest pattern, in bytes. Compiled ones are kept, by their text.
const PATTERN_MAX: usize = 4096;
/// States of a compiled pattern: regorus refuses those that take more than 100 KiB.
const STATES_MAX: usize = 3000;
/// Delimiters of a glob.
const DELIMITERS_MAX: usize = 16;
/// Parts of a path into an object: as deep an object is made of it.
const PATH_MAX: usize = 1000;

/// Refuses a call that would take too long.
pub(super) fn check(name: &str, args: &[Value]) -> anyhow::Result<()> {
    let text = |index: usize| args.get(index).and_then(|value| value.as_string().ok()).map_or("", |text| text.as_ref());
    let steps = match name {
        "regex.is_valid" | "glob.quote_meta" => states(text(0))?,
        "regex.match" | "regex.template_match" => text(1).len().saturating_mul(states(text(0))?),
        // Each match begins the search anew, and each search may look at all that is left.
        "regex.split" | "regex.find_n" | "regex.find_all_string_submatch_n" => squared(text(1)).saturating_mul(states(text(0))?),
        "regex.replace" => squared(text(0)).saturating_mul(states(text(1))?),
        "glob.match" => {
            if args.get(1).is_some_and(|delimiters| count(delimiters) > DELIMITERS_MAX) {
                bail!("glob.match takes at most {DELIMITERS_MAX} delimiters");
            }
            text(2).len().saturating_mul(states(text(0))?)
        }
        "trim" | "trim_left" | "trim_right" | "indexof" | "indexof_n" => text(0).len().saturating_mul(text(1).len()),
        "strings.any_prefix_match" | "strings.any_suffix_match" => match args {
            [searched, parts] => budget::size(std::slice::from_ref(searched), usize::MAX).saturating_mul(count(parts)),
            _ => 0,
        },
        "strings.replace_n" => match args {
            [patterns, text] => {
                let length = budget::size(std::slice::from_ref(text), usize::MAX);
                length.saturating_add(budget::size(std::slice::from_ref(patterns), usize::MAX)).saturating_mul(count(patterns))
            }
            _ => 0,
        },
        // The product grows with each factor, and is gone through for each.
        "product" => budget::size(args, usize::MAX).saturating_mul(args.first().map_or(0, count)) / 8,
        "json.filter" | "json.remove" | "object.get" => {
            paths(args.get(1))?;
            0
        }
        "json.patch" => match args {
            [document, patches] => patched(document, patches)?,
            _ => 0,
        },
        _ => 0,
    };
    budget::work(steps)?;
    Ok(())
}

/// The most states that a pattern can have, each of which may have to be looked at for each byte of a text.
fn states(pattern: &str) -> anyhow::Result<usize> {
    if pattern.len() > PATTERN_MAX {
        bail!("a pattern has at most {PATTERN_MAX} bytes");
    }
    let repeated = pattern.contains(['{', '\\']) || pattern.contains("(?");
    Ok(if repeated { STATES_MAX } else { (pattern.len() + 1).saturating_mul(8).min(STATES_MAX) })
}

fn squared(text: &str) -> usize {
    text.len().saturating_mul(text.len())
}

fn count(value: &Value) -> usize {
    length(value).unwrap_or(1)
}

/// Refuses paths that are too long, and those whose parts regorus would take for numbers without an end.
fn paths(paths: Option<&Value>) -> anyhow::Result<()> {
    for path in paths.and_then(items_of).unwrap_or_default() {
        let parts: Vec<&str> = match path {
            Value::String(path) => path.split('/').take(PATH_MAX + 1).collect(),
            Value::Array(parts) => parts.iter().map(|part| part.as_string().map_or("", |part| part.as_ref())).collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Set(_) | Value::Object(_) | Value::Undefined => Vec::new(),
        };
        if parts.len() > PATH_MAX {
            bail!("a path has at most {PATH_MAX} parts");
        }
        // A part that stands for a place in an array is read as JSON.
        if parts.iter().any(|part| part.contains("$serde_json")) {
            bail!("a path is made of names and numbers");
        }
    }
    Ok(())
}

/// What patches may come to: each may move all that there is, and each copy may double it.
fn patched(document: &Value, patches: &Value) -> anyhow::Result<usize> {
    let is_copy = |patch: &&Value| patch["op"] == Value::from("copy");
    let doublings = patches.as_array().map_or(0, |patches| patches.iter().filter(is_copy).count());
    let factor = u32::try_from(doublings).ok().and_then(|doublings| 1_usize.checked_shl(doublings)).unwrap_or(usize::MAX);
    let size = budget::size(&[document.clone(), patches.clone()], usize::MAX).saturating_mul(factor);
    budget::charge(size)?;
    Ok(size.saturating_mul(count(patches)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(name: &str, args: &[Value]) -> anyhow::Result<()> {
        budget::start(16 << 20);
        check(name, args)
    }

    fn texts(count: usize, length: usize) -> Value {
        Value::from((0..count).map(|n| Value::from(format!("{n:0length$}"))).collect::<Vec<_>>())
    }

    #[test]
    fn what_would_go_on_for_long_is_refused_before_it_runs() {
        let long = Value::from("a".repeat(1 << 20));
        let pattern = Value::from("(a|b|ab)*(a|b){200}c");
        for (name, args) in [
            ("regex.match", vec![pattern.clone(), long.clone()]),
            ("regex.find_n", vec![Value::from("a.*[^a]|a"), Value::from("a".repeat(10_000)), Value::from(-1)]),
            ("regex.replace", vec![Value::from("a".repeat(10_000)), Value::from("a.*[^a]|a"), Value::from("")]),
            ("regex.is_valid", vec![long.clone()]),
            ("glob.match", vec![Value::from("*a*b*c*d*e"), Value::Null, long.clone()]),
            ("glob.match", vec![Value::from("a"), texts(100, 1), Value::from("a")]),
            ("trim", vec![long.clone(), long.clone()]),
            ("indexof_n", vec![long.clone(), long.clone()]),
            ("strings.any_prefix_match", vec![texts(100, 1000), texts(10_000, 1000)]),
            ("json.filter", vec![Value::new_object(), Value::from(vec![Value::from("/".repeat(10_000))])]),
            ("json.remove", vec![Value::new_object(), Value::from(vec![texts(10_000, 1)])]),
            ("json.filter", vec![Value::new_object(), Value::from(vec![Value::from("a/{\"$serde_json::private::Number\":\"1e9\"}")])]),
            ("product", vec![Value::from(vec![Value::from(i64::MAX); 10_000])]),
        ] {
            assert!(call(name, &args).is_err(), "{name}");
        }
    }

    #[test]
    fn copies_of_copies_are_refused() {
        let patches = |copies: usize| {
            let patch = r#"{"op": "copy", "from": "/a", "path": "/a/b"}"#;
            Value::from_json_str(&format!("[{}]", vec![patch; copies].join(","))).unwrap()
        };
        let document = Value::from_json_str(r#"{"a": {}}"#).unwrap();
        assert!(call("json.patch", &[document.clone(), patches(3)]).is_ok());
        assert!(call("json.patch", &[document, patches(60)]).is_err());
    }

    #[test]
    fn names_groups_and_addresses_are_far_from_any_bound() {
        let name = Value::from("n".repeat(128));
        for (name, args) in [
            ("regex.match", vec![Value::from(r"^[\w.-]{3,40}-(prod|staging)$"), name.clone()]),
            ("regex.replace", vec![name.clone(), Value::from("-[0-9]+$"), Value::from("")]),
            ("regex.split", vec![Value::from("[-_.]"), name.clone()]),
            ("regex.find_n", vec![Value::from(r"\d{1,3}"), name.clone(), Value::from(-1)]),
            ("glob.match", vec![Value::from("*-{prod,staging}"), texts(2, 1), name.clone()]),
            ("trim", vec![name.clone(), Value::from("-_. ")]),
            ("strings.any_prefix_match", vec![name.clone(), texts(1000, 128)]),
            ("strings.replace_n", vec![Value::from_json_str(r#"{"a": "b", "c": "d"}"#).unwrap(), name]),
            ("product", vec![Value::from(vec![Value::from(7); 100])]),
            ("json.filter", vec![Value::new_object(), Value::from(vec![Value::from("a/b/0")])]),
        ] {
            assert!(call(name, &args).is_ok(), "{name}: {args:?}");
        }
    }
}
