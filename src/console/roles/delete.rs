//! Deleting a role that nobody holds any more.

use axum::response::Response;
use http::StatusCode;
use maud::{Markup, html};

use super::header::ShownRole;
use super::properties::changeable;
use crate::console::bindings;
use crate::console::fields::{Faults, Fields};
use crate::console::forms::{Form, danger};
use crate::console::in_path::InPath;
use crate::console::parts;
use crate::console::refusal::Refusal;
use crate::console::submitted::Submitted;
use crate::console::version::{self, stale_or};
use crate::console::visit::{Seen, Visit, see_other};
use crate::control::{BindingsFound, Operation};
use crate::model::{Mutation, Resource, RoleId};

/// How many are named that hold it.
const NAMED: u32 = 20;

pub(super) async fn ask(visit: Visit, InPath(id): InPath<RoleId>) -> Result<Response, Refusal> {
    let shown = changeable(&visit, &id, Operation::DeleteRole).await?;
    page(&visit, &shown, StatusCode::OK, &Fields::default(), &Faults::default()).await
}

async fn page(visit: &Seen, shown: &ShownRole, status: StatusCode, fields: &Fields, faults: &Faults) -> Result<Response, Refusal> {
    let in_the_way = in_the_way(visit, shown).await?;
    let body = html! {
        (shown.way())
        h1 { "Delete " (shown.role.name) }
        (Form { fields, faults }.faults())
        @if let Some(in_the_way) = &in_the_way {
            (in_the_way)
            p { a class="button second" href=(shown.page()) { "Back" } }
        } @else {
            p { "No binding of it was found. Login policies that name it will be told that there is no such role." }
            form method="post" action={ (shown.path()) "/delete" } {
                (visit.csrf()) (version::at_of(fields, shown.at))
                (danger("Delete role")) " " a class="button second" href=(shown.page()) { "Cancel" }
            }
        }
    };
    Ok(visit.page_with(status, "Delete role", &body))
}

/// Who holds it, by name; `None`: nobody who was found.
async fn in_the_way(visit: &Seen, shown: &ShownRole) -> Result<Option<Markup>, Refusal> {
    let BindingsFound { bindings, looked_to } = shown.bindings(visit, None, NAMED).await?;
    if bindings.is_empty() {
        return Ok(None);
    }
    let names = bindings::names(visit, &bindings).await?;
    Ok(Some(html! {
        div class="warning" {
            p { "It cannot be deleted while it is held:" }
            ul {
                @for binding in &bindings { li { (bindings::subject(&binding.subject, &names)) " holds it in " (parts::space(&binding.space)) } }
                @if looked_to.is_some() { li { a href=(shown.page()) { "and perhaps more" } } }
            }
        }
    }))
}

pub(super) async fn make(InPath(id): InPath<RoleId>, Submitted { visit, fields }: Submitted) -> Result<Response, Refusal> {
    let shown = changeable(&visit, &id, Operation::DeleteRole).await?;
    match visit.change(Mutation::DeleteRole { id: id.clone() }, fields.at()).await {
        Ok(made) => Ok(see_other(&format!("/roles?saved={}", made.revision))),
        Err(error) => {
            let mut faults = Faults::default();
            let (status, told) = stale_or(&visit, &Resource::Role(id), error).await;
            faults.note("", told);
            page(&visit, &shown, status, &fields, &faults).await
        }
    }
}
