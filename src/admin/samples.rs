//! `/samples`: requests that login policies wanted kept, and what a policy would make of them.

use axum::extract::State;
use utoipa::ToSchema;

use super::body::Named;
use super::problem::{ApiError, Refusals};
use super::session::Session;
use super::state::AdminState;
use crate::control::Operation;
use crate::model::{KeptSample, SampleId};

/// The requests that are kept, newest first.
#[derive(serde::Serialize, ToSchema)]
pub(super) struct Samples {
    #[schema(value_type = Vec<Object>)]
    items: Vec<KeptSample>,
}

/// The requests that login policies wanted kept, newest first.
#[utoipa::path(get, path = "/samples", tag = "samples", responses((status = 200, body = Samples), Refusals))]
pub(super) async fn list(State(state): State<AdminState>, Session(asked): Session) -> Result<axum::Json<Samples>, ApiError> {
    state.control().may(&asked.caller, Operation::ViewSamples).await?;
    Ok(axum::Json(Samples { items: state.control().store().samples().await? }))
}

/// How many samples were given up.
#[derive(serde::Serialize, ToSchema)]
pub(super) struct Cleared {
    cleared: u64,
}

/// One request that is kept.
#[utoipa::path(
    get, path = "/samples/{id}", tag = "samples", params(("id" = u64, Path, description = "The sample's number")),
    responses((status = 200, body = Object), Refusals)
)]
pub(super) async fn show(
    State(state): State<AdminState>,
    Session(asked): Session,
    Named(id): Named<SampleId>,
) -> Result<axum::Json<KeptSample>, ApiError> {
    state.control().may(&asked.caller, Operation::ViewSamples).await?;
    let found = state.control().store().sample(id).await?;
    found.map(axum::Json).ok_or_else(|| ApiError::not_found("there is no such sample"))
}

/// Gives up every sample.
#[utoipa::path(delete, path = "/samples", tag = "samples", responses((status = 200, body = Cleared), Refusals))]
pub(super) async fn clear(State(state): State<AdminState>, Session(asked): Session) -> Result<axum::Json<Cleared>, ApiError> {
    Ok(axum::Json(Cleared { cleared: state.control().clear_samples(&asked).await? }))
}
