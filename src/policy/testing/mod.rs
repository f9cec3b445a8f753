//! Tests of policies, by the convention of `opa test`: a file `NAME_test.rego` beside `NAME.rego`, in it rules `test_…` that must be true,
//! with `with input as …` for the input; `todo_test_…` are skipped.
//!
//! As policies are asked each by itself, a file of tests is run with its own policy and no other.

mod coverage;
mod failing;
mod run;

use std::path::{Path, PathBuf};
use std::time::Duration;

use regex::Regex;
use serde::Serialize;

use super::fault::PolicyFault;
use super::source::directory;
use super::{PolicyLimits, PolicySource};

pub use coverage::{Coverage, RuleCounts, Uncovered};
pub use run::run;

/// How one test ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TestResult {
    /// The file of tests.
    pub file: String,
    /// The rule's name.
    pub name: String,
    /// Where the rule begins, 1-based.
    pub line: u32,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: TestOutcome,
    /// What it printed, each with its place.
    pub prints: Vec<String>,
    /// How long it took.
    #[serde(rename = "seconds", serialize_with = "seconds")]
    pub took: Duration,
}

/// How a test ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "lowercase")]
pub enum TestOutcome {
    /// It is true.
    Passed,
    /// It is false, undefined, or no boolean.
    Failed {
        /// The first statement with which it does not hold any more, if that can be said.
        at: Option<Failing>,
    },
    /// The evaluation ended with an error.
    Broken {
        /// What went wrong.
        message: String,
    },
    /// Its name begins with `todo_`.
    Skipped,
}

/// The statement that a test fails at: all before it hold, and with it they do not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failing {
    /// 1-based.
    pub line: u32,
    /// The statement.
    pub text: String,
    /// The variables in it, and their values, as JSON; sets are arrays.
    pub values: Vec<(String, String)>,
}

/// Which tests to run, and what to look at.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Only tests whose `package.name` this is found in.
    pub only: Option<Regex>,
    /// Whether it is found out which rules of the policies the tests make hold.
    pub coverage: bool,
}

/// How a run ended.
#[derive(Clone, Debug, Default)]
pub struct TestRun {
    /// Every test, by file and line.
    pub results: Vec<TestResult>,
    /// Every policy, those without tests too; empty unless asked for.
    pub coverage: Vec<Coverage>,
}

/// Runs every file of tests of a directory with its policy.
///
/// # Errors
/// Every fault of every file, and of every policy that has tests.
pub fn run_dir(dir: &Path, limits: PolicyLimits) -> Result<Vec<TestResult>, Vec<PolicyFault>> {
    run_all(&[dir.to_owned()], limits, &Selection::default()).map(|run| run.results)
}

/// Runs the tests of files and directories. A file may be one of tests or a policy: the other one is looked for beside it.
///
/// # Errors
/// Every fault of every file, and of every policy that has tests.
pub fn run_all(places: &[PathBuf], limits: PolicyLimits, selection: &Selection) -> Result<TestRun, Vec<PolicyFault>> {
    let (mut done, mut faults) = (TestRun::default(), Vec::new());
    for (policy, tests) in pairs(places)? {
        match run(&policy, tests.as_ref(), limits, selection) {
            Ok(found) => {
                done.results.extend(found.results);
                done.coverage.extend(found.coverage);
            }
            Err(found) => faults.extend(found),
        }
    }
    if faults.is_empty() { Ok(done) } else { Err(faults) }
}

/// Each policy with its tests, by file.
fn pairs(places: &[PathBuf]) -> Result<Vec<(PolicySource, Option<PolicySource>)>, Vec<PolicyFault>> {
    let (mut policies, mut tests, mut faults) = (Vec::new(), Vec::new(), Vec::new());
    for place in places {
        match sources(place) {
            Ok((of_policies, of_tests)) => {
                policies.extend(of_policies);
                tests.extend(of_tests);
            }
            Err(found) => faults.extend(found),
        }
    }
    for sources in [&mut policies, &mut tests] {
        sources.sort_by(|one, other| one.file.cmp(&other.file));
        sources.dedup_by(|one, other| one.file == other.file);
    }
    for tests in &tests {
        let wanted = directory::policy_of(tests);
        if !policies.iter().any(|policy| policy.file == wanted) {
            let wanted = wanted.as_deref().and_then(Path::file_name).unwrap_or_default().display().to_string();
            faults.push(PolicyFault::of(&tests.place(), format!("there is no {wanted} that these would be tests of")));
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let with_tests = policies.into_iter().map(|policy| {
        let own = tests.iter().find(|tests| directory::policy_of(tests) == policy.file).cloned();
        (policy, own)
    });
    Ok(with_tests.collect())
}

fn sources(place: &Path) -> Result<(Vec<PolicySource>, Vec<PolicySource>), Vec<PolicyFault>> {
    if place.is_dir() {
        return match (super::read_dir(place), directory::read_tests(place)) {
            (Ok(policies), Ok(tests)) => Ok((policies, tests)),
            (policies, tests) => Err(policies.err().into_iter().chain(tests.err()).flatten().collect()),
        };
    }
    let (policy, tests) = directory::siblings(place);
    let read = |file: PathBuf| directory::read(&file).map(|source| vec![source]).map_err(|fault| vec![fault]);
    let either = |file: PathBuf| if file.is_file() || file == place { read(file) } else { Ok(Vec::new()) };
    Ok((either(policy)?, either(tests)?))
}

fn seconds<S: serde::Serializer>(took: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(took.as_secs_f64())
}
