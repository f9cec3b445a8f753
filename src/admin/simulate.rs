//! `/policies/simulate`: what a policy would change, before it is saved.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::Body;
use super::explain;
use super::problem::{ApiError, Refusals};
use super::session::Session;
use super::state::AdminState;
use crate::clock::Moment;
use crate::control::{Control, ControlError, Operation};
use crate::exchange::{Difference, Explainer, Origin, WhatIf};
use crate::model::{ClientCertificate, KeyId, KeyName, KeyRecord, KeyState, LoginPolicy, PolicyName, RegoVersion, SampleId};
use crate::policy::{HeldRule, PolicySource};
use crate::store::Page;

/// How long keys are looked at; what was not reached is said.
const LOOK_FOR: Duration = Duration::from_secs(20);
/// How many differences are told one by one.
const TOLD: usize = 1000;
const PAGE: u32 = 500;

/// A policy, and whom to ask it about.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SimulatePolicy {
    /// The policy of this name in force is the one that it would replace.
    #[schema(value_type = String, min_length = 1, max_length = 128)]
    name: PolicyName,
    /// The Rego module; null: the policy would be deleted.
    #[schema(value_type = Option<String>)]
    source: Option<Box<str>>,
    /// `v0` or `v1`; else v1 is tried first, v0 if that fails.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^v[01]$")]
    rego: Option<RegoVersion>,
    about: About,
    /// The time that keys are asked about at; else now. A sample has its own.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    at: Option<Timestamp>,
    /// The client's address that keys are asked about at; else 127.0.0.1. A sample has its own.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    remote_ip: Option<IpAddr>,
    /// The certificate that the client has shown that keys are asked about with, as PEM; else none. A sample has its own.
    #[serde(default)]
    client_certificate: Option<Box<str>>,
}

/// Whom to ask about.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum About {
    /// One key, by its id or name.
    Key(String),
    /// One request that is kept.
    #[schema(value_type = u64)]
    Sample(SampleId),
    /// Every request that is kept.
    AllSamples,
    /// Every key that works.
    AllKeys,
}

/// What would be otherwise.
#[derive(Serialize, ToSchema)]
pub(super) struct Simulation {
    /// Whether a policy of this name is in force.
    replaces: bool,
    /// How many keys or samples were looked at.
    looked_at: usize,
    /// Whether those were all.
    complete: bool,
    changed: usize,
    /// Were let in, and would be refused.
    cut_off: usize,
    /// Were refused, and would be let in.
    let_in: usize,
    /// Of all keys or samples, those that would be answered otherwise, the first thousand.
    items: Vec<Item>,
}

/// One key at one moment, from one address.
#[derive(Serialize, ToSchema)]
struct Item {
    #[schema(value_type = String)]
    key: KeyId,
    #[schema(value_type = String)]
    name: KeyName,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    sample: Option<SampleId>,
    #[schema(value_type = String)]
    remote_ip: IpAddr,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    #[schema(value_type = Object)]
    difference: Difference,
    /// The rules of the policy that hold, with their lines, where one key or sample was asked about.
    #[schema(value_type = Vec<Object>)]
    trace: Vec<HeldRule>,
}

struct Asked {
    key: KeyRecord,
    sample: Option<SampleId>,
    address: IpAddr,
    certificate: Option<Arc<ClientCertificate>>,
    at: Timestamp,
}

/// Says what a policy would change for a key, for requests that are kept, or for all keys that work. Nothing is saved.
#[utoipa::path(
    post, path = "/policies/simulate", tag = "policies", request_body = SimulatePolicy, responses((status = 200, body = Simulation), Refusals)
)]
pub(super) async fn simulate(
    State(state): State<AdminState>,
    Session(asked): Session,
    Body(question): Body<SimulatePolicy>,
) -> Result<axum::Json<Simulation>, ApiError> {
    let control = state.control();
    control.may(&asked.caller, Operation::TryPolicy).await?;
    let before = control.explainer().await?;
    let replaces = before.sources().iter().any(|source| source.name == question.name);
    let what = match &question.source {
        Some(source) => {
            let policy = LoginPolicy { name: question.name.clone(), source: source.clone(), rego: question.rego };
            WhatIf::Put(PolicySource::from(&policy))
        }
        None => WhatIf::Delete(question.name.clone()),
    };
    let after = tokio::task::block_in_place(|| before.what_if(&what)).map_err(ControlError::Policy)?;
    let found = Simulation { replaces, looked_at: 0, complete: true, changed: 0, cut_off: 0, let_in: 0, items: Vec::new() };
    let (address, at) = (question.remote_ip.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)), question.at.unwrap_or_else(|| control.now()));
    let shown = explain::shown(question.client_certificate.as_deref())?;
    let of_one = |key: KeyRecord| Asked { key, sample: None, address: address.to_canonical(), certificate: shown.clone(), at };
    let mut report = Report { before, after, policy: question.name, found };
    match question.about {
        About::Key(called) => report.take_in(of_one(explain::called(control, &called).await?), true).await,
        About::Sample(id) => {
            let kept = control.store().sample(id).await?.ok_or_else(|| ApiError::not_found("there is no such sample"))?;
            let one = of_sample(control, &kept).await?.ok_or_else(|| ApiError::not_found("the sample's key is gone"))?;
            report.take_in(one, true).await;
        }
        About::AllSamples => {
            for kept in control.store().samples().await? {
                if let Some(one) = of_sample(control, &kept).await? {
                    report.take_in(one, false).await;
                }
            }
        }
        About::AllKeys => {
            let (began, mut after) = (control.monotonic(), None);
            loop {
                let page = control.store().keys(&Page { after, limit: PAGE, query: None }).await?;
                let Some(end) = page.last().map(|key| key.id) else { break };
                after = Some(end);
                for key in page.into_iter().filter(|key| key.state_at(at) == KeyState::Active) {
                    report.take_in(of_one(key), false).await;
                }
                if control.monotonic().saturating_sub(began) > LOOK_FOR {
                    report.found.complete = false;
                    break;
                }
            }
        }
    }
    Ok(axum::Json(report.found))
}

/// The key of a request that is kept, as it is now, at the address and time of then.
async fn of_sample(control: &Control, kept: &crate::model::KeptSample) -> Result<Option<Asked>, ApiError> {
    let address = kept.sample.input.pointer("/request/remote_ip").and_then(serde_json::Value::as_str);
    let address = address.and_then(|text| text.parse().ok()).unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let shown = kept.sample.input.pointer("/request/client_certificate");
    let certificate = shown.and_then(|shown| ClientCertificate::deserialize(shown).ok()).map(Arc::new);
    let key = control.store().key(kept.sample.key.id).await?;
    Ok(key.map(|key| Asked { key, sample: Some(kept.id), address, certificate, at: kept.sample.at }))
}

struct Report {
    before: Explainer,
    after: Explainer,
    policy: PolicyName,
    found: Simulation,
}

impl Report {
    async fn take_in(&mut self, asked: Asked, is_only: bool) {
        let Asked { key, sample, address, certificate, at } = asked;
        let there = Origin::at_address(Some(address), Moment { wall: at, monotonic: Duration::ZERO });
        let origin = Origin { certificate, ..there };
        let (was, would) = tokio::join!(self.before.explain(&key, &origin), self.after.explain(&key, &origin));
        let difference = Difference::between(&was, &would);
        let report = &mut self.found;
        report.looked_at += 1;
        report.changed += usize::from(!difference.is_none());
        report.cut_off += usize::from(difference.cut_off);
        report.let_in += usize::from(difference.let_in);
        if !is_only && (difference.is_none() || report.items.len() >= TOLD) {
            return;
        }
        let trace = if is_only { self.after.trace_of(&self.policy, &key, &origin).map(|trace| trace.steps) } else { None };
        let trace = trace.unwrap_or_default();
        report.items.push(Item { key: key.id, name: key.name, sample, remote_ip: address, at, difference, trace });
    }
}
