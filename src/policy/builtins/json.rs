//! JSON as Go writes and reads it, and what is at paths in a document.

#![expect(clippy::format_push_string, reason = "the pieces are short and rare")]

use std::collections::{BTreeMap, BTreeSet};

use anyhow::bail;
use regorus::Value;

use super::function::{Function, Own, items_of};
use super::{budget, order, written_number};

pub(super) static FUNCTIONS: [Function; 6] = [
    ("json.marshal", 1, Own::Partial(marshal)),
    ("json.marshal_with_options", 2, Own::Partial(marshal_with_options)),
    ("json.unmarshal", 1, Own::Partial(unmarshal)),
    ("json.is_valid", 1, Own::Partial(is_valid)),
    ("json.filter", 2, Own::Total(|args| at_paths(args, filtered))),
    ("json.remove", 2, Own::Total(|args| at_paths(args, removed))),
];

fn marshal(args: &[Value]) -> anyhow::Result<Value> {
    let [value] = args else { return Ok(Value::Undefined) };
    let mut out = String::new();
    write(value, None, &mut out)?;
    Ok(Value::from(out))
}

/// The line that a part begins with, where each has a line of its own: after the prefix, it is indented once more for each level.
struct Margin<'a> {
    line: String,
    indent: &'a str,
}

fn marshal_with_options(args: &[Value]) -> anyhow::Result<Value> {
    let [value, Value::Object(options)] = args else { return Ok(Value::Undefined) };
    let (mut prefix, mut indent, mut pretty) = ("", None, None);
    for (option, given) in options.iter() {
        match (option.as_string().map(AsRef::as_ref).unwrap_or_default(), given) {
            ("prefix", Value::String(text)) => prefix = text.as_ref(),
            ("indent", Value::String(text)) => indent = Some(text.as_ref()),
            ("pretty", Value::Bool(flag)) => pretty = Some(*flag),
            _ => return Ok(Value::Undefined),
        }
    }
    if !pretty.unwrap_or(options.iter().next().is_some()) {
        return marshal(std::slice::from_ref(value));
    }
    let mut out = prefix.to_owned();
    write(value, Some(&Margin { line: format!("\n{prefix}"), indent: indent.unwrap_or("\t") }), &mut out)?;
    Ok(Value::from(out))
}

/// Each part is charged for before it is written.
fn write(value: &Value, margin: Option<&Margin<'_>>, out: &mut String) -> anyhow::Result<()> {
    let inner = margin.map(|margin| Margin { line: format!("{}{}", margin.line, margin.indent), indent: margin.indent });
    let begins = |index: usize, out: &mut String| {
        out.push_str(if index > 0 { "," } else { "" });
        let line = inner.as_ref().map_or("", |margin| &margin.line);
        out.push_str(line);
        budget::charge(line.len())
    };
    let ends = |mark: char, out: &mut String| {
        out.push_str(margin.map_or("", |margin| &margin.line));
        out.push(mark);
    };
    let listed = |items: &[&Value], out: &mut String| -> anyhow::Result<()> {
        out.push('[');
        for (index, item) in items.iter().enumerate() {
            begins(index, out)?;
            write(item, inner.as_ref(), out)?;
        }
        if items.is_empty() {
            out.push(']');
        } else {
            ends(']', out);
        }
        Ok(())
    };
    match value {
        Value::Null | Value::Undefined => out.push_str("null"),
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => out.push_str(&number.format_decimal()),
        Value::String(text) => write_text(text, out)?,
        Value::Array(items) => listed(&items.iter().collect::<Vec<_>>(), out)?,
        Value::Set(items) => listed(&order::items(items.iter_sorted()).collect::<Vec<_>>(), out)?,
        Value::Object(fields) => {
            // A name that is none is one in JSON; they are in the order of their letters.
            let mut named = BTreeMap::new();
            for (key, value) in fields.iter() {
                let mut name = String::new();
                match key {
                    Value::String(text) => name.push_str(text),
                    key => write(key, None, &mut name)?,
                }
                named.insert(name, value);
            }
            out.push('{');
            for (index, (name, value)) in named.iter().enumerate() {
                begins(index, out)?;
                write_text(name, out)?;
                out.push_str(if margin.is_some() { ": " } else { ":" });
                write(value, inner.as_ref(), out)?;
            }
            if named.is_empty() { out.push('}') } else { ends('}', out) }
        }
    }
    Ok(())
}

/// What a browser could take for a tag or for the end of a line is written by its number.
fn write_text(text: &str, out: &mut String) -> anyhow::Result<()> {
    budget::charge(text.len().saturating_mul(6))?;
    out.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..' ' => out.push_str(&format!("\\u{:04x}", u32::from(character))),
            _ => out.push(character),
        }
    }
    out.push('"');
    Ok(())
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
        Json::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => Value::from(number),
            (None, Some(number)) => Value::from(number),
            (None, None) => return written_number::odd(&number.to_string()),
        },
        Json::Array(items) => Value::from(items.iter().map(of_json).collect::<anyhow::Result<Vec<_>>>()?),
        Json::Object(fields) => Value::from(
            fields
                .iter()
                .map(|(name, value)| Ok((Value::String(name.as_str().into()), of_json(value)?)))
                .collect::<anyhow::Result<BTreeMap<_, _>>>()?,
        ),
    })
}

/// What paths lead to: with no more steps, all that is there.
#[derive(Default)]
struct Paths(BTreeMap<Value, Option<Paths>>);

impl Paths {
    /// Texts are JSON pointers: they may begin with a slash, and write `~1` for a slash and `~0` for a tilde. Nothing is at an empty path.
    fn of(paths: &Value) -> Option<Self> {
        let mut tree = Self::default();
        for path in items_of(paths)? {
            let steps: Vec<Value> = match path {
                Value::String(path) if path.is_empty() => Vec::new(),
                Value::String(path) => {
                    let steps = path.trim_start_matches('/').split('/');
                    steps.map(|step| Value::from(step.replace("~1", "/").replace("~0", "~"))).collect()
                }
                Value::Array(steps) => steps.to_vec(),
                _ => return None,
            };
            tree.insert(&steps);
        }
        Some(tree)
    }

    fn insert(&mut self, steps: &[Value]) {
        match steps {
            [] => {}
            [last] => drop(self.0.insert(last.clone(), None)),
            [step, rest @ ..] => {
                if let Some(below) = self.0.entry(step.clone()).or_insert_with(|| Some(Self::default())) {
                    below.insert(rest);
                }
            }
        }
    }
}

fn at_paths(args: &[Value], function: fn(&Value, &Paths) -> Value) -> Value {
    match args {
        [document @ Value::Object(_), paths] => Paths::of(paths).map_or(Value::Undefined, |paths| function(document, &paths)),
        _ => Value::Undefined,
    }
}

/// What is at the paths, and nothing else. What has no parts is all there.
fn filtered(value: &Value, paths: &Paths) -> Value {
    parts(value, &|step, part| Some(paths.0.get(step)?.as_ref().map_or_else(|| part.clone(), |below| filtered(part, below))))
}

/// What is not at the paths.
fn removed(value: &Value, paths: &Paths) -> Value {
    parts(value, &|step, part| match paths.0.get(step) {
        None => Some(part.clone()),
        Some(None) => None,
        Some(Some(below)) => Some(removed(part, below)),
    })
}

/// A collection with what is made of its parts, each by its key, by itself, or by its place, which is a text in paths.
fn parts(value: &Value, made: &dyn Fn(&Value, &Value) -> Option<Value>) -> Value {
    match value {
        Value::Array(items) => {
            let made = |(place, item): (usize, &Value)| made(&Value::from(place.to_string()), item);
            Value::from(items.iter().enumerate().filter_map(made).collect::<Vec<_>>())
        }
        Value::Set(items) => Value::from(items.iter().filter_map(|item| made(item, item)).collect::<BTreeSet<_>>()),
        Value::Object(fields) => {
            Value::from(fields.iter().filter_map(|(key, value)| Some((key.clone(), made(key, value)?))).collect::<BTreeMap<_, _>>())
        }
        scalar => scalar.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_outgrow_the_budget_is_not_written() {
        budget::start(1 << 20);
        let nested = (0..12).fold(Value::from(1), |value, _| Value::from(vec![value.clone(), value]));
        let options = Value::from(BTreeMap::from([(Value::from("indent"), Value::from(" ".repeat(200)))]));
        assert!(marshal_with_options(&[nested, options.clone()]).is_err());
        budget::start(1 << 20);
        assert!(marshal_with_options(&[Value::from(vec![Value::from(1); 100]), options]).is_ok());
    }
}
