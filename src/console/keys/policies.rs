//! What each login policy says of a key, from an address, at a time.

use axum::response::Response;
use maud::{Markup, html};

use super::effective::{WhatIf, told};
use super::header::{Called, Shown};
use crate::console::fields::{Faults, Query};
use crate::console::parts;
use crate::console::refusal::Refusal;
use crate::console::visit::Visit;
use crate::control::Operation;
use crate::exchange::AsOf;
use crate::model::Verdict;
use crate::policy::{Trace, Tracer};

pub(super) async fn show(visit: Visit, Called(id): Called, Query(query): Query) -> Result<Response, Refusal> {
    visit.needs(Operation::Explain)?;
    let shown = Shown::read(&visit, id).await?;
    let mut faults = Faults::default();
    let what_if = WhatIf::read(&query, &mut faults);
    let now = visit.control().now();
    let origin = what_if.origin(now);
    let AsOf { explainer, key, remarks } = visit.control().as_of(what_if.at, shown.key.clone()).await?;
    let answer = explainer.explain(&key, &origin).await;
    let heard = tokio::task::block_in_place(|| explainer.trace(&key, &origin));
    let path = format!("{}/policies", shown.path());
    let body = html! {
        (shown.header(&visit, &query))
        (WhatIf::fields(&path, &query, &faults, true))
        @for remark in &remarks { p class="warning" { (parts::sentence(remark)) } }
        h2 { "From " code { (what_if.address) } " at " (parts::time(origin.at.wall)) }
        @if heard.is_empty() { p { "No login policy is asked about this key." } }
        @for (tracer, trace) in &heard { (policy(tracer, trace)) }
        h2 { "What comes of it" }
        (told(&visit.standing.snapshot().spaces, &answer))
    };
    Ok(visit.page(shown.key.name.as_str(), &body))
}

pub(in crate::console) fn policy(tracer: &Tracer, trace: &Trace) -> Markup {
    html! {
        section class="card" {
            h3 { (parts::policy(tracer.name.as_str())) }
            @match &trace.verdict {
                Ok(verdict) => (said(verdict)),
                Err(error) => p class="fault" { (parts::sentence(&error.to_string())) }
            }
            (rules(trace))
        }
    }
}

/// What a policy says, in badges.
pub(in crate::console) fn said(verdict: &Verdict) -> Markup {
    let words = [
        ("allow", verdict.allow),
        ("deny", verdict.deny),
        ("admin", verdict.admin),
        ("deny_admin", verdict.deny_admin),
        ("sample", verdict.sample),
    ];
    let says_nothing = verdict == &Verdict::default();
    html! {
        p {
            @for (word, _) in words.into_iter().filter(|(_, holds)| *holds) {
                (parts::badge(if word.starts_with("deny") { "bad" } else { "good" }, word)) " "
            }
            @for (space, role) in &verdict.roles { (parts::badge("", &format!("{role} in {space}"))) " " }
            @for (space, role) in &verdict.space_roles { (parts::badge("", &format!("{} in {space}", role.role().id()))) " " }
            @for team in &verdict.teams { (parts::badge("", &format!("team {team}"))) " " }
            @if says_nothing { span class="quiet" { "It says nothing." } }
        }
    }
}

/// The rules that held, with their lines, and those that did not.
pub(in crate::console) fn rules(trace: &Trace) -> Markup {
    html! {
        @if trace.steps.is_empty() && trace.unheld.is_empty() { p class="quiet" { "No rule of it says anything of this key." } }
        @if !trace.steps.is_empty() {
            p { "Rules that held:" }
            ul { @for step in &trace.steps { li { "line " (step.line) ": " code { (step.rule) } @if !step.path.is_empty() { " " code { (serde_json::to_string(&step.path).unwrap_or_default()) } } " is " code { (step.value) } } } }
        }
        @if !trace.unheld.is_empty() {
            p class="quiet" { "Rules that did not: " @for (number, rule) in trace.unheld.iter().enumerate() { @if number > 0 { ", " } code { (rule.rule) } " (line " (rule.line) ")" } }
        }
    }
}
