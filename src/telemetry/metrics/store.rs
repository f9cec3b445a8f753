//! What the store is asked, and how it answers.

use std::fmt;
use std::time::Duration;

use super::exposition::Family;
use super::label::{Label, label};
use super::series::{Counters, Histograms, micros};

static BOUNDS: [Duration; 2] = micros([1_000, 50_000]);

label! {
    /// What a serving process asks the store for.
    pub enum StoreOperation: "op" {
        /// A key by its digest.
        FindKey = "find_key",
        /// Everything but the keys.
        Snapshot = "snapshot",
        /// What has changed since.
        ChangesAfter = "changes_after",
        /// The names of keys, for policies.
        KeyNames = "key_names",
        /// When keys were last used.
        RecordUse = "record_use",
        /// Samples to be kept.
        KeepSamples = "keep_samples",
    }
}

impl fmt::Display for StoreOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.value())
    }
}

label! {
    enum Answer: "result" {
        Ok = "ok",
        Error = "error",
    }
}

pub(super) struct Stores {
    operations: Counters<(StoreOperation, Answer)>,
    durations: Histograms<(StoreOperation,)>,
}

impl Stores {
    pub(super) fn new() -> Self {
        Self {
            operations: Counters::new("claviger_store_operations_total", "Questions and changes to the store."),
            durations: Histograms::new("claviger_store_operation_duration_seconds", "How long the store took.", &BOUNDS),
        }
    }

    pub(super) fn families(&self) -> [&dyn Family; 2] {
        [&self.operations, &self.durations]
    }

    pub(super) fn answered(&self, op: StoreOperation, ok: bool, took: Duration) {
        let answer = if ok { Answer::Ok } else { Answer::Error };
        self.operations.increment((op, answer));
        self.durations.observe((op,), took);
    }
}
