//! Who holds what in a space: by bindings in it, and by bindings above it.

use maud::{Markup, html};

use super::header::ShownSpace;
use crate::console::bindings::{self, subject_text};
use crate::console::fields::Fields;
use crate::console::forms::Form;
use crate::console::parts;
use crate::console::refusal::Refusal;
use crate::console::visit::Seen;
use crate::control::{BindingsFound, Operation};
use crate::model::{Binding, Space, SpaceId};
use crate::store::BindingFilter;

/// On a page.
const ON_A_PAGE: u32 = 50;
/// How many bindings are shown of each space above, and of how many of them.
const OF_ONE_ABOVE: u32 = 20;
const ABOVE: usize = 10;

/// Bindings in a space.
pub(super) async fn found(visit: &Seen, space: &SpaceId, after: Option<&str>, limit: u32) -> Result<BindingsFound, Refusal> {
    let after = after.and_then(|after| after.parse().ok());
    let wanted = BindingFilter { after, limit, space: Some(space.clone()), ..BindingFilter::default() };
    Ok(visit.control().bindings_found(&wanted, u32::MAX).await?)
}

/// Those in the space itself, a page of them.
pub(super) async fn here(visit: &Seen, shown: &ShownSpace, query: &Fields) -> Result<Markup, Refusal> {
    let BindingsFound { bindings, looked_to } = found(visit, &shown.space.id, query.given("cursor"), ON_A_PAGE).await?;
    let names = bindings::names(visit, &bindings).await?;
    let unassign = format!("{}/unassign", shown.path());
    let next = looked_to.map(|id| id.to_string());
    Ok(html! {
        @if bindings.is_empty() {
            p { @if query.given("cursor").is_some() { "There are no more." } @else { "No role is assigned in this very space." } }
        } @else {
            div class="table" {
                table {
                    thead { tr { th scope="col" { "Who" } th scope="col" { "Role" } th scope="col" { "Since" } th scope="col" { span class="unseen" { "Actions" } } } }
                    tbody {
                        @for binding in &bindings {
                            tr {
                                td { (bindings::subject(&binding.subject, &names)) }
                                td { (parts::role(&binding.role)) }
                                td { (parts::time(binding.created_at)) }
                                td { (bindings::unassign(visit, &unassign, binding.id, &binding.space, &format!("{} from {}", binding.role, subject_text(&binding.subject, &names)))) }
                            }
                        }
                    }
                }
            }
        }
        (parts::next_page(&shown.page(), query, &[], next.as_deref()))
    })
}

/// Those in the spaces above, the nearest first.
pub(super) async fn above(visit: &Seen, shown: &ShownSpace) -> Result<Markup, Refusal> {
    let spaces: Vec<&Space> = shown.snapshot.spaces.path_to_root(&shown.space.id).skip(1).collect();
    let mut told: Vec<(&Space, Vec<Binding>, bool)> = Vec::new();
    for space in spaces.iter().take(ABOVE) {
        let BindingsFound { bindings, looked_to } = found(visit, &space.id, None, OF_ONE_ABOVE).await?;
        told.push((space, bindings, looked_to.is_some()));
    }
    let all: Vec<Binding> = told.iter().flat_map(|(_, bindings, _)| bindings).cloned().collect();
    let names = bindings::names(visit, &all).await?;
    Ok(html! {
        @if !spaces.is_empty() {
            h2 { "What holds here from above" }
            @if all.is_empty() { p { "No role is assigned in a space above." } }
            @for (space, bindings, goes_on) in told.iter().filter(|(_, bindings, _)| !bindings.is_empty()) {
                h3 { "By bindings in " (parts::space(&space.id)) }
                ul {
                    @for binding in bindings { li { (bindings::subject(&binding.subject, &names)) ": " (parts::role(&binding.role)) } }
                    @if *goes_on { li { a href=(parts::space_page(&space.id)) { "and more" } } }
                }
            }
            @if spaces.len() > ABOVE { p class="quiet" { "Of the spaces above, the nearest " (ABOVE) " were looked at." } }
        }
    })
}

/// For those who may.
pub(super) fn assign_form(visit: &Seen, shown: &ShownSpace, form: Form<'_>) -> Markup {
    html! {
        @if visit.may_in(Operation::Bind, &shown.space.id) {
            h2 { "Assign a role" }
            (form.faults())
            form method="post" action={ (shown.path()) "/assign" } {
                (visit.csrf())
                (bindings::subject_fields(form))
                (bindings::role_field(visit, form, Some(&shown.space.id)))
                p class="hint" { "It holds in this space and in all below." }
                button { "Assign" }
            }
        }
    }
}
