//! Writes samples to the store, at its pace.

use std::sync::Arc;
use std::time::Duration;

use super::samples::{QUEUE, Taken};
use super::service::Exchange;
use crate::model::Sample;
use crate::telemetry::{SampleResult, StoreOperation};

/// How often those that have grown too old are given up though nothing new comes.
const TIDY: Duration = Duration::from_hours(1);

impl Exchange {
    /// Writes samples down until [`close_samples`](Self::close_samples) is called, and then what is queued. One at a time does it.
    pub async fn keep_samples(self: Arc<Self>) {
        let mut waiting = self.samples.waiting.lock().await;
        loop {
            let mut taken = Vec::new();
            tokio::select! {
                biased;
                () = self.samples.closing.notified() => waiting.close(),
                read = tokio::time::timeout(TIDY, waiting.recv_many(&mut taken, QUEUE)) => {
                    if read == Ok(0) {
                        return;
                    }
                    self.write_samples(&taken).await;
                }
            }
        }
    }

    /// No more samples are taken; the writer ends when those that are queued are written.
    pub fn close_samples(&self) {
        self.samples.closing.notify_one();
    }

    async fn write_samples(&self, taken: &[Taken]) {
        let samples: Vec<Sample> = taken.iter().filter_map(Taken::sample).collect();
        let too_large = taken.len() - samples.len();
        if too_large > 0 {
            tracing::debug!(samples = too_large, "samples were too large to be kept");
            self.metrics.policy_sample(SampleResult::TooLarge, too_large);
        }
        // With none of them too, for those that have grown old.
        match self.timed.call(StoreOperation::KeepSamples, self.store.keep_samples(&samples)).await {
            Ok(()) => self.metrics.policy_sample(SampleResult::Kept, samples.len()),
            Err(error) => {
                // The follower says aloud that the store is gone.
                tracing::debug!(%error, samples = samples.len(), "samples could not be kept and are dropped");
                self.metrics.policy_sample(SampleResult::Failed, samples.len());
            }
        }
    }
}
