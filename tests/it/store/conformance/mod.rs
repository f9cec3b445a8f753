//! What every store promises, a sentence each, held against every backend.
//!
//! Written over `Arc<dyn Store>`: a backend joins by a constructor in [`Backend`] and a line in `for_every_backend!`.

macro_rules! for_every_backend {
    ($($rule:ident)*) => {
        mod sqlite {
            use crate::store::conformance::Backend;
            $(
                #[tokio::test]
                async fn $rule() {
                    super::$rule(Backend::sqlite()).await;
                }
            )*
        }

        mod postgres {
            use crate::store::conformance::Backend;
            $(
                #[tokio::test]
                async fn $rule() {
                    super::$rule(Backend::postgres()).await;
                }
            )*
        }
    };
}

mod audit;
mod feed;
mod keys;
mod listings;
mod managed;
mod preconditions;
mod replicas;
mod root_admin;
mod samples;
mod sessions;
mod shared;
mod together;

use std::sync::Arc;
use std::time::Duration;

use claviger::clock::{ManualClock, later};
use claviger::config::StoreUrl;
use claviger::model::{
    Actor, AuditEntry, AuditId, AuditNote, Binding, BindingId, Cause, Change, Changes, Expiry, GroupName, KeyDigest, KeyId, KeyName,
    KeyRecord, KeyState, LoginPolicy, Mutation, NewKey, PlainKey, Reach, RegoVersion, Resource, Revision, RoleId, Snapshot, Space, SpaceId,
    Strategy, Subject, SystemRole,
};
use claviger::store::{self, AuditOrder, AuditQuery, BatchError, Conflict, Likeness, Page, Precondition, Store, StoreError, Unmet};
use jiff::Timestamp;
use tempfile::TempDir;

use crate::support::postgres::{self, Database};

/// Something that stores can be opened on, again and again.
pub(crate) struct Backend {
    url: StoreUrl,
    pub(crate) clock: Arc<ManualClock>,
    /// Where the store is; goes when the test ends.
    place: Place,
}

enum Place {
    Directory(#[expect(dead_code, reason = "goes when it is dropped")] TempDir),
    Database(Database),
}

impl Backend {
    pub(crate) fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self::at(StoreUrl::Sqlite(directory.path().join("claviger.db")), Place::Directory(directory))
    }

    pub(crate) fn postgres() -> Self {
        let database = Database::with_store(postgres::shared());
        Self::at(StoreUrl::parse(&database.url()).unwrap(), Place::Database(database))
    }

    fn at(url: StoreUrl, place: Place) -> Self {
        Self { url, clock: Arc::new(ManualClock::at("2026-03-04T05:06:07.123456Z".parse().unwrap())), place }
    }

    pub(crate) async fn open(&self) -> Arc<dyn Store> {
        store::open(&self.url, Strategy::Combined, self.clock.clone()).await.unwrap()
    }

    pub(crate) fn now(&self) -> Timestamp {
        use claviger::clock::Clock as _;
        self.clock.now().wall
    }
}

// Names and numbers.

pub(crate) fn key_id(number: u64) -> KeyId {
    KeyId::new(number, 0)
}

pub(crate) fn binding_id(number: u64) -> BindingId {
    BindingId::new(number, 1)
}

pub(crate) fn digest(number: u64) -> KeyDigest {
    let mut bytes = [7; 32];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    KeyDigest::from_bytes(bytes)
}

pub(crate) fn name(text: &str) -> KeyName {
    text.parse().unwrap()
}

pub(crate) fn group(text: &str) -> GroupName {
    text.parse().unwrap()
}

pub(crate) fn role(text: &str) -> RoleId {
    text.parse().unwrap()
}

pub(crate) fn space(text: &str) -> SpaceId {
    text.parse().unwrap()
}

pub(crate) fn admin() -> RoleId {
    SystemRole::SpaceAdmin.id()
}

pub(crate) fn all<A>() -> Page<A> {
    Page { after: None, limit: 1000, query: None }
}

/// Every entry of the audit.
pub(crate) fn whole() -> AuditQuery {
    AuditQuery { limit: 1000, ..AuditQuery::default() }
}

pub(crate) fn new_key(number: u64, called: &str) -> NewKey {
    NewKey {
        id: key_id(number),
        name: name(called),
        description: String::new(),
        groups: Vec::new(),
        expires_at: None,
        digest: digest(number),
        bindings: Vec::new(),
    }
}

pub(crate) fn new_space(id: &str, parent: &str) -> Mutation {
    Mutation::CreateSpace(Space {
        id: space(id),
        name: id.to_owned(),
        description: String::new(),
        parent: Some(space(parent)),
        labels: Vec::new(),
    })
}

pub(crate) fn new_role(id: &str, actions: &[&str]) -> Mutation {
    Mutation::CreateRole {
        id: role(id),
        name: id.to_owned(),
        description: String::new(),
        actions: actions.iter().map(|action| action.parse().unwrap()).collect(),
    }
}

pub(crate) fn bind_key(binding: u64, key: u64, to: &str, on: &str) -> Mutation {
    Mutation::CreateBinding { id: binding_id(binding), subject: Subject::Key(key_id(key)), role: role(to), space: space(on) }
}

pub(crate) fn bind_group(binding: u64, called: &str, to: &str, on: &str) -> Mutation {
    Mutation::CreateBinding { id: binding_id(binding), subject: Subject::Group(group(called)), role: role(to), space: space(on) }
}

fn regroup(key: u64, groups: &[&str]) -> Mutation {
    let groups = Some(groups.iter().map(|text| group(text)).collect());
    Mutation::UpdateKey { id: key_id(key), name: None, description: None, groups, expiry: None }
}

fn expire(key: u64, expiry: Expiry) -> Mutation {
    Mutation::UpdateKey { id: key_id(key), name: None, description: None, groups: None, expiry: Some(expiry) }
}

fn rename_key(key: u64, to: &str) -> Mutation {
    Mutation::UpdateKey { id: key_id(key), name: Some(name(to)), description: None, groups: None, expiry: None }
}

fn move_space(id: &str, to: &str) -> Mutation {
    Mutation::UpdateSpace { id: space(id), name: None, description: None, labels: None, parent: Some(space(to)) }
}

// Asking and telling.

async fn done(store: &Arc<dyn Store>, mutation: Mutation) -> Change {
    let said = format!("{mutation:?}");
    store.apply(mutation, &Cause::SYSTEM, None).await.unwrap_or_else(|error| panic!("{said}: {error}"))
}

async fn refused(store: &Arc<dyn Store>, mutation: Mutation) -> Conflict {
    match store.apply(mutation, &Cause::SYSTEM, None).await {
        Err(StoreError::Conflict(conflict)) => conflict,
        other => panic!("a conflict was expected, not {other:?}"),
    }
}

async fn unknown(store: &Arc<dyn Store>, mutation: Mutation) -> Resource {
    match store.apply(mutation, &Cause::SYSTEM, None).await {
        Err(StoreError::NotFound(resource)) => resource,
        other => panic!("a thing not found was expected, not {other:?}"),
    }
}

async fn found(store: &Arc<dyn Store>, number: u64) -> KeyRecord {
    store.find_key(&digest(number)).await.unwrap().expect("the key is there").key
}

async fn audited(store: &Arc<dyn Store>) -> AuditEntry {
    store.audit(&AuditQuery { limit: 1, ..AuditQuery::default() }).await.unwrap().remove(0)
}

/// A key in a group, with a role of its own in a space.
async fn with_a_bound_key(store: &Arc<dyn Store>) {
    done(store, new_space("production", "root")).await;
    done(store, new_role("deployer", &["run:trigger"])).await;
    done(store, Mutation::CreateKey(NewKey { groups: vec![group("platform")], ..new_key(1, "ci") })).await;
    done(store, bind_key(1, 1, "deployer", "production")).await;
}
