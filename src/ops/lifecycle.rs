//! Where the process is in its life.

use std::sync::atomic::{AtomicU8, Ordering};

use tokio::sync::Notify;

/// Goes one way: starting, serving, draining.
#[derive(Debug, Default)]
pub struct Lifecycle {
    stage: AtomicU8,
    /// Somebody on this machine wants it to drain.
    asked: Notify,
}

/// A stage of the process's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Not all listeners are bound.
    Starting,
    /// All listeners are bound.
    Serving,
    /// Finishes what runs and takes nothing new.
    Draining,
}

impl Lifecycle {
    /// At its beginning.
    pub fn starting() -> Self {
        Self::default()
    }

    /// All listeners are bound. Does not bring a draining process back.
    pub fn serve(&self) {
        self.stage.fetch_max(1, Ordering::Relaxed);
    }

    /// Nothing new from now on.
    pub fn drain(&self) {
        self.stage.fetch_max(2, Ordering::Relaxed);
    }

    /// Has whoever runs the process begin its drain. Asking again changes nothing.
    pub(super) fn ask_to_drain(&self) {
        self.asked.notify_one();
    }

    /// Returns when somebody has asked for a drain, once.
    pub async fn asked_to_drain(&self) {
        self.asked.notified().await;
    }

    /// Where it is.
    pub fn stage(&self) -> Stage {
        match self.stage.load(Ordering::Relaxed) {
            0 => Stage::Starting,
            1 => Stage::Serving,
            _ => Stage::Draining,
        }
    }

    /// What `/readyz` says of it.
    pub(super) fn readiness(&self) -> Result<(), String> {
        match self.stage() {
            Stage::Starting => Err("starting: not all listeners are bound".to_owned()),
            Stage::Serving => Ok(()),
            Stage::Draining => Err("draining".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draining_process_does_not_serve_again() {
        let lifecycle = Lifecycle::starting();
        assert_eq!(lifecycle.stage(), Stage::Starting);
        lifecycle.serve();
        assert_eq!(lifecycle.stage(), Stage::Serving);
        lifecycle.drain();
        lifecycle.serve();
        assert_eq!(lifecycle.stage(), Stage::Draining);
    }
}
