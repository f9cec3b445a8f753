//! `[cache]`: what is remembered between requests.

use std::time::Duration;

use super::parse::{duration, number, size};
use super::quantity::{hours, millis, secs};
use super::reader::Section;

/// `[cache]`
#[derive(Clone, Debug, PartialEq)]
pub struct CacheSettings {
    /// Credentials that are remembered.
    pub max_entries: u64,
    /// What they may take together.
    pub max_bytes: usize,
    /// How long it is remembered that a key is unknown.
    pub negative_ttl: Duration,
    /// How finely policies see the time.
    pub time_quantum: Duration,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self { max_entries: 100_000, max_bytes: 32 << 20, negative_ttl: secs(5), time_quantum: secs(1) }
    }
}

impl CacheSettings {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Self {
        let default = Self::default();
        let max_entries = u32::try_from(default.max_entries).unwrap_or(u32::MAX);
        Self {
            max_entries: section.live("max_entries", max_entries, number(1..=100_000_000)).into(),
            max_bytes: section.live("max_bytes", default.max_bytes, size(1 << 20..=1 << 40)),
            negative_ttl: section.live("negative_ttl", default.negative_ttl, duration(secs(0)..=hours(1))),
            time_quantum: section.live("time_quantum", default.time_quantum, duration(millis(1)..=hours(1))),
        }
    }
}
