//! Numbers that a policy computes with are whole.
//!
//! OPA computes with decimal fractions of 64 bits, `0.1 + 0.2 == 0.3`, and keeps a number as it is written, `1.0`; here there is neither. The
//! checks refuse such numbers where a policy writes them, and the builtins that could make them of other values end the evaluation.

use anyhow::bail;
use regorus::Value;

use super::function::{Function, Own, items_of_only};
use super::native::theirs;
use super::written_number::{TO_NUMBER, parse, shown};

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
