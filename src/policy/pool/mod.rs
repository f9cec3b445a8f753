//! Threads that ask policies.
//!
//! They are ours because of their stacks (each rule or function that calls another costs some KiB, and an overflow ends the process) and
//! because a policy may keep one busy past its time: regorus looks at the clock between its steps only. Such a thread is abandoned and
//! replaced, and its text is not asked again, in this set of policies or another, until the thread has come back. So a text costs one
//! thread at most, however often it is loaded; and of texts there are as many as somebody has written and put in force. One that comes
//! back costs its time limit each time: who asks for that again and again is [made to wait](backoff). And who takes long is [asked apart](lane)
//! from all that do not.
//!
//! Of some answers the engine is asked afterwards what the compiled form has said, see [`cross_check`]. Nobody waits for that; a thread that
//! does it is watched as ever, and if it does not come back, the policy is not compared again until it has, and is asked as ever.

mod answer;
mod backoff;
pub(super) mod cross_check;
mod job;
mod lane;
mod threads;
pub(super) mod verdict_cache;
mod watchdog;
mod watching;

use std::io;
use std::sync::Arc;

use tokio::sync::{oneshot, watch};

use self::answer::Answer;
use self::backoff::Backoff;
use self::job::Job;
use self::lane::{Lane, Party};
use self::threads::{Pool, Question, SoFar, Work};
use super::error::PolicyError;
use super::input::LoginInput;
use super::loaded::Policy;
use super::set::PolicySet;

/// Threads of its own with large stacks, a bounded queue and a deadline. Cheap to clone; the threads end with the last clone.
#[derive(Clone, Debug)]
pub struct Evaluator {
    owner: Arc<PoolOwner>,
}

/// How many questions of a key wait in the slow lane before all others of it wait there, too.
const WAITING_MANY: usize = 8;
/// The evaluators hold it; the threads hold the pool.
#[derive(Debug)]
struct PoolOwner {
    pool: Arc<Pool>,
    backoff: Backoff,
}

impl Drop for PoolOwner {
    fn drop(&mut self) {
        self.pool.quick.close();
        self.pool.slow.close();
        self.pool.watchdog.close();
    }
}

impl Evaluator {
    /// How many evaluations a process should have under way at once that take little; half as many may take all that they may. Not one for
    /// each core: on a machine of one core they must not wait for each other either. Each takes memory, so not many more.
    pub const AT_ONCE: usize = 4;

    /// Starts `threads` threads, at least one, half as many for what takes long, at least one, and one that watches them.
    ///
    /// # Errors
    /// When the machine has no thread to give.
    pub fn start(threads: usize) -> io::Result<Self> {
        let pool = Arc::new(Pool::new());
        // First of all, so that those that were started end if another cannot be.
        let evaluator = Self { owner: Arc::new(PoolOwner { pool: Arc::clone(&pool), backoff: Backoff::default() }) };
        watching::start(&pool)?;
        for _ in 0..threads.max(1) {
            pool.spawn(Lane::Quick)?;
        }
        for _ in 0..(threads / 2).max(1) {
            pool.spawn(Lane::Slow)?;
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
        // By another than the caller, because a stuck thread must be noticed even if the caller has gone away.
        pool.watchdog.watch(Arc::clone(&set), Arc::clone(&job), now);
        // Else each request of a key that asks for much would take its part of the quick lane first.
        let lane = if pool.slow.count_of(Party::Key(key)) < WAITING_MANY { Lane::Quick } else { Lane::Slow };
        pool.put(lane, Work::Answer(Question { set: Arc::clone(&set), input, job, so_far: SoFar::default() }));
        let answer = answered.await.unwrap_or(Err(PolicyError::Overloaded));
        backoff.note(&set, key, &answer, pool.now());
        answer
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    use super::threads::EngineCheck;
    use super::*;
    use crate::model::{KeyId, KeyRecord, Verdict};
    use crate::policy::settings::{EvaluationSettings, PolicyLimits};
    use crate::policy::source::PolicySource;

    const LIMITS: PolicyLimits = PolicyLimits { time: Duration::from_secs(5), memory: 64 << 20 };

    fn load(name: &str, text: &str) -> Arc<PolicySet> {
        let source = PolicySource { name: name.parse().unwrap(), file: None, text: text.into(), rego: None };
        Arc::new(PolicySet::load(&[source], LIMITS).unwrap())
    }

    /// Takes all that it may for the key `x`, and next to nothing for all others.
    fn endless_for_x(limits: PolicyLimits) -> Arc<PolicySet> {
        let loops = "some a in numbers.range(1, 9000)\n  some b in numbers.range(1, 9000)\n  a + b < 0";
        let text = format!("deny if {{\n  input.session.login == \"x\"\n  {loops}\n}}\nallow if input.request.remote_ip != \"\"");
        Arc::new(PolicySet::mistranslated(&text, &text, EvaluationSettings { compare_every: 0, ..limits.into() }))
    }

    /// A pool with threads of the quick lane alone: as if all others were busy with what takes long.
    fn without_slow_threads() -> Evaluator {
        let evaluator = Evaluator { owner: Arc::new(PoolOwner { pool: Arc::new(Pool::new()), backoff: Backoff::default() }) };
        evaluator.owner.pool.spawn(Lane::Quick).unwrap();
        evaluator
    }

    #[tokio::test]
    async fn whoever_needs_little_is_answered_while_every_slow_thread_is_busy() {
        let set = endless_for_x(PolicyLimits { time: Duration::from_millis(250), memory: 64 << 20 });
        let evaluator = without_slow_threads();
        let pool = Arc::clone(&evaluator.owner.pool);
        let key = |number: u64| KeyRecord { id: KeyId::new(number, 1), ..KeyRecord::clone(&LoginInput::about("x").key) };
        let hostile: Vec<LoginInput> = (1..=8).map(|number| LoginInput { key: Arc::new(key(number)), ..LoginInput::about("x") }).collect();
        let waiting = |input: &LoginInput| pool.slow.count_of(Party::Key(input.key.id));
        let asked = hostile.iter().map(|input| {
            let (evaluator, set, input) = (evaluator.clone(), set.clone(), input.clone());
            tokio::spawn(async move { evaluator.ask(set, input).await })
        });
        let asked: Vec<_> = asked.collect();
        let ordinary = async |number: u32| {
            let remote_ip = std::net::Ipv4Addr::from(number).into();
            let answer = evaluator.ask(set.clone(), LoginInput { remote_ip, ..LoginInput::about("y") }).await;
            assert!(answer.unwrap()[0].1.allow);
        };
        let mut number = 0;
        while !hostile.iter().all(|input| waiting(input) == 1) {
            number += 1;
            ordinary(number).await;
        }
        // They get what they may as soon as somebody has time for them.
        assert!(asked.iter().all(|asked| !asked.is_finished()));
        pool.spawn(Lane::Slow).unwrap();
        for asked in asked {
            assert!(matches!(asked.await.unwrap(), Err(PolicyError::TimeLimit(_))));
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

    /// What the key `x` is answered, and how many differences are known when it has been compared.
    async fn asked_once(set: Arc<PolicySet>) -> (Answer, u64) {
        let evaluator = Evaluator::start(1).unwrap();
        let answer = evaluator.ask(set, LoginInput::about("x")).await;
        compared(&evaluator).await;
        let disagreements = *evaluator.disagreements().borrow();
        (answer, disagreements)
    }

    /// When all that was to be compared has been, or keeps its thread busy.
    async fn compared(evaluator: &Evaluator) {
        let Pool { comparisons, stuck, .. } = &*evaluator.owner.pool;
        let other = load("other", "package spacelift\nallow if true\n");
        let compared = async {
            while comparisons.load(Ordering::Acquire) > stuck.list().len() {
                let _ = evaluator.ask(other.clone(), LoginInput::about("x")).await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), compared).await.unwrap();
    }

    #[tokio::test]
    async fn nothing_is_compared_if_that_is_not_wanted() {
        let (set, evaluator) = (mistranslated(0), Evaluator::start(1).unwrap());
        for _ in 0..3 {
            assert!(allows(&evaluator.ask(set.clone(), LoginInput::about("x")).await));
            assert_eq!(evaluator.owner.pool.comparisons.load(Ordering::Acquire), 0);
        }
        assert!(!evaluator.disagreements().has_changed().unwrap());
    }

    #[test]
    fn what_differs_is_logged_and_no_value_of_it() {
        let settings = EvaluationSettings { compare_every: 1, ..LIMITS.into() };
        let set = Arc::new(PolicySet::mistranslated("team contains \"SECRET\"", "allow := true", settings));
        let (pool, input) = (Arc::new(Pool::new()), LoginInput::about("x").value());
        let said = set.policies()[0].ask(&input, || pool.now()).answer;
        let comparison = EngineCheck { set, policy: 0, input, said };
        let log = Log::default();
        let lines = log.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || lines.clone()).finish();
        tracing::subscriber::with_default(subscriber, || {
            for _ in 0..2 {
                assert!(pool.compare_now(&comparison));
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
        let ask = async |set: &Arc<PolicySet>| {
            assert!(allows(&evaluator.ask(set.clone(), LoginInput::about("x")).await));
            compared(&evaluator).await;
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
