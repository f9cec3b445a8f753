//! How a run of tests went, in numbers.

use serde::Serialize;

use crate::policy::testing::{TestOutcome, TestResult};

/// How many tests ended how.
#[derive(Clone, Copy, Default, Serialize)]
pub(super) struct Count {
    pub(super) passed: usize,
    pub(super) failed: usize,
    pub(super) broken: usize,
    pub(super) skipped: usize,
}

impl Count {
    pub(super) fn of(results: &[TestResult]) -> Self {
        let mut count = Self::default();
        for result in results {
            match result.outcome {
                TestOutcome::Passed => count.passed += 1,
                TestOutcome::Failed { .. } => count.failed += 1,
                TestOutcome::Broken { .. } => count.broken += 1,
                TestOutcome::Skipped => count.skipped += 1,
            }
        }
        count
    }

    pub(super) fn summary(self) -> String {
        let Self { passed, failed, broken, skipped } = self;
        let more = |number: usize, word: &str| if number == 0 { String::new() } else { format!(", {number} {word}") };
        let all = passed + failed + broken + skipped;
        format!("{passed} of {all} passed{}{}{}", more(failed, "failed"), more(broken, "ended with an error"), more(skipped, "skipped"))
    }
}
