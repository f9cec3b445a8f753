//! What was done to a key, and by whom.

use axum::response::Response;
use maud::html;

use super::header::{Called, Shown};
use crate::console::entries;
use crate::console::fields::Query;
use crate::console::parts;
use crate::console::refusal::Refusal;
use crate::console::visit::Visit;
use crate::control::Operation;
use crate::model::AuditId;
use crate::store::AuditQuery;

const ON_A_PAGE: u32 = 50;

pub(super) async fn show(visit: Visit, Called(id): Called, Query(query): Query) -> Result<Response, Refusal> {
    visit.needs(Operation::ViewAudit)?;
    let shown = Shown::read(&visit, id).await?;
    let before = query.given("cursor").and_then(|id| id.parse().ok()).map(AuditId);
    let wanted = AuditQuery { before, limit: ON_A_PAGE + 1, resource: Some(id.to_string()), ..AuditQuery::default() };
    let mut entries = visit.control().store().audit(&wanted).await?;
    let has_more = entries.len() > ON_A_PAGE as usize;
    entries.truncate(ON_A_PAGE as usize);
    let cursor = entries.last().filter(|_| has_more).map(|entry| entry.id.to_string());
    let body = html! {
        (shown.header(&visit, &query))
        (entries::table(&entries))
        (parts::next_page(&format!("{}/audit", shown.path()), &query, &[], cursor.as_deref()))
        p { a href=(parts::address("/audit", [("actor", format!("api::{id}").as_str())])) { "What this key did" } }
    };
    Ok(visit.page(shown.key.name.as_str(), &body))
}
