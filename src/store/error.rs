//! What can go wrong with a store, by kind: nobody has to read a sentence to know what happened.

use crate::model::{BindingId, GroupName, KEY_PREFIX, KeyId, KeyName, Resource, Revision, RoleId, SpaceId};

/// What stands before a key's id where keys are told apart as actors: in tokens, in the audit, and in what policies are asked with.
pub(super) const ACTOR_PREFIX: &str = "api::";

/// What can go wrong with a store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// What the mutation is about, or refers to, does not exist.
    #[error("there is no {0}")]
    NotFound(Resource),
    /// The mutation does not fit what is there.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The condition that the caller has set does not hold; nothing has been looked at beyond that.
    #[error(transparent)]
    Precondition(#[from] Unmet),
    /// Whoever has the store refuses it, for a reason that is told and not known here.
    #[error("{sentence}")]
    Elsewhere {
        /// For programs.
        code: Box<str>,
        /// For people.
        sentence: String,
    },
    /// The store does not answer, or answers with nonsense.
    #[error("the store cannot be used: {0}")]
    Unavailable(String),
}

/// Why none of several changes was made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct BatchError {
    /// Which of them it is about, counted from 0; `None`: what they all come to, or the store.
    pub index: Option<usize>,
    /// What is wrong with it.
    pub error: StoreError,
}

impl BatchError {
    /// Of one of them. A store that cannot be used is no fault of whichever came upon it.
    pub(super) fn of(index: usize, error: impl Into<StoreError>) -> Self {
        match error.into() {
            error @ (StoreError::NotFound(_) | StoreError::Conflict(_) | StoreError::Precondition(_) | StoreError::Elsewhere { .. }) => {
                Self { index: Some(index), error }
            }
            error @ StoreError::Unavailable(_) => error.into(),
        }
    }
}

impl From<StoreError> for BatchError {
    fn from(error: StoreError) -> Self {
        Self { index: None, error }
    }
}

/// What must hold, or the change is not made: checked within its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// What the mutation is about was last changed by this revision: it is as the caller has seen it.
    ResourceAt(Revision),
    /// Nothing whatever has changed since this revision.
    StoreAt(Revision),
}

/// A condition that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unmet {
    /// It has been changed.
    #[error("{resource} has been changed: it is as revision {at} has left it, not as {wanted} has")]
    Changed { resource: Resource, wanted: Revision, at: Revision },
    /// It is not there, as it never was or has been deleted.
    #[error("{0} is not there, so it cannot be as it was")]
    Absent(Resource),
    /// The store has gone on.
    #[error("the store has been changed: it is at revision {at}, not at {wanted}")]
    StoreChanged { wanted: Revision, at: Revision },
}

/// Why a mutation does not fit what is there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// What is to be made is there.
    #[error("{0} exists already")]
    Exists(Resource),
    /// The first key can only be made while there has never been one.
    #[error("there has been a key before: the first key is made only once")]
    NotTheFirstKey,
    /// Another key, which is not revoked, has the name.
    #[error("the name {name} is taken by key {by}")]
    NameTaken { name: KeyName, by: KeyId },
    /// The digest is known. It is not said of which key.
    #[error("a key has or had this secret already")]
    SecretTaken,
    /// A revoked key stays as it is.
    #[error("key {0} is revoked, and that is final")]
    KeyRevoked(KeyId),
    /// The subject holds the role in the space.
    #[error("binding {0} says the same already")]
    SameBinding(BindingId),
    /// A group that is bound or has members.
    #[error("group {name} cannot be deleted: it has {} and {}", counted(*bindings, "binding"), counted(*members, "member"))]
    GroupInUse { name: GroupName, bindings: u64, members: u64 },
    /// A role that is bound.
    #[error("role {id} cannot be deleted: {} of it", counted(*bindings, "binding"))]
    RoleInUse { id: RoleId, bindings: u64 },
    /// A role of the system.
    #[error("role {0} belongs to the system: it can be neither changed nor deleted")]
    SystemRole(RoleId),
    /// A role that says nothing of a space.
    #[error("role {0} is bound on root alone: a sidecar follows the whole store")]
    RoleOfRoot(RoleId),
    /// A space with spaces below it or bindings in it.
    #[error("space {id} cannot be deleted: {} directly below it and {} in it", counted(*children, "space"), counted(*bindings, "binding"))]
    SpaceInUse { id: SpaceId, children: u64, bindings: u64 },
    /// A space without a parent.
    #[error("space {0} needs a space to stand under: only root has none")]
    SpaceWithoutParent(SpaceId),
    /// A space under itself.
    #[error("space {id} cannot stand under {parent}, which is itself or stands below it")]
    SpaceUnderItself { id: SpaceId, parent: SpaceId },
    /// The root's place and name are given.
    #[error("the root space can be neither renamed nor moved")]
    RootSpaceFixed,
    /// The root stays.
    #[error("the root space cannot be deleted")]
    RootSpaceKept,
    /// What is to be put back is a copy of another store.
    #[error("it is a copy of another store: all {changes} changes that were made here would be undone")]
    OtherStore { changes: Revision },
    /// What is to be put back is older than the store.
    #[error("{} since that copy was made (revision {since}) would be undone", counted(*changes, "change"))]
    WouldUndo { since: Revision, changes: u64 },
    /// What is to become a copy is a store already.
    #[error("there is something in it already, and nothing is written over")]
    NotEmpty,
    /// Nobody could manage the store any more.
    #[error("that would leave no root admin key that works and does not expire")]
    LastRootAdmin,
    /// The text of a key where everybody would see it; the words say where.
    #[error("there is the text of a key in {0}, which is secret: it would be shown to everybody who may look")]
    KeyTextIn(&'static str),
    /// A key's name that looks like something else.
    #[error("{}", reserved(*.0))]
    NameReserved(Likeness),
}

/// What a key's name could be taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Likeness {
    /// The text of a key.
    KeyText,
    /// A key as an actor.
    Actor,
    /// The id of a key.
    Id,
}

fn reserved(likeness: Likeness) -> String {
    match likeness {
        Likeness::KeyText => format!("a key's name may not begin with {KEY_PREFIX}: it would look like the text of a key"),
        Likeness::Actor => {
            format!("a key's name may not begin with {ACTOR_PREFIX}: a policy could take it for the actor that another key is")
        }
        Likeness::Id => "a key's name may not be a ULID: it could be taken for the id of another key".to_owned(),
    }
}

/// `1 binding`, `2 bindings`.
fn counted(count: u64, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}
