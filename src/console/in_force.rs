//! Whether a change that was saved is in force everywhere: what a page says, and what its script asks for.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use maud::html;

use super::fields::Query;
use super::refusal::Refusal;
use super::visit::Visit;
use crate::control::{Applied, Operation};
use crate::model::Revision;

/// How long an answer may take: shorter than whoever looks at it would want to wait for the next one.
const AT_ONCE: Duration = Duration::from_secs(2);

/// A page that says where a change is in force; for a script, a line.
pub(super) async fn show(visit: Visit, Query(query): Query, headers: http::HeaderMap) -> Result<Response, Refusal> {
    visit.needs(Operation::ViewReplicas)?;
    let revision = query.text("revision").parse().map(Revision).map_err(|_| Refusal::not_found("there is no such revision"))?;
    let applied = visit.control().applied_everywhere(revision, AT_ONCE).await;
    let told = told(&applied);
    if headers.get(http::header::ACCEPT).is_some_and(|accepted| accepted == "text/plain") {
        let done = if applied.everywhere() { "everywhere" } else { "waiting" };
        let mut response = format!("{done}\n{told}").into_response();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        return Ok(response);
    }
    let body = html! {
        h1 { "Revision " (revision) }
        p class="notice" role="status" { (told) }
        @if !applied.everywhere() { p { a class="button" href={ "/in-force?revision=" (revision) } { "Look again" } } }
        p { a href="/replicas" { "All replicas" } }
    };
    Ok(visit.page("In force", &body))
}

fn told(applied: &Applied) -> String {
    let Applied { revision, replicas, waiting_for } = applied;
    match (replicas, waiting_for.as_slice()) {
        (0, _) => format!("Revision {revision} is saved. Which replicas there are cannot be told at the moment."),
        (1, []) => format!("Revision {revision} is in force."),
        (all, []) => format!("Revision {revision} is in force everywhere, in {all} replicas."),
        (all, some) => {
            let names: Vec<String> = some.iter().take(5).map(ToString::to_string).collect();
            let (waiting, names) = (some.len(), names.join(", "));
            format!(
                "Revision {revision} is saved and not in force yet in {waiting} of {all} replicas: {names}{}",
                if waiting > 5 { ", …" } else { "" }
            )
        }
    }
}
