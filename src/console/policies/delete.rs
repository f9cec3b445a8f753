//! Taking a policy out of force.

use axum::response::Response;
use http::StatusCode;
use maud::{Markup, html};

use super::question::TriedOn;
use crate::console::fields::{Faults, Query};
use crate::console::forms::{Form, danger};
use crate::console::parts;
use crate::console::refusal::Refusal;
use crate::console::submitted::Submitted;
use crate::console::version::{at, stale_or, versioned};
use crate::console::visit::{Seen, Visit, see_other};
use crate::control::Operation;
use crate::exchange::WhatIf;
use crate::model::{Mutation, PolicyName, Resource, Revision};

/// Says who would feel it, and asks.
pub(super) async fn ask(visit: Visit, Query(query): Query) -> Result<Response, Refusal> {
    visit.needs(Operation::DeletePolicy)?;
    let name = query.text("name").parse::<PolicyName>().map_err(|_| Refusal::not_found("there is no such policy"))?;
    let (revision, _) = versioned(&visit, &Resource::Policy(name.clone())).await?;
    let difference = match TriedOn::all_keys(&visit).asked(&visit, WhatIf::Delete(name.clone())).await {
        Ok(difference) => difference,
        Err(error) => html! { p class="warning" { "What it would change cannot be told: " (parts::sentence(&error.to_string())) } },
    };
    Ok(page(&visit, StatusCode::OK, &name, Some(revision), &Faults::default(), &difference))
}

fn page(visit: &Seen, status: StatusCode, name: &PolicyName, revision: Option<Revision>, faults: &Faults, difference: &Markup) -> Response {
    let form = Form { fields: &crate::console::fields::Fields::default(), faults };
    let policy = parts::address("/policies/of", [("name", name.as_str())]);
    let body = html! {
        p { a href="/policies" { "Login policies" } " / " (parts::policy(name.as_str())) }
        h1 { "Delete " (name) }
        (form.faults())
        p { "A policy that is deleted is asked about no request any more. Its text stays in the audit, and can be restored from there." }
        (difference)
        form method="post" action="/policies/delete" {
            (visit.csrf())
            @if let Some(revision) = revision { (at(revision)) }
            input type="hidden" name="name" value=(name);
            (danger("Delete this policy")) " " a class="button second" href=(policy) { "Cancel" }
        }
    };
    visit.page_with(status, "Delete policy", &body)
}

pub(super) async fn make(Submitted { visit, fields }: Submitted) -> Result<Response, Refusal> {
    visit.needs(Operation::DeletePolicy)?;
    let name = fields.text("name").parse::<PolicyName>().map_err(|_| Refusal::not_found("there is no such policy"))?;
    match visit.change(Mutation::DeletePolicy { name: name.clone() }, fields.at()).await {
        Ok(made) => Ok(see_other(&format!("/policies?saved={}", made.revision))),
        Err(error) => {
            let (status, told) = stale_or(&visit, &Resource::Policy(name.clone()), error).await;
            let mut faults = Faults::default();
            faults.note("", told);
            Ok(page(&visit, status, &name, fields.at(), &faults, &html! {}))
        }
    }
}
