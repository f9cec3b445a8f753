//! What goes on with the audit while a process serves: what is too old is given up, and whoever wants to know of each entry is told.
//!
//! Nothing of it is waited for by a request or a change. Both are tasks that read the settings in force each time.

mod pause;
mod retention;
mod webhook;

use std::sync::Arc;

use tokio::task::JoinHandle;

use self::webhook::Teller;
use crate::clock::Clock;
use crate::config::LiveSettings;
use crate::store::Store;
use crate::telemetry::Metrics;

/// The tasks. They end with [`stop`](Self::stop).
pub struct AuditTasks {
    retention: JoinHandle<()>,
    webhook: JoinHandle<()>,
    holder: String,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
}

impl AuditTasks {
    /// Starts them on the runtime that this is called on.
    ///
    /// # Errors
    /// When the system provides no randomness.
    pub fn start(
        store: &Arc<dyn Store>,
        live: &LiveSettings,
        clock: &Arc<dyn Clock>,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, getrandom::Error> {
        let holder = format!("{:016x}", getrandom::u64()?);
        let retention = tokio::spawn(retention::tend(Arc::clone(store), live.clone(), Arc::clone(clock)));
        let teller = Teller::new(holder.clone(), Arc::clone(store), live.clone(), Arc::clone(clock), Arc::clone(metrics));
        let webhook = tokio::spawn(teller.run());
        Ok(Self { retention, webhook, holder, store: Arc::clone(store), clock: Arc::clone(clock) })
    }

    /// Ends them. What the webhook was not told of is told by the next process, which need not wait.
    pub async fn stop(self) {
        for task in [self.retention, self.webhook] {
            task.abort();
            // One that is at work has a connection in its hands, which nobody would close in order.
            let _ = task.await;
        }
        if let Err(error) = self.store.hold_webhook(&self.holder, self.clock.now().wall).await {
            tracing::debug!(%error, "the webhook was not handed over; the next process takes it a little later");
        }
    }
}
