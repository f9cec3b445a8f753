//! What a function of ours is, and what several of them take apart.

use regorus::Value;

/// A function of ours.
#[derive(Clone, Copy)]
pub(super) enum Own {
    /// Has an answer, if only `undefined`, to whatever it is given.
    Total(fn(&[Value]) -> Value),
    /// Ends the evaluation where it must not go on.
    Partial(fn(&[Value]) -> anyhow::Result<Value>),
}

impl Own {
    pub(super) fn call(self, args: &[Value]) -> anyhow::Result<Value> {
        match self {
            Self::Total(function) => Ok(function(args)),
            Self::Partial(function) => function(args),
        }
    }
}

/// A function's name, how many arguments it takes, and what it does.
pub(super) type Function = (&'static str, u8, Own);

/// How many items or fields a collection has; `None`: it is none.
pub(in crate::policy) fn length(value: &Value) -> Option<usize> {
    match value {
        Value::Array(items) => Some(items.len()),
        Value::Set(items) => Some(items.len()),
        Value::Object(fields) => Some(fields.len()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Undefined => None,
    }
}

/// The items of an array or of a set; `None`: it is neither.
pub(super) fn items_of(value: &Value) -> Option<Vec<&Value>> {
    match value {
        Value::Array(items) => Some(items.iter().collect()),
        Value::Set(items) => Some(items.iter().collect()),
        _ => None,
    }
}

/// The same of an only argument.
pub(super) fn items_of_only(args: &[Value]) -> Option<Vec<&Value>> {
    if let [only] = args { items_of(only) } else { None }
}
