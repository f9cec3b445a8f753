//! The last changes, at hand for those who follow: seldom is one of them far behind, and the store need not be read for each.

use std::collections::VecDeque;

use jiff::Timestamp;

use crate::model::{Change, Changes, FEED_CHANGES_MAX, Revision};
use crate::store::{Store, StoreError};

/// How many.
const AT_HAND: usize = 2 * FEED_CHANGES_MAX;

/// The last changes, each the next after the one before it.
#[derive(Default)]
pub(super) struct Recent(tokio::sync::Mutex<VecDeque<Change>>);

impl Recent {
    /// When the change `after` was committed, if that is known here, and all later ones up to `until`. `None`: it is too long ago.
    pub(super) async fn after(
        &self,
        store: &dyn Store,
        after: Revision,
        until: Revision,
    ) -> Result<Option<(Option<Timestamp>, Vec<Change>)>, StoreError> {
        let mut recent = self.0.lock().await;
        if recent.back().is_none_or(|last| last.revision < until) {
            // With the one that was asked after, so that its time can be told.
            let from = recent.back().map_or(Revision(after.0.saturating_sub(1)), |last| last.revision);
            match store.changes_after(from).await? {
                Changes::Since(more) => recent.extend(more),
                Changes::TooOld => recent.clear(),
            }
            let too_many = recent.len().saturating_sub(AT_HAND);
            recent.drain(..too_many);
        }
        let reaches_back = recent.front().is_some_and(|first| first.revision <= after.next());
        Ok(reaches_back.then(|| {
            let (from, to) =
                (recent.partition_point(|change| change.revision <= after), recent.partition_point(|change| change.revision <= until));
            let before = from.checked_sub(1).and_then(|at| recent.get(at)).filter(|change| change.revision == after);
            (before.map(|change| change.at), recent.range(from..to.max(from)).cloned().collect())
        }))
    }
}
