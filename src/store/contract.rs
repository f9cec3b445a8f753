//! What is asked of a store: by whoever serves, by whoever manages, and by a control plane.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::audit::{AuditQuery, GivenUp};
use super::error::{BatchError, Precondition, StoreError};
use super::listing::{BindingFilter, KeyFilter, ListPart, NeverUsed, Page};
use super::webhook::{Held, Webhook};
use crate::model::{
    AuditEntry, AuditId, AuditNote, Binding, BindingId, Cause, Change, Changes, ConsoleSession, DoneOnce, GroupName, KeptSample, KeyDigest,
    KeyId, KeyName, KeyRecord, Mutation, ReplicaName, ReplicaReport, Replicas, Resource, Revision, Sample, SampleId, SessionDigest,
    Snapshot, SpaceId,
};

/// How many samples a store keeps: the newest.
pub const SAMPLES_MAX: u32 = 100;
/// How long it keeps one.
pub const SAMPLES_KEPT_FOR: Duration = Duration::from_hours(7 * 24);

/// How long a replica that is not seen any more is remembered.
pub const REPLICAS_KEPT_FOR: Duration = Duration::from_hours(24);
/// How many replicas are remembered, those included that are not seen any more: a process that is started again and again fills no disk.
pub const REPLICAS_MAX: u32 = 10_000;

/// How many sessions of the console a key has at once; those that end first make room. Whoever signs in again and again, or shares a key,
/// loses the oldest browsers and takes nobody else's place.
pub const SESSIONS_OF_KEY_MAX: u32 = 20;
/// How many there are in all: a few megabytes, however many keys sign in.
pub const SESSIONS_MAX: u32 = 10_000;

/// A key that was looked up, and the last change that the store showed at that moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundKey {
    /// The key, its own bindings with it.
    pub key: KeyRecord,
    /// Read together with it: the key is as this change and all before it have left it.
    pub as_of: Revision,
}

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
    /// Gives up every sample; how many there were. Not a change either, but if there were any, the audit tells of it: both, or neither.
    async fn clear_samples(&self, cause: &Cause) -> Result<u64, StoreError>;
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
    /// The same store, for somebody who follows it on their own: where another file is put in its place, everybody has to read all of it anew,
    /// and [`Changes::TooOld`] is told to each until they have. Closing one closes all.
    fn for_follower(&self) -> Arc<dyn Source>;
    /// Says the same of several replicas as [`report_replica`](Source::report_replica) does of one, each once; in one transaction, where there are any.
    async fn report_replicas(&self, reports: &[ReplicaReport]) -> Result<(), StoreError> {
        for report in reports {
            self.report_replica(report).await?;
        }
        Ok(())
    }
    /// Keys, found by an index. Where none has those of a text or of a state in their order, [`LOOKED_THROUGH_AT_ONCE`](super::LOOKED_THROUGH_AT_ONCE) are
    /// looked through at most, unless there are so few in all that they are put in order: then it is looked to the end.
    async fn keys_where(&self, wanted: &KeyFilter) -> Result<ListPart<KeyRecord, KeyId>, StoreError>;
    /// Bindings, found by an index; if a text is looked for, among [`LOOKED_THROUGH_AT_ONCE`](super::LOOKED_THROUGH_AT_ONCE) at most.
    async fn bindings_where(&self, wanted: &BindingFilter) -> Result<ListPart<Binding, BindingId>, StoreError>;
    /// The keys in this group after this one that are not revoked, by id: at most so many, found by an index.
    async fn members(&self, group: &GroupName, after: Option<KeyId>, limit: u32) -> Result<Vec<KeyRecord>, StoreError>;
    /// Audit entries, as far as they are found by looking through
    /// [`ENTRIES_LOOKED_THROUGH_AT_ONCE`](super::ENTRIES_LOOKED_THROUGH_AT_ONCE), where no index knows them.
    async fn audit_in_part(&self, wanted: &AuditQuery) -> Result<ListPart<AuditEntry, AuditId>, StoreError>;
    /// Active keys that end after a time and before another one, by their end, found by an index.
    async fn keys_ending(&self, after: Timestamp, before: Timestamp, limit: u32) -> Result<Vec<KeyRecord>, StoreError>;
    /// Active keys of which no secret was ever presented, by id; where there are more keys than were to be looked at, it says so.
    async fn keys_never_used(&self, wanted: &NeverUsed) -> Result<ListPart<KeyRecord, KeyId>, StoreError>;
    /// What these keys are called, as far as they are there.
    async fn names_of(&self, keys: &BTreeSet<KeyId>) -> Result<BTreeMap<KeyId, KeyName>, StoreError>;
    /// How many bindings there are in each of these very spaces, counted up to so many.
    async fn binding_counts(&self, spaces: &BTreeSet<SpaceId>, most: u32) -> Result<BTreeMap<SpaceId, u32>, StoreError>;
    /// Which of these groups have a member that is not revoked.
    async fn groups_with_members(&self, groups: &BTreeSet<GroupName>) -> Result<BTreeSet<GroupName>, StoreError>;
    /// The revision that last changed this, of a key also its secrets, groups and bindings; `None`: it is not there. Whoever shows the
    /// thing with its revision asks for the revision first: one that is too old makes [`Precondition::ResourceAt`] refuse, never pass.
    async fn revision_of(&self, resource: &Resource) -> Result<Option<Revision>, StoreError>;
    /// What was done when this actor ([`Actor::label`](crate::model::Actor::label)) sent a request of this name within the last day.
    async fn done_once(&self, actor: &str, key: &str) -> Result<Option<DoneOnce>, StoreError>;
    /// Remembers a session of the console. Whatever has ended by the store's time is forgotten, and of those beyond
    /// [`SESSIONS_OF_KEY_MAX`] and [`SESSIONS_MAX`] the ones that end first; this one stays. Not a change: no revision, nothing in the feed,
    /// no audit. Durable when it returns; refused if there is one with this digest, or no such key.
    async fn open_session(&self, session: &ConsoleSession) -> Result<(), StoreError>;
    /// The session with this digest, whatever its end says: whoever asks judges by their clock, and whether its key still counts.
    async fn session(&self, digest: &SessionDigest) -> Result<Option<ConsoleSession>, StoreError>;
    /// Lets it end at another time. `false`: it is gone, or has ended by the store's time: no session comes back. Not a change either.
    async fn renew_session(&self, digest: &SessionDigest, ends_at: Timestamp) -> Result<bool, StoreError>;
    /// Forgets it, for everybody who has the store open, and for good when it returns. `false`: it was gone. Not a change either.
    async fn end_session(&self, digest: &SessionDigest) -> Result<bool, StoreError>;
    /// Forgets all sessions of a key; how many there were. Not a change either.
    async fn end_sessions_of(&self, key: KeyId) -> Result<u64, StoreError>;
    /// Has the audit tell of something that is no change: no revision, nothing in the feed. Durable when it returns.
    ///
    /// `None` if no entry is made of it: the key has come from this address before; the same attempt was refused less than
    /// [`SAME_ATTEMPT_WITHIN`](super::SAME_ATTEMPT_WITHIN) ago; or the actor has filled [`NOTES_AN_HOUR`](super::NOTES_AN_HOUR). Refused attempts without an entry are counted, and the count
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
