//! Which entries of the audit are wanted, as it stands in an address.

use jiff::Timestamp;
use maud::{Markup, html};

use crate::clock::earlier;
use crate::console::fields::{Faults, Fields};
use crate::console::forms::{Field, Form};
use crate::console::keys;
use crate::console::parts;
use crate::console::refusal::Refusal;
use crate::console::visit::Seen;
use crate::model::AuditNote;
use crate::store::{AuditOrder, AuditQuery};

/// What the filters are called in the address.
pub(super) const FILTERS: [&str; 8] = ["q", "actor", "action", "resource", "space", "since", "until", "order"];

const ORDERS: [(&str, &str); 2] = [("", "Newest first"), ("oldest", "Oldest first")];

/// What can be done; with a full stop at the end, whatever begins so. Suggested, and nothing more: others are found as well.
const ACTIONS: [&str; 41] = [
    "key.",
    "key.bootstrap",
    "key.create",
    "key.import",
    "key.update",
    "key.rotate",
    "key.disable",
    "key.enable",
    "key.revoke",
    AuditNote::SIGN_IN,
    "binding.",
    "binding.create",
    "binding.delete",
    "space.",
    "space.create",
    "space.update",
    "space.delete",
    "role.",
    "role.create",
    "role.update",
    "role.delete",
    "group.",
    "group.create",
    "group.update",
    "group.delete",
    "policy.",
    "policy.create",
    "policy.update",
    "policy.delete",
    "strategy.set",
    AuditNote::SAMPLES_CLEARED,
    "session.",
    AuditNote::SESSION_BEGIN,
    AuditNote::SESSION_END,
    "signing-key.",
    "signing-key.publish",
    "signing-key.activate",
    "signing-key.retire",
    "store.restore",
    "audit.",
    AuditNote::HELD_BACK,
];

/// Spans that are asked about often, in hours.
const SPANS: [(&str, u64); 4] = [("Last hour", 1), ("Last day", 24), ("Last week", 7 * 24), ("Last 30 days", 30 * 24)];

/// What the filters come to; where the reading begins, and how much is read, is left to the reader.
pub(super) async fn wanted(visit: &Seen, query: &Fields, faults: &mut Faults) -> Result<AuditQuery, Refusal> {
    let order = match query.text("order") {
        "oldest" => AuditOrder::OldestFirst,
        "" | "newest" => AuditOrder::NewestFirst,
        _ => {
            faults.note("order", "it is newest or oldest");
            AuditOrder::NewestFirst
        }
    };
    let own = |name| query.given(name).map(str::to_owned);
    Ok(AuditQuery {
        order,
        actor: actor(visit, query).await?,
        action: own("action"),
        resource: own("resource"),
        space: query.given("space").and_then(|_| query.parsed("space", faults)),
        since: query.time("since", faults),
        until: query.time("until", faults),
        query: own("q"),
        ..AuditQuery::default()
    })
}

/// As the audit has it; people know keys by their names.
async fn actor(visit: &Seen, query: &Fields) -> Result<Option<String>, Refusal> {
    let Some(text) = query.given("actor") else { return Ok(None) };
    let key = keys::called(visit, text).await?;
    Ok(Some(key.map_or_else(|| text.to_owned(), |key| format!("api::{}", key.id))))
}

/// The filters, to be filled in.
pub(super) fn form(query: &Fields, faults: &Faults, now: Timestamp) -> Markup {
    let form = Form { fields: query, faults };
    html! {
        div {
            form class="filters" method="get" action="/audit" {
                (form.text(Field::optional("q", "Contains", "In the actor, the action or what it was done to"), 200))
                (form.text(Field::optional("actor", "By whom", "A key by name or id, operator::NAME, system"), 300))
                (form.suggested(Field::optional("action", "What", "key.revoke; key. for all that begins so"), Some(64), ACTIONS.map(|action| (action, ""))))
                (form.text(Field::optional("resource", "To what", "A key's id, a space, a role, …"), 300))
                (form.text(Field::optional("space", "About space", ""), 64))
                (form.line(Field::optional("since", "From (UTC)", ""), "datetime-local", None))
                (form.line(Field::optional("until", "To (UTC)", ""), "datetime-local", None))
                (form.choice(Field::optional("order", "Order", ""), ORDERS))
                button class="second" { "Filter" }
            }
            ul class="chips" { @for (label, hours) in SPANS { li { a href=(of_span(query, now, hours)) { (label) } } } }
            p { a href="/audit" { "Show all" } }
        }
    }
}

/// The same for the last so many hours.
fn of_span(query: &Fields, now: Timestamp, hours: u64) -> String {
    let since = earlier(now, std::time::Duration::from_hours(hours)).strftime("%Y-%m-%dT%H:%M").to_string();
    let others = FILTERS.iter().filter(|name| **name != "since" && **name != "until").map(|name| (*name, query.text(name)));
    parts::address("/audit", others.chain([("since", since.as_str())]))
}
