//! `/feed`: for sidecars, which follow this control plane and serve by what it tells them.
//!
//! A sidecar learns what it takes to decide about the keys that are presented to it, and changes nothing. What goes over the wire is
//! [`FeedSnapshot`](crate::model::FeedSnapshot) and its neighbours.

use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header::{CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, StatusCode};
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::bindings::Binding;
use super::body::{Body, Few, Query, Text};
use super::groups::Group;
use super::policies::Policy;
use super::problem::{ApiError, Refusals};
use super::roles::Role;
use super::session::Session;
use super::spaces::Space;
use super::state::{AdminState, REPLICA};
use super::version::Tag;
use super::written::in_parts;
use crate::control::{Asked, Caller, Operation};
use crate::edge::service::Follows;
use crate::model::{
    FEED_FORMAT, FEED_REPORTED_MAX, FeedChanges, FeedFound, KeyDigest, KeyId, ReplicaName, ReplicaReport, Revision, Sample,
};

/// For how many seconds changes are waited for at most.
const WAIT_MAX: f64 = 30.0;

/// Everything but the keys.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what is written as one text for all sidecars")]
pub(super) struct FeedSnapshotBody {
    /// Of this form. Another number says that something decides which a sidecar of this version does not know.
    format: u32,
    /// The content is as this change and all before it have left it, or newer.
    revision: u64,
    content: FeedContentBody,
}

/// What there is.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the same")]
pub(super) struct FeedContentBody {
    spaces: Vec<Space>,
    roles: Vec<Role>,
    groups: Vec<Group>,
    /// Those of groups.
    bindings: Vec<Binding>,
    policies: Vec<Policy>,
    strategy: String,
}

/// What has changed.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what the model writes")]
pub(super) struct FeedChangesBody {
    format: u32,
    /// The last change that is known here. Less than `after`: this control plane is behind the sidecar.
    revision: u64,
    /// When the change `after` was committed, if that is still known.
    #[schema(format = DateTime)]
    after_at: Option<String>,
    /// So many milliseconds after it was asked, or before if negative, this was all that had been committed.
    as_of_ms: i64,
    /// Whether more has changed than can be told: the snapshot is to be read.
    too_old: bool,
    changes: Vec<FeedChangeBody>,
}

/// A change.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the same")]
pub(super) struct FeedChangeBody {
    revision: u64,
    #[schema(format = DateTime)]
    at: String,
    /// `"all"`, or `{"marks": […]}`: the first two and the last two bytes of the digests of the key that has changed.
    #[schema(value_type = serde_json::Value)]
    reach: (),
}

/// Which key.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FindFeedKey {
    /// The SHA-256 of the presented key's text, in hexadecimal.
    #[schema(pattern = "^[0-9a-fA-F]{64}$")]
    sha256: String,
}

/// A key as far as it takes to serve it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what the model writes")]
pub(super) struct FeedFoundBody {
    format: u32,
    /// The key is as this change and all before it have left it.
    as_of: u64,
    /// Its id, name, groups, times and bindings, and of its secrets the one that was asked for; null: there is no such key.
    key: Option<serde_json::Value>,
}

/// Secrets that were presented with success.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Uses {
    #[schema(value_type = Vec<Use>, max_items = 2000)]
    uses: Few<Use, FEED_REPORTED_MAX>,
}

/// One of them.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Use {
    #[schema(pattern = "^[0-9a-fA-F]{64}$")]
    sha256: String,
    /// About when.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
}

/// Requests that login policies wanted kept.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FeedSamples {
    #[schema(value_type = Vec<Object>, max_items = 2000)]
    samples: Few<Sample, FEED_REPORTED_MAX>,
}

/// What a sidecar says of itself.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReplicaBody {
    /// Of the program.
    #[schema(value_type = String, max_length = 64)]
    version: Text<64>,
    /// Everything up to this change is in force in it.
    #[schema(value_type = u64)]
    applied: Revision,
    /// By its own clock.
    #[schema(value_type = String, format = DateTime)]
    started_at: Timestamp,
}

/// Which changes.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct FeedQuery {
    /// Up to this one everything is in force in the sidecar that asks: this is its acknowledgement.
    #[param(value_type = u64)]
    after: Revision,
    /// For how many seconds it is waited if there is nothing to tell; 0.5 is half a second.
    #[serde(default)]
    #[param(minimum = 0, maximum = 30)]
    wait: f64,
}

/// Everything but the keys, with the change that it is as of as its `ETag`.
#[utoipa::path(
    get, path = "/feed/snapshot", tag = "feed",
    params(("If-None-Match" = Option<String>, Header, description = "The `ETag` of what is known already")),
    responses((status = 200, body = FeedSnapshotBody), (status = 304, description = "As it is known"), Refusals)
)]
pub(super) async fn snapshot(
    State(state): State<AdminState>,
    Session(asked): Session,
    connection: Option<Extension<Follows>>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    following(&state, &asked, Operation::ReadFeed, connection).await?;
    let (revision, snapshot) = state.control().feed_snapshot().await?;
    let is_known = headers.get(IF_NONE_MATCH).is_some_and(|tag| tag.as_bytes() == format!("\"{revision}\"").as_bytes());
    if is_known {
        return Ok((StatusCode::NOT_MODIFIED, Tag(revision), ()).into_response());
    }
    let content = state.written().of(&snapshot)?;
    let head = format!("{{\"format\":{FEED_FORMAT},\"revision\":{revision},\"content\":");
    let mut response = Response::new(in_parts([head.into(), content, "}".into()]));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Ok(tag) = HeaderValue::try_from(format!("\"{revision}\"")) {
        response.headers_mut().insert(ETAG, tag);
    }
    Ok(response)
}

/// What has changed after a revision; if nothing has, when something does, or after a while.
#[utoipa::path(
    get, path = "/feed/changes", tag = "feed",
    params(FeedQuery, ("Claviger-Replica" = Option<String>, Header, description = "What the sidecar calls itself")),
    responses((status = 200, body = FeedChangesBody), Refusals)
)]
pub(super) async fn changes(
    State(state): State<AdminState>,
    Session(asked): Session,
    connection: Option<Extension<Follows>>,
    headers: HeaderMap,
    Query(FeedQuery { after, wait }): Query<FeedQuery>,
) -> Result<axum::Json<FeedChanges>, ApiError> {
    following(&state, &asked, Operation::ReadFeed, connection).await?;
    if !(0.0..=WAIT_MAX).contains(&wait) {
        return Err(ApiError::bad_request(format!("wait must be from 0 to {WAIT_MAX} seconds")));
    }
    let replica = named(&asked, &headers)?.map(|(_, name)| name);
    let wait = Duration::from_secs_f64(wait);
    Ok(axum::Json(state.control().feed_changes(&asked.caller, replica.as_ref(), after, wait).await?))
}

/// The key that has, or had, a secret with this SHA-256, whatever state it is in.
#[utoipa::path(post, path = "/feed/key", tag = "feed", request_body = FindFeedKey, responses((status = 200, body = FeedFoundBody), Refusals))]
pub(super) async fn key(
    State(state): State<AdminState>,
    Session(asked): Session,
    connection: Option<Extension<Follows>>,
    Body(FindFeedKey { sha256 }): Body<FindFeedKey>,
) -> Result<axum::Json<FeedFound>, ApiError> {
    following(&state, &asked, Operation::LookUpKey, connection).await?;
    Ok(axum::Json(state.control().feed_key(&digest(&sha256)?).await?))
}

/// Says which secrets were presented with success, and about when.
#[utoipa::path(post, path = "/feed/uses", tag = "feed", request_body = Uses, responses((status = 204), Refusals))]
pub(super) async fn uses(
    State(state): State<AdminState>,
    Session(asked): Session,
    connection: Option<Extension<Follows>>,
    Body(Uses { uses }): Body<Uses>,
) -> Result<StatusCode, ApiError> {
    following(&state, &asked, Operation::ReportUse, connection).await?;
    let uses = uses.0.iter().map(|used| Ok((digest(&used.sha256)?, used.at))).collect::<Result<Vec<_>, ApiError>>()?;
    state.control().feed_uses(&uses).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Hands in requests that login policies wanted kept.
#[utoipa::path(post, path = "/feed/samples", tag = "feed", request_body = FeedSamples, responses((status = 204), Refusals))]
pub(super) async fn samples(
    State(state): State<AdminState>,
    Session(asked): Session,
    connection: Option<Extension<Follows>>,
    Body(FeedSamples { samples }): Body<FeedSamples>,
) -> Result<StatusCode, ApiError> {
    following(&state, &asked, Operation::ReportUse, connection).await?;
    let samples = samples.0.into_iter().map(Sample::fitted).collect::<Option<Vec<_>>>();
    let samples = samples.ok_or_else(|| ApiError::bad_request("a sample is too large"))?;
    state.control().feed_samples(&samples).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Says that a sidecar is there, and what is in force in it.
#[utoipa::path(
    post, path = "/feed/replica", tag = "feed", request_body = ReplicaBody,
    params(("Claviger-Replica" = String, Header, description = "What the sidecar calls itself")),
    responses((status = 204), Refusals)
)]
pub(super) async fn report(
    State(state): State<AdminState>,
    Session(asked): Session,
    connection: Option<Extension<Follows>>,
    headers: HeaderMap,
    Body(ReplicaBody { version, applied, started_at }): Body<ReplicaBody>,
) -> Result<StatusCode, ApiError> {
    following(&state, &asked, Operation::ReadFeed, connection).await?;
    let (key, name) = named(&asked, &headers)?.ok_or_else(nameless)?;
    state.control().feed_report(key, ReplicaReport { name, version: version.0, applied, started_at }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Says that a sidecar ends.
#[utoipa::path(
    delete, path = "/feed/replica", tag = "feed",
    params(("Claviger-Replica" = String, Header, description = "What the sidecar calls itself")),
    responses((status = 204), Refusals)
)]
pub(super) async fn forget(
    State(state): State<AdminState>,
    Session(asked): Session,
    connection: Option<Extension<Follows>>,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    following(&state, &asked, Operation::ReadFeed, connection).await?;
    let (_, name) = named(&asked, &headers)?.ok_or_else(nameless)?;
    state.control().feed_forget(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lets sidecars alone go on, and counts their connections apart from those of whoever manages.
async fn following(
    state: &AdminState,
    asked: &Asked,
    operation: Operation,
    connection: Option<Extension<Follows>>,
) -> Result<(), ApiError> {
    state.control().may_follow(asked, operation).await?;
    if let Some(Extension(connection)) = connection {
        connection.mark();
    }
    Ok(())
}

/// The key that asks, and what the sidecar is called in the list of replicas: as it calls itself, and by the key that it has. So a sidecar
/// speaks for no process that has another key.
fn named(asked: &Asked, headers: &HeaderMap) -> Result<Option<(KeyId, ReplicaName)>, ApiError> {
    let (Caller::Key { id, .. }, Some(said)) = (&asked.caller, headers.get(REPLICA)) else { return Ok(None) };
    let id_text = id.to_string();
    let end = id_text.get(id_text.len().saturating_sub(8)..).unwrap_or(&id_text);
    let name = said.to_str().ok().and_then(|said| format!("{said}.{end}").parse().ok());
    name.map(|name| Some((*id, name))).ok_or_else(|| ApiError::bad_request("Claviger-Replica cannot be the name of a replica"))
}

fn nameless() -> ApiError {
    ApiError::bad_request("Claviger-Replica must say what the sidecar calls itself")
}

fn digest(sha256: &str) -> Result<KeyDigest, ApiError> {
    // What is no digest may be a key that was pasted by mistake: it is not repeated.
    sha256.parse().map_err(|error| ApiError::bad_request(format!("sha256: {error}")))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use utoipa::PartialSchema as _;
    use utoipa::openapi::{RefOr, Schema};

    use super::*;
    use crate::model::{FeedContent, Snapshot, Strategy};

    fn fields(described: RefOr<utoipa::openapi::schema::Schema>) -> Vec<String> {
        let RefOr::T(Schema::Object(object)) = described else { panic!("it is described as an object") };
        let mut fields: Vec<String> = object.properties.keys().cloned().collect();
        fields.sort();
        fields
    }

    fn fields_of(written: impl serde::Serialize) -> Vec<String> {
        let Value::Object(object) = serde_json::to_value(written).unwrap() else { panic!("it is written as an object") };
        let mut fields: Vec<String> = object.keys().cloned().collect();
        fields.sort();
        fields
    }

    #[test]
    fn what_is_described_is_what_is_written() {
        let content = FeedContent::from(&Snapshot::empty(Strategy::Combined));
        assert_eq!(fields(FeedContentBody::schema()), fields_of(&content));
        let snapshot = crate::model::FeedSnapshot { format: FEED_FORMAT, revision: Revision(1), content };
        assert_eq!(fields(FeedSnapshotBody::schema()), fields_of(&snapshot));
        let change = crate::model::FeedChange { revision: Revision(1), at: Timestamp::UNIX_EPOCH, reach: crate::model::FeedReach::All };
        assert_eq!(fields(FeedChangeBody::schema()), fields_of(&change));
        let changes =
            FeedChanges { format: FEED_FORMAT, revision: Revision(1), after_at: None, as_of_ms: 0, too_old: false, changes: vec![change] };
        assert_eq!(fields(FeedChangesBody::schema()), fields_of(&changes));
        assert_eq!(fields(FeedFoundBody::schema()), fields_of(FeedFound { format: FEED_FORMAT, as_of: Revision(1), key: None }));
    }
}
