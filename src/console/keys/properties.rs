//! What a key is called, what it is for, when it ends.

use axum::response::Response;
use http::StatusCode;
use jiff::Timestamp;
use maud::html;

use super::create::{expiry, expiry_of};
use super::header::{Called, Shown};
use crate::console::fields::{Faults, Fields};
use crate::console::forms::{Field, Form};
use crate::console::refusal::Refusal;
use crate::console::submitted::Submitted;
use crate::console::version::stale_or;
use crate::console::visit::{Seen, Visit, see_other};
use crate::control::Operation;
use crate::model::{Expiry, KeyName, Mutation, Resource};

pub(super) async fn show(visit: Visit, Called(id): Called) -> Result<Response, Refusal> {
    visit.needs(Operation::UpdateKey)?;
    let shown = Shown::read(&visit, id).await?;
    let (expires, at) = match shown.key.expires_at {
        Some(at) => ("at", at.strftime("%Y-%m-%dT%H:%M").to_string()),
        None => ("never", String::new()),
    };
    let entered = Fields::of([
        ("name", shown.key.name.to_string()),
        ("description", shown.key.description.clone()),
        ("expires", expires.to_owned()),
        ("expires_at", at),
    ]);
    Ok(page(&visit, &shown, StatusCode::OK, &entered, &Faults::default()))
}

fn page(visit: &Seen, shown: &Shown, status: StatusCode, fields: &Fields, faults: &Faults) -> Response {
    let form = Form { fields, faults };
    let body = html! {
        p { a href=(shown.path()) { (shown.key.name) } }
        h1 { "Edit " (shown.key.name) }
        (form.faults())
        form method="post" action={ (shown.path()) "/edit" } {
            (visit.csrf()) (shown.at_of(fields))
            (form.text(Field::needed("name", "Name", "Login policies see it: another name may mean other roles"), 128))
            (form.text(Field::optional("description", "Description", ""), 4096))
            (expiry(&form))
            button { "Save" } " " a class="button second" href=(shown.path()) { "Cancel" }
        }
    };
    visit.page_with(status, "Edit key", &body)
}

pub(super) async fn make(Called(id): Called, Submitted { visit, fields }: Submitted) -> Result<Response, Refusal> {
    visit.needs(Operation::UpdateKey)?;
    let shown = Shown::read(&visit, id).await?;
    let mut faults = Faults::default();
    let name = fields.parsed::<KeyName>("name", &mut faults);
    let description = Some(fields.short("description", 4096, &mut faults));
    let expiry = match expiry_of(&fields, visit.control().now(), &mut faults) {
        Some(at) => Expiry::At(kept(at, shown.key.expires_at)),
        None => Expiry::Never,
    };
    if !faults.is_empty() {
        return Ok(page(&visit, &shown, StatusCode::UNPROCESSABLE_ENTITY, &fields, &faults));
    }
    match visit.change(Mutation::UpdateKey { id, name, description, groups: None, expiry: Some(expiry) }, fields.at()).await {
        Ok(made) => Ok(see_other(&format!("{}?saved={}", shown.path(), made.revision))),
        Err(error) => {
            let (status, told) = stale_or(&visit, &Resource::Key(id), error).await;
            faults.note("", told);
            Ok(page(&visit, &shown, status, &fields, &faults))
        }
    }
}

/// A form knows minutes: an end that it shows as it was stays as it was.
fn kept(entered: Timestamp, before: Option<Timestamp>) -> Timestamp {
    before.filter(|before| before.as_second().div_euclid(60) == entered.as_second().div_euclid(60)).unwrap_or(entered)
}
