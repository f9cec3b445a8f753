//! Samples: what login policies want kept of the requests that they are asked about.
//!
//! A sample is a convenience for authors, so no request waits for one or fails for one: it is put into a short queue, or it is dropped and
//! counted. One task writes, at the store's pace. A policy that wants everything kept costs ten small rows a second.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Notify, mpsc};

use crate::model::{Decision, PolicyName, Sample, SampledAnswer, SampledKey, Verdict};
use crate::policy::LoginInput;
use crate::telemetry::{Metrics, SampleResult};

/// How many are taken in a second.
const MOST_IN_A_SECOND: u32 = 10;
/// How many may wait to be written, and how many are written at once.
pub(super) const QUEUE: usize = 32;
/// A decision that is to be kept, and all that it was made from; nothing of it is written out yet.
pub(super) struct Taken {
    pub(super) at: Timestamp,
    pub(super) input: LoginInput,
    pub(super) decision: Decision,
    pub(super) verdicts: Vec<(PolicyName, Verdict)>,
}

/// Samples on their way to the store.
pub(super) struct Samples {
    queue: mpsc::Sender<Taken>,
    /// The writer's, of whom there is one.
    pub(super) waiting: tokio::sync::Mutex<mpsc::Receiver<Taken>>,
    pub(super) closing: Notify,
    pace: Mutex<Pace>,
    metrics: Arc<Metrics>,
}

/// How many were taken since when, by the monotonic clock.
#[derive(Default)]
struct Pace {
    since: Option<Duration>,
    taken: u32,
}

impl Pace {
    fn admits(&mut self, now: Duration) -> bool {
        if self.since.is_none_or(|since| now.saturating_sub(since) >= Duration::from_secs(1)) {
            *self = Self { since: Some(now), taken: 0 };
        }
        self.taken = self.taken.saturating_add(1);
        self.taken <= MOST_IN_A_SECOND
    }
}

impl Samples {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        Self { queue, waiting: tokio::sync::Mutex::new(waiting), closing: Notify::new(), pace: Mutex::default(), metrics }
    }

    /// Takes a sample, or drops it; never waits.
    pub(super) fn offer(&self, taken: Taken, now: Duration) {
        if !self.pace.lock().unwrap_or_else(PoisonError::into_inner).admits(now) {
            self.metrics.policy_sample(SampleResult::TooMany, 1);
        } else if weight(&taken.verdicts) > Sample::SIZE_MAX {
            // Before it is queued: what policies say may be as large as their memory limit, and the queue must not be.
            self.metrics.policy_sample(SampleResult::TooLarge, 1);
        } else if self.queue.try_send(taken).is_err() {
            self.metrics.policy_sample(SampleResult::Failed, 1);
        }
    }
}

/// Bytes of the names in the verdicts: less than they take when they are written.
fn weight(verdicts: &[(PolicyName, Verdict)]) -> usize {
    let of = |verdict: &Verdict| -> usize {
        let roles = verdict.roles.iter().map(|(space, role)| space.len() + role.len());
        let older = verdict.space_roles.iter().map(|(space, _)| space.len());
        let names: usize = roles.chain(older).chain(verdict.teams.iter().map(String::len)).sum();
        names + verdict.roles.len() + verdict.space_roles.len() + verdict.teams.len()
    };
    verdicts.iter().map(|(_, verdict)| of(verdict)).sum()
}

impl Taken {
    pub(super) fn sample(&self) -> Option<Sample> {
        let key = SampledKey { id: self.input.key.id, name: self.input.key.name.clone() };
        let answer = SampledAnswer::of(&self.decision, &self.verdicts);
        Sample { at: self.at, key, answer, input: self.input.document() }.fitted()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_ten_samples_whatever_the_clock_does() {
        let mut pace = Pace::default();
        let mut admitted = |millis: u64| (0..100).filter(|_| pace.admits(Duration::from_millis(millis))).count();

        assert_eq!((admitted(5_000), admitted(5_999), admitted(6_000), admitted(6_500)), (10, 0, 10, 0));
        assert_eq!((admitted(5_000), admitted(90_000)), (0, 10), "a reading from before, and one long after");
    }

    #[test]
    fn what_policies_say_weighs_no_less_than_its_names() {
        let verdict =
            Verdict { teams: [String::from("abc")].into(), roles: [("s".to_owned(), "role".to_owned())].into(), ..Verdict::default() };
        assert_eq!(weight(&[("p".parse().unwrap(), verdict)]), 3 + 1 + 1 + 4 + 1);
    }
}
