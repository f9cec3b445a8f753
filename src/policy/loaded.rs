//! One policy, checked and compiled: what it is asked by.

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use regorus::Value;

use super::allowance::Allowance;
use super::analysis::{self, Depends};
use super::builtins::budget;
use super::compiled::{Bounds, Compiled, Evaluated, Failure, FailureKind, Limit, Observer};
use super::engine::{Engine, Stopped};
use super::error::PolicyError;
use super::fault::PolicyFault;
use super::pool::cross_check::{self, Agreement, CrossCheck, When};
use super::pool::verdict_cache::VerdictCache;
use super::settings::{EvaluationSettings, PolicyLimits};
use super::source::PolicySource;
use super::syntax::core::Program;
use super::syntax::tree::Module;
use super::syntax::{self, lower};
use super::{input, lint};
use crate::clock::{Clock, SystemClock};
use crate::config::PolicyEvaluator;
use crate::model::{PolicyName, Verdict};

/// One policy, ready to be asked.
pub(super) struct Policy {
    pub(super) name: PolicyName,
    /// What it was loaded from.
    pub(super) source: PolicySource,
    /// What messages call it.
    pub(super) place: String,
    /// For what is told of it.
    pub(super) module: Module,
    pub(super) program: Arc<Program>,
    compiled: Compiled,
    /// Made when it is first needed: most policies are never asked of it.
    engine: OnceLock<Result<Engine, Stopped>>,
    pub(super) settings: EvaluationSettings,
    /// The same for the same text, in whatever set and under whatever name.
    pub(super) identity: Identity,
    /// What its answers depend on.
    pub(super) depends: Depends,
    /// What it has said of keys, if they depend on nothing else.
    pub(super) verdict_cache: Option<VerdictCache>,
    /// Whether the compiled form is to be trusted.
    pub(super) cross_check: CrossCheck,
}

/// What a policy has answered, and who gave the answer.
pub(super) struct Answered {
    pub(super) answer: Result<Verdict, PolicyError>,
    pub(super) by: AnsweredBy,
}

/// Who gave an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AnsweredBy {
    Engine,
    /// The compiled form alone.
    Compiled,
    /// The compiled form, which passed a limit: that says nothing of what the policy means.
    Limit,
}

/// Stands for a policy's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Identity(u64);

impl Identity {
    pub(super) fn of(source: &PolicySource) -> Self {
        let mut hasher = DefaultHasher::new();
        source.text.hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// The least time for the evaluations that a policy is tried with.
const TRIAL_LIMIT: Duration = Duration::from_secs(5);

/// The most for each of the others: what takes longer is not known to be wrong.
const SAMPLE_LIMIT: Duration = Duration::from_millis(20);

/// Loads one policy on this thread, which should have a large stack.
pub(super) fn load(source: &PolicySource, settings: EvaluationSettings) -> Result<Policy, Vec<PolicyFault>> {
    let place = source.place();
    let module = syntax::parse(&place, &source.text, source.rego).map_err(|fault| vec![fault])?;
    let program = check(&place, &module)?;
    let compiled = Compiled::of(&program);
    let depends = analysis::depends(&program);
    let policy = Policy {
        name: source.name.clone(),
        source: source.clone(),
        verdict_cache: depends.on_the_key_alone().then(VerdictCache::default),
        place,
        module,
        program: Arc::new(program),
        compiled,
        engine: OnceLock::new(),
        cross_check: CrossCheck::new(When::one_in(settings.compare_every)),
        settings,
        identity: Identity::of(source),
        depends,
    };
    policy.try_out()?;
    Ok(policy)
}

/// What is wrong with a module: what its author is told of the text, and what OPA's compiler would have against it.
pub(super) fn check(place: &str, module: &Module) -> Result<Program, Vec<PolicyFault>> {
    let mut faults = lint::faults(place, module);
    match lower::policy(place, module) {
        Ok(program) if faults.is_empty() => return Ok(program),
        Ok(_) => {}
        // What is said of the text is said in better words.
        Err(found) => {
            let told: Vec<(u32, u32)> = faults.iter().map(|fault| (fault.line, fault.column)).collect();
            faults.extend(found.into_iter().filter(|fault| !told.contains(&(fault.line, fault.column))));
        }
    }
    faults.sort_by(|one, other| (one.line, one.column, &one.reason).cmp(&(other.line, other.column, &other.reason)));
    Err(faults)
}

impl Policy {
    /// Asks about a few inputs that could come. A rule that counts and gives what nobody can read, or an evaluation that takes too much,
    /// would refuse whoever is asked about: that is found out now.
    fn try_out(&self) -> Result<(), Vec<PolicyFault>> {
        let (clock, time) = (SystemClock::start(), self.settings.limits.time.max(TRIAL_LIMIT));
        for (number, (sample, described)) in input::samples().into_iter().enumerate() {
            // What takes too much for any key is refused; what does for some is stopped when it is asked.
            let is_for_any = number == 0;
            let time = if is_for_any { time } else { self.settings.limits.time.min(SAMPLE_LIMIT) };
            let begun = clock.now().monotonic;
            let time_is_up = || clock.now().monotonic.saturating_sub(begun) > time;
            let bounds = Bounds { memory: self.settings.limits.memory, work: budget::WORK_MAX, time_is_up: &time_is_up };
            let asked = catch_unwind(AssertUnwindSafe(|| self.compiled.ask(&sample, bounds, None)));
            let failure = match asked {
                Ok(Ok(_)) => continue,
                Ok(Err(failure)) => failure,
                Err(_) => return Err(vec![PolicyFault::of(&self.place, "evaluating it panics")]),
            };
            // What fails for a key of which nothing is known fails for what stands in the text.
            let is_refused = match failure.what {
                FailureKind::Verdict(_) => true,
                FailureKind::Limit(_) | FailureKind::Conflict(_) | FailureKind::Builtin(_) => is_for_any,
            };
            if !is_refused {
                continue;
            }
            let mut reason = failure.to_string();
            if matches!(failure.what, FailureKind::Verdict(_)) {
                let _ = write!(reason, ", where {described} asks");
            }
            let fault = match &failure.place {
                Some(span) => PolicyFault::at_span(&self.place, span, reason),
                None => PolicyFault::of(&self.place, reason),
            };
            return Err(vec![fault]);
        }
        if self.settings.evaluator == PolicyEvaluator::Regorus {
            self.engine().as_ref().map_err(|stopped| vec![PolicyFault::of(&self.place, stopped.clone().of(&self.name).to_string())])?;
        }
        Ok(())
    }

    /// Evaluates the policy on this thread, which should have a large stack. Whoever wants to know what it says asks here.
    pub(super) fn ask(&self, input: &Value, now: impl Fn() -> Duration) -> Answered {
        self.ask_within(input, Allowance::all(self.limits()), now)
    }

    /// The same, if it takes no more than this.
    pub(super) fn ask_within(&self, input: &Value, allowance: Allowance, now: impl Fn() -> Duration) -> Answered {
        if self.settings.evaluator == PolicyEvaluator::Regorus || !self.cross_check.trusts_compiled() {
            if allowance.is_part && self.engine.get().is_none() {
                // Preparing one takes more than that.
                return Answered { answer: Err(PolicyError::TimeLimit(self.name.clone())), by: AnsweredBy::Limit };
            }
            return Answered { answer: self.ask_engine(input.clone(), allowance, now), by: AnsweredBy::Engine };
        }
        let (answer, by) = match self.evaluate(input, allowance, &now, None) {
            Ok(verdict) => (Ok(verdict), AnsweredBy::Compiled),
            Err(failure) => (Err(self.failed(&failure)), if failure.is_limit() { AnsweredBy::Limit } else { AnsweredBy::Compiled }),
        };
        match (self.cross_check.when(), by) {
            // The engine has the same limits, and no more time is left.
            (When::After(_) | When::Never, _) | (When::Before, AnsweredBy::Limit) => Answered { answer, by },
            (When::Before, AnsweredBy::Compiled | AnsweredBy::Engine) => match self.ask_engine(input.clone(), allowance, now) {
                decided @ Err(PolicyError::TimeLimit(_) | PolicyError::MemoryLimit(_)) if allowance.is_part => {
                    Answered { answer: decided, by: AnsweredBy::Limit }
                }
                decided => Answered { answer: self.compared(answer, &decided), by: AnsweredBy::Engine },
            },
        }
    }

    /// What both say, if they say the same.
    fn compared(&self, said: Result<Verdict, PolicyError>, decided: &Result<Verdict, PolicyError>) -> Result<Verdict, PolicyError> {
        match cross_check::compare(&said, decided) {
            Agreement::Same | Agreement::Unknown => said,
            Agreement::Different(what) => {
                let failed = said.err().or(decided.clone().err()).map(|failed| format!(" ({failed})")).unwrap_or_default();
                Err(PolicyError::Failed(self.name.clone(), format!("the engine says something else: {what}{failed}")))
            }
        }
    }

    /// Asks the engine, on a thread like that, what the compiled form has answered.
    pub(super) fn compare(&self, input: &Value, said: &Result<Verdict, PolicyError>, now: impl Fn() -> Duration) -> Agreement {
        cross_check::compare(said, &self.ask_engine(input.clone(), Allowance::all(self.limits()), now))
    }

    /// Leaves the compiled form, and forgets what it has said. Whether that is new.
    pub(super) fn leave_compiled(&self) -> bool {
        let is_new = self.cross_check.distrust();
        if let Some(cache) = &self.verdict_cache {
            cache.clear();
        }
        is_new
    }

    /// What the compiled policy says, watched if somebody wants to know why.
    pub(super) fn ask_compiled(
        &self,
        input: &Value,
        now: &impl Fn() -> Duration,
        watcher: Option<&dyn Observer>,
    ) -> Result<Verdict, PolicyError> {
        self.evaluate(input, Allowance::all(self.limits()), now, watcher).map_err(|failure| self.failed(&failure))
    }

    fn evaluate(
        &self,
        input: &Value,
        allowance: Allowance,
        now: &impl Fn() -> Duration,
        watcher: Option<&dyn Observer>,
    ) -> Evaluated<Verdict> {
        let Allowance { time, memory, work, is_part: _ } = allowance;
        let begun = now();
        let time_is_up = || now().saturating_sub(begun) > time;
        let bounds = Bounds { memory, work, time_is_up: &time_is_up };
        let evaluated = catch_unwind(AssertUnwindSafe(|| self.compiled.ask(input, bounds, watcher)));
        evaluated
            .unwrap_or_else(|_| Err(Box::new(Failure { what: FailureKind::Builtin("the evaluation panicked".to_owned()), place: None })))
    }

    fn failed(&self, failure: &Failure) -> PolicyError {
        let name = self.name.clone();
        match &failure.what {
            FailureKind::Limit(Limit::Time) => PolicyError::TimeLimit(name),
            FailureKind::Limit(Limit::Memory) => PolicyError::MemoryLimit(name),
            FailureKind::Limit(Limit::Depth) | FailureKind::Conflict(_) | FailureKind::Builtin(_) | FailureKind::Verdict(_) => {
                let reason = match &failure.place {
                    Some(span) => format!("line {}, column {}: {failure}", span.line, span.col),
                    None => failure.to_string(),
                };
                PolicyError::Failed(name, reason)
            }
        }
    }

    /// What regorus says.
    fn ask_engine(&self, input: Value, allowance: Allowance, now: impl Fn() -> Duration) -> Result<Verdict, PolicyError> {
        match self.engine() {
            Ok(engine) => engine.ask(input, allowance, now).map_err(|stopped| stopped.of(&self.name)),
            Err(stopped) => Err(stopped.clone().of(&self.name)),
        }
    }

    fn engine(&self) -> &Result<Engine, Stopped> {
        self.engine.get_or_init(|| Engine::of(&self.program, self.settings.limits))
    }

    pub(super) fn limits(&self) -> PolicyLimits {
        self.settings.limits
    }
}

#[cfg(test)]
impl Policy {
    /// A policy whose compiled form is that of another text: what a mistake in it would be.
    pub(super) fn mistranslated(text: &str, as_if: &str, settings: EvaluationSettings) -> Self {
        let load = |text: &str| {
            let text = format!("package spacelift\n{text}\n").into();
            let source = PolicySource { name: "mistranslated".parse().unwrap(), file: None, text, rego: None };
            load(&source, settings).unwrap_or_else(|faults| panic!("{}", faults[0]))
        };
        let when = std::num::NonZeroU32::new(settings.compare_every).map_or(When::Never, When::After);
        Self { compiled: load(as_if).compiled, cross_check: CrossCheck::new(when), ..load(text) }
    }
}
