//! Keys: made once, changed until revoked, never deleted.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::bindings;
use super::effect::{Effect, Touches, refuse, set};
use super::existing::changeable_key;
use super::rows::Rows;
use crate::model::{BindingId, Expiry, GroupName, KeyDigest, KeyId, KeyName, KeyRecord, NewKey, Resource, SpaceId, Subject, SystemRole};
use crate::store::error::{Conflict, StoreError};
use crate::store::stored;

/// The first key is a root admin whether or not the caller has listed that binding: one that is not listed gets the key's own ULID.
pub(super) async fn bootstrap(rows: &mut dyn Rows, mut new: NewKey, at: Timestamp) -> Result<Effect, StoreError> {
    if rows.has_any_key().await? {
        return refuse(Conflict::NotTheFirstKey);
    }
    let (admin, root) = (SystemRole::SpaceAdmin.id(), SpaceId::root());
    if !new.bindings.iter().any(|(_, role, space)| *role == admin && *space == root) {
        let id: BindingId = new.id.to_string().parse().expect("an id of one kind is spelled like one of any other");
        new.bindings.push((id, admin, root));
    }
    let id = new.id;
    let effect = create(rows, new, at).await?;
    rows.note_first_key(id).await?;
    Ok(effect)
}

pub(super) async fn create(rows: &mut dyn Rows, new: NewKey, at: Timestamp) -> Result<Effect, StoreError> {
    let NewKey { id, name, description, groups, expires_at, digest, bindings } = new;
    if rows.key(id).await?.is_some() {
        return refuse(Conflict::Exists(Resource::Key(id)));
    }
    name_is_free(rows, &name, id).await?;
    digest_is_free(rows, &digest).await?;
    let key = KeyRecord {
        id,
        name,
        description,
        groups: set(groups),
        created_at: at,
        expires_at,
        disabled_at: None,
        revoked_at: None,
        secrets: Vec::new(),
        bindings: Vec::new(),
    };
    rows.insert_key(&key).await?;
    rows.insert_secret(id, &digest, at).await?;
    rows.set_groups(id, &key.groups).await?;
    for (binding, role, space) in bindings {
        bindings::bind(rows, binding, Subject::Key(id), role, space, at).await?;
    }
    effect(rows, id, None).await
}

pub(super) async fn update(
    rows: &mut dyn Rows,
    id: KeyId,
    name: Option<KeyName>,
    description: Option<String>,
    groups: Option<Vec<GroupName>>,
    expiry: Option<Expiry>,
) -> Result<Effect, StoreError> {
    let before = changeable_key(rows, id).await?;
    let mut key = before.clone();
    if let Some(name) = name {
        name_is_free(rows, &name, id).await?;
        key.name = name;
    }
    if let Some(description) = description {
        key.description = description;
    }
    match expiry {
        Some(Expiry::At(end)) => key.expires_at = Some(end),
        Some(Expiry::Never) => key.expires_at = None,
        None => {}
    }
    rows.update_key(&key).await?;
    if let Some(groups) = groups {
        rows.set_groups(id, &set(groups)).await?;
    }
    effect(rows, id, Some(&before)).await
}

pub(super) async fn rotate(
    rows: &mut dyn Rows,
    id: KeyId,
    digest: KeyDigest,
    old_ends_at: Timestamp,
    at: Timestamp,
) -> Result<Effect, StoreError> {
    let before = changeable_key(rows, id).await?;
    digest_is_free(rows, &digest).await?;
    rows.end_secrets(id, old_ends_at, at).await?;
    rows.insert_secret(id, &digest, at).await?;
    effect(rows, id, Some(&before)).await
}

/// A key that is disabled already keeps the time when that was done.
pub(super) async fn disable(rows: &mut dyn Rows, id: KeyId, at: Timestamp) -> Result<Effect, StoreError> {
    let before = changeable_key(rows, id).await?;
    rows.update_key(&KeyRecord { disabled_at: before.disabled_at.or(Some(at)), ..before.clone() }).await?;
    effect(rows, id, Some(&before)).await
}

pub(super) async fn enable(rows: &mut dyn Rows, id: KeyId) -> Result<Effect, StoreError> {
    let before = changeable_key(rows, id).await?;
    rows.update_key(&KeyRecord { disabled_at: None, ..before.clone() }).await?;
    effect(rows, id, Some(&before)).await
}

/// The key's bindings go with it, or no role or space that it ever held could be deleted: nobody can unbind a key that is final.
/// What they were stays in the audit.
pub(super) async fn revoke(rows: &mut dyn Rows, id: KeyId, at: Timestamp) -> Result<Effect, StoreError> {
    let before = changeable_key(rows, id).await?;
    rows.update_key(&KeyRecord { revoked_at: Some(at), ..before.clone() }).await?;
    rows.delete_managed_bindings_of_key(id).await?;
    rows.delete_bindings_of_key(id).await?;
    effect(rows, id, Some(&before)).await
}

async fn name_is_free(rows: &mut dyn Rows, name: &KeyName, id: KeyId) -> Result<(), StoreError> {
    match rows.key_named(name).await? {
        Some(other) if other != id => refuse(Conflict::NameTaken { name: name.clone(), by: other }),
        Some(_) | None => Ok(()),
    }
}

/// A digest is never taken twice, not even from a revoked key: a text that was once taken back must not come to work again.
async fn digest_is_free(rows: &mut dyn Rows, digest: &KeyDigest) -> Result<(), StoreError> {
    if rows.has_digest(digest).await? { refuse(Conflict::SecretTaken) } else { Ok(()) }
}

async fn effect(rows: &mut dyn Rows, id: KeyId, before: Option<&KeyRecord>) -> Result<Effect, StoreError> {
    let after = rows.key(id).await?.ok_or_else(|| stored::nonsense("a key", "it is gone right after it was written"))?;
    let bindings = before.iter().flat_map(|key| &key.bindings).chain(&after.bindings);
    let spaces = bindings.map(|binding| binding.space.clone()).collect();
    Ok(Effect { before: before.map(audited), after: Some(audited(&after)), touches: Touches::Key(id), spaces })
}

/// Of the secrets only when they began and end.
pub(in crate::store) fn audited(key: &KeyRecord) -> Value {
    let secrets: Vec<Value> =
        key.secrets.iter().map(|secret| json!({ "created_at": secret.created_at, "ends_at": secret.ends_at })).collect();
    json!({
        "id": key.id,
        "name": key.name,
        "description": key.description,
        "groups": key.groups,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "disabled_at": key.disabled_at,
        "revoked_at": key.revoked_at,
        "secrets": secrets,
        "bindings": key.bindings,
    })
}
