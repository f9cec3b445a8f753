//! `/samples`: requests that login policies wanted kept, and what a policy would make of them.

use axum::extract::State;
use http::StatusCode;
use utoipa::ToSchema;

use super::problem::{ApiError, Refusals};
use super::session::Session;
use super::state::AdminState;
use crate::control::Operation;
use crate::model::KeptSample;

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

/// Gives up every sample.
#[utoipa::path(delete, path = "/samples", tag = "samples", responses((status = 204), Refusals))]
pub(super) async fn clear(State(state): State<AdminState>, Session(asked): Session) -> Result<StatusCode, ApiError> {
    state.control().may(&asked.caller, Operation::ClearSamples).await?;
    state.control().store().clear_samples().await?;
    Ok(StatusCode::NO_CONTENT)
}
