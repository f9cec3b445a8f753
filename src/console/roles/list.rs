//! The list of roles.

use axum::response::Response;
use maud::{Markup, html};

use crate::console::fields::{Faults, Query};
use crate::console::forms::{Field, Form};
use crate::console::paged::{Sought, part};
use crate::console::parts;
use crate::console::refusal::Refusal;
use crate::console::visit::Visit;
use crate::control::Operation;
use crate::model::Role;

pub(super) async fn show(visit: Visit, Query(query): Query) -> Result<Response, Refusal> {
    visit.needs(Operation::ViewRoles)?;
    let sought = Sought::of(query.text("q"));
    let holds = |role: &Role| sought.stands_in([role.id.as_str(), &role.name]);
    let (roles, next) = part(&query, visit.standing.snapshot().roles.values(), |role| role.id.as_str(), holds);
    let body = html! {
        div class="heading" {
            h1 { "Roles" }
            @if visit.may(Operation::CreateRole) { a class="button" href="/roles/new" { "New role" } }
        }
        (parts::saved(&query))
        form class="filters" method="get" action="/roles" {
            (Form { fields: &query, faults: &Faults::default() }.text(Field::optional("q", "Slug or name contains", ""), 256))
            button class="second" { "Filter" }
        }
        @if roles.is_empty() { p { "No role is like that. " a href="/roles" { "Show all" } } } @else { (table(&roles)) }
        (parts::next_page("/roles", &query, &["q"], next.as_deref()))
    };
    Ok(visit.page("Roles", &body))
}

fn table(roles: &[&Role]) -> Markup {
    html! {
        div class="table" {
            table {
                thead { tr { th scope="col" { "Slug" } th scope="col" { "Name" } th scope="col" { "Actions" } th scope="col" { "Kind" } } }
                tbody {
                    @for role in roles {
                        tr {
                            td {
                                a href=(parts::role_page(&role.id)) { code id={ "slug-" (role.id) } { (role.id) } } " "
                                button type="button" class="quiet-button" data-copy={ "#slug-" (role.id) } aria-label={ "Copy slug " (role.id) } hidden { "Copy" }
                            }
                            td { (role.name) }
                            td { (parts::counted(role.actions.len(), "action")) }
                            td { @if role.system { (parts::badge("", "system")) } @else { "own" } }
                        }
                    }
                }
            }
        }
    }
}
