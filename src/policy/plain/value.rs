//! Small operations on values, with the meaning that Regorus gives them; `None` where it would do more than that.

use regorus::Value;
use regorus::unstable::{ArithOp, BinOp, BoolOp};

/// The item of a collection, undefined if there is none or if it is no collection.
pub(super) fn at<'v>(of: &'v Value, key: &Value) -> &'v Value {
    &of[key]
}

pub(super) fn compare(op: &BoolOp, one: &Value, other: &Value) -> bool {
    match op {
        BoolOp::Eq => one == other,
        BoolOp::Ne => one != other,
        BoolOp::Lt => one < other,
        BoolOp::Le => one <= other,
        BoolOp::Gt => one > other,
        BoolOp::Ge => one >= other,
    }
}

/// `item in of`.
pub(super) fn holds(of: &Value, key: Option<&Value>, item: &Value) -> bool {
    match (of, key) {
        (Value::Array(_) | Value::Object(_), Some(key)) => at(of, key) == item,
        (Value::Array(items), None) => items.contains(item),
        (Value::Object(items), None) => items.values().any(|value| value == item),
        (Value::Set(items), None) => items.contains(item),
        _ => false,
    }
}

/// `|` and `&`.
pub(super) fn sets(op: &BinOp, one: &Value, other: &Value) -> Option<Value> {
    let (Value::Set(one), Value::Set(other)) = (one, other) else { return None };
    Some(Value::from(match op {
        BinOp::Union => one.union(other),
        BinOp::Intersection => one.intersection(other),
    }))
}

/// Sums, differences, products and remainders of integers, and differences of sets.
pub(super) fn arithmetic(op: &ArithOp, one: &Value, other: &Value) -> Option<Value> {
    if let (ArithOp::Sub, Value::Set(one), Value::Set(other)) = (op, one, other) {
        return Some(Value::from(one.difference(other)));
    }
    let (one, other) = (integer(one)?, integer(other)?);
    let result = match op {
        ArithOp::Add => one.checked_add(other),
        ArithOp::Sub => one.checked_sub(other),
        ArithOp::Mul => one.checked_mul(other),
        // Of negative ones there are two kinds of remainders.
        ArithOp::Mod if one >= 0 && other > 0 => Some(one % other),
        ArithOp::Mod | ArithOp::Div => None,
    };
    result.map(Value::from)
}

fn integer(value: &Value) -> Option<i64> {
    value.as_number().ok().filter(|number| number.is_integer())?.as_i64()
}

/// Puts a value where the steps lead to; `None` if another one is there.
pub(super) fn put(root: &mut Value, steps: &[Value], value: Value) -> Option<()> {
    let (last, way) = steps.split_last()?;
    let mut place = root;
    for step in way {
        place = place.as_object_mut().ok()?.get_or_insert_with(step.clone(), Value::new_object);
    }
    let place = place.as_object_mut().ok()?;
    if let Some(there) = place.get(last) {
        return (*there == value).then_some(());
    }
    place.insert(last.clone(), value);
    Some(())
}

/// Puts an item into the set where the steps lead to.
pub(super) fn put_into_set(root: &mut Value, steps: &[Value], item: Value) -> Option<()> {
    let mut place = root;
    for (index, step) in steps.iter().enumerate() {
        let is_last = index + 1 == steps.len();
        place =
            place.as_object_mut().ok()?.get_or_insert_with(step.clone(), || if is_last { Value::new_set() } else { Value::new_object() });
    }
    place.as_set_mut().ok()?.insert(item);
    Some(())
}
