//! What a listing is asked, and what it answers.

use jiff::Timestamp;

use crate::model::{BindingId, GroupName, KeyId, KeyState, RoleId, SpaceId};

/// One page of a listing: at most `limit` items after the item named by `after`, optionally only those that `query` stands in.
#[derive(Clone, Debug)]
pub struct Page<A> {
    /// The last item of the page before; `None` for the first page.
    pub after: Option<A>,
    /// How many items at most.
    pub limit: u32,
    /// Taken letter by letter: case counts, and no character means another one. What it is looked for in, each listing says.
    pub query: Option<String>,
}

/// Which keys, by id: those for which all of this holds. A condition that is not set holds for every key.
#[derive(Clone, Debug, Default)]
pub struct KeyFilter {
    /// Later than this one: the page before ended with it.
    pub after: Option<KeyId>,
    /// How many at most.
    pub limit: u32,
    /// Members of this group, revoked ones included.
    pub group: Option<GroupName>,
    /// This stands in the name, letter by letter.
    pub query: Option<String>,
    /// In this state at `now`.
    pub state: StateWanted,
    /// When it is.
    pub now: Timestamp,
    /// Of what no index knows, no more than so many are looked through, though more could be at once.
    pub among: Option<u32>,
}

/// In which state keys are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StateWanted {
    /// Every key.
    #[default]
    Any,
    /// All but revoked ones.
    NotRevoked,
    /// In this very state.
    In(KeyState),
}

/// Active keys that were made before a time, do not end before another one, and whose secrets nobody has ever presented.
#[derive(Clone, Copy, Debug)]
pub struct NeverUsed {
    /// When it is.
    pub now: Timestamp,
    /// Made before.
    pub made_before: Timestamp,
    /// With no end, or one that is not before this.
    pub ends_not_before: Timestamp,
    /// So many of the oldest keys that are not revoked are looked at.
    pub among: u32,
    /// How many at most.
    pub limit: u32,
}

/// Which bindings, by id: those for which all of this holds. A condition that is not set holds for every binding.
#[derive(Clone, Debug, Default)]
pub struct BindingFilter {
    /// Later than this one: the page before ended with it.
    pub after: Option<BindingId>,
    /// How many at most.
    pub limit: u32,
    /// Of this key itself.
    pub key: Option<KeyId>,
    /// Of this group.
    pub group: Option<GroupName>,
    /// Of this role.
    pub role: Option<RoleId>,
    /// In this very space.
    pub space: Option<SpaceId>,
    /// This stands in what [`Management::bindings`](super::Management::bindings) looks in, letter by letter.
    pub query: Option<String>,
}

/// What was found of a list, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListPart<T, A> {
    /// What was found.
    pub items: Vec<T>,
    /// How far it was looked: there may be more after it. `None`: to the end.
    pub looked_to: Option<A>,
}

/// How many rows are looked through at a time for those that a condition holds for which no index knows: nobody else waits for longer.
pub const LOOKED_THROUGH_AT_ONCE: u32 = 10_000;

/// The same for entries of the audit, which are longer, and of which each is looked at in three places.
pub const ENTRIES_LOOKED_THROUGH_AT_ONCE: u32 = 2_000;

/// How many are looked at before it is asked whether there are few in all.
pub(super) const LOOKED_AT_FIRST: u32 = 1_000;

/// So many rows that an index knows are put in order; of more, some are come upon soon by looking through all in their order.
pub(super) const FEW: u32 = 10_000;
