//! What is kept of what was done.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::id::Revision;

/// What the audit keeps of a change. Secrets and digests never stand in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// The change's number.
    pub revision: Revision,
    /// When it was committed.
    pub at: Timestamp,
    /// Who: see [`Actor::label`](super::Actor::label).
    pub actor: String,
    /// From where, if it came over the network.
    pub remote_ip: Option<String>,
    /// What: see [`Mutation::action`](super::Mutation::action).
    pub action: String,
    /// To what: a key's id, a space's slug, …
    pub resource: String,
    /// The resource before, as JSON.
    pub before: Option<serde_json::Value>,
    /// The resource after, as JSON.
    pub after: Option<serde_json::Value>,
    /// The request that asked for it.
    pub request_id: Option<String>,
}
