//! `/policies`: login policies of the store, checked and tried before they are in force.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::{Body, Named, Query};
use super::groups::encoded;
use super::page::{Page, PageQuery};
use super::problem::{ApiError, Refusals};
use super::session::{Session, to_its_end};
use super::state::AdminState;
use super::version::{OnlyAt, gone, made, shown};
use crate::control::{Asked, Made, Operation};
use crate::model::{LoginPolicy, Mutation, PolicyName, RegoVersion, Resource};
use crate::policy::PolicyFault;
use crate::store::StoreError;

/// A login policy of the store. Those of the directory of policies are files, and are managed there.
#[derive(Serialize, ToSchema)]
pub(super) struct Policy {
    #[schema(value_type = String, example = "office-hours")]
    name: PolicyName,
    /// The Rego module.
    source: String,
    /// `v0` or `v1`; null: v1 is tried first, v0 if that fails.
    #[schema(value_type = Option<String>, pattern = "^v[01]$")]
    rego: Option<RegoVersion>,
}

/// A policy that is in force now, and what is odd about it.
#[derive(Serialize, ToSchema)]
pub(super) struct SavedPolicy {
    #[serde(flatten)]
    policy: Policy,
    #[schema(value_type = Vec<Object>)]
    warnings: Vec<PolicyFault>,
}

/// A policy to be put in force.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CreatePolicy {
    #[schema(value_type = String, min_length = 1, max_length = 128)]
    name: PolicyName,
    // Not a `Module` flattened: in the description, each of the two would refuse the other's fields.
    #[schema(value_type = String, example = "package spacelift\n\nallow if input.session.member\n")]
    source: Box<str>,
    /// `v0` or `v1`; else v1 is tried first, v0 if that fails.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^v[01]$")]
    rego: Option<RegoVersion>,
}

/// A Rego module.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Module {
    #[schema(value_type = String, example = "package spacelift\n\nallow if input.session.member\n")]
    source: Box<str>,
    /// `v0` or `v1`; else v1 is tried first, v0 if that fails.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^v[01]$")]
    rego: Option<RegoVersion>,
}

/// Whether a policy could be in force, and what is wrong or odd.
#[derive(Serialize, ToSchema)]
pub(super) struct Validation {
    /// Whether it could be saved as it is.
    valid: bool,
    #[schema(value_type = Vec<Object>)]
    findings: Vec<PolicyFault>,
}

impl From<LoginPolicy> for Policy {
    fn from(policy: LoginPolicy) -> Self {
        let LoginPolicy { name, source, rego } = policy;
        Self { name, source: source.into(), rego }
    }
}

impl CreatePolicy {
    pub(super) fn into_policy(self) -> LoginPolicy {
        let Self { name, source, rego } = self;
        LoginPolicy { name, source, rego }
    }
}

impl Module {
    pub(super) fn mutation(self, name: PolicyName) -> Mutation {
        Mutation::UpdatePolicy { name, source: self.source, rego: self.rego }
    }
}

/// The store's login policies, by name.
#[utoipa::path(get, path = "/policies", tag = "policies", params(PageQuery), responses((status = 200, body = Page<Policy>), Refusals))]
pub(super) async fn list(
    State(state): State<AdminState>,
    Session(asked): Session,
    Query(query): Query<PageQuery>,
) -> Result<axum::Json<Page<Policy>>, ApiError> {
    let standing = state.control().may(&asked.caller, Operation::ViewPolicies).await?;
    let holds = |policy: &LoginPolicy, text: &str| policy.name.as_str().contains(text) || policy.source.contains(text);
    let page = query.of(standing.snapshot().policies.iter().cloned(), |policy| policy.name.clone(), holds)?;
    Ok(axum::Json(page.map(Policy::from)))
}

/// Puts a login policy in force.
#[utoipa::path(
    post, path = "/policies", tag = "policies", request_body = CreatePolicy, responses((status = 201, body = SavedPolicy), Refusals)
)]
pub(super) async fn create(
    State(state): State<AdminState>,
    Session(asked): Session,
    Body(body): Body<CreatePolicy>,
) -> Result<Response, ApiError> {
    let policy = body.into_policy();
    let at = format!("/policies/{}", encoded(policy.name.as_str()));
    let Made { revision, warnings, .. } = saved(&state, asked, Mutation::CreatePolicy(policy.clone()), OnlyAt(None)).await?;
    Ok(made(revision, &at, SavedPolicy { policy: policy.into(), warnings }))
}

/// One login policy.
#[utoipa::path(
    get, path = "/policies/{name}", tag = "policies", params(("name" = String, Path, description = "The policy's name")),
    responses((status = 200, body = Policy), Refusals)
)]
pub(super) async fn show(
    State(state): State<AdminState>,
    Session(asked): Session,
    Named(name): Named<PolicyName>,
) -> Result<Response, ApiError> {
    let control = state.control();
    control.may(&asked.caller, Operation::ViewPolicies).await?;
    let resource = Resource::Policy(name.clone());
    // Before the policy: one that is too old refuses what is changed by it, one that is too new would not.
    let revision = control.store().revision_of(&resource).await?;
    let found = control.store().snapshot().await?.policies.into_iter().find(|policy| policy.name == name);
    match (revision, found) {
        (Some(revision), Some(policy)) => Ok(shown(revision, Policy::from(policy))),
        _ => Err(StoreError::NotFound(resource).into()),
    }
}

/// Puts another text in a login policy's place.
#[utoipa::path(
    put, path = "/policies/{name}", tag = "policies", params(("name" = String, Path, description = "The policy's name")),
    request_body = Module, responses((status = 200, body = SavedPolicy), Refusals)
)]
pub(super) async fn replace(
    State(state): State<AdminState>,
    Session(asked): Session,
    only_at: OnlyAt,
    Named(name): Named<PolicyName>,
    Body(Module { source, rego }): Body<Module>,
) -> Result<Response, ApiError> {
    let update = Mutation::UpdatePolicy { name: name.clone(), source: source.clone(), rego };
    let Made { revision, warnings, .. } = saved(&state, asked, update, only_at).await?;
    let policy = Policy { name, source: source.into(), rego };
    Ok(shown(revision, SavedPolicy { policy, warnings }))
}

/// Takes a login policy out of force.
#[utoipa::path(
    delete, path = "/policies/{name}", tag = "policies", params(("name" = String, Path, description = "The policy's name")),
    responses((status = 204), Refusals)
)]
pub(super) async fn delete(
    State(state): State<AdminState>,
    Session(asked): Session,
    only_at: OnlyAt,
    Named(name): Named<PolicyName>,
) -> Result<Response, ApiError> {
    let done = saved(&state, asked, Mutation::DeletePolicy { name }, only_at).await?;
    Ok(gone(done.revision))
}

/// Checks a policy among those that are in force, as if it was saved.
#[utoipa::path(
    post, path = "/policies/validate", tag = "policies", request_body = CreatePolicy,
    responses((status = 200, body = Validation), Refusals)
)]
pub(super) async fn validate(
    State(state): State<AdminState>,
    Session(asked): Session,
    Body(body): Body<CreatePolicy>,
) -> Result<axum::Json<Validation>, ApiError> {
    let standing = state.control().may(&asked.caller, Operation::TryPolicy).await?;
    let findings = state.control().review(&body.into_policy(), standing.snapshot()).await?;
    Ok(axum::Json(Validation { valid: !findings.iter().any(PolicyFault::is_error), findings }))
}

async fn saved(state: &AdminState, asked: Asked, mutation: Mutation, OnlyAt(only_at): OnlyAt) -> Result<Made, ApiError> {
    let control = Arc::clone(state.control());
    to_its_end(async move { control.change(&asked, mutation, only_at).await }).await
}
