//! The list of keys: a page at a time, with filters that stand in its address.

use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use maud::{Markup, html};

use crate::console::fields::{Faults, Fields, Query};
use crate::console::forms::{Field, Form};
use crate::console::parts;
use crate::console::refusal::Refusal;
use crate::console::visit::{Seen, Visit};
use crate::control::{KeysFound, KeysWanted, Operation};
use crate::model::{GroupName, KeyId, KeyName, KeyRecord, KeyState};
use crate::store::StateWanted;

/// On a page.
const ON_A_PAGE: u32 = 50;
/// How many keys are looked through for a page of those in whose names something stands.
const LOOKED_THROUGH: u32 = 20_000;
/// The same for a text so short that no index knows it: what is in names at all is seldom in none of so many.
const LOOKED_THROUGH_FOR_SHORT: u32 = 2_000;
const SHORT: usize = 2;
/// How many of a key's roles are named in its row.
const NAMED: usize = 4;

/// What the filters are called in the address.
pub(super) const FILTERS: [&str; 3] = ["q", "group", "state"];

const STATES: [(&str, &str); 6] = [
    ("", "All but revoked"),
    ("active", "Active"),
    ("disabled", "Disabled"),
    ("expired", "Expired"),
    ("revoked", "Revoked"),
    ("any", "All"),
];

pub(super) async fn show(visit: Visit, Query(query): Query) -> Result<Response, Refusal> {
    visit.needs(Operation::ViewKeys)?;
    let (first, found) = (of_this_very_name(&visit, &query).await?, found(&visit, &query).await?);
    let keys: Vec<&KeyRecord> =
        first.iter().chain(found.keys.iter().filter(|key| first.as_ref().is_none_or(|first| first.id != key.id))).collect();
    let next = found.looked_to.map(|id| URL_SAFE_NO_PAD.encode(id.to_string()));
    let changes_keys = visit.may(Operation::RevokeKey);
    let is_filtered = FILTERS.iter().any(|name| query.given(name).is_some());
    let body = html! {
        div class="heading" {
            h1 { "API keys" }
            @if visit.may(Operation::CreateKey) { a class="button" href="/keys/new" { "New key" } }
        }
        (parts::saved(&query))
        (filters(&query))
        @if keys.is_empty() {
            @if next.is_some() {
                p { "None among the " (found.looked_through) " keys that were looked through: there are more." }
            } @else if is_filtered {
                p { "No key is like that. " a href="/keys" { "Show all" } }
            } @else {
                p { "There is no key." }
            }
        } @else if changes_keys {
            form method="post" action="/keys" {
                (visit.csrf())
                (table(&visit, &keys, changes_keys))
                div class="actions" {
                    button class="second" name="action" value="expire" { "Let the chosen expire …" }
                    button class="second" name="action" value="revoke" { "Revoke the chosen …" }
                }
            }
        } @else {
            (table(&visit, &keys, changes_keys))
        }
        (parts::next_page("/keys", &query, &FILTERS, next.as_deref()))
    };
    Ok(visit.page("API keys", &body))
}

fn filters(query: &Fields) -> Markup {
    let form = Form { fields: query, faults: &Faults::default() };
    html! {
        form class="filters" method="get" action="/keys" {
            (form.text(Field::optional("q", "Name contains", ""), 128))
            (form.text(Field::optional("group", "Member of group", ""), 256))
            (form.choice(Field::optional("state", "State", ""), STATES))
            button class="second" { "Filter" }
        }
    }
}

fn table(visit: &Seen, keys: &[&KeyRecord], chosen_from: bool) -> Markup {
    let now = visit.control().now();
    html! {
        div class="table" {
            table {
                thead {
                    tr {
                        @if chosen_from { th { span hidden { input type="checkbox" data-all="id" aria-label="Choose all keys of this page"; } span class="unseen" { "Choose" } } }
                        th scope="col" { "Name" } th scope="col" { "State" } th scope="col" { "Groups" } th scope="col" { "Roles" }
                        th scope="col" { "Created" } th scope="col" { "Last used" } th scope="col" { "Expires" }
                    }
                }
                tbody {
                    @for key in keys {
                        tr {
                            @if chosen_from { td { input type="checkbox" name="id" value=(key.id) aria-label={ "Choose " (key.name) }; } }
                            td { (parts::key_link(key.id, key.name.as_str())) br; code class="quiet" { (key.id) } }
                            td { (parts::state(key.state_at(now))) }
                            td { ul class="chips" { @for group in key.groups.iter().take(NAMED) { li { (parts::group(group.as_str())) } } (more(key.groups.len())) } }
                            td { (roles(key)) }
                            td { (parts::time(key.created_at)) }
                            td { (uses(key)) }
                            td { (parts::time_or(key.expires_at, "never")) }
                        }
                    }
                }
            }
        }
    }
}

fn roles(key: &KeyRecord) -> Markup {
    html! {
        ul class="chips" {
            @for binding in key.bindings.iter().take(NAMED) { li { (parts::role(&binding.role)) " in " (parts::space(&binding.space)) } }
            (more(key.bindings.len()))
        }
    }
}

/// Of each secret that lives, if there are two: one sees when the old one has gone quiet.
fn uses(key: &KeyRecord) -> Markup {
    html! {
        (parts::time_or(parts::last_used(key), "never"))
        @if let [new, old] = key.secrets.as_slice() {
            @if old.ends_at.is_some() {
                br; span class="quiet" { "new secret: " (parts::time_or(new.last_used_at, "never")) }
                br; span class="quiet" { "old secret: " (parts::time_or(old.last_used_at, "never")) }
            }
        }
    }
}

fn more(all: usize) -> Markup {
    html! { @if all > NAMED { li class="quiet" { "and " (all - NAMED) " more" } } }
}

/// The key of the very name or id that is looked for, which an index knows however many keys there are.
async fn of_this_very_name(visit: &Seen, query: &Fields) -> Result<Option<KeyRecord>, Refusal> {
    let is_first_page = query.given("cursor").is_none() && query.given("group").is_none() && query.given("state").is_none();
    match query.given("q").filter(|_| is_first_page) {
        Some(text) => called(visit, text).await,
        None => Ok(None),
    }
}

/// The key that is called this: by its id, or by the name of one that is not revoked.
pub(in crate::console) async fn called(visit: &Seen, text: &str) -> Result<Option<KeyRecord>, Refusal> {
    if let Ok(id) = text.parse::<KeyId>() {
        return Ok(visit.control().store().key(id).await?);
    }
    Ok(match text.parse::<KeyName>() {
        Ok(name) => visit.control().store().key_named(&name).await?,
        Err(_) => None,
    })
}

/// How many keys are looked through for those in whose names this stands.
pub(in crate::console) fn looked_through(text: Option<&str>) -> u32 {
    let is_short = text.is_some_and(|text| text.chars().count() <= SHORT);
    if is_short { LOOKED_THROUGH_FOR_SHORT } else { LOOKED_THROUGH }
}

async fn found(visit: &Seen, query: &Fields) -> Result<KeysFound, Refusal> {
    let cursor = query.given("cursor").and_then(|cursor| String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok());
    let state = match query.text("state") {
        "active" => StateWanted::In(KeyState::Active),
        "disabled" => StateWanted::In(KeyState::Disabled),
        "expired" => StateWanted::In(KeyState::Expired),
        "revoked" => StateWanted::In(KeyState::Revoked),
        "any" => StateWanted::Any,
        _ => StateWanted::NotRevoked,
    };
    let group = match query.given("group").map(str::parse::<GroupName>) {
        None => None,
        Some(Ok(group)) => Some(group),
        Some(Err(_)) => return Ok(KeysFound { keys: Vec::new(), looked_to: None, looked_through: 0 }),
    };
    let wanted = KeysWanted {
        after: cursor.and_then(|id| id.parse().ok()),
        limit: ON_A_PAGE,
        look_through: looked_through(query.given("q")),
        group,
        text: query.given("q").map(str::to_owned),
        state,
    };
    Ok(visit.control().keys_found(wanted).await?)
}
