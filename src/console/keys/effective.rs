//! What a key may do, from where, when, and because of what.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use axum::response::Response;
use jiff::Timestamp;
use maud::{Markup, html};

use super::header::{Called, Shown};
use crate::clock::Moment;
use crate::console::fields::{Faults, Fields, Query};
use crate::console::forms::{Field, Form};
use crate::console::parts;
use crate::console::refusal::Refusal;
use crate::console::visit::{Seen, Visit};
use crate::control::{ControlError, Operation};
use crate::exchange::{AsOf, Explanation, Origin};
use crate::model::{Grant, SpaceTree, Via};

/// When and from where it is asked about.
pub(super) struct WhatIf {
    pub(super) address: IpAddr,
    /// `None`: now.
    pub(super) at: Option<Timestamp>,
}

impl WhatIf {
    pub(super) fn read(query: &Fields, faults: &mut Faults) -> Self {
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let address = query.given("remote_ip").map_or(Some(here), |_| query.parsed::<IpAddr>("remote_ip", faults));
        let at = query.time("at", faults);
        Self { address: address.unwrap_or(here).to_canonical(), at }
    }

    pub(super) fn origin(&self, now: Timestamp) -> Origin {
        Origin::at_address(Some(self.address), Moment { wall: self.at.unwrap_or(now), monotonic: Duration::ZERO })
    }

    /// Fields for it.
    pub(super) fn fields(path: &str, query: &Fields, faults: &Faults, with_time: bool) -> Markup {
        let form = Form { fields: query, faults };
        html! {
            h2 { "What if" }
            (form.faults())
            form class="filters" method="get" action=(path) {
                (form.text(Field::optional("remote_ip", "The client's address", "Else 127.0.0.1"), 45))
                @if with_time { (form.line(Field::optional("at", "The time (UTC)", "Else now"), "datetime-local", None)) }
                button class="second" { "Ask" }
            }
        }
    }
}

pub(super) async fn show(visit: Visit, Called(id): Called, Query(query): Query) -> Result<Response, Refusal> {
    let shown = Shown::read(&visit, id).await?;
    let mut faults = Faults::default();
    let what_if = WhatIf::read(&query, &mut faults);
    let explains = visit.may(Operation::Explain);
    let (answer, remarks) = answer(&visit, &shown, &what_if, explains).await?;
    let origin = what_if.origin(visit.control().now());
    let body = html! {
        (shown.header(&visit, &query))
        (WhatIf::fields(&shown.path(), &query, &faults, explains))
        @for remark in &remarks { p class="warning" { (parts::sentence(remark)) } }
        h2 { "From " code { (what_if.address) } " at " (parts::time(origin.at.wall)) }
        (told(&visit.standing.snapshot().spaces, &answer))
    };
    Ok(visit.page(shown.key.name.as_str(), &body))
}

/// What would be decided. Whoever may have decisions explained may ask about another time.
pub(super) async fn answer(visit: &Seen, shown: &Shown, what_if: &WhatIf, explains: bool) -> Result<(Explanation, Vec<String>), Refusal> {
    let control = visit.control();
    let origin = what_if.origin(control.now());
    if let Some(at) = what_if.at.filter(|_| explains) {
        let AsOf { explainer, key, remarks } = control.as_of(Some(at), shown.key.clone()).await?;
        return Ok((explainer.explain(&key, &origin).await, remarks));
    }
    let origin = WhatIf { at: None, ..*what_if }.origin(control.now());
    Ok((control.explain(&shown.key, &origin).await.ok_or(ControlError::Busy)?, Vec::new()))
}

/// The decision, and every grant with what it rests on.
pub(in crate::console) fn told(spaces: &SpaceTree, answer: &Explanation) -> Markup {
    html! {
        @match &answer.outcome {
            Ok(()) => p class="notice" { strong { "Let in." } " Its token would carry the roles below." }
            Err(refusal) => p class="fault" { strong { "Refused" } ": " (parts::sentence(&refusal.sentence())) " (" code { (refusal.code()) } ")" }
        }
        @if let Some(decision) = &answer.decision {
            @if decision.grants.is_empty() {
                p { "It holds no role." }
            } @else {
                div class="table" {
                    table {
                        thead { tr { th scope="col" { "Role" } th scope="col" { "Space" } th scope="col" { "Also below" } th scope="col" { "Because of" } } }
                        tbody { @for grant in decision.grants.iter() { (row(spaces, grant)) } }
                    }
                }
            }
            @if !decision.groups.is_empty() {
                h3 { "Groups in the token" }
                ul class="chips" { @for group in &decision.groups { li { (parts::group(group)) } } }
            }
            @if !decision.ignored.is_empty() {
                h3 { "What policies gave that is not there" }
                ul { @for ignored in &decision.ignored {
                    li { (parts::policy(ignored.policy.as_str())) " gave role " code { (ignored.role) } " in space " code { (ignored.space) } ": " (ignored.reason.label().replace('_', " ")) }
                } }
            }
        }
    }
}

fn row(spaces: &SpaceTree, grant: &Grant) -> Markup {
    let below = spaces.count_below(&grant.space);
    html! {
        tr {
            td { (parts::role(&grant.role)) }
            td { (parts::space(&grant.space)) }
            td { @match below { 0 => span class="quiet" { "no space" }, 1 => "1 space", _ => { (below) " spaces" } } }
            td {
                @match &grant.via {
                    Via::Binding(id) => { "bound to the key itself (" (parts::binding(*id)) ")" }
                    Via::Group(name) => { "group " (parts::group(name.as_str())) }
                    Via::Policy(name) => { "login policy " (parts::policy(name.as_str())) }
                }
            }
        }
    }
}
