//! What works, and will not satisfy everybody who is shown it.

use crate::diagnostics::{Diagnostic, Severity};

/// Something about a pair that works, and will not satisfy the other end.
#[derive(Debug)]
pub(super) struct Flaw {
    /// Whether it is of this moment: another pair, or another hour, has it no more.
    pub(super) out_of_time: bool,
    pub(super) diagnostic: Diagnostic,
}

/// What is to be told of flaws, unless they are faults: in the place of a pair that serves, one that will be refused is a fault; otherwise it
/// is no worse than what there is.
pub(super) fn settled(flaws: Vec<Flaw>, serves: bool) -> Result<Vec<Diagnostic>, Vec<Diagnostic>> {
    let (faults, warnings): (Vec<_>, Vec<_>) = flaws.into_iter().partition(|flaw| serves && flaw.out_of_time);
    if !faults.is_empty() {
        return Err(faults.into_iter().map(|flaw| flaw.diagnostic).collect());
    }
    Ok(warnings.into_iter().map(|flaw| flaw.diagnostic.weighing(Severity::Warning)).collect())
}
