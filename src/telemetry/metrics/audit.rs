//! Whoever is told of the audit's entries, and of which they are not.

use super::exposition::Family;
use super::series::{Counters, Level};

pub(super) struct Audit {
    given_up: Counters<()>,
    waiting: Level,
}

impl Audit {
    pub(super) fn new() -> Self {
        Self {
            given_up: Counters::new("claviger_audit_webhook_given_up_total", "Audit entries that the webhook will never be told of."),
            waiting: Level::new("claviger_audit_webhook_waiting", "Audit entries that the webhook has not been told of yet."),
        }
    }

    pub(super) fn families(&self) -> [&dyn Family; 2] {
        [&self.given_up, &self.waiting]
    }

    pub(super) fn given_up(&self) {
        self.given_up.increment(());
    }

    pub(super) fn waiting(&self, entries: u64) {
        self.waiting.set(i64::try_from(entries).unwrap_or(i64::MAX));
    }
}
