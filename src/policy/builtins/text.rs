//! Texts, where regorus and OPA do not say the same of them.

use std::collections::BTreeMap;

use anyhow::bail;
use regorus::Value;

use super::function::{Function, Own};
use super::native::theirs;

pub(super) static FUNCTIONS: [Function; 6] = [
    ("lower", 1, Own::Total(|args| mapped(args, lower))),
    ("upper", 1, Own::Total(|args| mapped(args, upper))),
    ("indexof", 2, Own::Partial(|args| unless_empty("indexof", args))),
    ("indexof_n", 2, Own::Partial(|args| unless_empty("indexof_n", args))),
    ("substring", 3, Own::Partial(substring)),
    ("strings.replace_n", 2, Own::Partial(replace_n)),
];

fn mapped(args: &[Value], map: fn(char) -> char) -> Value {
    match args {
        [Value::String(text)] => Value::from(text.chars().map(map).collect::<String>()),
        _ => Value::Undefined,
    }
}

/// A character for a character, as Unicode's plain table has it: OPA knows neither `ß` as `SS` nor the final sigma.
fn lower(character: char) -> char {
    // The only one that becomes two is `İ`, an `i` with a dot above.
    character.to_lowercase().next().unwrap_or(character)
}

/// The same. The letters with an iota below have a capital of their own, beside the two that the full table gives.
fn upper(character: char) -> char {
    let mut letters = character.to_uppercase();
    match (letters.next(), letters.next(), character) {
        (Some(letter), None, _) => letter,
        (_, _, 'ᾀ'..='ᾇ' | 'ᾐ'..='ᾗ' | 'ᾠ'..='ᾧ') => char::from_u32(u32::from(character) + 8).unwrap_or(character),
        (_, _, 'ᾳ' | 'ῃ' | 'ῳ') => char::from_u32(u32::from(character) + 9).unwrap_or(character),
        _ => character,
    }
}

/// Where nothing is looked for, nothing is found.
fn unless_empty(name: &'static str, args: &[Value]) -> anyhow::Result<Value> {
    match args {
        [_, Value::String(part)] if part.is_empty() => Ok(Value::Undefined),
        _ => theirs(name, args),
    }
}

fn substring(args: &[Value]) -> anyhow::Result<Value> {
    match args {
        [_, from, length] if from.as_i64().is_ok() && length.as_i64().is_ok() => theirs("substring", args),
        _ => Ok(Value::Undefined),
    }
}

/// Goes through the text once; where several texts could be replaced, the first of them in order is.
fn replace_n(args: &[Value]) -> anyhow::Result<Value> {
    let [Value::Object(patterns), Value::String(text)] = args else { return Ok(Value::Undefined) };
    let mut replacements = BTreeMap::new();
    for (old, new) in patterns.iter() {
        let (Value::String(old), Value::String(new)) = (old, new) else { return Ok(Value::Undefined) };
        if old.is_empty() {
            bail!("strings.replace_n takes no empty text to be replaced");
        }
        replacements.insert(old.as_ref(), new.as_ref());
    }
    let mut out = String::with_capacity(text.len());
    let mut rest: &str = text;
    while let Some(character) = rest.chars().next() {
        if let Some((old, new)) = replacements.iter().find(|(old, _)| rest.starts_with(**old)) {
            out.push_str(new);
            rest = rest.get(old.len()..).unwrap_or_default();
        } else {
            out.push(character);
            rest = rest.get(character.len_utf8()..).unwrap_or_default();
        }
    }
    Ok(Value::from(out))
}
