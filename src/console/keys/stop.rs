//! Switching a key off and on, and taking it back for good.

use axum::response::Response;
use http::StatusCode;
use maud::html;

use super::header::{Called, Shown};
use crate::console::fields::{Faults, Fields};
use crate::console::forms::{Field, Form, danger};
use crate::console::refusal::Refusal;
use crate::console::submitted::Submitted;
use crate::console::version::{stale, stale_or};
use crate::console::visit::{Seen, Visit, see_other};
use crate::control::{Code, Operation};
use crate::model::{KeyId, Mutation, Resource};

pub(super) async fn disable(Called(id): Called, submitted: Submitted) -> Result<Response, Refusal> {
    switch(id, submitted, Mutation::DisableKey { id }).await
}

pub(super) async fn enable(Called(id): Called, submitted: Submitted) -> Result<Response, Refusal> {
    switch(id, submitted, Mutation::EnableKey { id }).await
}

async fn switch(id: KeyId, Submitted { visit, fields }: Submitted, mutation: Mutation) -> Result<Response, Refusal> {
    match visit.change(mutation, fields.at()).await {
        Ok(made) => Ok(see_other(&format!("/keys/{id}?saved={}", made.revision))),
        Err(error) => {
            let mut refusal = Refusal::from(error);
            if refusal.code == Some(Code::PreconditionFailed) {
                refusal.detail = stale(&visit, &Resource::Key(id)).await;
            }
            Err(refusal)
        }
    }
}

pub(super) async fn ask_to_revoke(visit: Visit, Called(id): Called) -> Result<Response, Refusal> {
    visit.needs(if visit.asked.is_by(id) { Operation::RevokeSelf } else { Operation::RevokeKey })?;
    let shown = Shown::read(&visit, id).await?;
    Ok(page(&visit, &shown, StatusCode::OK, &Fields::default(), &Faults::default()))
}

fn page(visit: &Seen, shown: &Shown, status: StatusCode, fields: &Fields, faults: &Faults) -> Response {
    let form = Form { fields, faults };
    let name = &shown.key.name;
    let body = html! {
        p { a href=(shown.path()) { (name) } }
        h1 { "Revoke " (name) }
        (form.faults())
        p { "A revoked key is refused everywhere within a second and never works again. It stays in the list of revoked keys, for the audit." }
        form method="post" action={ (shown.path()) "/revoke" } {
            (visit.csrf()) (shown.at_of(fields))
            (form.text(Field::needed("name", "Type the key's name to revoke it", name.as_str()), 128))
            (danger("Revoke for good")) " " a class="button second" href=(shown.path()) { "Cancel" }
        }
    };
    visit.page_with(status, "Revoke key", &body)
}

pub(super) async fn revoke(Called(id): Called, Submitted { visit, fields }: Submitted) -> Result<Response, Refusal> {
    let wanted = if visit.asked.is_by(id) { Operation::RevokeSelf } else { Operation::RevokeKey };
    visit.wants(wanted)?;
    let shown = Shown::read(&visit, id).await?;
    let mut faults = Faults::default();
    // Whoever may not revoke it is told so, whatever they have typed, and the audit tells of it.
    if visit.may(wanted) && fields.text("name") != shown.key.name.as_str() {
        faults.note("name", "that is not the key's name");
        return Ok(page(&visit, &shown, StatusCode::UNPROCESSABLE_ENTITY, &fields, &faults));
    }
    match visit.change(Mutation::RevokeKey { id }, fields.at()).await {
        // Whoever has revoked the key they came with has nothing to look at any more.
        Ok(_) if visit.asked.is_by(id) => Ok(see_other("/sign-in")),
        Ok(made) => Ok(see_other(&format!("{}?saved={}", shown.path(), made.revision))),
        Err(error) => {
            let (status, told) = stale_or(&visit, &Resource::Key(id), error).await;
            faults.note("", told);
            Ok(page(&visit, &shown, status, &fields, &faults))
        }
    }
}

/// For pages of several keys.
pub(super) fn may_stop(visit: &Seen) -> Result<(), Refusal> {
    visit.needs(Operation::RevokeKey)?;
    visit.needs(Operation::UpdateKey)
}
