//! `claviger policy test`: tests of policies in files, by the convention of `opa test`. Needs no store.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use regex::Regex;
use serde::Serialize;

use super::count::Count;
use super::junit;
use crate::cli::args::value::joined;
use crate::cli::failure::Failure;
use crate::cli::open_store::StoreArgs;
use crate::cli::output::{Format, Output};
use crate::policy::EvaluationSettings;
use crate::policy::testing::{self, Coverage, RuleCounts, Selection, TestOutcome, TestResult, TestRun};

#[derive(Debug, clap::Args)]
pub(crate) struct Test {
    /// Directories with policies and their tests (those within are not entered), or single files: `NAME.rego` is tested by
    /// `NAME_test.rego` beside it, and by nothing else
    #[arg(value_name = "DIR|FILE", required = true)]
    places: Vec<PathBuf>,
    /// Every test, also those that pass, and what they print
    #[arg(long, short)]
    verbose: bool,
    /// Only tests whose full name (`package.test_name`) has a match
    #[arg(long, value_name = "REGEX", value_parser = pattern)]
    run: Option<Regex>,
    /// Also tell which rules never hold in any test
    #[arg(long)]
    coverage: bool,
    /// Fail if fewer rules than this hold in some test, in percent of all
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    coverage_min: Option<f64>,
    /// Also write the results for programs that read `JUnit`'s XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

/// What was found, as JSON.
#[derive(Serialize)]
struct TestReport<'a> {
    tests: &'a [TestResult],
    #[serde(flatten)]
    count: Count,
    #[serde(skip_serializing_if = "Option::is_none")]
    coverage: Option<Covered<'a>>,
}

#[derive(Serialize)]
struct Covered<'a> {
    percent: f64,
    rules: RuleCounts,
    files: Vec<CoveredFile<'a>>,
}

#[derive(Serialize)]
struct CoveredFile<'a> {
    percent: f64,
    #[serde(flatten)]
    of: &'a Coverage,
}

impl Test {
    pub(crate) fn run(self, place: &StoreArgs, out: &Output) -> Result<(), Failure> {
        let settings = place.settings(out)?.policies;
        let EvaluationSettings { limits, .. } = EvaluationSettings::from(&settings);
        for place in &self.places {
            // Else a path that was mistyped would look like a directory without tests.
            std::fs::metadata(place).map_err(|error| Failure::refused(format_args!("cannot read {}: {error}", place.display())))?;
        }
        let measures = self.coverage || self.coverage_min.is_some();
        let selection = Selection { only: self.run.clone(), coverage: measures };
        let run = match testing::run_all(&self.places, limits, &selection) {
            Ok(run) => run,
            Err(faults) => {
                out.policy_findings(&faults)?;
                return Err(Failure::usage(match faults.len() {
                    1 => "a file has a fault, and no test was run".to_owned(),
                    many => format!("files have {many} faults, and no test was run"),
                }));
            }
        };
        let count = Count::of(&run.results);
        if let Some(file) = &self.junit {
            std::fs::write(file, junit::xml(&run.results))
                .map_err(|error| Failure::refused(format_args!("cannot write {}: {error}", file.display())))?;
        }
        match out.format() {
            Format::Json => {
                let coverage = measures.then(|| Covered::of(&run.coverage));
                out.line("", &TestReport { tests: &run.results, count, coverage })?;
            }
            Format::Table => out.text(&self.text(&run, count, measures))?,
        }
        self.judged(&run, count)
    }

    fn judged(&self, run: &TestRun, count: Count) -> Result<(), Failure> {
        let bad = count.failed + count.broken;
        if bad > 0 {
            return Err(Failure::refused(if bad == 1 { "a test failed".to_owned() } else { format!("{bad} tests failed") }));
        }
        if run.results.is_empty() {
            let places = joined(self.places.iter().map(|place| place.display()));
            return Err(match &self.run {
                Some(pattern) => Failure::refused(format_args!("no test in {places} has a name that matches `{pattern}`")),
                None => Failure::refused(format_args!("there is no test in {places}: tests are rules `test_…` in files `*_test.rego`")),
            });
        }
        let percent = total(&run.coverage).percent();
        match self.coverage_min {
            Some(wanted) if percent < wanted => {
                Err(Failure::refused(format_args!("{percent:.1} % of the rules are covered, and {wanted} % are wanted")))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn text(&self, run: &TestRun, count: Count, measures: bool) -> String {
        let mut lines = String::new();
        let mut file = "";
        for result in &run.results {
            let is_plain = matches!(result.outcome, TestOutcome::Passed | TestOutcome::Skipped);
            if is_plain && !self.verbose {
                continue;
            }
            if file != result.file {
                file = &result.file;
                let _ = writeln!(lines, "{file}:");
            }
            tell(&mut lines, result, self.verbose);
        }
        let _ = writeln!(lines, "{}", count.summary());
        if measures {
            tell_coverage(&mut lines, &run.coverage);
        }
        lines
    }
}

/// A test in a line, and below it what there is to know of it.
fn tell(lines: &mut String, result: &TestResult, verbose: bool) {
    let TestResult { name, line, outcome, took, .. } = result;
    let word = match outcome {
        TestOutcome::Passed => "PASS",
        TestOutcome::Failed { .. } => "FAIL",
        TestOutcome::Broken { .. } => "ERROR",
        TestOutcome::Skipped => "SKIPPED",
    };
    let _ = writeln!(lines, "  {word} {name} (line {line}, {})", milliseconds(*took));
    match outcome {
        TestOutcome::Failed { at: Some(at) } => {
            let _ = writeln!(lines, "    {} | {}", at.line, at.text);
            let width = at.line.to_string().len();
            for (name, value) in &at.values {
                let _ = writeln!(lines, "    {:width$} | {name} is {value}", "");
            }
        }
        TestOutcome::Broken { message } => {
            let _ = writeln!(lines, "    {message}");
        }
        TestOutcome::Failed { at: None } | TestOutcome::Passed | TestOutcome::Skipped => {}
    }
    if verbose {
        for print in &result.prints {
            let _ = writeln!(lines, "    {print}");
        }
    }
}

fn tell_coverage(lines: &mut String, coverage: &[Coverage]) {
    let _ = writeln!(lines, "coverage, rules that hold in some test:");
    let width = coverage.iter().map(|file| file.file.chars().count()).max().unwrap_or_default();
    for file in coverage {
        let RuleCounts { covered, total } = file.rules;
        let _ = write!(lines, "  {:width$}  {covered:>3} of {total:>3}  {:>5.1} %", file.file, file.rules.percent());
        if !file.uncovered_lines.is_empty() {
            let _ = write!(lines, "  not covered: line {}", ranges(&file.uncovered_lines));
        }
        lines.push('\n');
    }
    let RuleCounts { covered, total } = total(coverage);
    let _ = writeln!(lines, "  {:width$}  {covered:>3} of {total:>3}  {:>5.1} %", "all", RuleCounts { covered, total }.percent());
}

fn total(coverage: &[Coverage]) -> RuleCounts {
    coverage.iter().map(|file| file.rules).fold(RuleCounts::default(), RuleCounts::plus)
}

/// `3, 7-9`.
fn ranges(lines: &[u32]) -> String {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for line in lines {
        match ranges.last_mut() {
            Some((_, end)) if *end + 1 == *line => *end = *line,
            Some(_) | None => ranges.push((*line, *line)),
        }
    }
    let told = ranges.into_iter().map(|(start, end)| if start == end { start.to_string() } else { format!("{start}-{end}") });
    told.collect::<Vec<_>>().join(", ")
}

fn milliseconds(took: Duration) -> String {
    format!("{:.1} ms", took.as_secs_f64() * 1000.0)
}

/// Names of rules are ASCII, and so are the digits and letters that a pattern for them means.
fn pattern(text: &str) -> Result<Regex, regex::Error> {
    Regex::new(&text.replace(r"\d", "[0-9]").replace(r"\w", "[0-9A-Za-z_]"))
}

fn percent(text: &str) -> Result<f64, String> {
    let number: f64 = text.trim_end_matches('%').trim().parse().map_err(|_| "it is not a number".to_owned())?;
    if (0.0..=100.0).contains(&number) { Ok(number) } else { Err("it is not between 0 and 100".to_owned()) }
}

impl<'a> Covered<'a> {
    fn of(coverage: &'a [Coverage]) -> Self {
        let rules = total(coverage);
        let files = coverage.iter().map(|of| CoveredFile { percent: of.rules.percent(), of }).collect();
        Self { percent: rules.percent(), rules, files }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_follow_each_other_are_told_as_one() {
        assert_eq!(ranges(&[3, 7, 8, 9, 12]), "3, 7-9, 12");
        assert_eq!(ranges(&[]), "");
    }

    #[test]
    fn digits_and_letters_of_a_pattern_are_those_of_ascii() {
        assert!(pattern(r"test_\w+_[\d]$").unwrap().is_match("t.test_ada_7"));
        assert!(pattern("(").is_err());
    }

    #[test]
    fn a_percentage_lies_between_nothing_and_all() {
        assert_eq!(percent("90"), Ok(90.0));
        assert_eq!(percent("99.5%"), Ok(99.5));
        assert!(percent("101").is_err() && percent("-1").is_err() && percent("most").is_err() && percent("NaN").is_err());
    }
}
