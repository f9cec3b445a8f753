//! Roles: the list, a new one, and all about one.

mod create;
mod delete;
mod entered;
mod felt;
mod header;
mod list;
mod page;
mod preview;
mod properties;

use axum::Router;
use axum::routing::get;

use super::state::ConsoleState;

pub(super) fn routes() -> Router<ConsoleState> {
    Router::new()
        .route("/roles", get(list::show))
        .route("/roles/new", get(create::show).post(create::make))
        .route("/roles/{id}", get(page::show))
        // Of the role that is called `new`, too.
        .route("/roles/{id}/", get(page::show))
        .route("/roles/{id}/edit", get(properties::show).post(properties::make))
        .route("/roles/{id}/delete", get(delete::ask).post(delete::make))
}
