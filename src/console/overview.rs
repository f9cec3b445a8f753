//! The first page: what is in force, and what somebody may want to look at.

use std::collections::BTreeSet;

use axum::response::Response;
use maud::{Markup, html};

use super::fields::Query;
use super::parts;
use super::refusal::Refusal;
use super::signing_keys;
use super::visit::{Seen, Visit};
use crate::clock::later;
use crate::control::{Gone, KeysFound, KeysWanted, Operation, ReplicaView, StateWanted};
use crate::diagnostics::Severity;
use crate::model::{KeyRecord, KeyState};
use crate::policy::PolicyFault;

/// How many keys are looked at for what is said of keys here: a page must not take longer because there are more.
const LOOKED_AT: u32 = 2_000;
const SOON: std::time::Duration = std::time::Duration::from_hours(14 * 24);
/// A key that was made so long ago and never used was probably lost, or never handed out.
const UNUSED_FOR: std::time::Duration = std::time::Duration::from_hours(7 * 24);
/// How many are named.
const NAMED: usize = 5;

struct OfKeys {
    ending: Vec<KeyRecord>,
    never_used: Vec<KeyRecord>,
    looked_at: usize,
    is_all: bool,
}

/// The first page.
pub(super) async fn show(visit: Visit, Query(query): Query) -> Result<Response, Refusal> {
    visit.needs(Operation::ViewSpaces)?;
    let snapshot = visit.standing.snapshot();
    let replicas = ReplicaView::of(&visit.control().replicas().await?, Gone::LeftOut);
    let behind: Vec<&ReplicaView> = replicas.iter().filter(|replica| replica.lag_revisions > 0 && replica.lag_seconds > 1.0).collect();
    let of_keys = of_keys(&visit).await?;
    let nobody_in = groups_nobody_is_in(&visit).await?;
    let of_policies = of_policies(&visit);
    let of_signing_keys = signing_keys::to_look_at(&visit).await;
    let body = html! {
        h1 { "Overview" }
        (parts::saved(&query))
        ul class="cards" {
            (card("Revision", &snapshot.revision.to_string(), "the last change", Some("/audit").filter(|_| visit.may(Operation::ViewAudit))))
            (card("Strategy", snapshot.strategy.as_str(), "which sources of roles count", Some("/strategy").filter(|_| visit.may(Operation::ViewStrategy))))
            (card("Spaces", &snapshot.spaces.iter().count().to_string(), "", Some("/spaces")))
            (card("Roles", &snapshot.roles.len().to_string(), "", Some("/roles")))
            (card("Groups", &snapshot.groups.len().to_string(), "", Some("/groups")))
            (card("Login policies", &snapshot.policies.len().to_string(), "of the store", Some("/policies").filter(|_| visit.may(Operation::ViewPolicies))))
            (card("Replicas", &replicas.len().to_string(), "that serve now", Some("/replicas")))
        }
        h2 { "To look at" }
        @if behind.is_empty() && of_keys.ending.is_empty() && of_keys.never_used.is_empty() && nobody_in.is_empty() && of_signing_keys.0.is_empty() && of_policies.is_empty() {
            p { "Nothing stands out." }
        }
        @if !behind.is_empty() {
            div class="warning" {
                p { "Replicas in which changes are not in force yet:" }
                ul { @for replica in &behind { li { code { (replica.name) } " is " (replica.lag_revisions) " behind, for " (format!("{:.1}", replica.lag_seconds)) " s" } } }
            }
        }
        (of_signing_keys)
        (policies_named(&visit, &of_policies))
        (keys_named("Keys that end within two weeks", "/keys?state=active", &of_keys.ending, |key| key.expires_at.map(parts::time)))
        (keys_named("Keys made a week ago or earlier that were never used", "/keys?state=active", &of_keys.never_used, |key| Some(parts::time(key.created_at))))
        @if !nobody_in.is_empty() {
            section {
                h3 { "Groups that hold roles and that no key was found in" }
                ul { @for group in nobody_in.iter().take(NAMED) { li { (parts::group(group)) } } }
                @if nobody_in.len() > NAMED { p class="quiet" { "and " (nobody_in.len() - NAMED) " more" } }
            }
        }
        @if !of_keys.is_all { p class="quiet" { "Of keys, the oldest " (of_keys.looked_at) " were looked at." } }
    };
    Ok(visit.page("Overview", &body))
}

fn card(name: &str, number: &str, what: &str, at: Option<&str>) -> Markup {
    html! {
        li class="card" {
            h2 { @match at { Some(at) => a href=(at) { (name) }, None => (name) } }
            p class="number" { (number) }
            @if !what.is_empty() { p class="quiet" { (what) } }
        }
    }
}

fn keys_named(title: &str, all: &str, keys: &[KeyRecord], when: impl Fn(&KeyRecord) -> Option<Markup>) -> Markup {
    html! {
        @if !keys.is_empty() {
            section {
                h3 { (title) }
                ul { @for key in keys.iter().take(NAMED) { li { (parts::key_link(key.id, key.name.as_str())) @if let Some(when) = when(key) { " — " (when) } } } }
                @if keys.len() > NAMED { p { a href=(all) { "and " (keys.len() - NAMED) " more" } } }
            }
        }
    }
}

/// Policies that give roles or name things that are not there, or do not do what they seem to for another reason.
fn of_policies(visit: &Seen) -> Vec<PolicyFault> {
    if !visit.may(Operation::ViewPolicies) {
        return Vec::new();
    }
    visit.control().policy_remarks().unwrap_or_default().into_iter().filter(|remark| remark.severity != Severity::Note).collect()
}

fn policies_named(visit: &Seen, remarks: &[PolicyFault]) -> Markup {
    // Those of the directory are called by their files.
    let is_of_store = |name: &str| visit.standing.snapshot().policies.iter().any(|policy| policy.name.as_str() == name);
    let name = |name: &str| html! { @if is_of_store(name) { (parts::policy(name)) } @else { code { (name) } } };
    html! {
        @if !remarks.is_empty() {
            section {
                h3 { "Login policies that do not do what they seem to" }
                ul { @for remark in remarks.iter().take(NAMED) { li { (name(&remark.policy)) ", line " (remark.line) ": " (parts::sentence(&remark.reason)) } } }
                @if remarks.len() > NAMED { p { a href="/policies" { "and " (remarks.len() - NAMED) " more" } } }
                p class="quiet" { a href="/docs/runbooks/claviger-policy-grants-ignored" { "What to do about roles that are left out" } }
            }
        }
    }
}

async fn of_keys(visit: &Seen) -> Result<OfKeys, Refusal> {
    let (now, state) = (visit.control().now(), StateWanted::In(KeyState::Active));
    let wanted = KeysWanted { after: None, limit: LOOKED_AT, look_through: LOOKED_AT, group: None, text: None, state };
    let KeysFound { keys, looked_to } = visit.control().keys_found(wanted).await?;
    let (looked_at, is_all) = (keys.len(), looked_to.is_none());
    let is_ending = |key: &KeyRecord| key.expires_at.is_some_and(|end| end < later(now, SOON));
    let was_never_used =
        |key: &KeyRecord| key.secrets.iter().all(|secret| secret.last_used_at.is_none()) && later(key.created_at, UNUSED_FOR) < now;
    let (ending, others): (Vec<KeyRecord>, Vec<KeyRecord>) = keys.into_iter().partition(is_ending);
    Ok(OfKeys { ending, never_used: others.into_iter().filter(was_never_used).collect(), looked_at, is_all })
}

/// Of those that hold roles: that nobody is in others says nothing.
async fn groups_nobody_is_in(visit: &Seen) -> Result<BTreeSet<String>, Refusal> {
    let mut found = BTreeSet::new();
    let bound = visit.standing.snapshot().group_bindings.iter().filter(|(_, bindings)| !bindings.is_empty());
    // Each is one look into an index.
    for (group, _) in bound.take(100) {
        if visit.control().store().members(group, None, 1).await?.is_empty() {
            found.insert(group.to_string());
        }
    }
    Ok(found)
}
