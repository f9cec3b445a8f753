//! How policies are asked, and what that may take.

use std::time::Duration;

use crate::config::{PolicyEvaluator, PolicySettings};

/// Bounds on one evaluation of one policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyLimits {
    /// Wall clock.
    pub time: Duration,
    /// Bytes.
    pub memory: usize,
}

/// How policies are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvaluationSettings {
    /// What one evaluation may take.
    pub limits: PolicyLimits,
    /// Who answers.
    pub evaluator: PolicyEvaluator,
    /// Of how many compiled answers one is asked of the engine afterwards; 0: none.
    pub compare_every: u32,
}

impl From<&PolicySettings> for EvaluationSettings {
    fn from(settings: &PolicySettings) -> Self {
        let PolicySettings { dir: _, time_limit, memory_limit, evaluator, compare_every } = *settings;
        Self { limits: PolicyLimits { time: time_limit, memory: memory_limit }, evaluator, compare_every }
    }
}

/// As the configuration has it where it says nothing.
impl From<PolicyLimits> for EvaluationSettings {
    fn from(limits: PolicyLimits) -> Self {
        Self { limits, ..Self::from(&PolicySettings::default()) }
    }
}
