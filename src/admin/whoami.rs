//! `/whoami`: what a key may know of itself.

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::keys::Key;
use super::problem::{ApiError, Refusals};
use super::session::Session;
use super::state::AdminState;
use crate::control::{Control, Needs, Operation, RIGHTS, Standing};
use crate::model::{Grants, SpaceId};

/// The key that asks, what it holds, and what it may manage.
#[derive(Serialize, ToSchema)]
pub(super) struct WhoAmI {
    key: Key,
    /// The roles that bindings give it, its own and its groups'. What login policies give counts at the data plane alone.
    #[schema(value_type = Vec<Object>)]
    grants: Grants,
    /// Whether it may manage everything.
    root_admin: bool,
    /// The spaces where it is an admin; with each, all that lie below it.
    #[schema(value_type = Vec<String>)]
    administers: Vec<SpaceId>,
    /// What it may do at all; what is about a space, only in those that it administers.
    #[schema(value_type = Vec<String>)]
    may: Vec<String>,
}

/// The key that asks, what it holds, and what it may manage.
#[utoipa::path(get, path = "/whoami", tag = "whoami", responses((status = 200, body = WhoAmI), Refusals))]
pub(super) async fn show(State(state): State<AdminState>, Session(asked): Session) -> Result<axum::Json<WhoAmI>, ApiError> {
    let standing = state.control().may(&asked.caller, Operation::ViewSelf).await?;
    let key = standing.key().cloned().ok_or_else(ApiError::invalid_key)?;
    let grants = standing.snapshot().bound_grants(&key).collect();
    Ok(axum::Json(WhoAmI {
        grants,
        root_admin: standing.is_root_admin(),
        administers: standing.administers().cloned().collect(),
        may: may(&standing),
        key: Key::of(key, Control::now(state.control())),
    }))
}

fn may(standing: &Standing) -> Vec<String> {
    let somewhere: Vec<SpaceId> = standing.administers().take(1).cloned().collect();
    let allowed = |operation: Operation, needs: Needs| match needs {
        Needs::AdminThere => standing.check(operation, &somewhere).is_ok(),
        Needs::Key | Needs::RotateSelf | Needs::AnyAdmin | Needs::RootAdmin | Needs::Replica => standing.check(operation, &[]).is_ok(),
    };
    RIGHTS.iter().filter(|(operation, needs)| allowed(*operation, *needs)).map(|(operation, _)| operation.to_string()).collect()
}
