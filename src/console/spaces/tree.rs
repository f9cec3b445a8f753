//! The tree of spaces, as much of it as is shown at once; or, of those that are looked for, a list.

use std::collections::BTreeMap;

use axum::response::Response;
use maud::{Markup, html};

use super::outline::{Below, Outline};
use crate::console::fields::{Faults, Fields, Query};
use crate::console::forms::{Field, Form};
use crate::console::paged::{Sought, part};
use crate::console::parts;
use crate::console::refusal::Refusal;
use crate::console::visit::{Seen, Visit};
use crate::control::Operation;
use crate::model::{Space, SpaceId, SpaceTree};

/// So many bindings of a space are counted: nobody waits for the others.
const COUNTED: u32 = 10;
/// How many spaces are named that somebody administers.
const NAMED: usize = 10;

pub(super) async fn show(visit: Visit, Query(query): Query) -> Result<Response, Refusal> {
    visit.needs(Operation::ViewSpaces)?;
    let spaces = &visit.standing.snapshot().spaces;
    let top: SpaceId = query.given("under").map_or(Ok(SpaceId::root()), str::parse).map_err(|_| no_such_space())?;
    let content = if query.given("q").is_some() { list(&visit, &query) } else { tree(&visit, &query, &top).await? };
    let root_admin = visit.standing.is_root_admin();
    // Where somebody may make one who cannot make it here.
    let parent = Some(&top).filter(|top| visit.may_in(Operation::CreateSpace, top)).or_else(|| visit.standing.administers().next());
    let body = html! {
        div class="heading" {
            h1 { "Spaces" }
            @if let Some(parent) = parent.filter(|parent| spaces.contains(parent)) {
                a class="button" href=(parts::address("/spaces/new", [("parent", parent.as_str())])) { "New space" }
            }
        }
        (parts::saved(&query))
        @if !root_admin {
            p { "You administer, with all below: "
                @for (at, space) in visit.standing.administers().take(NAMED).enumerate() { @if at > 0 { ", " } (parts::space(space)) }
                @if visit.standing.administers().count() > NAMED { ", …" }
            }
        }
        form class="filters" method="get" action="/spaces" {
            (Form { fields: &query, faults: &Faults::default() }.text(Field::optional("q", "Id, name or label contains", ""), 256))
            button class="second" { "Filter" }
        }
        (content)
    };
    Ok(visit.page("Spaces", &body))
}

fn no_such_space() -> Refusal {
    Refusal::not_found("there is no such space")
}

async fn tree(visit: &Seen, query: &Fields, top: &SpaceId) -> Result<Markup, Refusal> {
    let spaces = &visit.standing.snapshot().spaces;
    let space = spaces.find(top).ok_or_else(no_such_space)?;
    let after: Option<SpaceId> = query.given("after").and_then(|after| after.parse().ok());
    let outline = Outline::of(spaces, top, after.as_ref());
    let shown = outline.spaces().chain([top]).cloned().collect();
    let counts = visit.control().store().binding_counts(&shown, COUNTED + 1).await?;
    let told = Branches { spaces, outline, counts };
    Ok(html! {
        @if !top.is_root() || after.is_some() {
            p { a href="/spaces" { "From root" } @for above in way(spaces, top) { " / " a href=(address(above, None)) { code { (above) } } } }
        }
        @if let Some(after) = &after { p class="quiet" { "Directly below " code { (top) } ", those after " code { (after) } ":" } }
        ul class="tree" { (told.branch(space, after.as_ref())) }
    })
}

/// From below `root` down to it.
fn way<'a>(spaces: &'a SpaceTree, id: &SpaceId) -> Vec<&'a SpaceId> {
    let mut way: Vec<&SpaceId> = spaces.path_to_root(id).map(|space| &space.id).filter(|id| !id.is_root()).collect();
    way.reverse();
    way
}

fn address(under: &SpaceId, after: Option<&SpaceId>) -> String {
    parts::address("/spaces", [("under", under.as_str()), ("after", after.map(SpaceId::as_str).unwrap_or_default())])
}

struct Branches<'a> {
    spaces: &'a SpaceTree,
    outline: Outline<'a>,
    counts: BTreeMap<SpaceId, u32>,
}

impl Branches<'_> {
    fn branch(&self, space: &Space, after: Option<&SpaceId>) -> Markup {
        let Below { shown, left_out } = self.outline.below(&space.id, after);
        html! {
            li {
                a href=(parts::space_page(&space.id)) { (space.name) } " " code class="quiet" { (space.id) } (self.bindings(&space.id))
                @if !shown.is_empty() || left_out > 0 {
                    ul {
                        @for child in shown.iter().filter_map(|child| self.spaces.find(child)) { (self.branch(child, None)) }
                        @if left_out > 0 {
                            li { a href=(address(&space.id, shown.last().copied().or(after))) {
                                (left_out) @if !shown.is_empty() { " more" } @if left_out == 1 { " space" } @else { " spaces" } " directly below " code { (space.id) }
                            } }
                        }
                    }
                }
            }
        }
    }

    fn bindings(&self, space: &SpaceId) -> Markup {
        html! {
            @match self.counts.get(space).copied().unwrap_or_default() {
                0 => {},
                1 => span class="quiet" { " — 1 binding" },
                count if count > COUNTED => span class="quiet" { " — more than " (COUNTED) " bindings" },
                count => span class="quiet" { " — " (count) " bindings" },
            }
        }
    }
}

/// Those that are looked for, each with the way to it.
fn list(visit: &Seen, query: &Fields) -> Markup {
    let (spaces, sought) = (&visit.standing.snapshot().spaces, Sought::of(query.text("q")));
    let holds =
        |space: &Space| sought.stands_in([space.id.as_str(), &space.name].into_iter().chain(space.labels.iter().map(String::as_str)));
    let (found, next) = part(query, spaces.iter(), |space| space.id.as_str(), holds);
    html! {
        @if found.is_empty() {
            p { "No space is like that. " a href="/spaces" { "Show all" } }
        } @else {
            div class="table" {
                table {
                    thead { tr { th scope="col" { "Space" } th scope="col" { "Name" } th scope="col" { "Stands under" } th scope="col" { "Labels" } } }
                    tbody {
                        @for space in found {
                            tr {
                                td { (parts::space(&space.id)) }
                                td { (space.name) }
                                td { @if let Some(parent) = &space.parent { code { "root" } @for above in way(spaces, parent) { " / " code { (above) } } } }
                                td { (parts::labels(&space.labels)) }
                            }
                        }
                    }
                }
            }
        }
        (parts::next_page("/spaces", query, &["q"], next.as_deref()))
    }
}
