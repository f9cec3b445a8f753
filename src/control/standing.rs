//! What a caller may manage, as of one revision.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::error::Forbidden;
use super::rights::{Needs, Operation};
use crate::model::{Action, KeyDigest, KeyRecord, Snapshot, SpaceId, SystemRole};

/// What a caller may manage, and everything that this was read from.
///
/// It comes from bindings, the key's own and its groups', and from nothing else: what login policies hand out counts at the data plane
/// alone, so that no policy can give anybody the power to change policies.
#[derive(Clone, Debug)]
pub struct Standing {
    snapshot: Arc<Snapshot>,
    who: Who,
}

#[derive(Clone, Debug)]
enum Who {
    /// The system, or an operator.
    Everything,
    Key {
        key: Box<KeyRecord>,
        administers: BTreeSet<SpaceId>,
        rotates_itself: bool,
        follows: bool,
    },
}

impl Standing {
    /// Of somebody who may everything.
    pub(super) fn of_everything(snapshot: Arc<Snapshot>) -> Self {
        Self { snapshot, who: Who::Everything }
    }

    /// Of a key that works, and has presented this.
    ///
    /// It rotates itself only by its current secret: whoever has found one that is on its way out must not get a new one for it.
    #[must_use]
    pub fn of_key(key: KeyRecord, presented: &KeyDigest, snapshot: Arc<Snapshot>) -> Self {
        let admin = SystemRole::SpaceAdmin.id();
        let rotate: Action = "key:rotate-self".parse().expect("an action");
        let mut administers = BTreeSet::new();
        let (mut rotates_itself, mut follows) = (false, false);
        let replica = SystemRole::Replica.id();
        // Somebody's own role of that name, in a store from before there was this one, is just a role.
        let is_the_systems = snapshot.roles.get(&replica).is_some_and(|role| role.system);
        for grant in snapshot.bound_grants(&key) {
            rotates_itself |= snapshot.roles.get(&grant.role).is_some_and(|role| role.allows(&rotate));
            follows |= is_the_systems && grant.role == replica && grant.space.is_root();
            if grant.role == admin {
                administers.insert(grant.space);
            }
        }
        rotates_itself &= key.secret(presented).is_some_and(|secret| secret.ends_at.is_none());
        Self { snapshot, who: Who::Key { key: Box::new(key), administers, rotates_itself, follows } }
    }

    /// Everything but the keys, as of the revision that this is of.
    #[must_use]
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// The same rights, held against another state.
    pub(super) fn on(&self, snapshot: Arc<Snapshot>) -> Self {
        Self { snapshot, who: self.who.clone() }
    }

    /// The key itself, if it is one.
    #[must_use]
    pub fn key(&self) -> Option<&KeyRecord> {
        match &self.who {
            Who::Everything => None,
            Who::Key { key, .. } => Some(key),
        }
    }

    /// The spaces where it is an admin by a binding; what lies below them is left to the reader.
    pub fn administers(&self) -> impl Iterator<Item = &SpaceId> {
        match &self.who {
            Who::Everything => None,
            Who::Key { administers, .. } => Some(administers),
        }
        .into_iter()
        .flatten()
    }

    /// Whether they may everything that anybody may through the API.
    #[must_use]
    pub fn is_root_admin(&self) -> bool {
        match &self.who {
            Who::Everything => true,
            Who::Key { administers, .. } => administers.contains(&SpaceId::root()),
        }
    }

    /// Whether they are an admin of this space, by a binding there or above it.
    #[must_use]
    pub fn is_admin_of(&self, space: &SpaceId) -> bool {
        match &self.who {
            Who::Everything => true,
            Who::Key { administers, .. } => {
                self.is_root_admin() || self.snapshot.spaces.path_to_root(space).any(|above| administers.contains(&above.id))
            }
        }
    }

    /// Whether they may do this in these spaces, which are all that it is about.
    ///
    /// # Errors
    /// Why they may not.
    pub fn check(&self, operation: Operation, spaces: &[SpaceId]) -> Result<(), Forbidden> {
        let Who::Key { administers, rotates_itself, follows, .. } = &self.who else { return Ok(()) };
        let refused = |space: Option<&SpaceId>| Err(Forbidden { operation, space: space.cloned() });
        let may = match operation.needs() {
            Needs::Key => true,
            Needs::RotateSelf => *rotates_itself,
            Needs::AnyAdmin => !administers.is_empty(),
            Needs::RootAdmin => self.is_root_admin(),
            Needs::Replica => *follows,
            // Whoever administers nothing learns nothing of which spaces there are.
            Needs::AdminThere if administers.is_empty() => false,
            Needs::AdminThere => match spaces.iter().find(|space| !self.is_admin_of(space)) {
                Some(space) => return refused(Some(space)),
                None => !spaces.is_empty() || self.is_root_admin(),
            },
        };
        if may { Ok(()) } else { refused(None) }
    }
}
