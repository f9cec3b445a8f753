//! The order of values: `null`, `false`, `true`, numbers, strings, arrays, objects, sets.
//!
//! Regorus puts sets before objects, and keeps its own collections in that order. What a policy can see of an order is OPA's: which of two
//! values is less, which comes first when a collection is sorted, written out or gone through.

use std::cmp::Ordering;

use regorus::Value;

/// Arrays item by item, objects key by key with the keys' values, sets item by item; where one ends first, it is less.
pub(in crate::policy) fn compare(one: &Value, other: &Value) -> Ordering {
    match (one, other) {
        (Value::Array(ones), Value::Array(others)) => all(ones.iter(), others.iter(), compare),
        (Value::Set(ones), Value::Set(others)) => all(items(ones.iter_sorted()), items(others.iter_sorted()), compare),
        (Value::Object(ones), Value::Object(others)) => {
            all(entries(ones.iter_sorted()), entries(others.iter_sorted()), |(key, value), (other_key, other_value)| {
                compare(key, other_key).then_with(|| compare(value, other_value))
            })
        }
        (Value::Object(_), Value::Set(_)) => Ordering::Less,
        (Value::Set(_), Value::Object(_)) => Ordering::Greater,
        _ => one.cmp(other),
    }
}

/// A set's items in their order, made of them in regorus'.
pub(in crate::policy) fn items<'a, I>(set: I) -> Ordered<I>
where
    I: DoubleEndedIterator<Item = &'a Value> + ExactSizeIterator + Clone,
{
    // What has no parts is in order, and stands before whatever has.
    if set.clone().next_back().is_none_or(|last| !has_parts(last)) {
        return Ordered::AsItIs(set);
    }
    let mut items: Vec<&Value> = set.collect();
    items.sort_by(|one, other| compare(one, other));
    Ordered::Sorted(items.into_iter())
}

/// An object's keys in their order, each with its value, made of them in regorus'.
pub(in crate::policy) fn entries<'a, I>(object: I) -> Ordered<I>
where
    I: DoubleEndedIterator<Item = (&'a Value, &'a Value)> + ExactSizeIterator + Clone,
{
    if object.clone().next_back().is_none_or(|(last, _)| !has_parts(last)) {
        return Ordered::AsItIs(object);
    }
    let mut entries: Vec<_> = object.collect();
    entries.sort_by(|(one, _), (other, _)| compare(one, other));
    Ordered::Sorted(entries.into_iter())
}

/// A collection in OPA's order. Nearly all are so as they are, and need no list of what is in them.
pub(in crate::policy) enum Ordered<I: Iterator> {
    AsItIs(I),
    Sorted(std::vec::IntoIter<I::Item>),
}

impl<I: ExactSizeIterator> Iterator for Ordered<I> {
    type Item = I::Item;

    fn next(&mut self) -> Option<I::Item> {
        match self {
            Self::AsItIs(items) => items.next(),
            Self::Sorted(items) => items.next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Self::AsItIs(items) => items.size_hint(),
            Self::Sorted(items) => items.size_hint(),
        }
    }
}

impl<I: ExactSizeIterator> ExactSizeIterator for Ordered<I> {}

fn has_parts(value: &Value) -> bool {
    matches!(value, Value::Array(_) | Value::Set(_) | Value::Object(_))
}

fn all<T>(
    ones: impl ExactSizeIterator<Item = T>,
    others: impl ExactSizeIterator<Item = T>,
    compare: impl Fn(T, T) -> Ordering,
) -> Ordering {
    let lengths = ones.len().cmp(&others.len());
    ones.zip(others).map(|(one, other)| compare(one, other)).find(|order| order.is_ne()).unwrap_or(lengths)
}
