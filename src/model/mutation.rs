//! The only ways to change anything, and what a change leaves behind.

use std::net::IpAddr;

use jiff::Timestamp;

use super::action::ActionPattern;
use super::api_key::KeyDigest;
use super::binding::Subject;
use super::id::{BindingId, GroupName, KeyId, KeyName, OperatorName, PolicyName, Revision, RoleId, SpaceId};
use super::once::Once;
use super::policy::{LoginPolicy, RegoVersion, Strategy};
use super::space::Space;

/// A key to be made or imported. Ids and digests are the caller's to draw: a mutation has no randomness of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewKey {
    /// Its id.
    pub id: KeyId,
    /// Its name; must be free.
    pub name: KeyName,
    /// What it is for.
    pub description: String,
    /// Groups; those that do not exist yet come into being.
    pub groups: Vec<GroupName>,
    /// When it stops working by itself.
    pub expires_at: Option<Timestamp>,
    /// SHA-256 of the text that will be presented.
    pub digest: KeyDigest,
    /// Roles bound from the start, each with the id that its binding gets.
    pub bindings: Vec<(BindingId, RoleId, SpaceId)>,
}

/// A new expiry, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// The key stops working at this time.
    At(Timestamp),
    /// The key works until somebody ends it.
    Never,
}

/// One change, all or nothing. In an update, `None` leaves a field as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// Makes the first key, a root admin; refused unless the store has never had a key.
    Bootstrap(NewKey),
    /// Makes a key.
    CreateKey(NewKey),
    /// Takes over a key of another system by its SHA-256.
    ImportKey(NewKey),
    /// Changes what a key is called, which groups it is in, when it ends.
    UpdateKey { id: KeyId, name: Option<KeyName>, description: Option<String>, groups: Option<Vec<GroupName>>, expiry: Option<Expiry> },
    /// Gives a key a new secret; the one before it works until `old_ends_at`, any older ones end now.
    RotateKey { id: KeyId, digest: KeyDigest, old_ends_at: Timestamp },
    /// Switches a key off.
    DisableKey { id: KeyId },
    /// Switches it on again.
    EnableKey { id: KeyId },
    /// Takes a key back for good.
    RevokeKey { id: KeyId },
    /// Makes a space.
    CreateSpace(Space),
    /// Renames, relabels, moves.
    UpdateSpace { id: SpaceId, name: Option<String>, description: Option<String>, labels: Option<Vec<String>>, parent: Option<SpaceId> },
    /// Refused while it has a child or a binding.
    DeleteSpace { id: SpaceId },
    /// Makes a role.
    CreateRole { id: RoleId, name: String, description: String, actions: Vec<ActionPattern> },
    /// Not for system roles.
    UpdateRole { id: RoleId, name: Option<String>, description: Option<String>, actions: Option<Vec<ActionPattern>> },
    /// Not for system roles; refused while it is bound.
    DeleteRole { id: RoleId },
    /// Describes a group before anything refers to it.
    CreateGroup { name: GroupName, description: String },
    /// Changes a group's description.
    UpdateGroup { name: GroupName, description: String },
    /// Refused while it is bound or a key that is not revoked is a member of it.
    DeleteGroup { name: GroupName },
    /// Binds. A group that does not exist yet comes into being.
    CreateBinding { id: BindingId, subject: Subject, role: RoleId, space: SpaceId },
    /// Unbinds.
    DeleteBinding { id: BindingId },
    /// Adds a login policy; the caller has checked that it loads.
    CreatePolicy(LoginPolicy),
    /// Replaces a login policy's text.
    UpdatePolicy { name: PolicyName, source: Box<str>, rego: Option<RegoVersion> },
    /// Takes a login policy out of force.
    DeletePolicy { name: PolicyName },
    /// Says which sources of roles count.
    SetStrategy(Strategy),
}

/// Who asks for a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// Somebody with the store itself in their hands: the command line with `--store`.
    Operator(OperatorName),
    /// Claviger itself, at its first start.
    System,
    /// A key, through the admin API.
    Key(KeyId),
    /// Somebody without a key that works, at the admin API: tries, and changes nothing.
    Anonymous,
}

impl Actor {
    /// As the audit has it: `operator::<name>`, `system`, `api::<id>`, `anonymous`. What stands before the name keeps an operator from passing for
    /// another kind of actor.
    #[must_use]
    pub fn label(&self) -> String {
        match self {
            Self::Operator(name) => format!("operator::{name}"),
            Self::System => "system".to_owned(),
            Self::Key(id) => format!("api::{id}"),
            Self::Anonymous => "anonymous".to_owned(),
        }
    }
}

/// Why a change is made: what the audit keeps of whoever asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// Who.
    pub actor: Actor,
    /// From where, if they came over the network.
    pub remote_ip: Option<IpAddr>,
    /// In which request, if it was one.
    pub request_id: Option<Box<str>>,
    /// What the caller calls it, if it is to be made once.
    pub once: Option<Once>,
}

impl Cause {
    /// Nobody but Claviger itself.
    pub const SYSTEM: Self = Self { actor: Actor::System, remote_ip: None, request_id: None, once: None };

    /// Somebody at this machine.
    #[must_use]
    pub fn local(actor: Actor) -> Self {
        Self { actor, remote_ip: None, request_id: None, once: None }
    }
}

/// A change that has been committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its number.
    pub revision: Revision,
    /// When it was committed.
    pub at: Timestamp,
    /// Whose cached credentials it can touch.
    pub reach: Reach,
}

/// Whose cached credentials a change can touch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// One key's: every digest that it has or had.
    Key(KeyId, Vec<KeyDigest>),
    /// Everybody's: the snapshot has changed.
    All,
}

/// What the change feed has after a revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changes {
    /// Every change since, in order; may be empty.
    Since(Vec<Change>),
    /// The feed no longer goes back that far: everything may have changed.
    TooOld,
}
