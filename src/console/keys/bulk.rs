//! The same done to several keys: all of them or none.

use std::sync::Arc;

use axum::response::Response;
use http::StatusCode;
use maud::{Markup, html};

use super::create::{expiry, expiry_of};
use super::stop::may_stop;
use crate::console::fields::{Faults, Fields};
use crate::console::forms::{Form, danger};
use crate::console::parts;
use crate::console::refusal::Refusal;
use crate::console::submitted::Submitted;
use crate::console::visit::{Seen, see_other};
use crate::control::{Batch, Rehearsal};
use crate::model::{Expiry, KeyId, KeyRecord, KeyState, Mutation};

/// How many at a time: those of a page.
const MOST: usize = 200;

pub(super) async fn confirm(Submitted { visit, fields }: Submitted) -> Result<Response, Refusal> {
    may_stop(&visit)?;
    let keys = chosen(&visit, &fields).await?;
    Ok(page(&visit, StatusCode::OK, &keys, &fields, &Faults::default()))
}

fn page(visit: &Seen, status: StatusCode, keys: &[KeyRecord], fields: &Fields, faults: &Faults) -> Response {
    let form = Form { fields, faults };
    let revokes = fields.text("action") == "revoke";
    let title = if revokes { "Revoke keys" } else { "Let keys expire" };
    let body = html! {
        p { a href="/keys" { "API keys" } }
        h1 { (title) }
        (form.faults())
        @if keys.is_empty() {
            p { "No key was chosen that is not revoked. " a href="/keys" { "Back to the list" } }
        } @else {
            @if revokes { p { "All of these or none: a revoked key is refused everywhere within a second and never works again." } }
            ul { @for key in keys { li { (parts::key_link(key.id, key.name.as_str())) " " (parts::state(key.state_at(visit.control().now()))) } } }
            form method="post" action="/keys/bulk" {
                (visit.csrf()) (ids(keys))
                input type="hidden" name="action" value=(fields.text("action"));
                @if revokes { (danger(&format!("Revoke {} keys for good", keys.len()))) } @else { (expiry(&form)) button { "Set the expiry of " (keys.len()) " keys" } }
                " " a class="button second" href="/keys" { "Cancel" }
            }
        }
    };
    visit.page_with(status, title, &body)
}

fn ids(keys: &[KeyRecord]) -> Markup {
    html! { @for key in keys { input type="hidden" name="id" value=(key.id); } }
}

async fn chosen(visit: &Seen, fields: &Fields) -> Result<Vec<KeyRecord>, Refusal> {
    let mut keys = Vec::new();
    for id in fields.all("id").take(MOST) {
        let id: KeyId = id.parse().map_err(|_| Refusal::not_found("there is no such key"))?;
        let key = visit.control().store().key(id).await?.ok_or_else(|| Refusal::not_found("there is no such key"))?;
        keys.push(key);
    }
    keys.retain(|key| key.state_at(visit.control().now()) != KeyState::Revoked);
    Ok(keys)
}

pub(super) async fn make(Submitted { visit, fields }: Submitted) -> Result<Response, Refusal> {
    may_stop(&visit)?;
    let keys = chosen(&visit, &fields).await?;
    let mut faults = Faults::default();
    let mutations: Vec<Mutation> = if fields.text("action") == "revoke" {
        keys.iter().map(|key| Mutation::RevokeKey { id: key.id }).collect()
    } else {
        let expiry = expiry_of(&fields, visit.control().now(), &mut faults).map_or(Expiry::Never, Expiry::At);
        let update =
            |key: &KeyRecord| Mutation::UpdateKey { id: key.id, name: None, description: None, groups: None, expiry: Some(expiry) };
        keys.iter().map(update).collect()
    };
    if !faults.is_empty() || mutations.is_empty() {
        return Ok(page(&visit, StatusCode::UNPROCESSABLE_ENTITY, &keys, &fields, &faults));
    }
    let (control, asked) = (Arc::clone(visit.control()), visit.asked.clone());
    let batch = Batch { mutations, ..Batch::default() };
    let made =
        visit.to_its_end(async move { control.change_all(&asked, batch, Rehearsal::No).await.map_err(|refused| refused.error) }).await;
    match made {
        Ok(made) => Ok(see_other(&format!("/keys?saved={}", made.revision))),
        Err(error) => {
            let refusal = Refusal::from(error);
            faults.note("", refusal.detail);
            Ok(page(&visit, refusal.status, &keys, &fields, &faults))
        }
    }
}
