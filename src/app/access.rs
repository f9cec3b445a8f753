//! Files that declare access, as a process that serves from them goes on with them.

use std::path::Path;

use super::watch::Watched;
use crate::config::PolicySettings;
use crate::control::declared::FileStore;
use crate::diagnostics::Diagnostic;
use crate::exchange::Exchange;

/// The directory of the files: policies stand beside them.
pub(super) fn watched(place: &Path) -> Watched {
    let beside = place.parent().filter(|_| !place.is_dir());
    Watched::directory(match beside {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => place,
    })
}

pub(super) fn warn(warnings: &[Diagnostic]) {
    for warning in warnings {
        warning.log("a policy that is declared may not do what it seems to");
    }
}

/// Reads them again; what they say is in force when this returns. Whether nothing is wrong with them.
pub(super) async fn reload(files: &FileStore, policies: &PolicySettings, exchange: &Exchange) -> bool {
    match files.reload(policies).await {
        Ok(reloaded) => {
            warn(&reloaded.warnings);
            if reloaded.changed {
                tracing::info!(place = %files.place().display(), "other access is declared, and in force");
            }
            // It never fails to answer.
            let _revision = exchange.catch_up().await;
            true
        }
        Err(faults) => {
            for fault in &faults {
                fault.log("the files that declare access have a fault, what they said before stays in force");
            }
            false
        }
    }
}
