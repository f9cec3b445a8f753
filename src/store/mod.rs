//! What is remembered, and the one way to change it.
//!
//! Every change goes through [`Store::apply`]: it is checked, written, numbered, put into the feed and audited in one transaction, and on
//! the disk when `apply` returns. Keys are read one at a time and on demand, so that memory does not grow with their number; what is small
//! and shared by all of them comes as one [`Snapshot`].

mod apply;
mod rows;
mod sqlite;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use self::sqlite::SqliteStore;
use crate::clock::Clock;
use crate::config::StoreUrl;
use crate::model::{
    Actor, AuditEntry, Binding, BindingId, Change, Changes, KeptSample, KeyDigest, KeyId, KeyName, KeyRecord, Mutation, Revision, Sample,
    SampleId, Snapshot, Strategy,
};

/// What can go wrong with a store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// What the mutation is about does not exist: `key 01hv…`, `space staging`.
    #[error("there is no {0}")]
    NotFound(String),
    /// The mutation does not fit what is there (a name taken, a space with children, the last root admin, …).
    #[error("{0}")]
    Conflict(String),
    /// The store does not answer, or answers with nonsense.
    #[error("the store cannot be used: {0}")]
    Unavailable(String),
}

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

/// A key that was looked up, and the last change that the store showed at that moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundKey {
    /// The key, its own bindings with it.
    pub key: KeyRecord,
    /// Read together with it: the key is as this change and all before it have left it.
    pub as_of: Revision,
}

/// How many samples a store keeps: the newest.
pub const SAMPLES_MAX: u32 = 100;
/// How long it keeps one.
pub const SAMPLES_KEPT_FOR: Duration = Duration::from_hours(7 * 24);

/// Where keys, roles, spaces, groups, bindings and policies live.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The key with this secret, and as of which change: one consistent, indexed read. `None`: no key has or had it.
    ///
    /// The key comes in whatever state it is, and though the secret may have ended. A secret that was replaced more than once is not even
    /// among the key's any more ([`KeyRecord::secret`] is `None`): it has ended, too.
    async fn find_key(&self, digest: &KeyDigest) -> Result<Option<FoundKey>, StoreError>;
    /// Everything but the keys, as of one revision.
    async fn snapshot(&self) -> Result<Snapshot, StoreError>;
    /// Checks and makes a change: rows, revision, change, audit in one transaction. Durable when it returns.
    ///
    /// A change that leaves everything as it was is a change all the same. Dropped half-way, it has happened or it has not, never in part;
    /// the feed knows.
    async fn apply(&self, mutation: Mutation, by: &Actor) -> Result<Change, StoreError>;
    /// The changes after `seen`, in order.
    async fn changes_after(&self, seen: Revision) -> Result<Changes, StoreError>;
    /// Returns when something may have changed. Only a hint: callers look at the feed by a timer all the same.
    async fn woken(&self);
    /// Notes that secrets were presented with success at about these times. Not a change: no revision, no audit.
    async fn record_use(&self, uses: &[(KeyDigest, Timestamp)]) -> Result<(), StoreError>;
    /// Keeps samples, in this order, and gives up those that are too old or too many, though none is new. Not a change: no revision,
    /// nothing in the feed, no audit.
    async fn keep_samples(&self, samples: &[Sample]) -> Result<(), StoreError>;
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
    /// All bindings, of keys and groups, by id. Searched: the group's name, the key's id and name, the role, the space.
    async fn bindings(&self, page: &Page<BindingId>) -> Result<Vec<Binding>, StoreError>;
    /// Audit entries, newest first, those before `page.after`. Searched: actor, action, resource.
    async fn audit(&self, page: &Page<Revision>) -> Result<Vec<AuditEntry>, StoreError>;
    /// Puts everything where it belongs for good, and gives up what is open: the end of whoever opened the store. Nothing can be read or
    /// changed afterwards.
    async fn close(&self);
}

/// Of how many keys the names are read for remarks on what policies compare them with: a remark is not worth a million rows.
pub const NAMED_KEYS_MAX: usize = 10_000;

/// The names of all keys that are not revoked; `None` if there are more than `most` keys, revoked ones included.
pub async fn key_names(store: &dyn Store, most: usize) -> Result<Option<Vec<String>>, StoreError> {
    let (mut names, mut seen, mut after) = (Vec::new(), 0, None);
    loop {
        let page = store.keys(&Page { after, limit: 500, query: None }).await?;
        let Some(last) = page.last() else { return Ok(Some(names)) };
        after = Some(last.id);
        seen += page.len();
        if seen > most {
            return Ok(None);
        }
        names.extend(page.iter().filter(|key| key.revoked_at.is_none()).map(|key| key.name.to_string()));
    }
}

/// A store that is only looked at.
pub enum Inspected {
    /// It can be read, and refuses every change.
    Open(Arc<dyn Store>),
    /// It needs migration; a sentence about it.
    Outdated(String),
}

/// Opens a store that exists for reading alone; neither makes nor migrates anything.
pub async fn inspect(url: &StoreUrl, clock: Arc<dyn Clock>) -> Result<Inspected, StoreError> {
    match url {
        StoreUrl::Sqlite(path) => SqliteStore::inspect(path, clock).await,
    }
}

/// Opens the store, making and migrating it as needed. `initial` is the strategy that a new store starts with.
pub async fn open(url: &StoreUrl, initial: Strategy, clock: Arc<dyn Clock>) -> Result<Arc<dyn Store>, StoreError> {
    match url {
        StoreUrl::Sqlite(path) => Ok(Arc::new(SqliteStore::open(path, initial, clock).await?)),
    }
}
