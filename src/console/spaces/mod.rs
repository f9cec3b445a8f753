//! Spaces: the tree, a new one, and all about one.

mod create;
mod delete;
mod entered;
mod header;
mod holders;
mod outline;
mod page;
mod properties;
mod tree;

use axum::Router;
use axum::routing::{get, post};

use super::state::ConsoleState;

pub(super) fn routes() -> Router<ConsoleState> {
    Router::new()
        .route("/spaces", get(tree::show))
        .route("/spaces/new", get(create::show).post(create::make))
        .route("/spaces/{id}", get(page::show))
        // Of the space that is called `new`, too.
        .route("/spaces/{id}/", get(page::show))
        .route("/spaces/{id}/assign", get(page::show).post(page::assign))
        .route("/spaces/{id}/unassign", post(page::unassign))
        .route("/spaces/{id}/edit", get(properties::show).post(properties::make))
        .route("/spaces/{id}/delete", get(delete::ask).post(delete::make))
}
