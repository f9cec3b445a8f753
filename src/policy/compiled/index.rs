//! Which definitions can have a solution at all, and in which order they are looked at.
//!
//! As in OPA's rule index, what a body asks of `input`, or of an argument, is looked at before anything else of it is, wherever it stands:
//! a branch that is passed over for it neither costs anything nor fails. Of many definitions that ask for one thing each
//! (`input.session.login == "…"`), those that ask for what is there are found at once. And definitions that ask for nothing come first,
//! which decides what is found first: a value that is enough, or two values where there is room for one.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use regorus::Value;

use super::value::holds;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    /// A path of `input`, by number.
    Input(usize),
    /// An argument.
    Slot(usize),
}

/// What a body asks for, as far as OPA's index sees it.
#[derive(Debug, Default)]
pub(super) struct Guards {
    pub(super) asked: Vec<(Subject, Asked)>,
    /// Something that may fail stands before one of them.
    pub(super) is_ahead: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// To be defined. The slot, if there is one, has its value.
    Any(Option<usize>),
    /// To be this value, or one of several.
    Value(Value),
}

impl Guards {
    /// Whether all that is asked for is there.
    pub(super) fn hold<'v>(&self, value_of: impl Fn(Subject) -> &'v Value) -> bool {
        self.asked.iter().all(|(of, asked)| {
            let value = value_of(*of);
            match asked {
                Asked::Any(_) => *value != Value::Undefined,
                // One of several is enough, as it may be one of a set.
                Asked::Value(_) => {
                    self.wanted(*of).is_none_or(|mut wanted| wanted.any(|wanted| wanted == value || holds(value, None, wanted)))
                }
            }
        })
    }

    /// The values that are asked for; `None` if any will do.
    fn wanted(&self, of: Subject) -> Option<impl Iterator<Item = &Value>> {
        let asked = || self.asked.iter().filter(move |(subject, _)| *subject == of);
        let is_particular = asked().next().is_some() && asked().all(|(_, asked)| matches!(asked, Asked::Value(_)));
        is_particular.then(|| asked().filter_map(|(_, asked)| if let Asked::Value(value) = asked { Some(value) } else { None }))
    }
}

/// What there is to choose from, by what it asks of one subject.
pub(super) struct Index {
    pub(super) of: Subject,
    by_value: BTreeMap<Value, Vec<usize>>,
    /// Those that ask for nothing in particular.
    rest: Vec<usize>,
}

impl Index {
    /// As many of them as it takes for a search to be less work than looking at each.
    const LEAST: usize = 8;

    /// Of choices that have some branches each.
    pub(super) fn of(choices: &[Vec<&Guards>]) -> Option<Self> {
        let wanted = |branches: &[&Guards], of| {
            let of_each = branches.iter().map(|guards| Some(guards.wanted(of)?.filter(|value| is_scalar(value)).cloned()));
            of_each.collect::<Option<Vec<_>>>().map(|values| values.into_iter().flatten().collect::<Vec<Value>>())
        };
        let mut counts: BTreeMap<Subject, usize> = BTreeMap::new();
        for (of, _) in choices.iter().filter_map(|branches| branches.first()).flat_map(|guards| &guards.asked) {
            *counts.entry(*of).or_default() += 1;
        }
        let (of, _) = counts.into_iter().max_by_key(|(_, count)| *count).filter(|(_, count)| *count >= Self::LEAST)?;
        let (mut by_value, mut rest): (BTreeMap<Value, Vec<usize>>, Vec<usize>) = (BTreeMap::new(), Vec::new());
        for (number, branches) in choices.iter().enumerate() {
            let Some(values) = wanted(branches, of) else {
                rest.push(number);
                continue;
            };
            for value in values {
                let numbers = by_value.entry(value).or_default();
                if numbers.last() != Some(&number) {
                    numbers.push(number);
                }
            }
        }
        Some(Self { of, by_value, rest })
    }

    /// Those that can hold if the subject has this value; `None`: all of them, since it has parts that may be asked for.
    pub(super) fn chosen<'i>(&'i self, value: &Value) -> Option<impl Iterator<Item = usize> + use<'i>> {
        let is_one = is_scalar(value) || *value == Value::Undefined;
        is_one.then(|| self.rest.iter().chain(self.by_value.get(value).into_iter().flatten()).copied())
    }
}

/// By which OPA puts choices in order that have some branches each: those that ask for nothing first, and then, subject by subject and
/// the commonest first, those that do not ask for it, those that ask for any value of it, and those that ask for one.
pub(super) fn ranks(choices: &[Vec<&Guards>]) -> Vec<Option<Vec<u8>>> {
    let mut subjects: Vec<(Subject, usize)> = Vec::new();
    for (of, _) in choices.iter().flatten().flat_map(|guards| &guards.asked) {
        match subjects.iter_mut().find(|(subject, _)| subject == of) {
            Some((_, count)) => *count += 1,
            None => subjects.push((*of, 1)),
        }
    }
    subjects.sort_by_key(|(_, count)| Reverse(*count));
    let rank = |guards: &&Guards| -> Vec<u8> {
        let asks = |of| guards.asked.iter().any(|(subject, _)| *subject == of);
        let of_one = |of| if asks(of) { 1 + u8::from(guards.wanted(of).is_some()) } else { 0 };
        if guards.asked.is_empty() { Vec::new() } else { subjects.iter().map(|(of, _)| of_one(*of)).collect() }
    };
    choices.iter().map(|guards| guards.iter().map(rank).min()).collect()
}

pub(super) fn is_scalar(value: &Value) -> bool {
    matches!(value, Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_))
}
