//! Keys, their secrets, their memberships.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{SqlRows, query, text};
use crate::model::{GroupName, KeyDigest, KeyId, KeyName, KeyRecord, SpaceId, SystemRole};
use crate::store::apply::{KeyRows, RoleRows as _};
use crate::store::error::StoreError;
use crate::store::stored::micros;

#[async_trait]
impl KeyRows for SqlRows<'_> {
    async fn key(&mut self, id: KeyId) -> Result<Option<KeyRecord>, StoreError> {
        self.find(query(text::KEY_BY_ID).bind(id.to_string())).await
    }

    async fn has_any_key(&mut self) -> Result<bool, StoreError> {
        self.scalar(query(text::ANY_KEY)).await
    }

    async fn key_named(&mut self, name: &KeyName) -> Result<Option<KeyId>, StoreError> {
        self.find(query(text::KEY_ID_BY_NAME).bind(name.as_str().to_owned())).await
    }

    async fn has_digest(&mut self, digest: &KeyDigest) -> Result<bool, StoreError> {
        self.scalar(query(text::DIGEST_TAKEN).bind(digest.as_bytes().to_vec())).await
    }

    async fn digests(&mut self, id: KeyId) -> Result<Vec<KeyDigest>, StoreError> {
        self.all(query(text::DIGESTS).bind(id.to_string())).await
    }

    async fn insert_key(&mut self, key: &KeyRecord) -> Result<(), StoreError> {
        let row = query(text::INSERT_KEY).bind(key.id.to_string()).bind(key.name.as_str().to_owned()).bind(key.description.clone());
        let row = row.bind(micros(key.created_at)).bind(key.expires_at.map(micros));
        self.run(row.bind(key.disabled_at.map(micros)).bind(key.revoked_at.map(micros)).bind(self.stamp())).await
    }

    async fn update_key(&mut self, key: &KeyRecord) -> Result<(), StoreError> {
        let row = query(text::UPDATE_KEY).bind(key.id.to_string()).bind(key.name.as_str().to_owned()).bind(key.description.clone());
        let row = row.bind(key.expires_at.map(micros)).bind(key.disabled_at.map(micros)).bind(key.revoked_at.map(micros));
        self.run(row.bind(self.stamp())).await
    }

    async fn touch_key(&mut self, id: KeyId) -> Result<(), StoreError> {
        self.run(query(text::TOUCH_KEY).bind(id.to_string()).bind(self.stamp())).await
    }

    async fn insert_secret(&mut self, key: KeyId, digest: &KeyDigest, at: Timestamp) -> Result<(), StoreError> {
        self.run(query(text::INSERT_SECRET).bind(digest.as_bytes().to_vec()).bind(key.to_string()).bind(micros(at))).await
    }

    async fn end_secrets(&mut self, key: KeyId, current: Timestamp, older: Timestamp) -> Result<(), StoreError> {
        self.run(query(text::END_SECRETS).bind(key.to_string()).bind(micros(current)).bind(micros(older))).await
    }

    async fn set_groups(&mut self, key: KeyId, groups: &[GroupName]) -> Result<(), StoreError> {
        self.run(query(text::DELETE_MEMBERSHIPS).bind(key.to_string())).await?;
        for group in groups {
            self.ensure_group(group).await?;
            self.run(query(text::INSERT_MEMBERSHIP).bind(key.to_string()).bind(group.as_str().to_owned())).await?;
        }
        Ok(())
    }

    async fn has_working_root_admin(&mut self) -> Result<bool, StoreError> {
        let question = query(text::HAS_WORKING_ROOT_ADMIN);
        self.scalar(question.bind(SystemRole::SpaceAdmin.slug()).bind(SpaceId::root().as_str().to_owned())).await
    }
}
