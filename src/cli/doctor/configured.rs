//! The configuration and the login policies: what does not load, and what does not do what it seems to.

use std::path::Path;

use super::finding::Finding;
use crate::cli::check::Policies;
use crate::config::Survey;
use crate::diagnostics::{Diagnostic, Severity};

const CONFIGURATION: &str = "configuration";
const POLICIES: &str = "policies";

pub(super) fn configuration(survey: &Survey, file: Option<&Path>) -> Vec<Finding> {
    let told = survey.faults.iter().flatten().chain(&survey.warnings);
    let mut found: Vec<Finding> = told.filter_map(|diagnostic| finding(CONFIGURATION, diagnostic)).collect();
    if found.is_empty() {
        let said = file.map_or_else(|| "no file: the defaults, and the environment".to_owned(), |file| file.display().to_string());
        found.push(Finding::ok(CONFIGURATION, said));
    }
    found
}

/// The store's and the directory's.
pub(super) fn policies(policies: &Policies) -> Vec<Finding> {
    let mut found: Vec<Finding> = policies.findings.iter().filter_map(|fault| finding(POLICIES, &fault.diagnostic())).collect();
    if found.is_empty() {
        let said = match policies.sources.len() {
            0 => "there are none".to_owned(),
            1 => "1 policy loads".to_owned(),
            many => format!("{many} policies load"),
        };
        found.push(Finding::ok(POLICIES, said));
    }
    found
}

/// What is only worth a second look is told by `claviger check`.
fn finding(check: &'static str, diagnostic: &Diagnostic) -> Option<Finding> {
    let advice = || diagnostic.suggestion.clone().unwrap_or_else(|| "`claviger check` shows the place".to_owned());
    match diagnostic.severity {
        Severity::Error => Some(Finding::failed(check, diagnostic.to_string(), advice())),
        Severity::Warning => Some(Finding::warning(check, diagnostic.to_string(), advice())),
        Severity::Note => None,
    }
}
