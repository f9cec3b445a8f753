//! One space: where it stands, and who holds what in it.

use axum::response::Response;
use http::StatusCode;
use maud::{Markup, html};

use super::header::ShownSpace;
use super::holders;
use crate::console::bindings;
use crate::console::fields::{Faults, Fields, Query};
use crate::console::forms::Form;
use crate::console::in_path::InPath;
use crate::console::parts;
use crate::console::refusal::Refusal;
use crate::console::submitted::Submitted;
use crate::console::visit::{Seen, Visit, see_other};
use crate::control::Operation;
use crate::model::{RoleId, SpaceId};

/// How many of the spaces directly below are named.
const NAMED: usize = 100;

pub(super) async fn show(visit: Visit, InPath(id): InPath<SpaceId>, Query(query): Query) -> Result<Response, Refusal> {
    let shown = ShownSpace::read(&visit, &id).await?;
    page(&visit, &shown, StatusCode::OK, &query, &Faults::default()).await
}

async fn page(visit: &Seen, shown: &ShownSpace, status: StatusCode, fields: &Fields, faults: &Faults) -> Result<Response, Refusal> {
    visit.needs(Operation::ViewBindings)?;
    let space = &shown.space;
    let form = Form { fields, faults };
    let (here, above) = (holders::here(visit, shown, fields).await?, holders::above(visit, shown).await?);
    let body = html! {
        (shown.way())
        h1 { (space.name) }
        (parts::saved(fields))
        @if !space.description.is_empty() { p { (space.description) } }
        dl class="facts" {
            dt { "Id" } dd { code id="space-id" { (space.id) } " " (parts::copy("#space-id", "Copy id")) }
            dt { "Stands under" } dd { @match &space.parent { Some(parent) => (parts::space(parent)), None => span class="quiet" { "nothing: every other space stands under it" } } }
            dt { "Labels" } dd { @if space.labels.is_empty() { span class="quiet" { "none" } } @else { (parts::labels(&space.labels)) } }
        }
        (actions(visit, shown))
        (children(shown))
        h2 { "Who holds what here" }
        (here)
        @if !shown.snapshot.policies.is_empty() { p class="quiet" { "Login policies may hand out more when a key is used: what a key holds in all, its own page shows." } }
        (holders::assign_form(visit, shown, form))
        (above)
    };
    Ok(visit.page_with(status, &space.name, &body))
}

fn actions(visit: &Seen, shown: &ShownSpace) -> Markup {
    let id = &shown.space.id;
    html! {
        div class="actions" {
            @if visit.may_in(Operation::UpdateSpace, id) { a class="button second" href={ (shown.path()) "/edit" } { "Edit" } }
            @if visit.may_in(Operation::CreateSpace, id) { a class="button second" href=(parts::address("/spaces/new", [("parent", id.as_str())])) { "New space below" } }
            @if visit.may_in(Operation::DeleteSpace, id) && !id.is_root() { a class="button danger" href={ (shown.path()) "/delete" } { "Delete …" } }
        }
    }
}

fn children(shown: &ShownSpace) -> Markup {
    let (spaces, id) = (&shown.snapshot.spaces, &shown.space.id);
    let count = spaces.children(id).count();
    html! {
        h2 { "Spaces directly below" }
        @if count == 0 {
            p { "None." }
        } @else {
            ul class="chips" { @for child in spaces.children(id).take(NAMED) { li { (parts::space(child)) } } }
            p { a href=(parts::address("/spaces", [("under", id.as_str())])) { "All below, as a tree" } @if count > NAMED { " (" (count) " directly below)" } }
        }
    }
}

pub(super) async fn assign(InPath(id): InPath<SpaceId>, Submitted { visit, fields }: Submitted) -> Result<Response, Refusal> {
    visit.wants(Operation::Bind)?;
    let shown = ShownSpace::read(&visit, &id).await?;
    visit.needs_in(Operation::Bind, &id)?;
    let mut faults = Faults::default();
    let role = fields.parsed::<RoleId>("role", &mut faults);
    let subject = bindings::subject_of(&visit, &fields, &mut faults).await?;
    let Some((subject, role)) = subject.zip(role) else {
        return page(&visit, &shown, StatusCode::UNPROCESSABLE_ENTITY, &fields, &faults).await;
    };
    match bindings::assign(&visit, subject, role, id).await {
        Ok(made) => Ok(see_other(&format!("{}?saved={}", shown.page(), made.revision))),
        Err(error) => {
            let refusal = Refusal::from(error);
            faults.note("", refusal.detail);
            page(&visit, &shown, refusal.status, &fields, &faults).await
        }
    }
}

pub(super) async fn unassign(InPath(id): InPath<SpaceId>, Submitted { visit, fields }: Submitted) -> Result<Response, Refusal> {
    let made = bindings::take_away(&visit, &fields, |binding| binding.space == id).await?;
    Ok(see_other(&format!("{}?saved={}", parts::space_page(&id), made.revision)))
}
