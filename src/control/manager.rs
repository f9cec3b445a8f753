//! A store, and what it takes to manage it.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;

use super::fan_out::FanOut;
use super::follower_keys::FollowerKeys;
use super::followers::Followers;
use super::latest::Latest;
use super::recent::Recent;
use super::replica_watch::ReplicaWatch;
use crate::clock::Clock;
use crate::config::LiveSettings;
use crate::exchange::{Exchange, Explainer};
use crate::model::{KeyId, ReplicaName};
use crate::store::{Source, Store};

/// Manages a store.
pub struct Control {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    /// Where a change is put in force before it is acknowledged, and by which settings; `None`: nobody serves here.
    pub(super) serving: Option<Serving>,
    /// Changes are weighed one at a time, so that they are not weighed in vain.
    pub(super) turn: tokio::sync::Mutex<()>,
    /// Who is known to have come from where.
    pub(super) known: Mutex<HashSet<(KeyId, Option<IpAddr>)>>,
    /// What is looked at by those who wait for other processes.
    pub(super) replicas: ReplicaWatch,
    pub(super) latest: Latest,
    /// What explained last, with the policies as they were compiled.
    pub(super) explained: Mutex<Option<Arc<Explainer>>>,
    /// By which it is known whether that still is the latest.
    pub(super) followed: Arc<dyn Source>,
    /// The sidecars that ask here.
    pub(super) followers: Followers,
    pub(super) follower_keys: FollowerKeys,
    pub(super) fan_out: FanOut,
    /// What they have not heard of yet is seldom older.
    pub(super) recent: Recent,
}

/// What serves from the store in this process.
pub struct Serving {
    /// What is in force here.
    pub exchange: Arc<Exchange>,
    /// By which settings.
    pub settings: LiveSettings,
    /// What this process is called among all that serve from the store.
    pub name: ReplicaName,
}

impl Control {
    /// Manages a store that nobody serves from in this process.
    pub fn of_store(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self::new(store, clock, None)
    }

    /// Manages the store that this exchange serves from: a change is in force there when it is acknowledged.
    pub fn serving(store: Arc<dyn Store>, clock: Arc<dyn Clock>, serving: Serving) -> Self {
        Self::new(store, clock, Some(serving))
    }

    fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, serving: Option<Serving>) -> Self {
        let (replicas, followed) = (ReplicaWatch::new(Arc::clone(&store)), store.for_follower());
        Self {
            store,
            clock,
            serving,
            turn: tokio::sync::Mutex::new(()),
            known: Mutex::default(),
            replicas,
            latest: Latest::default(),
            explained: Mutex::default(),
            followed,
            followers: Followers::default(),
            follower_keys: FollowerKeys::default(),
            fan_out: FanOut::default(),
            recent: Recent::default(),
        }
    }

    /// What is remembered, to be read.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The time since some beginning.
    pub fn monotonic(&self) -> std::time::Duration {
        self.clock.now().monotonic
    }

    /// The time, on the wall.
    pub fn now(&self) -> Timestamp {
        self.clock.now().wall
    }
}
