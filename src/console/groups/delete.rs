//! Deleting a group that holds nothing and that nobody is in.

use axum::response::Response;
use http::StatusCode;
use maud::{Markup, html};

use super::header::{ShownGroup, called};
use super::members;
use crate::console::fields::{Faults, Fields, Query};
use crate::console::forms::{Form, danger};
use crate::console::parts;
use crate::console::refusal::Refusal;
use crate::console::submitted::Submitted;
use crate::console::version::{self, stale_or};
use crate::console::visit::{Seen, Visit, see_other};
use crate::control::Operation;
use crate::model::{Mutation, Resource};

/// How much is named of what is in the way.
const NAMED: usize = 20;

pub(super) async fn ask(visit: Visit, Query(query): Query) -> Result<Response, Refusal> {
    visit.needs(Operation::DeleteGroup)?;
    let shown = ShownGroup::read(&visit, &called(&query)?).await?;
    page(&visit, &shown, StatusCode::OK, &Fields::default(), &Faults::default()).await
}

async fn page(visit: &Seen, shown: &ShownGroup, status: StatusCode, fields: &Fields, faults: &Faults) -> Result<Response, Refusal> {
    let in_the_way = in_the_way(visit, shown).await?;
    let body = html! {
        (shown.way())
        h1 { "Delete " (shown.group.name) }
        (Form { fields, faults }.faults())
        @if let Some(in_the_way) = &in_the_way {
            (in_the_way)
            p { a class="button second" href=(shown.page()) { "Back" } }
        } @else {
            p { "It holds nothing, and nobody is in it." }
            form method="post" action="/groups/delete" {
                (visit.csrf()) (shown.named()) (version::at_of(fields, shown.at))
                (danger("Delete group")) " " a class="button second" href=(shown.page()) { "Cancel" }
            }
        }
    };
    Ok(visit.page_with(status, "Delete group", &body))
}

/// What uses it, by name; `None`: nothing does.
async fn in_the_way(visit: &Seen, shown: &ShownGroup) -> Result<Option<Markup>, Refusal> {
    let members = members::read(visit, shown, None, NAMED + 1).await?;
    let bindings = shown.bindings();
    if members.is_empty() && bindings.is_empty() {
        return Ok(None);
    }
    Ok(Some(html! {
        div class="warning" {
            p { "It cannot be deleted while it is used:" }
            ul {
                @for binding in bindings.iter().take(NAMED) { li { "it holds " (parts::role(&binding.role)) " in " (parts::space(&binding.space)) } }
                @if bindings.len() > NAMED { li { "and " (parts::counted(bindings.len() - NAMED, "more binding")) } }
                @for key in members.iter().take(NAMED) { li { "key " (parts::key_link(key.id, key.name.as_str())) " is in it" } }
                @if members.len() > NAMED { li { "and more keys" } }
            }
        }
    }))
}

pub(super) async fn make(Submitted { visit, fields }: Submitted) -> Result<Response, Refusal> {
    visit.needs(Operation::DeleteGroup)?;
    let name = called(&fields)?;
    let shown = ShownGroup::read(&visit, &name).await?;
    match visit.change(Mutation::DeleteGroup { name: name.clone() }, fields.at()).await {
        Ok(made) => Ok(see_other(&format!("/groups?saved={}", made.revision))),
        Err(error) => {
            let mut faults = Faults::default();
            let (status, told) = stale_or(&visit, &Resource::Group(name), error).await;
            faults.note("", told);
            page(&visit, &shown, status, &fields, &faults).await
        }
    }
}
