//! JSON as Go writes and reads it.

use std::collections::BTreeMap;

use anyhow::bail;
use regorus::Value;

use super::{Function, Own, budget, number, own::theirs};

pub(super) static FUNCTIONS: [Function; 6] = [
    ("json.marshal", 1, Own::Partial(|args| marshal("json.marshal", args))),
    ("json.marshal_with_options", 2, Own::Partial(|args| marshal("json.marshal_with_options", args))),
    ("json.unmarshal", 1, Own::Partial(unmarshal)),
    ("json.is_valid", 1, Own::Partial(is_valid)),
    ("json.filter", 2, Own::Partial(|args| at_paths("json.filter", args))),
    ("json.remove", 2, Own::Partial(|args| at_paths("json.remove", args))),
];

/// What a browser could take for a tag or for the end of a line is written by its number. It can only stand in strings.
fn marshal(name: &'static str, args: &[Value]) -> anyhow::Result<Value> {
    if args.first().is_some_and(has_large_number) {
        bail!("{name} takes no number of more than 64 bits");
    }
    let written = theirs(name, args)?;
    let Value::String(text) = &written else { return Ok(written) };
    // The prefix and the indent are written as they are.
    let given = |key: &str| args.get(1).and_then(|options| options.as_object().ok()?.get(&Value::from(key))?.as_string().ok());
    let special = ['<', '>', '&', '\u{2028}', '\u{2029}'];
    if ["prefix", "indent"].iter().any(|key| given(key).is_some_and(|text| text.contains(special))) {
        bail!("{name} takes no prefix or indent with `<`, `>` or `&`");
    }
    if !text.contains(special) {
        return Ok(written);
    }
    let mut out = String::with_capacity(text.len() + 64);
    for character in text.chars() {
        if special.contains(&character) {
            budget::charge(6)?;
            let piece = format!("\\u{:04x}", u32::from(character));
            out.push_str(&piece);
        } else {
            out.push(character);
        }
    }
    Ok(Value::from(out))
}

/// Regorus loses the last digits of these.
fn has_large_number(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_integer() && number.as_i64().is_none() && number.as_u64().is_none(),
        Value::Array(items) => items.iter().any(has_large_number),
        Value::Set(items) => items.iter().any(has_large_number),
        Value::Object(fields) => fields.iter().any(|(key, value)| has_large_number(key) || has_large_number(value)),
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Undefined => false,
    }
}

fn unmarshal(args: &[Value]) -> anyhow::Result<Value> {
    let [Value::String(text)] = args else { return Ok(Value::Undefined) };
    budget::charge(text.len().saturating_mul(16))?;
    match serde_json::from_str(text) {
        Ok(json) => of_json(&json),
        Err(_) => unreadable("json.unmarshal", text).map(|()| Value::Undefined),
    }
}

fn is_valid(args: &[Value]) -> anyhow::Result<Value> {
    let [Value::String(text)] = args else { return Ok(Value::Bool(false)) };
    let valid = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    if !valid {
        unreadable("json.is_valid", text)?;
    }
    Ok(Value::Bool(valid))
}

/// What Go reads and we do not: halves of characters, and numbers and nesting beyond all measure.
fn unreadable(name: &str, text: &str) -> anyhow::Result<()> {
    let number_too_large = |text: &str| text.contains(['e', 'E']) && text.bytes().any(|byte| byte.is_ascii_digit());
    if text.contains("\\ud") || text.contains("\\uD") || number_too_large(text) || text.matches(['[', '{']).count() > 100 {
        bail!("{name} cannot tell whether OPA would read this text");
    }
    Ok(())
}

/// The depth is `serde_json`'s affair: it reads at most 128 levels.
fn of_json(json: &serde_json::Value) -> anyhow::Result<Value> {
    use serde_json::Value as Json;
    Ok(match json {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Bool(*flag),
        Json::String(text) => Value::String(text.as_str().into()),
        Json::Number(number) => number::parse(&number.to_string())?,
        Json::Array(items) => Value::from(items.iter().map(of_json).collect::<anyhow::Result<Vec<_>>>()?),
        Json::Object(fields) => Value::from(
            fields
                .iter()
                .map(|(name, value)| Ok((Value::String(name.as_str().into()), of_json(value)?)))
                .collect::<anyhow::Result<BTreeMap<_, _>>>()?,
        ),
    })
}

/// Paths as texts are JSON pointers: they may begin with a slash, and write `~1` for a slash and `~0` for a tilde.
fn at_paths(name: &'static str, args: &[Value]) -> anyhow::Result<Value> {
    let [document, paths] = args else { return Ok(Value::Undefined) };
    let plain = |path: &Value| match path {
        Value::String(path) => {
            let steps = path.trim_start_matches('/').split('/').map(|step| Value::from(step.replace("~1", "/").replace("~0", "~")));
            Value::from(steps.collect::<Vec<_>>())
        }
        other => other.clone(),
    };
    let paths = match paths {
        Value::Array(paths) => Value::from(paths.iter().map(plain).collect::<Vec<_>>()),
        Value::Set(paths) => Value::from(paths.iter().map(plain).collect::<std::collections::BTreeSet<_>>()),
        other => other.clone(),
    };
    theirs(name, &[document.clone(), paths])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_read_without_the_door_for_numbers_of_any_size() {
        let read = |text: &str| unmarshal(&[Value::from(text)]);
        assert_eq!(read("[1, -2]").unwrap(), Value::from(vec![Value::from(1_u64), Value::from(-2_i64)]));
        assert!(read(r#"{"x":{"$serde_json::private::Number":"1e99999999"}}"#).unwrap().as_object().is_ok());
        assert_eq!(read("{").unwrap(), Value::Undefined);
        assert!(read("1.5").is_err());
        assert!(read("1e400").is_err());
    }

    #[test]
    fn tags_are_written_by_their_numbers() {
        budget::start(1 << 20);
        assert_eq!(marshal("json.marshal", &[Value::from("<&\u{2028}")]).unwrap(), Value::from("\"\\u003c\\u0026\\u2028\""));
    }
}
