//! The audit: who changed what, who tried to, and who came from where; looked at, and taken away as a file.

mod csv;
mod export;
mod filters;
mod list;
mod one;

use axum::Router;
use axum::routing::get;

use super::state::ConsoleState;

pub(super) fn routes() -> Router<ConsoleState> {
    Router::new().route("/audit", get(list::show)).route("/audit/export", get(export::download)).route("/audit/{id}", get(one::show))
}
