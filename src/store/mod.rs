//! What is remembered, and the one way to change it.
//!
//! Every change goes through [`Management::apply`], or several of them together through [`Management::apply_all`]: it is checked, written, numbered, put into the feed and audited in one transaction, and on
//! the disk when `apply` returns. Keys are read one at a time and on demand, so that memory does not grow with their number; what is small
//! and shared by all of them comes as one [`Snapshot`].

mod apply;
mod error;
mod postgres;
mod sql;
mod sqlite;
mod stored;
mod verify;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

pub use self::error::{BatchError, Conflict, Likeness, Precondition, StoreError, Unmet};
use self::sql::SqlStore;
pub use self::verify::{AuditFault, RowFault, Verified, verify_audit};
use crate::clock::Clock;
use crate::config::StoreUrl;
use crate::model::{
    AuditEntry, AuditId, AuditNote, Binding, BindingId, Cause, Change, Changes, DoneOnce, EntryHash, GroupName, KeptSample, KeyDigest,
    KeyId, KeyName, KeyRecord, Mutation, ReplicaName, ReplicaReport, Replicas, Resource, Revision, RoleId, Sample, SampleId, Snapshot,
    SpaceId, Strategy,
};

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
    /// This stands in what [`Management::bindings`] looks in, letter by letter.
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

/// From which end the audit is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuditOrder {
    /// The newest entries that there are.
    #[default]
    NewestFirst,
    /// The oldest ones.
    OldestFirst,
}

/// A page of the audit: the entries for which all of this holds. A condition that is not set holds for every entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditQuery {
    /// Which come first, and so on which page.
    pub order: AuditOrder,
    /// Earlier than this one: the page before ended with it, if the newest come first.
    pub before: Option<AuditId>,
    /// Later than this one: the page before ended with it, if the oldest come first.
    pub newer_than: Option<AuditId>,
    /// A change, and one after this revision.
    pub changed_after: Option<Revision>,
    /// How many entries at most.
    pub limit: u32,
    /// Done by this actor, as [`Actor::label`](crate::model::Actor::label) has it.
    pub actor: Option<String>,
    /// `key.revoke`; or, if it ends with a full stop, whatever begins so: `key.`.
    pub action: Option<String>,
    /// About the thing that is called this: a key's id, a space's slug, … ([`Resource::id`]).
    pub resource: Option<String>,
    /// About this space, a binding in this very space, or a key that was bound in it before or after.
    pub space: Option<SpaceId>,
    /// At this time or later.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
    /// This text stands in the actor, the action or the resource; read letter by letter.
    pub query: Option<String>,
}

/// The last of the audit's entries that are not kept any more: the chain begins after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GivenUp {
    /// Its number.
    pub id: AuditId,
    /// Its hash.
    pub hash: EntryHash,
    /// The last change that it, or an entry before it, has told of.
    pub revision: Revision,
}

/// Who is told of the audit's entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Webhook {
    /// `None`: nobody.
    pub receiver: Option<Receiver>,
    /// The last entry that they have been told of, or were not to be told of.
    pub sent: AuditId,
}

/// Where somebody is told, and what they know us by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receiver {
    /// Their url.
    pub url: String,
    /// The file of the secret.
    pub secret_file: String,
}

/// Whether one is still the one who does something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// One is.
    Still,
    /// Another one has taken over.
    Lost,
}

/// A key that was looked up, and the last change that the store showed at that moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundKey {
    /// The key, its own bindings with it.
    pub key: KeyRecord,
    /// Read together with it: the key is as this change and all before it have left it.
    pub as_of: Revision,
}

/// How many entries that are no change an actor can make in an hour: whoever is refused again and again must not fill the disk.
pub const NOTES_AN_HOUR: u32 = 60;
/// For how long the same attempt of the same actor, refused for the same reason, is counted and not told again.
pub const SAME_ATTEMPT_WITHIN: Duration = Duration::from_mins(1);
/// How many samples a store keeps: the newest.
pub const SAMPLES_MAX: u32 = 100;
/// How long it keeps one.
pub const SAMPLES_KEPT_FOR: Duration = Duration::from_hours(7 * 24);

/// How long a replica that is not seen any more is remembered.
pub const REPLICAS_KEPT_FOR: Duration = Duration::from_hours(24);
/// How many replicas are remembered, those included that are not seen any more: a process that is started again and again fills no disk.
pub const REPLICAS_MAX: u32 = 10_000;

/// What everybody asks who works with a store, wherever it is.
#[async_trait]
pub trait Lookup: Send + Sync + 'static {
    /// The key with this secret, and as of which change: one consistent, indexed read. `None`: no key has or had it.
    ///
    /// The key comes in whatever state it is, and though the secret may have ended. A secret that was replaced more than once is not even
    /// among the key's any more ([`KeyRecord::secret`] is `None`): it has ended, too.
    async fn find_key(&self, digest: &KeyDigest) -> Result<Option<FoundKey>, StoreError>;
    /// Everything but the keys, as of one revision.
    async fn snapshot(&self) -> Result<Snapshot, StoreError>;
    /// Returns when something may have changed. Only a hint: callers look at the feed by a timer all the same.
    async fn woken(&self);
    /// The names of all keys that are not revoked, for remarks on what policies compare them with, and for nothing that decides. `None`:
    /// there are more than `most` keys, revoked ones included, or the source does not know them all.
    async fn key_names(&self, most: u32) -> Result<Option<Vec<String>>, StoreError>;
    /// Puts everything where it belongs for good, and gives up what is open: the end of whoever opened the store. Nothing can be read or
    /// changed afterwards.
    async fn close(&self);
}

/// What a data plane needs of a store; a sidecar has no more.
#[async_trait]
pub trait Source: Lookup {
    /// The changes after `seen`, in order.
    async fn changes_after(&self, seen: Revision) -> Result<Changes, StoreError>;
    /// The same, by what was committed when it was asked: whoever follows somebody else asks them, whatever they were told before.
    async fn changes_by_now(&self, seen: Revision) -> Result<Changes, StoreError> {
        self.changes_after(seen).await
    }
    /// When what [`changes_after`](Self::changes_after) has told last was all that there was, by the monotonic clock of whoever opened the
    /// store; `None`: whenever it is asked.
    fn confirmed_at(&self) -> Option<Duration> {
        None
    }
    /// Notes that secrets were presented with success at about these times. Not a change: no revision, no audit.
    async fn record_use(&self, uses: &[(KeyDigest, Timestamp)]) -> Result<(), StoreError>;
    /// Keeps samples, in this order, and gives up those that are too old or too many, though none is new. Not a change: no revision,
    /// nothing in the feed, no audit.
    async fn keep_samples(&self, samples: &[Sample]) -> Result<(), StoreError>;
    /// Says that this replica is there, and what it has applied. Not a change: no revision, nothing in the feed, no audit.
    async fn report_replica(&self, report: &ReplicaReport) -> Result<(), StoreError>;
    /// Says that it ends. Not a change either.
    async fn forget_replica(&self, name: &ReplicaName) -> Result<(), StoreError>;
}

/// What is looked at and changed by whoever manages, at this machine or elsewhere.
#[async_trait]
pub trait Management: Lookup {
    /// Who has been seen within [`REPLICAS_KEPT_FOR`], one consistent read. Those that were seen lately enough are live.
    async fn replicas(&self) -> Result<Replicas, StoreError>;
    /// Checks and makes a change: rows, revision, change, audit in one transaction, if the condition holds in it. Durable when it returns.
    ///
    /// A change that leaves everything as it was is a change all the same. Dropped half-way, it has happened or it has not, never in part;
    /// the feed knows.
    async fn apply(&self, mutation: Mutation, cause: &Cause, only_if: Option<Precondition>) -> Result<Change, StoreError> {
        let mut changes = self.apply_all(vec![mutation], cause, only_if).await.map_err(|refused| refused.error)?;
        Ok(changes.pop().expect("a mutation that is made is a change"))
    }
    /// Makes several changes in one transaction: all of them or none. Each takes a revision and stands in the feed and in the audit; nobody
    /// ever sees a state between them, so whether a root admin is left is asked of what they all come to. The condition is looked at before
    /// the first is made: of every resource as it was, if it is about resources.
    async fn apply_all(&self, mutations: Vec<Mutation>, cause: &Cause, only_if: Option<Precondition>) -> Result<Vec<Change>, BatchError> {
        self.apply_declared(mutations, &[], cause, only_if).await
    }
    /// The same, and remembers that these things are declared in files, which is no change: no revision, nothing in the feed, no audit. It
    /// is forgotten when the thing is gone. What is not there, belongs to the system, or is the key that the store began with is passed over.
    async fn apply_declared(
        &self,
        mutations: Vec<Mutation>,
        declared: &[Resource],
        cause: &Cause,
        only_if: Option<Precondition>,
    ) -> Result<Vec<Change>, BatchError>;
    /// Whether several changes would be made, by making them and taking them back: nobody sees anything of it.
    async fn rehearse(&self, mutations: Vec<Mutation>, only_if: Option<Precondition>) -> Result<(), BatchError>;
    /// What is declared in files, as far as it is there.
    async fn managed(&self) -> Result<BTreeSet<Resource>, StoreError>;
    /// The samples that are not too old, newest first.
    async fn samples(&self) -> Result<Vec<KeptSample>, StoreError>;
    /// The sample with this number, if it is not too old.
    async fn sample(&self, id: SampleId) -> Result<Option<KeptSample>, StoreError>;
    /// Gives up every sample; how many there were. Not a change either.
    async fn clear_samples(&self) -> Result<u64, StoreError>;
    /// The key with this id.
    async fn key(&self, id: KeyId) -> Result<Option<KeyRecord>, StoreError>;
    /// The key with this name that is not revoked.
    async fn key_named(&self, name: &KeyName) -> Result<Option<KeyRecord>, StoreError>;
    /// Keys by id (so by age), revoked ones included. Searched: the name.
    async fn keys(&self, page: &Page<KeyId>) -> Result<Vec<KeyRecord>, StoreError>;
    /// The binding with this id, of a key or of a group.
    async fn binding(&self, id: BindingId) -> Result<Option<Binding>, StoreError>;
    /// All bindings, of keys and groups, by id. Searched: the group's name, the key's id and name, the role, the space.
    async fn bindings(&self, page: &Page<BindingId>) -> Result<Vec<Binding>, StoreError>;
    /// Where the audit begins, if not with the first entry of all.
    async fn audit_given_up(&self) -> Result<Option<GivenUp>, StoreError>;
    /// Audit entries.
    async fn audit(&self, wanted: &AuditQuery) -> Result<Vec<AuditEntry>, StoreError>;
}

/// Where keys, roles, spaces, groups, bindings and policies live: what a control plane needs.
#[async_trait]
pub trait Store: Source + Management {
    /// Says the same of several replicas as [`report_replica`](Source::report_replica) does of one, each once; in one transaction, where there are any.
    async fn report_replicas(&self, reports: &[ReplicaReport]) -> Result<(), StoreError> {
        for report in reports {
            self.report_replica(report).await?;
        }
        Ok(())
    }
    /// Keys, found by an index; of those that a text is looked for in, [`LOOKED_THROUGH_AT_ONCE`] at most.
    async fn keys_where(&self, wanted: &KeyFilter) -> Result<ListPart<KeyRecord, KeyId>, StoreError>;
    /// Bindings, found by an index; if a text is looked for, or a role alone, among [`LOOKED_THROUGH_AT_ONCE`] at most.
    async fn bindings_where(&self, wanted: &BindingFilter) -> Result<ListPart<Binding, BindingId>, StoreError>;
    /// The keys in this group after this one that are not revoked, by id: at most so many, found by an index.
    async fn members(&self, group: &GroupName, after: Option<KeyId>, limit: u32) -> Result<Vec<KeyRecord>, StoreError>;
    /// The revision that last changed this, of a key also its secrets, groups and bindings; `None`: it is not there. Whoever shows the
    /// thing with its revision asks for the revision first: one that is too old makes [`Precondition::ResourceAt`] refuse, never pass.
    async fn revision_of(&self, resource: &Resource) -> Result<Option<Revision>, StoreError>;
    /// What was done when this actor ([`Actor::label`](crate::model::Actor::label)) sent a request of this name within the last day.
    async fn done_once(&self, actor: &str, key: &str) -> Result<Option<DoneOnce>, StoreError>;
    /// Has the audit tell of something that is no change: no revision, nothing in the feed. Durable when it returns.
    ///
    /// `None` if no entry is made of it: the key has come from this address before; the same attempt was refused less than
    /// [`SAME_ATTEMPT_WITHIN`] ago; or the actor has filled [`NOTES_AN_HOUR`]. Refused attempts without an entry are counted, and the count
    /// becomes one entry an hour after the first of them, with the next note or [`tend_audit`](Self::tend_audit), whichever is earlier.
    async fn note(&self, note: AuditNote, cause: &Cause) -> Result<Option<AuditId>, StoreError>;
    /// Does for the audit what is due by the time; whoever serves calls it now and then. Gives up entries from before `keep_since`, but for
    /// the last of all and those that the webhook has not told yet: some at a time. How many; none: that is done.
    async fn tend_audit(&self, keep_since: Option<Timestamp>) -> Result<u64, StoreError>;
    /// Lets this process alone be the one that tells the webhook, until this time or its next call; `None`: another one is.
    async fn hold_webhook(&self, holder: &str, until: Timestamp) -> Result<Option<Webhook>, StoreError>;
    /// Writes down how it stands, if the holder still is the one.
    async fn set_webhook(&self, holder: &str, webhook: &Webhook) -> Result<Held, StoreError>;
}

/// Whether a mutation would write down the text of a key, or give a key a name that could be taken for something else: what every store
/// refuses whatever it holds, to be told before anything is asked of one.
///
/// # Errors
/// It would.
pub fn check_texts(mutation: &Mutation) -> Result<(), Conflict> {
    apply::check_texts(mutation)
}

/// Of how many keys the names are read for remarks on what policies compare them with: a remark is not worth a million rows.
pub const NAMED_KEYS_MAX: u32 = 10_000;

/// A store that is only looked at.
pub enum Inspected {
    /// It can be read, and refuses every change.
    Open(Arc<dyn Store>),
    /// It needs migration; a sentence about it.
    Outdated(String),
}

/// Opens a store that exists for reading alone; neither makes nor migrates anything.
pub async fn inspect(url: &StoreUrl, clock: Arc<dyn Clock>) -> Result<Inspected, StoreError> {
    Ok(match look(url, clock).await? {
        Ok(store) => Inspected::Open(Arc::new(store)),
        Err(why) => Inspected::Outdated(why),
    })
}

async fn look(url: &StoreUrl, clock: Arc<dyn Clock>) -> Result<Result<SqlStore, String>, StoreError> {
    match url {
        StoreUrl::Sqlite(path) => sqlite::inspect(path, clock).await,
        StoreUrl::ControlPlanes(_) | StoreUrl::Files(_) => Err(elsewhere(url)),
        StoreUrl::Postgres(settings) => postgres::inspect(settings, clock).await,
    }
}

/// What is odd about who besides its owner may read and write a store that is a file.
pub fn remarks(url: &StoreUrl) -> Vec<String> {
    match url {
        StoreUrl::Sqlite(path) => sqlite::remarks(path),
        StoreUrl::Postgres(_) | StoreUrl::ControlPlanes(_) | StoreUrl::Files(_) => Vec::new(),
    }
}

/// A copy of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backup {
    /// The last change that it has.
    pub revision: Revision,
    /// How many keys it has that are not revoked.
    pub keys: u64,
}

/// Whether what was changed since a copy was made may be undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undo {
    /// Refused with [`Conflict::WouldUndo`] or [`Conflict::OtherStore`].
    Nothing,
    /// Whatever it is. It stays in the audit, but for that of another store.
    All,
}

/// A store that has become what a copy was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The change that this was.
    pub revision: Revision,
    /// The last change that the copy had.
    pub copied: Revision,
    /// How many changes have been undone.
    pub undone: u64,
}

const BY_ITS_OWN_TOOLS: &str =
    "PostgreSQL is copied by its own tools: `pg_dump` and `pg_restore`, or its archive of changes (docs/postgresql.md)";

/// Copies the store to a file that is not there yet, while everybody goes on with it. It is not migrated, nor is the copy.
pub async fn backup(url: &StoreUrl, to: &Path) -> Result<Backup, StoreError> {
    match url {
        StoreUrl::Sqlite(path) => sqlite::backup(path, to).await,
        StoreUrl::ControlPlanes(_) | StoreUrl::Files(_) => Err(elsewhere(url)),
        StoreUrl::Postgres(_) => Err(StoreError::Unavailable(BY_ITS_OWN_TOOLS.to_owned())),
    }
}

/// Makes the store, which is made if it is not there, what the copy is: one change, which servers that run notice like any other.
pub async fn restore(url: &StoreUrl, from: &Path, cause: &Cause, undo: Undo, clock: Arc<dyn Clock>) -> Result<Restored, StoreError> {
    match url {
        StoreUrl::Sqlite(path) => sqlite::restore(path, from, cause, undo, clock).await,
        StoreUrl::ControlPlanes(_) | StoreUrl::Files(_) => Err(elsewhere(url)),
        StoreUrl::Postgres(_) => Err(StoreError::Unavailable(BY_ITS_OWN_TOOLS.to_owned())),
    }
}

/// A store that was copied into another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// The last change that it has.
    pub revision: Revision,
    /// How its audit and its rows were found to be afterwards.
    pub verified: Verified,
}

/// Makes the store at `to`, which is made if it is not there and must hold nothing, what the one at `from` is; then reads all of it.
pub async fn copy(from: &StoreUrl, to: &StoreUrl, clock: Arc<dyn Clock>) -> Result<Copied, StoreError> {
    let from = look(from, clock.clone()).await?.map_err(StoreError::Unavailable)?;
    let to = open_database(to, Strategy::default(), clock).await?;
    let copied = async {
        let revision = sql::copy(&from, &to).await?;
        Ok(Copied { revision, verified: verify_audit(&to, &[], |_| {}).await? })
    };
    let copied = copied.await;
    from.close().await;
    to.close().await;
    copied
}

/// Opens the store, making and migrating it as needed. `initial` is the strategy that a new store starts with.
pub async fn open(url: &StoreUrl, initial: Strategy, clock: Arc<dyn Clock>) -> Result<Arc<dyn Store>, StoreError> {
    Ok(Arc::new(open_database(url, initial, clock).await?))
}

async fn open_database(url: &StoreUrl, initial: Strategy, clock: Arc<dyn Clock>) -> Result<SqlStore, StoreError> {
    match url {
        StoreUrl::Sqlite(path) => sqlite::open(path, initial, clock).await,
        StoreUrl::Postgres(settings) => postgres::open(settings, initial, clock).await,
        StoreUrl::ControlPlanes(_) | StoreUrl::Files(_) => Err(elsewhere(url)),
    }
}

/// What is only followed or read is no store that could be opened.
fn elsewhere(url: &StoreUrl) -> StoreError {
    let why = match url {
        StoreUrl::Files(_) => "access is declared in files here: change those, and whoever reads them notices",
        StoreUrl::Sqlite(_) | StoreUrl::Postgres(_) | StoreUrl::ControlPlanes(_) => {
            "this is a sidecar, whose store is at its control plane: ask that one, by --server URL"
        }
    };
    StoreError::Unavailable(why.to_owned())
}
