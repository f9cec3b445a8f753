//! One role: what it allows, and who holds it.

use axum::response::Response;
use maud::{Markup, html};

use super::header::ShownRole;
use crate::console::bindings;
use crate::console::fields::{Fields, Query};
use crate::console::in_path::InPath;
use crate::console::parts;
use crate::console::refusal::Refusal;
use crate::console::visit::{Seen, Visit};
use crate::control::{BindingsFound, Operation};
use crate::model::{ActionPattern, RoleId};

/// Holders on a page.
const ON_A_PAGE: u32 = 50;

pub(super) async fn show(visit: Visit, InPath(id): InPath<RoleId>, Query(query): Query) -> Result<Response, Refusal> {
    let shown = ShownRole::read(&visit, &id).await?;
    visit.needs(Operation::ViewBindings)?;
    let role = &shown.role;
    let holders = holders(&visit, &shown, &query).await?;
    let body = html! {
        p { a href="/roles" { "Roles" } }
        div class="heading" { h1 { (role.name) } @if role.system { (parts::badge("", "system")) } }
        (parts::saved(&query))
        @if !role.description.is_empty() { p { (role.description) } }
        dl class="facts" { dt { "Slug" } dd { code id="slug" { (role.id) } " " (parts::copy("#slug", "Copy slug")) } }
        @if role.system {
            p class="quiet" { "A role of the system: it can be neither changed nor deleted." }
        } @else {
            div class="actions" {
                @if visit.may(Operation::UpdateRole) { a class="button second" href={ (shown.path()) "/edit" } { "Edit" } }
                @if visit.may(Operation::DeleteRole) { a class="button danger" href={ (shown.path()) "/delete" } { "Delete …" } }
            }
        }
        h2 { "Actions" }
        @if role.actions.is_empty() { p { "It allows no action." } } @else { (actions(&role.actions)) }
        h2 { "Who holds it" }
        (holders)
        @if !shown.snapshot.policies.is_empty() { p class="quiet" { "Login policies may hand it out as well when a key is used." } }
    };
    Ok(visit.page(&role.name, &body))
}

pub(super) fn actions(actions: &[ActionPattern]) -> Markup {
    html! { ul class="chips" { @for action in actions { li { code { (action) } } } } }
}

async fn holders(visit: &Seen, shown: &ShownRole, query: &Fields) -> Result<Markup, Refusal> {
    let after = query.given("cursor").and_then(|after| after.parse().ok());
    let BindingsFound { bindings, looked_to } = shown.bindings(visit, after, ON_A_PAGE).await?;
    let names = bindings::names(visit, &bindings).await?;
    let next = looked_to.map(|id| id.to_string());
    Ok(html! {
        @if !bindings.is_empty() {
            div class="table" {
                table {
                    thead { tr { th scope="col" { "Who" } th scope="col" { "Space" } th scope="col" { "Since" } } }
                    tbody {
                        @for binding in &bindings {
                            tr {
                                td { (bindings::subject(&binding.subject, &names)) }
                                td { (parts::space(&binding.space)) }
                                td { (parts::time(binding.created_at)) }
                            }
                        }
                    }
                }
            }
        } @else {
            p { @if after.is_some() { "There are no more." } @else { "Nobody: no binding is of this role." } }
        }
        (parts::next_page(&shown.page(), query, &[], next.as_deref()))
    })
}
