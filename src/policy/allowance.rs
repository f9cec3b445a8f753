//! What one evaluation may take: all that the settings grant a policy, or a small part of it, to find out whether it needs more.

use std::time::Duration;

use super::builtins::budget;
use super::settings::PolicyLimits;

/// What one evaluation may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    /// From its beginning.
    pub(super) time: Duration,
    /// Bytes.
    pub(super) memory: usize,
    /// Steps of one call.
    pub(super) work: usize,
    /// Whoever passes it may be asked again with all of it.
    pub(super) is_part: bool,
}

/// Parts of the limits. Of time some twenty times what the example policies take together; and whoever waits for a few such evaluations does
/// not feel it. In builds for development the engine is asked as well before anybody is answered.
const OF_TIME: u32 = if cfg!(debug_assertions) { 2 } else { 25 };
/// So that those who have a part are not the ones that fill the memory.
const OF_MEMORY: usize = 8;
/// About as long as the part of time.
const OF_WORK: usize = 32;

impl Allowance {
    pub(super) fn all(limits: PolicyLimits) -> Self {
        Self { time: limits.time, memory: limits.memory, work: budget::WORK_MAX, is_part: false }
    }

    /// What is left of the part when some of its time has been taken.
    pub(super) fn part(limits: PolicyLimits, taken: Duration) -> Self {
        Self {
            time: (limits.time / OF_TIME).saturating_sub(taken),
            memory: limits.memory / OF_MEMORY,
            work: budget::WORK_MAX / OF_WORK,
            is_part: true,
        }
    }
}
