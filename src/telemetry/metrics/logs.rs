//! Lines of the log that were not written.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use prometheus::proto::MetricFamily;

use super::exposition::{self, Family};
use super::label::{Label, Member, label};

const NAME: &str = "claviger_log_lines_dropped_total";

label! {
    /// Why a line was not written.
    enum Dropped: "reason" {
        /// Whoever reads the log does not keep up.
        Full = "full",
        /// There were more refused requests than are told one by one.
        Sampled = "sampled",
    }
}

/// Counted where lines are made, which is before there are any metrics, and once for the whole process.
#[derive(Clone, Debug, Default)]
pub struct LogLosses(Arc<[AtomicU64; 2]>);

impl LogLosses {
    /// What the one log of this process has lost.
    pub(in crate::telemetry) fn of_this_process() -> Self {
        static LOSSES: OnceLock<LogLosses> = OnceLock::new();
        LOSSES.get_or_init(Self::default).clone()
    }

    /// A line found the queue full.
    pub(in crate::telemetry) fn full(&self) {
        self.add(Dropped::Full);
    }

    /// A line about a refused request was one too many.
    pub(in crate::telemetry) fn sampled(&self) {
        self.add(Dropped::Sampled);
    }

    fn add(&self, why: Dropped) {
        if let Some(number) = self.0.get(why.place()) {
            number.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Family for LogLosses {
    fn collect(&self) -> MetricFamily {
        let labels = <(Dropped,)>::all();
        let members = labels.iter().zip(self.0.iter()).map(|(labels, number)| (labels.as_slice(), number.load(Ordering::Relaxed)));
        exposition::counters(NAME, "Lines of the log that were not written.", members)
    }
}
