//! How an entry gets to the end of the audit: with the next number, and with a hash that makes it the next link of the chain.

use jiff::Timestamp;
use serde_json::Value;

use super::effect::set;
use super::rows::Rows;
use crate::model::{AuditEntry, AuditId, Cause, EntryHash, Revision, SpaceId};
use crate::store::error::StoreError;

/// What an entry tells.
pub(in crate::store) struct Audited {
    /// The change's.
    pub(in crate::store) revision: Option<Revision>,
    pub(in crate::store) action: &'static str,
    pub(in crate::store) resource: String,
    pub(in crate::store) before: Option<Value>,
    pub(in crate::store) after: Option<Value>,
    pub(in crate::store) refused: Option<&'static str>,
    /// The spaces whose people may want to know, any number of times.
    pub(in crate::store) spaces: Vec<SpaceId>,
}

/// Writes it, in the transaction of what it tells of.
pub(in crate::store) async fn tell(rows: &mut dyn Rows, told: Audited, cause: &Cause, at: Timestamp) -> Result<AuditId, StoreError> {
    let Audited { revision, action, resource, before, after, refused, spaces } = told;
    let entry = AuditEntry {
        id: AuditId::default(),
        revision,
        at,
        actor: cause.actor.label(),
        remote_ip: cause.remote_ip.map(|address| address.to_string()),
        action: action.to_owned(),
        resource,
        before,
        after,
        request_id: cause.request_id.as_deref().map(str::to_owned),
        refused: refused.map(str::to_owned),
        hash: EntryHash::NONE,
    };
    append(rows, entry, &set(spaces)).await
}

/// Puts the entry after the last one, whatever number and hash it has had.
pub(in crate::store) async fn append(rows: &mut dyn Rows, entry: AuditEntry, spaces: &[SpaceId]) -> Result<AuditId, StoreError> {
    let (last, hash) = rows.last_entry().await?.unwrap_or((AuditId::default(), EntryHash::NONE));
    let entry = AuditEntry { id: last.next(), ..entry }.linked_to(hash);
    rows.insert_entry(&entry, spaces).await?;
    Ok(entry.id)
}
