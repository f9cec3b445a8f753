//! Requests that login policies wanted kept.

use std::sync::Arc;

use axum::response::Response;
use maud::html;

use super::question::cells;
use crate::console::fields::Query;
use crate::console::forms::danger;
use crate::console::parts;
use crate::console::refusal::Refusal;
use crate::console::submitted::Submitted;
use crate::console::visit::{Visit, see_other};
use crate::control::Operation;
use crate::model::{SampleId, SampledVerdict};

pub(super) async fn list(visit: Visit, Query(query): Query) -> Result<Response, Refusal> {
    visit.needs(Operation::ViewSamples)?;
    let samples = visit.control().store().samples().await?;
    let body = html! {
        p { a href="/policies" { "Login policies" } }
        div class="heading" {
            h1 { "Samples" }
            @if !samples.is_empty() && visit.may(Operation::ClearSamples) { a class="button second" href="/policies/samples/clear" { "Clear samples …" } }
        }
        @if let Some(cleared) = query.given("cleared") { p class="notice" role="status" { "Samples given up: " (cleared) "." } }
        p class="quiet" { "The newest requests, of seven days at most, that a login policy wanted kept by its rule " code { "sample" } ". What a policy would make of them can be tried in the editor." }
        @if samples.is_empty() {
            p { "There is no sample." }
        } @else {
            div class="table" {
                table {
                    thead { tr { th scope="col" { "Sample" } th scope="col" { "When" } th scope="col" { "Key" } th scope="col" { "From" } th scope="col" { "Outcome" } th scope="col" { "Kept by" } } }
                    tbody {
                        @for kept in &samples {
                            tr {
                                td { a href={ "/policies/samples/show?id=" (kept.id) } { (kept.id) } }
                                (cells(kept))
                                td { ul class="chips" { @for policy in kept.sample.wanted_by() { li { (parts::policy(policy.as_str())) } } } }
                            }
                        }
                    }
                }
            }
        }
    };
    Ok(visit.page("Samples", &body))
}

pub(super) async fn show(visit: Visit, Query(query): Query) -> Result<Response, Refusal> {
    visit.needs(Operation::ViewSamples)?;
    let gone = || Refusal::not_found("there is no such sample (any more)");
    let id = query.text("id").parse::<SampleId>().map_err(|_| gone())?;
    let kept = visit.control().store().sample(id).await?.ok_or_else(gone)?;
    let answer = &kept.sample.answer;
    let body = html! {
        p { a href="/policies/samples" { "Samples" } }
        h1 { "Sample " (kept.id) }
        div class="table" { table {
            thead { tr { th scope="col" { "When" } th scope="col" { "Key" } th scope="col" { "From" } th scope="col" { "Outcome" } } }
            tbody { tr { (cells(&kept)) } }
        } }
        h2 { "What it held" }
        @if answer.grants.is_empty() { p { "No role." } }
        ul { @for grant in answer.grants.iter() { li { (parts::role(&grant.role)) " in " (parts::space(&grant.space)) } } }
        h2 { "What policies said" }
        @if answer.verdicts.is_empty() { p { "No policy was asked." } }
        @for verdict in &answer.verdicts {
            h3 { (parts::policy(verdict.policy.as_str())) }
            p { @for (word, holds) in said(verdict) { @if holds { (parts::badge("", word)) " " } } @for role in &verdict.roles { (parts::badge("", &format!("{} in {}", role.role, role.space))) " " } @for team in &verdict.teams { (parts::badge("", &format!("team {team}"))) " " } }
        }
        h2 { "What they were asked about" }
        (parts::json(&kept.sample.input))
    };
    Ok(visit.page("Sample", &body))
}

fn said(verdict: &SampledVerdict) -> [(&'static str, bool); 5] {
    let SampledVerdict { allow, deny, admin, deny_admin, sample, .. } = *verdict;
    [("allow", allow), ("deny", deny), ("admin", admin), ("deny_admin", deny_admin), ("sample", sample)]
}

pub(super) async fn ask_to_clear(visit: Visit) -> Result<Response, Refusal> {
    visit.needs(Operation::ClearSamples)?;
    let count = visit.control().store().samples().await?.len();
    let body = html! {
        p { a href="/policies/samples" { "Samples" } }
        h1 { "Clear samples" }
        p { "What is given up for everybody, and nothing brings back: " (parts::counted(count, "sample")) "." }
        form method="post" action="/policies/samples/clear" {
            (visit.csrf())
            (danger("Give them up")) " " a class="button second" href="/policies/samples" { "Cancel" }
        }
    };
    Ok(visit.page("Clear samples", &body))
}

pub(super) async fn clear(Submitted { visit, .. }: Submitted) -> Result<Response, Refusal> {
    let (control, asked) = (Arc::clone(visit.control()), visit.asked.clone());
    let cleared = visit.to_its_end(async move { control.clear_samples(&asked).await }).await?;
    Ok(see_other(&format!("/policies/samples?cleared={cleared}")))
}
