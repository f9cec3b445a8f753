//! What can be seen of an evaluation while it goes on.

use regorus::Value;

use super::term::BranchPlace;
use crate::policy::syntax::tree::Span;

/// Sees an evaluation from within. It is shown more than decides: branches that are passed over, too, and those behind one that is enough;
/// but what fails in those ends nothing.
pub(in crate::policy) trait Observer {
    /// A statement is looked at. Slots that have no value yet are undefined, or hold what they held in a solution before.
    fn looks(&self, _branch: BranchPlace, _statement: &Span, _slots: &[Value]) {}
    /// It holds: once for each way in which it does.
    fn holds(&self, _branch: BranchPlace, _statement: &Span, _slots: &[Value]) {}
    /// A branch gives a value, or an item of a set, at the steps behind the rule's path.
    fn gives(&self, _branch: BranchPlace, _steps: &[Value], _value: &Value) {}
}

/// A line that is printed, and by which statement.
#[derive(Clone, Debug)]
pub(in crate::policy) struct Print {
    pub(in crate::policy) place: Span,
    pub(in crate::policy) text: String,
}
