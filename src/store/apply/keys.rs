//! Keys: made once, changed until revoked, never deleted.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Effect, StoreError, Tables, Touches, bindings, conflict, missing, rows, set};
use crate::model::{BindingId, Expiry, GroupName, KeyDigest, KeyId, KeyName, KeyRecord, NewKey, SpaceId, Subject, SystemRole};

/// The first key is a root admin whether or not the caller has listed that binding: one that is not listed gets the key's own ULID.
pub(super) async fn bootstrap(tables: &mut Tables<'_>, mut new: NewKey, at: Timestamp) -> Result<Effect, StoreError> {
    if tables.has_any_key().await? {
        return conflict("there has been a key before: the first key is made only once".to_owned());
    }
    let (admin, root) = (SystemRole::SpaceAdmin.id(), SpaceId::root());
    if !new.bindings.iter().any(|(_, role, space)| *role == admin && *space == root) {
        let id: BindingId = new.id.to_string().parse().expect("an id of one kind is spelled like one of any other");
        new.bindings.push((id, admin, root));
    }
    create(tables, new, at).await
}

pub(super) async fn create(tables: &mut Tables<'_>, new: NewKey, at: Timestamp) -> Result<Effect, StoreError> {
    let NewKey { id, name, description, groups, expires_at, digest, bindings } = new;
    if tables.key(id).await?.is_some() {
        return conflict(format!("key {id} exists already"));
    }
    name_is_free(tables, &name, id).await?;
    digest_is_free(tables, &digest).await?;
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
    tables.insert_key(&key).await?;
    tables.insert_secret(id, &digest, at).await?;
    tables.set_groups(id, &key.groups).await?;
    for (binding, role, space) in bindings {
        bindings::bind(tables, binding, Subject::Key(id), role, space, at).await?;
    }
    effect(tables, id, None).await
}

pub(super) async fn update(
    tables: &mut Tables<'_>,
    id: KeyId,
    name: Option<KeyName>,
    description: Option<String>,
    groups: Option<Vec<GroupName>>,
    expiry: Option<Expiry>,
) -> Result<Effect, StoreError> {
    let before = changeable(tables, id).await?;
    let mut key = before.clone();
    if let Some(name) = name {
        name_is_free(tables, &name, id).await?;
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
    tables.update_key(&key).await?;
    if let Some(groups) = groups {
        tables.set_groups(id, &set(groups)).await?;
    }
    effect(tables, id, Some(&before)).await
}

pub(super) async fn rotate(
    tables: &mut Tables<'_>,
    id: KeyId,
    digest: KeyDigest,
    old_ends_at: Timestamp,
    at: Timestamp,
) -> Result<Effect, StoreError> {
    let before = changeable(tables, id).await?;
    digest_is_free(tables, &digest).await?;
    tables.end_secrets(id, old_ends_at, at).await?;
    tables.insert_secret(id, &digest, at).await?;
    effect(tables, id, Some(&before)).await
}

/// A key that is disabled already keeps the time when that was done.
pub(super) async fn disable(tables: &mut Tables<'_>, id: KeyId, at: Timestamp) -> Result<Effect, StoreError> {
    let before = changeable(tables, id).await?;
    tables.update_key(&KeyRecord { disabled_at: before.disabled_at.or(Some(at)), ..before.clone() }).await?;
    effect(tables, id, Some(&before)).await
}

pub(super) async fn enable(tables: &mut Tables<'_>, id: KeyId) -> Result<Effect, StoreError> {
    let before = changeable(tables, id).await?;
    tables.update_key(&KeyRecord { disabled_at: None, ..before.clone() }).await?;
    effect(tables, id, Some(&before)).await
}

/// The key's bindings go with it, or no role or space that it ever held could be deleted: nobody can unbind a key that is final.
/// What they were stays in the audit.
pub(super) async fn revoke(tables: &mut Tables<'_>, id: KeyId, at: Timestamp) -> Result<Effect, StoreError> {
    let before = changeable(tables, id).await?;
    tables.update_key(&KeyRecord { revoked_at: Some(at), ..before.clone() }).await?;
    tables.delete_bindings_of_key(id).await?;
    effect(tables, id, Some(&before)).await
}

/// The key, if it is there and may be changed.
pub(super) async fn changeable(tables: &mut Tables<'_>, id: KeyId) -> Result<KeyRecord, StoreError> {
    let key = tables.key(id).await?.ok_or_else(|| missing("key", id))?;
    if key.revoked_at.is_some() { conflict(format!("key {id} is revoked, and that is final")) } else { Ok(key) }
}

async fn name_is_free(tables: &mut Tables<'_>, name: &KeyName, id: KeyId) -> Result<(), StoreError> {
    match tables.key_named(name).await? {
        Some(other) if other != id => conflict(format!("the name {name} is taken by key {other}")),
        Some(_) | None => Ok(()),
    }
}

/// A digest is never taken twice, not even from a revoked key: a text that was once taken back must not come to work again.
async fn digest_is_free(tables: &mut Tables<'_>, digest: &KeyDigest) -> Result<(), StoreError> {
    if tables.has_digest(digest).await? { conflict("a key has or had this secret already".to_owned()) } else { Ok(()) }
}

async fn effect(tables: &mut Tables<'_>, id: KeyId, before: Option<&KeyRecord>) -> Result<Effect, StoreError> {
    let after = tables.key(id).await?.ok_or_else(|| rows::nonsense("a key", "it is gone right after it was written"))?;
    Ok(Effect { resource: id.to_string(), before: before.map(audited), after: Some(audited(&after)), touches: Touches::Key(id) })
}

/// Of the secrets only when they began and end.
fn audited(key: &KeyRecord) -> Value {
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
