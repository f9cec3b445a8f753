//! `/spaces`.

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
use crate::model::{Mutation, Resource, Revision, Space as Kept, SpaceId};
use crate::store::StoreError;

/// Where roles hold: a tree under `root`.
#[derive(Clone, Serialize, ToSchema)]
pub(super) struct Space {
    #[schema(value_type = String, example = "production")]
    id: SpaceId,
    name: String,
    description: String,
    /// The space above; null for `root` alone.
    #[schema(value_type = Option<String>)]
    parent: Option<SpaceId>,
    /// Visible to login policies.
    labels: Vec<String>,
}

/// A space to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateSpace {
    /// For good: lower-case letters, digits, `-` and `_`.
    #[schema(value_type = String, pattern = "^[a-z0-9][a-z0-9_-]{0,63}$")]
    id: SpaceId,
    /// The space above; else `root`.
    #[serde(default = "SpaceId::root")]
    #[schema(value_type = Option<String>, pattern = "^[a-z0-9][a-z0-9_-]{0,63}$")]
    parent: SpaceId,
    /// What people call it; else its id.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 256)]
    name: Option<Text<256>>,
    #[serde(default)]
    #[schema(value_type = String, max_length = 4096)]
    description: Text<4096>,
    #[serde(default)]
    #[schema(value_type = Vec<String>, max_items = 100)]
    labels: Few<Text<256>, 100>,
}

/// What is to be different; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UpdateSpace {
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 256)]
    name: Option<Text<256>>,
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 4096)]
    description: Option<Text<4096>>,
    /// All of them: those that are not named are taken off.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, max_items = 100)]
    labels: Option<Few<Text<256>, 100>>,
    /// The space that it stands under from now on, with all below it. Takes rights on both.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^[a-z0-9][a-z0-9_-]{0,63}$")]
    parent: Option<SpaceId>,
}

impl CreateSpace {
    pub(super) fn mutation(self) -> Mutation {
        let Self { id, parent, name, description, labels } = self;
        let name = name.map_or_else(|| id.to_string(), |name| name.0);
        Mutation::CreateSpace(Kept { id, name, description: description.0, parent: Some(parent), labels: each_once(labels) })
    }
}

impl UpdateSpace {
    pub(super) fn mutation(self, id: SpaceId) -> Mutation {
        let Self { name, description, labels, parent } = self;
        let (name, description) = (name.map(|text| text.0), description.map(|text| text.0));
        Mutation::UpdateSpace { id, name, description, labels: labels.map(each_once), parent }
    }
}

impl From<&Kept> for Space {
    fn from(space: &Kept) -> Self {
        let Kept { id, name, description, parent, labels } = space.clone();
        Self { id, name, description, parent, labels }
    }
}

/// Every space, by id.
#[utoipa::path(get, path = "/spaces", tag = "spaces", params(PageQuery), responses((status = 200, body = Page<Space>), Refusals))]
pub(super) async fn list(
    State(state): State<AdminState>,
    Session(asked): Session,
    Query(query): Query<PageQuery>,
) -> Result<axum::Json<Page<Space>>, ApiError> {
    let standing = state.control().may(&asked.caller, Operation::ViewSpaces).await?;
    let holds = |space: &&Kept, text: &str| space.id.as_str().contains(text) || space.name.contains(text);
    let page = query.of(standing.snapshot().spaces.iter(), |space| space.id.clone(), holds)?;
    Ok(axum::Json(page.map(Space::from)))
}

/// Makes a space under another one.
#[utoipa::path(post, path = "/spaces", tag = "spaces", request_body = CreateSpace, responses((status = 201, body = Space), Refusals))]
pub(super) async fn create(
    State(state): State<AdminState>,
    Session(asked): Session,
    Body(body): Body<CreateSpace>,
) -> Result<Response, ApiError> {
    let (id, create) = (body.id.clone(), body.mutation());
    let control = Arc::clone(state.control());
    let done = to_its_end(async move { control.change(&asked, create, None).await }).await?;
    Ok(made(done.revision, &format!("/spaces/{id}"), read(&state, &id).await?))
}

/// One space.
#[utoipa::path(
    get, path = "/spaces/{id}", tag = "spaces", params(("id" = String, Path, description = "The space's id")),
    responses((status = 200, body = Space), Refusals)
)]
pub(super) async fn show(
    State(state): State<AdminState>,
    Session(asked): Session,
    Named(id): Named<SpaceId>,
) -> Result<Response, ApiError> {
    state.control().may(&asked.caller, Operation::ViewSpaces).await?;
    let (revision, space) = versioned(&state, &id).await?;
    Ok(shown(revision, space))
}

/// Renames, relabels or moves a space.
#[utoipa::path(
    patch, path = "/spaces/{id}", tag = "spaces", params(("id" = String, Path, description = "The space's id")), request_body = UpdateSpace,
    responses((status = 200, body = Space), Refusals)
)]
pub(super) async fn update(
    State(state): State<AdminState>,
    Session(asked): Session,
    OnlyAt(only_at): OnlyAt,
    Named(id): Named<SpaceId>,
    Body(body): Body<UpdateSpace>,
) -> Result<Response, ApiError> {
    let update = body.mutation(id.clone());
    let control = Arc::clone(state.control());
    let done = to_its_end(async move { control.change(&asked, update, only_at).await }).await?;
    Ok(shown(done.revision, read(&state, &id).await?))
}

/// Deletes a space that has neither a space below it nor a binding.
#[utoipa::path(
    delete, path = "/spaces/{id}", tag = "spaces", params(("id" = String, Path, description = "The space's id")),
    responses((status = 204), Refusals)
)]
pub(super) async fn delete(
    State(state): State<AdminState>,
    Session(asked): Session,
    OnlyAt(only_at): OnlyAt,
    Named(id): Named<SpaceId>,
) -> Result<Response, ApiError> {
    let control = Arc::clone(state.control());
    let done = to_its_end(async move { control.change(&asked, Mutation::DeleteSpace { id }, only_at).await }).await?;
    Ok(gone(done.revision))
}

async fn versioned(state: &AdminState, id: &SpaceId) -> Result<(Revision, Space), ApiError> {
    let resource = Resource::Space(id.clone());
    // Before the space: one that is too old refuses what is changed by it, one that is too new would not.
    let revision = state.control().store().revision_of(&resource).await?.ok_or(StoreError::NotFound(resource))?;
    Ok((revision, read(state, id).await?))
}

async fn read(state: &AdminState, id: &SpaceId) -> Result<Space, ApiError> {
    let snapshot = state.control().store().snapshot().await?;
    let space = snapshot.spaces.find(id).ok_or_else(|| StoreError::NotFound(Resource::Space(id.clone())))?;
    Ok(Space::from(space))
}

fn each_once(Few(labels): Few<Text<256>, 100>) -> Vec<String> {
    let mut labels: Vec<String> = labels.into_iter().map(|label| label.0).collect();
    labels.sort();
    labels.dedup();
    labels
}
