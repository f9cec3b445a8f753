//! What a group is for.

use axum::response::Response;
use http::StatusCode;
use maud::html;

use super::create::DESCRIPTION;
use super::header::{ShownGroup, called};
use crate::console::fields::{Faults, Fields, Query};
use crate::console::forms::{Field, Form};
use crate::console::refusal::Refusal;
use crate::console::submitted::Submitted;
use crate::console::version::{self, stale_or};
use crate::console::visit::{Seen, Visit, see_other};
use crate::control::Operation;
use crate::model::{Mutation, Resource};

pub(super) async fn show(visit: Visit, Query(query): Query) -> Result<Response, Refusal> {
    visit.needs(Operation::UpdateGroup)?;
    let shown = ShownGroup::read(&visit, &called(&query)?).await?;
    let entered = Fields::of([("description", shown.group.description.clone())]);
    Ok(page(&visit, &shown, StatusCode::OK, &entered, &Faults::default()))
}

fn page(visit: &Seen, shown: &ShownGroup, status: StatusCode, fields: &Fields, faults: &Faults) -> Response {
    let form = Form { fields, faults };
    let body = html! {
        (shown.way())
        h1 { "Edit " (shown.group.name) }
        (form.faults())
        form method="post" action="/groups/edit" {
            (visit.csrf()) (shown.named()) (version::at_of(fields, shown.at))
            (form.area(Field::optional("description", "Description", ""), 4))
            button { "Save" } " " a class="button second" href=(shown.page()) { "Cancel" }
        }
    };
    visit.page_with(status, "Edit group", &body)
}

pub(super) async fn make(Submitted { visit, fields }: Submitted) -> Result<Response, Refusal> {
    visit.needs(Operation::UpdateGroup)?;
    let name = called(&fields)?;
    let shown = ShownGroup::read(&visit, &name).await?;
    let mut faults = Faults::default();
    let description = fields.short("description", DESCRIPTION, &mut faults);
    if !faults.is_empty() {
        return Ok(page(&visit, &shown, StatusCode::UNPROCESSABLE_ENTITY, &fields, &faults));
    }
    match visit.change(Mutation::UpdateGroup { name: name.clone(), description }, fields.at()).await {
        Ok(made) => Ok(see_other(&shown.page_after(made.revision))),
        Err(error) => {
            let (status, told) = stale_or(&visit, &Resource::Group(name), error).await;
            faults.note("", told);
            Ok(page(&visit, &shown, status, &fields, &faults))
        }
    }
}
