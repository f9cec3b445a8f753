//! A new space.

use axum::response::Response;
use http::StatusCode;
use maud::html;

use super::entered::{NAME, SpaceFields};
use crate::console::fields::{Faults, Fields, Query};
use crate::console::forms::{Field, Form};
use crate::console::parts;
use crate::console::refusal::Refusal;
use crate::console::submitted::Submitted;
use crate::console::visit::{Seen, Visit, see_other};
use crate::control::Operation;
use crate::model::{Mutation, Space, SpaceId};

pub(super) async fn show(visit: Visit, Query(query): Query) -> Result<Response, Refusal> {
    // Where it is to be stands in the form.
    visit.wants(Operation::CreateSpace)?;
    Ok(again(&visit, StatusCode::OK, &query, &Faults::default()))
}

fn again(visit: &Seen, status: StatusCode, fields: &Fields, faults: &Faults) -> Response {
    let form = Form { fields, faults };
    let parents = visit.standing.snapshot().spaces.iter().filter(|space| visit.may_in(Operation::CreateSpace, &space.id));
    let parents = parents.map(|space| (space.id.as_str(), format!("{} ({})", space.name, space.id)));
    let body = html! {
        p { a href="/spaces" { "Spaces" } }
        h1 { "New space" }
        (form.faults())
        form method="post" action="/spaces/new" {
            (visit.csrf())
            (form.text(Field::needed("id", "Id", "For good: lower-case letters, digits, - and _, such as production. Policies and tokens name it."), 64))
            (form.text(Field::optional("name", "Name", "What people call it; else its id"), NAME))
            (form.area(Field::optional("description", "Description", ""), 2))
            (form.area(Field::optional("labels", "Labels", "One a line. Login policies see them."), 3))
            (form.pick(Field::needed("parent", "Stands under", "Roles that hold there hold in the new space, too"), parents))
            button { "Create space" } " " a class="button second" href="/spaces" { "Cancel" }
        }
    };
    visit.page_with(status, "New space", &body)
}

pub(super) async fn make(Submitted { visit, fields }: Submitted) -> Result<Response, Refusal> {
    // Where it is to be stands in the form.
    visit.wants(Operation::CreateSpace)?;
    let mut faults = Faults::default();
    let (id, parent) = (fields.parsed::<SpaceId>("id", &mut faults), fields.parsed::<SpaceId>("parent", &mut faults));
    let SpaceFields { name, description, labels } = SpaceFields::read(&fields, &mut faults);
    let Some((id, parent)) = id.zip(parent).filter(|_| faults.is_empty()) else {
        return Ok(again(&visit, StatusCode::UNPROCESSABLE_ENTITY, &fields, &faults));
    };
    let name = if name.is_empty() { id.to_string() } else { name };
    match visit.change(Mutation::CreateSpace(Space { id: id.clone(), name, description, parent: Some(parent), labels }), None).await {
        Ok(made) => Ok(see_other(&format!("{}?saved={}", parts::space_page(&id), made.revision))),
        Err(error) => {
            let refusal = Refusal::from(error);
            faults.note("", refusal.detail);
            Ok(again(&visit, refusal.status, &fields, &faults))
        }
    }
}
