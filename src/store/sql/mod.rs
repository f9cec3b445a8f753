//! The store in a database, whichever it is: what SQLite and PostgreSQL have in common, which is nearly everything.
//!
//! A database is a [`Backend`]: it gives connections, takes statements and tells of commits. Statements, the decoding of rows, the tables as
//! the rules of changes see them, listings and the audit are written here, once. Where databases want other words, [`Text`](statement::Text)
//! has both side by side, under one name.

mod audit;
mod backend;
mod copy;
mod decode;
mod in_force;
mod listings;
mod replicas;
mod rows;
mod samples;
mod seed;
mod sessions;
mod sieve;
mod sql_store;
mod statement;
mod store_clock;
pub(super) mod text;
mod webhook;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

#[cfg(test)]
pub(super) use self::audit::{Few, page, page_of_few, part};
use self::backend::Transaction;
pub(super) use self::backend::{At, Backend, Connection, Lease, Row, TakeAnswer, TakeRow};
pub(super) use self::copy::copy;
use self::decode::{BindingCount, CalledKey, FeedRow, NamedKey};
pub(super) use self::decode::{EntryOfSpaces, FromRow, Link, Origin, State};
use self::in_force::InForce;
#[cfg(test)]
pub(super) use self::listings::{bindings_page, keys_page, keys_sieved, never_used_page};
pub(super) use self::rows::SqlRows;
pub(super) use self::seed::{add_system_roles, seed};
#[cfg(test)]
pub(super) use self::sieve::Sieve;
pub(super) use self::sql_store::SqlStore;
use self::sql_store::only;
pub(super) use self::statement::{Statement, Text, Value, query};
use super::apply::apply_all;
use super::audit::{AuditQuery, GivenUp};
use super::contract::{FoundKey, Lookup, Management, Source, Store};
use super::error::{BatchError, Precondition, StoreError};
use super::listing::{BindingFilter, KeyFilter, ListPart, NeverUsed, Page};
use super::stored;
use super::webhook::{Held, Webhook};
use crate::model::{
    AuditEntry, AuditId, AuditNote, Binding, BindingId, Cause, Change, Changes, ConsoleSession, DoneOnce, GroupName, KeptSample, KeyDigest,
    KeyId, KeyName, KeyRecord, Mutation, ReplicaName, ReplicaReport, Replicas, Resource, Revision, Sample, SampleId, SessionDigest,
    Snapshot, SpaceId, SpaceTree,
};

/// Of how many secrets it is written down at once that they were used: nobody changes anything meanwhile.
const USES_AT_ONCE: usize = 1_000;

/// As JSON.
fn listed<T: ToString>(all: &BTreeSet<T>) -> String {
    all.iter().map(T::to_string).collect::<serde_json::Value>().to_string()
}

#[async_trait]
impl Lookup for SqlStore {
    async fn find_key(&self, digest: &KeyDigest) -> Result<Option<FoundKey>, StoreError> {
        self.one(query(text::KEY_BY_DIGEST).bind(digest.as_bytes().to_vec())).await
    }

    async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let moves = self.backend().moves();
        let InForce { state, spaces, roles, groups, bindings, policies } = self.read_together(&InForce::questions(), InForce::take).await?;
        let state = state.ok_or_else(|| stored::nonsense("a state", "it is empty"))?;
        let mut snapshot = Snapshot {
            revision: state.revision,
            spaces: SpaceTree::from_rows(spaces).map_err(|fault| stored::nonsense("a tree of spaces", fault))?,
            roles: roles.into_iter().map(|role| (role.id.clone(), role)).collect(),
            groups: groups.into_iter().map(|group| (group.name.clone(), group)).collect(),
            group_bindings: BTreeMap::new(),
            policies,
            strategy: state.strategy,
        };
        for binding in bindings {
            snapshot.bind_group(binding);
        }
        snapshot.group_bindings.values_mut().for_each(|bindings| bindings.sort_unstable_by_key(|binding| binding.id));
        self.note_read(moves);
        Ok(snapshot)
    }

    async fn woken(&self) {
        self.backend().woken().await;
    }

    async fn key_names(&self, most: u32) -> Result<Option<Vec<String>>, StoreError> {
        // Whether there are more is known without their names.
        let mut last = query(text::END_OF_KEYS);
        last.push_bind("").push(text::END).push_bind(most);
        if self.one::<KeyId>(last).await?.is_some() {
            return Ok(None);
        }
        let keys: Vec<NamedKey> = self.all(query(text::KEY_NAMES).bind(i64::from(most) + 1)).await?;
        let few = keys.len() <= usize::try_from(most).unwrap_or(usize::MAX);
        Ok(few.then(|| keys.into_iter().filter(|key| !key.revoked).map(|key| key.name.to_string()).collect()))
    }

    async fn close(&self) {
        self.backend().close().await;
    }
}

#[async_trait]
impl Source for SqlStore {
    async fn changes_after(&self, seen: Revision) -> Result<Changes, StoreError> {
        self.backend().settle().await?;
        if !self.is_read() {
            return Ok(Changes::TooOld);
        }
        let feed: Vec<FeedRow> = self.all_of_the_feed(query(text::CHANGES_AFTER).bind(stored::number(seen))).await?;
        let Some(last) = feed.first().map(|row| row.last) else { return Err(stored::nonsense("a state", "it is empty")) };
        let changes: Vec<Change> = feed.into_iter().filter_map(|row| row.change).collect();
        // A feed that does not begin right after `seen` has been pruned; one that ends before it belongs to a store that was put back.
        let next = changes.first().map_or(last.next(), |change| change.revision);
        Ok(if next == seen.next() { Changes::Since(changes) } else { Changes::TooOld })
    }

    async fn record_use(&self, uses: &[(KeyDigest, Timestamp)]) -> Result<(), StoreError> {
        let mut latest: BTreeMap<KeyDigest, i64> = BTreeMap::new();
        for (digest, at) in uses {
            let minute = stored::to_the_minute(*at);
            latest.entry(*digest).and_modify(|at| *at = minute.max(*at)).or_insert(minute);
        }
        let latest: Vec<(String, i64)> = latest.into_iter().map(|(digest, at)| (digest.to_hex(), at)).collect();
        for some in latest.chunks(USES_AT_ONCE) {
            let said = serde_json::to_string(some).map_err(|error| stored::nonsense("a use", error))?;
            let mut transaction = Transaction::writing(self.backend()).await?;
            // Whoever writes several rows waits for their turn first: nobody then waits for somebody who waits for them.
            only::<Revision>(query(text::LOCK), transaction.connection()).await?;
            transaction.connection().execute(query(text::RECORD_USES).bind(said)).await?;
            transaction.commit().await?;
        }
        Ok(())
    }

    async fn keep_samples(&self, samples: &[Sample]) -> Result<(), StoreError> {
        self.keep(samples).await
    }

    async fn report_replica(&self, report: &ReplicaReport) -> Result<(), StoreError> {
        self.report(std::slice::from_ref(report)).await
    }

    async fn forget_replica(&self, name: &ReplicaName) -> Result<(), StoreError> {
        self.forget(name).await
    }
}

#[async_trait]
impl Management for SqlStore {
    async fn replicas(&self) -> Result<Replicas, StoreError> {
        self.reported().await
    }

    async fn apply_declared(
        &self,
        mutations: Vec<Mutation>,
        declared: &[Resource],
        cause: &Cause,
        only_if: Option<Precondition>,
    ) -> Result<Vec<Change>, BatchError> {
        if mutations.is_empty() && declared.is_empty() {
            return Ok(Vec::new());
        }
        self.backend().settle().await?;
        let mut transaction = Transaction::writing(self.backend()).await?;
        let clock = self.time(transaction.connection()).await?;
        let mut rows = SqlRows::new(transaction.connection());
        match apply_all(&mut rows, mutations, declared, cause, only_if, &clock).await {
            Ok(changes) => {
                self.backend().announce(transaction.connection()).await?;
                transaction.commit().await?;
                // A change that nobody else sees is not acknowledged.
                self.backend().is_kept().await?;
                self.backend().committed();
                Ok(changes)
            }
            // Whatever state the transaction is in, it ends with the connection.
            Err(failure @ BatchError { error: StoreError::Unavailable(_), .. }) => Err(failure),
            Err(refusal) => {
                transaction.roll_back().await?;
                Err(refusal)
            }
        }
    }

    async fn rehearse(&self, mutations: Vec<Mutation>, only_if: Option<Precondition>) -> Result<(), BatchError> {
        self.backend().settle().await?;
        let mut transaction = Transaction::writing(self.backend()).await?;
        let mut rows = SqlRows::new(transaction.connection());
        let rehearsed = apply_all(&mut rows, mutations, &[], &Cause::SYSTEM, only_if, self.clock()).await;
        // A transaction that has failed is over, whatever it is told.
        if let Err(failure @ BatchError { error: StoreError::Unavailable(_), .. }) = rehearsed {
            return Err(failure);
        }
        transaction.roll_back().await?;
        rehearsed.map(drop)
    }

    async fn managed(&self) -> Result<BTreeSet<Resource>, StoreError> {
        Ok(self.all(query(text::MANAGED)).await?.into_iter().collect())
    }

    async fn samples(&self) -> Result<Vec<KeptSample>, StoreError> {
        self.kept().await
    }

    async fn sample(&self, id: SampleId) -> Result<Option<KeptSample>, StoreError> {
        self.kept_one(id).await
    }

    async fn clear_samples(&self, cause: &Cause) -> Result<u64, StoreError> {
        self.clear(cause).await
    }

    async fn key(&self, id: KeyId) -> Result<Option<KeyRecord>, StoreError> {
        self.one(query(text::KEY_BY_ID).bind(id.to_string())).await
    }

    async fn key_named(&self, name: &KeyName) -> Result<Option<KeyRecord>, StoreError> {
        self.one(query(text::KEY_BY_NAME).bind(name.as_str().to_owned())).await
    }

    async fn keys(&self, page: &Page<KeyId>) -> Result<Vec<KeyRecord>, StoreError> {
        let after = page.after.map_or_else(String::new, |id| id.to_string());
        self.all(query(text::KEYS).bind(after).bind(page.query.clone()).bind(page.limit)).await
    }

    async fn binding(&self, id: BindingId) -> Result<Option<Binding>, StoreError> {
        self.one(query(text::BINDING).bind(id.to_string())).await
    }

    async fn bindings(&self, page: &Page<BindingId>) -> Result<Vec<Binding>, StoreError> {
        let after = page.after.map_or_else(String::new, |id| id.to_string());
        self.all(query(text::BINDINGS).bind(after).bind(page.query.clone()).bind(page.limit)).await
    }

    async fn audit_given_up(&self) -> Result<Option<GivenUp>, StoreError> {
        self.one(query(text::GIVEN_UP)).await
    }

    async fn audit(&self, wanted: &AuditQuery) -> Result<Vec<AuditEntry>, StoreError> {
        self.audited(wanted).await
    }
}

#[async_trait]
impl Store for SqlStore {
    fn for_follower(&self) -> Arc<dyn Source> {
        Arc::new(self.unread())
    }

    async fn report_replicas(&self, reports: &[ReplicaReport]) -> Result<(), StoreError> {
        self.report(reports).await
    }

    async fn keys_where(&self, wanted: &KeyFilter) -> Result<ListPart<KeyRecord, KeyId>, StoreError> {
        self.keys_found(wanted).await
    }

    async fn bindings_where(&self, wanted: &BindingFilter) -> Result<ListPart<Binding, BindingId>, StoreError> {
        self.bindings_found(wanted).await
    }

    async fn members(&self, group: &GroupName, after: Option<KeyId>, limit: u32) -> Result<Vec<KeyRecord>, StoreError> {
        let after = after.map_or_else(String::new, |id| id.to_string());
        self.all(query(text::MEMBERS).bind(group.to_string()).bind(after).bind(limit)).await
    }

    async fn audit_in_part(&self, wanted: &AuditQuery) -> Result<ListPart<AuditEntry, AuditId>, StoreError> {
        self.audited_in_part(wanted).await
    }

    async fn keys_ending(&self, after: Timestamp, before: Timestamp, limit: u32) -> Result<Vec<KeyRecord>, StoreError> {
        self.all(query(text::KEYS_ENDING).bind(stored::micros(after)).bind(stored::micros(before)).bind(limit)).await
    }

    async fn keys_never_used(&self, wanted: &NeverUsed) -> Result<ListPart<KeyRecord, KeyId>, StoreError> {
        self.never_used(wanted).await
    }

    async fn names_of(&self, keys: &BTreeSet<KeyId>) -> Result<BTreeMap<KeyId, KeyName>, StoreError> {
        if keys.is_empty() {
            return Ok(BTreeMap::new());
        }
        let called: Vec<CalledKey> = self.all(query(text::NAMES_OF_KEYS).bind(listed(keys))).await?;
        Ok(called.into_iter().map(|key| (key.id, key.name)).collect())
    }

    async fn binding_counts(&self, spaces: &BTreeSet<SpaceId>, most: u32) -> Result<BTreeMap<SpaceId, u32>, StoreError> {
        let counts: Vec<BindingCount> = self.all(query(text::BINDING_COUNTS).bind(listed(spaces)).bind(most)).await?;
        Ok(counts.into_iter().map(|count| (count.space, count.bindings)).collect())
    }

    async fn groups_with_members(&self, groups: &BTreeSet<GroupName>) -> Result<BTreeSet<GroupName>, StoreError> {
        Ok(self.all(query(text::GROUPS_WITH_MEMBERS).bind(listed(groups))).await?.into_iter().collect())
    }

    async fn revision_of(&self, resource: &Resource) -> Result<Option<Revision>, StoreError> {
        self.one(query(text::revision_of(resource)).bind(resource.id())).await
    }

    async fn done_once(&self, actor: &str, key: &str) -> Result<Option<DoneOnce>, StoreError> {
        self.one(query(text::DONE_ONCE).bind(actor.to_owned()).bind(key.to_owned())).await
    }

    async fn open_session(&self, session: &ConsoleSession) -> Result<(), StoreError> {
        self.remember_session(session).await
    }

    async fn session(&self, digest: &SessionDigest) -> Result<Option<ConsoleSession>, StoreError> {
        self.one(query(text::SESSION).bind(digest.as_bytes().to_vec())).await
    }

    async fn renew_session(&self, digest: &SessionDigest, ends_at: Timestamp) -> Result<bool, StoreError> {
        self.prolong_session(digest, ends_at).await
    }

    async fn end_session(&self, digest: &SessionDigest) -> Result<bool, StoreError> {
        self.forget_session(digest).await
    }

    async fn end_sessions_of(&self, key: KeyId) -> Result<u64, StoreError> {
        self.forget_sessions_of(key).await
    }

    async fn note(&self, note: AuditNote, cause: &Cause) -> Result<Option<AuditId>, StoreError> {
        self.noted(note, cause).await
    }

    async fn tend_audit(&self, keep_since: Option<Timestamp>) -> Result<u64, StoreError> {
        self.tend(keep_since).await
    }

    async fn hold_webhook(&self, holder: &str, until: Timestamp) -> Result<Option<Webhook>, StoreError> {
        self.hold(holder, until).await
    }

    async fn set_webhook(&self, holder: &str, webhook: &Webhook) -> Result<Held, StoreError> {
        self.settle_webhook(holder, webhook).await
    }
}
