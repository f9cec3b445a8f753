//! What is known of a copy, and of the way back from one.

use crate::model::Revision;

/// A copy of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backup {
    /// The last change that it has.
    pub revision: Revision,
    /// How many keys it has that are not revoked.
    pub keys: u64,
}

/// Whether what was changed since a copy was made may be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undo {
    /// Refused with [`Conflict::WouldUndo`](super::Conflict::WouldUndo) or [`Conflict::OtherStore`](super::Conflict::OtherStore).
    Nothing,
    /// Whatever it is. It stays in the audit, but for that of another store.
    All,
}

/// A store that has become what a copy was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The change that this was.
    pub revision: Revision,
    /// The last change that the copy had.
    pub copied: Revision,
    /// How many changes have been undone.
    pub undone: u64,
}
