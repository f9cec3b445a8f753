//! The last changes, at hand for those who follow: seldom is one of them far behind, and the store need not be read for each.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use jiff::Timestamp;

use crate::model::{Change, Changes, FEED_CHANGES_MAX, Revision, Snapshot};
use crate::store::{Source, Store, StoreError};

/// How many.
const AT_HAND: usize = 2 * FEED_CHANGES_MAX;

/// The last changes.
#[derive(Default)]
pub(super) struct Recent(tokio::sync::Mutex<AtHand>);

#[derive(Default)]
struct AtHand {
    /// Each the next after the one before it.
    changes: VecDeque<Change>,
    /// The store that they were read from; `None`: nothing has been read yet.
    followed: Option<Arc<dyn Source>>,
    /// What was in force in this process then. If another file is put in the store's place, something else will be.
    beside: Weak<Snapshot>,
}

impl Recent {
    /// When the change `after` was committed, if that is known here, and all later ones up to `until`, with which this was in force. `None`:
    /// it is too long ago.
    pub(super) async fn after(
        &self,
        store: &dyn Store,
        in_force: &Arc<Snapshot>,
        after: Revision,
        until: Revision,
    ) -> Result<Option<(Option<Timestamp>, Vec<Change>)>, StoreError> {
        let mut at_hand = self.0.lock().await;
        let is_same = std::ptr::eq(Weak::as_ptr(&at_hand.beside), Arc::as_ptr(in_force));
        if !is_same || at_hand.changes.back().is_none_or(|last| last.revision < until) {
            at_hand.read_on(store, after).await?;
            at_hand.beside = Arc::downgrade(in_force);
        }
        let changes = &at_hand.changes;
        let reaches_back = changes.front().is_some_and(|first| first.revision <= after.next());
        Ok(reaches_back.then(|| {
            let (from, to) =
                (changes.partition_point(|change| change.revision <= after), changes.partition_point(|change| change.revision <= until));
            let before = from.checked_sub(1).and_then(|at| changes.get(at)).filter(|change| change.revision == after);
            (before.map(|change| change.at), changes.range(from..to.max(from)).cloned().collect())
        }))
    }
}

impl AtHand {
    async fn read_on(&mut self, store: &dyn Store, after: Revision) -> Result<(), StoreError> {
        // Twice at most: what does not go on from what is at hand is read from where it was asked after.
        for _ in 0..2 {
            // With the one that was asked after, so that its time can be told.
            let from = self.changes.back().map_or(Revision(after.0.saturating_sub(1)), |last| last.revision);
            match self.followed.get_or_insert_with(|| store.for_follower()).changes_after(from).await? {
                Changes::Since(more) => {
                    self.changes.extend(more);
                    break;
                }
                Changes::TooOld => *self = Self::default(),
            }
        }
        let too_many = self.changes.len().saturating_sub(AT_HAND);
        self.changes.drain(..too_many);
        Ok(())
    }
}
