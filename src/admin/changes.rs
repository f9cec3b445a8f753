//! `/changes`: several changes at once, all of them or none.

use std::str::FromStr;
use std::sync::Arc;

use axum::extract::{FromRequest as _, Request, State};
use axum::response::Response;
use http_body_util::Limited;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::bindings::SubjectBody;
use super::body::{self, Body, Few, Text};
use super::groups::{CreateGroup, UpdateGroup};
use super::keys::UpdateKey;
use super::policies::{CreatePolicy, Module};
use super::problem::{ApiError, Refusals};
use super::roles::{CreateRole, UpdateRole};
use super::session::Session;
use super::spaces::{CreateSpace, UpdateSpace};
use super::state::AdminState;
use super::strategy::Strategy;
use super::thing::Thing;
use super::version::shown;
use crate::control::{Batch, Code, Operation, RefusedBatch, Rehearsal};
use crate::model::{BindingId, GroupName, KeyDigest, KeyId, KeyName, Mutation, NewKey, Resource, Revision, RoleId, SpaceId};
use crate::policy::PolicyFault;
use crate::store::Precondition;

/// The longest body, in bytes: all of what files declare may have to stand in it.
pub(super) const LONGEST: usize = 16 * 1024 * 1024;

/// Changes that are to be made together.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WantedChanges {
    /// In this order.
    #[schema(value_type = Vec<Changing>, max_items = 10_000)]
    changes: Few<Changing, 10_000>,
    /// What is remembered as declared in files from then on; what is not there is passed over.
    #[serde(default)]
    #[schema(value_type = Vec<Thing>, max_items = 100_000)]
    declared: Few<Thing, 100_000>,
    /// Only if nothing whatever has changed since this revision.
    #[serde(default)]
    #[schema(value_type = Option<u64>, format = "uint64")]
    only_at: Option<Revision>,
    /// Whether to make them and take them back, so that nobody sees anything of them: would they be made?
    #[serde(default)]
    rehearse: bool,
}

/// One change, by what it does.
#[derive(Deserialize, ToSchema)]
enum Changing {
    /// Its text is drawn by whoever asks, and never sent.
    #[serde(rename = "key.create")]
    CreateKey(DrawnKey),
    #[serde(rename = "key.import")]
    ImportKey(DrawnKey),
    #[serde(rename = "key.update")]
    UpdateKey(Of<UpdateKey>),
    #[serde(rename = "key.rotate")]
    RotateKey(NewSecret),
    #[serde(rename = "key.disable")]
    DisableKey(The),
    #[serde(rename = "key.enable")]
    EnableKey(The),
    #[serde(rename = "key.revoke")]
    RevokeKey(The),
    #[serde(rename = "space.create")]
    CreateSpace(CreateSpace),
    #[serde(rename = "space.update")]
    UpdateSpace(Of<UpdateSpace>),
    #[serde(rename = "space.delete")]
    DeleteSpace(The),
    #[serde(rename = "role.create")]
    CreateRole(CreateRole),
    #[serde(rename = "role.update")]
    UpdateRole(Of<UpdateRole>),
    #[serde(rename = "role.delete")]
    DeleteRole(The),
    #[serde(rename = "group.create")]
    CreateGroup(CreateGroup),
    #[serde(rename = "group.update")]
    UpdateGroup(Of<UpdateGroup>),
    #[serde(rename = "group.delete")]
    DeleteGroup(The),
    #[serde(rename = "binding.create")]
    CreateBinding(DrawnBinding),
    #[serde(rename = "binding.delete")]
    DeleteBinding(The),
    #[serde(rename = "policy.create")]
    CreatePolicy(CreatePolicy),
    #[serde(rename = "policy.update")]
    UpdatePolicy(Of<Module>),
    #[serde(rename = "policy.delete")]
    DeletePolicy(The),
    #[serde(rename = "strategy.set")]
    SetStrategy(Strategy),
}

/// The thing of this id; of groups and policies, of this name.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct The {
    id: String,
}

/// What is to be different at the thing of this id.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Of<T> {
    id: String,
    set: T,
}

/// A key whose id and text have been drawn elsewhere.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DrawnKey {
    /// A new ULID in lower case.
    #[schema(value_type = String)]
    id: KeyId,
    #[schema(value_type = String, min_length = 1, max_length = 128)]
    name: KeyName,
    /// SHA-256 of its text, as 64 hexadecimal digits.
    #[schema(pattern = "^[0-9a-fA-F]{64}$")]
    sha256: String,
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
    #[schema(value_type = Vec<DrawnRole>, max_items = 1000)]
    bindings: Few<DrawnRole, 1000>,
}

/// A role that a key is made with.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DrawnRole {
    /// A new ULID in lower case.
    #[schema(value_type = String)]
    id: BindingId,
    #[schema(value_type = String, pattern = "^[a-z0-9][a-z0-9_-]{0,63}$")]
    role: RoleId,
    #[schema(value_type = String, pattern = "^[a-z0-9][a-z0-9_-]{0,63}$")]
    space: SpaceId,
}

/// A secret that has been drawn elsewhere.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewSecret {
    #[schema(value_type = String)]
    id: KeyId,
    /// SHA-256 of the new text, as 64 hexadecimal digits.
    #[schema(pattern = "^[0-9a-fA-F]{64}$")]
    sha256: String,
    /// Until when the secret before works.
    #[schema(value_type = String, format = DateTime)]
    old_ends_at: Timestamp,
}

/// A binding whose id has been drawn elsewhere.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DrawnBinding {
    /// A new ULID in lower case.
    #[schema(value_type = String)]
    id: BindingId,
    subject: SubjectBody,
    #[schema(value_type = String, pattern = "^[a-z0-9][a-z0-9_-]{0,63}$")]
    role: RoleId,
    #[schema(value_type = String, pattern = "^[a-z0-9][a-z0-9_-]{0,63}$")]
    space: SpaceId,
}

/// Changes that were made.
#[derive(Serialize, ToSchema)]
pub(super) struct Changed {
    /// The last of them; where none was made, what they were weighed at.
    #[schema(value_type = u64)]
    revision: Revision,
    /// Each, in the order in which they were asked for. None if they were only rehearsed, or an earlier request of the same name made them.
    changes: Vec<MadeChange>,
    /// What is odd about policies that are in force now.
    #[schema(value_type = Vec<Object>)]
    warnings: Vec<PolicyFault>,
}

/// One that was made.
#[derive(Serialize, ToSchema)]
struct MadeChange {
    #[schema(value_type = u64)]
    revision: Revision,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
}

impl Changing {
    fn mutation(self) -> Result<Mutation, ApiError> {
        Ok(match self {
            Self::CreateKey(key) => Mutation::CreateKey(key.drawn()?),
            Self::ImportKey(key) => Mutation::ImportKey(key.drawn()?),
            Self::UpdateKey(Of { id, set }) => set.mutation(read(&id)?),
            Self::RotateKey(NewSecret { id, sha256, old_ends_at }) => Mutation::RotateKey { id, digest: digest(&sha256)?, old_ends_at },
            Self::DisableKey(The { id }) => Mutation::DisableKey { id: read(&id)? },
            Self::EnableKey(The { id }) => Mutation::EnableKey { id: read(&id)? },
            Self::RevokeKey(The { id }) => Mutation::RevokeKey { id: read(&id)? },
            Self::CreateSpace(space) => space.mutation(),
            Self::UpdateSpace(Of { id, set }) => set.mutation(read(&id)?),
            Self::DeleteSpace(The { id }) => Mutation::DeleteSpace { id: read(&id)? },
            Self::CreateRole(role) => role.mutation(),
            Self::UpdateRole(Of { id, set }) => set.mutation(read(&id)?),
            Self::DeleteRole(The { id }) => Mutation::DeleteRole { id: read(&id)? },
            Self::CreateGroup(group) => group.mutation(),
            Self::UpdateGroup(Of { id, set }) => set.mutation(read(&id)?),
            Self::DeleteGroup(The { id }) => Mutation::DeleteGroup { name: read(&id)? },
            Self::CreateBinding(DrawnBinding { id, subject, role, space }) => {
                Mutation::CreateBinding { id, subject: subject.subject(), role, space }
            }
            Self::DeleteBinding(The { id }) => Mutation::DeleteBinding { id: read(&id)? },
            Self::CreatePolicy(policy) => Mutation::CreatePolicy(policy.into_policy()),
            Self::UpdatePolicy(Of { id, set }) => set.mutation(read(&id)?),
            Self::DeletePolicy(The { id }) => Mutation::DeletePolicy { name: read(&id)? },
            Self::SetStrategy(Strategy { strategy }) => Mutation::SetStrategy(strategy),
        })
    }
}

impl DrawnKey {
    fn drawn(self) -> Result<NewKey, ApiError> {
        let Self { id, name, sha256, description, groups, expires_at, bindings } = self;
        let bindings = bindings.0.into_iter().map(|DrawnRole { id, role, space }| (id, role, space)).collect();
        Ok(NewKey { id, name, description: description.0, groups: groups.0, expires_at, digest: digest(&sha256)?, bindings })
    }
}

/// What cannot be the id of anything is the id of nothing that is there.
fn read<I: FromStr<Err: std::fmt::Display>>(id: &str) -> Result<I, ApiError> {
    id.parse().map_err(|error| ApiError::not_found(format!("{error}")))
}

/// What is no digest may be a key that was pasted by mistake: it is not repeated.
fn digest(sha256: &str) -> Result<KeyDigest, ApiError> {
    sha256.parse().map_err(|error| ApiError::bad_request(format!("sha256: {error}")))
}

fn named(thing: &Thing) -> Result<Resource, ApiError> {
    let known = thing.resource().ok_or_else(|| ApiError::bad_request("there is no such kind of thing"))?;
    known.map_err(|error| ApiError::bad_request(error.to_string()))
}

/// Makes several changes: all of them or none.
#[utoipa::path(post, path = "/changes", tag = "changes", request_body = WantedChanges, responses((status = 200, body = Changed), Refusals))]
pub(super) async fn make(State(state): State<AdminState>, Session(asked): Session, request: Request) -> Result<Response, ApiError> {
    // Whoever manages nothing but themself has no use for more, and must not fill the memory.
    let manages = state.control().may(&asked.caller, Operation::ViewSpaces).await.is_ok();
    let most = if manages { LONGEST } else { body::LONGEST };
    let request = request.map(|body| axum::body::Body::new(Limited::new(body, most)));
    let Body(WantedChanges { changes, declared, only_at, rehearse }) = Body::from_request(request, &state).await?;
    let mutations = changes.0.into_iter().map(Changing::mutation).collect::<Result<_, _>>()?;
    let declared = declared.0.iter().map(named).collect::<Result<_, _>>()?;
    let batch = Batch { mutations, declared, only_if: only_at.map(Precondition::StoreAt) };
    let rehearsal = if rehearse { Rehearsal::Only } else { Rehearsal::No };
    let control = Arc::clone(state.control());
    // It goes on though whoever asked for it has gone away.
    let made = tokio::spawn(async move { control.change_all(&asked, batch, rehearsal).await }).await;
    let made = made.map_err(|_| ApiError::new(Code::Unavailable, "the changes have ended half-way: see whether they were made"))?;
    let made = made.map_err(|RefusedBatch { index, error }| ApiError::from(error).about_change(index))?;
    let changes = made.changes.iter().map(|change| MadeChange { revision: change.revision, at: change.at }).collect();
    Ok(shown(made.revision, Changed { revision: made.revision, changes, warnings: made.warnings }))
}
