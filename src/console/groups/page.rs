//! One group: who is in it, and what it holds.

use axum::response::Response;
use http::StatusCode;
use maud::{Markup, html};

use super::header::{ShownGroup, address, called};
use super::members;
use crate::console::bindings;
use crate::console::fields::{Faults, Fields, Query};
use crate::console::forms::Form;
use crate::console::parts;
use crate::console::refusal::Refusal;
use crate::console::submitted::Submitted;
use crate::console::visit::{Seen, Visit, see_other};
use crate::control::Operation;
use crate::model::{Binding, BindingId, RoleId, SpaceId, Subject};

/// Bindings on a page.
const ON_A_PAGE: usize = 100;

pub(super) async fn show(visit: Visit, Query(query): Query) -> Result<Response, Refusal> {
    let shown = ShownGroup::read(&visit, &called(&query)?).await?;
    page(&visit, &shown, StatusCode::OK, &query, &Faults::default()).await
}

async fn page(visit: &Seen, shown: &ShownGroup, status: StatusCode, fields: &Fields, faults: &Faults) -> Result<Response, Refusal> {
    visit.needs(Operation::ViewBindings)?;
    visit.needs(Operation::ViewKeys)?;
    let (group, form) = (&shown.group, Form { fields, faults });
    let (members, next) = members::page(visit, shown, fields).await?;
    let is_all = next.is_none() && fields.given("cursor").is_none();
    let freshness = members::freshness(visit, shown, &members, is_all).await?;
    let body = html! {
        p { a href="/groups" { "Groups" } }
        h1 { (group.name) }
        (parts::saved(fields))
        @if !group.description.is_empty() { p { (group.description) } }
        (freshness)
        div class="actions" {
            @if visit.may(Operation::UpdateGroup) { a class="button second" href=(address("edit", &group.name)) { "Edit" } }
            @if visit.may(Operation::DeleteGroup) { a class="button danger" href=(address("delete", &group.name)) { "Delete …" } }
        }
        h2 { "What it holds" }
        (holds(visit, shown, fields))
        (assign_form(visit, shown, form))
        h2 { "Members" }
        @if members.is_empty() {
            p { @if fields.given("cursor").is_some() { "There are no more." } @else { "No key is in it." } }
        } @else {
            (members::table(visit, &members))
        }
        @if let Some(next) = next { (next_page(shown, "cursor", &next.to_string(), "Next page of members")) }
    };
    Ok(visit.page_with(status, group.name.as_str(), &body))
}

fn next_page(shown: &ShownGroup, cursor: &str, after: &str, what: &str) -> Markup {
    let address = parts::address("/groups/of", [("name", shown.group.name.as_str()), (cursor, after)]);
    html! { nav class="pages" aria-label=(what) { a class="button" rel="next" href=(address) { (what) } } }
}

fn holds(visit: &Seen, shown: &ShownGroup, query: &Fields) -> Markup {
    let after: Option<BindingId> = query.given("bindings_after").and_then(|after| after.parse().ok());
    let mut bindings: Vec<&Binding> = shown.bindings().iter().filter(|binding| after.is_none_or(|after| binding.id > after)).collect();
    bindings.sort_by_key(|binding| binding.id);
    let is_last = bindings.len() <= ON_A_PAGE;
    bindings.truncate(ON_A_PAGE);
    html! {
        @if bindings.is_empty() {
            p { @if after.is_some() { "There is no more." } @else { "No role is assigned to it." } }
        } @else {
            div class="table" {
                table {
                    thead { tr { th scope="col" { "Role" } th scope="col" { "Space" } th scope="col" { "Since" } th scope="col" { span class="unseen" { "Actions" } } } }
                    tbody { @for binding in &bindings { (row(visit, shown, binding)) } }
                }
            }
        }
        @if let Some(last) = bindings.last().filter(|_| !is_last) { (next_page(shown, "bindings_after", &last.id.to_string(), "Next page of bindings")) }
    }
}

fn row(visit: &Seen, shown: &ShownGroup, binding: &Binding) -> Markup {
    let what = format!("{} in {}", binding.role, binding.space);
    html! {
        tr {
            td { (parts::role(&binding.role)) }
            td { (parts::space(&binding.space)) }
            td { (parts::time(binding.created_at)) }
            td { (bindings::unassign(visit, &address("unassign", &shown.group.name), binding.id, &binding.space, &what)) }
        }
    }
}

fn assign_form(visit: &Seen, shown: &ShownGroup, form: Form<'_>) -> Markup {
    html! {
        @if bindings::assigns_somewhere(visit) {
            h2 { "Assign a role" }
            (form.faults())
            form method="post" action="/groups/assign" {
                (visit.csrf()) (shown.named())
                (bindings::role_field(visit, form, None))
                (bindings::space_field(visit, form))
                button { "Assign" }
            }
        }
    }
}

pub(super) async fn assign(Submitted { visit, fields }: Submitted) -> Result<Response, Refusal> {
    visit.wants(Operation::Bind)?;
    let name = called(&fields)?;
    let shown = ShownGroup::read(&visit, &name).await?;
    let mut faults = Faults::default();
    let (role, space) = (fields.parsed::<RoleId>("role", &mut faults), fields.parsed::<SpaceId>("space", &mut faults));
    let Some((role, space)) = role.zip(space) else {
        return page(&visit, &shown, StatusCode::UNPROCESSABLE_ENTITY, &fields, &faults).await;
    };
    match bindings::assign(&visit, Subject::Group(name), role, space).await {
        Ok(made) => Ok(see_other(&shown.page_after(made.revision))),
        Err(error) => {
            let refusal = Refusal::from(error);
            faults.note("", refusal.detail);
            page(&visit, &shown, refusal.status, &fields, &faults).await
        }
    }
}

pub(super) async fn unassign(Query(query): Query, Submitted { visit, fields }: Submitted) -> Result<Response, Refusal> {
    let name = called(&query)?;
    let made = bindings::take_away(&visit, &fields, |binding| binding.subject == Subject::Group(name.clone())).await?;
    Ok(see_other(&format!("{}&saved={}", address("of", &name), made.revision)))
}
