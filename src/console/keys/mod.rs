//! API keys: the list, a new one, and all about one.

mod bulk;
mod create;
mod effective;
mod groups;
mod header;
mod history;
mod list;
pub(in crate::console) mod policies;
mod properties;
mod roles;
mod secrets;
mod shown_once;
mod stop;

pub(super) use self::effective::told;
pub(super) use self::list::{called, looked_through};
pub(super) use self::policies::{policy, said};

use axum::Router;
use axum::routing::{get, post};

use super::state::ConsoleState;

pub(super) fn routes() -> Router<ConsoleState> {
    Router::new()
        .route("/keys", get(list::show).post(bulk::confirm))
        .route("/keys/bulk", post(bulk::make))
        .route("/keys/new", get(create::show).post(create::make))
        .route("/keys/{id}", get(effective::show))
        .route("/keys/{id}/roles", get(roles::show).post(roles::assign))
        .route("/keys/{id}/unassign", post(roles::unassign))
        .route("/keys/{id}/groups", get(groups::show).post(groups::make))
        .route("/keys/{id}/secrets", get(secrets::show).post(secrets::rotate))
        .route("/keys/{id}/policies", get(policies::show))
        .route("/keys/{id}/audit", get(history::show))
        .route("/keys/{id}/edit", get(properties::show).post(properties::make))
        .route("/keys/{id}/disable", post(stop::disable))
        .route("/keys/{id}/enable", post(stop::enable))
        .route("/keys/{id}/revoke", get(stop::ask_to_revoke).post(stop::revoke))
}
