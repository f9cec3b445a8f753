//! `/replicas`: which processes serve, and what is in force in each.

use axum::extract::State;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::body::Query;
use super::problem::{ApiError, Refusals};
use super::session::Session;
use super::state::AdminState;
use crate::control::{Gone, Operation, ReplicaView};
use crate::model::{ReplicaName, Revision};

/// A process that serves from the store.
#[derive(Serialize, ToSchema)]
pub(super) struct Replica {
    /// What it is called, from its start to its end: its host's name and something random.
    #[schema(value_type = String, example = "web-7f9c-9ab04c17")]
    name: ReplicaName,
    /// Of the program.
    version: String,
    /// Whether it was seen within the last 15 seconds. Another one has ended, hangs, or is cut off from the store, and is waited for by nobody.
    live: bool,
    /// Every change up to this one is in force there, as far as it has told.
    #[schema(value_type = u64)]
    applied_revision: Revision,
    /// How many changes it is behind.
    lag_revisions: u64,
    /// For how long it has been behind, at least.
    lag_seconds: f64,
    /// By its own clock.
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    last_seen_at: Timestamp,
}

/// Who serves from the store.
#[derive(Serialize, ToSchema)]
pub(super) struct ReplicaList {
    /// The last change that the store has.
    #[schema(value_type = u64)]
    revision: Revision,
    /// When that was, by the store's time.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// By name.
    items: Vec<Replica>,
}

/// Which replicas.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ReplicaQuery {
    /// Also those that were seen within the last day and are not there any more.
    #[serde(default)]
    all: bool,
}

impl From<ReplicaView> for Replica {
    fn from(view: ReplicaView) -> Self {
        let ReplicaView { name, version, live, applied_revision, lag_revisions, lag_seconds, started_at, last_seen_at } = view;
        Self { name, version, live, applied_revision, lag_revisions, lag_seconds, started_at, last_seen_at }
    }
}

/// Which processes serve from the store, and what is in force in each.
#[utoipa::path(get, path = "/replicas", tag = "replicas", params(ReplicaQuery), responses((status = 200, body = ReplicaList), Refusals))]
pub(super) async fn list(
    State(state): State<AdminState>,
    Session(asked): Session,
    Query(ReplicaQuery { all }): Query<ReplicaQuery>,
) -> Result<axum::Json<ReplicaList>, ApiError> {
    state.control().may(&asked.caller, Operation::ViewReplicas).await?;
    let replicas = state.control().replicas().await?;
    let gone = if all { Gone::Shown } else { Gone::LeftOut };
    let items = ReplicaView::of(&replicas, gone).into_iter().map(Replica::from).collect();
    Ok(axum::Json(ReplicaList { revision: replicas.revision, at: replicas.at, items }))
}
