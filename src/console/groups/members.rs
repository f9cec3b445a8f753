//! Who is in a group, and whether it is alive.

use maud::{Markup, html};

use super::header::ShownGroup;
use crate::console::fields::Fields;
use crate::console::parts;
use crate::console::refusal::Refusal;
use crate::console::visit::Seen;
use crate::control::Operation;
use crate::model::{KeyId, KeyRecord};
use crate::store::AuditQuery;

/// On a page.
pub(super) const ON_A_PAGE: usize = 50;

/// The members after the one that the page before ended with; and where the next page begins.
pub(super) async fn page(visit: &Seen, shown: &ShownGroup, query: &Fields) -> Result<(Vec<KeyRecord>, Option<KeyId>), Refusal> {
    let after = query.given("cursor").and_then(|after| after.parse().ok());
    let mut members = read(visit, shown, after, ON_A_PAGE + 1).await?;
    let is_last = members.len() <= ON_A_PAGE;
    members.truncate(ON_A_PAGE);
    let next = members.last().map(|last| last.id).filter(|_| !is_last);
    Ok((members, next))
}

/// Members by age.
pub(super) async fn read(visit: &Seen, shown: &ShownGroup, after: Option<KeyId>, limit: usize) -> Result<Vec<KeyRecord>, Refusal> {
    let limit = u32::try_from(limit).unwrap_or(u32::MAX);
    Ok(visit.control().store().members(&shown.group.name, after, limit).await?)
}

pub(super) fn table(visit: &Seen, members: &[KeyRecord]) -> Markup {
    let now = visit.control().now();
    html! {
        div class="table" {
            table {
                thead { tr { th scope="col" { "Key" } th scope="col" { "State" } th scope="col" { "Last used" } th scope="col" { "Expires" } } }
                tbody {
                    @for key in members {
                        tr {
                            td { (parts::key_link(key.id, key.name.as_str())) }
                            td { (parts::state(key.state_at(now))) }
                            td { (parts::time_or(parts::last_used(key), "never")) }
                            td { (parts::time_or(key.expires_at, "never")) }
                        }
                    }
                }
            }
        }
    }
}

/// When somebody last came as one of these members, and when the group was last changed.
pub(super) async fn freshness(visit: &Seen, shown: &ShownGroup, members: &[KeyRecord], is_all: bool) -> Result<Markup, Refusal> {
    let used = members.iter().filter_map(parts::last_used).max();
    let changed = if visit.may(Operation::ViewAudit) { Some(last_change(visit, shown).await?) } else { None };
    Ok(html! {
        dl class="facts" {
            dt { "A member was last used" }
            dd { (parts::time_or(used, "never")) @if !is_all { span class="quiet" { " (of the " (parts::counted(members.len(), "member")) " shown below)" } } }
            @if let Some(changed) = changed { dt { "The group was last changed" } dd { (changed) } }
        }
    })
}

async fn last_change(visit: &Seen, shown: &ShownGroup) -> Result<Markup, Refusal> {
    let (action, resource) = (Some("group.".to_owned()), Some(shown.group.name.to_string()));
    let wanted = AuditQuery { limit: 1, action, resource, changed_after: Some(crate::model::Revision(0)), ..AuditQuery::default() };
    let last = visit.control().store().audit(&wanted).await?.pop();
    Ok(html! {
        @match last {
            Some(last) => { (parts::time(last.at)) " by " (crate::console::entries::actor(&last.actor)) },
            None => span class="quiet" { "never, as far as the audit tells" },
        }
    })
}
