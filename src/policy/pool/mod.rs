//! Threads that ask policies.
//!
//! They are ours because of their stacks (each rule or function that calls another costs some KiB, and an overflow ends the process) and
//! because a policy may keep one busy past its time: regorus looks at the clock between its steps only. Such a thread is abandoned and
//! replaced, and its text is not asked again, in this set of policies or another, until the thread has come back. So a text costs one
//! thread at most, however often it is loaded; and of texts there are as many as somebody has written and put in force. One that comes
//! back costs its time limit each time: who asks for that again and again is [made to wait](backoff). And the priority of a thread that takes
//! long is [lowered](job): others on the machine, the data plane first of all, go before it.
//!
//! When a thread has answered, it may have to ask the engine what the compiled form has said, see [`cross_check`]. Nobody waits for that; the
//! thread is watched meanwhile as ever, and if it does not come back, the policy is not compared again until it has, and is asked as ever.

mod backoff;
pub(super) mod cross_check;
mod job;
pub(super) mod verdict_cache;
mod watchdog;

use std::cell::OnceCell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{io, thread};

use regorus::Value;
use rustix::process::Pid;
use tokio::sync::{oneshot, watch};

use self::backoff::Backoff;
use self::cross_check::Agreement;
use self::job::{Job, JobPurpose};
use self::watchdog::Watchdog;
use super::loaded::{Answered, AnsweredBy, Identity, Policy};
use super::{LoginInput, PolicyError, PolicySet};
use crate::clock::{Clock, SystemClock};
use crate::model::{PolicyName, Verdict};

/// Threads of its own with large stacks, a bounded queue and a deadline. Cheap to clone; the threads end with the last clone.
#[derive(Clone, Debug)]
pub struct Evaluator {
    owner: Arc<PoolOwner>,
}

type Answer = Result<Verdicts, PolicyError>;

type Verdicts = Vec<(PolicyName, Verdict)>;

/// Stack of each thread, in bytes. Reserved, not used, until something goes deep.
const STACK: usize = 64 * 1024 * 1024;
/// Questions that may wait for a thread.
const QUEUE: usize = 1024;
/// Threads that may be abandoned and replaced before those that are lost are not replaced any more.
const LOST_MAX: usize = 16;

/// The evaluators hold it; the threads hold the pool.
#[derive(Debug)]
struct PoolOwner {
    pool: Arc<Pool>,
    backoff: Backoff,
}

impl Drop for PoolOwner {
    fn drop(&mut self) {
        self.pool.queue.close();
        self.pool.watchdog.close();
    }
}

/// What the threads share.
#[derive(Debug)]
struct Pool {
    queue: Queue,
    watchdog: Watchdog,
    stuck: Stuck,
    /// How often a policy's compiled form has been found to say something else than the engine.
    disagreements: watch::Sender<u64>,
    clock: SystemClock,
}

/// Questions that wait for a thread. Each that comes wakes one thread, and no thread waits for another to be through the door.
#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    questions: VecDeque<Question>,
    closed: bool,
}

impl Queue {
    /// `false`: too many are waiting.
    fn put(&self, question: Question) -> bool {
        let mut waiting = self.waiting();
        if waiting.questions.len() >= QUEUE {
            return false;
        }
        waiting.questions.push_back(question);
        drop(waiting);
        self.changed.notify_one();
        true
    }

    /// The next question; `None` when no evaluator is left to ask one.
    fn next(&self) -> Option<Question> {
        let nothing = |waiting: &mut Waiting| waiting.questions.is_empty() && !waiting.closed;
        self.changed.wait_while(self.waiting(), nothing).unwrap_or_else(PoisonError::into_inner).questions.pop_front()
    }

    fn close(&self) {
        self.waiting().closed = true;
        self.changed.notify_all();
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The policies that keep a thread busy which was abandoned, and what it was to do.
#[derive(Debug, Default)]
struct Stuck {
    /// Whether there is any, so that a question is not asked under a lock.
    any: AtomicBool,
    policies: Mutex<Vec<(Identity, JobPurpose)>>,
}

impl Stuck {
    /// Whether an answer of the policy is still looked for.
    fn holds(&self, policy: &Policy) -> bool {
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

    fn list(&self) -> MutexGuard<'_, Vec<(Identity, JobPurpose)>> {
        self.policies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct Question {
    set: Arc<PolicySet>,
    input: LoginInput,
    job: Arc<Job>,
}

/// What the compiled form has answered to a question, and the engine is still to be asked.
struct ToCompare {
    /// The policy's index.
    policy: usize,
    said: Result<Verdict, PolicyError>,
}

impl Evaluator {
    /// How many evaluations a process should have under way at once. Not one for each core: a thread that takes long is behind the others,
    /// and on a machine of one core they would have to wait for it all the same. Each may take the memory limit, so not many more.
    pub const AT_ONCE: usize = 4;

    /// Starts `threads` threads, at least one, and one that watches them.
    ///
    /// # Errors
    /// When the machine has no thread to give.
    pub fn start(threads: usize) -> io::Result<Self> {
        let pool = Arc::new(Pool::new());
        // First of all, so that those that were started end if another cannot be.
        let evaluator = Self { owner: Arc::new(PoolOwner { pool: Arc::clone(&pool), backoff: Backoff::default() }) };
        watchdog::start(&pool)?;
        for _ in 0..threads.max(1) {
            pool.spawn()?;
        }
        Ok(evaluator)
    }

    /// How often the compiled form of a policy has been found to say something else than the engine. When that is told, the policy says what
    /// the engine says, and nothing here remembers what it said before.
    #[must_use]
    pub fn disagreements(&self) -> watch::Receiver<u64> {
        self.owner.pool.disagreements.subscribe()
    }

    /// Asks every policy of the set, each by itself. Answers in the order of the policies' names.
    ///
    /// # Errors
    /// The first policy that gave no answer; the rest are not asked. The caller must refuse.
    pub async fn ask(&self, set: Arc<PolicySet>, input: LoginInput) -> Answer {
        let PoolOwner { pool, backoff } = &*self.owner;
        if let Some(stuck) = set.policies().iter().find(|policy| pool.stuck.holds(policy)) {
            return Err(PolicyError::TimeLimit(stuck.name.clone()));
        }
        if set.is_empty() {
            return Ok(Vec::new());
        }
        let key = input.key.id;
        let now = pool.now();
        let paused = |policy: &Arc<Policy>| backoff.left(policy, key, now).map(|left| (policy.name.clone(), left));
        if let Some((policy, left)) = set.policies().iter().find_map(paused) {
            return Err(PolicyError::Paused(policy, left));
        }
        let (asker, answered) = oneshot::channel();
        let job = Arc::new(Job::new(asker));
        if !pool.queue.put(Question { set: Arc::clone(&set), input, job: Arc::clone(&job) }) {
            return Err(PolicyError::Overloaded);
        }
        // By another than the caller, because a stuck thread must be noticed even if the caller has gone away.
        pool.watchdog.watch(Arc::clone(&set), job, now);
        let answer = answered.await.unwrap_or(Err(PolicyError::Overloaded));
        backoff.note(&set, key, &answer, pool.now());
        answer
    }
}

impl Pool {
    fn new() -> Self {
        Self {
            queue: Queue::default(),
            watchdog: Watchdog::default(),
            stuck: Stuck::default(),
            disagreements: watch::Sender::new(0),
            clock: SystemClock::start(),
        }
    }

    fn now(&self) -> Duration {
        self.clock.monotonic()
    }

    /// One thread more.
    fn spawn(self: &Arc<Self>) -> io::Result<()> {
        let pool = Arc::clone(self);
        let work = move || {
            let me = rustix::thread::gettid();
            while let Some(question) = pool.queue.next() {
                if !pool.answer(me, question) {
                    break;
                }
            }
        };
        thread::Builder::new().name("policy".to_owned()).stack_size(STACK).spawn(work).map(drop)
    }

    /// Takes the thread for lost, puts another in its place, and keeps its policy from being asked, or compared.
    fn abandon(self: &Arc<Self>, set: &PolicySet, job: &Job, index: usize) {
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
        } else if let Err(error) = self.spawn() {
            tracing::error!(%error, "no thread could be started to ask policies in its place");
        }
        job.answer(Err(PolicyError::TimeLimit(policy.name.clone())));
    }

    /// Answers a question on this thread, whose number is `me`. `false` if it has been replaced meanwhile and must end.
    fn answer(self: &Arc<Self>, me: Pid, question: Question) -> bool {
        let Question { set, input, job } = question;
        if !job.start(me, self.now()) {
            return true;
        }
        let (value, mut to_compare) = (OnceCell::new(), Vec::new());
        let asked = || self.ask_all(&set, &input, &value, &job, &mut to_compare);
        let answer = catch_unwind(AssertUnwindSafe(asked)).unwrap_or_else(|_| {
            let asked = set.policies().get(job.asked().0).or(set.policies().first());
            Err(asked.map_or(PolicyError::Overloaded, |policy| PolicyError::Failed(policy.name.clone(), "asking it panicked".to_owned())))
        });
        let Some(mut stays) = self.finish(&set, &job) else { return false };
        job.answer(answer);
        if let Some(value) = value.get() {
            for said in &to_compare {
                // One that has been replaced ends, or each further job could have it replaced once more.
                stays = stays && self.compare(me, &set, value, said);
            }
        }
        stays
    }

    /// Finishes a job on its thread. Whether the thread stays one of the pool's; `None`: it was abandoned, and the job is finished.
    fn finish(self: &Arc<Self>, set: &PolicySet, job: &Job) -> Option<bool> {
        let in_time = job.finish();
        let has_low_priority = job.release_thread();
        if !in_time {
            // It has been replaced already.
            if let Some(policy) = set.policies().get(job.stuck()) {
                self.stuck.remove(policy, job.purpose());
            }
            return None;
        }
        let replaced = has_low_priority
            && self
                .spawn()
                .inspect_err(|error| {
                    tracing::warn!(%error, "a thread that asks policies goes on with low priority: there is none to take its place");
                })
                .is_ok();
        Some(!replaced)
    }

    fn ask_all(&self, set: &PolicySet, input: &LoginInput, value: &OnceCell<Value>, job: &Job, to_compare: &mut Vec<ToCompare>) -> Answer {
        let mut verdicts = Vec::with_capacity(set.policies().len());
        for (index, policy) in set.policies().iter().enumerate() {
            let cache = policy.verdict_cache.as_ref();
            let verdict = if let Some(verdict) = cache.and_then(|cache| cache.verdict(input)) {
                verdict
            } else {
                job.begin(index, self.now());
                let Answered { answer, by } = policy.ask(value.get_or_init(|| input.value()), || self.now());
                // That there is none is compared as well: a refusal that the policy does not mean is a difference.
                if by == AnsweredBy::Compiled && policy.cross_check.is_due() {
                    to_compare.push(ToCompare { policy: index, said: answer.clone() });
                }
                let verdict = answer?;
                if let Some(cache) = cache {
                    cache.keep(input, &verdict, || by == AnsweredBy::Engine || policy.cross_check.trusts_compiled());
                }
                verdict
            };
            verdicts.push((policy.name.clone(), verdict));
        }
        Ok(verdicts)
    }

    /// Asks the engine what the compiled form has said. `false` if this thread has been replaced meanwhile and must end.
    fn compare(self: &Arc<Self>, me: Pid, set: &Arc<PolicySet>, input: &Value, ToCompare { policy: index, said }: &ToCompare) -> bool {
        let Some(policy) = set.policies().get(*index).filter(|policy| policy.cross_check.begin()) else { return true };
        let now = self.now();
        let job = Arc::new(Job::comparison(*index, me, now));
        self.watchdog.watch(Arc::clone(set), Arc::clone(&job), now);
        let comparison = policy.compare(input, said, || self.now());
        policy.cross_check.end();
        let stays = self.finish(set, &job).unwrap_or(false);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::KeyRecord;
    use crate::policy::{EvaluationSettings, PolicyLimits, PolicySource};

    const LIMITS: PolicyLimits = PolicyLimits { time: Duration::from_secs(5), memory: 64 << 20 };

    fn load(name: &str, text: &str) -> Arc<PolicySet> {
        let source = PolicySource { name: name.parse().unwrap(), file: None, text: text.into(), rego: None };
        Arc::new(PolicySet::load(&[source], LIMITS).unwrap())
    }

    #[tokio::test]
    async fn a_thread_whose_priority_was_lowered_is_replaced() {
        let (limits, endless) = (PolicyLimits { time: Duration::from_millis(200), memory: 64 << 20 }, "numbers.range(1, 9000)");
        let text = format!(
            "package spacelift\nallow if {{\n  input.session.login == \"x\"\n  some a in {endless}\n  some b in {endless}\n  a + b < 0\n}}\n"
        );
        let source = PolicySource { name: "endless".parse().unwrap(), file: None, text: text.into(), rego: None };
        let set = Arc::new(PolicySet::load(&[source], limits).unwrap());
        let evaluator = Evaluator::start(1).unwrap();
        for _ in 0..2 {
            assert!(matches!(evaluator.ask(set.clone(), LoginInput::about("x")).await, Err(PolicyError::TimeLimit(_))));
            assert_eq!(evaluator.ask(set.clone(), LoginInput::about("y")).await.unwrap().len(), 1);
        }
    }

    #[tokio::test]
    async fn a_policy_is_asked() {
        let set = load(
            "ci",
            "package spacelift\nallow if startswith(input.session.login, \"ci-\")\nroles[\"production\"][\"deployer\"] if allow\n",
        );
        let evaluator = Evaluator::start(1).unwrap();
        let answer = evaluator.ask(set.clone(), LoginInput::about("ci-1")).await.unwrap();
        assert_eq!(answer.len(), 1);
        assert!(answer[0].1.allow);
        assert_eq!(answer[0].1.roles.iter().collect::<Vec<_>>(), [&("production".to_owned(), "deployer".to_owned())]);
        let answer = evaluator.ask(set, LoginInput::about("x")).await.unwrap();
        assert_eq!(answer[0].1, Verdict::default());
    }

    #[tokio::test]
    async fn what_is_remembered_of_a_key_is_not_said_of_it_when_it_has_changed() {
        let set = load("team", "package spacelift\nallow if \"ops\" in input.session.teams\nadmin if input.session.admin\n");
        let evaluator = Evaluator::start(1).unwrap();
        let mut asked = LoginInput::about("x");
        let verdict = async |asked: &LoginInput| {
            let first = evaluator.ask(set.clone(), asked.clone()).await.unwrap();
            assert_eq!(evaluator.ask(set.clone(), asked.clone()).await.unwrap(), first);
            (first[0].1.allow, first[0].1.admin)
        };
        assert_eq!(verdict(&asked).await, (false, false));
        let mut key = KeyRecord::clone(&asked.key);
        key.groups.push("ops".parse().unwrap());
        asked.key = Arc::new(key);
        assert_eq!(verdict(&asked).await, (true, false));
        asked.root_admin = true;
        assert_eq!(verdict(&asked).await, (true, true));
    }

    #[tokio::test]
    async fn what_is_remembered_of_a_key_is_not_said_of_another_address_if_the_policy_sees_it() {
        let set = load("office", "package spacelift\nallow if net.cidr_contains(\"10.0.0.0/8\", input.request.remote_ip)\n");
        let evaluator = Evaluator::start(1).unwrap();
        let inside = LoginInput::about("x");
        let outside = LoginInput { remote_ip: "192.0.2.1".parse().unwrap(), ..inside.clone() };
        assert!(evaluator.ask(set.clone(), inside).await.unwrap()[0].1.allow);
        assert!(!evaluator.ask(set, outside).await.unwrap()[0].1.allow);
    }

    /// What the engine takes for `deny` and the compiled form for `allow`, about the key alone.
    fn mistranslated(compare_every: u32) -> Arc<PolicySet> {
        let settings = EvaluationSettings { compare_every, ..LIMITS.into() };
        Arc::new(PolicySet::mistranslated("deny if input.session.login == \"x\"", "allow if input.session.login == \"x\"", settings))
    }

    fn allows(answer: &Answer) -> bool {
        let verdict = &answer.as_ref().unwrap()[0].1;
        assert_ne!(verdict.allow, verdict.deny);
        verdict.allow
    }

    #[tokio::test]
    async fn a_compiled_form_that_says_something_else_than_the_engine_is_found_out_and_left() {
        let (set, evaluator) = (mistranslated(1), Evaluator::start(1).unwrap());
        let mut disagreements = evaluator.disagreements();
        assert!(allows(&evaluator.ask(set.clone(), LoginInput::about("x")).await));
        disagreements.changed().await.unwrap();
        assert_eq!(*disagreements.borrow_and_update(), 1);
        // The very question that there was an answer to, and others.
        assert!(!allows(&evaluator.ask(set.clone(), LoginInput::about("x")).await));
        assert!(!allows(&evaluator.ask(set.clone(), LoginInput { instance: "test".into(), ..LoginInput::about("x") }).await));
        assert!(!disagreements.has_changed().unwrap());
        // Loaded once more, it is trusted and compared once more.
        assert!(allows(&evaluator.ask(mistranslated(1), LoginInput::about("x")).await));
        disagreements.changed().await.unwrap();
    }

    #[tokio::test]
    async fn a_compiled_form_that_fails_where_the_engine_answers_is_found_out_and_left() {
        let both = "deny if input.session.login == \"x\"\nlevel := 1\n";
        let conflict = format!("{both}level := 2 if input.session.login == \"x\"\nsample if level == 2");
        let settings = EvaluationSettings { compare_every: 1, ..LIMITS.into() };
        let (ask, disagreements) = asked_once(Arc::new(PolicySet::mistranslated(both, &conflict, settings))).await;
        assert!(matches!(ask, Err(PolicyError::Failed(..))), "{ask:?}");
        assert_eq!(disagreements, 1);
        // A failure that both have is none, and a limit says nothing.
        let (ask, disagreements) = asked_once(Arc::new(PolicySet::mistranslated(&conflict, &conflict, settings))).await;
        assert!(matches!(ask, Err(PolicyError::Failed(..))), "{ask:?}");
        assert_eq!(disagreements, 0);
        let large = "sample if { input.session.login == \"x\"; count([1 | some a in numbers.range(1, 9000); some b in numbers.range(1, 9000)]) > 0 }";
        let settings = EvaluationSettings { limits: PolicyLimits { memory: 1 << 20, ..LIMITS }, ..settings };
        let (ask, disagreements) = asked_once(Arc::new(PolicySet::mistranslated(both, large, settings))).await;
        assert!(matches!(ask, Err(PolicyError::MemoryLimit(_))), "{ask:?}");
        assert_eq!(disagreements, 0);
    }

    /// What the key `x` is answered, and how many differences are known when the thread is through with that.
    async fn asked_once(set: Arc<PolicySet>) -> (Answer, u64) {
        let evaluator = Evaluator::start(1).unwrap();
        let answer = evaluator.ask(set, LoginInput::about("x")).await;
        evaluator.ask(load("next", "package spacelift\nallow if true\n"), LoginInput::about("x")).await.unwrap();
        let disagreements = *evaluator.disagreements().borrow();
        (answer, disagreements)
    }

    #[tokio::test]
    async fn nothing_is_compared_if_that_is_not_wanted() {
        let (set, evaluator) = (mistranslated(0), Evaluator::start(1).unwrap());
        for _ in 0..3 {
            // Each is another question, which the one thread comes to when it is through with the one before.
            assert!(allows(&evaluator.ask(set.clone(), LoginInput::about("x")).await));
        }
        assert!(!evaluator.disagreements().has_changed().unwrap());
    }

    #[test]
    fn what_differs_is_logged_and_no_value_of_it() {
        let settings = EvaluationSettings { compare_every: 1, ..LIMITS.into() };
        let set = Arc::new(PolicySet::mistranslated("team contains \"SECRET\"", "allow := true", settings));
        let (pool, value) = (Arc::new(Pool::new()), LoginInput::about("x").value());
        let said = set.policies()[0].ask(&value, || pool.now()).answer;
        let log = Log::default();
        let lines = log.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || lines.clone()).finish();
        tracing::subscriber::with_default(subscriber, || {
            for _ in 0..2 {
                assert!(pool.compare(rustix::thread::gettid(), &set, &value, &ToCompare { policy: 0, said: said.clone() }));
            }
        });
        let lines = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        assert_eq!(lines.lines().count(), 1, "{lines}");
        assert!(lines.contains("ERROR") && lines.contains("policy=mistranslated") && lines.contains("differs=\"allow, team\""), "{lines}");
        assert!(!lines.contains("SECRET"), "{lines}");
        assert_eq!(*pool.disagreements.borrow(), 1);
    }

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(line)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_comparison_that_keeps_its_thread_busy_costs_one_thread_and_no_answer() {
        // One step of the engine, over what holds a value many times that itself holds another two to the power of eighteen times.
        let tower = (0..18).map(|n| format!("x{} := [x{n}, x{n}]\n", n + 1)).collect::<Vec<_>>().concat();
        let many = ["x18"; 1000].join(", ");
        let text = &format!(
            "allow if {{\ninput.session.login == \"x\"\nx0 := [input.session.login]\n{tower}many := [{many}]\n\
             count(many) == 1\ninput.request.remote_ip != \"\"\n}}"
        );
        let set = |time| {
            let settings = EvaluationSettings { compare_every: 1, ..PolicyLimits { time, memory: usize::MAX }.into() };
            Arc::new(PolicySet::mistranslated(text, "allow := true", settings))
        };
        let evaluator = Evaluator::start(1).unwrap();
        let busy = || evaluator.owner.pool.stuck.list().len();
        let other = load("other", "package spacelift\nallow if true\n");
        let ask = async |set: &Arc<PolicySet>| {
            assert!(allows(&evaluator.ask(set.clone(), LoginInput::about("x")).await));
            // Once the thread is through with the comparison; or on the one that takes its place, as soon as it is noticed.
            let answered = async { while evaluator.ask(other.clone(), LoginInput::about("x")).await.is_err() {} };
            tokio::time::timeout(Duration::from_mins(1), answered).await.unwrap();
        };
        // On a busy machine the limit may be over before the one long step is reached.
        let mut time = Duration::from_millis(500);
        let set = loop {
            let set = set(time);
            ask(&set).await;
            if busy() > 0 {
                break set;
            }
            time *= 2;
            assert!(time < Duration::from_mins(1), "the comparison never keeps its thread busy");
        };
        for _ in 0..2 {
            ask(&set).await;
        }
        assert!(!evaluator.disagreements().has_changed().unwrap());
        assert_eq!(busy(), 1);
    }
}
