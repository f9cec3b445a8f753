//! Builtins whose result can be much larger than their arguments, or that take their time over small ones: charged for before they run.

use anyhow::bail;
use regorus::Value;

use super::budget;
use super::function::length;
use super::written_number::TO_NUMBER;

/// The widest field that `sprintf` pads to.
const WIDTH_MAX: usize = 999;
/// The furthest shift, in bits.
const SHIFT_MAX: u64 = 4096;
/// Digits in the exponent of a number given as text.
const EXPONENT_MAX: usize = 3;
/// What a piece of a split text takes: a value, a counter, an allocation.
const PIECE: usize = 64;

/// Charges for the call, or refuses it.
pub(super) fn check(name: &str, args: &[Value]) -> anyhow::Result<()> {
    let text = |index: usize| args.get(index).and_then(|value| value.as_string().ok()).map_or("", |text| text.as_ref());
    let items = |index: usize| args.get(index).and_then(length).unwrap_or(0);
    let bytes = match name {
        "concat" => text(0).len().saturating_mul(items(1)),
        "replace" => replaced(text(0).len(), text(1), text(2)),
        "strings.replace_n" => all_replaced(args.first(), text(1).len()),
        "regex.replace" => (text(0).len() + 1).saturating_mul(text(2).len() + 1),
        "split" | "indexof_n" => text(0).len().saturating_mul(PIECE),
        "regex.split" | "regex.find_n" => text(1).len().saturating_mul(PIECE),
        "regex.find_all_string_submatch_n" => text(1).len().saturating_mul(PIECE).saturating_mul(1 + text(0).matches('(').count()),
        "regex.template_match" | "glob.match" | "glob.quote_meta" => text(0).len().saturating_mul(8),
        "json.marshal" | "sprintf" => {
            if name == "sprintf" {
                check_format(text(0))?;
            }
            // Once for the text, once for the pieces that it is put together from; and each verb may pad.
            budget::size(args, usize::MAX).saturating_mul(2).saturating_add(text(0).matches('%').count().saturating_mul(WIDTH_MAX))
        }
        "json.marshal_with_options" => match args {
            [value, options] => {
                let margin = budget::size(std::slice::from_ref(options), usize::MAX);
                // Each part may stand in a line of its own, indented as deep as it is.
                budget::size(std::slice::from_ref(value), usize::MAX).saturating_mul(margin.saturating_mul(depth(value)) / PIECE + 2)
            }
            _ => 0,
        },
        "bits.lsh" => match args.get(1).map(Value::as_u64) {
            Some(Ok(shift)) if shift > SHIFT_MAX => bail!("bits.lsh shifts by more than {SHIFT_MAX} bits"),
            Some(_) | None => 0,
        },
        "to_number" | TO_NUMBER => {
            let exponent = text(0).rsplit(['e', 'E']).next().filter(|digits| digits.len() < text(0).len()).unwrap_or_default();
            if exponent.bytes().filter(u8::is_ascii_digit).count() > EXPONENT_MAX || text(0).len() > 1024 {
                bail!("to_number takes no number of that size");
            }
            0
        }
        "product" => items(0).saturating_mul(PIECE),
        _ => 0,
    };
    budget::charge(bytes)?;
    Ok(())
}

/// How deep a value is, which is not deeper than a builtin may be given.
fn depth(value: &Value) -> usize {
    let below = match value {
        Value::Array(items) => items.iter().map(depth).max(),
        Value::Set(items) => items.iter().map(depth).max(),
        Value::Object(items) => items.iter().map(|(key, item)| depth(key).max(depth(item))).max(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Undefined => None,
    };
    1 + below.unwrap_or(0)
}

/// The most that replacing one text in another can give.
fn replaced(length: usize, old: &str, new: &str) -> usize {
    match old.len() {
        0 => length.saturating_add((length + 1).saturating_mul(new.len())),
        old_length if new.len() <= old_length => length,
        old_length => length.saturating_add((length / old_length).saturating_mul(new.len() - old_length)),
    }
}

/// The most that replacing one after the other can give.
fn all_replaced(patterns: Option<&Value>, length: usize) -> usize {
    let Some(Value::Object(patterns)) = patterns else { return length };
    patterns.iter().fold(length, |length, (old, new)| match (old, new) {
        (Value::String(old), Value::String(new)) => replaced(length, old, new),
        _ => length,
    })
}

/// Refuses widths that fill the memory, and digits that the builtin takes for digits and cannot read.
fn check_format(format: &str) -> anyhow::Result<()> {
    for after in format.split('%').skip(1) {
        let width: String = after.chars().take_while(|c| c.is_numeric() || *c == '.').collect();
        if !width.is_ascii() || width.trim_start_matches(['0', '.']).len() > 3 {
            bail!("sprintf pads to at most {WIDTH_MAX} characters");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(name: &str, args: &[Value]) -> anyhow::Result<()> {
        budget::start(1 << 20);
        check(name, args)
    }

    #[test]
    fn what_would_outgrow_the_budget_is_refused_before_it_runs() {
        let long = Value::from("a".repeat(2000));
        assert!(call("replace", &[long.clone(), Value::from("a"), long.clone()]).is_err());
        assert!(call("replace", &[long.clone(), Value::from(""), long.clone()]).is_err());
        assert!(call("regex.replace", &[long.clone(), Value::from("a"), long.clone()]).is_err());
        assert!(call("sprintf", &[Value::from("%0999999999d"), Value::from(vec![Value::from(1)])]).is_err());
        assert!(call("sprintf", &[Value::from("%\u{b2}d"), Value::from(vec![Value::from(1)])]).is_err());
        assert!(call("bits.lsh", &[Value::from(1), Value::from(1_000_000_000)]).is_err());
        assert!(call("to_number", &[Value::from("1e99999999")]).is_err());
        assert!(super::super::written_number::parse("1e99999999").is_err());
        let nested = (0..12).fold(Value::from(1), |value, _| Value::from(vec![value.clone(), value]));
        let options = Value::from(std::collections::BTreeMap::from([(Value::from("indent"), Value::from(" ".repeat(200)))]));
        assert!(call("json.marshal_with_options", &[nested, options]).is_err());
        assert!(call("split", &[Value::from("a".repeat(1 << 19)), Value::from("")]).is_err());
    }

    #[test]
    fn ordinary_calls_pass() {
        assert!(call("replace", &[Value::from("a-b-c"), Value::from("-"), Value::from("_")]).is_ok());
        assert!(call("sprintf", &[Value::from("%s is %5d%%"), Value::from(vec![Value::from("x"), Value::from(1)])]).is_ok());
        assert!(call("to_number", &[Value::from("-12.5e3")]).is_ok());
        assert!(call("split", &[Value::from("a.b"), Value::from(".")]).is_ok());
        let options = Value::from(std::collections::BTreeMap::from([(Value::from("indent"), Value::from("  "))]));
        assert!(call("json.marshal_with_options", &[Value::from(vec![Value::from(1); 100]), options]).is_ok());
    }
}
