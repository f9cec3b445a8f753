//! A key as the admin API shows it.

use jiff::Timestamp;
use serde::Deserialize;

use crate::model::{GroupName, KeyBinding, KeyDigest, KeyId, KeyName, KeyRecord, SecretRecord};

#[derive(Deserialize)]
pub(super) struct ShownKey {
    id: KeyId,
    name: KeyName,
    description: String,
    groups: Vec<GroupName>,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    disabled_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
    secrets: Vec<ShownSecret>,
    bindings: Vec<KeyBinding>,
}

#[derive(Deserialize)]
struct ShownSecret {
    created_at: Timestamp,
    ends_at: Option<Timestamp>,
    last_used_at: Option<Timestamp>,
    /// Shown to root admins alone.
    sha256: Option<String>,
}

impl ShownKey {
    /// A digest that is not shown is that of nothing: nobody who does not see digests has a use for it.
    pub(super) fn record(self) -> KeyRecord {
        let secret = |ShownSecret { created_at, ends_at, last_used_at, sha256 }| {
            let digest = sha256.and_then(|hex| hex.parse().ok()).unwrap_or(KeyDigest::from_bytes([0; 32]));
            SecretRecord { digest, created_at, ends_at, last_used_at }
        };
        KeyRecord {
            id: self.id,
            name: self.name,
            description: self.description,
            groups: self.groups,
            created_at: self.created_at,
            expires_at: self.expires_at,
            disabled_at: self.disabled_at,
            revoked_at: self.revoked_at,
            secrets: self.secrets.into_iter().map(secret).collect(),
            bindings: self.bindings,
        }
    }
}
