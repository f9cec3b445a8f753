//! An exchange on real parts: a SQLite store, Rego policies, a ring of signing keys, and a clock that the test moves. Between exchange
//! and store stands a [`Sluice`], which counts, holds up, fails or crashes what goes through.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use claviger::clock::{Clock, ManualClock};
use claviger::config::{Settings, StoreUrl};
use claviger::exchange::{Credential, Exchange, Origin};
use claviger::model::{
    AuditEntry, AuditId, AuditNote, Binding, BindingId, Cause, Change, Changes, ConsoleSession, DoneOnce, GroupName, KeptSample, KeyDigest,
    KeyId, KeyName, KeyRecord, LoginPolicy, Mutation, NewKey, PlainKey, Refusal, RegoVersion, ReplicaName, ReplicaReport, Replicas,
    Resource, Revision, RoleId, Sample, SampleId, SessionDigest, Snapshot, Space, SpaceId, Strategy,
};
use claviger::store::{
    self, AuditQuery, BatchError, BindingFilter, FoundKey, GivenUp, Held, KeyFilter, ListPart, Lookup, Management, NeverUsed, Page,
    Precondition, Source, Store, StoreError, Webhook,
};
use claviger::telemetry::Metrics;
use claviger::token;
use jiff::Timestamp;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::{Notify, watch};

/// Where most requests come from.
pub(crate) const HOME: &str = "10.1.2.3";

/// Everything that an exchange needs, and the exchange.
pub(crate) struct World {
    pub(crate) exchange: Arc<Exchange>,
    pub(crate) sluice: Arc<Sluice>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) settings: Settings,
    drawn: AtomicU64,
    _dir: TempDir,
}

/// A key that was made for a test.
#[derive(Clone, Copy)]
pub(crate) struct Key {
    pub(crate) id: KeyId,
    pub(crate) digest: KeyDigest,
}

/// What a change is made through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Through {
    /// This process, which acknowledges it.
    Here,
    /// Another process with the same store, which this one must notice.
    Elsewhere,
}

impl World {
    /// With the spaces `production` and `staging`, the roles `deployer` and `reader`, and nothing else.
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// The same with other settings.
    pub(crate) async fn with(set: impl FnOnce(&mut Settings)) -> Self {
        let dir = TempDir::new().unwrap();
        let mut settings = Settings::default();
        settings.token.keys = dir.path().join("keys");
        settings.policies.dir = None;
        // A machine that is busy with other tests must not look like a policy that takes too long.
        settings.policies.time_limit = Duration::from_secs(5);
        settings.store.url = StoreUrl::Sqlite(dir.path().join("claviger.db"));
        set(&mut settings);
        let clock = Arc::new(ManualClock::at("2026-03-02T12:00:00Z".parse().unwrap()));
        let store = open(&settings, &clock).await;
        for space in ["production", "staging"] {
            store.apply(Mutation::CreateSpace(new_space(space, "root")), &Cause::SYSTEM, None).await.unwrap();
        }
        for role in ["deployer", "reader"] {
            let (id, actions) = (role.parse().unwrap(), vec!["run:trigger".parse().unwrap()]);
            let role = Mutation::CreateRole { id, name: role.to_owned(), description: String::new(), actions };
            store.apply(role, &Cause::SYSTEM, None).await.unwrap();
        }
        let metrics = Arc::new(Metrics::new());
        let sluice = Arc::new(Sluice::before(store));
        let exchange = Exchange::start(&settings, sluice.clone(), clock.clone(), metrics.clone()).await.unwrap();
        Self { exchange, sluice, clock, metrics, settings, drawn: AtomicU64::new(1), _dir: dir }
    }

    /// The same store as another process has it.
    pub(crate) async fn store_elsewhere(&self) -> Arc<dyn Store> {
        open(&self.settings, &self.clock).await
    }

    pub(crate) fn draw(&self) -> u128 {
        u128::from(self.drawn.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn draw_digest(&self) -> KeyDigest {
        let mut secret = [0; 32];
        secret[..16].copy_from_slice(&self.draw().to_be_bytes());
        KeyDigest::of(&PlainKey::generate(KeyId::new(0, 0), &secret))
    }

    /// What makes a key of this name, with roles written `role@space`, in the groups.
    pub(crate) fn new_key(&self, name: &str, roles: &[&str], groups: &[&str]) -> NewKey {
        let binding = |text: &&str| {
            let (role, space) = text.split_once('@').expect("role@space");
            (BindingId::new(0, self.draw()), role.parse().unwrap(), space.parse().unwrap())
        };
        NewKey {
            id: KeyId::new(0, self.draw()),
            name: name.parse().unwrap(),
            description: String::new(),
            groups: groups.iter().map(|group| group.parse().unwrap()).collect(),
            expires_at: None,
            digest: self.draw_digest(),
            bindings: roles.iter().map(binding).collect(),
        }
    }

    /// Makes a key.
    pub(crate) async fn key(&self, name: &str, roles: &[&str], groups: &[&str]) -> Key {
        self.make(self.new_key(name, roles, groups)).await
    }

    pub(crate) async fn make(&self, new: NewKey) -> Key {
        let key = Key { id: new.id, digest: new.digest };
        self.change(Mutation::CreateKey(new)).await;
        key
    }

    /// Makes a change in this process, and returns when it is acknowledged.
    pub(crate) async fn change(&self, mutation: Mutation) -> Change {
        let change = self.sluice.apply(mutation, &Cause::SYSTEM, None).await.unwrap();
        self.exchange.applied(&change).await.unwrap();
        assert_eq!(self.exchange.applied_revision(), change.revision);
        change
    }

    /// Makes a change here or elsewhere, and returns when it must be in force.
    pub(crate) async fn change_through(&self, through: Through, mutation: Mutation) {
        match through {
            Through::Here => {
                self.change(mutation).await;
            }
            Through::Elsewhere => {
                let elsewhere = self.store_elsewhere().await;
                let following = tokio::spawn(self.exchange.clone().follow());
                let change = elsewhere.apply(mutation, &Cause::SYSTEM, None).await.unwrap();
                let in_force = tokio::time::timeout(Duration::from_secs(20), self.exchange.reached(change.revision)).await;
                following.abort();
                in_force.expect("the follower notices what other processes change");
            }
        }
    }

    /// Binds a role in a space to a group.
    pub(crate) async fn bind_group(&self, group: &str, role: &str, space: &str) -> BindingId {
        let id = BindingId::new(0, self.draw());
        let subject = claviger::model::Subject::Group(group.parse().unwrap());
        self.change(Mutation::CreateBinding { id, subject, role: role.parse().unwrap(), space: space.parse().unwrap() }).await;
        id
    }

    pub(crate) fn origin(&self, address: &str) -> Origin {
        Origin::at_address(Some(address.parse::<IpAddr>().unwrap()), self.clock.now())
    }

    /// What the wall clock will show after `span`.
    pub(crate) fn clock_in(&self, span: Duration) -> Timestamp {
        self.clock.now().wall + span
    }

    /// What a request with this secret from [`HOME`] gets.
    pub(crate) async fn ask(&self, digest: KeyDigest) -> Result<Credential, Refusal> {
        self.ask_from(digest, HOME).await
    }

    /// As the data plane asks: the hot look-up first.
    pub(crate) async fn ask_from(&self, digest: KeyDigest, address: &str) -> Result<Credential, Refusal> {
        let origin = self.origin(address);
        match self.exchange.cached(&digest, &origin) {
            Some(answer) => answer,
            None => self.exchange.credential(&digest, &origin).await,
        }
    }

    /// What the cache alone says.
    pub(crate) fn cached(&self, key: Key) -> Option<Result<Credential, Refusal>> {
        self.exchange.cached(&key.digest, &self.origin(HOME))
    }

    /// The token's claims, after it was verified by the JWKS as an upstream does it.
    pub(crate) fn claims(&self, credential: &Credential) -> Value {
        let header = credential.header().to_str().unwrap();
        let jwt = header.strip_prefix("Bearer ").unwrap();
        let settings = &self.settings.token;
        let verified = token::verify(jwt, &self.exchange.jwks(), &settings.issuer, &settings.audience, self.clock.now().wall);
        verified.unwrap_or_else(|error| panic!("the upstream refuses the token: {error}")).claims
    }

    /// The roles that a request from [`HOME`] gets, written `role@space`.
    pub(crate) async fn roles(&self, key: Key) -> Vec<String> {
        let credential = self.ask(key.digest).await.unwrap_or_else(|refusal| panic!("refused: {refusal:?}"));
        roles_of(&self.claims(&credential))
    }
}

/// Written `role@space`.
pub(crate) fn roles_of(claims: &Value) -> Vec<String> {
    let spaces = claims["roles"].as_object().unwrap();
    let of_space = |(space, roles): (&String, &Value)| -> Vec<String> {
        roles.as_array().unwrap().iter().map(|role| format!("{}@{space}", role.as_str().unwrap())).collect()
    };
    spaces.iter().flat_map(of_space).collect()
}

pub(crate) fn new_space(id: &str, parent: &str) -> Space {
    let (id, parent): (SpaceId, SpaceId) = (id.parse().unwrap(), parent.parse().unwrap());
    Space { name: id.to_string(), id, description: String::new(), parent: Some(parent), labels: Vec::new() }
}

pub(crate) fn role(id: &str) -> RoleId {
    id.parse().unwrap()
}

/// A login policy in Rego v1, without its package line.
pub(crate) fn policy(name: &str, rules: &str) -> LoginPolicy {
    let source = format!("package spacelift\n\n{rules}\n").into();
    LoginPolicy { name: name.parse().unwrap(), source, rego: Some(RegoVersion::V1) }
}

async fn open(settings: &Settings, clock: &Arc<ManualClock>) -> Arc<dyn Store> {
    store::open(&settings.store.url, Strategy::Combined, clock.clone()).await.unwrap()
}

/// A store behind a gate.
pub(crate) struct Sluice {
    store: Arc<dyn Store>,
    look_ups: AtomicUsize,
    keys_read: AtomicUsize,
    snapshots: AtomicUsize,
    broken: AtomicBool,
    crashes: AtomicBool,
    reluctant: AtomicBool,
    looks: AtomicUsize,
    held_before: Mutex<Option<Arc<Hold>>>,
    held_after: Mutex<Option<Arc<Hold>>>,
    held_samples: Mutex<Option<Arc<Hold>>>,
    held_page: Mutex<Option<Arc<Hold>>>,
    held_key: Mutex<Option<Arc<Hold>>>,
}

/// A look-up that is kept from reading the store, or from answering when it has read it.
pub(crate) struct Hold {
    reached: Notify,
    open: watch::Sender<bool>,
}

impl Hold {
    /// Returns when a look-up has come to it.
    pub(crate) async fn reached(&self) {
        self.reached.notified().await;
    }

    /// Lets it go on.
    pub(crate) fn release(&self) {
        self.open.send_replace(true);
    }
}

impl Sluice {
    fn before(store: Arc<dyn Store>) -> Self {
        let (look_ups, keys_read, snapshots) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        let (broken, crashes) = (AtomicBool::new(false), AtomicBool::new(false));
        let (reluctant, looks) = (AtomicBool::new(false), AtomicUsize::new(0));
        let (held_before, held_after) = (Mutex::new(None), Mutex::new(None));
        let (held_samples, held_page, held_key) = (Mutex::new(None), Mutex::new(None), Mutex::new(None));
        Self {
            store,
            look_ups,
            keys_read,
            snapshots,
            broken,
            crashes,
            reluctant,
            looks,
            held_before,
            held_after,
            held_samples,
            held_page,
            held_key,
        }
    }

    /// How often keys were looked up.
    pub(crate) fn look_ups(&self) -> usize {
        self.look_ups.load(Ordering::SeqCst)
    }

    /// How often keys were read by their ids.
    pub(crate) fn keys_read(&self) -> usize {
        self.keys_read.load(Ordering::SeqCst)
    }

    /// How often snapshots were read.
    pub(crate) fn snapshots(&self) -> usize {
        self.snapshots.load(Ordering::SeqCst)
    }

    /// The next look-up of a key reads the store, and answers when it is let.
    pub(crate) fn hold_next(&self) -> Arc<Hold> {
        hold(&self.held_after)
    }

    /// The next look-up of a key reads the store when it is let.
    pub(crate) fn hold_next_before_reading(&self) -> Arc<Hold> {
        hold(&self.held_before)
    }

    /// The next samples are kept when they are let.
    pub(crate) fn hold_next_samples(&self) -> Arc<Hold> {
        hold(&self.held_samples)
    }

    /// The next page of keys, all or those of a group, is read when it is let.
    pub(crate) fn hold_next_page(&self) -> Arc<Hold> {
        hold(&self.held_page)
    }

    /// The next key that is read by its id is told of when it is let.
    pub(crate) fn hold_next_key(&self) -> Arc<Hold> {
        hold(&self.held_key)
    }

    /// From now on nothing can be read.
    pub(crate) fn break_down(&self) {
        self.broken.store(true, Ordering::SeqCst);
    }

    /// It can again.
    pub(crate) fn mend(&self) {
        self.broken.store(false, Ordering::SeqCst);
    }

    /// The next look-up of a key panics.
    pub(crate) fn crash_next(&self) {
        self.crashes.store(true, Ordering::SeqCst);
    }

    /// From now on every other look at the feed shows nothing, and the others one change: as from somebody who is behind.
    pub(crate) fn tell_reluctantly(&self) {
        self.reluctant.store(true, Ordering::SeqCst);
    }

    fn check(&self) -> Result<(), StoreError> {
        if self.broken.load(Ordering::SeqCst) { Err(StoreError::Unavailable("as the test wants it".to_owned())) } else { Ok(()) }
    }
}

fn hold(place: &Mutex<Option<Arc<Hold>>>) -> Arc<Hold> {
    let hold = Arc::new(Hold { reached: Notify::new(), open: watch::Sender::new(false) });
    *place.lock().unwrap() = Some(hold.clone());
    hold
}

async fn pass(place: &Mutex<Option<Arc<Hold>>>) {
    let hold = place.lock().unwrap().take();
    if let Some(hold) = hold {
        hold.reached.notify_one();
        hold.open.subscribe().wait_for(|open| *open).await.unwrap();
    }
}

#[async_trait]
impl Lookup for Sluice {
    async fn find_key(&self, digest: &KeyDigest) -> Result<Option<FoundKey>, StoreError> {
        self.look_ups.fetch_add(1, Ordering::SeqCst);
        assert!(!self.crashes.swap(false, Ordering::SeqCst), "as the test wants it");
        self.check()?;
        pass(&self.held_before).await;
        let found = self.store.find_key(digest).await;
        pass(&self.held_after).await;
        found
    }

    async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        self.snapshots.fetch_add(1, Ordering::SeqCst);
        self.check()?;
        self.store.snapshot().await
    }

    async fn woken(&self) {
        self.store.woken().await;
    }

    async fn key_names(&self, most: u32) -> Result<Option<Vec<String>>, StoreError> {
        self.store.key_names(most).await
    }

    async fn close(&self) {
        self.store.close().await;
    }
}

#[async_trait]
impl Source for Sluice {
    async fn report_replica(&self, report: &ReplicaReport) -> Result<(), StoreError> {
        self.check()?;
        self.store.report_replica(report).await
    }

    async fn forget_replica(&self, name: &ReplicaName) -> Result<(), StoreError> {
        self.store.forget_replica(name).await
    }

    async fn changes_after(&self, seen: Revision) -> Result<Changes, StoreError> {
        self.check()?;
        let mut changes = self.store.changes_after(seen).await?;
        if self.reluctant.load(Ordering::SeqCst)
            && let Changes::Since(changes) = &mut changes
        {
            changes.truncate(self.looks.fetch_add(1, Ordering::SeqCst) % 2);
        }
        Ok(changes)
    }

    async fn record_use(&self, uses: &[(KeyDigest, Timestamp)]) -> Result<(), StoreError> {
        self.check()?;
        self.store.record_use(uses).await
    }

    async fn keep_samples(&self, samples: &[Sample]) -> Result<(), StoreError> {
        self.check()?;
        pass(&self.held_samples).await;
        self.store.keep_samples(samples).await
    }
}

#[async_trait]
impl Management for Sluice {
    async fn replicas(&self) -> Result<Replicas, StoreError> {
        self.store.replicas().await
    }

    async fn apply_declared(
        &self,
        mutations: Vec<Mutation>,
        declared: &[Resource],
        cause: &Cause,
        only_if: Option<Precondition>,
    ) -> Result<Vec<Change>, BatchError> {
        self.store.apply_declared(mutations, declared, cause, only_if).await
    }

    async fn rehearse(&self, mutations: Vec<Mutation>, only_if: Option<Precondition>) -> Result<(), BatchError> {
        self.store.rehearse(mutations, only_if).await
    }

    async fn managed(&self) -> Result<BTreeSet<Resource>, StoreError> {
        self.store.managed().await
    }

    async fn samples(&self) -> Result<Vec<KeptSample>, StoreError> {
        self.store.samples().await
    }

    async fn sample(&self, id: SampleId) -> Result<Option<KeptSample>, StoreError> {
        self.store.sample(id).await
    }

    async fn clear_samples(&self, cause: &Cause) -> Result<u64, StoreError> {
        self.store.clear_samples(cause).await
    }

    async fn key(&self, id: KeyId) -> Result<Option<KeyRecord>, StoreError> {
        self.keys_read.fetch_add(1, Ordering::SeqCst);
        let found = self.store.key(id).await;
        pass(&self.held_key).await;
        found
    }

    async fn key_named(&self, name: &KeyName) -> Result<Option<KeyRecord>, StoreError> {
        self.store.key_named(name).await
    }

    async fn keys(&self, page: &Page<KeyId>) -> Result<Vec<KeyRecord>, StoreError> {
        pass(&self.held_page).await;
        self.store.keys(page).await
    }

    async fn binding(&self, id: BindingId) -> Result<Option<Binding>, StoreError> {
        self.store.binding(id).await
    }

    async fn bindings(&self, page: &Page<BindingId>) -> Result<Vec<Binding>, StoreError> {
        self.store.bindings(page).await
    }

    async fn audit_given_up(&self) -> Result<Option<GivenUp>, StoreError> {
        self.store.audit_given_up().await
    }

    async fn audit(&self, wanted: &AuditQuery) -> Result<Vec<AuditEntry>, StoreError> {
        self.store.audit(wanted).await
    }
}

#[async_trait]
impl Store for Sluice {
    fn for_follower(&self) -> Arc<dyn Source> {
        self.store.for_follower()
    }

    async fn keys_where(&self, wanted: &KeyFilter) -> Result<ListPart<KeyRecord, KeyId>, StoreError> {
        pass(&self.held_page).await;
        self.store.keys_where(wanted).await
    }

    async fn bindings_where(&self, wanted: &BindingFilter) -> Result<ListPart<Binding, BindingId>, StoreError> {
        self.store.bindings_where(wanted).await
    }

    async fn members(&self, group: &GroupName, after: Option<KeyId>, limit: u32) -> Result<Vec<KeyRecord>, StoreError> {
        pass(&self.held_page).await;
        self.store.members(group, after, limit).await
    }

    async fn audit_in_part(&self, wanted: &AuditQuery) -> Result<ListPart<AuditEntry, AuditId>, StoreError> {
        self.store.audit_in_part(wanted).await
    }

    async fn keys_ending(&self, after: Timestamp, before: Timestamp, limit: u32) -> Result<Vec<KeyRecord>, StoreError> {
        self.store.keys_ending(after, before, limit).await
    }

    async fn keys_never_used(&self, wanted: &NeverUsed) -> Result<ListPart<KeyRecord, KeyId>, StoreError> {
        self.store.keys_never_used(wanted).await
    }

    async fn names_of(&self, keys: &BTreeSet<KeyId>) -> Result<BTreeMap<KeyId, KeyName>, StoreError> {
        self.store.names_of(keys).await
    }

    async fn binding_counts(&self, spaces: &BTreeSet<SpaceId>, most: u32) -> Result<BTreeMap<SpaceId, u32>, StoreError> {
        self.store.binding_counts(spaces, most).await
    }

    async fn groups_with_members(&self, groups: &BTreeSet<GroupName>) -> Result<BTreeSet<GroupName>, StoreError> {
        self.store.groups_with_members(groups).await
    }

    async fn revision_of(&self, resource: &Resource) -> Result<Option<Revision>, StoreError> {
        self.store.revision_of(resource).await
    }

    async fn done_once(&self, actor: &str, key: &str) -> Result<Option<DoneOnce>, StoreError> {
        self.store.done_once(actor, key).await
    }

    async fn open_session(&self, session: &ConsoleSession) -> Result<(), StoreError> {
        self.check()?;
        self.store.open_session(session).await
    }

    async fn session(&self, digest: &SessionDigest) -> Result<Option<ConsoleSession>, StoreError> {
        self.check()?;
        self.store.session(digest).await
    }

    async fn renew_session(&self, digest: &SessionDigest, ends_at: Timestamp) -> Result<bool, StoreError> {
        self.check()?;
        self.store.renew_session(digest, ends_at).await
    }

    async fn end_session(&self, digest: &SessionDigest) -> Result<bool, StoreError> {
        self.check()?;
        self.store.end_session(digest).await
    }

    async fn end_sessions_of(&self, key: KeyId) -> Result<u64, StoreError> {
        self.check()?;
        self.store.end_sessions_of(key).await
    }

    async fn note(&self, note: AuditNote, cause: &Cause) -> Result<Option<AuditId>, StoreError> {
        self.store.note(note, cause).await
    }

    async fn tend_audit(&self, keep_since: Option<Timestamp>) -> Result<u64, StoreError> {
        self.store.tend_audit(keep_since).await
    }

    async fn hold_webhook(&self, holder: &str, until: Timestamp) -> Result<Option<Webhook>, StoreError> {
        self.store.hold_webhook(holder, until).await
    }

    async fn set_webhook(&self, holder: &str, webhook: &Webhook) -> Result<Held, StoreError> {
        self.store.set_webhook(holder, webhook).await
    }
}
