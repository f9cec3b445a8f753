//! Threads that ask policies.
//!
//! They are ours because of their stacks (each rule or function that calls another costs some KiB, and an overflow ends the process) and
//! because a policy may keep one busy past its time: regorus looks at the clock between its steps only. Such a thread is given up and
//! replaced, and its text is not asked again, in this set of policies or another, until the thread has come back. So a text costs one
//! thread at most, however often it is loaded; and of texts there are as many as somebody has written and put in force. One that comes
//! back costs its time limit each time: who asks for that again and again is [made to wait](super::pauses). And a thread that takes long
//! [steps back](Rank): others on the machine, the data plane first of all, go before it.

use std::cell::OnceCell;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;
use std::{io, mem, thread};

use rustix::process::Pid;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::pauses::Pauses;
use super::set::{Identity, Policy};
use super::{LoginInput, PolicyError, PolicySet};
use crate::clock::{Clock, SystemClock};
use crate::model::{PolicyName, Verdict};

/// Threads of its own with large stacks, a bounded queue and a deadline. Cheap to clone; the threads end with the last clone.
#[derive(Clone, Debug)]
pub struct Evaluator {
    pool: Arc<Pool>,
}

pub(super) type Answer = Result<Vec<(PolicyName, Verdict)>, PolicyError>;

/// Stack of each thread, in bytes. Reserved, not used, until something goes deep.
const STACK: usize = 64 * 1024 * 1024;
/// Questions that may wait for a thread.
const QUEUE: usize = 1024;
/// How long a question waits for a thread.
const QUEUE_WAIT: Duration = Duration::from_secs(1);
/// What a policy may take beyond its time limit before its thread is given up: one long step, or a machine that is busy.
const GRACE: Duration = Duration::from_secs(1);
/// How much of its time limit a policy has before its thread steps back: some ten times what asking all of them takes.
const UNHURRIED_AFTER: u32 = 8;
/// The priority of a thread that has stepped back, as `nice` counts it: a tenth of another's share where there is not enough for both.
const UNHURRIED: i32 = 10;
/// Threads that may be given up and replaced before those that are lost are not replaced any more.
const LOST_MAX: usize = 16;

#[derive(Debug)]
struct Pool {
    questions: mpsc::SyncSender<Question>,
    works: Works,
    pauses: Pauses,
}

/// What the threads share.
#[derive(Clone, Debug)]
struct Works {
    waiting: Arc<Mutex<mpsc::Receiver<Question>>>,
    stuck: Arc<Stuck>,
    clock: SystemClock,
}

/// The policies that keep a thread busy which was given up.
#[derive(Debug, Default)]
struct Stuck {
    /// Whether there is any, so that a question is not asked under a lock.
    any: AtomicBool,
    policies: Mutex<Vec<Identity>>,
}

impl Stuck {
    fn holds(&self, policy: &Policy) -> bool {
        self.any.load(Ordering::Acquire) && self.list().contains(&policy.identity)
    }

    /// How many there are now.
    fn add(&self, policy: &Policy) -> usize {
        let mut list = self.list();
        list.push(policy.identity);
        self.any.store(true, Ordering::Release);
        list.len()
    }

    fn remove(&self, policy: &Policy) {
        let mut list = self.list();
        if let Some(place) = list.iter().position(|stuck| *stuck == policy.identity) {
            list.swap_remove(place);
        }
        self.any.store(!list.is_empty(), Ordering::Release);
    }

    fn list(&self) -> MutexGuard<'_, Vec<Identity>> {
        self.policies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Question {
    set: Arc<PolicySet>,
    input: LoginInput,
    course: Arc<Course>,
    begun: oneshot::Sender<()>,
    answer: oneshot::Sender<Answer>,
}

/// How far a question has come, told by the thread that works on it.
#[derive(Debug, Default)]
struct Course {
    state: AtomicU8,
    /// Index of the policy that is being asked.
    policy: AtomicUsize,
    /// Since when, in nanoseconds of the monotonic clock.
    since: AtomicU64,
    /// Index of the policy that was found stuck: the thread may come back between the two, and go on to the next.
    stuck: AtomicUsize,
    rank: Mutex<Rank>,
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
    const RUNNING: u8 = 0;
    const DONE: u8 = 1;
    const GIVEN_UP: u8 = 2;

    /// A policy's time begins.
    fn begin(&self, policy: usize, now: Duration) {
        self.policy.store(policy, Ordering::Release);
        self.since.store(u64::try_from(now.as_nanos()).unwrap_or(u64::MAX), Ordering::Release);
    }

    /// This thread works on it from now on.
    fn take(&self) {
        *self.rank() = Rank::Equal(rustix::thread::gettid());
    }

    /// Lets the thread that works on it step back behind others.
    fn step_back(&self) {
        // Under the lock, so that the thread does not end meanwhile, and its number become another's.
        let mut rank = self.rank();
        let Rank::Equal(thread) = *rank else { return };
        // In Linux this is about one thread, whatever it is called.
        match rustix::process::setpriority_process(Some(thread), UNHURRIED) {
            Ok(()) => *rank = Rank::SteppedBack,
            Err(error) => tracing::debug!(%error, "a thread that asks policies keeps its priority"),
        }
    }

    /// This thread works on it no more. Whether it has stepped back.
    fn leave(&self) -> bool {
        matches!(mem::take(&mut *self.rank()), Rank::SteppedBack)
    }

    fn rank(&self) -> MutexGuard<'_, Rank> {
        self.rank.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it came to this end, and not to the other one before.
    fn end(&self, end: u8) -> bool {
        self.state.compare_exchange(Self::RUNNING, end, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

impl Evaluator {
    /// Starts `threads` threads, at least one.
    ///
    /// # Errors
    /// When the machine has no thread to give.
    pub fn start(threads: usize) -> io::Result<Self> {
        let (questions, waiting) = mpsc::sync_channel(QUEUE);
        let works = Works { waiting: Arc::new(Mutex::new(waiting)), stuck: Arc::default(), clock: SystemClock::start() };
        for _ in 0..threads.max(1) {
            works.spawn()?;
        }
        Ok(Self { pool: Arc::new(Pool { questions, works, pauses: Pauses::default() }) })
    }

    /// Asks every policy of the set, each by itself. Answers in the order of the policies' names. Needs a tokio runtime with a timer.
    ///
    /// # Errors
    /// The first policy that gave no answer; the rest are not asked. The caller must refuse.
    pub async fn ask(&self, set: Arc<PolicySet>, input: LoginInput) -> Answer {
        if let Some(stuck) = set.policies().iter().find(|policy| self.pool.works.stuck.holds(policy)) {
            return Err(PolicyError::TimeLimit(stuck.name.clone()));
        }
        if set.is_empty() {
            return Ok(Vec::new());
        }
        let key = input.key.id;
        let begins = self.pool.works.clock.now().monotonic;
        let paused = |policy: &Arc<Policy>| self.pool.pauses.left(policy, key, begins).map(|left| (policy.name.clone(), left));
        if let Some((policy, left)) = set.policies().iter().find_map(paused) {
            return Err(PolicyError::Paused(policy, left));
        }
        let (begun, has_begun) = oneshot::channel();
        let (answer, answered) = oneshot::channel();
        let course = Arc::new(Course::default());
        let question = Question { set: set.clone(), input, course: course.clone(), begun, answer };
        self.pool.questions.try_send(question).map_err(|_| PolicyError::Overloaded)?;
        // A task of its own, because a stuck thread must be noticed even if the caller has gone away.
        let watch = tokio::spawn(watch(self.pool.clone(), set.clone(), course, has_begun, answered));
        let answer = watch.await.unwrap_or(Err(PolicyError::Overloaded));
        self.pool.pauses.note(&set, key, &answer, self.pool.works.clock.now().monotonic);
        answer
    }
}

async fn watch(
    pool: Arc<Pool>,
    set: Arc<PolicySet>,
    course: Arc<Course>,
    begun: oneshot::Receiver<()>,
    answered: oneshot::Receiver<Answer>,
) -> Answer {
    if !matches!(timeout(QUEUE_WAIT, begun).await, Ok(Ok(()))) {
        return Err(PolicyError::Overloaded);
    }
    let mut answered = answered;
    let unhurried_after = set.policies().iter().map(|policy| policy.limits().time).min().unwrap_or_default() / UNHURRIED_AFTER;
    match timeout(unhurried_after, &mut answered).await {
        Ok(answer) => return answer.unwrap_or(Err(PolicyError::Overloaded)),
        Err(_) => course.step_back(),
    }
    loop {
        let since = course.since.load(Ordering::Acquire);
        let limit = set.policies().get(course.policy.load(Ordering::Acquire)).map_or(Duration::ZERO, |policy| policy.limits().time);
        let over = Duration::from_nanos(since).saturating_add(limit + GRACE);
        match timeout(over.saturating_sub(pool.works.clock.now().monotonic), &mut answered).await {
            Ok(Ok(answer)) => return answer,
            // The thread dropped the question: it found nobody waiting, or is itself gone.
            Ok(Err(_)) => return Err(PolicyError::Overloaded),
            // It has gone on to the next policy meanwhile, whose time has just begun.
            Err(_) if course.since.load(Ordering::Acquire) != since => {}
            Err(_) => return give_up(&pool.works, &set, &course),
        }
    }
}

/// Takes the thread for lost, puts another in its place, and keeps its policy from being asked.
fn give_up(works: &Works, set: &PolicySet, course: &Course) -> Answer {
    let index = course.policy.load(Ordering::Acquire);
    let Some(policy) = set.policies().get(index) else { return Err(PolicyError::Overloaded) };
    // Marked before the course ends: the thread takes the mark away when it finds the course ended.
    course.stuck.store(index, Ordering::Release);
    let lost = works.stuck.add(policy);
    if course.end(Course::GIVEN_UP) {
        tracing::error!(policy = %policy.name, "a policy keeps a thread busy long past its time limit; it is refused until the thread comes back");
        if lost > LOST_MAX {
            tracing::error!(lost, "too many threads are lost to policies; this one is not replaced");
        } else if let Err(error) = works.spawn() {
            tracing::error!(%error, "no thread could be started to ask policies in its place");
        }
    } else {
        works.stuck.remove(policy);
    }
    Err(PolicyError::TimeLimit(policy.name.clone()))
}

impl Works {
    fn spawn(&self) -> io::Result<()> {
        let works = self.clone();
        let work = move || {
            while let Ok(question) = next(&works.waiting) {
                if !answer(question, &works) {
                    break;
                }
            }
        };
        thread::Builder::new().name("policy".to_owned()).stack_size(STACK).spawn(work).map(drop)
    }
}

/// The next question; an error when no evaluator is left to ask one.
fn next(waiting: &Mutex<mpsc::Receiver<Question>>) -> Result<Question, mpsc::RecvError> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner).recv()
}

/// Answers a question. `false` if this thread has been replaced meanwhile and must end.
fn answer(question: Question, works: &Works) -> bool {
    let Question { set, input, course, begun, answer } = question;
    let now = || works.clock.now().monotonic;
    course.take();
    course.begin(0, now());
    if begun.send(()).is_err() {
        return true;
    }
    let value = OnceCell::new();
    let mut verdicts = Vec::with_capacity(set.policies().len());
    let mut outcome = Ok(());
    for (index, policy) in set.policies().iter().enumerate() {
        if let Some(verdict) = policy.remembered.as_ref().and_then(|remembered| remembered.verdict(&input)) {
            verdicts.push((policy.name.clone(), verdict));
            continue;
        }
        course.begin(index, now());
        match policy.ask(value.get_or_init(|| input.value()), now) {
            Ok(verdict) => {
                policy.remembered.iter().for_each(|remembered| remembered.keep(&input, &verdict));
                verdicts.push((policy.name.clone(), verdict));
            }
            Err(error) => {
                outcome = Err(error);
                break;
            }
        }
    }
    let in_time = course.end(Course::DONE);
    // One that was given up has been replaced already.
    let replaced = course.leave()
        && in_time
        && works
            .spawn()
            .inspect_err(
                |error| tracing::warn!(%error, "a thread that asks policies goes on with less priority: there is none to take its place"),
            )
            .is_ok();
    if !in_time && let Some(policy) = set.policies().get(course.stuck.load(Ordering::Acquire)) {
        works.stuck.remove(policy);
    }
    // Nobody may be waiting any more; the answer is then of no use.
    let _ = answer.send(outcome.map(|()| verdicts));
    in_time && !replaced
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{KeyRecord, Snapshot, Strategy};
    use crate::policy::{PolicyLimits, PolicySource, SharedInput};

    fn load(name: &str, text: &str) -> Arc<PolicySet> {
        let limits = PolicyLimits { time: Duration::from_secs(5), memory: 64 << 20 };
        let source = PolicySource { name: name.parse().unwrap(), file: None, text: text.into(), rego: None };
        Arc::new(PolicySet::load(&[source], limits).unwrap())
    }

    fn question(login: &str) -> LoginInput {
        let key = KeyRecord {
            id: crate::model::KeyId::new(1, 2),
            name: login.parse().unwrap(),
            description: String::new(),
            groups: Vec::new(),
            created_at: jiff::Timestamp::UNIX_EPOCH,
            expires_at: None,
            disabled_at: None,
            revoked_at: None,
            secrets: Vec::new(),
            bindings: Vec::new(),
        };
        LoginInput {
            shared: Arc::new(SharedInput::of(&Snapshot::empty(Strategy::Combined))),
            key: Arc::new(key),
            root_admin: false,
            remote_ip: "10.1.2.3".parse().unwrap(),
            at: jiff::Timestamp::UNIX_EPOCH,
            instance: "dev".into(),
        }
    }

    #[test]
    fn a_thread_steps_back_only_while_it_works() {
        let nice = |thread| rustix::process::getpriority_process(Some(thread)).unwrap();
        let worked = thread::spawn(move || {
            let (course, me) = (Course::default(), rustix::thread::gettid());
            course.step_back();
            course.take();
            assert!(!course.leave());
            course.step_back();
            let before = nice(me);
            course.take();
            course.step_back();
            course.step_back();
            (before, nice(me), course.leave(), course.leave())
        });
        assert_eq!(worked.join().unwrap(), (0, UNHURRIED, true, false));
    }

    #[tokio::test]
    async fn a_thread_that_has_stepped_back_is_replaced() {
        let (limits, endless) = (PolicyLimits { time: Duration::from_millis(200), memory: 64 << 20 }, "numbers.range(1, 9000)");
        let text = format!(
            "package spacelift\nallow if {{\n  input.session.login == \"x\"\n  some a in {endless}\n  some b in {endless}\n  a + b < 0\n}}\n"
        );
        let source = PolicySource { name: "endless".parse().unwrap(), file: None, text: text.into(), rego: None };
        let set = Arc::new(PolicySet::load(&[source], limits).unwrap());
        let evaluator = Evaluator::start(1).unwrap();
        for _ in 0..2 {
            assert!(matches!(evaluator.ask(set.clone(), question("x")).await, Err(PolicyError::TimeLimit(_))));
            assert_eq!(evaluator.ask(set.clone(), question("y")).await.unwrap().len(), 1);
        }
    }

    #[tokio::test]
    async fn a_policy_is_asked() {
        let set = load(
            "ci",
            "package spacelift\nallow if startswith(input.session.login, \"ci-\")\nroles[\"production\"][\"deployer\"] if allow\n",
        );
        let evaluator = Evaluator::start(1).unwrap();
        let answer = evaluator.ask(set.clone(), question("ci-1")).await.unwrap();
        assert_eq!(answer.len(), 1);
        assert!(answer[0].1.allow);
        assert_eq!(answer[0].1.roles.iter().collect::<Vec<_>>(), [&("production".to_owned(), "deployer".to_owned())]);
        let answer = evaluator.ask(set, question("x")).await.unwrap();
        assert_eq!(answer[0].1, Verdict::default());
    }

    #[tokio::test]
    async fn what_is_remembered_of_a_key_is_not_said_of_it_when_it_has_changed() {
        let set = load("team", "package spacelift\nallow if \"ops\" in input.session.teams\nadmin if input.session.admin\n");
        let evaluator = Evaluator::start(1).unwrap();
        let mut asked = question("x");
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
        let inside = question("x");
        let outside = LoginInput { remote_ip: "192.0.2.1".parse().unwrap(), ..inside.clone() };
        assert!(evaluator.ask(set.clone(), inside).await.unwrap()[0].1.allow);
        assert!(!evaluator.ask(set, outside).await.unwrap()[0].1.allow);
    }
}
