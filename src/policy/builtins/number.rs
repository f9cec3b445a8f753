//! Numbers that a policy computes with are whole.
//!
//! OPA computes with decimal fractions of 64 bits, `0.1 + 0.2 == 0.3`, and keeps a number as it is written, `1.0`; here there is neither. The
//! checks refuse such numbers where a policy writes them, and the builtins that could make them of other values end the evaluation.

use anyhow::bail;
use regorus::Value;

use super::{Function, Own, items_of_only, own::theirs};

pub(super) static FUNCTIONS: [Function; 10] = [
    ("to_number", 1, Own::Partial(to_number)),
    ("cast_number", 1, Own::Partial(to_number)),
    (TO_NUMBER, 1, Own::Partial(to_plain_number)),
    ("format_int", 2, Own::Partial(format_int)),
    ("sum", 1, Own::Partial(|args| of_whole("sum", args))),
    ("product", 1, Own::Partial(|args| of_whole("product", args))),
    ("bits.and", 2, Own::Partial(|args| of_bits("bits.and", args))),
    ("bits.or", 2, Own::Partial(|args| of_bits("bits.or", args))),
    ("bits.xor", 2, Own::Partial(|args| of_bits("bits.xor", args))),
    ("bits.lsh", 2, Own::Partial(|args| of_bits("bits.lsh", args))),
];

/// `to_number` where the text could be seen again. No policy can call it by this name.
pub(in crate::policy) const TO_NUMBER: &str = "internal.to_number";

/// Ends the evaluation for a number that is not written as numbers are.
fn to_plain_number(args: &[Value]) -> anyhow::Result<Value> {
    let number = to_number(args)?;
    match (args, &number) {
        ([Value::String(text)], Value::Number(whole)) if whole.format_decimal() != **text => {
            bail!("a number in a text must be written in its shortest form where the policy writes out values: {}", shown(text))
        }
        _ => Ok(number),
    }
}

fn to_number(args: &[Value]) -> anyhow::Result<Value> {
    match args {
        [Value::String(text)] => parse(text),
        [Value::Null] => Ok(Value::from(0)),
        [Value::Bool(flag)] => Ok(Value::from(u64::from(*flag))),
        [Value::Number(_)] => Ok(args.first().cloned().unwrap_or(Value::Undefined)),
        _ => Ok(Value::Undefined),
    }
}

/// A whole number, `Undefined` for what is no number at all: what Go's `strconv.ParseFloat` reads is one.
pub(super) fn parse(text: &str) -> anyhow::Result<Value> {
    if !is_number(text) {
        return Ok(Value::Undefined);
    }
    match (text.parse::<u64>(), text.parse::<i64>()) {
        (Ok(number), _) => Ok(Value::from(number)),
        (_, Ok(number)) if number != 0 => Ok(Value::from(number)),
        _ => odd(text),
    }
}

/// Ends the evaluation for a number that OPA would print as it is written.
pub(super) fn odd(text: &str) -> anyhow::Result<Value> {
    bail!("a number in a text must be whole, and written out: {}", shown(text))
}

fn shown(text: &str) -> String {
    text.chars().take(40).collect()
}

/// Whether Go takes it for a number: signs, zeros before it, and a point at either end are allowed, and so are bases.
fn is_number(text: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        // Go wants an exponent behind it.
        return hex.contains(['p', 'P']) && hex.bytes().all(|byte| byte.is_ascii_hexdigit() || b".pP+-_".contains(&byte));
    }
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (text, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let has_digits = !whole.is_empty() || !fraction.is_empty();
    has_digits && digits(whole) && digits(fraction) && exponent.is_none_or(|exponent| !exponent.is_empty() && digits(exponent))
}

/// Without its fraction; there is no minus before a zero.
fn format_int(args: &[Value]) -> anyhow::Result<Value> {
    match theirs("format_int", args)? {
        Value::String(text) if text.as_ref() == "-0" => Ok(Value::from("0")),
        other => Ok(other),
    }
}

fn of_whole(name: &'static str, args: &[Value]) -> anyhow::Result<Value> {
    let fraction = |item: &Value| matches!(item, Value::Number(number) if !number.is_integer());
    if items_of_only(args).is_some_and(|items| items.into_iter().any(fraction)) {
        bail!("{name} takes whole numbers");
    }
    theirs(name, args)
}

/// Regorus loses the last digits of what does not fit into 64 bits.
fn of_bits(name: &'static str, args: &[Value]) -> anyhow::Result<Value> {
    let result = theirs(name, args)?;
    match &result {
        Value::Number(number) if number.as_i64().is_none() && number.as_u64().is_none() => bail!("{name} gives more than 64 bits"),
        _ => Ok(result),
    }
}
