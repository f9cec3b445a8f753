//! Groups: the list, a new one, and all about one. A group's name may hold anything, so that it stands behind a question mark.

mod create;
mod delete;
mod header;
mod list;
mod members;
mod page;
mod properties;

use axum::Router;
use axum::routing::{get, post};

use super::state::ConsoleState;

pub(super) fn routes() -> Router<ConsoleState> {
    Router::new()
        .route("/groups", get(list::show))
        .route("/groups/new", get(create::show).post(create::make))
        .route("/groups/of", get(page::show))
        .route("/groups/assign", post(page::assign))
        .route("/groups/unassign", post(page::unassign))
        .route("/groups/edit", get(properties::show).post(properties::make))
        .route("/groups/delete", get(delete::ask).post(delete::make))
}
