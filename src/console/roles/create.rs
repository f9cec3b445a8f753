//! A new role.

use axum::response::Response;
use http::StatusCode;
use maud::html;

use super::entered::{ACTIONS_HINT, NAME, RoleFields};
use crate::console::fields::{Faults, Fields, Query};
use crate::console::forms::{Field, Form};
use crate::console::parts;
use crate::console::refusal::Refusal;
use crate::console::submitted::Submitted;
use crate::console::visit::{Seen, Visit, see_other};
use crate::control::Operation;
use crate::model::{Mutation, RoleId};

pub(super) async fn show(visit: Visit, Query(query): Query) -> Result<Response, Refusal> {
    visit.needs(Operation::CreateRole)?;
    Ok(again(&visit, StatusCode::OK, &query, &Faults::default()))
}

fn again(visit: &Seen, status: StatusCode, fields: &Fields, faults: &Faults) -> Response {
    let form = Form { fields, faults };
    let body = html! {
        p { a href="/roles" { "Roles" } }
        h1 { "New role" }
        (form.faults())
        form method="post" action="/roles/new" {
            (visit.csrf())
            (form.text(Field::needed("id", "Slug", "For good: lower-case letters, digits, - and _, such as deployer. Policies and tokens name it."), 64))
            (form.text(Field::optional("name", "Name", "What people call it; else its slug"), NAME))
            (form.area(Field::optional("description", "Description", ""), 2))
            (form.area(Field::optional("actions", "Actions", ACTIONS_HINT), 8))
            button { "Create role" } " " a class="button second" href="/roles" { "Cancel" }
        }
    };
    visit.page_with(status, "New role", &body)
}

pub(super) async fn make(Submitted { visit, fields }: Submitted) -> Result<Response, Refusal> {
    visit.needs(Operation::CreateRole)?;
    let mut faults = Faults::default();
    let id = fields.parsed::<RoleId>("id", &mut faults);
    let RoleFields { name, description, actions } = RoleFields::read(&fields, &mut faults);
    let Some(id) = id.filter(|_| faults.is_empty()) else {
        return Ok(again(&visit, StatusCode::UNPROCESSABLE_ENTITY, &fields, &faults));
    };
    let name = if name.is_empty() { id.to_string() } else { name };
    match visit.change(Mutation::CreateRole { id: id.clone(), name, description, actions }, None).await {
        Ok(made) => Ok(see_other(&format!("{}?saved={}", parts::role_page(&id), made.revision))),
        Err(error) => {
            let refusal = Refusal::from(error);
            faults.note("", refusal.detail);
            Ok(again(&visit, refusal.status, &fields, &faults))
        }
    }
}
