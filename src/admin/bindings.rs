//! `/bindings`: made and deleted, never changed.

use std::str::FromStr;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::body::{Body, Named, Query};
use super::page::{self, Page};
use super::problem::{ApiError, Refusals};
use super::session::{Session, to_its_end};
use super::state::AdminState;
use super::version::{OnlyAt, gone, made, shown};
use crate::control::{self, ControlError, Operation};
use crate::model::{Binding as Kept, BindingId, GroupName, KeyId, Mutation, Resource, RoleId, SpaceId, Subject};
use crate::store::{BindingFilter, StoreError};

/// How many bindings are looked through for a page of those that are asked for.
const LOOKED_THROUGH: u32 = 100_000;

/// A key or a group holds a role in a space and in all below it.
#[derive(Serialize, ToSchema)]
pub(super) struct Binding {
    #[schema(value_type = String)]
    id: BindingId,
    subject: SubjectBody,
    #[schema(value_type = String)]
    role: RoleId,
    #[schema(value_type = String)]
    space: SpaceId,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

/// Who holds it.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum SubjectBody {
    /// The id of an API key.
    #[schema(value_type = String)]
    Key(KeyId),
    /// The name of a group.
    #[schema(value_type = String)]
    Group(GroupName),
}

/// A binding to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateBinding {
    subject: SubjectBody,
    #[schema(value_type = String, pattern = "^[a-z0-9][a-z0-9_-]{0,63}$")]
    role: RoleId,
    #[schema(value_type = String, pattern = "^[a-z0-9][a-z0-9_-]{0,63}$")]
    space: SpaceId,
}

/// Which bindings.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct BindingQuery {
    /// How many items at most; else 100.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Only bindings in whose subject, role or space this stands, letter by letter.
    q: Option<String>,
    /// Only those of this key itself, by its id.
    key: Option<String>,
    /// Only those of this group.
    group: Option<String>,
    /// Only those of this role.
    role: Option<String>,
    /// Only those in this very space.
    space: Option<String>,
}

impl SubjectBody {
    pub(super) fn subject(self) -> Subject {
        match self {
            Self::Key(id) => Subject::Key(id),
            Self::Group(name) => Subject::Group(name),
        }
    }
}

impl From<Kept> for Binding {
    fn from(binding: Kept) -> Self {
        let Kept { id, subject, role, space, created_at } = binding;
        let subject = match subject {
            Subject::Key(id) => SubjectBody::Key(id),
            Subject::Group(name) => SubjectBody::Group(name),
        };
        Self { id, subject, role, space, created_at }
    }
}

/// Every binding that is asked for, by age.
#[utoipa::path(get, path = "/bindings", tag = "bindings", params(BindingQuery), responses((status = 200, body = Page<Binding>), Refusals))]
pub(super) async fn list(
    State(state): State<AdminState>,
    Session(asked): Session,
    Query(query): Query<BindingQuery>,
) -> Result<axum::Json<Page<Binding>>, ApiError> {
    let control = state.control();
    control.may(&asked.caller, Operation::ViewBindings).await?;
    let (limit, after) = (page::limit(query.limit)?, page::after::<BindingId>(query.cursor.as_deref())?);
    let page = |found| Page::of(found, limit, |binding: &Kept| binding.id.to_string()).map(Binding::from);
    let Some(wanted) = query.filter() else { return Ok(axum::Json(page(Vec::new()))) };
    let found = control.bindings_found(&BindingFilter { after, limit, ..wanted }, LOOKED_THROUGH).await?;
    let page = page(found.bindings);
    Ok(axum::Json(match found.looked_to {
        Some(end) => page.going_on_after(&end.to_string()),
        None => page,
    }))
}

impl BindingQuery {
    /// What is asked for, from which on and how many left out; `None`: what nothing can be.
    fn filter(self) -> Option<BindingFilter> {
        fn read<T: FromStr>(text: Option<String>) -> Result<Option<T>, T::Err> {
            text.map(|text| text.parse()).transpose()
        }
        let Self { limit: _, cursor: _, q, key, group, role, space } = self;
        Some(BindingFilter {
            after: None,
            limit: 0,
            key: read(key).ok()?,
            group: read(group).ok()?,
            role: read(role).ok()?,
            space: read(space).ok()?,
            query: q.filter(|text| !text.is_empty()),
        })
    }
}

/// Binds a role to a key or a group in a space.
#[utoipa::path(post, path = "/bindings", tag = "bindings", request_body = CreateBinding, responses((status = 201, body = Binding), Refusals))]
pub(super) async fn create(
    State(state): State<AdminState>,
    Session(asked): Session,
    Body(CreateBinding { subject, role, space }): Body<CreateBinding>,
) -> Result<Response, ApiError> {
    let id = control::binding_id(state.control().now()).map_err(ControlError::from)?;
    let control = Arc::clone(state.control());
    let create = Mutation::CreateBinding { id, subject: subject.subject(), role, space };
    let done = to_its_end(async move { control.change(&asked, create, None).await }).await?;
    // Made by an earlier request of the same name, it has another one.
    let id = done.resource.parse().unwrap_or(id);
    Ok(made(done.revision, &format!("/bindings/{id}"), read(&state, id).await?))
}

/// One binding.
#[utoipa::path(
    get, path = "/bindings/{id}", tag = "bindings", params(("id" = String, Path, description = "The binding's id")),
    responses((status = 200, body = Binding), Refusals)
)]
pub(super) async fn show(
    State(state): State<AdminState>,
    Session(asked): Session,
    Named(id): Named<BindingId>,
) -> Result<Response, ApiError> {
    state.control().may(&asked.caller, Operation::ViewBindings).await?;
    let resource = Resource::Binding(id);
    let revision = state.control().store().revision_of(&resource).await?.ok_or(StoreError::NotFound(resource))?;
    Ok(shown(revision, read(&state, id).await?))
}

/// Unbinds.
#[utoipa::path(
    delete, path = "/bindings/{id}", tag = "bindings", params(("id" = String, Path, description = "The binding's id")),
    responses((status = 204), Refusals)
)]
pub(super) async fn delete(
    State(state): State<AdminState>,
    Session(asked): Session,
    OnlyAt(only_at): OnlyAt,
    Named(id): Named<BindingId>,
) -> Result<Response, ApiError> {
    let control = Arc::clone(state.control());
    let done = to_its_end(async move { control.change(&asked, Mutation::DeleteBinding { id }, only_at).await }).await?;
    Ok(gone(done.revision))
}

async fn read(state: &AdminState, id: BindingId) -> Result<Binding, ApiError> {
    let binding = state.control().store().binding(id).await?.ok_or(StoreError::NotFound(Resource::Binding(id)))?;
    Ok(binding.into())
}
