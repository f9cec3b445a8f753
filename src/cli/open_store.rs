//! The store that a managing command works on, and how things in it are found by what people call them.

use std::collections::HashMap;
use std::fmt::Display;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::args::config;
use super::failure::Failure;
use super::operator;
use super::output::{Output, talk};
use crate::clock::{Clock, SystemClock};
use crate::config::{Settings, StoreUrl, environment};
use crate::control::{Asked, Batch, Control, ControlError, RefusedBatch, Rehearsal};
use crate::diagnostics::{escaped, nearest};
use crate::exchange::{self, ExchangeError, Explainer};
use crate::model::{
    AuditEntry, AuditId, Binding, BindingId, Cause, Change, EntryHash, GroupName, KEY_PREFIX, KeptSample, KeyId, KeyName, KeyRecord,
    Mutation, PlainKey, Replicas, Resource, ResourceKind, Revision, SampleId, Snapshot, Strategy, TokenSize,
};
use crate::policy::{self, PolicySource, Vocabulary};
use crate::remote::{Evaluation, RemoteStore};
use crate::store::{self, AuditQuery, BatchError, Inspected, Lookup as _, Management, NAMED_KEYS_MAX, Page, Store, StoreError, Verified};

/// How many rows are read at a time.
const PAGE: u32 = 500;
/// How often it is looked whether a change is in force.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// How many keys are looked at for a name like the one that was not found. A suggestion is a courtesy, not worth a million rows.
const NEIGHBOURS: usize = 5_000;

/// Which store, and which configuration. What an argument says counts before what the environment says.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct StoreArgs {
    /// The store to work on, `sqlite://PATH` or `postgres://USER@HOST/DATABASE`; else `CLAVIGER_STORE`, else the store of the configuration
    #[arg(long, global = true, value_name = "URL", help_heading = "Place")]
    store: Option<String>,
    /// The configuration whose store to work on; else `CLAVIGER_CONFIG`
    #[arg(long, global = true, value_name = "FILE", help_heading = "Place")]
    config: Option<PathBuf>,
}

impl StoreArgs {
    /// The configuration that is named, with what the environment says; the environment alone if none is.
    pub(crate) fn settings(&self, out: &Output) -> Result<Settings, Failure> {
        config::quiet_settings(self.file().as_deref(), out)
    }

    /// The file that the line or the environment names.
    fn file(&self) -> Option<PathBuf> {
        self.config.clone().or_else(config::file_in_environment)
    }

    /// Opens a store that is there: for commands that make nothing new.
    pub(crate) async fn look(&self, out: &Output) -> Result<OpenStore, Failure> {
        if let Some(path) = self.url(out)?.file()
            && !path.exists()
        {
            let way = "the first command that makes something makes it, and so does `claviger serve`";
            return Err(Failure::refused(format_args!("there is no store at {}: {way}", path.display())));
        }
        self.open(out).await
    }

    /// Opens the store, and makes it if it is not there.
    pub(crate) async fn open(&self, out: &Output) -> Result<OpenStore, Failure> {
        let url = self.url(out)?;
        let is_new = is_new(&url).await?;
        // Only a store that is about to be made asks for the configuration: a broken one must not keep anybody from revoking a key.
        let initial = if is_new { self.settings(out)?.login.strategy } else { Strategy::default() };
        let clock = Arc::new(SystemClock::start());
        let store = store::open(&url, initial, clock.clone()).await?;
        if is_new {
            out.note(format_args!("made a new store, {url}"));
        }
        Ok(OpenStore { opened: Opened::Here(store), clock, place: self.clone(), wait: None })
    }

    /// Whether the line says which store.
    pub(super) fn is_said(&self) -> bool {
        self.store.is_some() || self.config.is_some()
    }

    /// Whether the environment says which store.
    pub(super) fn is_in_environment() -> bool {
        config::file_in_environment().is_some()
            || ["CLAVIGER_STORE", "CLAVIGER_STORE__URL"].into_iter().any(|name| std::env::var_os(name).is_some())
    }

    /// The store as it is, to look at alone: `None` if there is none or it cannot be read. Nothing is said of it.
    pub(crate) async fn glance(&self) -> Option<Arc<dyn Store>> {
        let url = match (&self.store, std::env::var("CLAVIGER_STORE")) {
            (Some(text), _) => StoreUrl::parse(text).ok()?,
            (None, Ok(text)) if self.config.is_none() => StoreUrl::parse(&text).ok()?,
            (None, _) => Settings::load(self.file().as_deref(), environment(), &[]).ok()?.settings.store.url,
        };
        match store::inspect(&url, Arc::new(SystemClock::start())).await {
            Ok(Inspected::Open(store)) => Some(store),
            Ok(Inspected::Outdated(_)) | Err(_) => None,
        }
    }

    /// Which store it is. What stands on the line counts before the environment: somebody has just typed it.
    pub(crate) fn url(&self, out: &Output) -> Result<StoreUrl, Failure> {
        let parse = |text: &str| StoreUrl::parse(text).map_err(Failure::usage);
        if let Some(text) = &self.store {
            return parse(text);
        }
        if self.config.is_none() {
            if let Ok(text) = std::env::var("CLAVIGER_STORE") {
                return parse(&text);
            }
            if config::file_in_environment().is_none() && std::env::var_os("CLAVIGER_STORE__URL").is_none() {
                let ways = "say --store sqlite://PATH or --config FILE, set CLAVIGER_STORE or CLAVIGER_CONFIG, or `login` to a server";
                return Err(Failure::usage(format_args!("which store? {ways}")));
            }
        }
        Ok(self.settings(out)?.store.url)
    }
}

/// Whether opening it would make it, or do more than open it.
async fn is_new(url: &StoreUrl) -> Result<bool, Failure> {
    match url.file() {
        Some(path) => Ok(!path.exists()),
        None => Ok(matches!(store::inspect(url, Arc::new(SystemClock::start())).await?, Inspected::Outdated(_))),
    }
}

#[expect(clippy::disallowed_methods, reason = "the pause between two looks at who has applied a change")]
async fn pause() {
    tokio::time::sleep(LOOK_AGAIN).await;
}

/// An open store, and what it takes to work on it. Dropped, it is closed, however the command ends: the file alone is the store then.
pub(crate) struct OpenStore {
    opened: Opened,
    clock: Arc<dyn Clock>,
    place: StoreArgs,
    /// For how long it is waited for a change to be in force everywhere.
    wait: Option<Duration>,
}

/// Where it is.
enum Opened {
    /// In the hands of whoever runs the command, who may everything.
    Here(Arc<dyn Store>),
    /// At a server, which decides what the key that is sent may do.
    There(Arc<RemoteStore>),
}

impl Drop for OpenStore {
    fn drop(&mut self) {
        // A command has one, drops it last, and nobody waits for this thread.
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(self.store().close()));
    }
}

impl OpenStore {
    /// That of a server.
    pub(super) fn at(server: RemoteStore, place: StoreArgs) -> Self {
        Self { opened: Opened::There(Arc::new(server)), clock: Arc::new(SystemClock::start()), place, wait: None }
    }

    /// The same, where changes are waited for.
    pub(super) fn waiting(mut self, wait: Option<Duration>) -> Self {
        self.wait = wait;
        self
    }

    fn store(&self) -> &dyn Management {
        match &self.opened {
            Opened::Here(store) => &**store,
            Opened::There(server) => &**server,
        }
    }

    /// The configuration of the place where the store is; of a server's, what decisions depend on.
    pub(crate) async fn settings(&self, out: &Output) -> Result<Settings, Failure> {
        match &self.opened {
            Opened::Here(_) => self.place.settings(out),
            Opened::There(server) => Ok(server.evaluation().await?.settings.clone()),
        }
    }

    /// The policies of the configured directory. Faults are shown.
    pub(crate) async fn policy_files(&self, out: &Output) -> Result<Vec<PolicySource>, Failure> {
        match &self.opened {
            Opened::Here(_) => {
                let dir = self.place.settings(out)?.policies.dir;
                match dir.as_deref().map_or_else(|| Ok(Vec::new()), policy::read_dir) {
                    Ok(files) => Ok(files),
                    Err(faults) => Err(out.refused_for(&faults)?),
                }
            }
            Opened::There(server) => Ok(server.evaluation().await?.files.clone()),
        }
    }

    /// What explains decisions from this store and the configured policies. Policies that do not load are shown.
    pub(crate) async fn explainer(&self, out: &Output) -> Result<Explainer, Failure> {
        let loaded = match &self.opened {
            Opened::Here(store) => Explainer::load(&self.settings(out).await?, &**store).await,
            Opened::There(server) => Self::explainer_of(server).await,
        };
        match loaded {
            Ok(explainer) => Ok(explainer),
            Err(ExchangeError::Policies(faults)) => Err(out.refused_for(&faults)?),
            Err(ExchangeError::Store(error)) => Err(error.into()),
            Err(other) => Err(Failure::refused(other)),
        }
    }

    /// The same where nobody has asked about configuration or policies: `None` if they do not load, or may not be seen.
    pub(crate) async fn explainer_if_sound(&self) -> Option<Explainer> {
        match &self.opened {
            Opened::Here(store) => {
                let loaded = Settings::load(self.place.file().as_deref(), environment(), &[]).ok()?;
                Explainer::load(&loaded.settings, &**store).await.ok()
            }
            Opened::There(server) => Self::explainer_of(server).await.ok(),
        }
    }

    /// Why there is no explainer, where nobody has asked for one.
    pub(crate) fn unexplained(&self) -> &'static str {
        match &self.opened {
            Opened::Here(_) => "what is in force now does not load",
            Opened::There(_) => "the server does not tell this key what is in force, or it does not load",
        }
    }

    async fn explainer_of(server: &RemoteStore) -> Result<Explainer, ExchangeError> {
        let Evaluation { settings, files } = server.evaluation().await?;
        Explainer::of(settings, server.snapshot().await?, files.clone())
    }

    /// Refused where a server does not show this to the key that it is asked with. What is left out of a snapshot is not what is not there.
    pub(crate) async fn shows(&self, kind: ResourceKind) -> Result<(), Failure> {
        match &self.opened {
            Opened::Here(_) => Ok(()),
            Opened::There(server) => Ok(server.may_see(kind).await?),
        }
    }

    /// The store itself, for what works on a whole one.
    pub(crate) fn as_management(&self) -> &dyn Management {
        self.store()
    }

    /// Who works here, as a server says it; `None`: whoever has the store in their hands.
    pub(crate) async fn whoami(&self) -> Result<Option<serde_json::Value>, Failure> {
        match &self.opened {
            Opened::Here(_) => Ok(None),
            Opened::There(server) => Ok(Some(server.whoami().await?)),
        }
    }

    /// The time, on the wall.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now().wall
    }

    /// Everything but the keys.
    pub(crate) async fn snapshot(&self) -> Result<Snapshot, Failure> {
        Ok(self.store().snapshot().await?)
    }

    /// Who serves from it.
    pub(crate) async fn replicas(&self) -> Result<Replicas, Failure> {
        Ok(self.store().replicas().await?)
    }

    /// Makes a change as the operator, or as the key that a server is asked with. What is refused because it is not there comes with the
    /// nearest name that is.
    pub(crate) async fn apply(&self, mutation: Mutation) -> Result<Revision, Failure> {
        Ok(self.make(mutation).await?.0)
    }

    /// The same, with the time at which it was committed.
    pub(crate) async fn make(&self, mutation: Mutation) -> Result<(Revision, Timestamp), Failure> {
        let made = match &self.opened {
            Opened::Here(store) => {
                let control = Control::of_store(Arc::clone(store), Arc::clone(&self.clock));
                let made = control.change(&Asked::by_operator(operator::name()?), mutation, None).await;
                made.map(|made| (made.revision, made.at))
            }
            Opened::There(server) => {
                let made = server.apply(mutation, &Cause::SYSTEM, None).await;
                made.map(|change| (change.revision, change.at)).map_err(ControlError::from)
            }
        };
        match made {
            Err(ControlError::Store(StoreError::NotFound(resource))) => Err(self.not_found(resource.kind(), &resource.id()).await),
            other => {
                let (revision, at) = other?;
                self.wait_for(revision).await;
                Ok((revision, at))
            }
        }
    }

    /// Makes several changes: all of them or none.
    pub(crate) async fn make_batch(&self, batch: Batch) -> Result<Vec<Change>, BatchError> {
        let changes = match &self.opened {
            Opened::Here(_) => self.controlled(batch, Rehearsal::No).await?,
            Opened::There(server) => server.apply_declared(batch.mutations, &batch.declared, &Cause::SYSTEM, batch.only_if).await?,
        };
        if let Some(last) = changes.last() {
            self.wait_for(last.revision).await;
        }
        Ok(changes)
    }

    /// Whether they would be made.
    pub(crate) async fn rehearse(&self, batch: Batch) -> Result<(), BatchError> {
        match &self.opened {
            Opened::Here(_) => self.controlled(batch, Rehearsal::Only).await.map(drop),
            Opened::There(server) => server.rehearse(batch.mutations, batch.only_if).await,
        }
    }

    /// Has the operator's changes made here.
    async fn controlled(&self, batch: Batch, rehearsal: Rehearsal) -> Result<Vec<Change>, BatchError> {
        let Opened::Here(store) = &self.opened else { return Ok(Vec::new()) };
        let operator = operator::name().map_err(|failure| StoreError::Unavailable(failure.to_string()))?;
        let control = Control::of_store(Arc::clone(store), Arc::clone(&self.clock));
        match control.change_all(&Asked::by_operator(operator), batch, rehearsal).await {
            Ok(made) => Ok(made.changes),
            Err(RefusedBatch { index, error: ControlError::Store(error) }) => Err(BatchError { index, error }),
            Err(RefusedBatch { index, error }) => Err(BatchError { index, error: StoreError::Unavailable(error.to_string()) }),
        }
    }

    /// Makes several changes; the last of them. `called` says what the one of an index is about.
    pub(crate) async fn make_all(
        &self,
        mutations: Vec<Mutation>,
        called: impl Fn(usize) -> Option<String>,
    ) -> Result<Option<Change>, Failure> {
        match self.make_batch(Batch { mutations, ..Batch::default() }).await {
            Ok(mut changes) => Ok(changes.pop()),
            Err(BatchError { index, error }) => Err(match index.and_then(called) {
                Some(called) => Failure::refused(format_args!("nothing was changed: {called}: {error}")),
                None => Failure::refused(format_args!("nothing was changed: {error}")),
            }),
        }
    }

    /// Returns when a change is in force in every process that serves, if that is waited for. It is made either way: where it is not in force
    /// in time is told, and no failure.
    pub(crate) async fn wait_for(&self, change: Revision) {
        let Some(most) = self.wait else { return };
        let clock = SystemClock::start();
        loop {
            let told = match self.store().replicas().await {
                // One from before the change may not know of everybody.
                Ok(replicas) if replicas.revision >= change => {
                    let late: Vec<String> = replicas.without(change).map(|replica| replica.report.name.to_string()).collect();
                    if late.is_empty() {
                        return;
                    }
                    format!("in {}", late.join(", "))
                }
                Ok(_) => "everywhere".to_owned(),
                Err(error) => format!("everywhere, as far as can be told: {error}"),
            };
            if clock.monotonic() >= most {
                return talk(&escaped(&format!("revision {change} is made, and not in force yet {told}")));
            }
            pause().await;
        }
    }

    /// The key that people call this: an id, or the name of a key that is not revoked.
    pub(crate) async fn key(&self, called: &str) -> Result<KeyRecord, Failure> {
        if called.starts_with(KEY_PREFIX) {
            // Whoever pastes a key's text here must not find it again in a terminal's scrollback or a build's log.
            return Err(match PlainKey::presented(called.as_bytes()).and_then(|plain| plain.id()) {
                Some(id) => Failure::usage(format_args!("that is the text of a key, which is secret: call the key by its id, {id}")),
                None => Failure::usage("that looks like the text of a key, which is secret: call a key by its name or its id"),
            });
        }
        // An id is the same in upper case, as other programs write ULIDs.
        if let Ok(id) = called.to_ascii_lowercase().parse::<KeyId>()
            && let Some(key) = self.store().key(id).await?
        {
            return Ok(key);
        }
        let found = match called.parse::<KeyName>() {
            Ok(name) => self.store().key_named(&name).await?,
            Err(_) => None,
        };
        match found {
            Some(key) => Ok(key),
            None => match self.last_revoked(called).await? {
                Some((id, at)) => Err(Failure::refused(format_args!("key {called} was revoked at {at:.0}; its id is {id}"))),
                None => Err(self.not_found(ResourceKind::Key, called).await),
            },
        }
    }

    /// The key of this name that was revoked last, and when.
    async fn last_revoked(&self, name: &str) -> Result<Option<(KeyId, Timestamp)>, Failure> {
        let (mut last, mut after) = (None, None);
        loop {
            let page = self.store().keys(&Page { after, limit: PAGE, query: Some(name.to_owned()) }).await?;
            let Some(end) = page.last() else { return Ok(last.map(|(at, id)| (id, at))) };
            after = Some(end.id);
            let revoked = page.iter().filter(|key| key.name.as_str() == name).filter_map(|key| Some((key.revoked_at?, key.id)));
            last = last.max(revoked.max());
        }
    }

    /// The key that is called this, by id or by name, if there is one.
    pub(crate) async fn key_called(&self, called: &str) -> Result<Option<KeyRecord>, Failure> {
        match called.parse::<KeyName>() {
            Ok(name) => self.key_like(called.to_ascii_lowercase().parse().ok(), &name).await,
            Err(_) => Ok(None),
        }
    }

    /// The key with this id, or else the one with this name, if there is one.
    pub(crate) async fn key_like(&self, id: Option<KeyId>, name: &KeyName) -> Result<Option<KeyRecord>, Failure> {
        if let Some(id) = id
            && let Some(key) = self.store().key(id).await?
        {
            return Ok(Some(key));
        }
        Ok(self.store().key_named(name).await?)
    }

    /// The key with this id, which is known to be there.
    pub(crate) async fn key_by_id(&self, id: KeyId) -> Result<KeyRecord, Failure> {
        self.store().key(id).await?.ok_or_else(|| StoreError::NotFound(Resource::Key(id)).into())
    }

    /// The same of one that has just been changed. Says so if what it holds does not fit into a token.
    pub(crate) async fn changed_key(&self, id: KeyId, out: &Output) -> Result<KeyRecord, Failure> {
        let key = self.key_by_id(id).await?;
        // A remark is worth no failure: where the configuration cannot be read, what it usually says is held against. Whoever may see no more
        // than their own key is told nothing.
        let token = self.settings(out).await.map(|settings| settings.token).unwrap_or_default();
        if let Ok(snapshot) = self.snapshot().await
            && let Some(TokenSize { size, limit }) = exchange::oversize(&token, &snapshot, &key, self.now())
        {
            out.note(format_args!(
                "{} is refused with token_too_large: its token would be {size} bytes, more than token.max_bytes = {limit}",
                key.name
            ));
        }
        Ok(key)
    }

    /// What policies can speak of.
    pub(crate) async fn vocabulary(&self, snapshot: &Snapshot) -> Result<Vocabulary, Failure> {
        Ok(Vocabulary::of(snapshot).with_keys(self.store().key_names(NAMED_KEYS_MAX).await?))
    }

    /// Every key, revoked ones included, by age.
    pub(crate) async fn keys(&self) -> Result<Vec<KeyRecord>, Failure> {
        self.keys_up_to(usize::MAX).await
    }

    /// The keys after this one, or the first ones: a page, empty after the last.
    pub(crate) async fn keys_after(&self, after: Option<KeyId>) -> Result<Vec<KeyRecord>, Failure> {
        Ok(self.store().keys(&Page { after, limit: PAGE, query: None }).await?)
    }

    /// The oldest keys, revoked ones included: as many as a courtesy is worth.
    pub(crate) async fn some_keys(&self) -> Result<Vec<KeyRecord>, Failure> {
        self.keys_up_to(NEIGHBOURS).await
    }

    async fn keys_up_to(&self, most: usize) -> Result<Vec<KeyRecord>, Failure> {
        let mut keys: Vec<KeyRecord> = Vec::new();
        while keys.len() < most {
            let page = self.store().keys(&Page { after: keys.last().map(|key| key.id), limit: PAGE, query: None }).await?;
            if page.is_empty() {
                break;
            }
            keys.extend(page);
        }
        Ok(keys)
    }

    /// Every binding, by age.
    pub(crate) async fn bindings(&self) -> Result<Vec<Binding>, Failure> {
        let mut bindings: Vec<Binding> = Vec::new();
        loop {
            let page = self.store().bindings(&Page { after: bindings.last().map(|binding| binding.id), limit: PAGE, query: None }).await?;
            if page.is_empty() {
                return Ok(bindings);
            }
            bindings.extend(page);
        }
    }

    /// The audit entries that are wanted, at most `limit`, newest first.
    pub(crate) async fn audit(&self, limit: usize, wanted: &AuditQuery) -> Result<Vec<AuditEntry>, Failure> {
        let mut entries: Vec<AuditEntry> = Vec::new();
        while entries.len() < limit {
            let before = entries.last().map(|entry| entry.id);
            let most = u32::try_from(limit - entries.len()).map_or(PAGE, |left| left.min(PAGE));
            let page = self.store().audit(&AuditQuery { before, limit: most, ..wanted.clone() }).await?;
            let read = page.len();
            entries.extend(page);
            if read < most as usize {
                break;
            }
        }
        Ok(entries)
    }

    /// One page of them.
    pub(crate) async fn audit_page(&self, wanted: &AuditQuery) -> Result<Vec<AuditEntry>, Failure> {
        Ok(self.store().audit(wanted).await?)
    }

    /// Whether the audit is as it was written, and the store as it says.
    pub(crate) async fn verify_audit(
        &self,
        kept: &[(AuditId, EntryHash)],
        progress: impl FnMut(AuditId) + Send,
    ) -> Result<Verified, Failure> {
        match &self.opened {
            Opened::Here(store) => Ok(store::verify_audit(&**store, kept, progress).await?),
            Opened::There(_) => Err(Failure::usage("rows are held against the audit on the store itself: say --store or --config")),
        }
    }

    /// Every sample that is kept, newest first.
    pub(crate) async fn samples(&self) -> Result<Vec<KeptSample>, Failure> {
        Ok(self.store().samples().await?)
    }

    /// The sample with this number.
    pub(crate) async fn sample(&self, id: SampleId) -> Result<KeptSample, Failure> {
        let found = self.store().sample(id).await?;
        found.ok_or_else(|| Failure::refused(format_args!("there is no sample {id}; `policy sample list` shows those that are kept")))
    }

    /// Gives up every sample; how many there were.
    pub(crate) async fn clear_samples(&self) -> Result<u64, Failure> {
        match &self.opened {
            Opened::Here(store) => {
                let control = Control::of_store(Arc::clone(store), Arc::clone(&self.clock));
                Ok(control.clear_samples(&Asked::by_operator(operator::name()?)).await?)
            }
            Opened::There(server) => Ok(server.clear_samples(&Cause::SYSTEM).await?),
        }
    }

    /// Returns when something may have changed; see [`Store::woken`].
    pub(crate) async fn woken(&self) {
        self.store().woken().await;
    }

    /// The binding with this id.
    pub(crate) async fn binding(&self, id: BindingId) -> Result<Binding, Failure> {
        self.store().binding(id).await?.ok_or_else(|| StoreError::NotFound(Resource::Binding(id)).into())
    }

    /// What the keys with these ids are called.
    pub(crate) async fn key_names(&self, ids: impl IntoIterator<Item = KeyId>) -> Result<HashMap<KeyId, KeyName>, Failure> {
        let mut names = HashMap::new();
        for id in ids {
            if !names.contains_key(&id)
                && let Some(key) = self.store().key(id).await?
            {
                names.insert(id, key.name);
            }
        }
        Ok(names)
    }

    /// Says so if no key and no binding has named this group yet. That is no failure: a group comes to be by being named.
    pub(crate) async fn remark_on_group(&self, group: &GroupName, out: &Output) -> Result<(), Failure> {
        if !self.snapshot().await?.groups.contains_key(group) {
            out.note(self.not_found(ResourceKind::Group, group.as_str()).await);
        }
        Ok(())
    }

    /// The failure of not finding what is called this, with the nearest of its kind that is there.
    pub(crate) async fn not_found(&self, kind: ResourceKind, called: &str) -> Failure {
        match self.names_of(kind).await.ok().and_then(|names| nearest(called, names)) {
            Some(near) => Failure::refused(format_args!("there is no {kind} {called}; did you mean {near}?")),
            None => Failure::refused(format_args!("there is no {kind} {called}")),
        }
    }

    /// What people call the things of this kind; nobody remembers an id well enough to mistype it.
    async fn names_of(&self, kind: ResourceKind) -> Result<Vec<String>, Failure> {
        fn all(names: impl Iterator<Item = impl Display>) -> Vec<String> {
            names.map(|name| name.to_string()).collect()
        }
        Ok(match kind {
            ResourceKind::Key => {
                let keys = self.keys_up_to(NEIGHBOURS).await?;
                all(keys.iter().filter(|key| key.revoked_at.is_none()).map(|key| &key.name))
            }
            ResourceKind::Space => all(self.snapshot().await?.spaces.iter().map(|space| &space.id)),
            ResourceKind::Role => all(self.snapshot().await?.roles.keys()),
            ResourceKind::Group => all(self.snapshot().await?.groups.keys()),
            ResourceKind::Policy => all(self.snapshot().await?.policies.iter().map(|policy| &policy.name)),
            ResourceKind::Binding | ResourceKind::Strategy => Vec::new(),
        })
    }
}
