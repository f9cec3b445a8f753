//! What one evaluation may still allocate.
//!
//! An evaluation runs on one thread from its beginning to its end, so its budget is the thread's. It counts what builtins hand out, each
//! result in full, and gives nothing back: a strict reading of "memory", and one that does not depend on when something is freed.

use std::cell::Cell;

use regorus::Value;

/// A value's own size, as the interpreter holds it in a collection.
const VALUE: usize = 32;

thread_local! {
    static LEFT: Cell<usize> = const { Cell::new(usize::MAX) };
    static EXCEEDED: Cell<bool> = const { Cell::new(false) };
}

/// The evaluation may not take that much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the memory limit is exceeded")]
pub(in crate::policy) struct Exceeded;

/// A new evaluation begins on this thread.
pub(in crate::policy) fn start(bytes: usize) {
    LEFT.set(bytes);
    EXCEEDED.set(false);
}

/// Whether the evaluation was ever told [`Exceeded`]. Asked for at its end: what the interpreter makes of an error on the way is its
/// own affair, and an answer that was found after one does not count.
pub(in crate::policy) fn was_exceeded() -> bool {
    EXCEEDED.get()
}

/// Takes `bytes` from the budget.
pub(super) fn charge(bytes: usize) -> Result<(), Exceeded> {
    match LEFT.get().checked_sub(bytes) {
        Some(left) => {
            LEFT.set(left);
            Ok(())
        }
        None => Err(exceed()),
    }
}

/// Takes a value's size from the budget.
pub(super) fn charge_value(value: &Value) -> Result<(), Exceeded> {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Undefined => Ok(()),
        Value::String(text) => charge(text.len()),
        Value::Array(_) | Value::Set(_) | Value::Object(_) => charge(size(std::slice::from_ref(value), LEFT.get())),
    }
}

/// Refuses arguments that are larger than what is left. A value can be small in memory and have no end when it is walked through, since
/// its parts are shared; so this comes before any builtin walks through it.
pub(super) fn admit(args: &[Value]) -> Result<(), Exceeded> {
    if size(args, LEFT.get()) > LEFT.get() { Err(exceed()) } else { Ok(()) }
}

/// The size of the values as if nothing in them were shared; stops counting above `most`.
pub(super) fn size(values: &[Value], most: usize) -> usize {
    let mut total = 0_usize;
    let mut waiting: Vec<&Value> = Vec::new();
    for value in values {
        total = total.saturating_add(own_size(value, &mut waiting));
    }
    while total <= most
        && let Some(value) = waiting.pop()
    {
        let parts: usize = match value {
            Value::Array(items) => items.iter().map(|item| own_size(item, &mut waiting)).sum(),
            Value::Set(items) => items.iter().map(|item| own_size(item, &mut waiting)).sum(),
            Value::Object(items) => items.iter().map(|(key, item)| own_size(key, &mut waiting) + own_size(item, &mut waiting)).sum(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Undefined => 0,
        };
        total = total.saturating_add(parts);
    }
    total
}

/// The size of a value without its parts, which are put with those that wait to be looked at.
fn own_size<'a>(value: &'a Value, waiting: &mut Vec<&'a Value>) -> usize {
    match value {
        Value::String(text) => return VALUE + text.len(),
        Value::Array(_) | Value::Set(_) | Value::Object(_) => waiting.push(value),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Undefined => {}
    }
    VALUE
}

fn exceed() -> Exceeded {
    EXCEEDED.set(true);
    Exceeded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_spent_and_stays_exceeded() {
        start(10);
        assert_eq!(charge(6), Ok(()));
        assert_eq!(charge(6), Err(Exceeded));
        assert_eq!(charge(1), Ok(()));
        assert!(was_exceeded());
        start(10);
        assert!(!was_exceeded());
    }

    #[test]
    fn a_value_that_shares_its_parts_without_end_is_not_walked_through() {
        let mut value = Value::from("x");
        for _ in 0..200 {
            value = Value::from(vec![value.clone(), value]);
        }
        start(1 << 20);
        assert_eq!(admit(&[value]), Err(Exceeded));
    }
}
