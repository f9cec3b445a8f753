//! Gives up entries that are older than they are to be kept, a few hundred in a transaction, so that no change waits long.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::pause::pause;
use crate::clock::Clock;
use crate::config::{AuditKeep, LiveSettings};
use crate::store::Store;

/// How often it is looked.
const EVERY: Duration = Duration::from_mins(1);
/// Between two transactions, so that others get the writer's lock in between.
const BREATH: Duration = Duration::from_millis(20);

pub(super) async fn tend(store: Arc<dyn Store>, live: LiveSettings, clock: Arc<dyn Clock>) {
    loop {
        let since = match live.now().audit.keep {
            AuditKeep::Forever => None,
            AuditKeep::For(span) => Some(ago(clock.now().wall, span)),
        };
        match store.tend_audit(since).await {
            Ok(0) => pause(EVERY).await,
            Ok(entries) => {
                tracing::debug!(entries, "audit entries that are older than audit.keep were given up");
                pause(BREATH).await;
            }
            Err(error) => {
                tracing::warn!(%error, "old audit entries could not be given up; it is tried again");
                pause(EVERY).await;
            }
        }
    }
}

fn ago(at: Timestamp, span: Duration) -> Timestamp {
    SignedDuration::try_from(span).ok().and_then(|span| at.checked_sub(span).ok()).unwrap_or(Timestamp::MIN)
}
