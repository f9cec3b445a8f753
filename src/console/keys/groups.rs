//! The groups that a key is a member of.

use axum::response::Response;
use http::StatusCode;
use maud::html;

use super::header::{Called, Shown};
use crate::console::fields::{Faults, Fields, Query};
use crate::console::forms::{Field, Form};
use crate::console::parts;
use crate::console::refusal::Refusal;
use crate::console::submitted::Submitted;
use crate::console::version::stale_or;
use crate::console::visit::{Seen, Visit, see_other};
use crate::control::Operation;
use crate::model::{GroupName, Mutation, Resource};

pub(super) async fn show(visit: Visit, Called(id): Called, Query(query): Query) -> Result<Response, Refusal> {
    let shown = Shown::read(&visit, id).await?;
    let lines: Vec<&str> = shown.key.groups.iter().map(GroupName::as_str).collect();
    let mut entered = vec![("groups", lines.join("\n"))];
    if let Some(saved) = query.given("saved") {
        entered.push(("saved", saved.to_owned()));
    }
    Ok(page(&visit, &shown, StatusCode::OK, &Fields::of(entered), &Faults::default()))
}

fn page(visit: &Seen, shown: &Shown, status: StatusCode, fields: &Fields, faults: &Faults) -> Response {
    let form = Form { fields, faults };
    let snapshot = visit.standing.snapshot();
    let body = html! {
        (shown.header(visit, fields))
        @if shown.key.groups.is_empty() {
            p { "This key is in no group." }
        } @else {
            div class="table" {
                table {
                    caption { "Groups, and what they hold" }
                    thead { tr { th scope="col" { "Group" } th scope="col" { "Roles" } } }
                    tbody {
                        @for group in &shown.key.groups {
                            tr {
                                td { (parts::group(group.as_str())) }
                                td { ul class="chips" { @for binding in snapshot.group_bindings.get(group).into_iter().flatten() {
                                    li { (parts::role(&binding.role)) " in " (parts::space(&binding.space)) }
                                } } }
                            }
                        }
                    }
                }
            }
        }
        @if visit.may(Operation::UpdateKey) && !shown.is_revoked() {
            h2 { "Change the groups" }
            (form.faults())
            form method="post" action={ (shown.path()) "/groups" } {
                (visit.csrf()) (shown.at_of(fields))
                (form.area(Field::optional("groups", "Groups", "One a line, as the identity provider spells them: case and blanks count"), 6))
                button { "Save groups" }
            }
        }
    };
    visit.page_with(status, shown.key.name.as_str(), &body)
}

/// Blanks count in a group's name: one that the key is in stays as it is spelled, whatever is taken off the ends of other lines.
fn as_spelled(fields: &Fields, was: &[GroupName], faults: &mut Faults) -> Vec<GroupName> {
    let mut groups = Vec::new();
    for line in fields.raw("groups").lines() {
        match (was.iter().find(|group| group.as_str() == line), line.trim()) {
            (Some(group), _) => groups.push(group.clone()),
            (None, "") => {}
            (None, line) => match line.parse() {
                Ok(group) => groups.push(group),
                Err(error) => faults.note("groups", format!("{error}")),
            },
        }
    }
    groups
}

pub(super) async fn make(Called(id): Called, Submitted { visit, fields }: Submitted) -> Result<Response, Refusal> {
    visit.wants(Operation::UpdateKey)?;
    let shown = Shown::read(&visit, id).await?;
    let mut faults = Faults::default();
    let groups = as_spelled(&fields, &shown.key.groups, &mut faults);
    if !faults.is_empty() {
        return Ok(page(&visit, &shown, StatusCode::UNPROCESSABLE_ENTITY, &fields, &faults));
    }
    let update = Mutation::UpdateKey { id, name: None, description: None, groups: Some(groups), expiry: None };
    match visit.change(update, fields.at()).await {
        Ok(made) => Ok(see_other(&format!("{}/groups?saved={}", shown.path(), made.revision))),
        Err(error) => {
            let (status, told) = stale_or(&visit, &Resource::Key(id), error).await;
            faults.note("", told);
            Ok(page(&visit, &shown, status, &fields, &faults))
        }
    }
}
