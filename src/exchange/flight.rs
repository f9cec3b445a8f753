//! What requests that come at once wait for together, and what they are told.

use std::sync::Arc;

use super::cache::{Answer, Entry};
use super::generation::Stamp;
use crate::model::{KeyDigest, Refusal, SpaceId};
use crate::policy::Facet;

/// Which requests share one resolution. The stamp keeps a request that comes after a change from joining work begun before it. The
/// facet is what an answer to anybody may depend on; whether the answer fits is checked once more by each who waited.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct FlightKey {
    pub(super) digest: KeyDigest,
    pub(super) stamp: Stamp,
    pub(super) facet: Facet,
    /// The space that the token is about.
    pub(super) scope: Option<SpaceId>,
}

/// Which resolutions share one reading of the key.
pub(super) type RecordKey = (KeyDigest, Stamp);

/// What the store says of a digest.
pub(super) type LookedUp = Result<Option<Arc<Entry>>, Refusal>;

/// How a resolution ends.
#[derive(Clone)]
pub(super) enum Resolution {
    /// With a decision, for the requests that it fits, and what is remembered of their key.
    Decided(Answer, Arc<Entry>),
    /// With a refusal that does not depend on where the request came from.
    Refused(Refusal),
}
