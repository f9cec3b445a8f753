//! Deleting a space that nothing uses any more.

use axum::response::Response;
use http::StatusCode;
use maud::{Markup, html};

use super::header::ShownSpace;
use super::holders;
use crate::console::bindings;
use crate::console::fields::{Faults, Fields};
use crate::console::forms::{Form, danger};
use crate::console::in_path::InPath;
use crate::console::parts;
use crate::console::refusal::Refusal;
use crate::console::submitted::Submitted;
use crate::console::version::{self, stale_or};
use crate::console::visit::{Seen, Visit, see_other};
use crate::control::{BindingsFound, Operation};
use crate::model::{Mutation, Resource, SpaceId};

/// How much is named of what is in the way.
const NAMED: usize = 20;

pub(super) async fn ask(visit: Visit, InPath(id): InPath<SpaceId>) -> Result<Response, Refusal> {
    let shown = ShownSpace::read(&visit, &id).await?;
    visit.needs_in(Operation::DeleteSpace, &id)?;
    page(&visit, &shown, StatusCode::OK, &Fields::default(), &Faults::default()).await
}

async fn page(visit: &Seen, shown: &ShownSpace, status: StatusCode, fields: &Fields, faults: &Faults) -> Result<Response, Refusal> {
    let form = Form { fields, faults };
    let name = &shown.space.name;
    let in_the_way = in_the_way(visit, shown).await?;
    let body = html! {
        (shown.way())
        h1 { "Delete " (name) }
        (form.faults())
        @if let Some(in_the_way) = &in_the_way {
            (in_the_way)
            p { a class="button second" href=(shown.page()) { "Back" } }
        } @else {
            p { "Nothing stands under it, and no role is assigned in it. Login policies that name it will be told that there is no such space." }
            form method="post" action={ (shown.path()) "/delete" } {
                (visit.csrf()) (version::at_of(fields, shown.at))
                (danger("Delete space")) " " a class="button second" href=(shown.page()) { "Cancel" }
            }
        }
    };
    Ok(visit.page_with(status, "Delete space", &body))
}

/// What uses it, by name; `None`: nothing does.
async fn in_the_way(visit: &Seen, shown: &ShownSpace) -> Result<Option<Markup>, Refusal> {
    let id = &shown.space.id;
    if id.is_root() {
        return Ok(Some(html! { p { "The root space cannot be deleted." } }));
    }
    let children: Vec<&SpaceId> = shown.snapshot.spaces.children(id).take(NAMED + 1).collect();
    let BindingsFound { bindings, looked_to } = holders::found(visit, id, None, 20).await?;
    if children.is_empty() && bindings.is_empty() {
        return Ok(None);
    }
    let names = bindings::names(visit, &bindings).await?;
    Ok(Some(html! {
        div class="warning" {
            p { "It cannot be deleted while it is used:" }
            ul {
                @for child in children.iter().take(NAMED) { li { "space " (parts::space(child)) " stands under it" } }
                @if children.len() > NAMED { li { "and more spaces" } }
                @for binding in &bindings { li { (bindings::subject(&binding.subject, &names)) " holds " (parts::role(&binding.role)) " in it" } }
                @if looked_to.is_some() { li { "and more bindings" } }
            }
        }
    }))
}

pub(super) async fn make(InPath(id): InPath<SpaceId>, Submitted { visit, fields }: Submitted) -> Result<Response, Refusal> {
    visit.wants(Operation::DeleteSpace)?;
    let shown = ShownSpace::read(&visit, &id).await?;
    visit.needs_in(Operation::DeleteSpace, &id)?;
    let parent = shown.space.parent.clone().unwrap_or_else(SpaceId::root);
    match visit.change(Mutation::DeleteSpace { id: id.clone() }, fields.at()).await {
        Ok(made) => Ok(see_other(&format!("{}?saved={}", parts::space_page(&parent), made.revision))),
        Err(error) => {
            let mut faults = Faults::default();
            let (status, told) = stale_or(&visit, &Resource::Space(id), error).await;
            faults.note("", told);
            page(&visit, &shown, status, &fields, &faults).await
        }
    }
}
