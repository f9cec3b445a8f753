//! `$"…{x}…"`: OPA's `internal.template_string`.

use regorus::Value;

use super::budget;
use super::format::sprintf;
use super::function::{Function, Own};

pub(super) static FUNCTIONS: [Function; 1] = [(TEMPLATE, 1, Own::Partial(template))];

/// No policy can call it: it is what a template becomes.
pub(in crate::policy) const TEMPLATE: &str = "internal.template_string";

/// Puts parts together: texts as they are, and of sets the one item, or that there is none.
fn template(args: &[Value]) -> anyhow::Result<Value> {
    let [Value::Array(parts)] = args else { return Ok(Value::Undefined) };
    let mut text = String::new();
    for part in parts.iter() {
        let piece = match part {
            Value::String(piece) => piece.to_string(),
            Value::Set(items) => match items.iter().next() {
                None => "<undefined>".to_owned(),
                Some(Value::String(item)) => item.to_string(),
                Some(item) => match sprintf(&[Value::from("%v"), Value::from(vec![item.clone()])])? {
                    Value::String(shown) => shown.to_string(),
                    _ => return Ok(Value::Undefined),
                },
            },
            _ => return Ok(Value::Undefined),
        };
        budget::charge(piece.len())?;
        text.push_str(&piece);
    }
    Ok(Value::from(text))
}
