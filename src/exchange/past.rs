//! The past is not the present: what was in force at an earlier time, and what has changed since.

use std::sync::Arc;

use jiff::Timestamp;

use super::explain::Explainer;
use crate::clock::in_largest_unit;
use crate::model::{AuditEntry, AuditId, KeyRecord, Past};
use crate::store::{AuditOrder, AuditQuery, Management, StoreError};

/// How many changes are taken back.
const MOST: usize = 100_000;
/// How many of them are read at a time.
const PAGE: u32 = 500;
/// How many of them are named.
const NAMED: usize = 3;

/// What a key is explained by.
pub struct AsOf {
    /// What was in force.
    pub explainer: Arc<Explainer>,
    /// The key, as it was.
    pub key: KeyRecord,
    /// What of it is not as it was then, in sentences without capital or full stop.
    pub remarks: Vec<String>,
}

/// What was in force at that time, as far as the audit tells; what is in force now if nothing has changed since, or if it does not.
///
/// The key may be read before or after what it is explained by: every entry has the whole of what it is about, so that taking back what has
/// not happened yet does nothing.
///
/// # Errors
/// The store cannot be read.
pub async fn as_of(
    at: Timestamp,
    now: Timestamp,
    explainer: Arc<Explainer>,
    key: KeyRecord,
    store: &dyn Management,
) -> Result<AsOf, StoreError> {
    let mut remarks: Vec<String> = unborn(&key, at).into_iter().collect();
    if at >= now {
        return Ok(AsOf { explainer, key, remarks });
    }
    if let Some(why) = forgotten(at, store).await? {
        remarks.push(format!("explained by what is in force now: {why}"));
        return Ok(AsOf { explainer, key, remarks });
    }
    let Back { past, since, whole } = Back::to(at, Past::from_now(explainer.snapshot().clone(), key.clone()), store).await?;
    if since.changes == 0 {
        return Ok(AsOf { explainer, key, remarks });
    }
    remarks.push(since.to_string());
    match whole.and_then(|()| rebuilt(past, &explainer)) {
        Ok((explainer, key)) => {
            if explainer.sources().iter().any(|source| source.file.is_some()) {
                remarks.push("policies of the directory are as they are now".to_owned());
            }
            Ok(AsOf { explainer: Arc::new(explainer), key, remarks })
        }
        Err(why) => {
            remarks.push(format!("explained by what is in force now: {why}"));
            Ok(AsOf { explainer, key, remarks })
        }
    }
}

/// A key that is younger than the time that is asked about is left as it was made.
fn unborn(key: &KeyRecord, at: Timestamp) -> Option<String> {
    let made = key.created_at;
    let after = || in_largest_unit(made.duration_since(at));
    (at < made).then(|| format!("the key did not exist yet: it was made at {made:.0}, {} after the time asked about", after()))
}

/// Why nobody knows what has changed since, if that is so.
async fn forgotten(at: Timestamp, store: &dyn Management) -> Result<Option<String>, StoreError> {
    if store.audit_given_up().await?.is_none() {
        return Ok(None);
    }
    let oldest = AuditQuery { order: AuditOrder::OldestFirst, limit: 1, ..AuditQuery::default() };
    let first = store.audit(&oldest).await?.pop().filter(|first| at < first.at);
    Ok(first.map(|first| format!("the audit is kept from {:.0} on", first.at)))
}

/// The way back. Of the entries no more than a page is held at a time, however many there are.
struct Back {
    past: Past,
    since: Since,
    /// Why it ends before it is there.
    whole: Result<(), String>,
}

/// The changes that were met on the way.
#[derive(Default)]
struct Since {
    changes: usize,
    /// The newest ones.
    named: Vec<String>,
}

impl Back {
    async fn to(at: Timestamp, past: Past, store: &dyn Management) -> Result<Self, StoreError> {
        let mut back = Self { past, since: Since::default(), whole: Ok(()) };
        let mut before: Option<AuditId> = None;
        let mut read = 0;
        loop {
            let page = store.audit(&AuditQuery { since: Some(at), before, limit: PAGE, ..AuditQuery::default() }).await?;
            let Some(last) = page.last() else { return Ok(back) };
            before = Some(last.id);
            read += page.len();
            for entry in page.iter().filter(|entry| entry.at > at) {
                back.take(entry);
            }
            if read >= MOST {
                back.whole = Err(format!("more than {MOST} changes would have to be taken back"));
                return Ok(back);
            }
        }
    }

    fn take(&mut self, entry: &AuditEntry) {
        if self.past.concerns(entry) {
            self.since.changes += 1;
            if self.since.named.len() < NAMED {
                let revision = entry.revision.map_or_else(|| "-".to_owned(), |revision| revision.to_string());
                self.since.named.push(format!("{} {} ({revision})", entry.action, entry.resource));
            }
        }
        if self.whole.is_ok() {
            self.whole = self.past.undo(entry).map_err(|error| error.to_string());
        }
    }
}

/// `2 changes since then: role.update deployer (4712), binding.create … (4711)`
impl std::fmt::Display for Since {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let counted = if self.changes == 1 { "1 change".to_owned() } else { format!("{} changes", self.changes) };
        write!(f, "{counted} since then: {}", self.named.join(", "))?;
        match self.changes.saturating_sub(self.named.len()) {
            0 => Ok(()),
            more => write!(f, ", and {more} more"),
        }
    }
}

fn rebuilt(past: Past, explainer: &Explainer) -> Result<(Explainer, KeyRecord), String> {
    let (snapshot, key) = past.finish().map_err(|error| error.to_string())?;
    let faulty = |faults: Vec<_>| format!("{} policies of that time do not load", faults.len());
    Ok((explainer.as_of(snapshot).map_err(faulty)?, key))
}
