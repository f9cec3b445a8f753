//! What is remembered between requests.

use super::exposition::Family;
use super::label::label;
use super::series::{Counters, Levels};

label! {
    /// Which cache was asked.
    pub enum CacheKind: "cache" {
        /// Finished credentials.
        Credential = "credential",
        /// Keys known not to exist.
        Absence = "absence",
    }
}

label! {
    /// What a cache had.
    pub enum CacheResult: "result" {
        /// The answer.
        Hit = "hit",
        /// Nothing.
        Miss = "miss",
        /// There was an entry, but a change, an expiry or another facet made it unusable.
        Stale = "stale",
    }
}

pub(super) struct Caches {
    requests: Counters<(CacheKind, CacheResult)>,
    entries: Levels<(CacheKind,)>,
}

impl Caches {
    pub(super) fn new() -> Self {
        Self {
            requests: Counters::new("claviger_cache_requests_total", "Questions to a cache."),
            entries: Levels::new("claviger_cache_entries", "Entries of a cache."),
        }
    }

    pub(super) fn families(&self) -> [&dyn Family; 2] {
        [&self.requests, &self.entries]
    }

    pub(super) fn asked(&self, cache: CacheKind, result: CacheResult) {
        self.requests.increment((cache, result));
    }

    pub(super) fn holds(&self, cache: CacheKind, entries: u64) {
        self.entries.set((cache,), entries);
    }
}
