//! Changes coming into force: revisions and reloads.

use std::time::Duration;

use super::exposition::Family;
use super::label::label;
use super::series::{Counters, Histograms, Level, micros};

static BOUNDS: [Duration; 3] = micros([15_000, 100_000, 1_000_000]);

label! {
    enum Reload: "result" {
        Ok = "ok",
        Error = "error",
    }
}

pub(super) struct Changes {
    propagation: Histograms<()>,
    reloads: Counters<(Reload,)>,
    last_reload_success: Level,
}

impl Changes {
    pub(super) fn new() -> Self {
        let last_reload_success =
            Level::new("claviger_config_last_reload_success", "Whether the last reload of the configuration went well.");
        last_reload_success.set(1);
        Self {
            propagation: Histograms::new(
                "claviger_change_propagation_seconds",
                "From a change's commit to its being in force in this process.",
                &BOUNDS,
            ),
            reloads: Counters::new("claviger_config_reloads_total", "Reloads of the configuration."),
            last_reload_success,
        }
    }

    pub(super) fn store_revision() -> Level {
        Level::new("claviger_store_revision", "The last revision that the store is known to have.")
    }

    pub(super) fn applied_revision() -> Level {
        Level::new("claviger_applied_revision", "The last revision in force in this process.")
    }

    pub(super) fn families(&self) -> [&dyn Family; 3] {
        [&self.propagation, &self.reloads, &self.last_reload_success]
    }

    pub(super) fn propagated(&self, took: Duration) {
        self.propagation.observe((), took);
    }

    pub(super) fn reloaded(&self, ok: bool) {
        self.reloads.increment((if ok { Reload::Ok } else { Reload::Error },));
        self.last_reload_success.set(i64::from(ok));
    }
}
