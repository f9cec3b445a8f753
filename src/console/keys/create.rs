//! A new key.

use std::sync::Arc;

use axum::response::Response;
use http::StatusCode;
use jiff::Timestamp;
use maud::{Markup, html};

use super::shown_once;
use crate::console::fields::{Faults, Fields};
use crate::console::forms::{Field, Form};
use crate::console::refusal::Refusal;
use crate::console::submitted::Submitted;
use crate::console::visit::{Seen, Visit};
use crate::control::{KeyFields, Operation};
use crate::model::{GroupName, KeyName, RoleId, SpaceId};

/// What is entered of a key's end.
pub(super) const EXPIRES: [(&str, &str); 5] =
    [("90d", "In 90 days"), ("30d", "In 30 days"), ("1y", "In a year"), ("at", "At a time of your choice"), ("never", "Never")];

pub(super) async fn show(visit: Visit) -> Result<Response, Refusal> {
    visit.needs(Operation::CreateKey)?;
    Ok(again(&visit, StatusCode::OK, &Fields::default(), &Faults::default()))
}

fn again(visit: &Seen, status: StatusCode, fields: &Fields, faults: &Faults) -> Response {
    let form = Form { fields, faults };
    let snapshot = visit.standing.snapshot();
    let roles = snapshot.roles.values().map(|role| (role.id.as_str(), format!("{} ({})", role.name, role.id)));
    let spaces = snapshot.spaces.iter().map(|space| (space.id.as_str(), format!("{} ({})", space.name, space.id)));
    let body = html! {
        h1 { "New API key" }
        (form.faults())
        form method="post" action="/keys/new" {
            (visit.csrf())
            (form.text(Field::needed("name", "Name", "Unique, such as ci-cd-production. Login policies see it."), 128))
            (form.text(Field::optional("description", "Description", "What it is for, and whom to ask"), 4096))
            (form.area(Field::optional("groups", "Groups", "One a line, as the identity provider spells them"), 3))
            (expiry(&form))
            fieldset {
                legend { "First role (optional)" }
                (form.pick(Field::optional("role", "Role", "More can be assigned later"), roles))
                (form.pick(Field::optional("space", "Space", "The role holds there and in all spaces below"), spaces))
            }
            button { "Create key" } " " a class="button second" href="/keys" { "Cancel" }
        }
    };
    visit.page_with(status, "New API key", &body)
}

/// When it stops working by itself.
pub(super) fn expiry(form: &Form<'_>) -> Markup {
    html! {
        (form.choice(Field::optional("expires", "Expires", "A key that ends by itself needs nobody who remembers it"), EXPIRES))
        div data-with="expires=at" { (form.line(Field::optional("expires_at", "Expires at (UTC)", "With \"At a time of your choice\""), "datetime-local", None)) }
    }
}

/// `Ok(None)`: never.
pub(super) fn expiry_of(fields: &Fields, now: Timestamp, faults: &mut Faults) -> Option<Timestamp> {
    let days = |days: i64| now.checked_add(jiff::SignedDuration::from_hours(24 * days)).ok();
    match fields.text("expires") {
        "never" => None,
        "30d" => days(30),
        "1y" => days(365),
        "at" => {
            let text = fields.text("expires_at");
            let at = text.parse::<jiff::civil::DateTime>().ok().and_then(|at| at.to_zoned(jiff::tz::TimeZone::UTC).ok());
            if at.is_none() {
                faults.note("expires_at", "a date and a time are needed, such as 2027-01-31T12:00");
            }
            at.map(|at| at.timestamp())
        }
        _ => days(90),
    }
}

pub(super) async fn make(Submitted { visit, fields }: Submitted) -> Result<Response, Refusal> {
    visit.needs(Operation::CreateKey)?;
    let mut faults = Faults::default();
    let Some(key) = wanted(&fields, visit.control().now(), &mut faults) else {
        return Ok(again(&visit, StatusCode::UNPROCESSABLE_ENTITY, &fields, &faults));
    };
    let (control, asked) = (Arc::clone(visit.control()), visit.asked.clone());
    match visit.to_its_end(async move { control.create_key(&asked, key).await }).await {
        Ok(made) => shown_once::page(&visit, made, "Key created").await,
        Err(error) => {
            let refusal = Refusal::from(error);
            faults.note("", refusal.detail);
            Ok(again(&visit, refusal.status, &fields, &faults))
        }
    }
}

fn wanted(fields: &Fields, now: Timestamp, faults: &mut Faults) -> Option<KeyFields> {
    let name = fields.parsed::<KeyName>("name", faults);
    let groups = fields.parsed_lines::<GroupName>("groups", faults);
    let expires_at = expiry_of(fields, now, faults);
    let bindings = match (fields.given("role"), fields.given("space")) {
        (None, None) => Vec::new(),
        (Some(_), None) => {
            faults.note("space", "a role holds in a space: choose one");
            Vec::new()
        }
        (None, Some(_)) => {
            faults.note("role", "choose the role that is to hold there");
            Vec::new()
        }
        (Some(_), Some(_)) => {
            let role = fields.parsed::<RoleId>("role", faults);
            role.zip(fields.parsed::<SpaceId>("space", faults)).into_iter().collect()
        }
    };
    let description = fields.short("description", 4096, faults);
    let made = KeyFields { name: name?, description, groups, expires_at, bindings };
    faults.is_empty().then_some(made)
}
