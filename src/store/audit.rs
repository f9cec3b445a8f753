//! What is asked of the audit, and what bounds it.

use std::time::Duration;

use jiff::Timestamp;

use crate::model::{AuditId, EntryHash, Revision, SpaceId};

/// How many entries that are no change an actor can make in an hour: whoever is refused again and again must not fill the disk.
pub const NOTES_AN_HOUR: u32 = 60;
/// For how long the same attempt of the same actor, refused for the same reason, is counted and not told again.
pub const SAME_ATTEMPT_WITHIN: Duration = Duration::from_mins(1);

/// From which end the audit is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuditOrder {
    /// The newest entries that there are.
    #[default]
    NewestFirst,
    /// The oldest ones.
    OldestFirst,
}

/// A page of the audit: the entries for which all of this holds. A condition that is not set holds for every entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditQuery {
    /// Which come first, and so on which page.
    pub order: AuditOrder,
    /// Earlier than this one: the page before ended with it, if the newest come first.
    pub before: Option<AuditId>,
    /// Later than this one: the page before ended with it, if the oldest come first.
    pub newer_than: Option<AuditId>,
    /// A change, and one after this revision.
    pub changed_after: Option<Revision>,
    /// How many entries at most.
    pub limit: u32,
    /// Done by this actor, as [`Actor::label`](crate::model::Actor::label) has it.
    pub actor: Option<String>,
    /// `key.revoke`; or, if it ends with a full stop, whatever begins so: `key.`.
    pub action: Option<String>,
    /// About the thing that is called this: a key's id, a space's slug, … ([`Resource::id`](crate::model::Resource::id)).
    pub resource: Option<String>,
    /// About this space, a binding in this very space, or a key that was bound in it before or after.
    pub space: Option<SpaceId>,
    /// At this time or later.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
    /// This text stands in the actor, the action or the resource; read letter by letter.
    pub query: Option<String>,
}

/// The last of the audit's entries that are not kept any more: the chain begins after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GivenUp {
    /// Its number.
    pub id: AuditId,
    /// Its hash.
    pub hash: EntryHash,
    /// The last change that it, or an entry before it, has told of.
    pub revision: Revision,
}
