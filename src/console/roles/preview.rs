//! What a change of a role would come to, told before it is made.

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};

use super::felt::{Felt, Turn};
use super::header::ShownRole;
use super::page::actions;
use crate::console::parts;
use crate::console::refusal::Refusal;
use crate::console::visit::Seen;
use crate::control::BindingsFound;
use crate::model::{ActionPattern, GroupName, KeyId, KeyRecord, KeyState, SpaceId, Strategy, Subject};

/// How many keys are asked about.
const KEYS: usize = 300;
/// How many bindings of keys are read for that.
const BINDINGS: u32 = 500;
/// Of how many groups the members are.
const GROUPS: usize = 200;

/// The keys that hold a role by bindings, as far as they were looked at.
struct Holders {
    keys: BTreeMap<KeyId, KeyRecord>,
    groups: BTreeSet<GroupName>,
    /// Of keys and groups, as far as they were counted.
    bindings: usize,
    is_all: bool,
}

/// Which actions would come and go, who holds the role, and what that is to them.
pub(super) async fn told(visit: &Seen, shown: &ShownRole, after: &[ActionPattern]) -> Result<Markup, Refusal> {
    let turn = Turn::of(&shown.role, after);
    let holders = holders(visit, shown).await?;
    let felt: Vec<(&KeyRecord, BTreeMap<SpaceId, Felt<'_>>)> =
        holders.keys.values().map(|key| (key, turn.felt(&shown.snapshot, key))).filter(|(_, felt)| !felt.is_empty()).collect();
    let looked_at = holders.keys.len();
    Ok(html! {
        section class="card" aria-labelledby="preview" {
            h2 id="preview" { "What saving this would come to" }
            @if turn.is_none() { p role="status" { "It would allow the same as now." } }
            dl class="facts" {
                dt { "Comes" } dd { (list(&turn.comes)) }
                dt { "Goes" } dd { (list(&turn.goes)) }
                dt { "Stays" } dd { (list(&turn.stays)) }
                dt { "Held by" } dd {
                    @if !holders.is_all { "at least " }
                    (parts::counted(holders.bindings, "binding"))
                    @if !holders.groups.is_empty() { ", " (parts::counted(holders.groups.len(), "group")) " among them" }
                }
            }
            @if !turn.is_none() {
                p {
                    @match (felt.len(), looked_at) {
                        (_, 0) => "No key holds the role by a binding.",
                        (0, _) => "No key would gain or lose anything by it: other roles allow them the same.",
                        (some, all) => { "Of " (parts::counted(all, "key")) " that hold it, " strong { (some) } " would gain or lose something:" }
                    }
                }
                @if !felt.is_empty() { (table(visit, &felt)) }
                @if !holders.is_all { p class="warning" { "More keys may hold it: only " (looked_at) " were looked at." } }
                @if shown.snapshot.strategy == Strategy::LoginPolicies {
                    p class="quiet" { "By the strategy in force, what bindings give counts for managing alone." }
                }
                p class="quiet" { "Keys that only a login policy hands the role to are not counted." }
            }
        }
    })
}

fn list(all: &[&ActionPattern]) -> Markup {
    let all: Vec<ActionPattern> = all.iter().map(|action| (*action).clone()).collect();
    html! { @if all.is_empty() { span class="quiet" { "nothing" } } @else { (actions(&all)) } }
}

fn table(visit: &Seen, felt: &[(&KeyRecord, BTreeMap<SpaceId, Felt<'_>>)]) -> Markup {
    let now = visit.control().now();
    html! {
        div class="table" {
            table {
                thead { tr { th scope="col" { "Key" } th scope="col" { "Where, and below" } th scope="col" { "Gains" } th scope="col" { "Loses" } } }
                tbody {
                    @for (key, spaces) in felt {
                        @for (space, Felt { gains, loses }) in spaces {
                            tr {
                                td { (parts::key_link(key.id, key.name.as_str())) " " @if key.state_at(now) != KeyState::Active { (parts::state(key.state_at(now))) } }
                                td { (parts::space(space)) }
                                td { (list(gains)) }
                                td { (list(loses)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

async fn holders(visit: &Seen, shown: &ShownRole) -> Result<Holders, Refusal> {
    let store = visit.control().store();
    let BindingsFound { bindings, looked_to } = shown.bindings(visit, None, BINDINGS).await?;
    let mut holders = Holders { keys: BTreeMap::new(), groups: BTreeSet::new(), bindings: 0, is_all: looked_to.is_none() };
    // All bindings of groups are at hand.
    for binding in shown.snapshot.group_bindings.values().flatten().filter(|binding| binding.role == shown.role.id) {
        holders.bindings += 1;
        if let Subject::Group(group) = &binding.subject {
            holders.groups.insert(group.clone());
        }
    }
    let of_keys = bindings.iter().filter_map(|binding| match &binding.subject {
        Subject::Key(id) => Some(*id),
        Subject::Group(_) => None,
    });
    for id in of_keys {
        holders.bindings += 1;
        if holders.keys.contains_key(&id) {
            continue;
        }
        if holders.keys.len() == KEYS {
            holders.is_all = false;
            continue;
        }
        let key = store.key(id).await?.filter(|key| key.revoked_at.is_none());
        holders.keys.extend(key.map(|key| (id, key)));
    }
    for (at, group) in holders.groups.iter().enumerate() {
        let left = KEYS - holders.keys.len();
        if left == 0 || at == GROUPS {
            holders.is_all = false;
            break;
        }
        // Those that are known already take nobody's place; one more tells whether all were looked at.
        let members = store.members(group, None, u32::try_from(KEYS + 1).unwrap_or(u32::MAX)).await?;
        let new: Vec<KeyRecord> = members.into_iter().filter(|key| !holders.keys.contains_key(&key.id)).collect();
        holders.is_all &= new.len() <= left;
        holders.keys.extend(new.into_iter().take(left).map(|key| (key.id, key)));
    }
    Ok(holders)
}
