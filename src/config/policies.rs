//! `[policies]`: login policies beside the store's, how they are asked, and how much each may take.

use std::path::PathBuf;
use std::time::Duration;

use super::parse::{duration, number, one_of, size};
use super::quantity::{millis, secs};
use super::reader::Section;

/// `[policies]`
#[derive(Clone, Debug, PartialEq)]
pub struct PolicySettings {
    /// A directory of `*.rego` files. `None`: only the store's policies.
    pub dir: Option<PathBuf>,
    /// For one evaluation of one policy.
    pub time_limit: Duration,
    /// For one evaluation of one policy, in bytes.
    pub memory_limit: usize,
    /// Who answers for a policy.
    pub evaluator: PolicyEvaluator,
    /// Of how many compiled answers one is asked of the engine afterwards. 0: none.
    pub compare_every: u32,
}

/// Who answers for a login policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyEvaluator {
    /// The compiled form of the policy.
    Auto,
    /// Regorus alone.
    Regorus,
}

impl PolicyEvaluator {
    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Regorus => "regorus",
        }
    }
}

impl Default for PolicySettings {
    fn default() -> Self {
        Self { dir: None, time_limit: millis(50), memory_limit: 16 << 20, evaluator: PolicyEvaluator::Auto, compare_every: 1000 }
    }
}

impl PolicySettings {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Self {
        let default = Self::default();
        let evaluators = [PolicyEvaluator::Auto, PolicyEvaluator::Regorus].map(|evaluator| (evaluator.as_str(), evaluator));
        Self {
            dir: section.optional_live_path("dir"),
            time_limit: section.live("time_limit", default.time_limit, duration(millis(1)..=secs(10))),
            memory_limit: section.live("memory_limit", default.memory_limit, size(1 << 20..=2 << 30)),
            evaluator: section.live("evaluator", default.evaluator, one_of(&evaluators)),
            compare_every: section.live("compare_every", default.compare_every, number(0..=1_000_000)),
        }
    }
}
