//! One question to a set of policies: its stage, which thread works on it, and with what priority.
//!
//! Two may finish it: the thread that works on it, and the [watchdog](super::watchdog) that abandons the thread. Whoever is first answers.

use std::mem;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::Pid;
use tokio::sync::oneshot;

use super::Answer;

/// The priority of a thread that takes long, as `nice` counts it: a tenth of another's share where there is not enough for both.
const LOW_PRIORITY: i32 = 10;

/// A question that is waiting, being answered, or answered. Times are of the pool's monotonic clock.
#[derive(Debug)]
pub(super) struct Job {
    state: AtomicU8,
    /// When a thread began with it, in nanoseconds.
    begun: AtomicU64,
    /// Index of the policy that is being asked.
    policy: AtomicUsize,
    /// Since when, in nanoseconds.
    since: AtomicU64,
    /// Index of the policy that was found stuck: the thread may come back between the two, and go on to the next.
    stuck: AtomicUsize,
    priority: Mutex<Priority>,
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
    /// A thread works on it since then.
    Running(Duration),
    Over,
}

/// The thread that works on a job, and how it stands to all others on the machine.
///
/// Priority can be lowered, and not raised again without privilege. So a thread whose priority was lowered ends with the job that it was
/// lowered for, and another one takes its place.
#[derive(Debug, Default)]
enum Priority {
    /// Not begun, or at an end: there is no thread.
    #[default]
    None,
    Normal(Pid),
    Lowered,
}

impl Job {
    const WAITING: u8 = 0;
    const RUNNING: u8 = 1;
    const OVER: u8 = 2;

    /// Of a question whose answer goes to `asker`.
    pub(super) fn new(asker: oneshot::Sender<Answer>) -> Self {
        Self::with(Some(asker), JobPurpose::Answer)
    }

    /// Of a comparison with what the engine says of a policy, which the thread with this number has begun.
    pub(super) fn comparison(policy: usize, me: Pid, now: Duration) -> Self {
        let job = Self::with(None, JobPurpose::Compare);
        job.start(me, now);
        job.begin(policy, now);
        job
    }

    pub(super) fn purpose(&self) -> JobPurpose {
        self.purpose
    }

    fn with(asker: Option<oneshot::Sender<Answer>>, purpose: JobPurpose) -> Self {
        Self {
            state: AtomicU8::new(Self::WAITING),
            begun: AtomicU64::new(0),
            policy: AtomicUsize::new(0),
            since: AtomicU64::new(0),
            stuck: AtomicUsize::new(0),
            priority: Mutex::default(),
            asker: Mutex::new(asker),
            purpose,
        }
    }

    pub(super) fn stage(&self) -> Stage {
        match self.state.load(Ordering::Acquire) {
            Self::WAITING => Stage::Waiting,
            Self::RUNNING => Stage::Running(Duration::from_nanos(self.begun.load(Ordering::Acquire))),
            _ => Stage::Over,
        }
    }

    /// This thread, whose number is `me`, works on it from now on. `false`: it is over already.
    pub(super) fn start(&self, me: Pid, now: Duration) -> bool {
        // All that the watchdog may ask for is there before it can see that somebody has begun.
        self.begun.store(nanos(now), Ordering::Release);
        self.begin(0, now);
        *self.priority() = Priority::Normal(me);
        let started = self.change(Self::WAITING, Self::RUNNING);
        if !started {
            self.release_thread();
        }
        started
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

    /// Lets others on the machine go before the thread that works on it.
    pub(super) fn lower_priority(&self) {
        // Under the lock, so that the thread does not end meanwhile, and its number become another's.
        let mut priority = self.priority();
        let Priority::Normal(thread) = *priority else { return };
        // In Linux this is about one thread, whatever it is called.
        match rustix::process::setpriority_process(Some(thread), LOW_PRIORITY) {
            Ok(()) => *priority = Priority::Lowered,
            Err(error) => tracing::debug!(%error, "a thread that asks policies keeps its priority"),
        }
    }

    pub(super) fn has_low_priority(&self) -> bool {
        matches!(*self.priority(), Priority::Lowered)
    }

    /// This thread works on it no more. Whether its priority was lowered.
    pub(super) fn release_thread(&self) -> bool {
        matches!(mem::take(&mut *self.priority()), Priority::Lowered)
    }

    /// Its policy is taken for stuck. Noted before the job is finished, for the thread that finds it finished.
    pub(super) fn note_stuck(&self, policy: usize) {
        self.stuck.store(policy, Ordering::Release);
    }

    pub(super) fn stuck(&self) -> usize {
        self.stuck.load(Ordering::Acquire)
    }

    /// Nobody has begun with it, and nobody will. Whether that is so.
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

    fn priority(&self) -> MutexGuard<'_, Priority> {
        self.priority.lock().unwrap_or_else(PoisonError::into_inner)
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
    use std::thread;

    use super::*;

    fn job() -> (Job, oneshot::Receiver<Answer>) {
        let (asker, answered) = oneshot::channel();
        (Job::new(asker), answered)
    }

    #[test]
    fn the_priority_of_a_thread_is_lowered_only_while_it_works() {
        let nice = |thread| rustix::process::getpriority_process(Some(thread)).unwrap();
        let worked = thread::spawn(move || {
            let (job, me) = (job().0, rustix::thread::gettid());
            let given = nice(me);
            job.lower_priority();
            assert!(job.start(me, Duration::ZERO));
            assert!(!job.release_thread());
            job.lower_priority();
            let before = nice(me);
            *job.priority() = Priority::Normal(me);
            job.lower_priority();
            job.lower_priority();
            (before - given, nice(me), job.has_low_priority(), job.release_thread(), job.release_thread())
        });
        assert_eq!(worked.join().unwrap(), (0, LOW_PRIORITY, true, true, false));
    }

    #[test]
    fn a_job_is_finished_once_and_answered_once() {
        let (job, mut answered) = job();
        assert!(!job.finish());
        assert_eq!(job.stage(), Stage::Waiting);
        assert!(job.start(rustix::thread::gettid(), Duration::from_secs(2)));
        assert_eq!(job.stage(), Stage::Running(Duration::from_secs(2)));
        assert!(!job.cancel());
        assert!(job.finish());
        assert!(!job.finish());
        assert_eq!(job.stage(), Stage::Over);
        job.answer(Ok(Vec::new()));
        job.answer(Err(crate::policy::PolicyError::Overloaded));
        assert_eq!(answered.try_recv().unwrap(), Ok(Vec::new()));
    }

    #[test]
    fn a_job_that_was_cancelled_is_not_started() {
        let (job, _answered) = job();
        assert!(job.cancel());
        assert!(!job.start(rustix::thread::gettid(), Duration::ZERO));
        assert_eq!(job.stage(), Stage::Over);
        assert!(!job.release_thread());
    }
}
