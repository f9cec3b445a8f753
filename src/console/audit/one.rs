//! One entry, whole.

use axum::extract::Path;
use axum::response::Response;
use maud::html;

use crate::console::entries;
use crate::console::parts;
use crate::console::refusal::Refusal;
use crate::console::visit::Visit;
use crate::control::Operation;
use crate::model::AuditId;
use crate::store::AuditQuery;

pub(super) async fn show(visit: Visit, Path(id): Path<String>) -> Result<Response, Refusal> {
    visit.needs(Operation::ViewAudit)?;
    let not_found = || Refusal::not_found("there is no such entry, or it is so old that it is not kept any more");
    let id: u64 = id.parse().map_err(|_| not_found())?;
    // The newest of those before the next one.
    let next = id.checked_add(1).map(AuditId);
    let wanted = AuditQuery { before: Some(next.ok_or_else(not_found)?), limit: 1, ..AuditQuery::default() };
    let found = visit.control().store().audit(&wanted).await?.pop();
    let entry = found.filter(|entry| entry.id == AuditId(id)).ok_or_else(not_found)?;
    let body = html! {
        p { a href="/audit" { "Audit" } }
        h1 { "Entry " (entry.id) ": " (entry.action) }
        dl class="facts" {
            dt { "When" } dd { (parts::utc(entry.at)) }
            dt { "What" } dd { code { (entry.action) } @if let Some(code) = &entry.refused { " " (parts::badge("bad", "refused")) " " code { (code) } } }
            dt { "To what" } dd { (entries::resource(&entry)) }
            dt { "By whom" } dd { (entries::actor(&entry.actor)) }
            dt { "From" } dd { @match &entry.remote_ip { Some(address) => code { (address) }, None => "this machine" } }
            dt { "Revision" } dd { @match entry.revision { Some(revision) => (revision), None => "no change" } }
            @if let Some(request) = &entry.request_id { dt { "Request" } dd { code { (request) } } }
            dt { "Hash" } dd { code { (entry.hash) } }
        }
        h2 { "Before and after" }
        (entries::comparison(&entry))
        p {
            a href=(parts::address("/audit", [("resource", entry.resource.as_str())])) { "All that was done to it" } ", "
            a href=(parts::address("/audit", [("actor", entry.actor.as_str())])) { "all that they did" }
        }
    };
    Ok(visit.page(&format!("Entry {}", entry.id), &body))
}
