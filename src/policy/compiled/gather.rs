//! What solutions give, put together; charged while it grows, as if nothing in it were shared.

#![expect(clippy::needless_pass_by_value, reason = "what is gathered is given away")]

use std::collections::BTreeSet;
use std::slice;

use regorus::Value;

use super::failure::{Conflict, Evaluated, Failure};
use crate::policy::builtins::budget;
use crate::policy::syntax::core::{Collection, RuleForm};

/// Takes from the budget what a value takes that is put into another.
pub(super) fn charge(value: &Value) -> Evaluated<()> {
    Ok(budget::weigh(slice::from_ref(value))?)
}

/// The value of a rule, as far as it is known.
pub(super) enum Gathered {
    Complete(Value),
    Set(BTreeSet<Value>),
    /// With the places of all values, where a step of one may lead into another.
    Object(Value, Option<BTreeSet<Vec<Value>>>),
}

impl Gathered {
    pub(super) fn new(kind: RuleForm, is_uneven: bool) -> Self {
        match kind {
            RuleForm::Complete => Self::Complete(Value::Undefined),
            RuleForm::Set => Self::Set(BTreeSet::new()),
            RuleForm::Object => Self::Object(Value::new_object(), is_uneven.then(BTreeSet::new)),
        }
    }

    /// Takes a value, or an item of a set, at its steps.
    pub(super) fn take(&mut self, steps: &[Value], value: Value, is_item: bool) -> Evaluated<()> {
        match self {
            Self::Complete(known) => agree(known, value, Conflict::Rule),
            Self::Set(items) => add(items, value),
            Self::Object(object, places) => {
                if let Some(places) = places {
                    note(places, steps)?;
                }
                put(object, steps, value, is_item)
            }
        }
    }

    pub(super) fn value(self) -> Value {
        match self {
            Self::Complete(value) | Self::Object(value, _) => value,
            Self::Set(items) => Value::from(items),
        }
    }
}

/// What has several definitions or solutions has one value all the same.
pub(super) fn agree(known: &mut Value, value: Value, conflict: Conflict) -> Evaluated<()> {
    if *known == Value::Undefined {
        *known = value;
        return Ok(());
    }
    if *known == value { Ok(()) } else { Err(Failure::conflict(conflict)) }
}

fn add(items: &mut BTreeSet<Value>, item: Value) -> Evaluated<()> {
    if items.insert(item.clone()) { charge(&item) } else { Ok(()) }
}

/// Notes the place of a value. None may lie within a value that another definition has given, even one that is an object.
fn note(places: &mut BTreeSet<Vec<Value>>, steps: &[Value]) -> Evaluated<()> {
    let mut above = (0..steps.len()).filter_map(|length| steps.get(..length));
    if above.any(|above| places.contains(above)) {
        return Err(Failure::conflict(Conflict::Key));
    }
    if places.insert(steps.to_vec()) { Ok(budget::weigh(steps)?) } else { Ok(()) }
}

/// Puts a value, or an item of a set, where the steps lead to.
pub(super) fn put(root: &mut Value, steps: &[Value], value: Value, is_item: bool) -> Evaluated<()> {
    let conflict = |_| Failure::conflict(Conflict::Key);
    let Some((last, way)) = steps.split_last() else { return Err(Failure::conflict(Conflict::Key)) };
    let mut place = root;
    for step in way {
        let fields = place.as_object_mut().map_err(conflict)?;
        if !fields.contains_key(step) {
            charge(step)?;
        }
        place = fields.get_or_insert_with(step.clone(), Value::new_object);
    }
    let fields = place.as_object_mut().map_err(conflict)?;
    if !fields.contains_key(last) {
        charge(last)?;
    }
    if is_item {
        let items = fields.get_or_insert_with(last.clone(), Value::new_set).as_set_mut().map_err(conflict)?;
        return if items.insert(value.clone()) { charge(&value) } else { Ok(()) };
    }
    match fields.get(last) {
        Some(known) if *known == value => Ok(()),
        Some(_) => Err(Failure::conflict(Conflict::Key)),
        None => {
            charge(&value)?;
            fields.insert(last.clone(), value);
            Ok(())
        }
    }
}

/// What a comprehension comes to, as far as it is known.
pub(super) enum Collected {
    Array(Vec<Value>),
    Set(BTreeSet<Value>),
    Object(Value),
}

impl Collected {
    pub(super) fn new(kind: Collection) -> Self {
        match kind {
            Collection::Array => Self::Array(Vec::new()),
            Collection::Set => Self::Set(BTreeSet::new()),
            Collection::Object => Self::Object(Value::new_object()),
        }
    }

    pub(super) fn take(&mut self, key: Value, item: Value) -> Evaluated<()> {
        match self {
            Self::Array(items) => {
                charge(&item)?;
                items.push(item);
                Ok(())
            }
            Self::Set(items) => add(items, item),
            Self::Object(object) => put(object, &[key], item, false),
        }
    }

    pub(super) fn value(self) -> Value {
        match self {
            Self::Array(items) => Value::from(items),
            Self::Set(items) => Value::from(items),
            Self::Object(value) => value,
        }
    }
}
