//! Builtins that regorus has and that panic, hang or allocate without a bound there, and old ones that it lacks.

use std::collections::BTreeSet;

use anyhow::bail;
use regorus::Value;

use super::function::{Function, Own, items_of_only};
use super::native::theirs;
use super::{format, order};

/// Elements that `numbers.range` makes at most.
const RANGE_MAX: u64 = 100_000;

pub(super) static FUNCTIONS: [Function; 16] = [
    ("count", 1, Own::Partial(count)),
    ("max", 1, Own::Total(|args| sorted(args).and_then(|items| items.last().cloned()).unwrap_or(Value::Undefined))),
    ("min", 1, Own::Total(|args| sorted(args).and_then(|items| items.first().cloned()).unwrap_or(Value::Undefined))),
    ("sort", 1, Own::Total(|args| sorted(args).map_or(Value::Undefined, Value::from))),
    ("numbers.range", 2, Own::Partial(|args| range(args, 1))),
    ("numbers.range_step", 3, Own::Partial(range_step)),
    ("strings.count", 2, Own::Total(strings_count)),
    ("object.subset", 2, Own::Total(object_subset)),
    ("sprintf", 2, Own::Partial(format::sprintf)),
    ("array.flatten", 1, Own::Total(flatten)),
    ("cast_array", 1, Own::Total(cast_array)),
    ("cast_boolean", 1, Own::Total(|args| only(args, |value| matches!(value, Value::Bool(_))))),
    ("cast_null", 1, Own::Total(|args| only(args, |value| matches!(value, Value::Null)))),
    ("any", 1, Own::Total(any)),
    ("all", 1, Own::Total(all)),
    ("set_diff", 2, Own::Total(set_diff)),
];

/// The items of an array or a set, in OPA's order.
fn sorted(args: &[Value]) -> Option<Vec<Value>> {
    let mut items: Vec<Value> = items_of_only(args)?.into_iter().cloned().collect();
    items.sort_by(order::compare);
    Some(items)
}

/// Of a text: its characters, and not its pieces of 16 bits.
fn count(args: &[Value]) -> anyhow::Result<Value> {
    match args {
        [Value::String(text)] => Ok(Value::from(text.chars().count())),
        _ => theirs("count", args),
    }
}

fn range_step(args: &[Value]) -> anyhow::Result<Value> {
    match args {
        [from, to, step] => match step.as_u64() {
            Ok(step) if step > 0 => range(&[from.clone(), to.clone()], step),
            Ok(_) | Err(_) => Ok(Value::Undefined),
        },
        _ => Ok(Value::Undefined),
    }
}

/// From one integer to another, both included, upwards or downwards.
fn range(args: &[Value], step: u64) -> anyhow::Result<Value> {
    let [from, to] = args else { return Ok(Value::Undefined) };
    let (Ok(from), Ok(to)) = (from.as_i64(), to.as_i64()) else { return Ok(Value::Undefined) };
    let steps = from.abs_diff(to) / step;
    if steps >= RANGE_MAX {
        bail!("numbers.range makes at most {RANGE_MAX} numbers");
    }
    let up = from <= to;
    let number = |index: u64| {
        let distance = i128::from(index) * i128::from(step);
        i64::try_from(if up { i128::from(from) + distance } else { i128::from(from) - distance }).map_or(Value::Undefined, Value::from)
    };
    Ok(Value::from((0..=steps).map(number).collect::<Vec<_>>()))
}

fn strings_count(args: &[Value]) -> Value {
    let [Value::String(text), Value::String(part)] = args else { return Value::Undefined };
    let found = if part.is_empty() { text.chars().count() + 1 } else { text.matches(part.as_ref()).count() };
    Value::from(found)
}

/// Whether the second is part of the first: an object's fields (and within them, in the same way), a set's items, an array's run of items,
/// or a set's items in an array.
fn object_subset(args: &[Value]) -> Value {
    match args {
        // Only as the arguments themselves: within them a set is no part of an array.
        [Value::Array(whole), Value::Set(part)] => {
            let whole: BTreeSet<&Value> = whole.iter().collect();
            Value::Bool(part.iter().all(|item| whole.contains(item)))
        }
        [whole, part] => subset(whole, part),
        _ => Value::Undefined,
    }
}

fn subset(whole: &Value, part: &Value) -> Value {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => Value::Bool(part.iter().all(|(key, wanted)| match whole.get(key) {
            None => false,
            Some(found) => match subset(found, wanted) {
                Value::Bool(contained) => contained,
                _ => found == wanted,
            },
        })),
        (Value::Set(whole), Value::Set(part)) => Value::Bool(part.is_subset(whole)),
        (Value::Array(whole), Value::Array(part)) => Value::Bool(has_run(whole.as_slice(), part.as_slice())),
        _ => Value::Undefined,
    }
}

/// Whether `part` stands somewhere in `whole`. By Knuth, Morris and Pratt: looking for it at each place anew would take a time that grows
/// with the product of both lengths, within one call.
fn has_run(whole: &[Value], part: &[Value]) -> bool {
    // For each length of a beginning of the part, the longest other beginning that it ends with.
    let mut borders = vec![0; part.len() + 1];
    let longer = |borders: &[usize], mut length: usize, next: &Value| {
        loop {
            match part.get(length) {
                Some(wanted) if wanted == next => return length + 1,
                _ if length == 0 => return 0,
                _ => length = borders.get(length).copied().unwrap_or(0),
            }
        }
    };
    for (place, item) in part.iter().enumerate().skip(1) {
        let border = longer(&borders, borders.get(place).copied().unwrap_or(0), item);
        if let Some(entry) = borders.get_mut(place + 1) {
            *entry = border;
        }
    }
    let mut found = 0;
    part.is_empty()
        || whole.iter().any(|item| {
            found = longer(&borders, found, item);
            found == part.len()
        })
}

/// Arrays in the array become their items; not those within these.
fn flatten(args: &[Value]) -> Value {
    let [Value::Array(items)] = args else { return Value::Undefined };
    let mut flat = Vec::with_capacity(items.len());
    for item in items.iter() {
        match item {
            Value::Array(items) => flat.extend(items.iter().cloned()),
            other => flat.push(other.clone()),
        }
    }
    Value::from(flat)
}

fn cast_array(args: &[Value]) -> Value {
    match args {
        [Value::Array(_)] => args.first().cloned().unwrap_or(Value::Undefined),
        [Value::Set(items)] => Value::from(items.iter().cloned().collect::<Vec<_>>()),
        _ => Value::Undefined,
    }
}

/// The argument, if it is of that kind.
fn only(args: &[Value], wanted: fn(&Value) -> bool) -> Value {
    args.first().filter(|value| wanted(value)).cloned().unwrap_or(Value::Undefined)
}

fn any(args: &[Value]) -> Value {
    items_of_only(args).map_or(Value::Undefined, |items| Value::Bool(items.into_iter().any(is_true)))
}

fn all(args: &[Value]) -> Value {
    items_of_only(args).map_or(Value::Undefined, |items| Value::Bool(items.into_iter().all(is_true)))
}

fn is_true(value: &Value) -> bool {
    *value == Value::Bool(true)
}

fn set_diff(args: &[Value]) -> Value {
    match args {
        [Value::Set(whole), Value::Set(part)] => whole.difference(part).into_value(),
        _ => Value::Undefined,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(numbers: &[i64]) -> Value {
        Value::from(numbers.iter().copied().map(Value::from).collect::<Vec<_>>())
    }

    #[test]
    fn ranges_never_go_far() {
        for (from, to) in [(1, 1_000_000_000_000), (0, i64::MAX)] {
            assert!(range(&[Value::from(from), Value::from(to)], 1).is_err());
        }
    }

    #[test]
    fn a_run_is_found_wherever_it_begins() {
        let words = |length: u32| (0..3_i64.pow(length)).map(move |n| (0..length).map(|i| n / 3_i64.pow(i) % 3).collect::<Vec<_>>());
        for whole in words(6) {
            for part in (0..=4).flat_map(words) {
                let expected = part.is_empty() || whole.windows(part.len()).any(|run| run == part);
                assert_eq!(object_subset(&[numbers(&whole), numbers(&part)]), Value::Bool(expected), "{part:?} in {whole:?}");
            }
        }
    }
}
