//! `/groups`. A group's name may be anything that an identity provider asserts, so it stands percent-encoded in a path.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::{Body, Named, Query, Text};
use super::page::{Page, PageQuery};
use super::problem::{ApiError, Refusals};
use super::session::{Session, to_its_end};
use super::state::AdminState;
use super::version::{OnlyAt, gone, made, shown};
use crate::control::Operation;
use crate::model::{Group as Kept, GroupName, Mutation, Resource};
use crate::store::StoreError;

/// A group that the identity provider asserts.
#[derive(Serialize, ToSchema)]
pub(super) struct Group {
    #[schema(value_type = String, example = "platform")]
    name: GroupName,
    description: String,
}

/// A group to be described before anything names it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateGroup {
    /// As the identity provider spells it: case and blanks count.
    #[schema(value_type = String, min_length = 1, max_length = 256)]
    name: GroupName,
    #[serde(default)]
    #[schema(value_type = String, max_length = 4096)]
    description: Text<4096>,
}

/// What is to be different.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UpdateGroup {
    #[schema(value_type = String, max_length = 4096)]
    description: Text<4096>,
}

impl CreateGroup {
    pub(super) fn mutation(self) -> Mutation {
        Mutation::CreateGroup { name: self.name, description: self.description.0 }
    }
}

impl UpdateGroup {
    pub(super) fn mutation(self, name: GroupName) -> Mutation {
        Mutation::UpdateGroup { name, description: self.description.0 }
    }
}

impl From<&Kept> for Group {
    fn from(group: &Kept) -> Self {
        let Kept { name, description } = group.clone();
        Self { name, description }
    }
}

/// Every group that somebody has described, bound or put a key into, by name.
#[utoipa::path(get, path = "/groups", tag = "groups", params(PageQuery), responses((status = 200, body = Page<Group>), Refusals))]
pub(super) async fn list(
    State(state): State<AdminState>,
    Session(asked): Session,
    Query(query): Query<PageQuery>,
) -> Result<axum::Json<Page<Group>>, ApiError> {
    let standing = state.control().may(&asked.caller, Operation::ViewGroups).await?;
    let holds = |group: &&Kept, text: &str| group.name.as_str().contains(text);
    let page = query.of(standing.snapshot().groups.values(), |group| group.name.clone(), holds)?;
    Ok(axum::Json(page.map(Group::from)))
}

/// Describes a group before anything names it.
#[utoipa::path(post, path = "/groups", tag = "groups", request_body = CreateGroup, responses((status = 201, body = Group), Refusals))]
pub(super) async fn create(
    State(state): State<AdminState>,
    Session(asked): Session,
    Body(body): Body<CreateGroup>,
) -> Result<Response, ApiError> {
    let (name, create) = (body.name.clone(), body.mutation());
    let control = Arc::clone(state.control());
    let done = to_its_end(async move { control.change(&asked, create, None).await }).await?;
    Ok(made(done.revision, &format!("/groups/{}", encoded(name.as_str())), read(&state, &name).await?))
}

/// One group.
#[utoipa::path(
    get, path = "/groups/{name}", tag = "groups", params(("name" = String, Path, description = "The group's name")),
    responses((status = 200, body = Group), Refusals)
)]
pub(super) async fn show(
    State(state): State<AdminState>,
    Session(asked): Session,
    Named(name): Named<GroupName>,
) -> Result<Response, ApiError> {
    state.control().may(&asked.caller, Operation::ViewGroups).await?;
    let resource = Resource::Group(name.clone());
    // Before the group: one that is too old refuses what is changed by it, one that is too new would not.
    let revision = state.control().store().revision_of(&resource).await?.ok_or(StoreError::NotFound(resource))?;
    Ok(shown(revision, read(&state, &name).await?))
}

/// Describes a group otherwise.
#[utoipa::path(
    patch, path = "/groups/{name}", tag = "groups", params(("name" = String, Path, description = "The group's name")),
    request_body = UpdateGroup, responses((status = 200, body = Group), Refusals)
)]
pub(super) async fn update(
    State(state): State<AdminState>,
    Session(asked): Session,
    OnlyAt(only_at): OnlyAt,
    Named(name): Named<GroupName>,
    Body(body): Body<UpdateGroup>,
) -> Result<Response, ApiError> {
    let update = body.mutation(name.clone());
    let control = Arc::clone(state.control());
    let done = to_its_end(async move { control.change(&asked, update, only_at).await }).await?;
    Ok(shown(done.revision, read(&state, &name).await?))
}

/// Deletes a group that is not bound and has no member.
#[utoipa::path(
    delete, path = "/groups/{name}", tag = "groups", params(("name" = String, Path, description = "The group's name")),
    responses((status = 204), Refusals)
)]
pub(super) async fn delete(
    State(state): State<AdminState>,
    Session(asked): Session,
    OnlyAt(only_at): OnlyAt,
    Named(name): Named<GroupName>,
) -> Result<Response, ApiError> {
    let control = Arc::clone(state.control());
    let done = to_its_end(async move { control.change(&asked, Mutation::DeleteGroup { name }, only_at).await }).await?;
    Ok(gone(done.revision))
}

async fn read(state: &AdminState, name: &GroupName) -> Result<Group, ApiError> {
    let snapshot = state.control().store().snapshot().await?;
    let group = snapshot.groups.get(name).ok_or_else(|| StoreError::NotFound(Resource::Group(name.clone())))?;
    Ok(Group::from(group))
}

/// As it stands in a path (RFC 3986, section 2.1).
pub(super) fn encoded(text: &str) -> String {
    let mut path = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => path.push(char::from(byte)),
            _ => _ = write!(path, "%{byte:02X}"),
        }
    }
    path
}
