//! What one evaluation may still allocate.
//!
//! An evaluation runs on one thread from its beginning to its end, so its budget is the thread's. It counts what builtins hand out, each
//! result in full, and gives nothing back: a strict reading of "memory", and one that does not depend on when something is freed.

use std::cell::Cell;

use regorus::Value;

/// A value's own size in a collection: 24 bytes, in a set or an object, whose nodes may be little more than half full, or in an array that
/// has just become too long for its place.
const VALUE: usize = 48;
/// A field's, in an object.
pub(in crate::policy) const FIELD: usize = 2 * VALUE;
/// Values within values, of what is handed to a builtin: they walk through it by recursion.
const DEPTH_MAX: u32 = 1000;
/// Bytes of a number that is handed to a builtin: writing one out takes a time that grows with the square of its length.
const NUMBER_MAX: u64 = 1024;
/// What a single call may look at, in bytes or in steps as cheap: some fifty milliseconds. The interpreter's clock ticks between calls.
pub(in crate::policy) const WORK_MAX: usize = 64 * 1024 * 1024;

thread_local! {
    static LEFT: Cell<usize> = const { Cell::new(usize::MAX) };
    static WORK: Cell<usize> = const { Cell::new(WORK_MAX) };
    static EXCEEDED: Cell<Option<Exceeded>> = const { Cell::new(None) };
}

/// The evaluation may not take that much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::policy) enum Exceeded {
    /// What builtins handed out, or were to hand out, is more than the memory limit.
    #[error("the memory limit is exceeded")]
    Memory,
    /// One call would go on for longer than any evaluation may.
    #[error("a call would take too long")]
    Work,
}

/// A new evaluation begins on this thread.
pub(in crate::policy) fn start(bytes: usize) {
    start_with(bytes, WORK_MAX);
}

/// The same, where a single call may look at less.
pub(in crate::policy) fn start_with(bytes: usize, work: usize) {
    LEFT.set(bytes);
    WORK.set(work);
    EXCEEDED.set(None);
}

/// What the evaluation was told first.
pub(in crate::policy) fn exceeded() -> Option<Exceeded> {
    EXCEEDED.get()
}

/// Takes `bytes` from the budget.
pub(in crate::policy) fn charge(bytes: usize) -> Result<(), Exceeded> {
    match LEFT.get().checked_sub(bytes) {
        Some(left) => {
            LEFT.set(left);
            Ok(())
        }
        None => Err(exceed(Exceeded::Memory)),
    }
}

/// Refuses a call that would look at more than this.
pub(super) fn work(steps: usize) -> Result<(), Exceeded> {
    if steps > WORK.get() { Err(exceed(Exceeded::Work)) } else { Ok(()) }
}

/// Takes a value's size from the budget.
pub(super) fn charge_value(value: &Value) -> Result<(), Exceeded> {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Undefined => Ok(()),
        Value::String(text) => charge(text.len()),
        Value::Array(_) | Value::Set(_) | Value::Object(_) => charge(size(std::slice::from_ref(value), LEFT.get())),
    }
}

/// Takes from the budget what values take that are put into others, as if nothing in them were shared.
pub(in crate::policy) fn weigh(values: &[Value]) -> Result<(), Exceeded> {
    charge(size(values, LEFT.get()))
}

/// Refuses to make a collection of so many items that it could not be charged for, before it is there.
pub(in crate::policy) fn admit_items(items: usize) -> Result<(), Exceeded> {
    if items.saturating_mul(VALUE) > LEFT.get() { Err(exceed(Exceeded::Memory)) } else { Ok(()) }
}

/// Takes from the budget what it takes to hold a value, whose parts are held by others: it, and if it is an array its items, and theirs.
pub(in crate::policy) fn hold(value: &Value) -> Result<(), Exceeded> {
    let items = |value: &Value| value.as_array().map_or(0, regorus::value::Array::len);
    let within = value.as_array().map_or(0, |array| array.iter().map(items).sum());
    charge((1 + items(value) + within).saturating_mul(VALUE))
}

/// Refuses arguments that are larger than what is left, or deeper than a builtin can go. A value can be small in memory and have no end
/// when it is walked through, since its parts are shared; so this comes before any builtin walks through it.
pub(super) fn admit(args: &[Value]) -> Result<(), Exceeded> {
    if size(args, LEFT.get()) > LEFT.get() { Err(exceed(Exceeded::Memory)) } else { Ok(()) }
}

/// The size of the values as if nothing in them were shared; stops counting above `most`. Without end if they are too deep, or if a
/// number among them is too long.
pub(in crate::policy) fn size(values: &[Value], most: usize) -> usize {
    let mut total = 0_usize;
    let mut waiting: Vec<(&Value, u32)> = Vec::new();
    for value in values {
        total = total.saturating_add(own_size(value, 1, &mut waiting));
    }
    while total <= most
        && let Some((value, depth)) = waiting.pop()
    {
        let mut add = |part| total = total.saturating_add(own_size(part, depth + 1, &mut waiting));
        match value {
            Value::Array(items) => items.iter().for_each(add),
            Value::Set(items) => items.iter().for_each(add),
            Value::Object(items) => items.iter().for_each(|(key, item)| {
                add(key);
                add(item);
            }),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Undefined => {}
        }
    }
    total
}

/// The size of a value without its parts, which are put with those that wait to be looked at.
fn own_size<'a>(value: &'a Value, depth: u32, waiting: &mut Vec<(&'a Value, u32)>) -> usize {
    match value {
        Value::String(text) => return VALUE + text.len(),
        Value::Array(_) | Value::Set(_) | Value::Object(_) if depth > DEPTH_MAX => return usize::MAX,
        Value::Array(_) | Value::Set(_) | Value::Object(_) => waiting.push((value, depth)),
        Value::Number(number) if number.as_i64().is_none() && number.is_integer() => {
            let bytes = number.as_big().map_or(0, |number| number.bits() / 8);
            return if bytes > NUMBER_MAX { usize::MAX } else { VALUE + usize::try_from(bytes).unwrap_or(usize::MAX) };
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Undefined => {}
    }
    VALUE
}

fn exceed(what: Exceeded) -> Exceeded {
    if EXCEEDED.get().is_none() {
        EXCEEDED.set(Some(what));
    }
    what
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_spent_and_stays_exceeded() {
        start(10);
        assert_eq!(charge(6), Ok(()));
        assert_eq!(charge(6), Err(Exceeded::Memory));
        assert_eq!(charge(1), Ok(()));
        assert!(exceeded().is_some());
        start(10);
        assert!(exceeded().is_none());
    }

    #[test]
    fn a_value_that_shares_its_parts_without_end_is_not_walked_through() {
        let mut value = Value::from("x");
        for _ in 0..200 {
            value = Value::from(vec![value.clone(), value]);
        }
        start(1 << 20);
        assert_eq!(admit(&[value]), Err(Exceeded::Memory));
    }

    #[test]
    fn a_value_that_is_too_deep_for_a_builtin_is_not_handed_to_one() {
        let nested = |depth: u32| (0..depth).fold(Value::from(1), |value, _| Value::from(vec![value]));
        start(1 << 20);
        assert_eq!(admit(&[nested(DEPTH_MAX)]), Ok(()));
        assert_eq!(admit(&[nested(DEPTH_MAX + 1)]), Err(Exceeded::Memory));
    }

    #[test]
    fn what_was_exceeded_first_is_what_is_told() {
        start(1 << 20);
        assert_eq!(work(WORK_MAX), Ok(()));
        assert_eq!(work(WORK_MAX + 1), Err(Exceeded::Work));
        assert_eq!(charge(2 << 20), Err(Exceeded::Memory));
        assert_eq!(exceeded(), Some(Exceeded::Work));
        start_with(1 << 20, 100);
        assert_eq!((work(100), work(101)), (Ok(()), Err(Exceeded::Work)));
        start(1 << 20);
        assert_eq!(work(101), Ok(()));
    }
}
