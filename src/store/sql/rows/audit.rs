//! The audit as it is written.

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;

use super::{SqlRows, query, text};
use crate::model::{AuditEntry, AuditId, EntryHash, SpaceId};
use crate::store::apply::{Attempt, AuditRows, HeldBack};
use crate::store::error::StoreError;
use crate::store::sql::decode::Link;
use crate::store::stored;

#[async_trait]
impl AuditRows for SqlRows<'_> {
    async fn last_entry(&mut self) -> Result<Option<(AuditId, EntryHash)>, StoreError> {
        Ok(self.find::<Link>(query(text::LAST_ENTRY)).await?.map(|Link { id, hash }| (id, hash)))
    }

    async fn insert_entry(&mut self, entry: &AuditEntry, spaces: &[SpaceId]) -> Result<(), StoreError> {
        let AuditEntry { id, revision, at, actor, remote_ip, action, resource, before, after, request_id, refused, hash } = entry.clone();
        let (id, text) = (stored::audit_number(id), |value: Option<Value>| value.map(|value| value.to_string()));
        let row =
            query(text::INSERT_AUDIT).bind(id).bind(revision.map(stored::number)).bind(stored::micros(at)).bind(actor).bind(remote_ip);
        let row = row.bind(action).bind(resource).bind(text(before)).bind(text(after)).bind(request_id).bind(refused);
        self.run(row.bind(hash.as_bytes().to_vec())).await?;
        for space in spaces {
            self.run(query(text::INSERT_AUDIT_SPACE).bind(space.as_str().to_owned()).bind(id)).await?;
        }
        Ok(())
    }

    async fn has_signed_in(&mut self, actor: &str, remote_ip: Option<&str>) -> Result<bool, StoreError> {
        self.scalar(query(text::HAS_SIGNED_IN).bind(actor.to_owned()).bind(remote_ip.map(str::to_owned))).await
    }

    async fn note_count(&mut self, actor: &str, since: Timestamp) -> Result<u64, StoreError> {
        let count: i64 = self.scalar(query(text::NOTE_COUNT).bind(actor.to_owned()).bind(stored::micros(since))).await?;
        Ok(count.unsigned_abs())
    }

    async fn has_refused(&mut self, attempt: &Attempt<'_>, since: Timestamp) -> Result<bool, StoreError> {
        let Attempt { actor, action, resource, code } = *attempt;
        let alike = query(text::HAS_REFUSED).bind(actor.to_owned()).bind(stored::micros(since)).bind(action.to_owned());
        self.scalar(alike.bind(resource.to_owned()).bind(code.to_owned())).await
    }

    async fn hold_back(&mut self, actor: &str, at: Timestamp) -> Result<(), StoreError> {
        self.run(query(text::HOLD_BACK).bind(actor.to_owned()).bind(stored::micros(at))).await
    }

    async fn take_held_back(&mut self, begun_by: Timestamp) -> Result<Vec<HeldBack>, StoreError> {
        self.all(query(text::TAKE_HELD_BACK).bind(stored::micros(begun_by))).await
    }
}
