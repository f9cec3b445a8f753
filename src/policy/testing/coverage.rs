//! Which rules of a policy its tests make hold, and which lines they never come to.
//!
//! A rule counts as covered when its body has held in a test: that a test has looked at it and found that it does not hold shows
//! nothing of what it gives.

use std::collections::BTreeSet;

use regorus::Engine;
use regorus::unstable::Module;
use serde::Serialize;

use super::run::evaluate;
use crate::policy::mark::{self, Mark, Recorder};
use crate::policy::{PolicyLimits, PolicySource, module};

/// What the tests of a policy come to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// The policy.
    pub file: String,
    /// Rules, each `else` counted by itself.
    pub rules: Rules,
    /// Lines of expressions that were never evaluated, and of rules that never held.
    pub uncovered_lines: Vec<u32>,
    /// The rules that never held.
    pub uncovered: Vec<Uncovered>,
}

/// How many rules held in some test, of how many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rules {
    /// Those that held.
    pub covered: usize,
    /// All of them.
    pub total: usize,
}

/// A rule that never held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Uncovered {
    /// 1-based.
    pub line: u32,
    /// Its name.
    pub rule: String,
}

impl Rules {
    /// Of a hundred; a policy without rules has nothing uncovered.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a policy has fewer rules than a float has digits")]
    pub fn percent(self) -> f64 {
        if self.total == 0 { 100.0 } else { self.covered as f64 * 100.0 / self.total as f64 }
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { covered: self.covered + other.covered, total: self.total + other.total }
    }
}

/// Lines of the policy, gathered over all tests.
#[derive(Default)]
pub(super) struct Lines {
    evaluated: BTreeSet<u32>,
    passed_over: BTreeSet<u32>,
}

/// The tests once more, with a policy that tells what holds.
pub(super) struct Measure {
    engine: Engine,
    /// The policy's text, with marks.
    text: Box<str>,
    recorder: Recorder,
    marks: Vec<Mark>,
    held: BTreeSet<usize>,
}

/// The policy with marks.
pub(super) fn marked(policy: &PolicySource, parsed: &Module) -> (PolicySource, Vec<Mark>) {
    let marked = mark::mark(parsed);
    (PolicySource { text: marked.text.into(), rego: Some(module::version(parsed)), ..policy.clone() }, marked.marks)
}

/// The coverage of a policy without tests.
pub(super) fn none(policy: &PolicySource, parsed: &Module) -> Coverage {
    let (_, marks) = marked(policy, parsed);
    coverage(policy, &marks, &BTreeSet::new(), &Lines::default())
}

impl Measure {
    pub(super) fn new(mut engine: Engine, text: Box<str>, marks: Vec<Mark>) -> anyhow::Result<Self> {
        let recorder = Recorder::default();
        recorder.listen(&mut engine)?;
        engine.set_enable_coverage(true);
        Ok(Self { engine, text, recorder, marks, held: BTreeSet::new() })
    }

    /// Runs a test and notes what it comes to. How it ends has been found out without marks.
    pub(super) fn take_in(&mut self, rule: &str, limits: PolicyLimits, lines: &mut Lines) {
        let mut engine = self.engine.clone();
        let _ = evaluate(&mut engine, rule.to_owned(), limits);
        self.held.extend(self.recorder.take().into_iter().map(|(number, _, _)| number));
        for file in engine.get_coverage_report().map(|report| report.files).unwrap_or_default() {
            // Of the two modules the one with marks is the policy.
            if *file.code == *self.text {
                lines.evaluated.extend(file.covered);
                lines.passed_over.extend(file.not_covered);
            }
        }
    }

    pub(super) fn coverage(&self, policy: &PolicySource, lines: &Lines) -> Coverage {
        coverage(policy, &self.marks, &self.held, lines)
    }
}

fn coverage(policy: &PolicySource, marks: &[Mark], held: &BTreeSet<usize>, lines: &Lines) -> Coverage {
    let never = |(number, mark): (usize, &Mark)| (!held.contains(&number)).then(|| Uncovered { line: mark.line, rule: mark.rule.clone() });
    let uncovered: Vec<Uncovered> = marks.iter().enumerate().filter_map(never).collect();
    let mut uncovered_lines: BTreeSet<u32> = lines.passed_over.difference(&lines.evaluated).copied().collect();
    uncovered_lines.extend(uncovered.iter().map(|rule| rule.line));
    Coverage {
        file: policy.place(),
        rules: Rules { covered: marks.len() - uncovered.len(), total: marks.len() },
        uncovered_lines: uncovered_lines.into_iter().collect(),
        uncovered,
    }
}
