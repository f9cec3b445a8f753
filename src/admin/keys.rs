//! `/keys`.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::body::{Body, Few, Named, Query, Text, nullable};
use super::explain::DecisionBody;
use super::page::{self, Page};
use super::problem::{ApiError, Refusals};
use super::session::{Session, to_its_end};
use super::state::AdminState;
use super::version::{OnlyAt, gone, made, shown};
use crate::clock::Moment;
use crate::control::{KeyFields, KeysFound, KeysWanted, MadeKey, Operation, Standing};
use crate::exchange::Origin;
use crate::model::{BindingId, Expiry, GroupName, KeyDigest, KeyId, KeyName, KeyRecord, KeyState, Mutation, Resource, RoleId, SpaceId};
use crate::store::{StateWanted, StoreError};

/// How many keys are looked through for a page of those that are asked for.
const LOOKED_THROUGH: u32 = 100_000;
/// The longest time for which an old secret may go on.
const LONGEST_GRACE: u64 = 90 * 24 * 3600;

/// An API key. Its text is shown once, when it is made.
#[derive(Serialize, ToSchema)]
pub(super) struct Key {
    #[schema(value_type = String, example = "01hv0000000000000000000000")]
    id: KeyId,
    #[schema(value_type = String, example = "ci-cd-production")]
    name: KeyName,
    description: String,
    #[schema(value_type = String, example = "active")]
    state: KeyState,
    #[schema(value_type = Vec<String>)]
    groups: Vec<GroupName>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    disabled_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    revoked_at: Option<Timestamp>,
    /// To the minute.
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used_at: Option<Timestamp>,
    /// Newest first.
    secrets: Vec<Secret>,
    /// The roles that are bound to the key itself.
    bindings: Vec<KeyBindingBody>,
}

/// One of a key's secrets: when it began, when it ends, when it was last presented.
#[derive(Serialize, ToSchema)]
struct Secret {
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    ends_at: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used_at: Option<Timestamp>,
    /// SHA-256 of its text; shown to root admins alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
}

/// A role that is bound to the key itself.
#[derive(Serialize, ToSchema)]
struct KeyBindingBody {
    #[schema(value_type = String)]
    id: BindingId,
    #[schema(value_type = String)]
    role: RoleId,
    #[schema(value_type = String)]
    space: SpaceId,
}

/// A key with its text, which nobody will see again.
#[derive(Serialize, ToSchema)]
pub(super) struct KeyWithText {
    #[serde(flatten)]
    view: Key,
    /// The text that clients present. Shown this once: when a request is sent again under its `Idempotency-Key`, it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "clv_…")]
    key: Option<String>,
}

/// A role in a space.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RoleInSpace {
    #[schema(value_type = String, pattern = "^[a-z0-9][a-z0-9_-]{0,63}$")]
    role: RoleId,
    #[schema(value_type = String, pattern = "^[a-z0-9][a-z0-9_-]{0,63}$")]
    space: SpaceId,
}

/// A key to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateKey {
    /// Unique among the keys that are not revoked; up to 128 characters, no control characters, no blank at either end.
    #[schema(value_type = String, min_length = 1, max_length = 128, example = "ci-cd-production")]
    name: KeyName,
    #[serde(default)]
    #[schema(value_type = String, max_length = 4096)]
    description: Text<4096>,
    #[serde(default)]
    #[schema(value_type = Vec<String>, max_items = 1000)]
    groups: Few<GroupName, 1000>,
    /// When it stops working by itself; null: never.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// Roles that are bound to it from the start.
    #[serde(default)]
    #[schema(value_type = Vec<RoleInSpace>, max_items = 1000)]
    bindings: Few<RoleInSpace, 1000>,
}

/// A key of another system to be taken over.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ImportKey {
    #[schema(value_type = String, min_length = 1, max_length = 128)]
    name: KeyName,
    /// SHA-256 of its text, as 64 hexadecimal digits.
    #[schema(pattern = "^[0-9a-fA-F]{64}$")]
    sha256: String,
    /// The id that it gets, a ULID in lower case; else a new one.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    id: Option<KeyId>,
    #[serde(default)]
    #[schema(value_type = String, max_length = 4096)]
    description: Text<4096>,
    #[serde(default)]
    #[schema(value_type = Vec<String>, max_items = 1000)]
    groups: Few<GroupName, 1000>,
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    #[serde(default)]
    #[schema(value_type = Vec<RoleInSpace>, max_items = 1000)]
    bindings: Few<RoleInSpace, 1000>,
}

/// What is to be different; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UpdateKey {
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 128)]
    name: Option<KeyName>,
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 4096)]
    description: Option<Text<4096>>,
    /// All of them: those that are not named are left.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, max_items = 1000)]
    groups: Option<Few<GroupName, 1000>>,
    /// Null: it does not end by itself.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>, format = DateTime)]
    #[expect(clippy::option_option, reason = "left out, null, and a value are three")]
    expires_at: Option<Option<Timestamp>>,
}

/// A key to be found.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FindKey {
    /// SHA-256 of its text, as 64 hexadecimal digits.
    #[schema(pattern = "^[0-9a-fA-F]{64}$")]
    sha256: String,
}

/// How a key is rotated.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RotateKey {
    /// For how many seconds the secret before goes on working; 0: not at all.
    #[schema(minimum = 0, maximum = 7_776_000)]
    grace_seconds: u64,
}

/// Which keys.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyQuery {
    /// How many items at most; else 100.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Only keys in whose name this stands, letter by letter.
    q: Option<String>,
    /// Only the key with this very name that is not revoked.
    name: Option<String>,
    /// Only members of this group.
    group: Option<String>,
    /// Only keys in this state; else all but revoked ones.
    #[param(inline)]
    state: Option<WhichState>,
}

/// Which state a key is to be in.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum WhichState {
    Active,
    Disabled,
    Expired,
    Revoked,
    Any,
}

impl From<WhichState> for StateWanted {
    fn from(which: WhichState) -> Self {
        match which {
            WhichState::Active => Self::In(KeyState::Active),
            WhichState::Disabled => Self::In(KeyState::Disabled),
            WhichState::Expired => Self::In(KeyState::Expired),
            WhichState::Revoked => Self::In(KeyState::Revoked),
            WhichState::Any => Self::Any,
        }
    }
}

/// At which address effective access is asked about.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Address {
    /// The client's address that login policies see; else 127.0.0.1.
    #[param(value_type = Option<String>)]
    remote_ip: Option<IpAddr>,
}

impl UpdateKey {
    pub(super) fn mutation(self, id: KeyId) -> Mutation {
        let Self { name, description, groups, expires_at } = self;
        let expiry = expires_at.map(|end| end.map_or(Expiry::Never, Expiry::At));
        Mutation::UpdateKey { id, name, description: description.map(|text| text.0), groups: groups.map(|groups| groups.0), expiry }
    }
}

impl Key {
    pub(super) fn of(key: KeyRecord, now: Timestamp) -> Self {
        let state = key.state_at(now);
        // Uses are noted to the minute: the first one may seem to lie before the secret was made.
        let secret = |secret: &crate::model::SecretRecord| Secret {
            created_at: secret.created_at,
            ends_at: secret.ends_at,
            last_used_at: secret.last_used_at.map(|at| at.max(secret.created_at)),
            sha256: None,
        };
        let secrets: Vec<Secret> = key.secrets.iter().map(secret).collect();
        Self {
            id: key.id,
            name: key.name,
            description: key.description,
            state,
            groups: key.groups,
            created_at: key.created_at,
            expires_at: key.expires_at,
            disabled_at: key.disabled_at,
            revoked_at: key.revoked_at,
            last_used_at: secrets.iter().filter_map(|secret| secret.last_used_at).max(),
            secrets,
            bindings: key.bindings.into_iter().map(|one| KeyBindingBody { id: one.id, role: one.role, space: one.space }).collect(),
        }
    }
}

impl Key {
    /// As the caller may see it.
    fn seen(key: KeyRecord, now: Timestamp, standing: &Standing) -> Self {
        let digests: Vec<String> = key.secrets.iter().map(|secret| secret.digest.to_hex()).collect();
        let mut seen = Self::of(key, now);
        if standing.is_root_admin() {
            for (secret, digest) in seen.secrets.iter_mut().zip(digests) {
                secret.sha256 = Some(digest);
            }
        }
        seen
    }
}

/// Every key that is asked for, by age.
#[utoipa::path(
    get, path = "/keys", tag = "keys", params(KeyQuery),
    responses((status = 200, body = Page<Key>), Refusals)
)]
pub(super) async fn list(
    State(state): State<AdminState>,
    Session(asked): Session,
    Query(query): Query<KeyQuery>,
) -> Result<axum::Json<Page<Key>>, ApiError> {
    let control = state.control();
    let standing = control.may(&asked.caller, Operation::ViewKeys).await?;
    let limit = page::limit(query.limit)?;
    let after = page::after::<KeyId>(query.cursor.as_deref())?;
    let now = control.now();
    let seen = |keys: Vec<KeyRecord>| {
        let seen = keys.into_iter().map(|key| Key::seen(key, now, &standing)).collect();
        Page::of(seen, limit, |key: &Key| key.id.to_string())
    };
    if let Some(name) = &query.name {
        let found = match name.parse::<KeyName>() {
            Ok(name) => control.store().key_named(&name).await?,
            Err(_) => None,
        };
        return Ok(axum::Json(seen(found.into_iter().collect())));
    }
    let group = match query.group.as_deref().map(str::parse::<GroupName>) {
        None => None,
        Some(Ok(group)) => Some(group),
        Some(Err(_)) => return Ok(axum::Json(seen(Vec::new()))),
    };
    let state = query.state.map_or(StateWanted::NotRevoked, StateWanted::from);
    let text = query.q.filter(|text| !text.is_empty());
    let wanted = KeysWanted { after, limit, look_through: LOOKED_THROUGH, group, text, state };
    let KeysFound { keys, looked_to, .. } = control.keys_found(wanted).await?;
    let page = seen(keys);
    Ok(axum::Json(match looked_to {
        Some(end) => page.going_on_after(&end.to_string()),
        None => page,
    }))
}

/// Makes a key. Its text is in the answer, and nowhere else ever.
#[utoipa::path(
    post, path = "/keys", tag = "keys", request_body = CreateKey,
    responses((status = 201, body = KeyWithText), Refusals)
)]
pub(super) async fn create(
    State(state): State<AdminState>,
    Session(asked): Session,
    Body(body): Body<CreateKey>,
) -> Result<Response, ApiError> {
    let CreateKey { name, description, groups, expires_at, bindings } = body;
    let (description, groups) = (description.0, groups.0);
    let fields = KeyFields { name, description, groups, expires_at, bindings: pairs(bindings) };
    let control = Arc::clone(state.control());
    let key = to_its_end(async move { control.create_key(&asked, fields).await }).await?;
    let at = format!("/keys/{}", key.id);
    let (revision, body) = with_text(&state, key).await?;
    Ok(made(revision, &at, body))
}

/// Takes over a key of another system by the SHA-256 of its text.
#[utoipa::path(
    post, path = "/keys/import", tag = "keys", request_body = ImportKey,
    responses((status = 201, body = Key), Refusals)
)]
pub(super) async fn import(
    State(state): State<AdminState>,
    Session(asked): Session,
    Body(body): Body<ImportKey>,
) -> Result<Response, ApiError> {
    let ImportKey { name, sha256, id, description, groups, expires_at, bindings } = body;
    // What is no digest may be a key that was pasted by mistake: it is not repeated.
    let digest: KeyDigest = sha256.parse().map_err(|error| ApiError::bad_request(format!("sha256: {error}")))?;
    let (description, groups) = (description.0, groups.0);
    let fields = KeyFields { name, description, groups, expires_at, bindings: pairs(bindings) };
    let control = Arc::clone(state.control());
    let (id, revision) = to_its_end(async move { control.import_key(&asked, digest, id, fields).await }).await?;
    Ok(made(revision, &format!("/keys/{id}"), read(&state, id).await?))
}

/// The key that has, or had, a secret with this SHA-256, whatever state it is in. It stands in the body, so that no log has it.
#[utoipa::path(post, path = "/keys/find", tag = "keys", request_body = FindKey, responses((status = 200, body = Key), Refusals))]
pub(super) async fn find(
    State(state): State<AdminState>,
    Session(asked): Session,
    Body(FindKey { sha256 }): Body<FindKey>,
) -> Result<axum::Json<Key>, ApiError> {
    // Whoever could ask for the key of a digest could try texts that people think of.
    let standing = state.control().may(&asked.caller, Operation::ImportKey).await?;
    let digest: KeyDigest = sha256.parse().map_err(|error| ApiError::bad_request(format!("sha256: {error}")))?;
    let found = state.control().store().find_key(&digest).await?.ok_or_else(|| ApiError::not_found("no key has this secret"))?;
    Ok(axum::Json(Key::seen(found.key, state.control().now(), &standing)))
}

/// One key. A key can always see itself.
#[utoipa::path(
    get, path = "/keys/{id}", tag = "keys", params(("id" = String, Path, description = "The key's id")),
    responses((status = 200, body = Key), Refusals)
)]
pub(super) async fn show(State(state): State<AdminState>, Session(asked): Session, Named(id): Named<KeyId>) -> Result<Response, ApiError> {
    let operation = if asked.is_by(id) { Operation::ViewSelf } else { Operation::ViewKeys };
    let standing = state.control().may(&asked.caller, operation).await?;
    // Before the key: one that is too old refuses what is changed by it, one that is too new would not.
    let revision = state.control().store().revision_of(&Resource::Key(id)).await?;
    let key = state.control().store().key(id).await?;
    let not_found = || StoreError::NotFound(Resource::Key(id));
    let key = Key::seen(key.ok_or_else(not_found)?, state.control().now(), &standing);
    Ok(shown(revision.ok_or_else(not_found)?, key))
}

/// Renames a key, puts it into groups, lets it end.
#[utoipa::path(
    patch, path = "/keys/{id}", tag = "keys", params(("id" = String, Path, description = "The key's id")), request_body = UpdateKey,
    responses((status = 200, body = Key), Refusals)
)]
pub(super) async fn update(
    State(state): State<AdminState>,
    Session(asked): Session,
    OnlyAt(only_at): OnlyAt,
    Named(id): Named<KeyId>,
    Body(body): Body<UpdateKey>,
) -> Result<Response, ApiError> {
    let update = body.mutation(id);
    let control = Arc::clone(state.control());
    let done = to_its_end(async move { control.change(&asked, update, only_at).await }).await?;
    Ok(shown(done.revision, read(&state, id).await?))
}

/// Revokes a key for good. A key can always revoke itself.
#[utoipa::path(
    delete, path = "/keys/{id}", tag = "keys", params(("id" = String, Path, description = "The key's id")),
    responses((status = 204), Refusals)
)]
pub(super) async fn revoke(
    State(state): State<AdminState>,
    Session(asked): Session,
    OnlyAt(only_at): OnlyAt,
    Named(id): Named<KeyId>,
) -> Result<Response, ApiError> {
    let control = Arc::clone(state.control());
    let done = to_its_end(async move { control.change(&asked, Mutation::RevokeKey { id }, only_at).await }).await?;
    Ok(gone(done.revision))
}

/// Gives a key a new secret. Its text is in the answer, and nowhere else ever.
#[utoipa::path(
    post, path = "/keys/{id}/rotate", tag = "keys", params(("id" = String, Path, description = "The key's id")), request_body = RotateKey,
    responses((status = 200, body = KeyWithText), Refusals)
)]
pub(super) async fn rotate(
    State(state): State<AdminState>,
    Session(asked): Session,
    OnlyAt(only_at): OnlyAt,
    Named(id): Named<KeyId>,
    Body(RotateKey { grace_seconds }): Body<RotateKey>,
) -> Result<Response, ApiError> {
    if grace_seconds > LONGEST_GRACE {
        return Err(ApiError::bad_request(format!("grace_seconds must be at most {LONGEST_GRACE}")));
    }
    let grace = Duration::from_secs(grace_seconds);
    let control = Arc::clone(state.control());
    let key = to_its_end(async move { control.rotate_key(&asked, id, grace, only_at).await }).await?;
    let (revision, body) = with_text(&state, key).await?;
    Ok(shown(revision, body))
}

/// Switches a key off.
#[utoipa::path(
    post, path = "/keys/{id}/disable", tag = "keys", params(("id" = String, Path, description = "The key's id")),
    responses((status = 200, body = Key), Refusals)
)]
pub(super) async fn disable(
    state: State<AdminState>,
    session: Session,
    only_at: OnlyAt,
    Named(id): Named<KeyId>,
) -> Result<Response, ApiError> {
    switch(state, session, only_at, id, Mutation::DisableKey { id }).await
}

/// Switches a key on again.
#[utoipa::path(
    post, path = "/keys/{id}/enable", tag = "keys", params(("id" = String, Path, description = "The key's id")),
    responses((status = 200, body = Key), Refusals)
)]
pub(super) async fn enable(
    state: State<AdminState>,
    session: Session,
    only_at: OnlyAt,
    Named(id): Named<KeyId>,
) -> Result<Response, ApiError> {
    switch(state, session, only_at, id, Mutation::EnableKey { id }).await
}

/// What a key may do at this moment from an address, and because of what.
#[utoipa::path(
    get, path = "/keys/{id}/effective", tag = "keys", params(("id" = String, Path, description = "The key's id"), Address),
    responses((status = 200, body = DecisionBody), Refusals)
)]
pub(super) async fn effective(
    State(state): State<AdminState>,
    Session(asked): Session,
    Named(id): Named<KeyId>,
    Query(Address { remote_ip }): Query<Address>,
) -> Result<axum::Json<DecisionBody>, ApiError> {
    let control = state.control();
    control.may(&asked.caller, Operation::ViewKeys).await?;
    let key = control.store().key(id).await?.ok_or(StoreError::NotFound(Resource::Key(id)))?;
    let address = remote_ip.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let origin = Origin::at_address(Some(address), Moment { wall: control.now(), monotonic: Duration::ZERO });
    DecisionBody::explained(control, &key, &origin).await.map(axum::Json)
}

async fn switch(
    State(state): State<AdminState>,
    Session(asked): Session,
    OnlyAt(only_at): OnlyAt,
    id: KeyId,
    mutation: Mutation,
) -> Result<Response, ApiError> {
    let control = Arc::clone(state.control());
    let done = to_its_end(async move { control.change(&asked, mutation, only_at).await }).await?;
    Ok(shown(done.revision, read(&state, id).await?))
}

fn pairs(Few(bindings): Few<RoleInSpace, 1000>) -> Vec<(RoleId, SpaceId)> {
    bindings.into_iter().map(|RoleInSpace { role, space }| (role, space)).collect()
}

async fn read(state: &AdminState, id: KeyId) -> Result<Key, ApiError> {
    let key = state.control().store().key(id).await?.ok_or(StoreError::NotFound(Resource::Key(id)))?;
    Ok(Key::of(key, state.control().now()))
}

async fn with_text(state: &AdminState, key: MadeKey) -> Result<(crate::model::Revision, KeyWithText), ApiError> {
    let MadeKey { id, plain, revision } = key;
    Ok((revision, KeyWithText { view: read(state, id).await?, key: plain.map(|plain| plain.reveal().to_owned()) }))
}
