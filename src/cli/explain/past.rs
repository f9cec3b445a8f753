//! The past is not the present: what has changed since the time that is asked about, and what was in force then.

use jiff::Timestamp;

use crate::cli::audit::words;
use crate::cli::failure::Failure;
use crate::cli::open_store::OpenStore;
use crate::exchange::Explainer;
use crate::model::{AuditEntry, KeyRecord, Past};
use crate::store::{AuditOrder, AuditQuery};

/// How many changes are taken back.
const MOST: usize = 100_000;
/// How many of them are named.
const NAMED: usize = 3;

/// What a key is explained by.
pub(super) struct AsOf {
    pub(super) explainer: Explainer,
    pub(super) key: KeyRecord,
    /// What of it is not as it was then.
    pub(super) remarks: Vec<String>,
}

/// What was in force at that time, as far as the audit tells; what is in force now if nothing has changed since, or if it does not.
pub(super) async fn as_of(at: Timestamp, explainer: Explainer, key: KeyRecord, store: &OpenStore) -> Result<AsOf, Failure> {
    if at >= store.now() {
        return Ok(AsOf { explainer, key, remarks: Vec::new() });
    }
    let wanted = AuditQuery { since: Some(at), ..AuditQuery::default() };
    let mut entries = store.audit(MOST, &wanted).await?;
    let all = entries.len() < MOST;
    entries.retain(|entry| entry.at > at && entry.revision.is_some());
    if let Some(why) = forgotten(at, store).await? {
        return Ok(AsOf { explainer, key, remarks: vec![format!("explained by what is in force now: {why}")] });
    }
    let past = Past::from_now(explainer.snapshot().clone(), key.clone());
    let changes: Vec<&AuditEntry> = entries.iter().filter(|entry| past.concerns(entry)).collect();
    if changes.is_empty() {
        return Ok(AsOf { explainer, key, remarks: Vec::new() });
    }
    let mut remarks = vec![since_then(&changes)];
    let rebuilt =
        if all { rebuilt(past, &entries, &explainer) } else { Err(format!("more than {MOST} changes would have to be taken back")) };
    match rebuilt {
        Ok((explainer, key)) => {
            if explainer.sources().iter().any(|source| source.file.is_some()) {
                remarks.push("policies of the directory are as they are now".to_owned());
            }
            Ok(AsOf { explainer, key, remarks })
        }
        Err(why) => {
            remarks.push(format!("explained by what is in force now: {why}"));
            Ok(AsOf { explainer, key, remarks })
        }
    }
}

/// Why nobody knows what has changed since, if that is so.
async fn forgotten(at: Timestamp, store: &OpenStore) -> Result<Option<String>, Failure> {
    if store.audit_given_up().await?.is_none() {
        return Ok(None);
    }
    let oldest = AuditQuery { order: AuditOrder::OldestFirst, limit: 1, ..AuditQuery::default() };
    let first = store.audit_page(&oldest).await?.pop();
    let first = first.filter(|first| at < first.at);
    Ok(first.map(|first| format!("the audit is kept from {:.0} on", first.at)))
}

/// `2 changes since then, not counted: role.update deployer (4712), binding.create … (4711)`
fn since_then(changes: &[&AuditEntry]) -> String {
    let named: Vec<String> =
        changes.iter().take(NAMED).map(|entry| format!("{} {} ({})", entry.action, entry.resource, words::revision(entry))).collect();
    let more = changes.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    let counted = if changes.len() == 1 { "1 change".to_owned() } else { format!("{} changes", changes.len()) };
    format!("{counted} since then: {}{more}", named.join(", "))
}

fn rebuilt(mut past: Past, entries: &[AuditEntry], explainer: &Explainer) -> Result<(Explainer, KeyRecord), String> {
    for entry in entries {
        past.undo(entry).map_err(|error| error.to_string())?;
    }
    let (snapshot, key) = past.finish().map_err(|error| error.to_string())?;
    let faulty = |faults: Vec<_>| format!("{} policies of that time do not load", faults.len());
    Ok((explainer.as_of(snapshot).map_err(faulty)?, key))
}
