//! One question on its way: how far it has come, who answers it, and how its thread stands to all others.
//!
//! Two may end it: the thread that works on it, and the [watch](super::watch) that gives the thread up. Whoever is first tells the answer.

use std::mem;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::Pid;
use tokio::sync::oneshot;

use super::evaluator::Answer;

/// The priority of a thread that has stepped back, as `nice` counts it: a tenth of another's share where there is not enough for both.
const UNHURRIED: i32 = 10;

/// How far a question has come. Times are of the evaluator's monotonic clock.
#[derive(Debug)]
pub(super) struct Course {
    state: AtomicU8,
    /// When a thread began with it, in nanoseconds.
    begun: AtomicU64,
    /// Index of the policy that is being asked.
    policy: AtomicUsize,
    /// Since when, in nanoseconds.
    since: AtomicU64,
    /// Index of the policy that was found stuck: the thread may come back between the two, and go on to the next.
    stuck: AtomicUsize,
    rank: Mutex<Rank>,
    asker: Mutex<Option<oneshot::Sender<Answer>>>,
}

/// Where a question is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Waiting,
    /// A thread works on it since then.
    Begun(Duration),
    Over,
}

/// How the thread that works on a question stands to all others on the machine.
///
/// Priority can be given up, and not taken back without privilege. So a thread that has stepped back ends with the question that it did
/// it for, and another one takes its place.
#[derive(Debug, Default)]
enum Rank {
    /// Not begun, or at an end: there is no thread that could step back.
    #[default]
    None,
    Equal(Pid),
    SteppedBack,
}

impl Course {
    const WAITING: u8 = 0;
    const BEGUN: u8 = 1;
    const OVER: u8 = 2;

    /// Of a question whose answer goes to `asker`.
    pub(super) fn new(asker: oneshot::Sender<Answer>) -> Self {
        Self {
            state: AtomicU8::new(Self::WAITING),
            begun: AtomicU64::new(0),
            policy: AtomicUsize::new(0),
            since: AtomicU64::new(0),
            stuck: AtomicUsize::new(0),
            rank: Mutex::default(),
            asker: Mutex::new(Some(asker)),
        }
    }

    pub(super) fn stage(&self) -> Stage {
        match self.state.load(Ordering::Acquire) {
            Self::WAITING => Stage::Waiting,
            Self::BEGUN => Stage::Begun(Duration::from_nanos(self.begun.load(Ordering::Acquire))),
            _ => Stage::Over,
        }
    }

    /// This thread, whose number is `me`, works on it from now on. `false`: it is over already.
    pub(super) fn take(&self, me: Pid, now: Duration) -> bool {
        // All that a watch may ask for is there before it can see that somebody has begun.
        self.begun.store(nanos(now), Ordering::Release);
        self.begin(0, now);
        *self.rank() = Rank::Equal(me);
        let taken = self.pass(Self::WAITING, Self::BEGUN);
        if !taken {
            self.leave();
        }
        taken
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

    /// Lets the thread that works on it step back behind others.
    pub(super) fn step_back(&self) {
        // Under the lock, so that the thread does not end meanwhile, and its number become another's.
        let mut rank = self.rank();
        let Rank::Equal(thread) = *rank else { return };
        // In Linux this is about one thread, whatever it is called.
        match rustix::process::setpriority_process(Some(thread), UNHURRIED) {
            Ok(()) => *rank = Rank::SteppedBack,
            Err(error) => tracing::debug!(%error, "a thread that asks policies keeps its priority"),
        }
    }

    pub(super) fn has_stepped_back(&self) -> bool {
        matches!(*self.rank(), Rank::SteppedBack)
    }

    /// This thread works on it no more. Whether it has stepped back.
    pub(super) fn leave(&self) -> bool {
        matches!(mem::take(&mut *self.rank()), Rank::SteppedBack)
    }

    /// Its policy is taken for stuck. Said before the course is ended, for the thread that finds it ended.
    pub(super) fn note_stuck(&self, policy: usize) {
        self.stuck.store(policy, Ordering::Release);
    }

    pub(super) fn stuck(&self) -> usize {
        self.stuck.load(Ordering::Acquire)
    }

    /// Nobody has begun with it, and nobody will. Whether that is so.
    pub(super) fn call_off(&self) -> bool {
        self.pass(Self::WAITING, Self::OVER)
    }

    /// Whether the caller is the one who ends it.
    pub(super) fn end(&self) -> bool {
        self.pass(Self::BEGUN, Self::OVER)
    }

    /// Tells the answer, once.
    pub(super) fn tell(&self, answer: Answer) {
        if let Some(asker) = self.asker.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // Nobody may be waiting any more; the answer is then of no use.
            let _ = asker.send(answer);
        }
    }

    fn rank(&self) -> MutexGuard<'_, Rank> {
        self.rank.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pass(&self, from: u8, to: u8) -> bool {
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

    fn course() -> (Course, oneshot::Receiver<Answer>) {
        let (asker, answered) = oneshot::channel();
        (Course::new(asker), answered)
    }

    #[test]
    fn a_thread_steps_back_only_while_it_works() {
        let nice = |thread| rustix::process::getpriority_process(Some(thread)).unwrap();
        let worked = thread::spawn(move || {
            let (course, me) = (course().0, rustix::thread::gettid());
            course.step_back();
            assert!(course.take(me, Duration::ZERO));
            assert!(!course.leave());
            course.step_back();
            let before = nice(me);
            *course.rank() = Rank::Equal(me);
            course.step_back();
            course.step_back();
            (before, nice(me), course.has_stepped_back(), course.leave(), course.leave())
        });
        assert_eq!(worked.join().unwrap(), (0, UNHURRIED, true, true, false));
    }

    #[test]
    fn a_question_is_ended_once_and_told_once() {
        let (course, mut answered) = course();
        assert!(!course.end());
        assert_eq!(course.stage(), Stage::Waiting);
        assert!(course.take(rustix::thread::gettid(), Duration::from_secs(2)));
        assert_eq!(course.stage(), Stage::Begun(Duration::from_secs(2)));
        assert!(!course.call_off());
        assert!(course.end());
        assert!(!course.end());
        assert_eq!(course.stage(), Stage::Over);
        course.tell(Ok(Vec::new()));
        course.tell(Err(super::super::PolicyError::Overloaded));
        assert_eq!(answered.try_recv().unwrap(), Ok(Vec::new()));
    }

    #[test]
    fn a_question_that_was_called_off_is_not_begun() {
        let (course, _answered) = course();
        assert!(course.call_off());
        assert!(!course.take(rustix::thread::gettid(), Duration::ZERO));
        assert_eq!(course.stage(), Stage::Over);
        assert!(!course.leave());
    }
}
