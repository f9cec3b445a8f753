//! Whether the audit is what was written, and the rows what it says they are.
//!
//! The chain shows what was changed in the audit or taken out of it, but for its end: who cuts off the last entries, or makes all hashes anew,
//! is found out by whoever has kept the hash of an entry. The last entry about each thing shows what was changed beside it. Nothing is locked
//! meanwhile, so what does not fit is looked at again before it is told.

pub use self::fault::{AuditFault, RowFault};
use self::line::PAGE;
use self::rows::RowCheck;
use super::audit::{AuditOrder, AuditQuery, GivenUp};
use super::contract::Store;
use super::error::StoreError;
use crate::model::{AuditEntry, AuditId, EntryHash};

mod fault;
mod line;
mod rows;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// How many entries there are.
    pub entries: u64,
    /// The first of them.
    pub first: Option<AuditId>,
    /// The last of those that were given up before it.
    pub given_up: Option<AuditId>,
    /// The last, and its hash: what to keep for the next time.
    pub head: Option<(AuditId, EntryHash)>,
    /// How many rows were compared with what the audit says of them.
    pub rows: u64,
    /// Everything that does not fit, the earliest entry first, rows after entries.
    pub faults: Vec<AuditFault>,
}

/// Reads the whole audit, and every row that it tells of. `kept` are hashes that somebody has from earlier times.
///
/// `progress` is told how far the entries have been read.
pub async fn verify_audit(
    store: &dyn Store,
    kept: &[(AuditId, EntryHash)],
    mut progress: impl FnMut(AuditId) + Send,
) -> Result<Verified, StoreError> {
    // Before the entries: what is changed from here on may be told of, and need not be.
    let at = store.snapshot().await?.revision;
    let mut given_up = store.audit_given_up().await?;
    let mut rows = RowCheck::new(store, given_up.map(|last| last.revision)).await?;
    let mut found = Verified {
        entries: 0,
        first: None,
        given_up: given_up.map(|last| last.id),
        head: given_up.map(|last| (last.id, last.hash)),
        rows: 0,
        faults: Vec::new(),
    };
    let mut told = given_up.map(|last| last.revision);
    let mut of_rows = Vec::new();
    loop {
        let newer_than = found.head.map(|(id, _)| id);
        let wanted = AuditQuery { order: AuditOrder::OldestFirst, newer_than, limit: PAGE, ..AuditQuery::default() };
        let page = store.audit(&wanted).await?;
        let Some(last) = page.last() else { break };
        progress(last.id);
        for entry in &page {
            if found.head.map_or(AuditId::default(), |(id, _)| id).next() != entry.id {
                // Perhaps it has just been given up.
                given_up = store.audit_given_up().await?;
                let is_beginning = given_up.filter(|last| last.id.next() == entry.id);
                found.head = is_beginning.map(|last| (last.id, last.hash)).or(found.head);
            }
            found.faults.extend(link(found.head, entry));
            found.entries += 1;
            found.first.get_or_insert(entry.id);
            found.head = Some((entry.id, entry.hash));
            told = told.max(entry.revision);
            let differs = kept.iter().any(|(id, hash)| *id == entry.id && *hash != entry.hash);
            found.faults.extend(differs.then_some(AuditFault::KeptDiffers { id: entry.id }));
            of_rows.extend(rows.named_by(entry).await?);
        }
    }
    if told.unwrap_or_default() < at {
        found.faults.push(AuditFault::EndMissing { told, at });
    }
    let unseen: Vec<_> = kept.iter().filter_map(|(id, hash)| unseen(&found, given_up, *id, *hash)).collect();
    found.faults.extend(unseen);
    of_rows.extend(rows.rest().await?);
    found.rows = rows.compared();
    found.faults.extend(of_rows);
    Ok(found)
}

/// Whether the entry is the next link after this one.
fn link(head: Option<(AuditId, EntryHash)>, entry: &AuditEntry) -> Option<AuditFault> {
    let (last, hash) = head.unwrap_or((AuditId::default(), EntryHash::NONE));
    if last.next() == entry.id {
        return (entry.hash_after(hash) != entry.hash).then_some(AuditFault::Changed { id: entry.id });
    }
    Some(match head {
        Some(_) => AuditFault::Missing { after: last, before: entry.id },
        None => AuditFault::Beginning { first: entry.id },
    })
}

/// What is to be said of an entry that was kept and not among those that are there.
fn unseen(found: &Verified, given_up: Option<GivenUp>, id: AuditId, hash: EntryHash) -> Option<AuditFault> {
    match given_up {
        Some(last) if id == last.id => (hash != last.hash).then_some(AuditFault::KeptDiffers { id }),
        Some(last) if id < last.id => Some(AuditFault::KeptGivenUp { id }),
        Some(_) | None => {
            let is_within = found.first.is_some_and(|first| first <= id) && found.head.is_some_and(|(last, _)| id <= last);
            (!is_within).then_some(AuditFault::KeptMissing { id })
        }
    }
}
