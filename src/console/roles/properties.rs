//! What a role is called, what it is for, and what it allows; looked at before it is saved.

use axum::response::Response;
use http::StatusCode;
use maud::{Markup, html};

use super::entered::{ACTIONS_HINT, NAME, RoleFields};
use super::header::ShownRole;
use super::preview;
use crate::console::fields::{Faults, Fields};
use crate::console::forms::{Field, Form};
use crate::console::in_path::InPath;
use crate::console::refusal::Refusal;
use crate::console::submitted::Submitted;
use crate::console::version::{self, stale_or};
use crate::console::visit::{Seen, Visit, see_other};
use crate::control::{ControlError, Operation};
use crate::model::{Mutation, Resource, RoleId};
use crate::store::Conflict;

pub(super) async fn show(visit: Visit, InPath(id): InPath<RoleId>) -> Result<Response, Refusal> {
    let shown = changeable(&visit, &id, Operation::UpdateRole).await?;
    Ok(page(&visit, &shown, StatusCode::OK, &as_it_is(&shown), &Faults::default(), &Markup::default()))
}

/// The role, if whoever looks may do this to it, and anybody may.
pub(super) async fn changeable(visit: &Seen, id: &RoleId, operation: Operation) -> Result<ShownRole, Refusal> {
    visit.needs(operation)?;
    let shown = ShownRole::read(visit, id).await?;
    if shown.role.system {
        return Err(ControlError::Store(Conflict::SystemRole(id.clone()).into()).into());
    }
    Ok(shown)
}

fn as_it_is(shown: &ShownRole) -> Fields {
    let role = &shown.role;
    let actions: Vec<String> = role.actions.iter().map(ToString::to_string).collect();
    Fields::of([("name", role.name.clone()), ("description", role.description.clone()), ("actions", actions.join("\n"))])
}

fn page(visit: &Seen, shown: &ShownRole, status: StatusCode, fields: &Fields, faults: &Faults, preview: &Markup) -> Response {
    let form = Form { fields, faults };
    let body = html! {
        (shown.way())
        h1 { "Edit " (shown.role.name) }
        (form.faults())
        (preview)
        form method="post" action={ (shown.path()) "/edit" } {
            (visit.csrf()) (version::at_of(fields, shown.at))
            (form.text(Field::optional("name", "Name", "What people call it; else its slug"), NAME))
            (form.area(Field::optional("description", "Description", ""), 2))
            (form.area(Field::optional("actions", "Actions", ACTIONS_HINT), 12))
            button class="second" name="action" value="preview" { "Preview" } " "
            button name="action" value="save" { "Save" } " "
            a class="button second" href=(shown.page()) { "Cancel" }
        }
    };
    visit.page_with(status, "Edit role", &body)
}

pub(super) async fn make(InPath(id): InPath<RoleId>, Submitted { visit, fields }: Submitted) -> Result<Response, Refusal> {
    let shown = changeable(&visit, &id, Operation::UpdateRole).await?;
    let mut faults = Faults::default();
    let entered = RoleFields::read(&fields, &mut faults);
    if !faults.is_empty() {
        return Ok(page(&visit, &shown, StatusCode::UNPROCESSABLE_ENTITY, &fields, &faults, &Markup::default()));
    }
    // Only what says that it is to be saved is.
    if fields.text("action") != "save" {
        let preview = preview::told(&visit, &shown, &entered.actions).await?;
        return Ok(page(&visit, &shown, StatusCode::OK, &fields, &faults, &preview));
    }
    match visit.change(update(&shown, entered), fields.at()).await {
        Ok(made) => Ok(see_other(&format!("{}?saved={}", shown.page(), made.revision))),
        Err(error) => {
            let (status, told) = stale_or(&visit, &Resource::Role(id), error).await;
            faults.note("", told);
            Ok(page(&visit, &shown, status, &fields, &faults, &Markup::default()))
        }
    }
}

/// What is not otherwise is left alone: a form can say only some of what may stand there.
fn update(shown: &ShownRole, entered: RoleFields) -> Mutation {
    let was = RoleFields::read(&as_it_is(shown), &mut Faults::default());
    let id = shown.role.id.clone();
    let name = if entered.name.is_empty() { id.to_string() } else { entered.name };
    Mutation::UpdateRole {
        name: Some(name).filter(|name| *name != was.name),
        description: Some(entered.description).filter(|description| *description != was.description),
        actions: Some(entered.actions).filter(|actions| *actions != was.actions),
        id,
    }
}
