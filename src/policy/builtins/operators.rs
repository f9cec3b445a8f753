//! What `+ - * %` and `& | -` make of two values.
//!
//! As in OPA, an operator has no value for operands that it is not made for: `input.session.login + 1` is undefined, and ends nothing. Numbers
//! are whole and of any size; a fraction, which OPA would compute with in digits that we do not have, ends the evaluation. Whoever
//! calls one of these charges for the result; what would be too large to be charged for is not made.

use anyhow::bail;
use regorus::Value;

use super::budget;

pub(in crate::policy) fn plus(one: &Value, other: &Value) -> anyhow::Result<Value> {
    match (one, other) {
        (Value::Number(a), Value::Number(b)) => whole(one, other).and_then(|()| bounded(Value::Number(a.add(b)?))),
        _ => Ok(Value::Undefined),
    }
}

/// The difference of two numbers, or of two sets.
pub(in crate::policy) fn minus(one: &Value, other: &Value) -> anyhow::Result<Value> {
    match (one, other) {
        (Value::Number(a), Value::Number(b)) => whole(one, other).and_then(|()| bounded(Value::Number(a.sub(b)?))),
        (Value::Set(a), Value::Set(b)) => {
            budget::admit_items(a.len())?;
            Ok(a.difference(b).into_value())
        }
        _ => Ok(Value::Undefined),
    }
}

pub(in crate::policy) fn times(one: &Value, other: &Value) -> anyhow::Result<Value> {
    match (one, other) {
        (Value::Number(a), Value::Number(b)) => {
            // Before, too: a product takes a time that grows with both lengths.
            bounded(one.clone()).and(bounded(other.clone()))?;
            whole(one, other).and_then(|()| bounded(Value::Number(a.mul(b)?)))
        }
        _ => Ok(Value::Undefined),
    }
}

/// It has the sign of the first. There is none by zero, nor of fractions.
pub(in crate::policy) fn remainder(one: &Value, other: &Value) -> anyhow::Result<Value> {
    match (one, other) {
        (Value::Number(a), Value::Number(b)) if a.is_integer() && b.is_integer() && *other != Value::from(0) => {
            Ok(Value::Number(a.clone().modulo(b)?))
        }
        _ => Ok(Value::Undefined),
    }
}

pub(in crate::policy) fn union(one: &Value, other: &Value) -> anyhow::Result<Value> {
    match (one, other) {
        (Value::Set(a), Value::Set(b)) => {
            budget::admit_items(a.len().saturating_add(b.len()))?;
            Ok(a.union(b).into_value())
        }
        _ => Ok(Value::Undefined),
    }
}

pub(in crate::policy) fn intersection(one: &Value, other: &Value) -> anyhow::Result<Value> {
    match (one, other) {
        (Value::Set(a), Value::Set(b)) => {
            budget::admit_items(a.len().min(b.len()))?;
            Ok(a.intersection(b).into_value())
        }
        _ => Ok(Value::Undefined),
    }
}

fn whole(one: &Value, other: &Value) -> anyhow::Result<()> {
    for operand in [one, other] {
        if matches!(operand, Value::Number(number) if !number.is_integer()) {
            bail!("a policy computes with whole numbers: fractions are not as exact here as in OPA");
        }
    }
    Ok(())
}

/// A number that doubles its length again and again would have no end.
fn bounded(number: Value) -> anyhow::Result<Value> {
    budget::admit(std::slice::from_ref(&number))?;
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Operator = fn(&Value, &Value) -> anyhow::Result<Value>;

    #[test]
    fn a_number_that_doubles_its_length_again_and_again_comes_to_an_end() {
        budget::start(1 << 20);
        assert!((0..20).try_fold(Value::from(u64::MAX), |number, _| times(&number, &number)).is_err());
    }

    #[test]
    fn what_an_operator_is_not_made_for_is_undefined() {
        let others = [Value::Null, Value::from(true), Value::from("1"), Value::from(vec![]), Value::new_object(), Value::Undefined];
        let set = Value::from(std::collections::BTreeSet::from([Value::from(1)]));
        for operator in [plus as Operator, minus, times, remainder, union, intersection] {
            for other in &others {
                for operand in [Value::from(1), set.clone(), other.clone()] {
                    assert_eq!(operator(&operand, other).unwrap(), Value::Undefined, "{operand} {other}");
                    assert_eq!(operator(other, &operand).unwrap(), Value::Undefined, "{other} {operand}");
                }
            }
        }
        assert_eq!(minus(&set, &Value::from(1)).unwrap(), Value::Undefined);
        assert_eq!(union(&Value::from(1), &Value::from(2)).unwrap(), Value::Undefined);
        assert_eq!(remainder(&Value::from(1), &Value::from(0)).unwrap(), Value::Undefined);
        assert_eq!(remainder(&Value::from(7.5), &Value::from(2)).unwrap(), Value::Undefined);
    }

    #[test]
    fn fractions_are_not_computed_with() {
        for operator in [plus as Operator, minus, times] {
            assert!(operator(&Value::from(1.5), &Value::from(1)).is_err());
        }
    }
}
