//! A key's secrets: when each was last presented, and a new one.

use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use http::StatusCode;
use maud::html;

use super::header::{Called, Shown};
use super::shown_once;
use crate::console::fields::{Faults, Fields, Query};
use crate::console::forms::{Field, Form};
use crate::console::parts;
use crate::console::refusal::Refusal;
use crate::console::submitted::Submitted;
use crate::console::version::stale_or;
use crate::console::visit::{Seen, Visit};
use crate::control::Operation;
use crate::model::Resource;

/// For how long the old secret goes on.
const GRACES: [(&str, &str); 6] = [
    ("86400", "A day"),
    ("3600", "An hour"),
    ("604800", "A week"),
    ("2592000", "30 days"),
    ("7776000", "90 days"),
    ("0", "Not at all: it is cut at once"),
];

pub(super) async fn show(visit: Visit, Called(id): Called, Query(query): Query) -> Result<Response, Refusal> {
    let shown = Shown::read(&visit, id).await?;
    Ok(page(&visit, &shown, StatusCode::OK, &query, &Faults::default()))
}

/// Whether whoever looks may give this key a new secret.
fn may_rotate(visit: &Seen, shown: &Shown) -> bool {
    visit.may(Operation::RotateKey) || (visit.asked.is_by(shown.key.id) && visit.may(Operation::RotateSelf))
}

fn page(visit: &Seen, shown: &Shown, status: StatusCode, fields: &Fields, faults: &Faults) -> Response {
    let (form, now) = (Form { fields, faults }, visit.control().now());
    let body = html! {
        (shown.header(visit, fields))
        div class="table" tabindex="0" {
            table {
                caption { "Secrets, the newest first. No text of any is kept: only its SHA-256." }
                thead { tr { th scope="col" { "Created" } th scope="col" { "Last used" } th scope="col" { "Ends" } th scope="col" { "State" } } }
                tbody {
                    @for secret in &shown.key.secrets {
                        @let is_over = secret.ends_at.is_some_and(|end| end <= now);
                        tr {
                            td { (parts::time(secret.created_at)) }
                            td { (parts::time_or(secret.last_used_at.map(|at| at.max(secret.created_at)), "never")) }
                            td { (parts::time_or(secret.ends_at, "with the key")) }
                            td { @if is_over { (parts::badge("bad", "ended")) } @else if secret.ends_at.is_some() { (parts::badge("odd", "on its way out")) } @else { (parts::badge("good", "current")) } }
                        }
                    }
                }
            }
        }
        @if may_rotate(visit, shown) && !shown.is_revoked() {
            h2 { "Rotate" }
            p { "A new secret is made and shown once. The one before it goes on for a while, so that clients can change over: when it has gone quiet, its last use says so." }
            (form.faults())
            form method="post" action={ (shown.path()) "/secrets" } {
                (visit.csrf()) (shown.at_of(fields))
                (form.choice(Field::needed("grace", "The old secret works for another", ""), GRACES))
                button { "Rotate" }
            }
        }
    };
    visit.page_with(status, shown.key.name.as_str(), &body)
}

pub(super) async fn rotate(Called(id): Called, Submitted { visit, fields }: Submitted) -> Result<Response, Refusal> {
    visit.wants(if visit.asked.is_by(id) { Operation::RotateSelf } else { Operation::RotateKey })?;
    let shown = Shown::read(&visit, id).await?;
    let mut faults = Faults::default();
    let known = GRACES.iter().any(|(seconds, _)| *seconds == fields.text("grace"));
    let grace = Some(fields.text("grace")).filter(|_| known).and_then(|text| text.parse().ok()).map(Duration::from_secs);
    let Some(grace) = grace else {
        faults.note("grace", "choose one of those that are there");
        return Ok(page(&visit, &shown, StatusCode::UNPROCESSABLE_ENTITY, &fields, &faults));
    };
    let (control, asked, at) = (Arc::clone(visit.control()), visit.asked.clone(), fields.at());
    match visit.to_its_end(async move { control.rotate_key(&asked, id, grace, at).await }).await {
        Ok(made) => shown_once::page(&visit, made, "New secret").await,
        Err(error) => {
            let (status, told) = stale_or(&visit, &Resource::Key(id), error).await;
            faults.note("", told);
            Ok(page(&visit, &shown, status, &fields, &faults))
        }
    }
}
