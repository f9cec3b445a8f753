//! Keys, their secrets, their memberships.

use jiff::Timestamp;
use sqlx::{query, query_as, query_scalar};

use super::{Tables, sql};
use crate::model::{GroupName, KeyDigest, KeyId, KeyName, KeyRecord, SpaceId, SystemRole};
use crate::store::StoreError;
use crate::store::rows::{self, stored};

impl Tables<'_> {
    pub(in crate::store) async fn key(&mut self, id: KeyId) -> Result<Option<KeyRecord>, StoreError> {
        self.find(query_as(sql::KEY_BY_ID).bind(id.to_string()), rows::key).await
    }

    pub(in crate::store) async fn has_any_key(&mut self) -> Result<bool, StoreError> {
        self.scalar(query_scalar(sql::ANY_KEY)).await
    }

    /// The key with this name that is not revoked.
    pub(in crate::store) async fn key_named(&mut self, name: &KeyName) -> Result<Option<KeyId>, StoreError> {
        self.find(query_as(sql::KEY_ID_BY_NAME).bind(name.as_str().to_owned()), |(id,): (String,)| rows::parsed("a key", &id)).await
    }

    /// Whether a key has or had this secret.
    pub(in crate::store) async fn has_digest(&mut self, digest: &KeyDigest) -> Result<bool, StoreError> {
        self.scalar(query_scalar(sql::DIGEST_TAKEN).bind(digest.as_bytes().to_vec())).await
    }

    /// Every digest that the key has or had, newest first.
    pub(in crate::store) async fn digests(&mut self, id: KeyId) -> Result<Vec<KeyDigest>, StoreError> {
        let digests: Vec<Vec<u8>> = query_scalar(sql::DIGESTS).bind(id.to_string()).fetch_all(&mut *self.connection).await?;
        digests.iter().map(|bytes| rows::digest(bytes)).collect()
    }

    /// The key's own row; its secrets, groups and bindings are separate.
    pub(in crate::store) async fn insert_key(&mut self, key: &KeyRecord) -> Result<(), StoreError> {
        let row = query(sql::INSERT_KEY).bind(key.id.to_string()).bind(key.name.as_str().to_owned()).bind(key.description.clone());
        let row = row.bind(stored(key.created_at)).bind(key.expires_at.map(stored));
        self.run(row.bind(key.disabled_at.map(stored)).bind(key.revoked_at.map(stored))).await
    }

    /// The key's own row; its secrets, groups and bindings are separate.
    pub(in crate::store) async fn update_key(&mut self, key: &KeyRecord) -> Result<(), StoreError> {
        let row = query(sql::UPDATE_KEY).bind(key.id.to_string()).bind(key.name.as_str().to_owned()).bind(key.description.clone());
        self.run(row.bind(key.expires_at.map(stored)).bind(key.disabled_at.map(stored)).bind(key.revoked_at.map(stored))).await
    }

    /// Adds a secret, from now on the key's current one.
    pub(in crate::store) async fn insert_secret(&mut self, key: KeyId, digest: &KeyDigest, at: Timestamp) -> Result<(), StoreError> {
        self.run(query(sql::INSERT_SECRET).bind(digest.as_bytes().to_vec()).bind(key.to_string()).bind(stored(at))).await
    }

    /// The current secret ends at `current`, older ones that have not ended by then at `older`.
    pub(in crate::store) async fn end_secrets(&mut self, key: KeyId, current: Timestamp, older: Timestamp) -> Result<(), StoreError> {
        self.run(query(sql::END_SECRETS).bind(key.to_string()).bind(stored(current)).bind(stored(older))).await
    }

    /// Makes the key a member of these groups and no others; the groups come into being as needed.
    pub(in crate::store) async fn set_groups(&mut self, key: KeyId, groups: &[GroupName]) -> Result<(), StoreError> {
        self.run(query(sql::DELETE_MEMBERSHIPS).bind(key.to_string())).await?;
        for group in groups {
            self.ensure_group(group).await?;
            self.run(query(sql::INSERT_MEMBERSHIP).bind(key.to_string()).bind(group.as_str().to_owned())).await?;
        }
        Ok(())
    }

    /// Whether a key that is active and never expires is a root admin, by a binding of its own or of a group.
    pub(in crate::store) async fn has_working_root_admin(&mut self) -> Result<bool, StoreError> {
        let question = query_scalar(sql::HAS_WORKING_ROOT_ADMIN);
        self.scalar(question.bind(SystemRole::SpaceAdmin.slug()).bind(SpaceId::root().as_str().to_owned())).await
    }
}
