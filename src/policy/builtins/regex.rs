//! The builtins that take regular expressions; [`pattern`] says how these are read.

#![expect(clippy::similar_names, reason = "a pattern is made, and kept")]

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::ptr;
use std::rc::Rc;
use std::sync::{LazyLock, Mutex, PoisonError};

use anyhow::bail;
use regex::{Captures, Regex, RegexBuilder};
use regorus::Value;

use super::function::{Function, Own};
use super::pattern::{self, Odd};

pub(super) static FUNCTIONS: [Function; 7] = [
    ("regex.match", 2, Own::Partial(matches)),
    ("re_match", 2, Own::Partial(matches)),
    ("regex.is_valid", 1, Own::Partial(is_valid)),
    ("regex.split", 2, Own::Partial(split)),
    ("regex.replace", 3, Own::Partial(replace)),
    ("regex.find_n", 3, Own::Partial(find)),
    ("regex.find_all_string_submatch_n", 3, Own::Partial(find_groups)),
];

/// Bytes of a compiled pattern.
const COMPILED_MAX: usize = 100 * 1024;
/// Compiled patterns that are kept.
const KEPT_MAX: usize = 256;

/// What has been compiled, by a name that its maker gives it. `None` is an error to OPA.
pub(super) type Kept = LazyLock<Mutex<HashMap<String, Option<Regex>>>>;
static KEPT: Kept = LazyLock::new(Mutex::default);

/// Patterns that a thread has at hand with all that matching them has found out, which takes more than most matches do. Of each no more
/// than this: a few MiB on all threads together, whatever the patterns are.
const AT_HAND_MAX: usize = 16;
const AT_HAND_NAME_MAX: usize = 4 * 1024;
const FOUND_OUT_MAX: usize = 64 * 1024;
/// Bytes of a name that is kept: what is longer is rarely a pattern that can be compiled at all.
const NAME_MAX: usize = 64 * 1024;

/// A pattern, whose it is, and its name.
type AtHand = (&'static Kept, String, Option<Rc<Regex>>);

thread_local! {
    /// The one that was wanted last is the first.
    static AT_HAND: RefCell<VecDeque<AtHand>> = const { RefCell::new(VecDeque::new()) };
}

/// What is at hand or kept under that name, or what is made now.
pub(super) fn compiled(
    kept: &'static Kept,
    name: &str,
    make: impl FnOnce() -> anyhow::Result<Option<String>>,
) -> anyhow::Result<Option<Rc<Regex>>> {
    let found = AT_HAND.with_borrow_mut(|at_hand| {
        let place = at_hand.iter().position(|(whose, named, _)| ptr::eq(*whose, kept) && named == name)?;
        at_hand.swap(place, 0);
        at_hand.front().map(|(_, _, regex)| regex.clone())
    });
    if let Some(found) = found {
        return Ok(found);
    }
    let regex = shared(kept, name, make)?.map(Rc::new);
    if name.len() > AT_HAND_NAME_MAX {
        return Ok(regex);
    }
    AT_HAND.with_borrow_mut(|at_hand| {
        at_hand.truncate(AT_HAND_MAX - 1);
        at_hand.push_front((kept, name.to_owned(), regex.clone()));
    });
    Ok(regex)
}

/// What is kept for all threads under that name, or what is made now.
fn shared(kept: &Kept, name: &str, make: impl FnOnce() -> anyhow::Result<Option<String>>) -> anyhow::Result<Option<Regex>> {
    if let Some(kept) = kept.lock().unwrap_or_else(PoisonError::into_inner).get(name) {
        return Ok(kept.clone());
    }
    let build = |text: String| RegexBuilder::new(&text).octal(true).size_limit(COMPILED_MAX).dfa_size_limit(FOUND_OUT_MAX).build();
    let made = match make()?.map(build) {
        None => None,
        Some(Ok(regex)) => Some(regex),
        Some(Err(regex::Error::CompiledTooBig(_))) => bail!("a compiled pattern takes at most {} KiB", COMPILED_MAX / 1024),
        Some(Err(error)) => bail!("a pattern cannot be compiled: {error}"),
    };
    if name.len() > NAME_MAX {
        return Ok(made);
    }
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.len() >= KEPT_MAX {
        kept.clear();
    }
    kept.insert(name.to_owned(), made.clone());
    Ok(made)
}

fn regex(pattern: &Value) -> anyhow::Result<Option<Rc<Regex>>> {
    let Value::String(text) = pattern else { return Ok(None) };
    compiled(&KEPT, text, || match pattern::translate(text) {
        Ok(translated) => Ok(Some(translated)),
        Err(Odd::Wrong) => Ok(None),
        Err(Odd::NotTaken(what)) => bail!("a pattern has {what}, which is not taken here"),
    })
}

fn matches(args: &[Value]) -> anyhow::Result<Value> {
    let [pattern, Value::String(text)] = args else { return Ok(Value::Undefined) };
    Ok(regex(pattern)?.map_or(Value::Undefined, |regex| Value::Bool(regex.is_match(text))))
}

fn is_valid(args: &[Value]) -> anyhow::Result<Value> {
    let [pattern] = args else { return Ok(Value::Undefined) };
    Ok(Value::Bool(regex(pattern)?.is_some()))
}

/// How many matches are wanted: all, if the number is below zero.
fn wanted(number: &Value) -> Option<usize> {
    number.as_i64().ok().map(|number| usize::try_from(number).unwrap_or(usize::MAX))
}

fn find(args: &[Value]) -> anyhow::Result<Value> {
    let [pattern, Value::String(text), number] = args else { return Ok(Value::Undefined) };
    let (Some(regex), Some(wanted)) = (regex(pattern)?, wanted(number)) else { return Ok(Value::Undefined) };
    Ok(Value::from(regex.find_iter(text).take(wanted).map(|found| Value::from(found.as_str())).collect::<Vec<_>>()))
}

/// Each match with what its groups hold: nothing is the empty text.
fn find_groups(args: &[Value]) -> anyhow::Result<Value> {
    let [pattern, Value::String(text), number] = args else { return Ok(Value::Undefined) };
    let (Some(regex), Some(wanted)) = (regex(pattern)?, wanted(number)) else { return Ok(Value::Undefined) };
    let group = |group: Option<regex::Match<'_>>| Value::from(group.map_or("", |group| group.as_str()));
    let found = regex.captures_iter(text).take(wanted).map(|found| Value::from(found.iter().map(group).collect::<Vec<_>>()));
    Ok(Value::from(found.collect::<Vec<_>>()))
}

/// A match of nothing at the beginning or at the end splits nothing off.
fn split(args: &[Value]) -> anyhow::Result<Value> {
    let [pattern, Value::String(text)] = args else { return Ok(Value::Undefined) };
    let Some(regex) = regex(pattern)? else { return Ok(Value::Undefined) };
    if text.is_empty() {
        let is_empty = regex.as_str().is_empty();
        return Ok(Value::from(if is_empty { vec![] } else { vec![Value::from("")] }));
    }
    let (mut pieces, mut begin, mut end) = (Vec::new(), 0, 0);
    for found in regex.find_iter(text) {
        end = found.start();
        if found.end() > 0 {
            pieces.push(Value::from(text.get(begin..end).unwrap_or_default()));
        }
        begin = found.end();
    }
    if end < text.len() {
        pieces.push(Value::from(text.get(begin..).unwrap_or_default()));
    }
    Ok(Value::from(pieces))
}

fn replace(args: &[Value]) -> anyhow::Result<Value> {
    let [Value::String(text), pattern, Value::String(template)] = args else { return Ok(Value::Undefined) };
    let Some(regex) = regex(pattern)? else { return Ok(Value::Undefined) };
    Ok(Value::from(regex.replace_all(text, |found: &Captures<'_>| expanded(template, found)).into_owned()))
}

/// A template with what groups hold in the place of `$1`, `$name` and `${name}`; `$$` is a dollar, and so is one before anything else.
fn expanded(template: &str, found: &Captures<'_>) -> String {
    let is_name = |character: char| character == '_' || character.is_alphanumeric();
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let (name, behind) = match after.strip_prefix('{') {
            Some(braced) => braced.split_once('}').unwrap_or_default(),
            None => after.split_at(after.find(|character| !is_name(character)).unwrap_or(after.len())),
        };
        rest = if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            after
        } else if name.is_empty() || !name.chars().all(is_name) {
            out.push('$');
            after
        } else {
            let group = if name.bytes().all(|byte| byte.is_ascii_digit()) {
                name.parse().ok().and_then(|n| found.get(n))
            } else {
                found.name(name)
            };
            out.push_str(group.map_or("", |group| group.as_str()));
            behind
        };
    }
    out + rest
}
