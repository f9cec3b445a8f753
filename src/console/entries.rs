//! Entries of the audit, as they are shown.

use maud::{Markup, html};
use serde_json::Value;

use super::parts;
use crate::model::AuditEntry;

/// What was done, newest first, with what was there before and after.
pub(super) fn table(entries: &[AuditEntry]) -> Markup {
    html! {
        @if entries.is_empty() {
            p { "The audit tells nothing of it." }
        } @else {
            div class="table" {
                table {
                    thead {
                        tr {
                            th scope="col" { "When" } th scope="col" { "What" } th scope="col" { "To what" } th scope="col" { "By whom" }
                            th scope="col" { "From" } th scope="col" { "Revision" } th scope="col" { "Before and after" }
                        }
                    }
                    tbody { @for entry in entries { (row(entry)) } }
                }
            }
        }
    }
}

fn row(entry: &AuditEntry) -> Markup {
    html! {
        tr {
            td { (parts::time(entry.at)) }
            td { code { (entry.action) } @if let Some(code) = &entry.refused { br; (parts::badge("bad", "refused")) " " code { (code) } } }
            td { (entry.resource) }
            td { (actor(&entry.actor)) }
            td { @match &entry.remote_ip { Some(address) => code { (address) }, None => span class="quiet" { "this machine" } } }
            td { @if let Some(revision) = entry.revision { (revision) } @else { span class="quiet" { "no change" } } }
            td { (difference(entry.before.as_ref(), entry.after.as_ref())) }
        }
    }
}

/// A key leads to its page.
pub(super) fn actor(actor: &str) -> Markup {
    html! {
        @match actor.strip_prefix("api::") {
            Some(id) => a href={ "/keys/" (id) } { code { (actor) } },
            None => code { (actor) },
        }
    }
}

/// Only the fields that differ, each as it was and as it is.
fn difference(before: Option<&Value>, after: Option<&Value>) -> Markup {
    let fields = |value: Option<&Value>| value.and_then(Value::as_object).cloned().unwrap_or_default();
    let (was, is) = (fields(before), fields(after));
    let mut names: Vec<&String> = was.keys().chain(is.keys()).collect();
    names.sort_unstable();
    names.dedup();
    names.retain(|name| was.get(*name) != is.get(*name));
    html! {
        @if !names.is_empty() {
            details {
                summary { (names.len()) @if names.len() == 1 { " field" } @else { " fields" } }
                ul {
                    @for name in names {
                        li {
                            strong { (name) } ": "
                            @if let Some(value) = was.get(name) { del { (value) } " " }
                            @if let Some(value) = is.get(name) { ins { (value) } }
                        }
                    }
                }
            }
        }
    }
}
