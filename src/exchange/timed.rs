//! Waits for the store, but not for ever, and counts how it answers.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::store::StoreError;
use crate::telemetry::{Metrics, StoreOperation};

/// How long the store may take for one answer.
pub(super) const STORE_TIMEOUT: Duration = Duration::from_secs(2);
/// The same of what nobody waits for: a change that is thrown away half-way, again and again, is never made where the store is far away.
const AT_LEISURE: Duration = Duration::from_secs(15);

/// What every call of the store goes through.
pub(super) struct TimedCalls {
    most: Duration,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
}

impl TimedCalls {
    pub(super) fn new(most: Duration, clock: Arc<dyn Clock>, metrics: Arc<Metrics>) -> Self {
        Self { most, clock, metrics }
    }

    /// The answer of the store's method `operation`, if it comes in time.
    pub(super) async fn call<T>(
        &self,
        operation: StoreOperation,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.call_within(self.most, operation, call).await
    }

    /// The same of what nobody waits for.
    pub(super) async fn call_at_leisure<T>(
        &self,
        operation: StoreOperation,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.call_within(self.most.max(AT_LEISURE), operation, call).await
    }

    async fn call_within<T>(
        &self,
        most: Duration,
        operation: StoreOperation,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let asked_at = self.clock.now().monotonic;
        let late = |_| Err(StoreError::Unavailable(format!("{operation} was not answered within {most:?}")));
        let answer = tokio::time::timeout(most, call).await.unwrap_or_else(late);
        let took = self.clock.now().monotonic.saturating_sub(asked_at);
        self.metrics.store_operation(operation, answer.is_ok(), took);
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    #[tokio::test]
    async fn a_store_that_never_answers_is_unavailable() {
        let timed = TimedCalls::new(Duration::from_millis(1), Arc::new(SystemClock::start()), Arc::new(Metrics::new()));
        let answer = timed.call(StoreOperation::Snapshot, std::future::pending::<Result<(), StoreError>>()).await;
        assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    }
}
