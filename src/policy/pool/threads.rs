//! What the threads do.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{io, mem, thread};

use regorus::Value;
use tokio::sync::watch;

use super::answer::{Answer, Verdicts};
use super::cross_check::Agreement;
use super::job::{Job, JobPurpose};
use super::lane::{Lane, Next, Party, Queue};
use super::watchdog::Watchdog;
use crate::clock::{Clock, SystemClock};
use crate::model::Verdict;
use crate::policy::allowance::Allowance;
use crate::policy::error::PolicyError;
use crate::policy::input::LoginInput;
use crate::policy::loaded::{Answered, AnsweredBy, Identity, Policy};
use crate::policy::set::PolicySet;

/// Stack of each thread, in bytes. Reserved, not used, until something goes deep.
const STACK: usize = 64 * 1024 * 1024;
/// What may wait for a thread in each lane.
const QUEUE: usize = 1024;
/// Comparisons that may be waiting or under way; what comes beyond is left to a later answer.
const COMPARISONS: usize = 512;
/// Threads that may be abandoned and replaced before those that are lost are not replaced any more.
const LOST_MAX: usize = 16;

/// What the threads share.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) quick: Queue<Work>,
    pub(super) slow: Queue<Work>,
    pub(super) watchdog: Watchdog,
    pub(super) stuck: Stuck,
    /// Comparisons that are waiting or under way.
    pub(super) comparisons: AtomicUsize,
    /// How often a policy's compiled form has been found to say something else than the engine.
    pub(super) disagreements: watch::Sender<u64>,
    pub(super) clock: SystemClock,
}

/// The policies that keep a thread busy which was abandoned, and what it was to do.
#[derive(Debug, Default)]
pub(super) struct Stuck {
    /// Whether there is any, so that a question is not asked under a lock.
    any: AtomicBool,
    policies: Mutex<Vec<(Identity, JobPurpose)>>,
}

impl Stuck {
    /// Whether an answer of the policy is still looked for.
    pub(super) fn holds(&self, policy: &Policy) -> bool {
        self.any.load(Ordering::Acquire) && self.list().contains(&(policy.identity, JobPurpose::Answer))
    }

    /// How many there are now.
    fn add(&self, policy: &Policy, purpose: JobPurpose) -> usize {
        let mut list = self.list();
        list.push((policy.identity, purpose));
        self.any.store(true, Ordering::Release);
        list.len()
    }

    fn remove(&self, policy: &Policy, purpose: JobPurpose) {
        let mut list = self.list();
        if let Some(place) = list.iter().position(|stuck| *stuck == (policy.identity, purpose)) {
            list.swap_remove(place);
        }
        self.any.store(!list.is_empty(), Ordering::Release);
    }

    pub(super) fn list(&self) -> MutexGuard<'_, Vec<(Identity, JobPurpose)>> {
        self.policies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a thread does.
#[derive(Debug)]
pub(super) enum Work {
    Answer(Question),
    Compare(EngineCheck),
}

#[derive(Debug)]
pub(super) struct Question {
    pub(super) set: Arc<PolicySet>,
    pub(super) input: LoginInput,
    pub(super) job: Arc<Job>,
    /// What is known of the answer, if it was begun in the quick lane.
    pub(super) so_far: SoFar,
}

/// What a question has come to so far.
#[derive(Debug, Default)]
pub(super) struct SoFar {
    verdicts: Verdicts,
    /// The `input` document, if a policy had to be asked.
    value: Option<Value>,
    /// Policies, by index, whose compiled answers the engine is still to be asked.
    to_compare: Vec<(usize, Result<Verdict, PolicyError>)>,
}

/// What the compiled form has answered to a question, and the engine is still to be asked.
#[derive(Debug)]
pub(super) struct EngineCheck {
    pub(super) set: Arc<PolicySet>,
    /// The policy's index.
    pub(super) policy: usize,
    pub(super) input: Value,
    pub(super) said: Result<Verdict, PolicyError>,
}

impl Pool {
    pub(super) fn new() -> Self {
        Self {
            quick: Queue::new(QUEUE),
            slow: Queue::new(QUEUE),
            watchdog: Watchdog::default(),
            stuck: Stuck::default(),
            comparisons: AtomicUsize::new(0),
            disagreements: watch::Sender::new(0),
            clock: SystemClock::start(),
        }
    }

    pub(super) fn now(&self) -> Duration {
        self.clock.monotonic()
    }

    pub(super) fn queue(&self, lane: Lane) -> &Queue<Work> {
        match lane {
            Lane::Quick => &self.quick,
            Lane::Slow => &self.slow,
        }
    }

    /// One thread more.
    pub(super) fn spawn(self: &Arc<Self>, lane: Lane) -> io::Result<()> {
        self.spawn_with(lane, None)
    }

    /// The same, which ends if it has nothing to do for so long.
    fn spawn_with(self: &Arc<Self>, lane: Lane, patience: Option<Duration>) -> io::Result<()> {
        let pool = Arc::clone(self);
        let name = match lane {
            Lane::Quick => "policy",
            Lane::Slow => "policy-slow",
        };
        let work = move || {
            lane.set_priority();
            let (mut patience, mut has_worked) = (patience, false);
            loop {
                let stays = match pool.queue(lane).next(patience) {
                    Next::Item(Work::Answer(question)) => pool.answer(question, lane),
                    Next::Item(Work::Compare(comparison)) => pool.compare(&comparison),
                    // An allocator gives back what a thread has left a while after it has ended, and only when somebody else ends or asks for much:
                    // so one more ends. What has not worked has taken nothing.
                    Next::Nothing => !pool.replaces(lane, if has_worked { lane.patience() } else { None }),
                    Next::Closed => false,
                };
                if !stays {
                    break;
                }
                (patience, has_worked) = (lane.patience(), true);
            }
        };
        thread::Builder::new().name(name.to_owned()).stack_size(STACK).spawn(work).map(drop)
    }

    /// Starts another thread in the place of this one, which is to end if that can be had.
    fn replaces(self: &Arc<Self>, lane: Lane, patience: Option<Duration>) -> bool {
        let started = self.spawn_with(lane, patience);
        if let Err(error) = &started {
            tracing::warn!(%error, "a thread that asks policies goes on with what it has taken of memory: there is none to take its place");
        }
        started.is_ok()
    }

    /// Has work done in a lane. What finds no room there is not done.
    pub(super) fn put(&self, lane: Lane, work: Work) {
        let party = match &work {
            Work::Answer(question) => Party::Key(question.input.key.id),
            Work::Compare(_) => Party::Comparisons,
        };
        let Some(left_over) = self.queue(lane).put(party, work) else { return };
        match left_over {
            Work::Answer(Question { job, .. }) => {
                let is_mine = job.cancel();
                if is_mine {
                    job.answer(Err(PolicyError::Overloaded));
                }
            }
            Work::Compare(_) => {
                self.comparisons.fetch_sub(1, Ordering::AcqRel);
            }
        }
    }

    /// Takes the thread for lost, puts another in its place, and keeps its policy from being asked, or compared.
    pub(super) fn abandon(self: &Arc<Self>, set: &PolicySet, job: &Job, index: usize) {
        let Some(policy) = set.policies().get(index) else { return };
        // Marked before the job is finished: the thread takes the mark away when it finds the job finished.
        job.note_stuck(index);
        let lost = self.stuck.add(policy, job.purpose());
        if !job.finish() {
            self.stuck.remove(policy, job.purpose());
            return;
        }
        match job.purpose() {
            JobPurpose::Answer => {
                tracing::error!(policy = %policy.name, "a policy keeps a thread busy long past its time limit; it is refused until the thread comes back");
            }
            JobPurpose::Compare => {
                tracing::warn!(policy = %policy.name, "the engine keeps a thread busy long past its time limit; the policy's answers are not compared until the thread comes back");
            }
        }
        if lost > LOST_MAX {
            tracing::error!(lost, "too many threads are lost to policies; this one is not replaced");
        } else if let Err(error) = self.spawn(job.lane()) {
            tracing::error!(%error, "no thread could be started to ask policies in its place");
        }
        job.answer(Err(PolicyError::TimeLimit(policy.name.clone())));
    }

    /// Answers a question on this thread, or leaves it to the slow lane. `false` if it has been replaced meanwhile and must end.
    fn answer(self: &Arc<Self>, mut question: Question, lane: Lane) -> bool {
        if !question.job.start(lane, self.now()) {
            return true;
        }
        let asked = catch_unwind(AssertUnwindSafe(|| self.ask_all(&mut question, lane))).unwrap_or_else(|_| {
            let policies = question.set.policies();
            let asked = policies.get(question.job.asked().0).or(policies.first());
            let failed = |policy: &Arc<Policy>| PolicyError::Failed(policy.name.clone(), "asking it panicked".to_owned());
            Progress::Over(Err(asked.map_or(PolicyError::Overloaded, failed)))
        });
        match asked {
            Progress::NeedsMore => {
                let stays = self.leave(&question.set, &question.job, Job::wait_again);
                if stays {
                    self.put(Lane::Slow, Work::Answer(question));
                }
                stays
            }
            Progress::Over(answer) => {
                let Question { set, job, so_far, .. } = question;
                let stays = self.leave(&set, &job, Job::finish);
                if stays {
                    // Counted before the answer is there: whoever has it may wait until it has been compared.
                    self.compare_later(&set, so_far);
                    job.answer(answer);
                }
                stays
            }
        }
    }

    /// Leaves a job on its thread. Whether the thread stays one of the pool's: it has been replaced if the job was finished by another.
    fn leave(&self, set: &PolicySet, job: &Job, leave: impl FnOnce(&Job) -> bool) -> bool {
        let in_time = leave(job);
        if !in_time && let Some(policy) = set.policies().get(job.stuck()) {
            self.stuck.remove(policy, job.purpose());
        }
        in_time
    }

    /// Asks all policies that have not been asked yet: in the quick lane, until that takes more than a part of what it may.
    fn ask_all(&self, question: &mut Question, lane: Lane) -> Progress {
        let Question { set, input, job, so_far } = question;
        let SoFar { verdicts, value, to_compare } = so_far;
        let begun = self.now();
        for (index, policy) in set.policies().iter().enumerate().skip(verdicts.len()) {
            let cache = policy.verdict_cache.as_ref();
            let verdict = if let Some(verdict) = cache.and_then(|cache| cache.verdict(input)) {
                verdict
            } else {
                let now = self.now();
                job.begin(index, now);
                let allowance = match lane {
                    Lane::Quick => Allowance::part(policy.limits(), now.saturating_sub(begun)),
                    Lane::Slow => Allowance::all(policy.limits()),
                };
                let Answered { answer, by } = policy.ask_within(value.get_or_insert_with(|| input.value()), allowance, || self.now());
                let verdict = match answer {
                    Err(PolicyError::TimeLimit(_) | PolicyError::MemoryLimit(_)) if allowance.is_part => return Progress::NeedsMore,
                    answer => {
                        // That there is none is compared as well: a refusal that the policy does not mean is a difference.
                        if by == AnsweredBy::Compiled && policy.cross_check.is_due() {
                            to_compare.push((index, answer.clone()));
                        }
                        match answer {
                            Ok(verdict) => verdict,
                            Err(error) => return Progress::Over(Err(error)),
                        }
                    }
                };
                if let Some(cache) = cache {
                    cache.keep(input, &verdict, || by == AnsweredBy::Engine || policy.cross_check.trusts_compiled());
                }
                verdict
            };
            verdicts.push((policy.name.clone(), verdict));
        }
        Progress::Over(Ok(mem::take(verdicts)))
    }

    /// Has the engine asked what the compiled form has said: in the slow lane, since nobody waits for it, and it takes long.
    fn compare_later(&self, set: &Arc<PolicySet>, so_far: SoFar) {
        let SoFar { value: Some(input), to_compare, .. } = so_far else { return };
        for (policy, said) in to_compare {
            if self.comparisons.fetch_add(1, Ordering::AcqRel) >= COMPARISONS {
                self.comparisons.fetch_sub(1, Ordering::AcqRel);
                return;
            }
            self.put(Lane::Slow, Work::Compare(EngineCheck { set: Arc::clone(set), policy, input: input.clone(), said }));
        }
    }

    /// Asks the engine what the compiled form has said. `false` if this thread has been replaced meanwhile and must end.
    fn compare(self: &Arc<Self>, comparison: &EngineCheck) -> bool {
        let stays = self.compare_now(comparison);
        self.comparisons.fetch_sub(1, Ordering::AcqRel);
        stays
    }

    pub(super) fn compare_now(self: &Arc<Self>, EngineCheck { set, policy: index, input, said }: &EngineCheck) -> bool {
        let Some(policy) = set.policies().get(*index).filter(|policy| policy.cross_check.begin()) else { return true };
        let now = self.now();
        let job = Arc::new(Job::comparison(*index, now));
        self.watchdog.watch(Arc::clone(set), Arc::clone(&job), now);
        let comparison = policy.compare(input, said, || self.now());
        policy.cross_check.end();
        let stays = self.leave(set, &job, Job::finish);
        match comparison {
            Agreement::Same => {}
            Agreement::Unknown => {
                tracing::debug!(policy = %policy.name, "the engine passes a limit where the compiled form of the policy has an answer; the two are not compared");
            }
            Agreement::Different(differs) => {
                if policy.leave_compiled() {
                    tracing::error!(policy = %policy.name, differs, "the compiled form of a policy gave another answer than the engine; the engine alone is asked from now on, and everybody is decided about anew");
                    self.disagreements.send_modify(|found| *found += 1);
                }
            }
        }
        stays
    }
}

/// What asking comes to.
enum Progress {
    Over(Answer),
    /// It takes more than a part of what it may.
    NeedsMore,
}
