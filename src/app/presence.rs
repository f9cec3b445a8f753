//! Tells the store that this process serves, and what is in force in it: others wait for that, and people look at it.
//!
//! Nobody waits for this. A store that does not take it keeps no request and no change from being served; only who looks at the replicas
//! does not see this one then.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::clock::Clock;
use crate::exchange::Exchange;
use crate::model::{ReplicaName, ReplicaReport};
use crate::store::{Source, StoreError};

/// How often it is said that the process is there, whatever happens: a third of the time after which it would not be counted on.
const PULSE: Duration = Duration::from_secs(5);
/// What comes into force is told at once, and what follows within this time, together: each time is a write to the disk.
const BREATH: Duration = Duration::from_millis(250);
/// After a report that was not taken.
const RETRY: Duration = Duration::from_secs(2);
/// How long the store may take for one: a change on another machine, some ways there and back.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is told, and to whom.
pub(super) struct Reporter {
    source: Arc<dyn Source>,
    exchange: Arc<Exchange>,
    report: ReplicaReport,
    /// Whether the last report was taken.
    taken: bool,
}

/// A process that tells of itself.
pub(super) struct Presence {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Reporter {
    /// # Errors
    /// The system has no randomness to give.
    pub(super) fn new(source: Arc<dyn Source>, exchange: &Arc<Exchange>, clock: &dyn Clock) -> Result<Self, getrandom::Error> {
        let host = rustix::system::uname();
        let name = ReplicaName::of(&host.nodename().to_string_lossy(), getrandom::u32()?);
        let report = ReplicaReport {
            name,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            applied: exchange.applied_revision(),
            started_at: clock.now().wall,
        };
        Ok(Self { source, exchange: Arc::clone(exchange), report, taken: true })
    }

    pub(super) fn name(&self) -> &ReplicaName {
        &self.report.name
    }

    /// Before anybody is served: from here on, whoever waits for a change waits for this process, too; and what was committed before that, so
    /// that nobody could wait for it here, is in force when this returns.
    pub(super) async fn announce(&mut self) {
        self.tell().await;
        if let Err(error) = self.exchange.catch_up().await {
            tracing::debug!(%error, "what has changed since the store was read is not known yet");
        }
    }

    /// Goes on telling, until it is stopped.
    pub(super) fn start(self) -> Presence {
        let (stop, stopped) = oneshot::channel();
        Presence { stop, task: tokio::spawn(self.run(stopped)) }
    }

    async fn run(mut self, mut stopped: oneshot::Receiver<()>) {
        loop {
            let due = async {
                if self.taken {
                    let _pulse = timeout(PULSE, self.exchange.reached(self.report.applied.next())).await;
                } else {
                    pause(RETRY).await;
                }
            };
            tokio::select! {
                _ = &mut stopped => break,
                () = due => {}
            }
            self.tell().await;
            if timeout(BREATH, &mut stopped).await.is_ok() {
                break;
            }
        }
        if let Err(error) = self.in_time(self.source.forget_replica(&self.report.name)).await {
            tracing::debug!(%error, "the store has not been told that this process ends: it is taken for gone a little later");
        }
    }

    async fn tell(&mut self) {
        self.report.applied = self.exchange.applied_revision();
        let told = self.in_time(self.source.report_replica(&self.report)).await;
        match &told {
            Ok(()) if !self.taken => tracing::info!("the store is told again what is in force in this process"),
            Ok(()) => {}
            Err(error) if self.taken => {
                tracing::warn!(%error, "the store cannot be told what is in force in this process, which serves on; it is tried again");
            }
            Err(error) => tracing::debug!(%error, "the store still cannot be told what is in force in this process"),
        }
        self.taken = told.is_ok();
    }

    async fn in_time(&self, call: impl Future<Output = Result<(), StoreError>>) -> Result<(), StoreError> {
        timeout(PATIENCE, call).await.unwrap_or_else(|_| Err(StoreError::Unavailable(format!("it has not answered within {PATIENCE:?}"))))
    }
}

impl Presence {
    /// Ends it, and says to the store that this process does.
    pub(super) async fn end(self) {
        // If it is not there any more, neither is anybody to be told.
        let _ = self.stop.send(());
        let _ = self.task.await;
    }
}

#[expect(clippy::disallowed_methods, reason = "the pace of a loop that nobody waits for")]
async fn pause(span: Duration) {
    tokio::time::sleep(span).await;
}
