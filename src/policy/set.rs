//! Checked, compiled policies.

use std::collections::BTreeSet;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use regorus::unstable::{Module, Ref};
use regorus::utils::limits::ExecutionTimerConfig;
use regorus::{Engine, LimitError, Value};

use super::analysis::{self, Depends};
use super::builtins;
use super::builtins::budget::{self, Exceeded};
use super::check::{self, Findings, Whole};
use super::edits::Moved;
use super::engine::entrypoint;
use super::fault::PolicyFault;
use super::plain::{self, Plain};
use super::pool::verdict_cache::VerdictCache;
use super::vocabulary::Vocabulary;
use super::{EvaluationSettings, PolicyError, PolicyLimits, PolicySource, Reads, input, module, weigh};
use crate::config::PolicyEvaluator;
use crate::model::{PolicyName, Verdict};

/// Checked, compiled policies, ready to be asked. Immutable; swapped as a whole.
#[derive(Default)]
pub struct PolicySet {
    /// By name.
    policies: Vec<Arc<Policy>>,
    reads: Arc<Reads>,
}

/// One policy, ready to be asked.
pub(super) struct Policy {
    pub(super) name: PolicyName,
    /// What it was loaded from.
    source: PolicySource,
    /// What messages call it.
    place: String,
    /// For what is told of it; the engine has it, too.
    module: Ref<Module>,
    /// Prepared, that is: evaluated once. A copy of an engine that is not would analyse its modules anew, each time.
    engine: Engine,
    /// The short way to a verdict, if there is one.
    plain: Option<Plain>,
    /// What of the engine's columns is not the author's.
    moved: Moved,
    settings: EvaluationSettings,
    /// The same for the same text, in whatever set and under whatever name.
    pub(super) identity: Identity,
    /// What its answers depend on.
    depends: Depends,
    /// What it has said of keys, if they depend on nothing else.
    pub(super) verdict_cache: Option<VerdictCache>,
}

/// Stands for a policy's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Identity(u64);

impl Identity {
    fn of(source: &PolicySource) -> Self {
        let mut hasher = DefaultHasher::new();
        source.text.hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// Texts whose loading went past its time and has not come back: to load one of them again would cost another thread.
static LOADING: Mutex<Vec<Identity>> = Mutex::new(Vec::new());

/// Stack of the thread that loads: a text of the largest size, parsed into the deepest tree, is taken apart by recursion.
const LOAD_STACK: usize = 256 * 1024 * 1024;
/// The longest that one policy may take to load.
const LOAD_LIMIT: Duration = Duration::from_secs(20);
/// The least time for the first evaluation, which is also the analysis.
const PREPARE_LIMIT: Duration = Duration::from_secs(5);

impl PolicySet {
    /// No policy at all.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Checks and compiles.
    ///
    /// # Errors
    /// Every fault of every policy at once, in the order of the sources.
    pub fn load(sources: &[PolicySource], settings: impl Into<EvaluationSettings>) -> Result<Self, Vec<PolicyFault>> {
        Self::none().change_to(sources, settings)
    }

    /// The set that these sources make. What stands in this one already is taken from it: it need not be compiled again, and knows what
    /// it has said.
    ///
    /// # Errors
    /// As those of [`load`](Self::load).
    pub fn change_to(&self, sources: &[PolicySource], settings: impl Into<EvaluationSettings>) -> Result<Self, Vec<PolicyFault>> {
        let (set, faults) = self.change_to_what_can_be(sources, settings.into());
        if faults.is_empty() { Ok(set) } else { Err(faults) }
    }

    /// The policies that have no faults, and the faults of the others.
    fn change_to_what_can_be(&self, sources: &[PolicySource], settings: EvaluationSettings) -> (Self, Vec<PolicyFault>) {
        let mut faults = same_names(sources);
        let known = |source: &PolicySource| self.policies.iter().find(|policy| policy.source == *source && policy.settings == settings);
        let mut policies: Vec<Arc<Policy>> = sources.iter().filter_map(known).cloned().collect();
        let new: Vec<PolicySource> = sources.iter().filter(|source| known(source).is_none()).cloned().collect();
        for (source, loaded) in new.iter().zip(load_each(&new, settings)) {
            match loaded {
                Ok(policy) => policies.push(Arc::new(policy)),
                Err(found) if found.is_empty() => faults.push(PolicyFault::of(&source.place(), "it cannot be loaded")),
                Err(found) => faults.extend(found),
            }
        }
        policies.sort_by(|one, other| one.name.cmp(&other.name));
        let reads = Arc::new(Reads::of(policies.iter().map(|policy| &policy.depends)));
        (Self { policies, reads }, faults)
    }

    /// What is odd about the policies although they are in force: warnings and notes, by policy, in the order of the text.
    #[must_use]
    pub fn warnings(&self, vocabulary: &Vocabulary) -> Vec<PolicyFault> {
        self.told(Whole::Yes, vocabulary)
    }

    fn told(&self, whole: Whole, vocabulary: &Vocabulary) -> Vec<PolicyFault> {
        let modules = self.policies.iter().map(|policy| (policy.place.as_str(), policy.module.as_ref()));
        check::warnings(modules, whole, vocabulary)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.policies.is_empty()
    }

    /// What the policies can read of a request.
    #[must_use]
    pub fn reads(&self) -> &Arc<Reads> {
        &self.reads
    }

    /// Every policy, by name.
    pub(super) fn policies(&self) -> &[Arc<Policy>] {
        &self.policies
    }
}

/// Everything that is to be told of policies before they are put in force: the faults of those that cannot be, and what is odd about the
/// others. If there is no [error](PolicyFault::is_error) among it, [`PolicySet::load`] takes them.
#[must_use]
pub fn review(sources: &[PolicySource], settings: impl Into<EvaluationSettings>, vocabulary: &Vocabulary) -> Vec<PolicyFault> {
    let (set, mut faults) = PolicySet::none().change_to_what_can_be(sources, settings.into());
    let whole = if faults.is_empty() { Whole::Yes } else { Whole::No };
    faults.extend(set.told(whole, vocabulary));
    let order = |fault: &PolicyFault| sources.iter().position(|source| source.place() == fault.policy);
    faults.sort_by_key(order);
    faults
}

impl fmt::Debug for PolicySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.policies.iter().map(|policy| &policy.name)).finish()
    }
}

fn same_names(sources: &[PolicySource]) -> Vec<PolicyFault> {
    let mut seen = BTreeSet::new();
    let again = sources.iter().filter(|source| !seen.insert(&source.name));
    again.map(|source| PolicyFault::of(&source.place(), format!("another policy is named `{}` too", source.name))).collect()
}

/// Loads each source on a thread of its own making, as many answers as there are sources. A text that keeps the thread busy beyond the
/// limit gets a fault; its thread ends when it ends, and the rest go on without it.
fn load_each(sources: &[PolicySource], settings: EvaluationSettings) -> Vec<Result<Policy, Vec<PolicyFault>>> {
    let mut loaded = Vec::with_capacity(sources.len());
    while let Some(rest) = sources.get(loaded.len()..).filter(|rest| !rest.is_empty()) {
        if let Some(stuck) = rest.first().filter(|source| loading().contains(&Identity::of(source))) {
            loaded.push(Err(vec![PolicyFault::of(&stuck.place(), TOO_LONG)]));
            continue;
        }
        let (answer, answers) = mpsc::channel();
        let work: Vec<PolicySource> = rest.to_vec();
        let spawned = thread::Builder::new().name("policy-load".to_owned()).stack_size(LOAD_STACK).spawn(move || {
            for source in work {
                let loaded = catch_unwind(AssertUnwindSafe(|| load(&source, settings)))
                    .unwrap_or_else(|_| Err(vec![PolicyFault::of(&source.place(), "the engine fails on it")]));
                // Under the lock, so that either the answer is found or the mark that nobody waits for it is taken away.
                let mut marked = loading();
                if answer.send(loaded).is_err() {
                    marked.retain(|stuck| *stuck != Identity::of(&source));
                    break;
                }
            }
        });
        if let Err(error) = spawned {
            let fault = |source: &PolicySource| {
                Err(vec![PolicyFault::of(&source.place(), format!("no thread could be started to load it: {error}"))])
            };
            loaded.extend(rest.iter().map(fault));
            break;
        }
        for source in rest {
            if let Ok(answer) = answers.recv_timeout(LOAD_LIMIT) {
                loaded.push(answer);
                continue;
            }
            let mut marked = loading();
            if let Ok(answer) = answers.try_recv() {
                loaded.push(answer);
                continue;
            }
            marked.push(Identity::of(source));
            drop(answers);
            loaded.push(Err(vec![PolicyFault::of(&source.place(), TOO_LONG)]));
            break;
        }
    }
    loaded
}

const TOO_LONG: &str = "it takes too long to load";

fn loading() -> MutexGuard<'static, Vec<Identity>> {
    LOADING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Loads one policy on this thread, which should have a large stack.
pub(super) fn load(source: &PolicySource, settings: EvaluationSettings) -> Result<Policy, Vec<PolicyFault>> {
    let EvaluationSettings { limits, evaluator, .. } = settings;
    let place = source.place();
    let parsed = module::parse(source, limits.time).map_err(|fault| vec![fault])?;
    let Findings { faults, calls, rules } = check::policy(&place, &parsed.module);
    if !faults.is_empty() {
        return Err(faults);
    }
    let depends = analysis::depends(&parsed.module);
    let verdict_cache = depends.on_the_key_alone().then(VerdictCache::default);
    let (weighed, moved) = weigh::module(&place, &parsed.module, limits.time).map_err(|fault| vec![fault])?;
    let mut engine = match weighed {
        Some(mut weighed) => {
            weigh::add(&mut weighed.engine).map_err(|error| vec![PolicyFault::of(&place, error.to_string())])?;
            weighed.engine
        }
        None => parsed.engine,
    };
    prepare(&mut engine, &calls, &rules, limits).map_err(|error| {
        let fault = PolicyFault::of_engine(&place, &source.text, &error);
        vec![PolicyFault { column: moved.column(fault.line, fault.column), ..fault }]
    })?;
    let identity = Identity::of(source);
    let plain = match evaluator {
        PolicyEvaluator::Auto => Plain::of(&parsed.module),
        PolicyEvaluator::Regorus => None,
    };
    let (name, source) = (source.name.clone(), source.clone());
    Ok(Policy { name, source, place, module: parsed.module, engine, plain, moved, settings, identity, depends, verdict_cache })
}

/// Makes the engine ready to be copied: the functions that are called, the entrypoint, and one evaluation.
fn prepare(engine: &mut Engine, calls: &BTreeSet<String>, rules: &BTreeSet<String>, limits: PolicyLimits) -> anyhow::Result<()> {
    for name in calls {
        builtins::add(engine, name)?;
    }
    engine.set_rego_v0(false);
    engine.add_policy("entrypoint".to_owned(), entrypoint::module(rules))?;
    let timer = module::timer(limits.time);
    engine.set_execution_timer_config(ExecutionTimerConfig { limit: limits.time.max(PREPARE_LIMIT), ..timer });
    engine.set_input(input::sample());
    budget::start(limits.memory);
    engine.eval_rule(entrypoint::RESULT.to_owned())?;
    if let Some(exceeded) = budget::exceeded() {
        return Err(exceeded.into());
    }
    engine.set_execution_timer_config(timer);
    Ok(())
}

impl Policy {
    /// Evaluates the policy on this thread, which should have a large stack.
    pub(super) fn ask(&self, input: &Value, now: impl Fn() -> Duration) -> Result<Verdict, PolicyError> {
        let begun = now();
        let plainly = self.ask_plainly(input, &now);
        match plainly {
            // The short way has used it up: the other one has none of its own.
            None if now().saturating_sub(begun) > self.limits().time => Err(PolicyError::TimeLimit(self.name.clone())),
            Some(verdict) if !cfg!(debug_assertions) => Ok(verdict),
            Some(verdict) => self.ask_engine(input.clone(), now).and_then(|other| {
                if other == verdict {
                    Ok(other)
                } else {
                    Err(PolicyError::Failed(self.name.clone(), "the short way gives another verdict".to_owned()))
                }
            }),
            None => self.ask_engine(input.clone(), now),
        }
    }

    /// The short way; `None`: it is not for this policy, or not for this input.
    fn ask_plainly(&self, input: &Value, now: &impl Fn() -> Duration) -> Option<Verdict> {
        let plain = self.plain.as_ref()?;
        budget::start(self.limits().memory);
        let time_is_up = plain::until(self.limits().time, now);
        let verdict = catch_unwind(AssertUnwindSafe(|| plain.ask(input, &time_is_up))).ok().flatten()?;
        if budget::exceeded().is_some() || time_is_up() { None } else { Some(verdict) }
    }

    fn ask_engine(&self, input: Value, now: impl Fn() -> Duration) -> Result<Verdict, PolicyError> {
        let begun = now();
        budget::start(self.limits().memory);
        // The copy is thrown away whatever happens, so a panic leaves nothing broken behind.
        let evaluated = catch_unwind(AssertUnwindSafe(|| {
            let mut engine = self.engine.clone();
            engine.set_input(input);
            engine.eval_rule(entrypoint::RESULT.to_owned())
        }));
        // Looked at before the answer: one that was found although a limit was passed does not count.
        match budget::exceeded() {
            Some(Exceeded::Memory) => return Err(PolicyError::MemoryLimit(self.name.clone())),
            Some(Exceeded::Work) => return Err(PolicyError::TimeLimit(self.name.clone())),
            None => {}
        }
        if now().saturating_sub(begun) > self.limits().time {
            return Err(PolicyError::TimeLimit(self.name.clone()));
        }
        match evaluated {
            Err(_) => Err(PolicyError::Failed(self.name.clone(), "the engine panicked".to_owned())),
            Ok(Err(error)) if matches!(error.downcast_ref(), Some(LimitError::TimeLimitExceeded { .. })) => {
                Err(PolicyError::TimeLimit(self.name.clone()))
            }
            Ok(Err(error)) => Err(PolicyError::Failed(self.name.clone(), self.reason(&error))),
            Ok(Ok(result)) => entrypoint::read(&result).map_err(|reason| PolicyError::Failed(self.name.clone(), reason)),
        }
    }

    pub(super) fn limits(&self) -> PolicyLimits {
        self.settings.limits
    }

    /// Whether there is a short way.
    #[cfg(test)]
    pub(super) fn is_plain(&self) -> bool {
        self.plain.is_some()
    }

    /// What the short way says, and what the engine does.
    #[cfg(test)]
    pub(super) fn ask_both(&self, input: &Value, now: impl Fn() -> Duration) -> (Option<Verdict>, Result<Verdict, PolicyError>) {
        (self.ask_plainly(input, &now), self.ask_engine(input.clone(), &now))
    }

    /// An error of the engine in one line: its last reason, with the place in the policy.
    fn reason(&self, error: &anyhow::Error) -> String {
        let fault = PolicyFault::of_engine("", "", error);
        let fault = PolicyFault { column: self.moved.column(fault.line, fault.column), ..fault };
        fault.summary().chars().take(300).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_force_already_is_not_compiled_again() {
        let limits = PolicyLimits { time: Duration::from_secs(5), memory: 64 << 20 };
        let source = |name: &str, rule: &str| PolicySource {
            name: name.parse().unwrap(),
            file: None,
            text: format!("package spacelift\n{rule}\n").into(),
            rego: None,
        };
        let before = PolicySet::load(&[source("b", "allow := true"), source("a", "deny := false")], limits).unwrap();
        let same = |after: &PolicySet| -> Vec<bool> {
            let was = |policy: &&Arc<Policy>| before.policies.iter().any(|before| Arc::ptr_eq(before, policy));
            after.policies.iter().map(|policy| was(&policy)).collect()
        };
        let after = before.change_to(&[source("c", "admin := true"), source("b", "allow := false"), source("a", "deny := false")], limits);
        assert_eq!(same(&after.unwrap()), [true, false, false]);
        let longer = PolicyLimits { time: Duration::from_secs(6), ..limits };
        assert_eq!(same(&before.change_to(&[source("a", "deny := false")], longer).unwrap()), [false]);
        let regorus = EvaluationSettings { evaluator: PolicyEvaluator::Regorus, ..limits.into() };
        assert_eq!(same(&before.change_to(&[source("a", "deny := false")], regorus).unwrap()), [false]);
        assert_eq!(before.change_to(&[source("a", "deny := fals")], limits).unwrap_err().len(), 1);
    }

    #[test]
    fn regorus_alone_answers_if_that_is_wanted() {
        let limits = PolicyLimits { time: Duration::from_secs(5), memory: 64 << 20 };
        let text = "package spacelift\nallow if input.session.login == \"x\"\n".into();
        let source = PolicySource { name: "p".parse().unwrap(), file: None, text, rego: None };
        let is_plain = |evaluator| {
            let settings = EvaluationSettings { evaluator, ..limits.into() };
            PolicySet::load(std::slice::from_ref(&source), settings).unwrap().policies().iter().all(|policy| policy.is_plain())
        };
        assert!(is_plain(PolicyEvaluator::Auto));
        assert!(!is_plain(PolicyEvaluator::Regorus));
    }
}
