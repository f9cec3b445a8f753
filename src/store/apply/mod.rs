//! The rules of every change: what is refused, what is written, whom it touches, what the audit keeps.
//!
//! All of it happens inside one transaction that holds the writer's lock from its first read, so two processes that each take away
//! a different one of the last two root admins cannot both succeed. A refusal leaves nothing behind: the caller rolls back.

mod bindings;
mod groups;
mod keys;
mod policies;
mod roles;
mod spaces;
mod texts;

use jiff::Timestamp;
use serde_json::Value;

use super::sqlite::{AuditedChange, Tables};
use super::{StoreError, rows};
use crate::model::{Actor, Change, KeyId, Mutation, Reach};

/// How many changes the feed holds. A follower that is further behind reads everything anew.
pub(super) const CHANGES_KEPT: u64 = 10_000;

/// What a mutation has done to its rows.
struct Effect {
    /// A key's id, a space's slug, …
    resource: String,
    before: Option<Value>,
    after: Option<Value>,
    touches: Touches,
}

/// Whose cached credentials it can touch.
enum Touches {
    Key(KeyId),
    All,
}

/// Checks and makes the change within the transaction that `tables` stands in.
pub(super) async fn apply(tables: &mut Tables<'_>, mutation: Mutation, by: &Actor, at: Timestamp) -> Result<Change, StoreError> {
    let at = rows::storable(at);
    let action = mutation.action();
    texts::check(&mutation)?;
    let had_root_admin = tables.has_working_root_admin().await?;

    let effect = write(tables, mutation, at).await?;

    // Asked of the outcome and of every mutation alike, so that no kind of change can be forgotten.
    if had_root_admin && !tables.has_working_root_admin().await? {
        return Err(StoreError::Conflict("that would leave no root admin key that works and does not expire".to_owned()));
    }
    let reach = match effect.touches {
        Touches::Key(id) => Reach::Key(id, tables.digests(id).await?),
        Touches::All => Reach::All,
    };
    let change = Change { revision: tables.take_revision().await?, at, reach };
    tables.insert_change(&change, CHANGES_KEPT).await?;
    let entry = AuditedChange {
        actor: by.label(),
        action,
        resource: &effect.resource,
        before: effect.before.map(|value| value.to_string()),
        after: effect.after.map(|value| value.to_string()),
    };
    tables.insert_audit(change.revision, at, entry).await?;
    Ok(change)
}

async fn write(tables: &mut Tables<'_>, mutation: Mutation, at: Timestamp) -> Result<Effect, StoreError> {
    match mutation {
        Mutation::Bootstrap(new) => keys::bootstrap(tables, new, at).await,
        Mutation::CreateKey(new) | Mutation::ImportKey(new) => keys::create(tables, new, at).await,
        Mutation::UpdateKey { id, name, description, groups, expiry } => keys::update(tables, id, name, description, groups, expiry).await,
        Mutation::RotateKey { id, digest, old_ends_at } => keys::rotate(tables, id, digest, old_ends_at, at).await,
        Mutation::DisableKey { id } => keys::disable(tables, id, at).await,
        Mutation::EnableKey { id } => keys::enable(tables, id).await,
        Mutation::RevokeKey { id } => keys::revoke(tables, id, at).await,
        Mutation::CreateSpace(space) => spaces::create(tables, space).await,
        Mutation::UpdateSpace { id, name, description, labels, parent } => {
            spaces::update(tables, id, name, description, labels, parent).await
        }
        Mutation::DeleteSpace { id } => spaces::delete(tables, id).await,
        Mutation::CreateRole { id, name, description, actions } => roles::create(tables, id, name, description, actions).await,
        Mutation::UpdateRole { id, name, description, actions } => roles::update(tables, id, name, description, actions).await,
        Mutation::DeleteRole { id } => roles::delete(tables, id).await,
        Mutation::CreateGroup { name, description } => groups::create(tables, name, description).await,
        Mutation::UpdateGroup { name, description } => groups::update(tables, name, description).await,
        Mutation::DeleteGroup { name } => groups::delete(tables, name).await,
        Mutation::CreateBinding { id, subject, role, space } => bindings::create(tables, id, subject, role, space, at).await,
        Mutation::DeleteBinding { id } => bindings::delete(tables, id).await,
        Mutation::CreatePolicy(policy) => policies::create(tables, policy).await,
        Mutation::UpdatePolicy { name, source, rego } => policies::update(tables, name, source, rego).await,
        Mutation::DeletePolicy { name } => policies::delete(tables, name).await,
        Mutation::SetStrategy(strategy) => policies::set_strategy(tables, strategy).await,
    }
}

impl Effect {
    /// A change that everybody may feel.
    fn of_all(resource: impl Into<String>, before: Option<Value>, after: Option<Value>) -> Self {
        Self { resource: resource.into(), before, after, touches: Touches::All }
    }
}

fn conflict<T>(sentence: String) -> Result<T, StoreError> {
    Err(StoreError::Conflict(sentence))
}

fn missing(what: &str, id: impl std::fmt::Display) -> StoreError {
    StoreError::NotFound(format!("{what} {id}"))
}

/// As the audit keeps it.
fn value<T: serde::Serialize>(of: &T) -> Value {
    serde_json::to_value(of).expect("the model's nouns can be written as JSON")
}

/// `1 binding`, `2 bindings`.
fn counted(count: u64, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}

/// Sorted, each once.
fn set<T: Ord>(mut items: Vec<T>) -> Vec<T> {
    items.sort_unstable();
    items.dedup();
    items
}
