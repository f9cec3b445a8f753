//! `/audit`: who changed what, who tried to, and who came from where.

use axum::extract::State;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::body::Query;
use super::page::{self, Page};
use super::problem::{ApiError, Refusals};
use super::session::Session;
use super::state::AdminState;
use crate::control::Operation;
use crate::model::{AuditEntry, AuditId, EntryHash, Revision, SpaceId};
use crate::store::{AuditOrder, AuditQuery, GivenUp};

/// A change that was made, one that was tried and refused, or the first time that a key came from an address. No secret stands in it.
#[derive(Serialize, ToSchema)]
pub(super) struct Entry {
    #[serde(flatten)]
    #[schema(value_type = Object)]
    entry: AuditEntry,
}

/// Which entries.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Filters {
    /// How many items at most; else 100.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Only entries in whose actor, action or resource this stands, letter by letter.
    q: Option<String>,
    /// Only what this actor did: `api::ID`, `operator::NAME` or `system`.
    actor: Option<String>,
    /// `key.revoke`; or, if it ends with a full stop, whatever begins so: `key.`.
    action: Option<String>,
    /// Only what was done to the thing of this id or name.
    resource: Option<String>,
    /// Only what is about this space, a binding in this very space, or a key that was bound in it before or after.
    #[param(value_type = Option<String>, pattern = "^[a-z0-9][a-z0-9_-]{0,63}$")]
    space: Option<SpaceId>,
    /// Only changes after this revision.
    #[param(value_type = Option<u64>, format = "uint64")]
    changed_after: Option<Revision>,
    /// `newest` or `oldest` first; else the newest.
    #[param(inline)]
    order: Option<Order>,
    /// At this time or later.
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// Before this time.
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
}

/// Which end of the audit comes first.
#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Order {
    #[default]
    Newest,
    Oldest,
}

/// Where the audit begins.
#[derive(Serialize, ToSchema)]
pub(super) struct Beginning {
    /// The last of the entries that are not kept any more; null: every entry is there.
    given_up: Option<LastGivenUp>,
}

/// The entry after which the chain of hashes begins.
#[derive(Serialize, ToSchema)]
struct LastGivenUp {
    #[schema(value_type = u64)]
    id: AuditId,
    #[schema(value_type = String)]
    hash: EntryHash,
    #[schema(value_type = u64)]
    revision: Revision,
}

/// Where the audit begins.
#[utoipa::path(get, path = "/audit/beginning", tag = "audit", responses((status = 200, body = Beginning), Refusals))]
pub(super) async fn beginning(State(state): State<AdminState>, Session(asked): Session) -> Result<axum::Json<Beginning>, ApiError> {
    state.control().may(&asked.caller, Operation::ViewAudit).await?;
    let given_up = state.control().store().audit_given_up().await?;
    let last = |GivenUp { id, hash, revision }| LastGivenUp { id, hash, revision };
    Ok(axum::Json(Beginning { given_up: given_up.map(last) }))
}

/// What was changed, newest first if nothing else is said.
#[utoipa::path(get, path = "/audit", tag = "audit", params(Filters), responses((status = 200, body = Page<Entry>), Refusals))]
pub(super) async fn list(
    State(state): State<AdminState>,
    Session(asked): Session,
    Query(query): Query<Filters>,
) -> Result<axum::Json<Page<Entry>>, ApiError> {
    state.control().may(&asked.caller, Operation::ViewAudit).await?;
    let Filters { limit, cursor, q, actor, action, resource, space, changed_after, order, since, until } = query;
    let limit = page::limit(limit)?;
    let last = page::after::<u64>(cursor.as_deref())?.map(AuditId);
    let (order, before, newer_than) = match order.unwrap_or_default() {
        Order::Newest => (AuditOrder::NewestFirst, last, None),
        Order::Oldest => (AuditOrder::OldestFirst, None, last),
    };
    let query = q.filter(|text| !text.is_empty());
    let wanted =
        AuditQuery { before, newer_than, changed_after, limit: limit + 1, order, actor, action, resource, space, since, until, query };
    let entries = state.control().store().audit(&wanted).await?;
    Ok(axum::Json(Page::of(entries, limit, |entry| entry.id.to_string()).map(|entry| Entry { entry })))
}
