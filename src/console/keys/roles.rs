//! The roles that are bound to a key: assign one in a space, take one away.

use axum::response::Response;
use http::StatusCode;
use maud::{Markup, html};

use super::header::{Called, Shown};
use crate::console::bindings;
use crate::console::fields::{Faults, Fields, Query};
use crate::console::forms::Form;
use crate::console::parts;
use crate::console::refusal::Refusal;
use crate::console::submitted::Submitted;
use crate::console::visit::{Seen, Visit, see_other};
use crate::control::Operation;
use crate::model::{KeyBinding, RoleId, SpaceId, Subject};

pub(super) async fn show(visit: Visit, Called(id): Called, Query(query): Query) -> Result<Response, Refusal> {
    let shown = Shown::read(&visit, id).await?;
    Ok(page(&visit, &shown, StatusCode::OK, &query, &Faults::default()))
}

fn page(visit: &Seen, shown: &Shown, status: StatusCode, fields: &Fields, faults: &Faults) -> Response {
    let body = html! {
        (shown.header(visit, fields))
        @if shown.key.bindings.is_empty() {
            p { "No role is bound to this key itself. What it holds by its groups and by login policies, its effective access shows." }
        } @else {
            div class="table" {
                table {
                    caption { "Roles that are bound to the key itself" }
                    thead { tr { th scope="col" { "Role" } th scope="col" { "Space" } th scope="col" { "Binding" } th scope="col" { span class="unseen" { "Actions" } } } }
                    tbody { @for binding in &shown.key.bindings { (row(visit, shown, binding)) } }
                }
            }
        }
        @if !shown.is_revoked() && bindings::assigns_somewhere(visit) { (assign_form(visit, shown, fields, faults)) }
    };
    visit.page_with(status, shown.key.name.as_str(), &body)
}

fn row(visit: &Seen, shown: &Shown, binding: &KeyBinding) -> Markup {
    html! {
        tr {
            td { (parts::role(&binding.role)) }
            td { (parts::space(&binding.space)) }
            td { (parts::binding(binding.id)) }
            td {
                (bindings::unassign(visit, &format!("{}/unassign", shown.path()), binding.id, &binding.space, &format!("{} in {}", binding.role, binding.space)))
            }
        }
    }
}

fn assign_form(visit: &Seen, shown: &Shown, fields: &Fields, faults: &Faults) -> Markup {
    let form = Form { fields, faults };
    html! {
        h2 { "Assign a role" }
        (form.faults())
        form method="post" action={ (shown.path()) "/roles" } {
            (visit.csrf())
            (bindings::role_field(visit, form, None))
            (bindings::space_field(visit, form))
            button { "Assign" }
        }
    }
}

pub(super) async fn assign(Called(id): Called, Submitted { visit, fields }: Submitted) -> Result<Response, Refusal> {
    visit.wants(Operation::Bind)?;
    let shown = Shown::read(&visit, id).await?;
    let mut faults = Faults::default();
    let (role, space) = (fields.parsed::<RoleId>("role", &mut faults), fields.parsed::<SpaceId>("space", &mut faults));
    let Some((role, space)) = role.zip(space) else {
        return Ok(page(&visit, &shown, StatusCode::UNPROCESSABLE_ENTITY, &fields, &faults));
    };
    match bindings::assign(&visit, Subject::Key(id), role, space).await {
        Ok(made) => Ok(see_other(&format!("{}/roles?saved={}", shown.path(), made.revision))),
        Err(error) => {
            let refusal = Refusal::from(error);
            faults.note("", refusal.detail);
            Ok(page(&visit, &shown, refusal.status, &fields, &faults))
        }
    }
}

pub(super) async fn unassign(Called(id): Called, Submitted { visit, fields }: Submitted) -> Result<Response, Refusal> {
    let made = bindings::take_away(&visit, &fields, |binding| binding.subject == Subject::Key(id)).await?;
    Ok(see_other(&format!("/keys/{id}/roles?saved={}", made.revision)))
}
