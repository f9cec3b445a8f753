//! The roles that are bound to a key: assign one in a space, take one away.

use axum::response::Response;
use http::StatusCode;
use maud::{Markup, html};

use super::header::{Called, Shown};
use crate::console::fields::{Faults, Fields, Query, Submitted};
use crate::console::forms::{Field, Form};
use crate::console::parts;
use crate::console::refusal::Refusal;
use crate::console::visit::{Seen, Visit, see_other};
use crate::control::{ControlError, Operation, binding_id};
use crate::model::{BindingId, KeyBinding, Mutation, Resource, RoleId, SpaceId, Subject};

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
        @if !shown.is_revoked() { (assign_form(visit, shown, fields, faults)) }
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
                @if visit.may_in(Operation::Unbind, &binding.space) {
                    form method="post" action={ (shown.path()) "/unassign" } {
                        (visit.csrf())
                        input type="hidden" name="binding" value=(binding.id);
                        button class="second" aria-label={ "Unassign " (binding.role) " in " (binding.space) } { "Unassign" }
                    }
                }
            }
        }
    }
}

fn assign_form(visit: &Seen, shown: &Shown, fields: &Fields, faults: &Faults) -> Markup {
    let form = Form { fields, faults };
    let snapshot = visit.standing.snapshot();
    let roles = snapshot.roles.values().map(|role| (role.id.as_str(), format!("{} ({})", role.name, role.id)));
    // Only where it would be let happen.
    let spaces = snapshot.spaces.iter().filter(|space| visit.may_in(Operation::Bind, &space.id));
    let spaces = spaces.map(|space| (space.id.as_str(), format!("{} ({})", space.name, space.id)));
    html! {
        h2 { "Assign a role" }
        (form.faults())
        form method="post" action={ (shown.path()) "/roles" } {
            (visit.csrf())
            (form.pick(Field::needed("role", "Role", ""), roles))
            (form.pick(Field::needed("space", "Space", "The role holds there and in all spaces below"), spaces))
            button { "Assign" }
        }
    }
}

pub(super) async fn assign(Called(id): Called, Submitted { visit, fields }: Submitted) -> Result<Response, Refusal> {
    let shown = Shown::read(&visit, id).await?;
    let mut faults = Faults::default();
    let (role, space) = (fields.parsed::<RoleId>("role", &mut faults), fields.parsed::<SpaceId>("space", &mut faults));
    let Some((role, space)) = role.zip(space) else {
        return Ok(page(&visit, &shown, StatusCode::UNPROCESSABLE_ENTITY, &fields, &faults));
    };
    let binding = binding_id(visit.control().now()).map_err(ControlError::from)?;
    let bind = Mutation::CreateBinding { id: binding, subject: Subject::Key(id), role, space };
    match visit.change(bind, None).await {
        Ok(made) => Ok(see_other(&format!("{}/roles?saved={}", shown.path(), made.revision))),
        Err(error) => {
            let refusal = Refusal::from(error);
            faults.note("", refusal.detail);
            Ok(page(&visit, &shown, refusal.status, &fields, &faults))
        }
    }
}

pub(super) async fn unassign(Called(id): Called, Submitted { visit, fields }: Submitted) -> Result<Response, Refusal> {
    let not_found = || Refusal::not_found("there is no such binding of this key");
    let binding: BindingId = fields.text("binding").parse().map_err(|_| not_found())?;
    let found = visit.control().store().binding(binding).await?;
    // What stands in a form is what is done: another key's binding is not taken away from this key's page.
    if !found.is_some_and(|found| found.subject == Subject::Key(id)) {
        return Err(not_found());
    }
    let at = visit.control().store().revision_of(&Resource::Binding(binding)).await?;
    let made = visit.change(Mutation::DeleteBinding { id: binding }, at).await?;
    Ok(see_other(&format!("/keys/{id}/roles?saved={}", made.revision)))
}
