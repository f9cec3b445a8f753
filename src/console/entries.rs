//! Entries of the audit, as they are shown.

use std::collections::BTreeSet;

use maud::{Markup, html};
use serde_json::Value;

use super::parts;
use crate::model::{AuditEntry, KeyId};

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
                            th scope="col" { "When" } th scope="col" { "What" } th scope="col" { "To what" } th scope="col" { "By whom, from where" }
                            th scope="col" { "Revision" } th scope="col" { "Before, after" }
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
            td { a href={ "/audit/" (entry.id) } { (parts::time(entry.at)) } }
            td { code { (entry.action) } @if let Some(code) = &entry.refused { br; (parts::badge("bad", "refused")) " " code { (code) } } }
            td { (resource(entry)) }
            td { (actor(&entry.actor)) br; span class="quiet" { @match &entry.remote_ip { Some(address) => code { (address) }, None => "this machine" } } }
            td { @if let Some(revision) = entry.revision { (revision) } @else { span class="quiet" { "no change" } } }
            td { (difference(entry)) }
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

/// What it was done to leads to its page, though it may be gone by now.
pub(super) fn resource(entry: &AuditEntry) -> Markup {
    let (called, kind) = (entry.resource.as_str(), entry.action.split('.').next().unwrap_or_default());
    let plain = || html! { (called) };
    match kind {
        "key" | "session" => called.parse::<KeyId>().map_or_else(|_| plain(), |id| html! { a href={ "/keys/" (id) } { code { (id) } } }),
        "space" => called.parse().map_or_else(|_| plain(), |id| parts::space(&id)),
        "role" => called.parse().map_or_else(|_| plain(), |id| parts::role(&id)),
        "group" => parts::group(called),
        "policy" => parts::policy(called),
        "strategy" => html! { a href="/strategy" { (called) } },
        "signing-key" => html! { a href="/signing-keys" { code { (called) } } },
        _ => plain(),
    }
}

/// A field that is not after it what it was before.
struct Differing {
    name: String,
    before: Option<Value>,
    after: Option<Value>,
}

/// Only the fields that differ, by name.
fn differing(entry: &AuditEntry) -> Vec<Differing> {
    let fields = |value: &Option<Value>| value.as_ref().and_then(Value::as_object).cloned().unwrap_or_default();
    let (mut was, mut is) = (fields(&entry.before), fields(&entry.after));
    let names: BTreeSet<String> = was.keys().chain(is.keys()).cloned().collect();
    let fields = names.into_iter().map(|name| Differing { before: was.remove(&name), after: is.remove(&name), name });
    fields.filter(|field| field.before != field.after).collect()
}

/// Texts as they are, and anything else as JSON.
fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Each field that differs as it was and as it is, to be opened.
fn difference(entry: &AuditEntry) -> Markup {
    let fields = differing(entry);
    html! {
        @if !fields.is_empty() {
            details {
                summary { (fields.len()) @if fields.len() == 1 { " field" } @else { " fields" } }
                ul {
                    @for Differing { name, before, after } in &fields {
                        li {
                            strong { (name) } ": "
                            @if let Some(value) = before { del { (shown(value)) } " " }
                            @if let Some(value) = after { ins { (shown(value)) } }
                        }
                    }
                }
            }
        }
    }
}

/// The same as a table, for a page of its own; and what has stayed as it was.
pub(super) fn comparison(entry: &AuditEntry) -> Markup {
    let fields = differing(entry);
    let cell = |value: &Option<Value>| html! { @match value { Some(value) => pre tabindex="0" { (shown(value)) }, None => span class="quiet" { "nothing" } } };
    html! {
        @if fields.is_empty() {
            p { "Nothing differs." }
        } @else {
            div class="table" {
                table {
                    thead { tr { th scope="col" { "Field" } th scope="col" { "Before" } th scope="col" { "After" } } }
                    tbody { @for Differing { name, before, after } in &fields { tr { th scope="row" { (name) } td { (cell(before)) } td { (cell(after)) } } } }
                }
            }
        }
        @for (what, value) in [("All of it before", &entry.before), ("All of it after", &entry.after)] {
            @if let Some(value) = value { details { summary { (what) } (parts::json(value)) } }
        }
    }
}
