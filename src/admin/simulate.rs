//! `/policies/simulate`: what a policy would change, before it is saved.

use std::net::{IpAddr, Ipv4Addr};
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
use crate::control::{Operation, Simulated, SimulatedAnswer, SimulatedAt, SimulatedFor};
use crate::exchange::{Difference, WhatIf};
use crate::model::{KeyId, KeyName, LoginPolicy, PolicyName, RegoVersion, SampleId};
use crate::policy::{HeldRule, PolicySource};

/// How long keys are looked at; what was not reached is said.
const LOOK_FOR: Duration = Duration::from_secs(20);

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
    let what = match question.source {
        Some(source) => WhatIf::Put(PolicySource::from(&LoginPolicy { name: question.name, source, rego: question.rego })),
        None => WhatIf::Delete(question.name),
    };
    let simulation = control.simulation(what).await?;
    let there = SimulatedAt {
        address: question.remote_ip.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)).to_canonical(),
        certificate: explain::shown(question.client_certificate.as_deref())?,
        at: question.at.unwrap_or_else(|| control.now()),
    };
    let (whom, is_sample) = match question.about {
        About::Key(called) => (SimulatedFor::Key(Box::new(explain::called(control, &called).await?)), false),
        About::Sample(id) => {
            let kept = control.store().sample(id).await?.ok_or_else(|| ApiError::not_found("there is no such sample"))?;
            (SimulatedFor::Sample(Box::new(kept)), true)
        }
        About::AllSamples => (SimulatedFor::AllSamples, false),
        About::AllKeys => (SimulatedFor::AllKeys(LOOK_FOR), false),
    };
    let found = control.simulate(&simulation, whom, &there).await?;
    if is_sample && found.looked_at == 0 {
        return Err(ApiError::not_found("the sample's key is gone"));
    }
    Ok(axum::Json(Simulation::of(simulation.replaces(), found)))
}

impl Simulation {
    fn of(replaces: bool, found: Simulated) -> Self {
        let Simulated { looked_at, complete, changed, cut_off, let_in, answers } = found;
        Self { replaces, looked_at, complete, changed, cut_off, let_in, items: answers.into_iter().map(Item::from).collect() }
    }
}

impl From<SimulatedAnswer> for Item {
    fn from(answer: SimulatedAnswer) -> Self {
        let SimulatedAnswer { key, name, sample, address, at, difference, trace } = answer;
        Self { key, name, sample, remote_ip: address, at, difference, trace: trace.map(|trace| trace.steps).unwrap_or_default() }
    }
}
