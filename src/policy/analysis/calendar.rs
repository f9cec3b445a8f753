//! What policies see of the time, as one number.
//!
//! A policy that asks `time.clock` for the hour, or `time.weekday`, gives one answer for all times of that hour and that weekday. No
//! windows are computed, since their edges would have to be known: zones are half hours and quarters of hours apart, and have been
//! seconds apart; clocks go forward and back, at midnight or a minute past it. Instead the very functions that the policy calls are
//! asked for the time at hand, and what they answer is the class. It is right for every zone and every change of the clocks by
//! construction; and since policies see the time in quanta, it is asked for once in a quantum and not once in a request.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::BitOrAssign;

use jiff::Timestamp;
use regorus::Value;

use crate::policy::{builtins, input};

/// What is looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Calendar {
    /// By zone.
    pub(super) zones: BTreeMap<Box<str>, Parts>,
    /// Times that the time is compared with, in nanoseconds.
    pub(super) instants: BTreeSet<i64>,
}

/// The parts of a local time that are looked at.
#[expect(clippy::struct_excessive_bools, reason = "a set of four parts")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) hour: bool,
    pub(super) minute: bool,
    pub(super) weekday: bool,
    pub(super) date: bool,
}

const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

impl Calendar {
    /// Whether the functions of time take a text for a zone's name.
    pub(super) fn knows(zone: &str) -> bool {
        ask("time.clock", &Value::from(0_i64), zone) != Value::Undefined
    }

    pub(super) fn is_empty(&self) -> bool {
        self.zones.is_empty() && self.instants.is_empty()
    }

    /// Looks at what either looks at.
    pub(super) fn merge(&mut self, other: &Self) {
        for (zone, parts) in &other.zones {
            *self.zones.entry(zone.clone()).or_default() |= *parts;
        }
        self.instants.extend(&other.instants);
    }

    /// Two times of one class look the same. `None`: this one has no class, and looks like no other.
    pub(super) fn class(&self, at: Timestamp) -> Option<u64> {
        let time = input::nanoseconds(at);
        let mut class = Digits(Some(0));
        for (zone, parts) in &self.zones {
            if parts.hour || parts.minute {
                let [hour, minute, _] = numbers(&ask("time.clock", &time, zone))?;
                class.push(hour, 24);
                class.push(if parts.minute { minute } else { Some(0) }, if parts.minute { 60 } else { 1 });
            }
            if parts.weekday {
                let weekday = match ask("time.weekday", &time, zone) {
                    Value::Undefined => None,
                    Value::String(name) => Some((0..).zip(WEEKDAYS).find(|(_, weekday)| *weekday == name.as_ref())?.0),
                    _ => return None,
                };
                class.push(weekday, 7);
            }
            if parts.date {
                let [year, month, day] = numbers(&ask("time.date", &time, zone))?;
                class.push(year, 10_000);
                class.push(month, 13);
                class.push(day, 32);
            }
        }
        let nanoseconds = at.as_nanosecond();
        let passed = self.instants.range(..=i64::try_from(nanoseconds.clamp(i64::MIN.into(), i64::MAX.into())).ok()?);
        let (count, last) = (passed.clone().count(), passed.last());
        // Before, at, and after each instant are different classes.
        let reached = u64::try_from(count).ok()? * 2 - u64::from(last.is_some_and(|last| i128::from(*last) == nanoseconds));
        class.push(Some(reached), u64::try_from(self.instants.len()).ok()? * 2 + 1);
        class.0
    }
}

impl BitOrAssign for Parts {
    fn bitor_assign(&mut self, other: Self) {
        self.hour |= other.hour;
        self.minute |= other.minute;
        self.weekday |= other.weekday;
        self.date |= other.date;
    }
}

/// A number whose digits have bases of their own; `None` when it grows too large, or a digit is none.
struct Digits(Option<u64>);

impl Digits {
    /// Appends a digit; `None` for undefined, which is a digit too.
    fn push(&mut self, digit: Option<u64>, base: u64) {
        let digit = digit.map_or(Some(0), |digit| (digit < base).then_some(digit + 1));
        self.0 = self.0.zip(digit).and_then(|(class, digit)| class.checked_mul(base + 1)?.checked_add(digit));
    }
}

fn ask(function: &str, time: &Value, zone: &str) -> Value {
    builtins::call_alone(function, &[Value::from(vec![time.clone(), Value::from(zone)])])
}

/// Three numbers, or undefined three times.
fn numbers(value: &Value) -> Option<[Option<u64>; 3]> {
    if *value == Value::Undefined {
        return Some([None; 3]);
    }
    match value.as_array().ok()?.as_slice() {
        [one, two, three] => Some([Some(number(one)?), Some(number(two)?), Some(number(three)?)]),
        _ => None,
    }
}

fn number(value: &Value) -> Option<u64> {
    value.as_u64().ok()
}
