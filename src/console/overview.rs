//! The first page: what is in force, and what somebody may want to look at.

use std::collections::BTreeSet;

use axum::response::Response;
use maud::{Markup, html};

use super::fields::Query;
use super::parts;
use super::refusal::Refusal;
use super::signing_keys;
use super::visit::{Seen, Visit};
use crate::clock::{earlier, later};
use crate::control::{Gone, Operation, ReplicaView};
use crate::diagnostics::Severity;
use crate::model::{GroupName, KeyRecord, SpaceId};
use crate::policy::PolicyFault;
use crate::store::{ListPart, NeverUsed};

/// How many keys are looked at for whether they were ever used: a page must not take longer because there are more.
const LOOKED_AT: u32 = 1_000;
/// How many groups are.
const GROUPS_LOOKED_AT: usize = 50;
/// How many of a kind are counted.
const COUNTED: u32 = 100;
const SOON: std::time::Duration = std::time::Duration::from_hours(14 * 24);
/// A key that was made so long ago and never used was probably lost, or never handed out.
const UNUSED_FOR: std::time::Duration = std::time::Duration::from_hours(7 * 24);
/// How many are named.
const NAMED: usize = 5;

struct OfKeys {
    ending: Vec<KeyRecord>,
    never_used: Vec<KeyRecord>,
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
            (card("Spaces", &(snapshot.spaces.count_below(&SpaceId::root()) + 1).to_string(), "", Some("/spaces")))
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
                ul { @for group in nobody_in.iter().take(NAMED) { li { (parts::group(group.as_str())) } } }
                @if nobody_in.len() > NAMED { p class="quiet" { "and " (nobody_in.len() - NAMED) " more" } }
            }
        }
        @if !of_keys.is_all { p class="quiet" { "For keys that were never used, the oldest " (LOOKED_AT) " were looked at." } }
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
                @if keys.len() > COUNTED as usize { p { a href=(all) { "and more than " (COUNTED as usize - NAMED) " others" } } }
                @else if keys.len() > NAMED { p { a href=(all) { "and " (keys.len() - NAMED) " more" } } }
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
    let (store, now) = (visit.control().store(), visit.control().now());
    let soon = later(now, SOON);
    let ending = store.keys_ending(now, soon, COUNTED + 1).await?;
    let wanted = NeverUsed { now, made_before: earlier(now, UNUSED_FOR), ends_not_before: soon, among: LOOKED_AT, limit: COUNTED + 1 };
    let ListPart { items: never_used, looked_to } = store.keys_never_used(&wanted).await?;
    let is_all = looked_to.is_none() || never_used.len() > COUNTED as usize;
    Ok(OfKeys { ending, never_used, is_all })
}

/// Of those that hold roles: that nobody is in others says nothing.
async fn groups_nobody_is_in(visit: &Seen) -> Result<BTreeSet<GroupName>, Refusal> {
    let bound = visit.standing.snapshot().group_bindings.iter().filter(|(_, bindings)| !bindings.is_empty());
    let mut groups: BTreeSet<GroupName> = bound.take(GROUPS_LOOKED_AT).map(|(group, _)| group.clone()).collect();
    for group in visit.control().store().groups_with_members(&groups).await? {
        groups.remove(&group);
    }
    Ok(groups)
}
