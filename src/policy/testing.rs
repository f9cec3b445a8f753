//! Tests of policies, by the convention of `opa test`: a file `NAME_test.rego` beside `NAME.rego`, in it rules `test_…` that must be true,
//! with `with input as …` for the input; `todo_test_…` are skipped.
//!
//! As policies are asked each by itself, a file of tests is run with its own policy and no other.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::thread;
use std::time::Duration;

use regorus::{Engine, Value};

use super::builtins::{self, budget};
use super::fault::PolicyFault;
use super::{PolicyLimits, PolicySource, check, directory, module};

/// How one test ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestResult {
    /// The file of tests.
    pub file: String,
    /// The rule's name.
    pub name: String,
    /// How it ended.
    pub outcome: TestOutcome,
}

/// How a test ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TestOutcome {
    /// It is true.
    Passed,
    /// It is false, undefined, or no boolean.
    Failed,
    /// The evaluation ended with an error.
    Broken(String),
    /// Its name begins with `todo_`.
    Skipped,
}

const STACK: usize = 256 * 1024 * 1024;

/// Runs every file of tests of a directory with its policy.
///
/// # Errors
/// Every fault of every file, and of every policy that has tests.
pub fn run_dir(dir: &Path, limits: PolicyLimits) -> Result<Vec<TestResult>, Vec<PolicyFault>> {
    let (policies, tests) = (super::read_dir(dir)?, directory::read_tests(dir)?);
    let (mut results, mut faults) = (Vec::new(), Vec::new());
    for tests in &tests {
        let name = tests.name.as_str().trim_end_matches("_test");
        match policies.iter().find(|policy| policy.name.as_str() == name) {
            None => faults.push(PolicyFault::of(&tests.place(), format!("there is no {name}.rego that these would be tests of"))),
            Some(policy) => match run(policy, tests, limits) {
                Ok(found) => results.extend(found),
                Err(found) => faults.extend(found),
            },
        }
    }
    if faults.is_empty() { Ok(results) } else { Err(faults) }
}

/// Runs the tests of one file with the policy that they are about, in the order of the text.
///
/// # Errors
/// Every fault of either.
pub fn run(policy: &PolicySource, tests: &PolicySource, limits: PolicyLimits) -> Result<Vec<TestResult>, Vec<PolicyFault>> {
    let broken = |reason: String| vec![PolicyFault::of(&tests.place(), reason)];
    let (policy, source) = (policy.clone(), tests.clone());
    let work = move || run_here(&policy, &source, limits);
    let thread = thread::Builder::new().name("policy-test".to_owned()).stack_size(STACK).spawn(work);
    match thread.map(thread::JoinHandle::join) {
        Ok(Ok(results)) => results,
        Ok(Err(_)) => Err(broken("the engine fails on it".to_owned())),
        Err(error) => Err(broken(format!("no thread could be started to run it: {error}"))),
    }
}

fn run_here(policy: &PolicySource, tests: &PolicySource, limits: PolicyLimits) -> Result<Vec<TestResult>, Vec<PolicyFault>> {
    let parsed = module::parse(policy, limits.time).map_err(|fault| vec![fault])?;
    let mut engine = parsed.engine;
    let of_policy = check::policy(&policy.place(), &parsed.module);
    let module = module::parse_into(&mut engine, tests).map_err(|fault| vec![fault])?;
    let of_tests = check::tests(&tests.place(), &module);
    let faults: Vec<PolicyFault> = of_policy.faults.into_iter().chain(of_tests.faults).collect();
    if !faults.is_empty() {
        return Err(faults);
    }
    for name in of_policy.calls.union(&of_tests.calls) {
        builtins::add(&mut engine, name).map_err(|error| vec![PolicyFault::of(&tests.place(), error.to_string())])?;
    }
    let package = module.package.refr.span().text();
    let file = tests.place();
    let named = |name: &String, outcome| TestResult { file: file.clone(), name: name.clone(), outcome };
    let mut results = Vec::new();
    for name in &of_tests.rules {
        if name.starts_with("todo_test_") {
            results.push(named(name, TestOutcome::Skipped));
        } else if name.starts_with("test_") {
            results.push(named(name, outcome(&engine, format!("data.{package}.{name}"), limits)));
        }
    }
    Ok(results)
}

fn outcome(engine: &Engine, rule: String, limits: PolicyLimits) -> TestOutcome {
    budget::start(limits.memory);
    let mut engine = engine.clone();
    // The first evaluation of an engine is its analysis, too.
    engine.set_execution_timer_config(module::timer(limits.time.max(Duration::from_secs(5))));
    engine.set_input(Value::new_object());
    match catch_unwind(AssertUnwindSafe(|| engine.eval_rule(rule))) {
        _ if budget::was_exceeded() => TestOutcome::Broken("it took more memory than it may".to_owned()),
        Err(_) => TestOutcome::Broken("the engine panicked".to_owned()),
        Ok(Err(error)) => TestOutcome::Broken(PolicyFault::of_engine("", "", &error).to_string()),
        Ok(Ok(Value::Bool(true))) => TestOutcome::Passed,
        Ok(Ok(_)) => TestOutcome::Failed,
    }
}
