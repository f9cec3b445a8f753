//! Rego: load, check, ask. The only room that knows regorus.
//!
//! A policy is text that people write and that decides who gets in, so nothing of it is trusted until it has been checked, and nothing
//! that goes wrong while it is asked can let somebody pass:
//!
//! - [`PolicySet::load`] refuses what OPA would refuse, and the little that would mean something else here, with the place and a hint. It
//!   runs on a thread of its own, so that a hostile text costs a fault and not the process.
//! - [`Evaluator::ask`] answers with a verdict of every policy or with a [`PolicyError`]; there is no third thing. Policies run on
//!   threads with large stacks, bounded in time and memory: by their compiled form, or on a throw-away clone of a prepared engine.
//! - [`PolicySet::reads`] says which requests get the same answer; the `analysis` behind it says why.
//!
//! What holds the memory limit: every builtin is called through a wrapper that looks at the size of its arguments first and charges its
//! result to the evaluation; and what a policy puts into its own values is charged while it grows, as if nothing were shared, so that no
//! value is larger for whoever walks through it than the limit says. Nothing is given back before the end. Counting allocations by thread
//! was rejected: it takes an allocator of our own, and with it `unsafe`; and what counts them without is for whole processes, which says
//! nothing of one evaluation.

mod allowance;
mod analysis;
mod builtins;
mod compiled;
mod engine;
mod fault;
#[doc(hidden)]
pub mod fuzzing;
mod input;
mod lint;
mod loaded;
mod networks;
mod pool;
mod set;
mod source;
mod syntax;
pub mod testing;
mod trace;
mod trial;
mod vocabulary;

use std::path::PathBuf;
use std::time::Duration;

use crate::config::{PolicyEvaluator, PolicySettings};
use crate::model::{LoginPolicy, PolicyName, RegoVersion};

pub use analysis::{Facet, Reads, truncated};
pub use fault::PolicyFault;
pub use input::{LoginInput, SharedInput};
pub use networks::networks;
pub use pool::Evaluator;
pub use set::{PolicySet, review};
pub use source::directory::{Directory, read_dir, survey_dir};
pub use trace::{HeldRule, Trace, Tracer, Unheld};
pub use trial::Trial;
pub use vocabulary::Vocabulary;

/// A module to load: one of the store's, or a file of `policies.dir`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicySource {
    /// Unique in a set.
    pub name: PolicyName,
    /// Where it stands, for messages; `None` for the store's.
    pub file: Option<PathBuf>,
    /// The module's text.
    pub text: Box<str>,
    /// `None`: v1 is tried first, v0 if that fails.
    pub rego: Option<RegoVersion>,
}

impl PolicySource {
    /// What messages call it: its file, or its name.
    #[must_use]
    pub fn place(&self) -> String {
        self.file.as_ref().map_or_else(|| self.name.to_string(), |file| file.display().to_string())
    }
}

impl From<&LoginPolicy> for PolicySource {
    fn from(policy: &LoginPolicy) -> Self {
        Self { name: policy.name.clone(), file: None, text: policy.source.clone(), rego: policy.rego }
    }
}

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

/// Why policies gave no answer. Always refuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// The evaluation passed its time limit, or an earlier one is still stuck past it.
    #[error("policy {0} took longer than it may")]
    TimeLimit(PolicyName),
    /// The evaluation passed its memory limit.
    #[error("policy {0} took more memory than it may")]
    MemoryLimit(PolicyName),
    /// Anything else: a conflict, a wrong type, a panic of the engine.
    #[error("policy {0} failed: {1}")]
    Failed(PolicyName, String),
    /// It passed a limit for this key again and again, and is not asked about it for a while.
    #[error("policy {0} took more than it may again and again, and is not asked for a while")]
    Paused(
        PolicyName,
        /// How long it is not asked yet.
        Duration,
    ),
    /// No thread was free in time.
    #[error("too many evaluations are waiting")]
    Overloaded,
}
