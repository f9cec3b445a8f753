//! `/roles`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::{Body, Few, Named, Query, Text};
use super::page::{Page, PageQuery};
use super::problem::{ApiError, Refusals};
use super::session::{Session, to_its_end};
use super::state::AdminState;
use super::version::{OnlyAt, gone, made, shown};
use crate::control::Operation;
use crate::model::{ActionPattern, Mutation, Resource, Role as Kept, RoleId};
use crate::store::StoreError;

/// A named set of actions.
#[derive(Serialize, ToSchema)]
pub(super) struct Role {
    #[schema(value_type = String, example = "deployer")]
    id: RoleId,
    name: String,
    description: String,
    /// `resource:verb`, `resource:*` or `*:*`.
    #[schema(value_type = Vec<String>)]
    actions: Vec<ActionPattern>,
    /// Whether it can be neither changed nor deleted.
    system: bool,
}

/// A role to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateRole {
    /// For good: lower-case letters, digits, `-` and `_`.
    #[schema(value_type = String, pattern = "^[a-z0-9][a-z0-9_-]{0,63}$")]
    id: RoleId,
    /// What people call it; else its id.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 256)]
    name: Option<Text<256>>,
    #[serde(default)]
    #[schema(value_type = String, max_length = 4096)]
    description: Text<4096>,
    #[schema(value_type = Vec<String>, max_items = 1000)]
    actions: Few<ActionPattern, 1000>,
}

/// What is to be different; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UpdateRole {
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 256)]
    name: Option<Text<256>>,
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 4096)]
    description: Option<Text<4096>>,
    /// All of them.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, max_items = 1000)]
    actions: Option<Few<ActionPattern, 1000>>,
}

impl CreateRole {
    pub(super) fn mutation(self) -> Mutation {
        let Self { id, name, description, actions } = self;
        let name = name.map_or_else(|| id.to_string(), |name| name.0);
        Mutation::CreateRole { id, name, description: description.0, actions: each_once(actions) }
    }
}

impl UpdateRole {
    pub(super) fn mutation(self, id: RoleId) -> Mutation {
        let Self { name, description, actions } = self;
        let (name, description) = (name.map(|text| text.0), description.map(|text| text.0));
        Mutation::UpdateRole { id, name, description, actions: actions.map(each_once) }
    }
}

impl From<&Kept> for Role {
    fn from(role: &Kept) -> Self {
        let Kept { id, name, description, actions, system } = role.clone();
        Self { id, name, description, actions, system }
    }
}

/// Every role, those of the system included, by id.
#[utoipa::path(get, path = "/roles", tag = "roles", params(PageQuery), responses((status = 200, body = Page<Role>), Refusals))]
pub(super) async fn list(
    State(state): State<AdminState>,
    Session(asked): Session,
    Query(query): Query<PageQuery>,
) -> Result<axum::Json<Page<Role>>, ApiError> {
    let standing = state.control().may(&asked.caller, Operation::ViewRoles).await?;
    let holds = |role: &&Kept, text: &str| role.id.as_str().contains(text) || role.name.contains(text);
    let page = query.of(standing.snapshot().roles.values(), |role| role.id.clone(), holds)?;
    Ok(axum::Json(page.map(Role::from)))
}

/// Makes a role.
#[utoipa::path(post, path = "/roles", tag = "roles", request_body = CreateRole, responses((status = 201, body = Role), Refusals))]
pub(super) async fn create(
    State(state): State<AdminState>,
    Session(asked): Session,
    Body(body): Body<CreateRole>,
) -> Result<Response, ApiError> {
    let (id, create) = (body.id.clone(), body.mutation());
    let control = Arc::clone(state.control());
    let done = to_its_end(async move { control.change(&asked, create, None).await }).await?;
    Ok(made(done.revision, &format!("/roles/{id}"), read(&state, &id).await?))
}

/// One role.
#[utoipa::path(
    get, path = "/roles/{id}", tag = "roles", params(("id" = String, Path, description = "The role's id")),
    responses((status = 200, body = Role), Refusals)
)]
pub(super) async fn show(State(state): State<AdminState>, Session(asked): Session, Named(id): Named<RoleId>) -> Result<Response, ApiError> {
    state.control().may(&asked.caller, Operation::ViewRoles).await?;
    let resource = Resource::Role(id.clone());
    // Before the role: one that is too old refuses what is changed by it, one that is too new would not.
    let revision = state.control().store().revision_of(&resource).await?.ok_or(StoreError::NotFound(resource))?;
    Ok(shown(revision, read(&state, &id).await?))
}

/// Changes a role that is not the system's.
#[utoipa::path(
    patch, path = "/roles/{id}", tag = "roles", params(("id" = String, Path, description = "The role's id")), request_body = UpdateRole,
    responses((status = 200, body = Role), Refusals)
)]
pub(super) async fn update(
    State(state): State<AdminState>,
    Session(asked): Session,
    OnlyAt(only_at): OnlyAt,
    Named(id): Named<RoleId>,
    Body(body): Body<UpdateRole>,
) -> Result<Response, ApiError> {
    let update = body.mutation(id.clone());
    let control = Arc::clone(state.control());
    let done = to_its_end(async move { control.change(&asked, update, only_at).await }).await?;
    Ok(shown(done.revision, read(&state, &id).await?))
}

/// Deletes a role that is not bound.
#[utoipa::path(
    delete, path = "/roles/{id}", tag = "roles", params(("id" = String, Path, description = "The role's id")),
    responses((status = 204), Refusals)
)]
pub(super) async fn delete(
    State(state): State<AdminState>,
    Session(asked): Session,
    OnlyAt(only_at): OnlyAt,
    Named(id): Named<RoleId>,
) -> Result<Response, ApiError> {
    let control = Arc::clone(state.control());
    let done = to_its_end(async move { control.change(&asked, Mutation::DeleteRole { id }, only_at).await }).await?;
    Ok(gone(done.revision))
}

async fn read(state: &AdminState, id: &RoleId) -> Result<Role, ApiError> {
    let snapshot = state.control().store().snapshot().await?;
    let role = snapshot.roles.get(id).ok_or_else(|| StoreError::NotFound(Resource::Role(id.clone())))?;
    Ok(Role::from(role))
}

fn each_once(Few(mut actions): Few<ActionPattern, 1000>) -> Vec<ActionPattern> {
    actions.sort();
    actions.dedup();
    actions
}
