//! What is called somehow: keys, spaces, roles, groups and policies, the very name first.

use std::collections::BTreeMap;

use axum::response::Response;
use maud::{Markup, html};

use super::fields::Query;
use super::keys;
use super::paged::{Searched, Sought};
use super::parts;
use super::refusal::Refusal;
use super::visit::{Seen, Visit};
use crate::control::{KeysFound, KeysWanted, Operation};
use crate::model::{KeyRecord, PolicyName, Snapshot};
use crate::store::StateWanted;

/// How many of each kind are shown; their own lists have all.
const SHOWN: usize = 10;

/// What was found of one kind.
struct FoundKind {
    title: &'static str,
    /// Links, and what stands beside them.
    items: Vec<Markup>,
    /// Its own list, if there is more.
    more: Option<String>,
}

pub(super) async fn show(visit: Visit, Query(query): Query) -> Result<Response, Refusal> {
    let text = query.text("q");
    let mut kinds = Vec::new();
    if !text.is_empty() {
        kinds.push(of_keys(&visit, text).await?);
        kinds.extend(of_snapshot(&visit, visit.standing.snapshot(), text));
        kinds.retain(|kind| !kind.items.is_empty() || kind.more.is_some());
    }
    let body = html! {
        h1 { @if text.is_empty() { "Search" } @else { "Search: " (text) } }
        @if text.is_empty() {
            p { "Names of keys, spaces, roles, groups and login policies are looked through, and ids. Enter a part of one above." }
        } @else if kinds.is_empty() {
            p { "Nothing is called that." }
        }
        @for FoundKind { title, items, more } in &kinds {
            section {
                h2 { (title) }
                ul { @for item in items { li { (item) } } }
                @if let Some(more) = more { p { a href=(more) { @if items.is_empty() { "Look further" } @else { "All of them" } } } }
            }
        }
    };
    Ok(visit.page("Search", &body))
}

async fn of_keys(visit: &Seen, text: &str) -> Result<FoundKind, Refusal> {
    let title = "API keys";
    if !visit.may(Operation::ViewKeys) {
        return Ok(FoundKind { title, items: Vec::new(), more: None });
    }
    let first = keys::called(visit, text).await?;
    let limit = u32::try_from(SHOWN).unwrap_or(u32::MAX);
    let wanted = KeysWanted {
        after: None,
        limit,
        look_through: keys::looked_through(Some(text)),
        group: None,
        text: Some(text.to_owned()),
        state: StateWanted::Any,
    };
    let KeysFound { keys, looked_to, .. } = visit.control().keys_found(wanted).await?;
    let others = keys.into_iter().filter(|key| first.as_ref().is_none_or(|first| first.id != key.id));
    let now = visit.control().now();
    let item = |key: &KeyRecord| html! { (parts::key_link(key.id, key.name.as_str())) " " (parts::state(key.state_at(now))) " " code class="quiet" { (key.id) } };
    let items: Vec<Markup> = first.iter().cloned().chain(others).take(SHOWN).map(|key| item(&key)).collect();
    Ok(FoundKind { title, items, more: looked_to.map(|_| parts::address("/keys", [("q", text), ("state", "any")])) })
}

/// What is small enough to be in everybody's memory. Only what is shown becomes markup.
fn of_snapshot(visit: &Seen, snapshot: &Snapshot, text: &str) -> Vec<FoundKind> {
    let mut kinds = Vec::new();
    if visit.may(Operation::ViewSpaces) {
        let all = snapshot.spaces.iter().map(|space| ((space.id.as_str(), space.name.as_str()), space));
        kinds.push(kind("Spaces", "/spaces", text, all, |space| html! { (parts::space(&space.id)) " " (space.name) }));
    }
    if visit.may(Operation::ViewRoles) {
        let all = snapshot.roles.values().map(|role| ((role.id.as_str(), role.name.as_str()), role));
        kinds.push(kind("Roles", "/roles", text, all, |role| html! { (parts::role(&role.id)) " " (role.name) }));
    }
    if visit.may(Operation::ViewGroups) {
        let all = snapshot.groups.keys().map(|name| ((name.as_str(), ""), name));
        kinds.push(kind("Groups", "/groups", text, all, |name| parts::group(name.as_str())));
    }
    if visit.may(Operation::ViewPolicies) {
        let mut names: Vec<PolicyName> =
            snapshot.policies.iter().map(|policy| policy.name.clone()).chain(visit.control().policy_files()).collect();
        names.sort();
        let all = names.iter().map(|name| ((name.as_str(), ""), name));
        kinds.push(kind("Login policies", "/policies", text, all, |name| parts::policy(name.as_str())));
    }
    kinds
}

/// How well something fits that is called so, by its id or its name.
fn fit((id, name): (&str, &str), sought: &Sought, places: Searched) -> Option<u8> {
    [id, name].into_iter().filter_map(|called| sought.fit(called, places)).min()
}

/// Those that fit, the best first, each as `shown` has it; what they are called stands beside them.
fn kind<'a, T>(
    title: &'static str,
    list: &str,
    text: &str,
    all: impl Iterator<Item = ((&'a str, &'a str), T)>,
    shown: impl Fn(T) -> Markup,
) -> FoundKind {
    let sought = Sought::of(text);
    // Of those that fit alike the first ones, in their order: there may be ten thousand.
    let (mut found, mut count): (BTreeMap<u8, Vec<T>>, usize) = (BTreeMap::new(), 0);
    for (called, thing) in all {
        // When there are more than are shown, only better ones count.
        let places = if count > SHOWN { Searched::Begin } else { Searched::All };
        let Some(fit) = fit(called, &sought, places) else { continue };
        count += 1;
        let alike = found.entry(fit).or_default();
        if alike.len() < SHOWN {
            alike.push(thing);
        }
    }
    let more = (count > SHOWN).then(|| parts::address(list, [("q", text)]));
    FoundKind { title, items: found.into_values().flatten().take(SHOWN).map(shown).collect(), more }
}

#[cfg(test)]
mod tests {
    use super::{Markup, SHOWN, Searched, Sought, fit, html, kind};

    #[test]
    fn the_very_name_fits_best() {
        let fits = |called| fit(called, &Sought::of("Prod"), Searched::All);
        assert_eq!(fits(("prod", "Production")), Some(0));
        assert_eq!(fits(("p", "PROD")), Some(0));
        assert_eq!(fits(("production", "")), Some(1));
        assert_eq!(fits(("pre-production", "")), Some(2));
        assert_eq!(fits(("staging", "")), None);
    }

    #[test]
    fn the_best_are_shown_however_many_fit() {
        let many = ["a-prod"; 2 * SHOWN].into_iter().chain(["production", "prod"]);
        let found = kind("Spaces", "/spaces", "Prod", many.map(|id| ((id, ""), id)), |id| html! { (id) });
        let shown: Vec<String> = found.items.into_iter().map(Markup::into_string).collect();
        assert_eq!((shown.len(), &*shown[0], &*shown[1], &*shown[2]), (SHOWN, "prod", "production", "a-prod"));
        assert_eq!(found.more.as_deref(), Some("/spaces?q=Prod"));
    }
}
