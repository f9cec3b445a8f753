//! Counts what clients have seen, phase by phase.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::world::{Fault, Seen};

/// So many of the answers that could not be given are told whole.
const TOLD: usize = 20;

pub(crate) struct Tally {
    targets: Vec<String>,
    phase: Phase,
    label: String,
    changes: u64,
    /// Every change that was acknowledged with its revision.
    log: Vec<Value>,
    healed: Duration,
    told: usize,
}

#[derive(Default)]
struct Phase {
    answers: u64,
    changes: u64,
    /// By target and kind.
    errors: BTreeMap<(usize, String), u64>,
    refused_changes: BTreeMap<String, u64>,
    /// When something last went wrong after all should have been well again.
    last_error: Option<Duration>,
    violations: BTreeMap<(usize, &'static str), u64>,
    /// What is no violation although it was late: how many, and the latest.
    late: BTreeMap<(usize, &'static str), (u64, Duration)>,
    oldest: BTreeMap<usize, Duration>,
    slowest: BTreeMap<usize, Duration>,
    /// From acknowledged to first seen, at the maker itself and elsewhere, in microseconds.
    at_maker: Vec<u64>,
    elsewhere: BTreeMap<usize, Vec<u64>>,
    /// From asked to acknowledged.
    changed_in: Vec<u64>,
    /// In how many the wait for everywhere has come to its end.
    everywhere: u64,
    not_everywhere: u64,
}

impl Tally {
    pub(crate) fn new(targets: Vec<String>) -> Self {
        let (phase, label, log) = (Phase::default(), String::new(), Vec::new());
        Self { targets, phase, label, changes: 0, log, healed: Duration::MAX, told: 0 }
    }

    pub(crate) fn answered(&mut self, target: usize, age: Duration, took: Duration) {
        self.phase.answers += 1;
        let slowest = self.phase.slowest.entry(target).or_default();
        *slowest = took.max(*slowest);
        if !age.is_zero() && age < Duration::MAX {
            let oldest = self.phase.oldest.entry(target).or_default();
            *oldest = age.max(*oldest);
        }
    }

    pub(crate) fn failed(&mut self, target: usize, what: String, now: Duration) {
        *self.phase.errors.entry((target, what)).or_default() += 1;
        self.note_error(now);
    }

    pub(crate) fn change_refused(&mut self, what: String, now: Duration) {
        *self.phase.refused_changes.entry(what).or_default() += 1;
        self.note_error(now);
    }

    fn note_error(&mut self, now: Duration) {
        if now >= self.healed {
            self.phase.last_error = Some(now.saturating_sub(self.healed));
        }
    }

    pub(crate) fn violated(&mut self, target: usize, fault: Fault, what: &str) {
        let name = name(fault);
        *self.phase.violations.entry((target, name)).or_default() += 1;
        if self.told < TOLD {
            self.told += 1;
            crate::say(&json!({ "event": "violation", "target": self.targets[target], "kind": name, "what": what, "phase": self.label }));
        }
    }

    pub(crate) fn late(&mut self, target: usize, fault: Fault, age: Duration) {
        let (count, latest) = self.phase.late.entry((target, name(fault))).or_default();
        *count += 1;
        *latest = age.max(*latest);
    }

    pub(crate) fn acknowledge(&mut self, entry: Value, took: Duration) {
        self.changes += 1;
        self.phase.changes += 1;
        self.phase.changed_in.push(micros(took));
        self.log.push(entry);
    }

    pub(crate) fn waited(&mut self, everywhere: bool) {
        if everywhere {
            self.phase.everywhere += 1;
        } else {
            self.phase.not_everywhere += 1;
        }
    }

    pub(crate) fn seen(&mut self, target: usize, seen: &Seen) {
        if seen.maker == target {
            self.phase.at_maker.push(micros(seen.after));
        } else {
            self.phase.elsewhere.entry(target).or_default().push(micros(seen.after));
        }
    }

    pub(crate) fn heal(&mut self, now: Duration) {
        self.healed = now;
    }

    /// What was done before does not count.
    pub(crate) fn begin(&mut self) {
        (self.phase, self.changes) = (Phase::default(), 0);
    }

    pub(crate) fn acknowledged(&self) -> u64 {
        self.changes
    }

    pub(crate) fn log(&self) -> &[Value] {
        &self.log
    }

    /// Tells of the phase that ends, and begins another one.
    pub(crate) fn mark(&mut self, label: &str) {
        let Phase {
            answers,
            changes,
            errors,
            refused_changes,
            last_error,
            violations,
            late,
            oldest,
            slowest,
            at_maker,
            elsewhere,
            changed_in,
            everywhere,
            not_everywhere,
        } = std::mem::take(&mut self.phase);
        let label = std::mem::replace(&mut self.label, label.to_owned());
        let name = |target: usize| &self.targets[target];
        let by_target = |found: Vec<(usize, String, Value)>| {
            let mut all: BTreeMap<&str, BTreeMap<String, Value>> = BTreeMap::new();
            for (target, what, value) in found {
                all.entry(name(target)).or_default().insert(what, value);
            }
            json!(all)
        };
        let errors = errors.into_iter().map(|((target, what), count)| (target, what, json!(count))).collect();
        let violations = violations.into_iter().map(|((target, what), count)| (target, what.to_owned(), json!(count))).collect();
        let late = late
            .into_iter()
            .map(|((target, what), (count, most))| (target, what.to_owned(), json!({ "count": count, "most": most.as_secs_f64() })));
        let seconds = |times: BTreeMap<usize, Duration>| {
            times.into_iter().map(|(target, time)| (name(target).clone(), time.as_secs_f64())).collect::<BTreeMap<_, _>>()
        };
        let elsewhere: BTreeMap<&str, Value> =
            elsewhere.into_iter().map(|(target, times)| (name(target).as_str(), quantiles(times))).collect();
        crate::say(&json!({
            "event": "phase", "label": label, "answers": answers, "changes": changes,
            "errors": by_target(errors), "refused_changes": refused_changes, "last_error": last_error.map(|at| at.as_secs_f64()),
            "violations": by_target(violations), "late": by_target(late.collect()), "oldest": seconds(oldest), "slowest": seconds(slowest),
            "at_maker": quantiles(at_maker), "elsewhere": elsewhere, "changed_in": quantiles(changed_in),
            "everywhere": everywhere, "not_everywhere": not_everywhere,
        }));
        self.healed = Duration::MAX;
    }
}

fn name(fault: Fault) -> &'static str {
    match fault {
        Fault::LetIn => "let in",
        Fault::KeptOut => "kept out",
        Fault::Stale => "stale",
        Fault::Invented => "invented",
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

/// In microseconds.
fn quantiles(mut times: Vec<u64>) -> Value {
    times.sort_unstable();
    let at = |share: usize| times.get((times.len() * share / 1000).min(times.len().saturating_sub(1)));
    json!({ "count": times.len(), "p50": at(500), "p99": at(990), "most": times.last() })
}
