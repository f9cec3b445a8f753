//! Small operations on values, with the meaning that OPA gives them.

#![expect(clippy::unnecessary_wraps, reason = "it stands in one table with operators that may fail")]

use std::cmp::Ordering;

use regorus::Value;

use crate::policy::builtins::order;
use crate::policy::syntax::tree::BoolOp;

pub(super) static UNDEFINED: Value = Value::Undefined;

/// The item of a collection; undefined if there is none, or if it is no collection.
pub(super) fn at<'v>(of: &'v Value, key: &Value) -> &'v Value {
    let found = match of {
        Value::Object(fields) => fields.get(key),
        Value::Set(items) => items.get(key),
        Value::Array(items) => match key {
            Value::Number(index) => index.as_u64().and_then(|index| usize::try_from(index).ok()).and_then(|index| items.get(index)),
            Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Set(_) | Value::Object(_) | Value::Undefined => None,
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Undefined => None,
    };
    found.unwrap_or(&UNDEFINED)
}

pub(super) fn compare(op: BoolOp, one: &Value, other: &Value) -> bool {
    let order = || order::compare(one, other);
    match op {
        BoolOp::Eq => one == other,
        BoolOp::Ne => one != other,
        BoolOp::Lt => order() == Ordering::Less,
        BoolOp::Le => order() != Ordering::Greater,
        BoolOp::Gt => order() == Ordering::Greater,
        BoolOp::Ge => order() != Ordering::Less,
    }
}

/// `item in of`, `key, item in of`.
pub(super) fn holds(of: &Value, key: Option<&Value>, item: &Value) -> bool {
    match (of, key) {
        (of, Some(key)) => at(of, key) == item,
        (Value::Array(items), None) => items.contains(item),
        (Value::Object(fields), None) => fields.values().any(|value| value == item),
        (Value::Set(items), None) => items.contains(item),
        (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Undefined, None) => false,
    }
}

/// There is none by zero, and none of anything but numbers.
pub(super) fn quotient(one: &Value, other: &Value) -> anyhow::Result<Value> {
    match (one, other) {
        (Value::Number(a), Value::Number(b)) if *other != Value::from(0) => Ok(a.clone().divide(b).map_or(Value::Undefined, Value::Number)),
        _ => Ok(Value::Undefined),
    }
}
