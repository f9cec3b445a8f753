//! A group that is described before anything names it.

use axum::response::Response;
use http::StatusCode;
use maud::html;

use super::header::address;
use crate::console::fields::{Faults, Fields, Query};
use crate::console::forms::{Field, Form};
use crate::console::refusal::Refusal;
use crate::console::submitted::Submitted;
use crate::console::visit::{Seen, Visit, see_other};
use crate::control::Operation;
use crate::model::{GroupName, Mutation};

/// The longest description, in characters, as the admin API has it.
pub(super) const DESCRIPTION: usize = 4096;

pub(super) async fn show(visit: Visit, Query(query): Query) -> Result<Response, Refusal> {
    visit.needs(Operation::CreateGroup)?;
    Ok(again(&visit, StatusCode::OK, &query, &Faults::default()))
}

fn again(visit: &Seen, status: StatusCode, fields: &Fields, faults: &Faults) -> Response {
    let form = Form { fields, faults };
    let body = html! {
        p { a href="/groups" { "Groups" } }
        h1 { "New group" }
        (form.faults())
        form method="post" action="/groups/new" {
            (visit.csrf())
            (form.text(Field::needed("name", "Name", "As the identity provider spells it: case counts. Blanks at its ends are taken away."), 256))
            (form.area(Field::optional("description", "Description", ""), 2))
            button { "Create group" } " " a class="button second" href="/groups" { "Cancel" }
        }
    };
    visit.page_with(status, "New group", &body)
}

pub(super) async fn make(Submitted { visit, fields }: Submitted) -> Result<Response, Refusal> {
    visit.needs(Operation::CreateGroup)?;
    let mut faults = Faults::default();
    let (name, description) = (fields.parsed::<GroupName>("name", &mut faults), fields.short("description", DESCRIPTION, &mut faults));
    let Some(name) = name.filter(|_| faults.is_empty()) else {
        return Ok(again(&visit, StatusCode::UNPROCESSABLE_ENTITY, &fields, &faults));
    };
    match visit.change(Mutation::CreateGroup { name: name.clone(), description }, None).await {
        Ok(made) => Ok(see_other(&format!("{}&saved={}", address("of", &name), made.revision))),
        Err(error) => {
            let refusal = Refusal::from(error);
            faults.note("", refusal.detail);
            Ok(again(&visit, refusal.status, &fields, &faults))
        }
    }
}
