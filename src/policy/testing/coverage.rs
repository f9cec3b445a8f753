//! Which rules of a policy its tests make hold, and which lines they never come to.
//!
//! A rule counts as covered when its body has held in a test: that a test has looked at it and found that it does not hold shows
//! nothing of what it gives.

use std::cell::RefCell;
use std::collections::BTreeSet;

use regorus::Value;
use serde::Serialize;

use crate::policy::compiled::{BranchPlace, Observer};
use crate::policy::engine::entrypoint;
use crate::policy::source::PolicySource;
use crate::policy::syntax::core::{Program, Stmt};
use crate::policy::syntax::tree::Span;
use crate::policy::trace;

/// What the tests of a policy come to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// The policy.
    pub file: String,
    /// Rules, each `else` counted by itself.
    pub rules: RuleCounts,
    /// Lines of expressions that were never evaluated, and of rules that never held.
    pub uncovered_lines: Vec<u32>,
    /// The rules that never held.
    pub uncovered: Vec<Uncovered>,
}

/// How many rules held in some test, of how many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RuleCounts {
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

impl RuleCounts {
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

/// What the tests come to in a policy, gathered over all of them.
#[derive(Default)]
pub(super) struct Seen {
    held: RefCell<BTreeSet<BranchPlace>>,
    /// Statements of the policy, by where they begin.
    evaluated: RefCell<BTreeSet<(u32, u32)>>,
}

impl Observer for Seen {
    fn looks(&self, _branch: BranchPlace, statement: &Span, _slots: &[Value]) {
        self.evaluated.borrow_mut().insert(key(statement));
    }

    fn gives(&self, branch: BranchPlace, _steps: &[Value], _value: &Value) {
        self.held.borrow_mut().insert(branch);
    }
}

fn key(span: &Span) -> (u32, u32) {
    (span.start, span.end)
}

impl Seen {
    /// What it comes to for a policy that the program consists of, maybe with its tests.
    pub(super) fn coverage(&self, policy: &PolicySource, place: &str, program: &Program) -> Coverage {
        let (held, evaluated) = (self.held.borrow(), self.evaluated.borrow());
        let marks = trace::marks(program, entrypoint::PACKAGE);
        let never: Vec<Uncovered> = marks
            .iter()
            .filter(|mark| !mark.is_unconditional && !held.contains(&mark.at))
            .map(|mark| Uncovered { line: mark.line, rule: mark.rule.clone() })
            .collect();
        let mut lines: BTreeSet<u32> = never.iter().map(|rule| rule.line).collect();
        statements(program, &mut |statement| {
            if *statement.span.source.name == *place && !evaluated.contains(&key(&statement.span)) {
                lines.insert(statement.span.line);
            }
        });
        Coverage {
            file: policy.place(),
            rules: RuleCounts { covered: marks.len() - never.len(), total: marks.len() },
            uncovered_lines: lines.into_iter().collect(),
            uncovered: never,
        }
    }
}

/// Every statement of a program's bodies, but for those of comprehensions.
fn statements(program: &Program, see: &mut dyn FnMut(&Stmt)) {
    for branch in program.nodes().flat_map(|(.., definitions)| definitions).flat_map(|definition| &definition.branches) {
        branch.body.iter().for_each(|statement| within(statement, see));
    }
}

fn within(statement: &Stmt, see: &mut dyn FnMut(&Stmt)) {
    see(statement);
    statement.kind.body().iter().for_each(|statement| within(statement, see));
}
