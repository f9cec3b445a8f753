//! Numbers that stand in a text.

use anyhow::bail;
use regorus::Value;

/// `to_number` where the text could be seen again. No policy can call it by this name.
pub(in crate::policy) const TO_NUMBER: &str = "internal.to_number";

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

/// As much of it as is told.
pub(super) fn shown(text: &str) -> String {
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
