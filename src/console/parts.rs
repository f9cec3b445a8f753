//! What pages are made of.

use jiff::Timestamp;
use maud::{Markup, html};

use super::fields::Fields;
use crate::diagnostics::Severity;
use crate::model::{BindingId, KeyId, KeyRecord, KeyState, Revision, RoleId, SpaceId};
use crate::policy::PolicyFault;

/// The key in front of the name.
pub(super) fn mark() -> Markup {
    html! {
        svg aria-hidden="true" viewBox="0 0 24 24" width="20" height="20" {
            path fill="currentColor" d="M14 2a8 8 0 0 0-7.7 10.2L1 17.5V23h6v-3h3v-3h2.6l1.2-1.2A8 8 0 1 0 14 2zm3 4.5a2.5 2.5 0 1 1 0 5 2.5 2.5 0 0 1 0-5z" {}
        }
    }
}

/// To the second, for texts: `2026-01-02 03:04:05 UTC`.
pub(super) fn utc(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// A time: a script shows it in the reader's zone.
pub(super) fn time(at: Timestamp) -> Markup {
    html! { time datetime=(at.strftime("%Y-%m-%dT%H:%M:%SZ")) title=(utc(at)) { (at.strftime("%Y-%m-%d %H:%M UTC")) } }
}

/// The same, where seconds count.
pub(super) fn time_to_the_second(at: Timestamp) -> Markup {
    html! { time datetime=(at.strftime("%Y-%m-%dT%H:%M:%SZ")) data-seconds title=(utc(at)) { (utc(at)) } }
}

/// The same, where there may be none.
pub(super) fn time_or(at: Option<Timestamp>, none: &str) -> Markup {
    html! { @match at { Some(at) => (time(at)), None => span class="quiet" { (none) } } }
}

/// What happened, as a sentence of its own.
pub(super) fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let end = if text.ends_with(['.', '!', '?', ':']) { "" } else { "." };
    format!("{first}{}{end}", chars.as_str())
}

/// When any of its secrets was last presented, to the minute.
pub(super) fn last_used(key: &KeyRecord) -> Option<Timestamp> {
    key.secrets.iter().filter_map(|secret| secret.last_used_at.map(|at| at.max(secret.created_at))).max()
}

/// A word in a frame.
pub(super) fn badge(kind: &str, text: &str) -> Markup {
    html! { span class={ "badge " (kind) } { (text) } }
}

pub(super) fn state(state: KeyState) -> Markup {
    let kind = match state {
        KeyState::Active => "good",
        KeyState::Disabled | KeyState::Expired => "odd",
        KeyState::Revoked => "bad",
    };
    badge(kind, state.as_str())
}

pub(super) fn space(id: &SpaceId) -> Markup {
    html! { a href=(space_page(id)) { code { (id) } } }
}

pub(super) fn space_page(id: &SpaceId) -> String {
    page_of("/spaces", id.as_str())
}

pub(super) fn role(id: &RoleId) -> Markup {
    html! { a href=(role_page(id)) { code { (id) } } }
}

pub(super) fn role_page(id: &RoleId) -> String {
    page_of("/roles", id.as_str())
}

/// Where a slug's page is: `new` alone is the form for what is not there yet.
fn page_of(kind: &str, slug: &str) -> String {
    format!("{kind}/{slug}{}", if slug == "new" { "/" } else { "" })
}

/// Free texts, each in a frame.
pub(super) fn labels(labels: &[String]) -> Markup {
    html! { ul class="chips" { @for label in labels { li { (badge("", label)) } } } }
}

/// `1 action`, `2 actions`.
pub(super) fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

pub(super) fn group(name: &str) -> Markup {
    html! { a href={ "/groups/of?name=" (encoded(name)) } { (name) } }
}

pub(super) fn policy(name: &str) -> Markup {
    html! { a href={ "/policies/of?name=" (encoded(name)) } { (name) } }
}

pub(super) fn key_link(id: KeyId, name: &str) -> Markup {
    html! { a href={ "/keys/" (id) } { (name) } }
}

pub(super) fn binding(id: BindingId) -> Markup {
    html! { code { (id) } }
}

/// For an address, behind an equals sign (WHATWG URL, application/x-www-form-urlencoded).
pub(super) fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// An address with these parameters, empty ones left out.
pub(super) fn address<'a>(path: &str, parameters: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in parameters.into_iter().filter(|(_, value)| !value.is_empty()) {
        query.append_pair(name, value);
    }
    let query = query.finish();
    if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") }
}

/// What has just been done, and where it is in force by now: pages that are come to after a change have its revision in their address.
pub(super) fn saved(query: &Fields) -> Markup {
    let revision = query.text("saved").parse().ok().map(Revision);
    html! { @if let Some(revision) = revision { (notice(revision)) } }
}

/// What stands on the page that comes after a change. Its script asks until the change is in force everywhere, and says so in its place; without one,
/// a link does.
pub(super) fn notice(revision: Revision) -> Markup {
    html! {
        p class="notice" role="status" data-in-force=(revision) {
            "Saved as revision " (revision) ". "
            a href={ "/in-force?revision=" (revision) } { "Where is it in force?" }
        }
    }
}

/// The way to the page after this one.
pub(super) fn next_page(path: &str, query: &Fields, names: &[&str], cursor: Option<&str>) -> Markup {
    let Some(cursor) = cursor else { return html! {} };
    let parameters = names.iter().map(|name| (*name, query.text(name))).chain([("cursor", cursor)]);
    html! { nav class="pages" aria-label="Pages" { a class="button" rel="next" href=(address(path, parameters)) { "Next page" } } }
}

/// Tabs; the one that is looked at is said.
pub(super) fn tabs(label: &str, here: &str, all: &[(String, &str)]) -> Markup {
    html! {
        nav class="tabs" aria-label=(label) {
            ul { @for (path, name) in all { li { a href=(path) aria-current=[(*path == here).then_some("page")] { (name) } } } }
        }
    }
}

/// A button that copies what stands in an element; without a script there is none.
pub(super) fn copy(what: &str, label: &str) -> Markup {
    html! { button type="button" class="quiet-button" data-copy=(what) hidden { (label) } }
}

fn severity(severity: Severity) -> Markup {
    match severity {
        Severity::Error => badge("bad", "error"),
        Severity::Warning => badge("odd", "warning"),
        Severity::Note => badge("", "note"),
    }
}

/// Faults of a policy, each with its place and what was meant.
pub(super) fn policy_faults(faults: &[PolicyFault]) -> Markup {
    html! {
        @if !faults.is_empty() {
            ul class="findings" {
                @for fault in faults {
                    li data-line=(fault.line) data-column=(fault.column) data-width=(fault.width) {
                        (severity(fault.severity)) " "
                        @if fault.line > 0 { strong { "Line " (fault.line) ", column " (fault.column) ": " } }
                        (sentence(&fault.reason))
                        @if !fault.text.is_empty() { pre tabindex="0" { (fault.text) } }
                        @if let Some(hint) = &fault.hint { p class="quiet" { (sentence(hint)) } }
                    }
                }
            }
        }
    }
}

/// Nothing at all.
pub(super) fn nothing() -> Markup {
    html! {}
}

/// JSON, to be read.
pub(super) fn json(value: &serde_json::Value) -> Markup {
    html! { pre tabindex="0" { (serde_json::to_string_pretty(value).unwrap_or_default()) } }
}
