//! `/explain`, and what a decision is shown as.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::Body;
use super::problem::{ApiError, Refusals};
use super::session::Session;
use super::state::AdminState;
use crate::clock::Moment;
use crate::control::{Control, ControlError, Operation};
use crate::edge::tls::client_certificate_of_pem;
use crate::exchange::{AsOf, Explanation, Origin};
use crate::model::{ClientCertificate, Grants, Ignored, KeyId, KeyName, KeyRecord, KeyState, Outcome, Revision, Strategy};
use crate::policy::{HeldRule, Unheld};

/// Whom to explain.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    /// The key's id, or its name.
    #[schema(min_length = 1, max_length = 128)]
    key: String,
    /// The time to explain; else now. What has changed since is taken back, as far as the audit tells; `remarks` say so.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    at: Option<Timestamp>,
    /// The client's address that policies see; else 127.0.0.1.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    remote_ip: Option<IpAddr>,
    /// The certificate that the client has shown, as PEM; else none.
    #[serde(default)]
    client_certificate: Option<Box<str>>,
}

/// What a request with the key would get.
#[derive(Serialize, ToSchema)]
pub(super) struct DecisionBody {
    /// `allow` or `refuse`.
    #[schema(example = "allow")]
    decision: &'static str,
    /// `ok`, or the code of the refusal.
    #[schema(example = "ok")]
    code: &'static str,
    /// In words, and finer than the code, which clients see.
    reason: String,
    key: KeyInShort,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    #[schema(value_type = Option<String>)]
    remote_ip: Option<IpAddr>,
    #[schema(value_type = String)]
    strategy: Strategy,
    #[schema(value_type = u64)]
    revision: Revision,
    /// The groups that the token names.
    groups: Vec<String>,
    /// Each role in the space where it was given, and because of which binding, group or policy; what lies below inherits it.
    #[schema(value_type = Vec<Object>)]
    grants: Grants,
    /// What policies gave that is not there.
    #[schema(value_type = Vec<Object>)]
    ignored: Vec<Ignored>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct KeyInShort {
    #[schema(value_type = String)]
    id: KeyId,
    #[schema(value_type = String)]
    name: KeyName,
    #[schema(value_type = String)]
    state: KeyState,
}

/// A decision, and what each policy said.
#[derive(Serialize, ToSchema)]
pub(super) struct ExplanationBody {
    #[serde(flatten)]
    decision: DecisionBody,
    /// What has changed since the time that is asked about, and what of this is not as it was then.
    remarks: Vec<String>,
    policies: Vec<Heard>,
}

/// A policy, and which of its rules held.
#[derive(Serialize, ToSchema)]
struct Heard {
    name: String,
    /// Its file, or its name.
    place: String,
    /// Why it said nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[schema(value_type = Vec<Object>)]
    trace: Vec<HeldRule>,
    /// The rules that would have said something.
    #[schema(value_type = Vec<Object>)]
    unheld: Vec<Unheld>,
}

impl DecisionBody {
    /// By what is in force here.
    pub(super) async fn explained(control: &Control, key: &KeyRecord, origin: &Origin) -> Result<Self, ApiError> {
        let explained = control.explain(key, origin).await.ok_or(ControlError::Busy)?;
        let snapshot = control.store().snapshot().await?;
        Ok(Self::of(key, origin, &explained, snapshot.strategy, snapshot.revision))
    }

    fn of(key: &KeyRecord, origin: &Origin, explained: &Explanation, strategy: Strategy, revision: Revision) -> Self {
        let (decision, code, reason) = match &explained.outcome {
            Ok(()) => ("allow", Outcome::Forwarded.code(), "the key may pass".to_owned()),
            Err(refusal) => ("refuse", refusal.code(), refusal.sentence()),
        };
        let made = explained.decision.clone();
        let groups = made.as_ref().map(|made| made.groups.clone());
        let (grants, ignored) = made.map_or_else(Default::default, |made| (made.grants, made.ignored));
        Self {
            decision,
            code,
            reason,
            key: KeyInShort { id: key.id, name: key.name.clone(), state: key.state_at(origin.at.wall) },
            at: origin.at.wall,
            remote_ip: origin.address,
            strategy,
            revision,
            groups: groups.unwrap_or_else(|| key.groups.iter().map(ToString::to_string).collect()),
            grants,
            ignored,
        }
    }
}

/// Which binding, group or policy gives a key which role where, what was left out, and what each policy said.
#[utoipa::path(post, path = "/explain", tag = "explain", request_body = Question, responses((status = 200, body = ExplanationBody), Refusals))]
pub(super) async fn explain(
    State(state): State<AdminState>,
    Session(asked): Session,
    Body(Question { key, at, remote_ip, client_certificate }): Body<Question>,
) -> Result<axum::Json<ExplanationBody>, ApiError> {
    let control = state.control();
    control.may(&asked.caller, Operation::Explain).await?;
    let key = called(control, &key).await?;
    let address = remote_ip.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)).to_canonical();
    let there = Origin::at_address(Some(address), Moment { wall: at.unwrap_or_else(|| control.now()), monotonic: Duration::ZERO });
    let origin = Origin { certificate: shown(client_certificate.as_deref())?, ..there };
    let AsOf { explainer, key, remarks } = control.as_of(at, key).await?;
    let answer = explainer.explain(&key, &origin).await;
    let snapshot = explainer.snapshot();
    let decision = DecisionBody::of(&key, &origin, &answer, snapshot.strategy, snapshot.revision);
    let policies = explainer.trace(&key, &origin).into_iter().map(|(tracer, trace)| Heard {
        name: tracer.name.to_string(),
        place: tracer.place,
        error: trace.verdict.as_ref().err().map(ToString::to_string),
        trace: trace.steps,
        unheld: trace.unheld,
    });
    Ok(axum::Json(ExplanationBody { decision, remarks, policies: policies.collect() }))
}

/// The certificate of a client that is thought of, if one is said.
pub(super) fn shown(pem: Option<&str>) -> Result<Option<Arc<ClientCertificate>>, ApiError> {
    let Some(pem) = pem else { return Ok(None) };
    let read = client_certificate_of_pem(pem.as_bytes());
    read.map(|certificate| Some(Arc::new(certificate))).map_err(|why| ApiError::bad_request(format!("client_certificate: {why}")))
}

/// The key that is called this: an id, or the name of a key that is not revoked.
pub(super) async fn called(control: &Control, called: &str) -> Result<KeyRecord, ApiError> {
    // What was given may be the text of a key: it is not repeated.
    control.key_called(called).await?.ok_or_else(|| ApiError::not_found("there is no key of this id or name"))
}

impl From<crate::exchange::ExchangeError> for ApiError {
    fn from(error: crate::exchange::ExchangeError) -> Self {
        ControlError::from(error).into()
    }
}
