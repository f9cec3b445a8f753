//! What a policy was before, as far as the audit tells.

use axum::response::Response;
use maud::{Markup, html};
use serde_json::Value;

use super::lines::{DiffLine, between, in_short};
use super::page_files::with_files;
use crate::console::entries;
use crate::console::fields::Query;
use crate::console::parts;
use crate::console::refusal::Refusal;
use crate::console::visit::{Seen, Visit};
use crate::control::Operation;
use crate::model::{AuditEntry, AuditId, LoginPolicy, PolicyName};
use crate::store::AuditQuery;

const ON_A_PAGE: u32 = 20;

/// Every change of the policy, newest first, with what it changed.
pub(super) async fn show(visit: Visit, Query(query): Query) -> Result<Response, Refusal> {
    visit.needs(Operation::ViewPolicies)?;
    visit.needs(Operation::ViewAudit)?;
    let name = query.text("name").parse::<PolicyName>().map_err(|_| Refusal::not_found("there is no such policy"))?;
    let before = query.given("cursor").and_then(|id| id.parse().ok()).map(AuditId);
    let mut entries = visit.control().store().audit(&AuditQuery { before, limit: ON_A_PAGE + 1, ..of(&name) }).await?;
    let has_more = entries.len() > ON_A_PAGE as usize;
    entries.truncate(ON_A_PAGE as usize);
    let cursor = entries.last().filter(|_| has_more).map(|entry| entry.id.to_string());
    entries.retain(|entry| entry.revision.is_some() && entry.refused.is_none());
    let is_there = visit.standing.snapshot().policies.iter().any(|policy| policy.name == name);
    // Long texts take a while.
    let versions = tokio::task::block_in_place(|| html! { @for entry in &entries { (version(&name, entry, is_there)) } });
    let body = html! {
        p { a href="/policies" { "Login policies" } @if is_there { " / " (parts::policy(name.as_str())) } }
        h1 { "Versions of " (name) }
        @if entries.is_empty() { p { "The audit tells nothing of it." } }
        (versions)
        (parts::next_page("/policies/versions", &query, &["name"], cursor.as_deref()))
    };
    Ok(visit.page("Versions", &with_files(&body)))
}

fn of(name: &PolicyName) -> AuditQuery {
    AuditQuery { resource: Some(name.to_string()), action: Some("policy.".to_owned()), ..AuditQuery::default() }
}

/// The policy as this change has left it.
pub(super) async fn as_of(visit: &Seen, name: &PolicyName, id: AuditId) -> Result<Option<(LoginPolicy, AuditEntry)>, Refusal> {
    visit.needs(Operation::ViewAudit)?;
    let wanted = AuditQuery { before: Some(id.next()), limit: 1, ..of(name) };
    let found = visit.control().store().audit(&wanted).await?.pop().filter(|entry| entry.id == id && entry.refused.is_none());
    Ok(found.and_then(|entry| Some((text(entry.after.as_ref())?, entry))))
}

fn text(value: Option<&Value>) -> Option<LoginPolicy> {
    serde_json::from_value(value?.clone()).ok()
}

fn version(name: &PolicyName, entry: &AuditEntry, is_there: bool) -> Markup {
    let (was, is) = (text(entry.before.as_ref()), text(entry.after.as_ref()));
    let source = |policy: &Option<LoginPolicy>| policy.as_ref().map(|policy| policy.source.to_string()).unwrap_or_default();
    let rego = |policy: &Option<LoginPolicy>| policy.as_ref().map(|policy| policy.rego.map_or("as written", |rego| rego.as_str()));
    let (before, after) = (source(&was), source(&is));
    let editor = if is_there { "/policies/of" } else { "/policies/new" };
    html! {
        section class="card version" {
            h2 { @match entry.revision { Some(revision) => { "Revision " (revision) }, None => "No change" } }
            p { code { (entry.action) } " by " (entries::actor(&entry.actor)) " at " (parts::time(entry.at)) }
            @if let (Some(was), Some(is)) = (rego(&was), rego(&is)) { @if was != is { p { "Rego: " (was) " became " (is) "." } } }
            (difference(&before, &after))
            @if is.is_some() {
                form method="get" action=(editor) {
                    input type="hidden" name="name" value=(name);
                    input type="hidden" name="version" value=(entry.id);
                    button class="second" aria-label={ "Restore this version … of " (parts::utc(entry.at)) } { "Restore this version …" }
                }
            }
        }
    }
}

fn difference(before: &str, after: &str) -> Markup {
    let all = between(before, after);
    let lines = in_short(&all);
    html! {
        @if before == after {
            p class="quiet" { "The text has stayed as it was." }
        } @else {
            pre class="diff" tabindex="0" {
                @for line in &lines {
                    @match line {
                        DiffLine::Same(text) => { "  " (text) "\n" }
                        DiffLine::Gone(text) => { del { "- " (text) "\n" } }
                        DiffLine::New(text) => { ins { "+ " (text) "\n" } }
                        DiffLine::Passed(count) => { span class="quiet" { "@ " (count) @if *count == 1 { " line" } @else { " lines" } " as before\n" } }
                    }
                }
            }
        }
    }
}
