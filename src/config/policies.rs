//! `[policies]`: login policies beside the store's, and how much each may take.

use std::path::PathBuf;
use std::time::Duration;

use super::reader::Section;
use super::wanted::{duration, size};
use super::{millis, secs};

/// `[policies]`
#[derive(Clone, Debug, PartialEq)]
pub struct PolicySettings {
    /// A directory of `*.rego` files. `None`: only the store's policies.
    pub dir: Option<PathBuf>,
    /// For one evaluation of one policy.
    pub time_limit: Duration,
    /// For one evaluation of one policy, in bytes.
    pub memory_limit: usize,
}

impl Default for PolicySettings {
    fn default() -> Self {
        Self { dir: None, time_limit: millis(50), memory_limit: 64 << 20 }
    }
}

impl PolicySettings {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Self {
        let default = Self::default();
        Self {
            dir: section.optional_path("dir"),
            time_limit: section.read("time_limit", default.time_limit, duration(millis(1)..=secs(10))),
            memory_limit: section.read("memory_limit", default.memory_limit, size(1 << 20..=2 << 30)),
        }
    }
}
