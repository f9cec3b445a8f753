//! What is to be tested, and what came of it.

use std::time::Duration;

use regex::Regex;
use serde::Serialize;

use super::coverage::Coverage;

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

fn seconds<S: serde::Serializer>(took: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(took.as_secs_f64())
}
