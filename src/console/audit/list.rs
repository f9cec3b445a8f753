//! The entries: a page at a time, with filters that stand in the address.

use axum::response::Response;
use http::StatusCode;
use maud::{Markup, html};

use super::export::{Format, MOST};
use super::filters::{self, FILTERS};
use crate::console::entries;
use crate::console::fields::{Faults, Fields, Query};
use crate::console::forms::Form;
use crate::console::parts;
use crate::console::refusal::Refusal;
use crate::console::visit::Visit;
use crate::control::Operation;
use crate::model::{AuditEntry, AuditId};
use crate::store::{AuditOrder, AuditQuery, ENTRIES_LOOKED_THROUGH_AT_ONCE};

const ON_A_PAGE: u32 = 50;

pub(super) async fn show(visit: Visit, Query(query): Query) -> Result<Response, Refusal> {
    visit.needs(Operation::ViewAudit)?;
    let mut faults = Faults::default();
    let wanted = filters::wanted(&visit, &query, &mut faults).await?;
    let (mut entries, mut cursor) = (Vec::new(), None);
    if faults.is_empty() {
        let found = visit.control().store().audit_in_part(&at_page(wanted, &query)).await?;
        entries = found.items;
        let has_more = entries.len() > ON_A_PAGE as usize;
        entries.truncate(ON_A_PAGE as usize);
        let last = if has_more { entries.last().map(|entry: &AuditEntry| entry.id) } else { found.looked_to };
        cursor = last.map(|id| id.to_string());
    }
    let status = if faults.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let body = html! {
        h1 { "Audit" }
        (Form { fields: &query, faults: &faults }.faults())
        div class="sides" {
            (filters::form(&query, &faults, visit.control().now()))
            div {
                @if entries.is_empty() && cursor.is_some() {
                    p { "None among the " (ENTRIES_LOOKED_THROUGH_AT_ONCE) " entries that were looked through: there are more." }
                } @else if faults.is_empty() {
                    (entries::table(&entries))
                }
                @if faults.is_empty() { (exports(&query)) }
                (parts::next_page("/audit", &query, &FILTERS, cursor.as_deref()))
            }
        }
    };
    Ok(visit.page_with(status, "Audit", &body))
}

/// The entries behind the page before, and one more, which tells that there is another page.
fn at_page(wanted: AuditQuery, query: &Fields) -> AuditQuery {
    let last = query.given("cursor").and_then(|id| id.parse().ok()).map(AuditId);
    let (before, newer_than) = match wanted.order {
        AuditOrder::NewestFirst => (last, None),
        AuditOrder::OldestFirst => (None, last),
    };
    AuditQuery { before, newer_than, limit: ON_A_PAGE + 1, ..wanted }
}

fn exports(query: &Fields) -> Markup {
    let address = |format: Format| {
        let filters = FILTERS.iter().map(|name| (*name, query.text(name)));
        parts::address("/audit/export", filters.chain([("format", format.name())]))
    };
    html! {
        p {
            "Take all of these, from the first page on, as a file: "
            @for (number, format) in Format::ALL.into_iter().enumerate() {
                @if number > 0 { ", " }
                a href=(address(format)) download { (format.title()) }
            }
            span class="quiet" { " (" (MOST) " entries at most; the last line says if there are more)" }
        }
    }
}
