//! The list of groups.

use axum::response::Response;
use maud::{Markup, html};

use crate::console::fields::{Faults, Query};
use crate::console::forms::{Field, Form};
use crate::console::paged::{Sought, part};
use crate::console::parts;
use crate::console::refusal::Refusal;
use crate::console::visit::{Seen, Visit};
use crate::control::Operation;
use crate::model::Group;

pub(super) async fn show(visit: Visit, Query(query): Query) -> Result<Response, Refusal> {
    visit.needs(Operation::ViewGroups)?;
    let sought = Sought::of(query.text("q"));
    let holds = |group: &Group| sought.stands_in([group.name.as_str(), &group.description]);
    let (groups, next) = part(&query, visit.standing.snapshot().groups.values(), |group| group.name.as_str(), holds);
    let names = groups.iter().map(|group| group.name.clone()).collect();
    let with_members = visit.control().store().groups_with_members(&names).await?;
    let rows: Vec<(&Group, bool)> = groups.into_iter().map(|group| (group, with_members.contains(&group.name))).collect();
    let body = html! {
        div class="heading" {
            h1 { "Groups" }
            @if visit.may(Operation::CreateGroup) { a class="button" href="/groups/new" { "New group" } }
        }
        (parts::saved(&query))
        form class="filters" method="get" action="/groups" {
            (Form { fields: &query, faults: &Faults::default() }.text(Field::optional("q", "Name or description contains", ""), 256))
            button class="second" { "Filter" }
        }
        @if !rows.is_empty() {
            (table(&visit, &rows))
        } @else if query.given("q").is_some() {
            p { "No group is like that. " a href="/groups" { "Show all" } }
        } @else {
            p { "There is no group. One comes into being when a key is put into it, when a role is assigned to it, or when it is described here." }
        }
        (parts::next_page("/groups", &query, &["q"], next.as_deref()))
    };
    Ok(visit.page("Groups", &body))
}

fn table(visit: &Seen, rows: &[(&Group, bool)]) -> Markup {
    let bindings = &visit.standing.snapshot().group_bindings;
    html! {
        div class="table" {
            table {
                thead { tr { th scope="col" { "Group" } th scope="col" { "Description" } th scope="col" { "Holds" } th scope="col" { "Members" } } }
                tbody {
                    @for (group, has_members) in rows {
                        tr {
                            td { (parts::group(group.name.as_str())) }
                            td { (group.description) }
                            td { @match bindings.get(&group.name).map(Vec::len).unwrap_or_default() {
                                0 => span class="quiet" { "nothing" },
                                count => (parts::counted(count, "binding")),
                            } }
                            td { @if *has_members { "yes" } @else { span class="quiet" { "nobody" } } }
                        }
                    }
                }
            }
        }
    }
}
