//! Every login policy, of the store and of the directory.

use axum::response::Response;
use maud::{Markup, html};

use super::findings;
use crate::console::fields::Query;
use crate::console::parts;
use crate::console::refusal::Refusal;
use crate::console::visit::Visit;
use crate::control::{Operation, PoliciesInForce};
use crate::model::PolicyName;
use crate::policy::PolicySource;

const ON_A_PAGE: usize = 100;

pub(super) async fn show(visit: Visit, Query(query): Query) -> Result<Response, Refusal> {
    visit.needs(Operation::ViewPolicies)?;
    let in_force = visit.control().policies_in_force().await?;
    let snapshot = visit.standing.snapshot();
    let mut all: Vec<PolicySource> = snapshot.policies.iter().map(PolicySource::from).collect();
    all.extend(in_force.policies.iter().map(|(source, _)| source).filter(|source| source.file.is_some()).cloned());
    all.sort_by(|one, other| one.name.cmp(&other.name));
    let after: Option<PolicyName> = query.given("cursor").and_then(|name| name.parse().ok());
    let rest: Vec<&PolicySource> = all.iter().filter(|source| after.as_ref().is_none_or(|after| source.name > *after)).collect();
    let shown: Vec<&PolicySource> = rest.iter().copied().take(ON_A_PAGE).collect();
    let cursor = shown.last().filter(|_| rest.len() > shown.len()).map(|last| last.name.as_str());
    let is_broken = in_force.policies.is_empty() && !in_force.findings.is_empty();
    let body = html! {
        div class="heading" {
            h1 { "Login policies" }
            div class="actions" {
                a class="button second" href="/policies/samples" { "Samples" }
                @if visit.may(Operation::CreatePolicy) { a class="button" href="/policies/new" { "New policy" } }
            }
        }
        (parts::saved(&query))
        p class="quiet" {
            "Rego that says of each request whether its key may pass, and what roles it holds. The "
            a href="/strategy" { "strategy" } " in force is " strong { (snapshot.strategy) }
            @if !snapshot.strategy.asks_policies() { ": policies are not asked" } "."
        }
        @if is_broken {
            div class="fault" role="alert" {
                p { "No login policy is in force, for some cannot be loaded. Whoever is to be asked about by them is refused." }
                (parts::policy_faults(&in_force.findings))
            }
        }
        @if shown.is_empty() { p { "There is no login policy." } } @else { (table(&shown, &in_force)) }
        (parts::next_page("/policies", &query, &[], cursor))
    };
    Ok(visit.page("Login policies", &body))
}

fn table(shown: &[&PolicySource], in_force: &PoliciesInForce) -> Markup {
    html! {
        div class="table" {
            table {
                thead { tr { th scope="col" { "Name" } th scope="col" { "From" } th scope="col" { "Rego" } th scope="col" { "Findings" } th scope="col" { "More" } } }
                tbody { @for source in shown { (row(source, in_force)) } }
            }
        }
    }
}

fn row(source: &PolicySource, in_force: &PoliciesInForce) -> Markup {
    let loaded = in_force.policies.iter().find(|(loaded, _)| loaded.name == source.name);
    let (name, query) = (source.name.as_str(), parts::encoded(source.name.as_str()));
    let found: Vec<_> = in_force.findings_of(source).cloned().collect();
    html! {
        tr {
            td { (parts::policy(name)) }
            td { @match &source.file { Some(file) => { "file " code { (file.display()) } }, None => "store" } }
            td { @match loaded { Some((_, version)) => (version.as_str()), None => span class="quiet" { "not in force here" } } }
            td { @if found.is_empty() { span class="quiet" { "none" } } @else { (findings::summary(&found)) } }
            td class="nowrap" {
                @if source.file.is_none() {
                    a href={ "/policies/versions?name=" (query) } aria-label={ "Versions of " (name) } { "Versions" } " "
                    a href={ "/policies/delete?name=" (query) } aria-label={ "Delete " (name) } { "Delete" }
                }
            }
        }
    }
}
