//! What is kept of what was done, of what was tried and refused, and of who came.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::entry_hash::EntryHash;
use super::id::{KeyId, Revision, SpaceId};

/// The number of an entry of the audit: grows by one. Not every entry is a change, so it is not the revision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AuditId(pub u64);

impl AuditId {
    /// The one that follows.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for AuditId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One entry of the audit. Secrets and digests never stand in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Its own number.
    pub id: AuditId,
    /// The number of the change; none if it tells of something that is no change.
    pub revision: Option<Revision>,
    /// When the change was committed, or the rest happened.
    pub at: Timestamp,
    /// Who: see [`Actor::label`](super::Actor::label).
    pub actor: String,
    /// From where, if it came over the network.
    pub remote_ip: Option<String>,
    /// What: see [`Mutation::action`](super::Mutation::action); or one of [`AuditNote`]'s.
    pub action: String,
    /// To what: a key's id, a space's slug, …
    pub resource: String,
    /// The resource before, as JSON.
    pub before: Option<serde_json::Value>,
    /// The resource after, as JSON.
    pub after: Option<serde_json::Value>,
    /// The request that asked for it.
    pub request_id: Option<String>,
    /// It was only tried: the code that it was refused with.
    pub refused: Option<String>,
    /// Over all of this and the hash of the entry before: see [`hash_after`](Self::hash_after).
    pub hash: EntryHash,
}

/// What the audit is to tell though it is no change: it takes no revision, and nothing else in the store is touched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditNote {
    /// Somebody tried to change something and was refused.
    Refused {
        /// What was tried: [`Mutation::action`](super::Mutation::action).
        action: &'static str,
        /// What it was tried on ([`Resource::id`](super::Resource::id)), or what was sent in its place.
        resource: String,
        /// The spaces whose people may want to know.
        spaces: Vec<SpaceId>,
        /// The stable code of the refusal.
        code: &'static str,
    },
    /// A key was used to manage. Told once for each address.
    SignIn {
        /// The key.
        key: KeyId,
    },
    /// Somebody has signed in to the console by a key. Told each time, as far as the actor has room.
    SessionBegan {
        /// The key.
        key: KeyId,
    },
    /// A session of the console was ended before its time. Told each time, as far as the actor has room.
    SessionEnded {
        /// Whose it was, which need not be who has ended it.
        key: KeyId,
    },
    /// The requests that login policies wanted kept were given up. Always told.
    SamplesCleared {
        /// How many there were.
        cleared: u64,
    },
    /// The signing keys of a process are others now: they lie in files beside the store. Always told.
    SigningKey {
        /// `signing-key.activate`.
        action: &'static str,
        /// Which: RFC 7638.
        kid: String,
        /// Where it stood, as JSON.
        before: Option<serde_json::Value>,
        /// Where it stands; none if it is gone.
        after: Option<serde_json::Value>,
    },
}

impl AuditNote {
    /// What a sign-in is called in the audit.
    pub const SIGN_IN: &str = "key.sign-in";
    /// What it is called when a session of the console begins, and, as the action of [`Refused`](Self::Refused), when a key that works
    /// is not let in there.
    pub const SESSION_BEGIN: &str = "session.begin";
    /// What the end of one is called.
    pub const SESSION_END: &str = "session.end";
    /// What the giving up of samples is called, done or refused.
    pub const SAMPLES_CLEARED: &str = "sample.clear";
    /// What the entry is called that counts those which were not kept one by one.
    pub const HELD_BACK: &str = "audit.held-back";
}
