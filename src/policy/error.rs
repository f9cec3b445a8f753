//! Why policies give no answer.

use std::time::Duration;

use crate::model::PolicyName;

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
