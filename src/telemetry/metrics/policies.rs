//! Login policies: how they answer, what they give in vain, and what they want kept.

use std::time::Duration;

use super::exposition::Family;
use super::label::{Label, label};
use super::series::{Counters, Histograms, Level, micros};
use crate::model::IgnoredReason;

static BOUNDS: [Duration; 4] = micros([10, 100, 1_000, 10_000]);

label! {
    /// How an evaluation of the login policies went.
    pub enum PolicyResult: "result" {
        /// There is a result.
        Answered = "answered",
        /// A policy failed.
        Failed = "failed",
        /// A policy ran out of its time.
        TimeLimit = "time_limit",
        /// A policy ran out of its memory.
        MemoryLimit = "memory_limit",
        /// Too many evaluations were waiting.
        Overloaded = "overloaded",
    }
}

label! {
    /// What became of a request that a login policy wanted kept.
    pub enum SampleResult: "result" {
        /// It is in the store.
        Kept = "kept",
        /// There were too many in that second.
        TooMany = "too_many",
        /// It was larger than a sample may be.
        TooLarge = "too_large",
        /// The store was too slow, or did not take it.
        Failed = "failed",
    }
}

impl Label for IgnoredReason {
    const NAME: &'static str = "reason";
    const ALL: &'static [Self] = &[Self::UnknownSpace, Self::UnknownRole];

    fn value(self) -> &'static str {
        self.label()
    }

    fn place(self) -> usize {
        match self {
            Self::UnknownSpace => 0,
            Self::UnknownRole => 1,
        }
    }
}

pub(super) struct Policies {
    evaluations: Counters<(PolicyResult,)>,
    durations: Histograms<()>,
    disagreements: Counters<()>,
    ignored_grants: Counters<(IgnoredReason,)>,
    samples: Counters<(SampleResult,)>,
}

impl Policies {
    pub(super) fn new() -> Self {
        Self {
            evaluations: Counters::new("claviger_policy_evaluations_total", "Evaluations of the login policies."),
            durations: Histograms::new("claviger_policy_evaluation_duration_seconds", "How long the login policies took.", &BOUNDS),
            disagreements: Counters::new(
                "claviger_policy_disagreements_total",
                "Policies whose compiled form gave another answer than Regorus.",
            ),
            ignored_grants: Counters::new("claviger_policy_ignored_grants_total", "Roles that policies gave and that were left out."),
            samples: Counters::new("claviger_policy_samples_total", "Requests that login policies wanted kept, and what became of them."),
        }
    }

    pub(super) fn in_force() -> Level {
        Level::new("claviger_policies", "Login policies in force.")
    }

    pub(super) fn families(&self) -> [&dyn Family; 5] {
        [&self.evaluations, &self.durations, &self.disagreements, &self.ignored_grants, &self.samples]
    }

    pub(super) fn evaluated(&self, result: PolicyResult, took: Duration) {
        self.evaluations.increment((result,));
        self.durations.observe((), took);
    }

    pub(super) fn disagreed(&self, found: u64) {
        self.disagreements.increment_by((), found);
    }

    pub(super) fn ignored_grant(&self, reason: IgnoredReason) {
        self.ignored_grants.increment((reason,));
    }

    pub(super) fn sampled(&self, result: SampleResult, samples: usize) {
        self.samples.increment_by((result,), u64::try_from(samples).unwrap_or(u64::MAX));
    }
}
