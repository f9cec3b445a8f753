//! What the [text](crate::policy::syntax::write) for regorus calls instead of leaving it to regorus.

#![expect(
    clippy::unnecessary_wraps,
    clippy::needless_pass_by_value,
    clippy::similar_names,
    reason = "all operations stand in one table and are called alike"
)]

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use anyhow::bail;
use regorus::Value;

use crate::policy::builtins::{Callable, budget};
use crate::policy::builtins::{operators, order};

/// A name, how many arguments it takes, and what it does. No argument is ever undefined.
pub(super) type Operation = (&'static str, u8, fn(&[Value]) -> anyhow::Result<Value>);

pub(super) const OPERATIONS: [Operation; 37] = [
    ("op_is", 1, |args| Ok(args.first().cloned().unwrap_or(Value::Undefined))),
    ("op_nothing", 1, |_| Ok(Value::Undefined)),
    ("op_eq", 2, |args| compare(args, Ordering::is_eq)),
    ("op_ne", 2, |args| compare(args, Ordering::is_ne)),
    ("op_lt", 2, |args| compare(args, Ordering::is_lt)),
    ("op_le", 2, |args| compare(args, Ordering::is_le)),
    ("op_gt", 2, |args| compare(args, Ordering::is_gt)),
    ("op_ge", 2, |args| compare(args, Ordering::is_ge)),
    ("op_add", 2, |args| both(args, operators::plus)),
    ("op_sub", 2, |args| both(args, operators::minus)),
    ("op_mul", 2, |args| both(args, operators::times)),
    ("op_div", 2, |args| both(args, quotient)),
    ("op_mod", 2, |args| both(args, operators::remainder)),
    ("op_and", 2, |args| both(args, operators::intersection)),
    ("op_or", 2, |args| both(args, operators::union)),
    ("op_at", 2, at),
    ("op_dig", 2, dig),
    ("op_keys", 1, keys),
    ("op_items", 1, items),
    ("op_in", 2, is_in),
    ("op_in_at", 3, is_in_at),
    ("op_is_array", 2, is_array),
    ("op_is_object", 2, is_object),
    ("op_is_collection", 1, |args| Ok(Value::Bool(matches!(args, [Value::Array(_) | Value::Set(_) | Value::Object(_)])))),
    ("op_is_empty", 1, |args| Ok(Value::Bool(matches!(args, [Value::Array(items)] if items.is_empty())))),
    ("op_made", 1, |args| made(first(args))),
    ("op_held", 1, |args| held(first(args))),
    ("op_object", 1, object),
    ("op_set", 1, set),
    ("op_build", 1, build),
    ("op_tree", 1, tree),
    ("op_template", 1, template),
    ("op_with", 4, with),
    ("op_with_functions", 1, with_functions),
    ("op_given", 2, |args| dig(&[at(&[first(args), Value::from("data")])?, second(args)])),
    ("op_is_given", 2, is_given),
    ("op_is_original", 2, is_original),
];

fn first(args: &[Value]) -> Value {
    args.first().cloned().unwrap_or(Value::Undefined)
}

fn second(args: &[Value]) -> Value {
    args.get(1).cloned().unwrap_or(Value::Undefined)
}

/// What is made counts as if nothing in it were shared: so nothing that is walked through later is larger than the limit says.
fn made(value: Value) -> anyhow::Result<Value> {
    budget::weigh(std::slice::from_ref(&value))?;
    Ok(value)
}

/// What is gathered and soon taken apart counts for what it takes to hold it.
fn held(value: Value) -> anyhow::Result<Value> {
    budget::hold(&value)?;
    Ok(value)
}

fn compare(args: &[Value], holds: fn(Ordering) -> bool) -> anyhow::Result<Value> {
    let [one, other] = args else { return Ok(Value::Undefined) };
    Ok(Value::Bool(holds(order::compare(one, other))))
}

fn both(args: &[Value], operator: fn(&Value, &Value) -> anyhow::Result<Value>) -> anyhow::Result<Value> {
    let [one, other] = args else { return Ok(Value::Undefined) };
    made(operator(one, other)?)
}

/// Of whole numbers that it is a whole number of; of others there is none that is as exact as OPA's.
fn quotient(one: &Value, other: &Value) -> anyhow::Result<Value> {
    match (one, other) {
        (Value::Number(_), Value::Number(_)) if *other == Value::from(0) => Ok(Value::Undefined),
        (Value::Number(dividend), Value::Number(divisor)) => {
            if !dividend.is_integer() || !divisor.is_integer() || operators::remainder(one, other)? != Value::from(0) {
                bail!("a policy computes with whole numbers: fractions are not as exact here as in OPA");
            }
            Ok(Value::Number(dividend.clone().divide(divisor)?))
        }
        _ => Ok(Value::Undefined),
    }
}

fn at(args: &[Value]) -> anyhow::Result<Value> {
    let [of, key] = args else { return Ok(Value::Undefined) };
    Ok(of[key].clone())
}

fn dig(args: &[Value]) -> anyhow::Result<Value> {
    let [of, Value::Array(path)] = args else { return Ok(Value::Undefined) };
    Ok(path.iter().fold(of, |of, key| &of[key]).clone())
}

/// The keys of a collection in their order; none of anything else.
fn keys(args: &[Value]) -> anyhow::Result<Value> {
    held(match args {
        [Value::Array(items)] => Value::from((0..items.len()).map(Value::from).collect::<Vec<_>>()),
        [Value::Object(fields)] => Value::from(order::entries(fields.iter_sorted()).map(|(key, _)| key.clone()).collect::<Vec<_>>()),
        [Value::Set(items)] => Value::from(order::items(items.iter_sorted()).cloned().collect::<Vec<_>>()),
        _ => Value::new_array(),
    })
}

/// The items of a collection, in the order of its keys.
fn items(args: &[Value]) -> anyhow::Result<Value> {
    if let [array @ Value::Array(_)] = args {
        return Ok(array.clone());
    }
    held(match args {
        [Value::Object(fields)] => Value::from(order::entries(fields.iter_sorted()).map(|(_, item)| item.clone()).collect::<Vec<_>>()),
        [Value::Set(items)] => Value::from(order::items(items.iter_sorted()).cloned().collect::<Vec<_>>()),
        _ => Value::new_array(),
    })
}

fn is_in(args: &[Value]) -> anyhow::Result<Value> {
    Ok(Value::Bool(match args {
        [item, Value::Array(items)] => items.contains(item),
        [item, Value::Set(items)] => items.contains(item),
        [item, Value::Object(fields)] => fields.values().any(|value| value == item),
        _ => false,
    }))
}

fn is_in_at(args: &[Value]) -> anyhow::Result<Value> {
    let [key, item, of] = args else { return Ok(Value::Undefined) };
    Ok(Value::Bool(of[key] == *item))
}

fn is_array(args: &[Value]) -> anyhow::Result<Value> {
    Ok(Value::Bool(matches!(args, [Value::Array(items), length] if Value::from(items.len()) == *length)))
}

fn is_object(args: &[Value]) -> anyhow::Result<Value> {
    let [Value::Object(fields), Value::Array(keys)] = args else { return Ok(Value::Bool(false)) };
    let keys: BTreeSet<&Value> = keys.iter().collect();
    Ok(Value::Bool(keys.len() == fields.len() && keys.into_iter().all(|key| fields.contains_key(key))))
}

/// From its fields, each an array of key and value.
fn object(args: &[Value]) -> anyhow::Result<Value> {
    let [Value::Array(fields)] = args else { return Ok(Value::Undefined) };
    let mut object = BTreeMap::new();
    for field in fields.iter() {
        if let [key, value] = field.as_array()?.as_slice()
            && object.insert(key.clone(), value.clone()).is_some()
        {
            bail!("two keys that are written in the object come to the same");
        }
    }
    made(Value::from(object))
}

/// The set of what several definitions give.
fn set(args: &[Value]) -> anyhow::Result<Value> {
    let [Value::Array(gives)] = args else { return Ok(Value::Undefined) };
    let items = gives.iter().filter_map(|items| items.as_array().ok()).flat_map(|items| items.iter().cloned());
    made(Value::from(items.collect::<BTreeSet<_>>()))
}

/// What stands where in an object, and in objects within it.
#[derive(Default)]
struct Built {
    leaves: BTreeMap<Vec<Value>, BuiltLeaf>,
    /// Objects that are there even if they are empty.
    objects: Vec<Vec<Value>>,
}

enum BuiltLeaf {
    Value(Value),
    Items(BTreeSet<Value>),
}

impl Built {
    fn put(&mut self, path: Vec<Value>, value: Value) -> anyhow::Result<()> {
        match self.leaves.entry(path).or_insert_with(|| BuiltLeaf::Value(value.clone())) {
            BuiltLeaf::Value(there) if *there == value => Ok(()),
            BuiltLeaf::Value(_) | BuiltLeaf::Items(_) => bail!(CONFLICT),
        }
    }

    fn put_items(&mut self, path: Vec<Value>, items: impl Iterator<Item = Value>) -> anyhow::Result<()> {
        match self.leaves.entry(path).or_insert_with(|| BuiltLeaf::Items(BTreeSet::new())) {
            BuiltLeaf::Items(there) => {
                there.extend(items);
                Ok(())
            }
            BuiltLeaf::Value(_) => bail!(CONFLICT),
        }
    }

    /// Entries `[steps, whether it is an item, value]`, as each definition of an object gives them, behind a path.
    fn put_entries(&mut self, path: &[Value], gives: &Value) -> anyhow::Result<()> {
        for entry in arrays(gives).flatten() {
            let steps = entry[0].as_array().map(|steps| steps.iter().cloned().collect::<Vec<_>>()).unwrap_or_default();
            let (path, value) = ([path, &steps].concat(), entry[2].clone());
            if entry[1] == Value::Bool(true) { self.put_items(path, std::iter::once(value))? } else { self.put(path, value)? }
        }
        Ok(())
    }

    fn value(self) -> anyhow::Result<Value> {
        // What begins like another one stands right behind it.
        let paths: Vec<&Vec<Value>> = self.leaves.keys().collect();
        if paths.iter().zip(paths.iter().skip(1)).any(|(one, next)| next.starts_with(one)) {
            bail!(CONFLICT);
        }
        let mut root = Value::Undefined;
        for path in self.objects {
            place(&mut root, &path)?;
        }
        for (path, leaf) in self.leaves {
            let value = match leaf {
                BuiltLeaf::Value(value) => value,
                BuiltLeaf::Items(items) => Value::from(items),
            };
            match path.split_last() {
                None => root = value,
                Some((last, way)) => {
                    place(&mut root, way)?.as_object_mut()?.insert(last.clone(), value);
                }
            }
        }
        Ok(root)
    }
}

const CONFLICT: &str = "two rules give different values for one place of an object";

/// The object at the end of a path, made on the way.
fn place<'r>(root: &'r mut Value, path: &[Value]) -> anyhow::Result<&'r mut Value> {
    if *root == Value::Undefined {
        *root = Value::new_object();
    }
    let mut place = root;
    for step in path {
        place = place.as_object_mut()?.get_or_insert_with(step.clone(), Value::new_object);
    }
    Ok(place)
}

fn arrays(value: &Value) -> impl Iterator<Item = &[Value]> {
    value
        .as_array()
        .ok()
        .into_iter()
        .flat_map(|items| items.iter())
        .filter_map(|item| item.as_array().ok())
        .map(regorus::value::Array::as_slice)
}

/// The object of what several definitions give.
fn build(args: &[Value]) -> anyhow::Result<Value> {
    let [gives] = args else { return Ok(Value::Undefined) };
    let mut built = Built { objects: vec![Vec::new()], ..Built::default() };
    built.put_entries(&[], gives)?;
    made(built.value()?)
}

/// The document of what several rules give, each `[path, kind, [what it gives]]`.
fn tree(args: &[Value]) -> anyhow::Result<Value> {
    let [parts] = args else { return Ok(Value::Undefined) };
    let (mut built, mut given) = (Built::default(), Value::Undefined);
    // A set below an object whose steps are not all fixed is a part of that, and there only if something is in it.
    let objects: Vec<&[Value]> = arrays(parts)
        .filter_map(|part| match part {
            [Value::Array(path), Value::String(kind), _] if kind.as_ref() == "entries" => Some(path.as_slice()),
            _ => None,
        })
        .collect();
    for part in arrays(parts) {
        let [path, Value::String(kind), Value::Array(values)] = part else { continue };
        let path: Vec<Value> = path.as_array().map(|path| path.iter().cloned().collect()).unwrap_or_default();
        match (kind.as_ref(), values.first()) {
            ("object", _) => built.objects.push(path),
            (_, None) => {}
            ("given", Some(value)) => given = value.clone(),
            ("set", Some(Value::Set(items)))
                if items.is_empty() && objects.iter().any(|above| above.len() < path.len() && path.starts_with(above)) => {}
            ("set", Some(value)) => built.put_items(path, value.as_set()?.iter().cloned())?,
            ("entries", Some(gives)) => built.put_entries(&path, gives)?,
            (_, Some(value)) => built.put(path, value.clone())?,
        }
    }
    let mut document = built.value()?;
    lay_over(&mut document, given);
    made(document)
}

/// Puts what a `with` has put into `data` over what rules give.
fn lay_over(document: &mut Value, given: Value) {
    match (document.as_object_mut(), given) {
        (_, Value::Undefined) => {}
        (Ok(fields), Value::Object(given)) => {
            for (key, value) in given.iter() {
                lay_over(fields.get_or_insert_with(key.clone(), || Value::Undefined), value.clone());
            }
        }
        (_, given) => *document = given,
    }
}

/// Parts of a text: texts, and arrays or sets of at most one value, which is written as it is printed.
fn template(args: &[Value]) -> anyhow::Result<Value> {
    let [Value::Array(parts)] = args else { return Ok(Value::Undefined) };
    // What a template's expression gives comes as an array here.
    let part = |part: &Value| match part {
        Value::Array(items) => Value::from(items.iter().take(1).cloned().collect::<BTreeSet<_>>()),
        other => other.clone(),
    };
    match Callable::of("internal.template_string") {
        Some(function) => function.call(&[Value::from(parts.iter().map(part).collect::<Vec<_>>())]),
        None => Ok(Value::Undefined),
    }
}

/// The engine's input with something in the place of something: see `syntax/write/replaced.rs`.
fn with(args: &[Value]) -> anyhow::Result<Value> {
    let [input, kind, Value::Array(path), value] = args else { return Ok(Value::Undefined) };
    let mut input = if let Value::Object(_) = input { input.clone() } else { Value::new_object() };
    let steps: Vec<Value> = std::iter::once(kind).chain(path.iter()).cloned().collect();
    replace(&mut input, &steps, value.clone());
    // The last one counts: a function that is named now is no value any more.
    let other = match kind.as_string().map(ToString::to_string).as_deref() {
        Ok("named") => "value",
        Ok("value") => "named",
        Ok("data") => {
            let mut given = input["given"].as_array().map(|given| given.iter().cloned().collect::<Vec<_>>()).unwrap_or_default();
            given.push(Value::Array(path.clone()));
            replace(&mut input, &["given".into()], Value::from(given));
            return made(input);
        }
        _ => return made(input),
    };
    if let (Ok(fields), Some(name)) = (input.as_object_mut(), path.first())
        && let Some(others) = fields.get_mut(&other.into())
        && let Ok(others) = others.as_object_mut()
    {
        others.remove(name);
    }
    made(input)
}

/// Whatever stands on the way and is no object becomes one.
fn replace(root: &mut Value, path: &[Value], value: Value) {
    let mut place = root;
    for step in path {
        if place.as_object().is_err() {
            *place = Value::new_object();
        }
        let Ok(fields) = place.as_object_mut() else { return };
        place = fields.get_or_insert_with(step.clone(), || Value::Undefined);
    }
    *place = value;
}

/// The input without anything in the place of functions.
fn with_functions(args: &[Value]) -> anyhow::Result<Value> {
    let mut input = first(args);
    if let Ok(fields) = input.as_object_mut() {
        fields.remove(&"named".into());
        fields.remove(&"value".into());
    }
    Ok(input)
}

fn is_given(args: &[Value]) -> anyhow::Result<Value> {
    let [input, Value::Array(path)] = args else { return Ok(Value::Bool(false)) };
    Ok(Value::Bool(arrays(&input["given"]).any(|given| path.as_slice().starts_with(given))))
}

fn is_original(args: &[Value]) -> anyhow::Result<Value> {
    let [input, name] = args else { return Ok(Value::Bool(false)) };
    Ok(Value::Bool(["named", "value"].iter().all(|kind| input[*kind][name] == Value::Undefined)))
}
