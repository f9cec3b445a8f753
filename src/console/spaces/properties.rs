//! What a space is called, what it is for, and where it stands.

use axum::response::Response;
use http::StatusCode;
use maud::{Markup, html};

use super::entered::{NAME, SpaceFields};
use super::header::ShownSpace;
use crate::console::fields::{Faults, Fields};
use crate::console::forms::{Field, Form};
use crate::console::in_path::InPath;
use crate::console::refusal::Refusal;
use crate::console::submitted::Submitted;
use crate::console::version::{self, stale_or};
use crate::console::visit::{Seen, Visit, see_other};
use crate::control::Operation;
use crate::model::{Mutation, Resource, SpaceId};

pub(super) async fn show(visit: Visit, InPath(id): InPath<SpaceId>) -> Result<Response, Refusal> {
    let shown = ShownSpace::read(&visit, &id).await?;
    visit.needs_in(Operation::UpdateSpace, &id)?;
    Ok(page(&visit, &shown, StatusCode::OK, &as_it_is(&shown), &Faults::default()))
}

fn as_it_is(shown: &ShownSpace) -> Fields {
    let space = &shown.space;
    Fields::of([
        ("name", space.name.clone()),
        ("description", space.description.clone()),
        ("labels", space.labels.join("\n")),
        ("parent", space.parent.as_ref().map(ToString::to_string).unwrap_or_default()),
    ])
}

/// Whether whoever looks may take it away from where it stands.
fn moves(visit: &Seen, shown: &ShownSpace) -> bool {
    shown.space.parent.as_ref().is_some_and(|parent| visit.may_in(Operation::MoveSpace, parent))
}

fn page(visit: &Seen, shown: &ShownSpace, status: StatusCode, fields: &Fields, faults: &Faults) -> Response {
    let form = Form { fields, faults };
    let id = &shown.space.id;
    let body = html! {
        (shown.way())
        h1 { "Edit " (shown.space.name) }
        (form.faults())
        form method="post" action={ (shown.path()) "/edit" } {
            (visit.csrf()) (version::at_of(fields, shown.at))
            @if id.is_root() {
                p class="quiet" { "The root space can be neither renamed nor moved." }
            } @else {
                (form.text(Field::optional("name", "Name", "What people call it; else its id"), NAME))
            }
            (form.area(Field::optional("description", "Description", ""), 2))
            (form.area(Field::optional("labels", "Labels", "One a line. Login policies see them: other labels may mean other roles."), 3))
            @if moves(visit, shown) { (parent_field(visit, shown, form)) }
            button { "Save" } " " a class="button second" href=(shown.page()) { "Cancel" }
        }
    };
    visit.page_with(status, "Edit space", &body)
}

fn parent_field(visit: &Seen, shown: &ShownSpace, form: Form<'_>) -> Markup {
    let spaces = &shown.snapshot.spaces;
    let fits = |id: &SpaceId| visit.may_in(Operation::MoveSpace, id) && !spaces.is_within(id, &shown.space.id);
    let parents = spaces.iter().filter(|space| fits(&space.id)).map(|space| (space.id.as_str(), format!("{} ({})", space.name, space.id)));
    let hint =
        "Another one moves the space with all below it: what holds above the old place ends in it, what holds above the new one begins";
    form.pick(Field::needed("parent", "Stands under", hint), parents)
}

pub(super) async fn make(InPath(id): InPath<SpaceId>, Submitted { visit, fields }: Submitted) -> Result<Response, Refusal> {
    visit.wants(Operation::UpdateSpace)?;
    let shown = ShownSpace::read(&visit, &id).await?;
    visit.needs_in(Operation::UpdateSpace, &id)?;
    let mut faults = Faults::default();
    let entered = SpaceFields::read(&fields, &mut faults);
    // Where somebody may not move it, nothing is said of where it stands.
    let parent = fields.given("parent").and_then(|_| fields.parsed::<SpaceId>("parent", &mut faults));
    if !faults.is_empty() {
        return Ok(page(&visit, &shown, StatusCode::UNPROCESSABLE_ENTITY, &fields, &faults));
    }
    match visit.change(update(&shown, entered, parent), fields.at()).await {
        Ok(made) => Ok(see_other(&format!("{}?saved={}", shown.page(), made.revision))),
        Err(error) => {
            let (status, told) = stale_or(&visit, &Resource::Space(id), error).await;
            faults.note("", told);
            Ok(page(&visit, &shown, status, &fields, &faults))
        }
    }
}

/// What is not otherwise is left alone: a form can say only some of what may stand there.
fn update(shown: &ShownSpace, entered: SpaceFields, parent: Option<SpaceId>) -> Mutation {
    let was = SpaceFields::read(&as_it_is(shown), &mut Faults::default());
    let id = shown.space.id.clone();
    let name = if entered.name.is_empty() { id.to_string() } else { entered.name };
    Mutation::UpdateSpace {
        name: Some(name).filter(|name| !id.is_root() && *name != was.name),
        description: Some(entered.description).filter(|description| *description != was.description),
        labels: Some(entered.labels).filter(|labels| *labels != was.labels),
        parent: parent.filter(|parent| shown.space.parent.as_ref() != Some(parent)),
        id,
    }
}
