//! What a key may do where, resolved once and asked often.

use std::sync::Arc;

use super::action::Action;
use super::grant::Grants;
use super::id::{RoleId, SpaceId};
use super::snapshot::Snapshot;

/// The roles that a key holds, together with the spaces and roles that they were resolved against: whatever changes later, the answer
/// is that of the decision which they come from. Small, since all keys share one snapshot.
#[derive(Clone, Debug)]
pub struct Rights {
    /// Sorted, each once; why a role is held has no part in what it allows.
    held: Box<[(SpaceId, RoleId)]>,
    snapshot: Arc<Snapshot>,
}

impl Rights {
    /// What these grants allow by this snapshot.
    #[must_use]
    pub fn of(grants: &Grants, snapshot: &Arc<Snapshot>) -> Self {
        let mut held: Vec<_> = grants.iter().map(|grant| (grant.space.clone(), grant.role.clone())).collect();
        held.dedup();
        Self { held: held.into_boxed_slice(), snapshot: Arc::clone(snapshot) }
    }

    /// Whether the same roles are held, reach the same spaces and allow the same, though the snapshots may be two.
    #[must_use]
    pub fn allow_the_same_as(&self, other: &Self) -> bool {
        let same_role = |role: &RoleId| {
            let actions = |snapshot: &Snapshot| snapshot.roles.get(role).map(|role| role.actions.clone());
            actions(&self.snapshot) == actions(&other.snapshot)
        };
        let same_reach = |space: &SpaceId| {
            self.snapshot.spaces.subtree(space).map(|space| &space.id).eq(other.snapshot.spaces.subtree(space).map(|space| &space.id))
        };
        self.held == other.held
            && (Arc::ptr_eq(&self.snapshot, &other.snapshot) || self.held.iter().all(|(space, role)| same_role(role) && same_reach(space)))
    }

    /// Bytes that the roles take, beside the snapshot that is not theirs alone.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.held)
    }

    /// Whether some role that is held in `space`, or in a space above it, allows `action`. Never in a space that does not exist.
    #[must_use]
    pub fn may(&self, action: &Action, space: &SpaceId) -> bool {
        self.snapshot.spaces.path_to_root(space).any(|above| {
            let begin = self.held.partition_point(|(held_in, _)| *held_in < above.id);
            let held_there = self.held.iter().skip(begin).take_while(|(held_in, _)| *held_in == above.id);
            held_there.filter_map(|(_, role)| self.snapshot.roles.get(role)).any(|role| role.allows(action))
        })
    }
}

/// The same roles, resolved against the same snapshot. Two snapshots are not compared: what one allows, the other need not.
impl PartialEq for Rights {
    fn eq(&self, other: &Self) -> bool {
        self.held == other.held && Arc::ptr_eq(&self.snapshot, &other.snapshot)
    }
}

impl Eq for Rights {}
