//! What a change would make of the answers that keys get, as it is shown before it is made.

use maud::{Markup, html};

use super::parts;
use crate::control::{Simulated, SimulatedAnswer};
use crate::exchange::{Difference, Held};

/// How many roles are named in a row.
const NAMED: usize = 20;

/// What was looked at.
#[derive(Clone, Copy)]
pub(super) enum LookedAt {
    Keys,
    Samples,
}

impl LookedAt {
    fn counted(self, count: usize) -> String {
        let what = match self {
            Self::Keys => "live key",
            Self::Samples => "sample",
        };
        format!("{count} {what}{}", if count == 1 { "" } else { "s" })
    }
}

/// In a sentence.
pub(super) fn in_short(found: &Simulated, of: LookedAt) -> Markup {
    let Simulated { looked_at, complete, changed, cut_off, let_in, .. } = found;
    html! {
        @if *complete { (of.counted(*looked_at)) " looked at: " } @else { "The first " (of.counted(*looked_at)) " looked at, in the time that there is: " }
        @match changed { 0 => "nothing would change", 1 => "1 would be answered otherwise", _ => { (changed) " would be answered otherwise" } }
        @if *cut_off > 0 { ", " strong { (cut_off) " cut off" } }
        @if *let_in > 0 { ", " strong { (let_in) " let in" } }
        "."
    }
}

/// All of it: who would gain and lose what.
pub(super) fn told(found: &Simulated, of: LookedAt) -> Markup {
    html! {
        p class=(if found.cut_off > 0 || found.let_in > 0 { "warning" } else { "notice" }) role="status" { (in_short(found, of)) }
        @if !found.answers.is_empty() {
            div class="table" {
                table {
                    thead {
                        tr {
                            th scope="col" { "Key" }
                            @match of { LookedAt::Samples => { th scope="col" { "Sample" } }, LookedAt::Keys => {} }
                            th scope="col" { "From" } th scope="col" { "At" } th scope="col" { "Now" } th scope="col" { "Then" }
                            th scope="col" { "Gains" } th scope="col" { "Loses" }
                        }
                    }
                    tbody { @for answer in &found.answers { (row(answer, of)) } }
                }
            }
            @if found.changed > found.answers.len() { p class="quiet" { "These are the first " (found.answers.len()) " of " (found.changed) "." } }
        }
    }
}

fn row(answer: &SimulatedAnswer, of: LookedAt) -> Markup {
    let Difference { before, after, gained, lost, cut_off, let_in } = &answer.difference;
    let groups = (before.groups != after.groups).then_some((&before.groups, &after.groups));
    html! {
        tr {
            td { (parts::key_link(answer.key, answer.name.as_str())) }
            @match of {
                LookedAt::Samples => td { @if let Some(id) = answer.sample { a href={ "/policies/samples/show?id=" (id) } { (id) } } },
                LookedAt::Keys => {}
            }
            td { code { (answer.address) } }
            td { (parts::time(answer.at)) }
            td { code { (before.code) } @if let Some((was, _)) = groups { (teams(was)) } }
            td {
                code { (after.code) }
                @if *cut_off { " " (parts::badge("bad", "cut off")) }
                @if *let_in { " " (parts::badge("odd", "let in")) }
                @if let Some((_, would)) = groups { (teams(would)) }
            }
            td { (roles(gained)) }
            td { (roles(lost)) }
        }
    }
}

fn teams(groups: &[String]) -> Markup {
    html! { br; span class="quiet" { @if groups.is_empty() { "no group" } @else { "groups: " (groups.join(", ")) } } }
}

fn roles(held: &[Held]) -> Markup {
    html! {
        @if held.is_empty() { span class="quiet" { "nothing" } }
        ul class="chips" {
            @for Held { space, role } in held.iter().take(NAMED) { li { (parts::role(role)) " in " (parts::space(space)) } }
            @if held.len() > NAMED { li class="quiet" { "and " (held.len() - NAMED) " more" } }
        }
    }
}
