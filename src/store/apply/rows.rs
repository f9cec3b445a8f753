//! What the rules of changes read and write: a method for each step, no rule in any. Each backend has one, on a transaction of its own.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::model::{
    AuditEntry, AuditId, Binding, BindingId, Change, DoneOnce, EntryHash, Group, GroupName, KeyDigest, KeyId, KeyName, KeyRecord,
    LoginPolicy, Once, PolicyName, Resource, Revision, Role, RoleId, Space, SpaceId, Strategy, Subject,
};
use crate::store::error::StoreError;

/// The rows of a store within one transaction.
#[async_trait]
pub(in crate::store) trait Rows:
    AuditRows + KeyRows + SpaceRows + RoleRows + BindingRows + PolicyRows + ManagedRows + OnceRows
{
    /// Takes the writer's lock, so that what is read from here on still holds when the change is written; the revision of the last change.
    /// Comes first: a lock that was taken at the end would let two transactions each take away one of the last two root admins.
    async fn lock(&mut self) -> Result<Revision, StoreError>;
    /// Takes the next revision, which stands in every row that is written until another one is taken.
    async fn take_revision(&mut self) -> Result<Revision, StoreError>;
    /// The revision that last changed this; `None`: it is not there.
    async fn revision_of(&mut self, resource: &Resource) -> Result<Option<Revision>, StoreError>;
    /// Puts a change into the feed and takes those out that are `kept` or more behind it.
    async fn insert_change(&mut self, change: &Change, kept: u64) -> Result<(), StoreError>;
}

/// The audit, and what bounds it.
#[async_trait]
pub(in crate::store) trait AuditRows: Send {
    /// The entry with the highest number.
    async fn last_entry(&mut self) -> Result<Option<(AuditId, EntryHash)>, StoreError>;
    /// The spaces are those whose people may want to know; each once.
    async fn insert_entry(&mut self, entry: &AuditEntry, spaces: &[SpaceId]) -> Result<(), StoreError>;
    /// Whether the audit tells that this actor has come from this address.
    async fn has_signed_in(&mut self, actor: &str, remote_ip: Option<&str>) -> Result<bool, StoreError>;
    /// How many entries later than this that are no change are this actor's.
    async fn note_count(&mut self, actor: &str, since: Timestamp) -> Result<u64, StoreError>;
    /// Whether one of them tells of this.
    async fn has_refused(&mut self, attempt: &Attempt<'_>, since: Timestamp) -> Result<bool, StoreError>;
    /// Counts an attempt that gets no entry.
    async fn hold_back(&mut self, actor: &str, at: Timestamp) -> Result<(), StoreError>;
    /// Takes out what was counted from this time or an earlier one on; some of it, if it is much.
    async fn take_held_back(&mut self, begun_by: Timestamp) -> Result<Vec<HeldBack>, StoreError>;
}

/// A refused attempt, as far as one is like another.
pub(in crate::store) struct Attempt<'a> {
    pub(in crate::store) actor: &'a str,
    pub(in crate::store) action: &'a str,
    pub(in crate::store) resource: &'a str,
    pub(in crate::store) code: &'a str,
}

/// Refused attempts of one actor that have no entries of their own.
pub(in crate::store) struct HeldBack {
    pub(in crate::store) actor: String,
    pub(in crate::store) since: Timestamp,
    pub(in crate::store) until: Timestamp,
    pub(in crate::store) attempts: u64,
}

/// Keys, their secrets, their memberships.
#[async_trait]
pub(in crate::store) trait KeyRows: Send {
    async fn key(&mut self, id: KeyId) -> Result<Option<KeyRecord>, StoreError>;
    async fn has_any_key(&mut self) -> Result<bool, StoreError>;
    /// The key with this name that is not revoked.
    async fn key_named(&mut self, name: &KeyName) -> Result<Option<KeyId>, StoreError>;
    /// Whether a key has or had this secret.
    async fn has_digest(&mut self, digest: &KeyDigest) -> Result<bool, StoreError>;
    /// Every digest that the key has or had, newest first.
    async fn digests(&mut self, id: KeyId) -> Result<Vec<KeyDigest>, StoreError>;
    /// The key's own row; its secrets, groups and bindings are separate.
    async fn insert_key(&mut self, key: &KeyRecord) -> Result<(), StoreError>;
    /// The key's own row; its secrets, groups and bindings are separate.
    async fn update_key(&mut self, key: &KeyRecord) -> Result<(), StoreError>;
    /// Something of the key has changed, though its own row may be as it was.
    async fn touch_key(&mut self, id: KeyId) -> Result<(), StoreError>;
    /// Adds a secret, from now on the key's current one.
    async fn insert_secret(&mut self, key: KeyId, digest: &KeyDigest, at: Timestamp) -> Result<(), StoreError>;
    /// The current secret ends at `current`, older ones that have not ended by then at `older`.
    async fn end_secrets(&mut self, key: KeyId, current: Timestamp, older: Timestamp) -> Result<(), StoreError>;
    /// Makes the key a member of these groups and no others; the groups come into being as needed.
    async fn set_groups(&mut self, key: KeyId, groups: &[GroupName]) -> Result<(), StoreError>;
    /// Whether a key that is active and never expires is a root admin, by a binding of its own or of a group.
    async fn has_working_root_admin(&mut self) -> Result<bool, StoreError>;
}

#[async_trait]
pub(in crate::store) trait SpaceRows: Send {
    async fn space(&mut self, id: &SpaceId) -> Result<Option<Space>, StoreError>;
    async fn insert_space(&mut self, space: &Space) -> Result<(), StoreError>;
    async fn update_space(&mut self, space: &Space) -> Result<(), StoreError>;
    async fn delete_space(&mut self, id: &SpaceId) -> Result<(), StoreError>;
    /// How many spaces stand directly under this one.
    async fn child_count(&mut self, id: &SpaceId) -> Result<u64, StoreError>;
    /// Whether `inner` is `outer` or stands below it.
    async fn is_within(&mut self, inner: &SpaceId, outer: &SpaceId) -> Result<bool, StoreError>;
}

/// Roles, and the groups that hold them.
#[async_trait]
pub(in crate::store) trait RoleRows: Send {
    async fn role(&mut self, id: &RoleId) -> Result<Option<Role>, StoreError>;
    async fn insert_role(&mut self, role: &Role) -> Result<(), StoreError>;
    async fn update_role(&mut self, role: &Role) -> Result<(), StoreError>;
    async fn delete_role(&mut self, id: &RoleId) -> Result<(), StoreError>;
    async fn group(&mut self, name: &GroupName) -> Result<Option<Group>, StoreError>;
    async fn insert_group(&mut self, group: &Group) -> Result<(), StoreError>;
    /// Makes the group unless it is there.
    async fn ensure_group(&mut self, name: &GroupName) -> Result<(), StoreError>;
    async fn update_group(&mut self, group: &Group) -> Result<(), StoreError>;
    /// Revoked keys that were members of the group are no longer.
    async fn delete_group(&mut self, name: &GroupName) -> Result<(), StoreError>;
    /// How many keys that are not revoked are members of the group.
    async fn member_count(&mut self, name: &GroupName) -> Result<u64, StoreError>;
}

#[async_trait]
pub(in crate::store) trait BindingRows: Send {
    async fn binding(&mut self, id: BindingId) -> Result<Option<Binding>, StoreError>;
    /// The binding of this subject, role and space.
    async fn binding_of(&mut self, subject: &Subject, role: &RoleId, space: &SpaceId) -> Result<Option<BindingId>, StoreError>;
    async fn insert_binding(&mut self, binding: &Binding) -> Result<(), StoreError>;
    async fn delete_binding(&mut self, id: BindingId) -> Result<(), StoreError>;
    async fn delete_bindings_of_key(&mut self, id: KeyId) -> Result<(), StoreError>;
    async fn binding_count_of_role(&mut self, id: &RoleId) -> Result<u64, StoreError>;
    async fn binding_count_in_space(&mut self, id: &SpaceId) -> Result<u64, StoreError>;
    async fn binding_count_of_group(&mut self, name: &GroupName) -> Result<u64, StoreError>;
}

/// Login policies, and the strategy that says whether they count.
#[async_trait]
pub(in crate::store) trait PolicyRows: Send {
    async fn policy(&mut self, name: &PolicyName) -> Result<Option<LoginPolicy>, StoreError>;
    async fn insert_policy(&mut self, policy: &LoginPolicy) -> Result<(), StoreError>;
    async fn update_policy(&mut self, policy: &LoginPolicy) -> Result<(), StoreError>;
    async fn delete_policy(&mut self, name: &PolicyName) -> Result<(), StoreError>;
    async fn strategy(&mut self) -> Result<Strategy, StoreError>;
    async fn set_strategy(&mut self, strategy: Strategy) -> Result<(), StoreError>;
}

/// What is declared in files, and the key that the store began with, which never is.
#[async_trait]
pub(in crate::store) trait ManagedRows: Send {
    /// Notes it; nothing happens if that is known.
    async fn insert_managed(&mut self, resource: &Resource) -> Result<(), StoreError>;
    async fn delete_managed(&mut self, resource: &Resource) -> Result<(), StoreError>;
    async fn delete_managed_bindings_of_key(&mut self, id: KeyId) -> Result<(), StoreError>;
    async fn note_first_key(&mut self, id: KeyId) -> Result<(), StoreError>;
    async fn is_first_key(&mut self, id: KeyId) -> Result<bool, StoreError>;
}

/// Requests that have a name, so that sending them again makes nothing twice.
#[async_trait]
pub(in crate::store) trait OnceRows: Send {
    /// Remembers that it was done, and forgets what was done before `forget`. Refused if the name is known.
    async fn insert_once(&mut self, actor: &str, once: &Once, done: &DoneOnce, forget: Timestamp) -> Result<(), StoreError>;
}
