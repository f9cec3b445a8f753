//! Regorus as the second opinion: what it is given, what it may take, and what its answer means.
//!
//! It evaluates the [text](write) that is made of the lowered tree, with [operations] of ours for nearly everything that there is to do.
//! An engine is prepared once and copied for each evaluation.

pub(super) mod entrypoint;
mod operations;
#[cfg(test)]
mod tests;

use std::num::{NonZeroU32, NonZeroUsize};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use regorus::utils::limits::ExecutionTimerConfig;
use regorus::{LimitError, PolicyLengthConfig, Value};

use super::allowance::Allowance;
use super::builtins;
use super::builtins::budget::{self, Exceeded};
use super::error::PolicyError;
use super::settings::PolicyLimits;
use super::syntax::core::Program;
use super::syntax::tree::Span;
use super::syntax::write::{self, Lines, Written};
use crate::model::{PolicyName, Verdict};
use entrypoint::{PACKAGE, RULES};

/// A policy, or one with its tests, ready to be evaluated.
pub(super) struct Engine {
    /// Prepared, that is: evaluated once. A copy of an engine that is not would analyse its modules anew, each time.
    prepared: regorus::Engine,
    lines: Arc<Lines>,
}

/// Why an evaluation gave no answer.
#[derive(Clone, Debug)]
pub(super) enum Stopped {
    TimeLimit,
    MemoryLimit,
    /// Anything else, in words, and where.
    Failed(String, Option<Span>),
}

/// The least time for the first evaluation, which is also the analysis.
const PREPARE_LIMIT: Duration = Duration::from_secs(5);
/// Steps of the interpreter between two looks at the clock.
const CHECK_INTERVAL: NonZeroU32 = NonZeroU32::new(16).expect("16 is not zero");
/// Statements of one body: regorus numbers them with 16 bits.
const STATEMENTS_MAX: usize = 60_000;

impl Engine {
    /// Prepares an engine.
    ///
    /// # Errors
    /// Where regorus does not take what was made of the policy.
    pub(super) fn of(program: &Program, limits: PolicyLimits) -> Result<Self, Stopped> {
        let counting = RULES.iter().map(|(name, _)| vec![Box::from(PACKAGE), Box::from(*name)]);
        Self::for_documents(program, &counting.collect::<Vec<_>>(), limits)
    }

    /// An engine that answers with these documents of `data`.
    fn for_documents(program: &Program, documents: &[Vec<Box<str>>], limits: PolicyLimits) -> Result<Self, Stopped> {
        let written = write::module(program, documents);
        let failed = |error: &anyhow::Error| written.lines.failed(error);
        if written.lines.longest_body() > STATEMENTS_MAX {
            return Err(Stopped::Failed("a body has too many statements".to_owned(), None));
        }
        let prepared = catch_unwind(AssertUnwindSafe(|| prepare(&written, limits)))
            .map_err(|_| Stopped::Failed("the engine panicked".to_owned(), None))?
            .map_err(|error| failed(&error))?;
        Ok(Self { prepared, lines: Arc::new(written.lines) })
    }

    /// Asks the rules that count.
    ///
    /// # Errors
    /// Where there is no answer, or one that is none: see [`entrypoint`].
    pub(super) fn ask(&self, input: Value, allowance: Allowance, now: impl Fn() -> Duration) -> Result<Verdict, Stopped> {
        let result = self.evaluate(write::RESULT, Some(input), allowance, now)?;
        let values = result.as_array().map_err(|_| Stopped::Failed("it gave no answer".to_owned(), None))?;
        let mut verdict = Verdict::default();
        for ((name, _), value) in RULES.iter().zip(values.iter()) {
            if let Some(value) = value.as_array().ok().and_then(|values| values.first()) {
                entrypoint::read_rule(&mut verdict, name, value).map_err(|reason| Stopped::Failed(reason, None))?;
            }
        }
        Ok(verdict)
    }

    fn evaluate(&self, rule: &str, input: Option<Value>, allowance: Allowance, now: impl Fn() -> Duration) -> Result<Value, Stopped> {
        let begun = now();
        budget::start_with(allowance.memory, allowance.work);
        // The copy is thrown away whatever happens, so a panic leaves nothing broken behind.
        let evaluated = catch_unwind(AssertUnwindSafe(|| {
            let mut engine = self.prepared.clone();
            engine.set_execution_timer_config(timer(allowance.time));
            engine.set_input(around(input));
            engine.eval_rule(path(rule))
        }));
        // Looked at before the answer: one that was found although a limit was passed does not count.
        match budget::exceeded() {
            Some(Exceeded::Memory) => return Err(Stopped::MemoryLimit),
            Some(Exceeded::Work) => return Err(Stopped::TimeLimit),
            None => {}
        }
        // Within a function regorus makes another error of it.
        if now().saturating_sub(begun) > allowance.time {
            return Err(Stopped::TimeLimit);
        }
        match evaluated {
            Err(_) => Err(Stopped::Failed("the engine panicked".to_owned(), None)),
            Ok(Err(error)) if matches!(error.downcast_ref(), Some(LimitError::TimeLimitExceeded { .. })) => Err(Stopped::TimeLimit),
            Ok(Err(error)) => Err(self.lines.failed(&error)),
            Ok(Ok(value)) => Ok(value),
        }
    }
}

impl Stopped {
    /// The same of a policy with this name.
    pub(super) fn of(self, policy: &PolicyName) -> PolicyError {
        let policy = policy.clone();
        match self {
            Self::TimeLimit => PolicyError::TimeLimit(policy),
            Self::MemoryLimit => PolicyError::MemoryLimit(policy),
            Self::Failed(reason, None) => PolicyError::Failed(policy, reason),
            Self::Failed(reason, Some(span)) => PolicyError::Failed(policy, format!("line {}, column {}: {reason}", span.line, span.col)),
        }
    }
}

fn path(rule: &str) -> String {
    format!("data.{}.{rule}", write::PACKAGE)
}

/// What the engine calls `input`: see [`write`].
fn around(input: Option<Value>) -> Value {
    let mut around = Value::new_object();
    if let (Ok(fields), Some(input)) = (around.as_object_mut(), input) {
        fields.insert("input".into(), input);
    }
    around
}

fn prepare(written: &Written, limits: PolicyLimits) -> anyhow::Result<regorus::Engine> {
    let mut engine = regorus::Engine::new();
    // Errors of builtins become `undefined` in our wrappers, as OPA has it. What is still an error then (a limit, a conflict) must end
    // the evaluation: the engine's lenient mode would swallow it inside of functions, where `not f(x)` turns it into `true`.
    engine.set_strict_builtin_errors(true);
    engine.set_policy_length_config(PolicyLengthConfig {
        max_col: NonZeroU32::MAX,
        max_file_bytes: NonZeroUsize::MAX,
        max_lines: NonZeroUsize::MAX,
    });
    engine.add_policy("policy".to_owned(), written.lines.text.clone())?;
    for (name, arguments, function) in operations::OPERATIONS {
        // A copy of the engine costs more with each.
        if written.lines.text.contains(&format!("{name}(")) {
            engine.add_extension(name.to_owned(), arguments, Box::new(move |args: Vec<Value>| function(&args)))?;
        }
    }
    let constants: Arc<[Value]> = written.constants.as_slice().into();
    let constant = move |args: Vec<Value>| {
        let number = args.first().and_then(|number| number.as_u64().ok()).and_then(|number| usize::try_from(number).ok());
        Ok(number.and_then(|number| constants.get(number)).cloned().unwrap_or(Value::Undefined))
    };
    engine.add_extension("op_const".to_owned(), 1, Box::new(constant))?;
    for (number, name) in written.builtins.iter().enumerate() {
        builtins::add_as(&mut engine, name, format!("b{number}"))?;
    }
    engine.set_execution_timer_config(timer(limits.time.max(PREPARE_LIMIT)));
    engine.set_input(around(None));
    // Any rule will do, and this one cannot fail.
    engine.eval_rule(path(write::READY))?;
    Ok(engine)
}

/// Wall clock; looked at by the interpreter between its steps, and not inside of a builtin.
fn timer(limit: Duration) -> ExecutionTimerConfig {
    ExecutionTimerConfig { limit, check_interval: CHECK_INTERVAL }
}

impl Lines {
    /// An error of the engine: its last reason in words, and where in the author's text that is.
    fn failed(&self, error: &anyhow::Error) -> Stopped {
        let message = format!("{error:#}");
        let reason = message.rsplit("error: ").next().unwrap_or(&message).lines().next().unwrap_or_default();
        let line = message.lines().find_map(|line| {
            let mut parts = line.strip_prefix("--> ")?.rsplitn(3, ':').skip(1);
            parts.next()?.parse().ok()
        });
        let span = line.and_then(|line| self.span(line)).cloned();
        Stopped::Failed(in_plain_words(reason.trim().trim_end_matches('.')).chars().take(300).collect(), span)
    }
}

/// A sentence of the engine's as the author of a policy would put it.
fn in_plain_words(reason: &str) -> &str {
    if reason.contains("generated multiple times") {
        "an object has two different values for one key"
    } else if !reason.contains("multiple outputs") && !reason.starts_with("rule conflicts with rule") {
        reason
    } else if reason.starts_with("function") {
        "the function comes to two different values for the same arguments"
    } else {
        "the rule comes to two different values, and has room for one"
    }
}
