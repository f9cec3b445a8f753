//! Which sources of roles count, and what another choice would change for whom.

use std::time::Duration;

use axum::Router;
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;
use maud::{Markup, html};

use super::difference::{self, LookedAt};
use super::fields::{Faults, Fields, Query};
use super::forms::Form;
use super::parts;
use super::refusal::Refusal;
use super::state::ConsoleState;
use super::submitted::Submitted;
use super::version::{at, stale_or};
use super::visit::{Seen, Visit, see_other};
use crate::control::{ControlError, Operation, Simulated, SimulatedAt, SimulatedFor};
use crate::exchange::WhatIf;
use crate::model::{Mutation, Resource, Revision, Strategy};

/// How long keys are looked at before one is asked whether to set it.
const LOOK_FOR: Duration = Duration::from_secs(20);
/// How long for the cards, which say how many it would be of some, and not whom: nobody has asked for more yet.
const GLANCE: Duration = Duration::from_millis(20);

pub(super) fn routes() -> Router<ConsoleState> {
    Router::new().route("/strategy", get(show).post(set)).route("/strategy/set", get(ask))
}

fn meaning(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::Combined => {
            "Bindings of keys, bindings of groups and login policies all count: roles from each add up, and a policy may refuse whom the others would let in."
        }
        Strategy::UserManagement => {
            "Bindings of keys and groups alone count. Login policies are not asked: what they give and what they refuse is nothing."
        }
        Strategy::LoginPolicies => {
            "Login policies alone count. Bindings are kept and count for nothing at the API; who may manage here goes by bindings still."
        }
    }
}

async fn show(visit: Visit, Query(query): Query) -> Result<Response, Refusal> {
    visit.needs(Operation::ViewStrategy)?;
    let in_force = visit.standing.snapshot().strategy;
    let mut cards = Vec::new();
    for strategy in Strategy::ALL {
        let would = if strategy == in_force { None } else { Some(simulated(&visit, strategy, GLANCE).await) };
        cards.push(card(&visit, strategy, would.as_ref()));
    }
    let body = html! {
        h1 { "Strategy" }
        (parts::saved(&query))
        p class="quiet" { "Which sources of roles count, for every key." }
        ul class="cards" { @for card in &cards { (card) } }
    };
    Ok(visit.page("Strategy", &body))
}

/// `would`: what it would change; none of it is the one in force.
fn card(visit: &Seen, strategy: Strategy, would: Option<&Result<Simulated, ControlError>>) -> Markup {
    html! {
        li class="card" {
            h2 { code { (strategy) } @if would.is_none() { " " (parts::badge("good", "in force")) } }
            p { (meaning(strategy)) }
            @match would {
                None => {}
                Some(Ok(found)) => p { strong { "What would change: " } (difference::in_short(found, LookedAt::Keys)) }
                Some(Err(error)) => p class="warning" { "What would change cannot be told: " (parts::sentence(&error.to_string())) }
            }
            @if would.is_some() && visit.may(Operation::SetStrategy) {
                form method="get" action="/strategy/set" {
                    input type="hidden" name="strategy" value=(strategy);
                    button class="second" aria-label={ "For whom? Set it … to " (strategy) } { "For whom? Set it …" }
                }
            }
        }
    }
}

async fn simulated(visit: &Seen, strategy: Strategy, look_for: Duration) -> Result<Simulated, ControlError> {
    let control = visit.control();
    let simulation = control.simulation(WhatIf::Strategy(strategy)).await?;
    Ok(control.simulate(&simulation, SimulatedFor::AllKeys(look_for), &SimulatedAt::here(control.now())).await?)
}

/// Says who would feel it, and asks.
async fn ask(visit: Visit, Query(query): Query) -> Result<Response, Refusal> {
    visit.needs(Operation::SetStrategy)?;
    let strategy = chosen(&query)?;
    // Before what is shown: a form that is older than it says would undo what it has not shown.
    let revision = visit.control().store().revision_of(&Resource::Strategy).await?;
    let difference = match simulated(&visit, strategy, LOOK_FOR).await {
        Ok(found) => difference::told(&found, LookedAt::Keys),
        Err(error) => html! { p class="warning" { "What would change cannot be told: " (parts::sentence(&error.to_string())) } },
    };
    Ok(page(&visit, StatusCode::OK, strategy, revision, &Faults::default(), &difference))
}

fn chosen(fields: &Fields) -> Result<Strategy, Refusal> {
    fields.text("strategy").parse().map_err(|_| Refusal::not_found("there is no such strategy"))
}

fn page(
    visit: &Seen,
    status: StatusCode,
    strategy: Strategy,
    revision: Option<Revision>,
    faults: &Faults,
    difference: &Markup,
) -> Response {
    let form = Form { fields: &Fields::default(), faults };
    let body = html! {
        p { a href="/strategy" { "Strategy" } }
        h1 { "Set the strategy to " code { (strategy) } }
        (form.faults())
        p { (meaning(strategy)) }
        h2 { "What would change for whom" }
        (difference)
        form method="post" action="/strategy" {
            (visit.csrf())
            @if let Some(revision) = revision { (at(revision)) }
            input type="hidden" name="strategy" value=(strategy);
            button class="danger" { "Set it for every key" } " " a class="button second" href="/strategy" { "Cancel" }
        }
    };
    visit.page_with(status, "Set the strategy", &body)
}

async fn set(Submitted { visit, fields }: Submitted) -> Result<Response, Refusal> {
    visit.needs(Operation::SetStrategy)?;
    let strategy = chosen(&fields)?;
    match visit.change(Mutation::SetStrategy(strategy), fields.at()).await {
        Ok(made) => Ok(see_other(&format!("/strategy?saved={}", made.revision))),
        Err(error) => {
            let (status, told) = stale_or(&visit, &Resource::Strategy, error).await;
            let mut faults = Faults::default();
            faults.note("", told);
            Ok(page(&visit, status, strategy, fields.at(), &faults, &html! {}))
        }
    }
}
