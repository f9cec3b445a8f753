//! Which entries have led to the rows that are there: a restore undoes what was done since its copy was made, another restore perhaps.

use crate::model::{AuditEntry, Revision};
use crate::store::audit::AuditQuery;
use crate::store::contract::Store;
use crate::store::error::StoreError;

/// How many entries or rows are read at a time.
pub(super) const PAGE: u32 = 500;
/// What a restore is called in the audit.
const RESTORE: &str = "store.restore";

struct Restore {
    /// The change that it was.
    revision: Revision,
    /// Where the store was before.
    before: Revision,
    /// Where the copy was.
    copied: Revision,
    /// From where on the copy's audit was another one.
    differs_after: Option<Revision>,
}

/// The restores, newest first.
pub(super) struct Line(Vec<Restore>);

impl Line {
    pub(super) async fn of(store: &dyn Store) -> Result<Self, StoreError> {
        let mut restores = Vec::new();
        let mut before = None;
        loop {
            let wanted = AuditQuery { action: Some(RESTORE.to_owned()), before, limit: PAGE, ..AuditQuery::default() };
            let page = store.audit(&wanted).await?;
            let Some(last) = page.last() else { return Ok(Self(restores)) };
            before = Some(last.id);
            restores.extend(page.iter().filter_map(restore));
        }
    }

    /// Whether what this change did holds, as far as restores go.
    pub(super) fn holds(&self, change: Revision) -> bool {
        let mut end = Revision(u64::MAX);
        for restore in &self.0 {
            if restore.revision > end {
                continue;
            }
            if change >= restore.revision {
                return change <= end;
            }
            if restore.is_other(change) {
                return false;
            }
            end = restore.copied;
        }
        change <= end
    }

    /// Whether a row that was last changed by this change may have come with a copy whose audit is not this one.
    pub(super) fn is_untold(&self, change: Revision) -> bool {
        self.0.iter().any(|restore| restore.is_other(change))
    }
}

impl Restore {
    fn is_other(&self, change: Revision) -> bool {
        self.differs_after.is_some_and(|common| common < change && change <= self.before.min(self.copied))
    }
}

fn restore(entry: &AuditEntry) -> Option<Restore> {
    let number = |value: &Option<serde_json::Value>, name| value.as_ref().and_then(|value| value.get(name)?.as_u64()).map(Revision);
    Some(Restore {
        revision: entry.revision?,
        before: number(&entry.before, "revision")?,
        copied: number(&entry.after, "revision")?,
        differs_after: number(&entry.after, "differs_after"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(restores: &[(u64, u64)], last: u64) -> Vec<u64> {
        let restore = |(revision, copied): &(u64, u64)| Restore {
            revision: Revision(*revision),
            before: Revision(revision - 1),
            copied: Revision(*copied),
            differs_after: None,
        };
        let line = Line(restores.iter().rev().map(restore).collect());
        (1..=last).filter(|change| line.holds(Revision(*change))).collect()
    }

    #[test]
    fn what_was_done_between_copy_and_restore_does_not_hold_unless_a_later_restore_brings_it_back() {
        assert_eq!(held(&[], 3), [1, 2, 3]);
        assert_eq!(held(&[(4, 2)], 5), [1, 2, 4, 5]);
        assert_eq!(held(&[(4, 2), (6, 1)], 7), [1, 6, 7]);
        assert_eq!(held(&[(4, 1), (6, 3)], 7), [1, 2, 3, 6, 7]);
        assert_eq!(held(&[(4, 1), (7, 5)], 7), [1, 4, 5, 7]);
    }

    #[test]
    fn what_the_audit_of_the_copy_told_otherwise_is_not_held_against_the_rows() {
        let line =
            Line(vec![Restore { revision: Revision(9), before: Revision(6), copied: Revision(8), differs_after: Some(Revision(4)) }]);
        let held: Vec<u64> = (1..=9).filter(|change| line.holds(Revision(*change))).collect();
        assert_eq!(held, [1, 2, 3, 4, 7, 8, 9]);
        assert!(line.is_untold(Revision(5)) && !line.is_untold(Revision(7)));
    }
}
