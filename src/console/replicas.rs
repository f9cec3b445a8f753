//! Who serves from the store, and what is in force in each. A script looks again every two seconds; without one, whoever reads does.

use axum::response::Response;
use maud::{Markup, html};

use super::assets;
use super::fields::Query;
use super::parts;
use super::refusal::Refusal;
use super::visit::Visit;
use crate::control::{Gone, Operation, ReplicaView};
use crate::model::Replicas;

/// How many are shown: a page that is loaded again and again stays small.
const SHOWN: usize = 500;

pub(super) async fn show(visit: Visit, Query(query): Query) -> Result<Response, Refusal> {
    visit.needs(Operation::ViewReplicas)?;
    let all = query.given("all").is_some();
    let replicas = visit.control().replicas().await?;
    let views = ReplicaView::of(&replicas, if all { Gone::Shown } else { Gone::LeftOut });
    let body = html! {
        h1 { "Replicas" }
        div data-refresh="2000" id="replicas" { (table(&replicas, &views)) }
        p {
            @if all { a href="/replicas" { "Only those that are there" } } @else { a href="/replicas?all=yes" { "Also those that were there within the last day" } }
            ", " a href=(if all { "/replicas?all=yes" } else { "/replicas" }) { "look again" }
        }
        p class="quiet" { "One that has not been seen for 15 seconds has ended, hangs, or is cut off from the store: no change waits for it." }
        script type="module" src=(assets::path("refresh.js")) {}
    };
    Ok(visit.page("Replicas", &body))
}

fn table(replicas: &Replicas, views: &[ReplicaView]) -> Markup {
    let live = views.iter().filter(|replica| replica.live).count();
    html! {
        p { "Revision " strong { (replicas.revision) } " is the last one. " (live) @if live == 1 { " replica serves." } @else { " replicas serve." } }
        div class="table" tabindex="0" {
            table {
                thead {
                    tr {
                        th scope="col" { "Name" } th scope="col" { "State" } th scope="col" { "Version" } th scope="col" { "Revision in force" }
                        th scope="col" { "Behind" } th scope="col" { "Last seen" } th scope="col" { "Started" }
                    }
                }
                tbody { @for replica in views.iter().take(SHOWN) { (row(replica)) } }
            }
        }
        @if views.len() > SHOWN { p { "And " (views.len() - SHOWN) " more: the admin API has all of them." } }
    }
}

fn row(replica: &ReplicaView) -> Markup {
    html! {
        tr data-row=(replica.name) {
            td { code { (replica.name) } }
            td { @if replica.live { (parts::badge("good", "live")) } @else { (parts::badge("bad", "gone")) } }
            td { (replica.version) }
            td { (replica.applied_revision) }
            td {
                @match replica.lag_revisions {
                    0 => span class="quiet" { "nothing" },
                    1 => { "1 change, for " (format!("{:.1}", replica.lag_seconds)) " s" }
                    many => { (many) " changes, for " (format!("{:.1}", replica.lag_seconds)) " s" }
                }
            }
            td { (parts::time_to_the_second(replica.last_seen_at)) }
            td { (parts::time(replica.started_at)) }
        }
    }
}
