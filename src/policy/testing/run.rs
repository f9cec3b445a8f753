//! One file of tests, run with its policy.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use regorus::Value;

use super::coverage::Seen;
use super::failing::Watch;
use super::outcome::{Selection, TestOutcome, TestResult, TestRun};
use crate::clock::{Clock, SystemClock};
use crate::policy::builtins::budget;
use crate::policy::compiled::{Bounds, Compiled, Observer, Print};
use crate::policy::fault::PolicyFault;
use crate::policy::settings::PolicyLimits;
use crate::policy::source::PolicySource;
use crate::policy::syntax::core::Program;
use crate::policy::syntax::tree::{AuthoredRule, Module, RuleHead};
use crate::policy::syntax::{self, lower};
use crate::policy::trace::on_thread;
use crate::policy::{lint, loaded};

/// The least time for a test.
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
    on_thread(|| run_here(policy, tests, limits, selection)).unwrap_or_else(|| Err(vec![PolicyFault::of(&place, "running it panics")]))
}

/// A policy and its tests, lowered together.
struct Pair<'s> {
    tests: &'s PolicySource,
    module: Module,
    program: Program,
    compiled: Compiled,
    limits: PolicyLimits,
}

fn run_here(
    policy: &PolicySource,
    tests: Option<&PolicySource>,
    limits: PolicyLimits,
    selection: &Selection,
) -> Result<TestRun, Vec<PolicyFault>> {
    let place = policy.place();
    let parse = |source: &PolicySource| syntax::parse(&source.place(), &source.text, source.rego).map_err(|fault| vec![fault]);
    let seen = Seen::default();
    let Some(tests) = tests else {
        let program = parse(policy).and_then(|module| loaded::check(&place, &module))?;
        let coverage = if selection.coverage { vec![seen.coverage(policy, &place, &program)] } else { Vec::new() };
        return Ok(TestRun { results: Vec::new(), coverage });
    };
    let tests_name = tests.place();
    // A fault of the one must not hide those of the other.
    let (policy_module, module) = match (parse(policy), parse(tests)) {
        (Ok(policy), Ok(tests)) => (policy, tests),
        (Ok(policy), Err(faults)) => return Err(loaded::check(&place, &policy).err().into_iter().flatten().chain(faults).collect()),
        (Err(mut faults), tests) => {
            match tests {
                Ok(module) => faults.extend(lint::faults_of_tests(&tests_name, &module)),
                Err(found) => faults.extend(found),
            }
            return Err(faults);
        }
    };
    let mut faults = lint::faults(&place, &policy_module);
    faults.extend(lint::faults_of_tests(&tests.place(), &module));
    let lowered = lower::with_tests((&place, &policy_module), (&tests.place(), &module));
    let program = match lowered {
        Ok(program) if faults.is_empty() => program,
        lowered => {
            let told: Vec<(String, u32, u32)> = faults.iter().map(|fault| (fault.policy.clone(), fault.line, fault.column)).collect();
            let is_new = |fault: &PolicyFault| !told.contains(&(fault.policy.clone(), fault.line, fault.column));
            faults.extend(lowered.err().into_iter().flatten().filter(is_new));
            return Err(faults);
        }
    };
    let compiled = Compiled::of(&program);
    let pair = Pair { tests, module, program, compiled, limits };
    let results = pair.run(selection, selection.coverage.then_some(&seen));
    let coverage = if selection.coverage { vec![seen.coverage(policy, &place, &pair.program)] } else { Vec::new() };
    Ok(TestRun { results, coverage })
}

impl Pair<'_> {
    fn run(&self, selection: &Selection, seen: Option<&Seen>) -> Vec<TestResult> {
        let clock = SystemClock::start();
        let package = self.module.package.refr.span().text();
        let file = self.tests.place();
        let mut results = Vec::new();
        for (name, line) in rules(&self.module) {
            let is_test = name.starts_with("test_");
            if !is_test && !name.starts_with("todo_test_") {
                continue;
            }
            if selection.only.as_ref().is_some_and(|only| !only.is_match(&format!("{package}.{name}"))) {
                continue;
            }
            let begun = clock.now().monotonic;
            let (outcome, prints) = if is_test { self.outcome(&name) } else { (TestOutcome::Skipped, Vec::new()) };
            let took = clock.now().monotonic.saturating_sub(begun);
            if is_test && let Some(seen) = seen {
                // Once more: how it ends has been found out unwatched.
                drop(self.value(&name, Some(seen)));
            }
            results.push(TestResult { file: file.clone(), name, line, outcome, prints, took });
        }
        results
    }

    fn outcome(&self, name: &str) -> (TestOutcome, Vec<String>) {
        let (value, prints) = self.value(name, None);
        let outcome = match value {
            Err(message) => TestOutcome::Broken { message },
            Ok(Value::Bool(true)) => TestOutcome::Passed,
            Ok(_) => {
                let rule = self.program.rules.iter().position(|rule| rule.path == self.path(name));
                let watch = rule.map(|rule| Watch::of(&self.program, rule));
                if let Some(watch) = &watch {
                    drop(self.value(name, Some(watch)));
                }
                TestOutcome::Failed { at: watch.and_then(|watch| watch.failing()) }
            }
        };
        let shown = |print: &Print| format!("{}:{}: {}", print.place.source.name, print.place.line, print.text);
        (outcome, prints.iter().map(shown).collect())
    }

    fn path(&self, name: &str) -> Vec<Box<str>> {
        let package = syntax::walk::path(&self.module.package.refr).unwrap_or_default();
        package.into_iter().chain([name]).map(Box::from).collect()
    }

    /// The value of a rule, or in words why it has none; and what it printed.
    fn value(&self, name: &str, watcher: Option<&dyn Observer>) -> (Result<Value, String>, Vec<Print>) {
        let clock = SystemClock::start();
        let (begun, time) = (clock.now().monotonic, self.limits.time.max(PATIENCE));
        let time_is_up = || clock.now().monotonic.saturating_sub(begun) > time;
        let bounds = Bounds { memory: self.limits.memory, work: budget::WORK_MAX, time_is_up: &time_is_up };
        match catch_unwind(AssertUnwindSafe(|| self.compiled.rule(&self.path(name), bounds, watcher))) {
            Ok((Ok(value), prints)) => (Ok(value), prints),
            Ok((Err(failure), prints)) => {
                let told = match &failure.place {
                    Some(span) => format!("{}:{}:{}: {failure}", span.source.name, span.line, span.col),
                    None => failure.to_string(),
                };
                (Err(told), prints)
            }
            Err(_) => (Err("the evaluation panicked".to_owned()), Vec::new()),
        }
    }
}

/// Every rule of a module that has a body, each name once, in the order of the text.
fn rules(module: &Module) -> Vec<(String, u32)> {
    let mut rules: Vec<(String, u32)> = Vec::new();
    for rule in &module.policy {
        let AuthoredRule::Spec { span, head, .. } = rule.as_ref() else { continue };
        let (RuleHead::Compr { refr, .. } | RuleHead::Set { refr, .. } | RuleHead::Func { refr, .. }) = head;
        let name = refr.span().text().to_owned();
        if !rules.iter().any(|(known, _)| *known == name) {
            rules.push((name, span.line));
        }
    }
    rules
}
