//! `/access`, `/declared`, `/evaluation`: what is there as a whole, for programs that think changes through before they ask for them.

use std::collections::BTreeMap;

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::bindings::Binding;
use super::groups::Group;
use super::policies::Policy;
use super::problem::{ApiError, Refusals};
use super::roles::Role;
use super::session::Session;
use super::spaces::Space;
use super::state::AdminState;
use super::thing::Thing;
use crate::control::{ControlError, Operation};
use crate::model::{PolicyName, RegoVersion, Revision, Strategy};

/// Everything but the keys, as of one revision.
#[derive(Serialize, ToSchema)]
pub(super) struct Access {
    #[schema(value_type = u64)]
    revision: Revision,
    spaces: Vec<Space>,
    roles: Vec<Role>,
    groups: Vec<Group>,
    /// Those of groups; a key has its own.
    bindings: Vec<Binding>,
    /// The store's; for root admins alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    policies: Option<Vec<Policy>>,
    /// Which sources of roles count; for root admins alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    strategy: Option<Strategy>,
}

/// What files declare.
#[derive(Serialize, ToSchema)]
pub(super) struct Declared {
    items: Vec<Thing>,
}

/// What decisions depend on in this process beside the store.
#[derive(Serialize, ToSchema)]
pub(super) struct Evaluation {
    /// The keys of the configuration that decisions and the size of tokens depend on, and what they say.
    #[schema(value_type = BTreeMap<String, String>)]
    settings: BTreeMap<&'static str, String>,
    /// The login policies of the directory.
    files: Vec<PolicyFile>,
}

/// A login policy that is a file.
#[derive(Serialize, ToSchema)]
struct PolicyFile {
    #[schema(value_type = String)]
    name: PolicyName,
    file: String,
    source: String,
    #[schema(value_type = Option<String>, pattern = "^v[01]$")]
    rego: Option<RegoVersion>,
}

/// Everything but the keys, as of one revision.
#[utoipa::path(get, path = "/access", tag = "access", responses((status = 200, body = Access), Refusals))]
pub(super) async fn access(State(state): State<AdminState>, Session(asked): Session) -> Result<axum::Json<Access>, ApiError> {
    let standing = state.control().may(&asked.caller, Operation::ViewSpaces).await?;
    for operation in [Operation::ViewRoles, Operation::ViewGroups, Operation::ViewBindings] {
        standing.check(operation, &[]).map_err(ControlError::from)?;
    }
    let snapshot = standing.snapshot();
    let sees = |operation| standing.check(operation, &[]).is_ok();
    Ok(axum::Json(Access {
        revision: snapshot.revision,
        spaces: snapshot.spaces.iter().map(Space::from).collect(),
        roles: snapshot.roles.values().map(Role::from).collect(),
        groups: snapshot.groups.values().map(Group::from).collect(),
        bindings: snapshot.group_bindings.values().flatten().cloned().map(Binding::from).collect(),
        policies: sees(Operation::ViewPolicies).then(|| snapshot.policies.iter().cloned().map(Policy::from).collect()),
        strategy: sees(Operation::ViewStrategy).then_some(snapshot.strategy),
    }))
}

/// What is declared in files, as far as it is there.
#[utoipa::path(get, path = "/declared", tag = "access", responses((status = 200, body = Declared), Refusals))]
pub(super) async fn declared(State(state): State<AdminState>, Session(asked): Session) -> Result<axum::Json<Declared>, ApiError> {
    state.control().may(&asked.caller, Operation::Declare).await?;
    let declared = state.control().store().managed().await?;
    Ok(axum::Json(Declared { items: declared.iter().map(Thing::of).collect() }))
}

/// What decisions depend on in this process beside the store.
#[utoipa::path(get, path = "/evaluation", tag = "access", responses((status = 200, body = Evaluation), Refusals))]
pub(super) async fn evaluation(State(state): State<AdminState>, Session(asked): Session) -> Result<axum::Json<Evaluation>, ApiError> {
    state.control().may(&asked.caller, Operation::Explain).await?;
    let explainer = state.control().explainer().await?;
    let files = explainer.sources().iter().filter(|source| source.file.is_some()).map(|source| PolicyFile {
        name: source.name.clone(),
        file: source.place(),
        source: source.text.clone().into(),
        rego: source.rego,
    });
    Ok(axum::Json(Evaluation { settings: state.live().now().of_decisions(), files: files.collect() }))
}
