//! Login policies: what is in force, the editor, what a text would change before it is saved, and what there was before.

mod delete;
mod draft;
mod editor;
mod findings;
mod lines;
mod list;
mod page_files;
mod question;
mod samples;
mod versions;

use axum::Router;
use axum::routing::{get, post};

use super::state::ConsoleState;

pub(super) fn routes() -> Router<ConsoleState> {
    Router::new()
        .route("/policies", get(list::show))
        .route("/policies/new", get(editor::begin).post(editor::make))
        .route("/policies/of", get(editor::show).post(editor::make))
        .route("/policies/check", post(findings::check))
        .route("/policies/versions", get(versions::show))
        .route("/policies/delete", get(delete::ask).post(delete::make))
        .route("/policies/samples", get(samples::list))
        .route("/policies/samples/show", get(samples::show))
        .route("/policies/samples/clear", get(samples::ask_to_clear).post(samples::clear))
}
