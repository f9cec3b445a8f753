//! A change that is not made yet: the state that it leaves, and whose answers can be different then.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::cli::failure::Failure;
use crate::cli::open_store::OpenStore;
use crate::control::declared::Outcome;
use crate::exchange::{Difference, Explanation, Held, WhatIf};
use crate::model::{Binding, GroupName, KeyBinding, KeyId, KeyRecord, ResourceKind, RoleId, Snapshot, Space, SpaceId, SpaceTree, Subject};

/// What is thought through.
pub(crate) struct Proposal {
    what: WhatIf,
    whose: Whose,
    /// The space that stands elsewhere afterwards: what is inherited there is different, though nothing is bound otherwise.
    moved: Option<SpaceId>,
}

/// Whose answers can be different.
enum Whose {
    Everybody,
    Members(GroupName),
    /// One key's, and what it would hold itself.
    Key {
        id: KeyId,
        bindings: Vec<KeyBinding>,
    },
    /// Whoever's something is changed by a plan of many changes.
    Planned(Box<Outcome>),
}

impl Proposal {
    /// Another policy or strategy.
    pub(crate) fn of_policies(what: WhatIf) -> Self {
        Self { what, whose: Whose::Everybody, moved: None }
    }

    /// What a plan of many changes leaves.
    pub(crate) fn of_plan(outcome: Outcome) -> Self {
        let what = WhatIf::Whole(Box::new(outcome.snapshot.clone()));
        Self { what, whose: Whose::Planned(Box::new(outcome)), moved: None }
    }

    /// One binding more.
    pub(crate) async fn bind(binding: &Binding, store: &OpenStore) -> Result<Self, Failure> {
        let mut snapshot = store.snapshot().await?;
        if !snapshot.roles.contains_key(&binding.role) {
            return Err(store.not_found(ResourceKind::Role, binding.role.as_str()).await);
        }
        if !snapshot.spaces.contains(&binding.space) {
            return Err(store.not_found(ResourceKind::Space, binding.space.as_str()).await);
        }
        let whose = match &binding.subject {
            Subject::Group(group) => {
                snapshot.group_bindings.entry(group.clone()).or_default().push(binding.clone());
                Whose::Members(group.clone())
            }
            Subject::Key(id) => {
                let mut bindings = store.key_by_id(*id).await?.bindings;
                bindings.push(KeyBinding { id: binding.id, role: binding.role.clone(), space: binding.space.clone() });
                Whose::Key { id: *id, bindings }
            }
        };
        Ok(Self::of_state(snapshot, whose))
    }

    /// One binding less.
    pub(crate) async fn unbind(binding: &Binding, store: &OpenStore) -> Result<Self, Failure> {
        let mut snapshot = store.snapshot().await?;
        let whose = match &binding.subject {
            Subject::Group(group) => {
                snapshot.group_bindings.entry(group.clone()).or_default().retain(|other| other.id != binding.id);
                Whose::Members(group.clone())
            }
            Subject::Key(id) => {
                let mut bindings = store.key_by_id(*id).await?.bindings;
                bindings.retain(|other| other.id != binding.id);
                Whose::Key { id: *id, bindings }
            }
        };
        Ok(Self::of_state(snapshot, whose))
    }

    /// A space that is as `after` says: under another one, with other labels.
    pub(crate) fn update_space(after: Space, mut snapshot: Snapshot) -> Result<Self, Failure> {
        let id = after.id.clone();
        let moved = snapshot.spaces.find(&id).is_some_and(|before| before.parent != after.parent).then(|| id.clone());
        let others = snapshot.spaces.iter().filter(|space| space.id != id).cloned();
        snapshot.spaces = SpaceTree::from_rows(others.chain([after])).map_err(Failure::refused)?;
        Ok(Self { moved, ..Self::of_state(snapshot, Whose::Everybody) })
    }

    /// No such space; `None` if the store is going to refuse that.
    pub(crate) fn delete_space(id: &SpaceId, mut snapshot: Snapshot) -> Option<Self> {
        let others = snapshot.spaces.iter().filter(|space| space.id != *id).cloned();
        snapshot.spaces = SpaceTree::from_rows(others).ok()?;
        Some(Self::of_state(snapshot, Whose::Everybody))
    }

    /// No such role: what policies give of it does not count any more.
    pub(crate) fn delete_role(id: &RoleId, mut snapshot: Snapshot) -> Self {
        snapshot.roles.remove(id);
        Self::of_state(snapshot, Whose::Everybody)
    }

    fn of_state(snapshot: Snapshot, whose: Whose) -> Self {
        Self { what: WhatIf::State(Box::new(snapshot)), whose, moved: None }
    }

    pub(super) fn what(&self) -> &WhatIf {
        &self.what
    }

    /// The one key that it is about.
    pub(super) fn only(&self) -> Option<KeyId> {
        match &self.whose {
            Whose::Key { id, .. } => Some(*id),
            Whose::Everybody | Whose::Members(_) | Whose::Planned(_) => None,
        }
    }

    /// Whether this key's answers can be different.
    pub(super) fn concerns(&self, key: &KeyRecord) -> bool {
        match &self.whose {
            Whose::Everybody | Whose::Planned(_) => true,
            Whose::Members(group) => key.groups.contains(group),
            Whose::Key { id, .. } => key.id == *id,
        }
    }

    /// Whether requests that are kept say more than the keys do.
    pub(super) fn concerns_samples(&self) -> bool {
        match &self.whose {
            Whose::Everybody | Whose::Members(_) | Whose::Planned(_) => true,
            Whose::Key { .. } => false,
        }
    }

    /// The key as it would be.
    pub(super) fn key_after<'a>(&self, key: &'a KeyRecord) -> Cow<'a, KeyRecord> {
        match &self.whose {
            Whose::Key { bindings, .. } => Cow::Owned(KeyRecord { bindings: bindings.clone(), ..key.clone() }),
            Whose::Planned(outcome) => Cow::Owned(outcome.key(key)),
            Whose::Everybody | Whose::Members(_) => Cow::Borrowed(key),
        }
    }

    /// Adds the roles that are held in the moved space and below because of what is bound above it.
    pub(super) fn take_in_inheritance(
        &self,
        difference: &mut Difference,
        was: &Explanation,
        would: &Explanation,
        before: &Snapshot,
        after: &Snapshot,
    ) {
        let Some(moved) = &self.moved else { return };
        let (had, has) = (inherited(was, moved, &before.spaces), inherited(would, moved, &after.spaces));
        difference.gained.extend(has.difference(&had).cloned());
        difference.lost.extend(had.difference(&has).cloned());
    }
}

/// The roles in force in a space.
fn inherited(explanation: &Explanation, space: &SpaceId, spaces: &SpaceTree) -> BTreeSet<Held> {
    let grants = explanation.decision.iter().filter(|_| explanation.outcome.is_ok()).flat_map(|decision| decision.grants.iter());
    let above = grants.filter(|grant| spaces.is_within(space, &grant.space));
    above.map(|grant| Held { space: space.clone(), role: grant.role.clone() }).collect()
}
