//! The project's own documentation, as it belongs to this very version: inside the program, so that it is there where nothing else can be reached.

mod document;
mod rendering;
mod show;

use axum::Router;
use axum::routing::get;

use super::state::ConsoleState;

pub(super) fn routes() -> Router<ConsoleState> {
    Router::new()
        .route("/docs", get(show::list))
        .route("/docs/{name}", get(show::page))
        .route("/docs/{folder}/{name}", get(show::page_in_folder))
}
