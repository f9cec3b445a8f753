//! The settings in force: what each key of the configuration says, where that was written, and what it takes to change it.

use std::collections::BTreeMap;

use axum::response::Response;
use maud::{Markup, html};

use super::fields::Query;
use super::parts;
use super::refusal::Refusal;
use super::visit::Visit;
use crate::config::{ShownKey, TakesEffect, WrittenIn};
use crate::control::Operation;

pub(super) async fn show(visit: Visit, Query(query): Query) -> Result<Response, Refusal> {
    // What a process is told of files and networks is for those who see its signing keys.
    visit.needs(Operation::ViewSigningKeys)?;
    let only_written = query.given("written").is_some();
    let all = visit.state.values().shown(&visit.state.settings());
    let is_known = !all.is_empty();
    let mut sections: BTreeMap<String, Vec<ShownKey>> = BTreeMap::new();
    for key in all.into_iter().filter(|key| !only_written || key.place.is_some()) {
        let section = key.key.rsplit_once('.').map_or(String::new(), |(section, _)| section.to_owned());
        sections.entry(section).or_default().push(key);
    }
    let body = html! {
        h1 { "Settings in force" }
        @if is_known {
            p { "Of the process that shows this page. They are changed where they are written: in the configuration's file, in variables, or by flags." }
            p { @if only_written { a href="/settings" { "All of them" } } @else { a href="/settings?written=yes" { "Only those that were written" } } }
            @for (section, keys) in &sections {
                h2 { @if section.is_empty() { "Of no section" } @else { code { "[" (section) "]" } } }
                (table(keys))
            }
        } @else {
            p { "How this process was configured is not known to it." }
        }
    };
    Ok(visit.page("Settings", &body))
}

fn table(keys: &[ShownKey]) -> Markup {
    let value = |value: &Option<String>| html! { @match value { Some(value) => code { (value) }, None => span class="quiet" { "none" } } };
    html! {
        div class="table" tabindex="0" {
            table {
                thead { tr { th scope="col" { "Key" } th scope="col" { "Value" } th scope="col" { "Default" } th scope="col" { "Written" } th scope="col" { "Another value counts" } } }
                tbody {
                    @for key in keys {
                        tr {
                            td { code { (key.key) } }
                            td { (value(&key.value)) @if key.waits { " " (parts::badge("odd", "another one waits for a restart")) } }
                            td { (value(&key.default)) }
                            td { @match &key.place { Some(place) => (written_in(place)), None => span class="quiet" { "nowhere" } } }
                            td { (takes_effect(key.takes_effect)) }
                        }
                    }
                }
            }
        }
    }
}

fn written_in(place: &WrittenIn) -> Markup {
    html! { @match place { WrittenIn::File => "in the file", WrittenIn::Variable(name) => { "in " code { (name) } } WrittenIn::Flag => "by a flag" } }
}

fn takes_effect(when: TakesEffect) -> &'static str {
    match when {
        TakesEffect::Live => "at once",
        TakesEffect::AtStart => "after a restart",
        TakesEffect::Once => "for a new store alone",
    }
}
