//! What is wrong with a policy's text, or odd about it.

use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use maud::{Markup, html};
use serde::Serialize;

use super::draft::Draft;
use crate::console::fields::Faults;
use crate::console::parts;
use crate::console::refusal::Refusal;
use crate::console::submitted::Submitted;
use crate::console::visit::Seen;
use crate::control::{ControlError, Operation};
use crate::diagnostics::Severity;
use crate::policy::PolicyFault;

/// The findings as a script puts them into a page.
#[derive(Serialize)]
struct Told {
    summary: String,
    findings: Vec<Finding>,
}

#[derive(Serialize)]
struct Finding {
    severity: Severity,
    line: u32,
    column: u32,
    width: u32,
    text: String,
    reason: String,
    hint: Option<String>,
}

/// What is to be told of this text among the policies that are in force.
pub(super) async fn reviewed(visit: &Seen, draft: &Draft) -> Result<Vec<PolicyFault>, ControlError> {
    let Some(policy) = draft.to_be_looked_at() else { return Ok(Vec::new()) };
    visit.control().review(&policy, visit.standing.snapshot()).await
}

/// How many there are, of which weight.
pub(super) fn summary(findings: &[PolicyFault]) -> String {
    let count = |severity: Severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let kinds = [("error", Severity::Error), ("warning", Severity::Warning), ("note", Severity::Note)];
    let told = kinds.map(|(word, severity)| (word, count(severity))).into_iter().filter(|(_, count)| *count > 0);
    let told: Vec<String> = told.map(|(word, count)| format!("{count} {word}{}", if count == 1 { "" } else { "s" })).collect();
    if told.is_empty() { "none".to_owned() } else { told.join(", ") }
}

/// The same as a sentence that says what follows.
fn verdict(findings: &[PolicyFault]) -> String {
    let refused = findings.iter().any(PolicyFault::is_error);
    let follows = if refused { "It would not be saved." } else { "It can be saved." };
    if findings.is_empty() { format!("Nothing is wrong with this text. {follows}") } else { format!("{}. {follows}", summary(findings)) }
}

/// What stands beside the text. Those of another policy say whose they are.
pub(super) fn beside(name: &str, findings: &[PolicyFault]) -> Markup {
    let (own, others): (Vec<PolicyFault>, Vec<PolicyFault>) = findings.iter().cloned().partition(|finding| is_of(finding, name));
    html! {
        section class="beside" aria-labelledby="findings-heading" {
            h2 id="findings-heading" { "Findings" }
            p id="findings-summary" role="status" { (verdict(findings)) }
            div id="findings" {
                (parts::policy_faults(&own))
                // A place there is no place in this text.
                div data-of-others {
                    @for other in &others {
                        h3 { "In " (other.policy) }
                        (parts::policy_faults(std::slice::from_ref(other)))
                    }
                }
            }
        }
    }
}

/// A policy without a name is called something while it is looked at.
fn is_of(finding: &PolicyFault, name: &str) -> bool {
    finding.policy == name || (name.is_empty() && finding.policy == super::draft::UNNAMED)
}

/// The findings of what stands in the form, for a script.
pub(super) async fn check(Submitted { visit, fields }: Submitted) -> Result<Response, Refusal> {
    visit.needs(Operation::TryPolicy)?;
    let draft = Draft::read(&fields, &mut Faults::default());
    let found = reviewed(&visit, &draft).await?;
    let name = draft.name.as_ref().map_or("", |name| name.as_str());
    let summary = verdict(&found);
    let told = Told { summary, findings: found.into_iter().map(|finding| Finding::of(finding, name)).collect() };
    let mut response = serde_json::to_string(&told).unwrap_or_default().into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

impl Finding {
    /// A place in another policy is no place in this text.
    fn of(finding: PolicyFault, name: &str) -> Self {
        let is_own = is_of(&finding, name);
        let PolicyFault { policy, severity, line, column, width, text, reason, hint } = finding;
        let reason = parts::sentence(&reason);
        let reason = if is_own { reason } else { format!("In {policy}: {reason}") };
        let line = if is_own { line } else { 0 };
        Self { severity, line, column, width, text, reason, hint: hint.map(|hint| parts::sentence(&hint)) }
    }
}
