//! What can be wrong with the audit, and with the rows that it tells of.

use crate::model::{AuditId, Resource, Revision};

/// What does not fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuditFault {
    /// The first one is not the first that there was, and nothing says that those before it were given up.
    #[error("entry {first} is the first one: those before it are missing")]
    Beginning { first: AuditId },
    /// The hash is not the one that follows.
    #[error("entry {id} does not fit the one before it: one of the two has been changed")]
    Changed { id: AuditId },
    /// Entries are missing.
    #[error("{} missing: entry {before} follows entry {after}", span(*.after, *.before))]
    Missing { after: AuditId, before: AuditId },
    /// The store has made changes that the audit does not tell of.
    #[error("the end is missing: the store is at revision {at}, and the last change that the audit tells of is {}", of_none(*.told))]
    EndMissing { told: Option<Revision>, at: Revision },
    /// An entry that somebody has kept the hash of is not there.
    #[error("entry {id}, whose hash was kept, is not there")]
    KeptMissing { id: AuditId },
    /// It was given up, so that nobody can tell any more.
    #[error("entry {id}, whose hash was kept, has been given up since: nothing can be told by it")]
    KeptGivenUp { id: AuditId },
    /// It has another hash.
    #[error("entry {id} has not the hash that was kept of it: it, or one before it, has been changed")]
    KeptDiffers { id: AuditId },
    /// A row.
    #[error("{resource} {fault}")]
    Row { resource: Resource, fault: RowFault },
}

/// What is wrong with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowFault {
    /// It is not there.
    #[error("is not in the store, though entry {0} says that it is")]
    Absent(AuditId),
    /// It is there.
    #[error("is in the store, though entry {0} says that it is gone")]
    NotGone(AuditId),
    /// It is another one.
    #[error("is not in the store as entry {0} has left it")]
    Differs(AuditId),
    /// No entry tells how it has come to be.
    #[error("is in the store, and no entry tells how it got there")]
    Untold,
}

fn span(after: AuditId, before: AuditId) -> String {
    match before.0.saturating_sub(after.0) {
        0 | 1 => "the order is wrong, or entries are".to_owned(),
        2 => format!("entry {} is", after.next()),
        _ => format!("entries {} to {} are", after.next(), before.0.saturating_sub(1)),
    }
}

fn of_none(revision: Option<Revision>) -> String {
    revision.map_or_else(|| "none".to_owned(), |revision| revision.to_string())
}
