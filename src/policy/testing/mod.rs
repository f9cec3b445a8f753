//! Tests of policies, by the convention of `opa test`: a file `NAME_test.rego` beside `NAME.rego`, in it rules `test_…` that must be true,
//! with `with input as …` for the input; `todo_test_…` are skipped.
//!
//! As policies are asked each by itself, a file of tests is run with its own policy and no other.

mod coverage;
mod failing;
mod outcome;
mod run;

use std::path::{Path, PathBuf};

use super::fault::PolicyFault;
use super::settings::PolicyLimits;
use super::source::PolicySource;
use super::source::directory;

pub use coverage::{Coverage, RuleCounts, Uncovered};
pub use outcome::{Failing, Selection, TestOutcome, TestResult, TestRun};
pub use run::run;

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
