//! What would have been needed: the mistakes that people make, looked for one by one.
//!
//! All of it is guessing, so each is a sentence of facts ("group `Platform` is bound") that the reader may draw the conclusion from.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use jiff::Timestamp;

use super::chain::Heard;
use crate::cli::failure::Failure;
use crate::cli::open_store::OpenStore;
use crate::cli::policy::view::PolicyAnswer;
use crate::clock::{Moment, in_largest_unit, later};
use crate::diagnostics::nearest;
use crate::exchange::{Difference, Explainer, Explanation, Origin};
use crate::model::{Decision, IgnoredReason, KeyRecord, KeyState, Refusal, Snapshot};
use crate::policy;

/// Other networks and times that are told.
const MOST: usize = 3;
/// Networks that are tried.
const NETWORKS: usize = 32;
/// Hours that are tried: a week.
const HOURS: u64 = 7 * 24;

pub(super) async fn misses(
    key: &KeyRecord,
    origin: &Origin,
    told: &Explanation,
    heard: &[Heard],
    explainer: &Explainer,
    store: &OpenStore,
) -> Result<Vec<String>, Failure> {
    let snapshot = explainer.snapshot();
    let mut near: Vec<String> = Vec::new();
    near.extend(state(key, origin.at.wall));
    near.extend(strategy(key, snapshot, explainer));
    near.extend(groups(key, snapshot));
    near.extend(unallowed(told, heard));
    near.extend(misspelt(told, snapshot));
    if told.outcome == Err(Refusal::NoRoles) && key.bindings.is_empty() {
        near.extend(namesake(key, store).await?);
    }
    if Decision::asks_policies(snapshot, key) && !explainer.sources().is_empty() && told.decision.is_some() {
        near.extend(networks(key, origin, told, explainer).await);
        near.extend(hours(key, origin, told, explainer).await);
    }
    Ok(near)
}

fn state(key: &KeyRecord, at: Timestamp) -> Option<String> {
    let since = |word: &str, time: Option<Timestamp>| {
        time.map(|time| {
            if time <= at {
                format!("the key {word} at {time:.0}, {} before", in_largest_unit(at.duration_since(time)))
            } else {
                let after = in_largest_unit(time.duration_since(at));
                format!("the key {word} at {time:.0}, {after} after the time asked about: how it was then is not known")
            }
        })
    };
    match key.state_at(at) {
        KeyState::Active => None,
        KeyState::Disabled => since("was disabled", key.disabled_at),
        KeyState::Expired => since("expired", key.expires_at),
        KeyState::Revoked => since("was revoked", key.revoked_at),
    }
}

fn strategy(key: &KeyRecord, snapshot: &Snapshot, explainer: &Explainer) -> Vec<String> {
    let mut near = Vec::new();
    if !snapshot.strategy.counts_bindings() && !snapshot.is_root_admin_directly(key) {
        let bound: Vec<String> = snapshot.bound_grants(key).map(|grant| format!("{}@{}", grant.role, grant.space)).collect();
        if !bound.is_empty() {
            near.push(format!("{} by bindings would count under another strategy than {}", bound.join(", "), snapshot.strategy));
        }
    }
    if !snapshot.strategy.asks_policies() && !explainer.sources().is_empty() {
        near.push(format!("policies are not asked: the strategy is {}", snapshot.strategy));
    }
    near
}

/// Groups that are bound and spelled nearly like one of the key's that is not: those that differ in case and blanks alone, or else the
/// nearest.
fn groups(key: &KeyRecord, snapshot: &Snapshot) -> Vec<String> {
    let bound = || snapshot.group_bindings.keys().map(ToString::to_string);
    let unbound = key.groups.iter().filter(|group| !snapshot.group_bindings.contains_key(*group));
    let near = unbound.flat_map(|group| {
        let mut alike: Vec<String> = bound().filter(|bound| folded(bound) == folded(group.as_str())).take(MOST).collect();
        if alike.is_empty() {
            alike.extend(nearest(group.as_str(), bound()));
        }
        alike.into_iter().map(move |bound| format!("group `{bound}` is bound; the key has `{group}`"))
    });
    near.collect()
}

/// Without case and blanks.
fn folded(group: &str) -> String {
    group.chars().filter(|character| !character.is_whitespace()).flat_map(char::to_lowercase).collect()
}

/// Roles that a policy gives, and that wait for somebody to say `allow`.
fn unallowed(told: &Explanation, heard: &[Heard]) -> Vec<String> {
    let allowed = heard.iter().any(|heard| matches!(&heard.says, PolicyAnswer::Verdict { allow, admin, .. } if allow.value || admin.value));
    let is_open = !matches!(told.outcome, Err(Refusal::Denied(_)));
    let waiting = heard.iter().filter(|_| !allowed && is_open).filter_map(|heard| match &heard.says {
        PolicyAnswer::Verdict { roles, .. } if !roles.is_empty() => {
            Some(format!("policy {} gives roles, but no policy says `allow`, and without that they do not count", heard.name()))
        }
        PolicyAnswer::Verdict { .. } | PolicyAnswer::Failed { .. } => None,
    });
    waiting.collect()
}

/// Spaces and roles that a policy gives and that are not there.
fn misspelt(told: &Explanation, snapshot: &Snapshot) -> Vec<String> {
    let ignored = told.decision.iter().flat_map(|decision| &decision.ignored);
    let near = ignored.filter_map(|ignored| match ignored.reason {
        IgnoredReason::UnknownSpace => {
            let space = nearest(&ignored.space, snapshot.spaces.iter().map(|space| space.id.to_string()))?;
            Some(format!("policy {} gives a role in `{}`; there is a space {space}", ignored.policy, ignored.space))
        }
        IgnoredReason::UnknownRole => {
            let role = nearest(&ignored.role, snapshot.roles.keys().map(ToString::to_string))?;
            Some(format!("policy {} gives the role `{}`; there is a role {role}", ignored.policy, ignored.role))
        }
    });
    near.collect()
}

/// A key of nearly the same name that has what this one has not.
async fn namesake(key: &KeyRecord, store: &OpenStore) -> Result<Option<String>, Failure> {
    let others = store.some_keys().await?;
    let bound = others.iter().filter(|other| other.id != key.id && other.revoked_at.is_none() && !other.bindings.is_empty());
    let Some(name) = nearest(key.name.as_str(), bound.map(|other| other.name.to_string())) else { return Ok(None) };
    let roles = others.iter().filter(|other| other.name.as_str() == name).flat_map(|other| &other.bindings);
    let roles: Vec<String> = roles.map(|binding| format!("{}@{}", binding.role, binding.space)).collect();
    Ok(Some(format!("key {name} is bound to {}; this one is {}", roles.join(", "), key.name)))
}

/// Networks that stand in the policies and from which the key would hold more.
async fn networks(key: &KeyRecord, origin: &Origin, told: &Explanation, explainer: &Explainer) -> Vec<String> {
    let mut near = Vec::new();
    // Several policies, or several rules of one, may name the same network.
    let networks: BTreeSet<IpNet> = explainer.sources().iter().flat_map(policy::networks).collect();
    for network in networks.into_iter().take(NETWORKS) {
        let address: IpAddr = network.hosts().next().unwrap_or_else(|| network.addr());
        let there = explainer.explain(key, &Origin { address: Some(address), ..origin.clone() }).await;
        if let Some(gained) = gained(told, &there)
            && near.len() < MOST
        {
            near.push(format!("from {network} the key would gain {gained}"));
        }
    }
    near
}

/// The first hour of the next week at which the key would hold more.
async fn hours(key: &KeyRecord, origin: &Origin, told: &Explanation, explainer: &Explainer) -> Option<String> {
    let hour = Duration::from_hours(1);
    let seconds = origin.at.wall.as_second();
    let start = Timestamp::from_second(seconds - seconds.rem_euclid(3600)).ok()?;
    for number in 1..=HOURS {
        let wall = later(start, hour * u32::try_from(number).ok()?);
        let then = explainer.explain(key, &Origin { at: Moment { wall, ..origin.at }, ..origin.clone() }).await;
        // A policy that fails, or a key that has expired by then, would do so for every hour that follows.
        then.decision.as_ref()?;
        if let Some(gained) = gained(told, &then) {
            return Some(format!("at {wall:.0} the key would gain {gained}"));
        }
    }
    None
}

fn gained(now: &Explanation, other: &Explanation) -> Option<String> {
    let gained = Difference::between(now, other).gained;
    let gained: Vec<String> = gained.iter().map(|held| format!("{}@{}", held.role, held.space)).collect();
    (!gained.is_empty()).then(|| gained.join(", "))
}
