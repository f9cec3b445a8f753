//! Who does not manage keys must lock no key out: a token that is too large is refused everywhere.
//!
//! A binding of a group makes the tokens of all its members larger, and there may be very many. They are looked at before it is the caller's
//! turn to change anything, so that one caller holds nobody up; what has become of single keys since then is looked at in the turn.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::caller::Caller;
use super::declared::Outcome;
use super::error::ControlError;
use super::manager::{Control, Serving};
use super::standing::Standing;
use crate::exchange;
use crate::model::{Changes, GroupName, KeyId, KeyRecord, Mutation, Reach, Revision, Snapshot, Subject};

/// Of how many members of a group it is looked at whether a binding would lock them out.
const MEMBERS_LOOKED_AT: usize = 10_000;
const PAGE: u32 = 500;
/// Of how many keys, in the turn, it is looked at what has become of them since.
const KEYS_LOOKED_AT_AGAIN: usize = 100;

/// What was found of the members of groups, as of a revision.
#[derive(Clone, Copy)]
pub(super) struct Weighed {
    at: Revision,
    /// The first who would be locked out, after whom nobody was looked at.
    would_lose: Option<KeyId>,
}

/// Whether changes may be made.
#[derive(Clone, Copy)]
pub(super) enum Lockout {
    /// They lock nobody out.
    Nobody,
    /// Too much has changed since it was looked at.
    Unknown,
}

impl Control {
    /// Looks at the members of the groups that are to be bound. `None`: there are none, or whoever asks manages keys, or nothing at all.
    pub(super) async fn members_weighed(&self, caller: &Caller, mutations: &[Mutation]) -> Result<Option<Weighed>, ControlError> {
        let groups: BTreeSet<&GroupName> = mutations.iter().filter_map(bound_group).collect();
        let Some(serving) = self.serving.as_ref().filter(|_| !groups.is_empty()) else { return Ok(None) };
        let standing = self.standing(caller).await?;
        if standing.is_root_admin() || standing.administers().next().is_none() {
            return Ok(None);
        }
        let before = standing.snapshot();
        let Some(after) = Outcome::of(mutations, before, self.now()) else { return Ok(None) };
        let mut would_lose = None;
        for group in groups {
            let (mut last, mut looked_at) = (None, 0);
            while would_lose.is_none() && looked_at < MEMBERS_LOOKED_AT {
                let page = self.store.members(group, last, PAGE).await?;
                let Some(end) = page.last() else { break };
                (last, looked_at) = (Some(end.id), looked_at + page.len());
                would_lose = page.iter().find(|key| self.fits(serving, before, &after, key).is_err()).map(|key| key.id);
                // Others are served by the same threads.
                tokio::task::yield_now().await;
            }
        }
        Ok(Some(Weighed { at: before.revision, would_lose }))
    }

    /// Whether the changes, together, lock somebody out at the moment of this standing.
    pub(super) async fn locks_nobody_out(
        &self,
        mutations: &[Mutation],
        standing: &Standing,
        weighed: Option<Weighed>,
    ) -> Result<Lockout, ControlError> {
        let Some(serving) = self.serving.as_ref().filter(|_| !standing.is_root_admin()) else { return Ok(Lockout::Nobody) };
        let mut keys: BTreeSet<KeyId> = mutations.iter().filter_map(bound_key).collect();
        let before = standing.snapshot();
        if mutations.iter().any(|mutation| bound_group(mutation).is_some()) {
            let Some(Weighed { at, would_lose }) = weighed else { return Ok(Lockout::Unknown) };
            let Some(changed) = self.keys_changed_since(at, before.revision).await? else { return Ok(Lockout::Unknown) };
            keys.extend(changed.into_iter().chain(would_lose));
        }
        if keys.is_empty() {
            return Ok(Lockout::Nobody);
        }
        // No tree of spaces: the store is going to refuse it.
        let Some(after) = Outcome::of(mutations, before, self.now()) else { return Ok(Lockout::Nobody) };
        for id in keys {
            if let Some(key) = self.store.key(id).await?.filter(|key| key.revoked_at.is_none()) {
                self.fits(serving, before, &after, &key)?;
            }
        }
        // Whoever would have been locked out is not any more, and those behind them were not looked at.
        Ok(if weighed.is_some_and(|weighed| weighed.would_lose.is_some()) { Lockout::Unknown } else { Lockout::Nobody })
    }

    /// The keys that have changed; `None`: too many, or something else has.
    async fn keys_changed_since(&self, since: Revision, now: Revision) -> Result<Option<BTreeSet<KeyId>>, ControlError> {
        if since == now {
            return Ok(Some(BTreeSet::new()));
        }
        let Changes::Since(changes) = self.store.changes_after(since).await? else { return Ok(None) };
        let key = |reach: Reach| match reach {
            Reach::Key(id, _) => Some(id),
            Reach::All => None,
        };
        let keys: Option<BTreeSet<KeyId>> = changes.into_iter().map(|change| key(change.reach)).collect();
        Ok(keys.filter(|keys| keys.len() <= KEYS_LOOKED_AT_AGAIN))
    }

    /// Whether a key that had a token has one still.
    fn fits(&self, serving: &Serving, before: &Snapshot, after: &Outcome, key: &KeyRecord) -> Result<(), ControlError> {
        let settings = Arc::clone(&*serving.settings.now());
        let size = |snapshot: &Snapshot, key: &KeyRecord| exchange::oversize(&settings.token, snapshot, key, self.now());
        match size(&after.snapshot, &after.key(key)) {
            Some(large) if size(before, key).is_none() => Err(ControlError::TokenTooLarge { key: key.name.clone(), size: large }),
            Some(_) | None => Ok(()),
        }
    }
}

fn bound_group(mutation: &Mutation) -> Option<&GroupName> {
    if let Mutation::CreateBinding { subject: Subject::Group(group), .. } = mutation { Some(group) } else { None }
}

fn bound_key(mutation: &Mutation) -> Option<KeyId> {
    if let Mutation::CreateBinding { subject: Subject::Key(key), .. } = mutation { Some(*key) } else { None }
}
