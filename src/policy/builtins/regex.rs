//! The builtins that take regular expressions; [`pattern`] says how these are read.

use anyhow::bail;
use regorus::Value;

use super::pattern::{self, Odd};
use super::{Function, Own, own::theirs};

pub(super) static FUNCTIONS: [Function; 7] = [
    ("regex.match", 2, Own::Partial(|args| with_pattern("regex.match", args, 0))),
    ("re_match", 2, Own::Partial(|args| with_pattern("regex.match", args, 0))),
    ("regex.is_valid", 1, Own::Partial(is_valid)),
    ("regex.split", 2, Own::Partial(split)),
    ("regex.replace", 3, Own::Partial(replace)),
    ("regex.find_n", 3, Own::Partial(|args| with_pattern("regex.find_n", args, 0))),
    ("regex.find_all_string_submatch_n", 3, Own::Partial(|args| with_pattern("regex.find_all_string_submatch_n", args, 0))),
];

/// Calls regorus with the pattern at that place in its words.
fn with_pattern(name: &'static str, args: &[Value], place: usize) -> anyhow::Result<Value> {
    let Some(Value::String(pattern)) = args.get(place) else { return Ok(Value::Undefined) };
    let translated = match pattern::translate(pattern) {
        Ok(translated) => translated,
        Err(Odd::Wrong) => return Ok(Value::Undefined),
        Err(Odd::NotTaken(what)) => bail!("a pattern has {what}, which is not taken here"),
    };
    let mut args = args.to_vec();
    if let Some(pattern) = args.get_mut(place) {
        *pattern = Value::from(translated);
    }
    theirs(name, &args)
}

fn is_valid(args: &[Value]) -> anyhow::Result<Value> {
    match args {
        [Value::String(pattern)] => match pattern::translate(pattern) {
            Err(Odd::Wrong) => Ok(Value::Bool(false)),
            Ok(_) | Err(Odd::NotTaken(_)) => with_pattern("regex.is_valid", args, 0),
        },
        _ => Ok(Value::Bool(false)),
    }
}

/// Where a match is empty, Go splits in a way of its own.
fn split(args: &[Value]) -> anyhow::Result<Value> {
    let [pattern, text] = args else { return Ok(Value::Undefined) };
    let found = with_pattern("regex.find_n", &[pattern.clone(), text.clone(), Value::from(-1)], 0)?;
    if found.as_array().is_ok_and(|found| found.contains(&Value::from(""))) {
        bail!("regex.split takes no pattern that matches nothing");
    }
    with_pattern("regex.split", args, 0)
}

fn replace(args: &[Value]) -> anyhow::Result<Value> {
    match args {
        [text, pattern, Value::String(template)] => {
            with_pattern("regex.replace", &[text.clone(), pattern.clone(), Value::from(expansion(template))], 1)
        }
        _ => Ok(Value::Undefined),
    }
}

/// A template in the words of regorus: a dollar that is not before a name is a dollar.
fn expansion(template: &str) -> String {
    let is_name = |character: char| character == '_' || character.is_alphanumeric();
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        rest = after;
        let (name, length) = if let Some(braced) = after.strip_prefix('{') {
            braced.split_once('}').map_or(("", 0), |(name, _)| (name, name.len() + 2))
        } else {
            let length = after.find(|character| !is_name(character)).unwrap_or(after.len());
            (after.get(..length).unwrap_or_default(), length)
        };
        if let Some(after) = after.strip_prefix('$') {
            out.push_str("$$");
            rest = after;
        } else if name.is_empty() || !name.chars().all(is_name) {
            out.push_str("$$");
        } else {
            let piece = format!("${{{name}}}");
            out.push_str(&piece);
            rest = after.get(length..).unwrap_or_default();
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dollar_without_a_name_is_a_dollar() {
        for (template, expected) in
            [("$1x", "${1x}"), ("${1}x", "${1}x"), ("$", "$$"), ("$ 1", "$$ 1"), ("$$1", "$$1"), ("${a-b}", "$${a-b}"), ("${", "$${")]
        {
            assert_eq!(expansion(template), expected, "{template}");
        }
    }

    #[test]
    fn a_pattern_that_is_none_is_undefined() {
        assert_eq!(with_pattern("regex.match", &[Value::from("["), Value::from("x")], 0).unwrap(), Value::Undefined);
        assert!(with_pattern("regex.match", &[Value::from("\\B"), Value::from("x")], 0).is_err());
        assert_eq!(is_valid(&[Value::from("(?=a)")]).unwrap(), Value::Bool(false));
    }
}
