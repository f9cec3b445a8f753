//! The rules of every change: what is refused, what is written, whom it touches, what the audit keeps.
//!
//! All of it happens inside one transaction that takes the writer's lock before it reads anything, so two processes that each take away
//! a different one of the last two root admins cannot both succeed. A refusal leaves nothing behind: the caller rolls back. Several changes
//! can be made together; each is one like any other, and only the last root admin is asked for once, of what they all come to.

mod audit;
mod bindings;
mod effect;
mod existing;
mod groups;
mod keys;
mod managed;
mod notes;
mod policies;
mod roles;
mod rows;
mod spaces;
mod texts;

use std::time::Duration;

use jiff::Timestamp;

pub(super) use self::audit::{Audited, append, tell};
use self::effect::{Effect, Touches};
pub(super) use self::keys::audited as audited_key;
pub(super) use self::notes::{note, tend};
pub(super) use self::rows::{
    Attempt, AuditRows, BindingRows, HeldBack, KeyRows, ManagedRows, OnceRows, PolicyRows, RoleRows, Rows, SpaceRows,
};
pub(super) use self::texts::check as check_texts;
use super::error::{BatchError, Conflict, Precondition, StoreError, Unmet};
use super::stored;
use crate::clock::{Clock, earlier};
use crate::model::{Cause, Change, DoneOnce, Mutation, Reach, Resource, Revision};

/// How many changes the feed holds. A follower that is further behind reads everything anew.
pub(super) const CHANGES_KEPT: u64 = 10_000;

/// How long a request is known by its name.
const REMEMBERED_FOR: Duration = Duration::from_hours(24);

/// Checks and makes the changes within the transaction that `rows` stand in, and notes what is declared: all of it, or the caller rolls back.
pub(super) async fn apply_all(
    rows: &mut dyn Rows,
    mutations: Vec<Mutation>,
    declared: &[Resource],
    cause: &Cause,
    only_if: Option<Precondition>,
    clock: &dyn Clock,
) -> Result<Vec<Change>, BatchError> {
    for (index, mutation) in mutations.iter().enumerate() {
        check_texts(mutation).map_err(|conflict| BatchError::of(index, conflict))?;
    }
    let last = rows.lock().await?;
    // Read under the lock, so that later revisions have later times as far as the clock allows.
    let at = stored::storable(clock.now().wall);
    if mutations.is_empty() {
        check(rows, &Resource::Strategy, only_if, last).await?;
    }
    for (index, mutation) in mutations.iter().enumerate() {
        check(rows, &mutation.resource(), only_if, last).await.map_err(|error| match only_if {
            Some(Precondition::ResourceAt(_)) => BatchError::of(index, error),
            Some(Precondition::StoreAt(_)) | None => error.into(),
        })?;
    }
    let about = mutations.last().map(|mutation| mutation.resource().id());
    let had_root_admin = rows.has_working_root_admin().await?;

    let mut changes = Vec::with_capacity(mutations.len());
    for (index, mutation) in mutations.into_iter().enumerate() {
        changes.push(make(rows, mutation, cause, at).await.map_err(|error| BatchError::of(index, error))?);
    }

    // Asked of the outcome and of every mutation alike, so that no kind of change can be forgotten. Between two changes of one batch nobody
    // is locked out, since nobody sees what is between them.
    if had_root_admin && !rows.has_working_root_admin().await? {
        return Err(StoreError::from(Conflict::LastRootAdmin).into());
    }
    managed::claim(rows, declared).await?;
    if let (Some(once), Some((change, resource))) = (&cause.once, changes.last().zip(about)) {
        let done = DoneOnce { fingerprint: once.fingerprint, revision: change.revision, resource, at };
        rows.insert_once(&cause.actor.label(), once, &done, earlier(at, REMEMBERED_FOR)).await?;
    }
    Ok(changes)
}

/// One of them.
async fn make(rows: &mut dyn Rows, mutation: Mutation, cause: &Cause, at: Timestamp) -> Result<Change, StoreError> {
    let (action, resource) = (mutation.action(), mutation.resource());
    let revision = rows.take_revision().await?;
    let taken_away = mutation.takes_away().then(|| mutation.resource());
    let effect = write(rows, mutation, at).await?;
    if let Some(resource) = taken_away {
        rows.delete_managed(&resource).await?;
    }
    let reach = match &effect.touches {
        Touches::Key(id) => {
            let id = *id;
            rows.touch_key(id).await?;
            Reach::Key(id, rows.digests(id).await?)
        }
        Touches::All => Reach::All,
    };
    let change = Change { revision, at, reach };
    rows.insert_change(&change, CHANGES_KEPT).await?;
    let Effect { before, after, touches: _, spaces } = effect;
    let told = Audited { revision: Some(revision), action, resource: resource.id(), before, after, refused: None, spaces };
    tell(rows, told, cause, at).await?;
    Ok(change)
}

/// Before any rule: whoever sets a condition wants to hear of it first.
async fn check(rows: &mut dyn Rows, about: &Resource, only_if: Option<Precondition>, last: Revision) -> Result<(), StoreError> {
    let unmet = match only_if {
        None => return Ok(()),
        Some(Precondition::StoreAt(wanted)) if wanted == last => return Ok(()),
        Some(Precondition::StoreAt(wanted)) => Unmet::StoreChanged { wanted, at: last },
        Some(Precondition::ResourceAt(wanted)) => match rows.revision_of(about).await? {
            Some(at) if at == wanted => return Ok(()),
            Some(at) => Unmet::Changed { resource: about.clone(), wanted, at },
            None => Unmet::Absent(about.clone()),
        },
    };
    Err(unmet.into())
}

async fn write(rows: &mut dyn Rows, mutation: Mutation, at: Timestamp) -> Result<Effect, StoreError> {
    match mutation {
        Mutation::Bootstrap(new) => keys::bootstrap(rows, new, at).await,
        Mutation::CreateKey(new) | Mutation::ImportKey(new) => keys::create(rows, new, at).await,
        Mutation::UpdateKey { id, name, description, groups, expiry } => keys::update(rows, id, name, description, groups, expiry).await,
        Mutation::RotateKey { id, digest, old_ends_at } => keys::rotate(rows, id, digest, old_ends_at, at).await,
        Mutation::DisableKey { id } => keys::disable(rows, id, at).await,
        Mutation::EnableKey { id } => keys::enable(rows, id).await,
        Mutation::RevokeKey { id } => keys::revoke(rows, id, at).await,
        Mutation::CreateSpace(space) => spaces::create(rows, space).await,
        Mutation::UpdateSpace { id, name, description, labels, parent } => {
            spaces::update(rows, id, name, description, labels, parent).await
        }
        Mutation::DeleteSpace { id } => spaces::delete(rows, id).await,
        Mutation::CreateRole { id, name, description, actions } => roles::create(rows, id, name, description, actions).await,
        Mutation::UpdateRole { id, name, description, actions } => roles::update(rows, id, name, description, actions).await,
        Mutation::DeleteRole { id } => roles::delete(rows, id).await,
        Mutation::CreateGroup { name, description } => groups::create(rows, name, description).await,
        Mutation::UpdateGroup { name, description } => groups::update(rows, name, description).await,
        Mutation::DeleteGroup { name } => groups::delete(rows, name).await,
        Mutation::CreateBinding { id, subject, role, space } => bindings::create(rows, id, subject, role, space, at).await,
        Mutation::DeleteBinding { id } => bindings::delete(rows, id).await,
        Mutation::CreatePolicy(policy) => policies::create(rows, policy).await,
        Mutation::UpdatePolicy { name, source, rego } => policies::update(rows, name, source, rego).await,
        Mutation::DeletePolicy { name } => policies::delete(rows, name).await,
        Mutation::SetStrategy(strategy) => policies::set_strategy(rows, strategy).await,
    }
}
