//! One file of tests, run with its policy.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use regorus::{Engine, Value};

use super::coverage::{self, Lines};
use super::{Selection, TestOutcome, TestResult, TestRun, failing};
use crate::clock::{Clock, SystemClock};
use crate::policy::builtins::{self, budget};
use crate::policy::check::{self, Findings};
use crate::policy::fault::PolicyFault;
use crate::policy::source::text::Strings;
use crate::policy::{PolicyLimits, PolicySource, module};

/// Stack of the thread that parses and runs: as deep as a policy's own.
const STACK: usize = 256 * 1024 * 1024;
/// The least time for a test: its first evaluation is the analysis of both modules, too.
const PATIENCE: Duration = Duration::from_secs(5);

/// Runs the tests of one file with the policy that they are about, in the order of the text. Without tests there is only the policy's
/// coverage, which is none.
///
/// # Errors
/// Every fault of either.
pub fn run(
    policy: &PolicySource,
    tests: Option<&PolicySource>,
    limits: PolicyLimits,
    selection: &Selection,
) -> Result<TestRun, Vec<PolicyFault>> {
    let place = tests.unwrap_or(policy).place();
    let broken = |reason: String| vec![PolicyFault::of(&place, reason)];
    let (policy, tests, selection) = (policy.clone(), tests.cloned(), selection.clone());
    let work = move || run_here(&policy, tests.as_ref(), limits, &selection);
    let thread = thread::Builder::new().name("policy-test".to_owned()).stack_size(STACK).spawn(work);
    match thread.map(thread::JoinHandle::join) {
        Ok(Ok(results)) => results,
        Ok(Err(_)) => Err(broken("the engine fails on it".to_owned())),
        Err(error) => Err(broken(format!("no thread could be started to run it: {error}"))),
    }
}

/// A policy and its tests, parsed and checked.
pub(super) struct Pair<'s> {
    pub(super) tests: &'s PolicySource,
    /// Both modules, and the functions that they call.
    pub(super) engine: Engine,
    pub(super) module: regorus::unstable::Ref<regorus::unstable::Module>,
    pub(super) limits: PolicyLimits,
    /// Where the strings of the tests' text stand.
    pub(super) strings: Strings,
    policy: &'s PolicySource,
    calls: Vec<&'s String>,
}

fn run_here(
    policy: &PolicySource,
    tests: Option<&PolicySource>,
    limits: PolicyLimits,
    selection: &Selection,
) -> Result<TestRun, Vec<PolicyFault>> {
    let parsed = module::parse(policy, limits.time).map_err(|fault| vec![fault]);
    let Some(tests) = tests else {
        let coverage = if selection.coverage { vec![coverage::none(policy, &parsed?.module)] } else { Vec::new() };
        return Ok(TestRun { results: Vec::new(), coverage });
    };
    // A fault of the one must not hide those of the other.
    let (policy_module, of_policy) = match parsed {
        Ok(parsed) => (Some(parsed.module.clone()), check::policy(&policy.place(), &parsed.module)),
        Err(faults) => (None, Findings { faults, ..Findings::default() }),
    };
    let (tests_module, of_tests) = match module::parse(tests, limits.time) {
        Ok(parsed) => (Some(parsed.module.clone()), check::tests(&tests.place(), &parsed.module)),
        Err(fault) => (None, Findings { faults: vec![fault], ..Findings::default() }),
    };
    let (Some(policy_module), Some(tests_module), [], []) = (policy_module, tests_module, &*of_policy.faults, &*of_tests.faults) else {
        return Err(of_policy.faults.into_iter().chain(of_tests.faults).collect());
    };
    let of_both = check::tests_of(&tests.place(), &tests_module, &policy_module);
    if !of_both.is_empty() {
        return Err(of_both);
    }
    let calls: Vec<&String> = of_policy.calls.union(&of_tests.calls).collect();
    let engine = with_functions(policy, tests, &calls, limits).map_err(|fault| vec![fault])?;

    let measured = if selection.coverage {
        let (marked, marks) = coverage::marked(policy, &policy_module);
        let engine = with_functions(&marked, tests, &calls, limits).map_err(|fault| vec![fault])?;
        Some((
            coverage::Measure::new(engine, marked.text, marks)
                .map_err(|error| vec![PolicyFault::of(&policy.place(), error.to_string())])?,
            Lines::default(),
        ))
    } else {
        None
    };
    let strings = Strings::of(tests_module.package.refr.span().source.get_contents());
    let pair = Pair { tests, engine, module: tests_module, limits, strings, policy, calls };
    Ok(pair.run(selection, measured))
}

/// An engine with both modules, and the functions that they call.
fn with_functions(policy: &PolicySource, tests: &PolicySource, calls: &[&String], limits: PolicyLimits) -> Result<Engine, PolicyFault> {
    let mut engine = module::parse(policy, limits.time)?.engine;
    module::parse_into(&mut engine, tests)?;
    for name in calls {
        // Regorus keeps what is printed by itself.
        if *name != "print" {
            builtins::add(&mut engine, name).map_err(|error| PolicyFault::of(&tests.place(), error.to_string()))?;
        }
    }
    Ok(engine)
}

impl Pair<'_> {
    /// The engine with another text in the tests' place.
    pub(super) fn rebuilt(&self, tests: &PolicySource) -> Option<Engine> {
        with_functions(self.policy, tests, &self.calls, self.limits).ok()
    }

    fn run(&self, selection: &Selection, mut measured: Option<(coverage::Measure, Lines)>) -> TestRun {
        let clock = SystemClock::start();
        let package = self.module.package.refr.span().text();
        let file = self.tests.place();
        let mut results = Vec::new();
        for (name, line) in failing::rules(&self.module) {
            let is_test = name.starts_with("test_");
            if !is_test && !name.starts_with("todo_test_") {
                continue;
            }
            let full = format!("{package}.{name}");
            if selection.only.as_ref().is_some_and(|only| !only.is_match(&full)) {
                continue;
            }
            let begun = clock.now().monotonic;
            let (outcome, prints) = if is_test { self.outcome(&name) } else { (TestOutcome::Skipped, Vec::new()) };
            let took = clock.now().monotonic.saturating_sub(begun);
            if is_test && let Some((measure, lines)) = &mut measured {
                measure.take_in(&format!("data.{full}"), self.limits, lines);
            }
            results.push(TestResult { file: file.clone(), name, line, outcome, prints, took });
        }
        let coverage = measured.map(|(measure, lines)| measure.coverage(self.policy, &lines)).into_iter().collect();
        TestRun { results, coverage }
    }

    fn outcome(&self, name: &str) -> (TestOutcome, Vec<String>) {
        let package = self.module.package.refr.span().text();
        let mut engine = self.engine.clone();
        let value = evaluate(&mut engine, format!("data.{package}.{name}"), self.limits);
        let prints = engine.take_prints().unwrap_or_default();
        let outcome = match value {
            Err(message) => TestOutcome::Broken { message },
            Ok(Value::Bool(true)) => TestOutcome::Passed,
            Ok(_) => TestOutcome::Failed { at: failing::find(self, name) },
        };
        (outcome, prints)
    }
}

/// The value of a rule, or in words why it has none.
pub(super) fn evaluate(engine: &mut Engine, rule: String, limits: PolicyLimits) -> Result<Value, String> {
    budget::start(limits.memory);
    engine.set_execution_timer_config(module::timer(limits.time.max(PATIENCE)));
    engine.set_input(Value::new_object());
    match catch_unwind(AssertUnwindSafe(|| engine.eval_rule(rule))) {
        _ if budget::was_exceeded() => Err("it took more memory than it may".to_owned()),
        Err(_) => Err("the engine panicked".to_owned()),
        Ok(Err(error)) => Err(told(&error)),
        Ok(Ok(value)) => Ok(value),
    }
}

/// An error of the engine, with its place.
fn told(error: &anyhow::Error) -> String {
    let reason = PolicyFault::of_engine("", "", error).reason;
    let text = format!("{error:#}");
    match text.lines().find_map(|line| line.strip_prefix("--> ")) {
        Some(place) => format!("{place}: {reason}"),
        None => reason,
    }
}
