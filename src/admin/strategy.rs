//! `/strategy`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::Body;
use super::problem::{ApiError, Refusals};
use super::session::{Session, to_its_end};
use super::state::AdminState;
use super::version::{OnlyAt, shown};
use crate::control::Operation;
use crate::model::{Mutation, Resource, Strategy as Kept};

/// Which sources of roles are to count.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Strategy {
    #[schema(value_type = String, pattern = "^(combined|user-management|login-policies)$", example = "combined")]
    pub(super) strategy: Kept,
}

/// Which sources of roles count now.
#[derive(Serialize, ToSchema)]
pub(super) struct StrategyInForce {
    #[schema(value_type = String, example = "combined")]
    strategy: Kept,
}

/// Which sources of roles count.
#[utoipa::path(get, path = "/strategy", tag = "strategy", responses((status = 200, body = StrategyInForce), Refusals))]
pub(super) async fn show(State(state): State<AdminState>, Session(asked): Session) -> Result<Response, ApiError> {
    let control = state.control();
    control.may(&asked.caller, Operation::ViewStrategy).await?;
    let revision = control.store().revision_of(&Resource::Strategy).await?.unwrap_or_default();
    Ok(shown(revision, StrategyInForce { strategy: control.store().snapshot().await?.strategy }))
}

/// Has other sources of roles count.
#[utoipa::path(put, path = "/strategy", tag = "strategy", request_body = Strategy, responses((status = 200, body = StrategyInForce), Refusals))]
pub(super) async fn set(
    State(state): State<AdminState>,
    Session(asked): Session,
    OnlyAt(only_at): OnlyAt,
    Body(Strategy { strategy }): Body<Strategy>,
) -> Result<Response, ApiError> {
    let control = Arc::clone(state.control());
    let done = to_its_end(async move { control.change(&asked, Mutation::SetStrategy(strategy), only_at).await }).await?;
    Ok(shown(done.revision, StrategyInForce { strategy }))
}
