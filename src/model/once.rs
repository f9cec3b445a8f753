//! Changes that are made once, however often they are asked for.

use jiff::Timestamp;

use super::id::Revision;

/// What a caller calls one request, so that sending it again makes nothing twice (`Idempotency-Key`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once {
    /// The caller's name for it. Two callers may use the same.
    pub key: Box<str>,
    /// SHA-256 of what was asked: the same name for something else is a mistake.
    pub fingerprint: [u8; 32],
}

/// A request that was called so and made a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoneOnce {
    /// Of what was asked.
    pub fingerprint: [u8; 32],
    /// The change.
    pub revision: Revision,
    /// The id of what it was about ([`Resource::id`](super::Resource::id)).
    pub resource: String,
    /// When.
    pub at: Timestamp,
}
