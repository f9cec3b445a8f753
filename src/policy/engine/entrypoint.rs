//! The rules that count, collected from a policy in one evaluation and read into a [`Verdict`].
//!
//! A rule that counts and has a value of the wrong type is an error, never `false`: a `deny` that nobody can read must not let pass.

use std::collections::{BTreeMap, BTreeSet};

use regorus::Value;

use crate::model::{SystemRoleClaim, Verdict};

/// The package that login policies stand in.
pub(in crate::policy) const PACKAGE: &str = "spacelift";

/// What a rule that counts must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::policy) enum Shape {
    /// `true` or `false`.
    Flag,
    /// Names: a set, an array, or an object of booleans.
    Names,
    /// Names by name: an object of the former.
    Roles,
}

/// Every rule that counts.
pub(in crate::policy) const RULES: [(&str, Shape); 10] = [
    ("allow", Shape::Flag),
    ("deny", Shape::Flag),
    ("admin", Shape::Flag),
    ("deny_admin", Shape::Flag),
    ("sample", Shape::Flag),
    ("roles", Shape::Roles),
    ("space_admin", Shape::Names),
    ("space_write", Shape::Names),
    ("space_read", Shape::Names),
    ("team", Shape::Names),
];

pub(in crate::policy) fn shape(rule: &str) -> Option<Shape> {
    RULES.iter().find(|(name, _)| *name == rule).map(|(_, shape)| *shape)
}

/// Reads what the entrypoint evaluated to.
///
/// # Errors
/// A sentence about the rule whose value has the wrong type.
pub(in crate::policy) fn read(result: &Value) -> Result<Verdict, String> {
    let collected = result.as_object().map_err(|_| "it gave no answer".to_owned())?;
    let mut verdict = Verdict::default();
    for (name, values) in collected.iter() {
        let name: &str = name.as_string().map_err(|_| "it gave no answer".to_owned())?;
        if let Some(value) = values.as_array().ok().and_then(|values| values.first()) {
            read_rule(&mut verdict, name, value)?;
        }
    }
    Ok(verdict)
}

/// Adds what a rule's value says, if the rule counts.
///
/// # Errors
/// As of [`read`].
pub(in crate::policy) fn read_rule(verdict: &mut Verdict, name: &str, value: &Value) -> Result<(), String> {
    match shape(name) {
        None => {}
        Some(Shape::Flag) => {
            let Value::Bool(flag) = value else { return Err(wrong(name, "true or false", value)) };
            match name {
                "allow" => verdict.allow = *flag,
                "deny" => verdict.deny = *flag,
                "admin" => verdict.admin = *flag,
                "deny_admin" => verdict.deny_admin = *flag,
                "sample" => verdict.sample = *flag,
                other => return Err(format!("`{other}` is read by nobody")),
            }
        }
        Some(Shape::Names) => {
            let names = names(name, value)?;
            match name {
                "space_admin" => verdict.space_roles.extend(names.map(|space| (space, SystemRoleClaim::Admin))),
                "space_write" => verdict.space_roles.extend(names.map(|space| (space, SystemRoleClaim::Write))),
                "space_read" => verdict.space_roles.extend(names.map(|space| (space, SystemRoleClaim::Read))),
                "team" => verdict.teams.extend(names),
                other => return Err(format!("`{other}` is read by nobody")),
            }
        }
        Some(Shape::Roles) => {
            let Value::Object(spaces) = value else { return Err(wrong(name, "an object of spaces", value)) };
            for (space, roles) in spaces.iter() {
                let space = space.as_string().map_err(|_| wrong(name, "an object whose keys are the names of spaces", space))?;
                verdict.roles.extend(names(name, roles)?.map(|role| (space.to_string(), role)));
            }
        }
    }
    Ok(())
}

/// Reads what one rule gives by itself: its value, or the item that it puts into a set, at the steps behind the rule's name.
///
/// # Errors
/// As of [`read`].
pub(in crate::policy) fn read_one(rule: &str, path: &[Value], value: &Value, is_item: bool) -> Result<Verdict, String> {
    let innermost = if is_item { Value::from(BTreeSet::from([value.clone()])) } else { value.clone() };
    let whole = path.iter().rev().fold(innermost, |value, step| Value::from(BTreeMap::from([(step.clone(), value)])));
    read(&Value::from(BTreeMap::from([(Value::from(rule), Value::from(vec![whole]))])))
}

/// The names in a set, an array, or an object of booleans (those that are true): which of them `r["x"] { … }` makes depends on the
/// version of Rego and on the depth of the head.
fn names(rule: &str, value: &Value) -> Result<impl Iterator<Item = String>, String> {
    let name = |value: &Value| match value {
        Value::String(name) => Ok(name.to_string()),
        other => Err(wrong(rule, "names that are strings", other)),
    };
    let names: Vec<String> = match value {
        Value::Set(items) => items.iter().map(name).collect::<Result<_, _>>()?,
        Value::Array(items) => items.iter().map(name).collect::<Result<_, _>>()?,
        Value::Object(items) => items
            .iter()
            .filter_map(|(key, held)| match held {
                Value::Bool(true) => Some(name(key)),
                Value::Bool(false) => None,
                other => Some(Err(wrong(rule, "true or false for each name", other))),
            })
            .collect::<Result<_, _>>()?,
        other => return Err(wrong(rule, "a set, an array, or an object of true values", other)),
    };
    Ok(names.into_iter())
}

/// Names the type and never the value, which may be of any size.
fn wrong(rule: &str, wanted: &str, value: &Value) -> String {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Set(_) => "a set",
        Value::Object(_) => "an object",
        Value::Undefined => "undefined",
    };
    format!("`{rule}` must be {wanted}, and is {found}")
}
