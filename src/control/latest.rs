//! Everything but the keys, as the store has it at this moment.
//!
//! Whoever manages is weighed by it, with every request. It may be ten thousand spaces, and seldom is it not what was read before: whether anything
//! has changed since is one short question.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::model::Snapshot;

/// What was read last, and what was in force in this process then: if that is something else by now, the store may be, too.
#[derive(Default)]
pub(super) struct Latest(Mutex<Option<(Arc<Snapshot>, Weak<Snapshot>)>>);

impl Latest {
    /// What was read later than this was put in force, which still is.
    pub(super) fn read_beside(&self, in_force: &Arc<Snapshot>) -> Option<Arc<Snapshot>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (read, beside) = kept.as_ref()?;
        let is_same = std::ptr::eq(Weak::as_ptr(beside), Arc::as_ptr(in_force));
        (is_same && read.revision > in_force.revision).then(|| Arc::clone(read))
    }

    pub(super) fn keep(&self, read: &Arc<Snapshot>, in_force: &Arc<Snapshot>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((Arc::clone(read), Arc::downgrade(in_force)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Revision, Strategy};

    #[test]
    fn what_was_read_counts_while_nothing_else_is_in_force_and_if_it_is_newer() {
        let at = |revision| Arc::new(Snapshot { revision: Revision(revision), ..Snapshot::empty(Strategy::Combined) });
        let (latest, in_force) = (Latest::default(), at(7));
        assert_eq!(latest.read_beside(&in_force).map(|read| read.revision), None);
        latest.keep(&at(9), &in_force);
        assert_eq!(latest.read_beside(&in_force).map(|read| read.revision), Some(Revision(9)));
        // A store that was put in the place of the one before may have the same revision.
        assert_eq!(latest.read_beside(&at(7)).map(|read| read.revision), None);
        latest.keep(&at(7), &in_force);
        assert_eq!(latest.read_beside(&in_force).map(|read| read.revision), None);
    }
}
