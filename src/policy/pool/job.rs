//! One question to a set of policies: its stage, and in which lane it is.
//!
//! Two may finish it: the thread that works on it, and the [watchdog](super::watchdog) that abandons the thread. Whoever is first answers.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::answer::Answer;
use super::lane::Lane;

/// A question that is waiting, being answered, or answered. Times are of the pool's monotonic clock.
#[derive(Debug)]
pub(super) struct Job {
    state: AtomicU8,
    /// Whether the thread that works on it, or did last, is one of the slow lane's.
    is_slow: AtomicBool,
    /// Index of the policy that is being asked.
    policy: AtomicUsize,
    /// Since when, in nanoseconds.
    since: AtomicU64,
    /// Index of the policy that was found stuck: the thread may come back between the two, and go on to the next.
    stuck: AtomicUsize,
    /// Nobody, once there has been an answer, and for a comparison.
    asker: Mutex<Option<oneshot::Sender<Answer>>>,
    purpose: JobPurpose,
}

/// What a job is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JobPurpose {
    /// Somebody waits for the answer.
    Answer,
    /// The answer has been given, and is [compared](super::cross_check).
    Compare,
}

/// How far a job has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Waiting,
    /// A thread works on it.
    Running,
    Over,
}

impl Job {
    const WAITING: u8 = 0;
    const RUNNING: u8 = 1;
    const OVER: u8 = 2;

    /// Of a question whose answer goes to `asker`.
    pub(super) fn new(asker: oneshot::Sender<Answer>) -> Self {
        Self::with(Some(asker), JobPurpose::Answer)
    }

    /// Of a comparison with what the engine says of a policy, which a thread of the slow lane has begun.
    pub(super) fn comparison(policy: usize, now: Duration) -> Self {
        let job = Self::with(None, JobPurpose::Compare);
        job.start(Lane::Slow, now);
        job.begin(policy, now);
        job
    }

    pub(super) fn purpose(&self) -> JobPurpose {
        self.purpose
    }

    fn with(asker: Option<oneshot::Sender<Answer>>, purpose: JobPurpose) -> Self {
        Self {
            state: AtomicU8::new(Self::WAITING),
            is_slow: AtomicBool::new(false),
            policy: AtomicUsize::new(0),
            since: AtomicU64::new(0),
            stuck: AtomicUsize::new(0),
            asker: Mutex::new(asker),
            purpose,
        }
    }

    pub(super) fn stage(&self) -> Stage {
        match self.state.load(Ordering::Acquire) {
            Self::WAITING => Stage::Waiting,
            Self::RUNNING => Stage::Running,
            _ => Stage::Over,
        }
    }

    /// A thread of that lane works on it from now on. `false`: it is over already.
    pub(super) fn start(&self, lane: Lane, now: Duration) -> bool {
        // All that the watchdog may ask for is there before it can see that somebody has begun.
        self.is_slow.store(lane == Lane::Slow, Ordering::Release);
        self.begin(0, now);
        self.change(Self::WAITING, Self::RUNNING)
    }

    /// The lane whose thread works on it.
    pub(super) fn lane(&self) -> Lane {
        if self.is_slow.load(Ordering::Acquire) { Lane::Slow } else { Lane::Quick }
    }

    /// The thread leaves it to another. `false`: it is over already.
    pub(super) fn wait_again(&self) -> bool {
        self.change(Self::RUNNING, Self::WAITING)
    }

    /// A policy's time begins.
    pub(super) fn begin(&self, policy: usize, now: Duration) {
        self.policy.store(policy, Ordering::Release);
        self.since.store(nanos(now), Ordering::Release);
    }

    /// The policy that is being asked, and since when.
    pub(super) fn asked(&self) -> (usize, Duration) {
        (self.policy.load(Ordering::Acquire), Duration::from_nanos(self.since.load(Ordering::Acquire)))
    }

    /// Its policy is taken for stuck. Noted before the job is finished, for the thread that finds it finished.
    pub(super) fn note_stuck(&self, policy: usize) {
        self.stuck.store(policy, Ordering::Release);
    }

    pub(super) fn stuck(&self) -> usize {
        self.stuck.load(Ordering::Acquire)
    }

    /// Nobody works on it, and nobody will. Whether that is so.
    pub(super) fn cancel(&self) -> bool {
        self.change(Self::WAITING, Self::OVER)
    }

    /// Whether the caller is the one who finishes it, and must answer.
    pub(super) fn finish(&self) -> bool {
        self.change(Self::RUNNING, Self::OVER)
    }

    /// Gives the asker the answer, once.
    pub(super) fn answer(&self, answer: Answer) {
        if let Some(asker) = self.asker.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // Nobody may be waiting any more; the answer is then of no use.
            let _ = asker.send(answer);
        }
    }

    fn change(&self, from: u8, to: u8) -> bool {
        self.state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::error::PolicyError;

    fn job() -> (Job, oneshot::Receiver<Answer>) {
        let (asker, answered) = oneshot::channel();
        (Job::new(asker), answered)
    }

    #[test]
    fn a_job_is_finished_once_and_answered_once() {
        let (job, mut answered) = job();
        assert!(!job.finish());
        assert_eq!(job.stage(), Stage::Waiting);
        assert!(job.start(Lane::Quick, Duration::from_secs(2)));
        assert_eq!((job.stage(), job.lane(), job.asked()), (Stage::Running, Lane::Quick, (0, Duration::from_secs(2))));
        assert!(!job.cancel());
        assert!(job.finish());
        assert!(!job.finish());
        assert_eq!(job.stage(), Stage::Over);
        job.answer(Ok(Vec::new()));
        job.answer(Err(PolicyError::Overloaded));
        assert_eq!(answered.try_recv().unwrap(), Ok(Vec::new()));
    }

    #[test]
    fn a_job_that_was_cancelled_is_not_started() {
        let (job, _answered) = job();
        assert!(job.cancel());
        assert!(!job.start(Lane::Quick, Duration::ZERO));
        assert_eq!(job.stage(), Stage::Over);
    }

    #[test]
    fn a_job_goes_on_in_another_lane_unless_it_is_over() {
        let (job, _answered) = job();
        assert!(job.start(Lane::Quick, Duration::ZERO));
        assert!(job.wait_again());
        assert_eq!(job.stage(), Stage::Waiting);
        assert!(job.start(Lane::Slow, Duration::ZERO));
        assert_eq!(job.lane(), Lane::Slow);
        assert!(job.finish());
        assert!(!job.wait_again());
        assert_eq!(job.stage(), Stage::Over);
    }
}
