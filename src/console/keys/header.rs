//! One key, as all its pages begin.

use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
use maud::{Markup, html};

use crate::console::fields::Fields;
use crate::console::parts;
use crate::console::refusal::Refusal;
use crate::console::version;
use crate::console::visit::Seen;
use crate::control::Operation;
use crate::model::{KeyId, KeyRecord, KeyState, Resource, Revision};

/// The id in a page's address.
pub(super) struct Called(pub(super) KeyId);

impl<S: Send + Sync> FromRequestParts<S> for Called {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let id = Path::<String>::from_request_parts(parts, state).await.ok().and_then(|Path(id)| id.parse().ok());
        id.map(Self).ok_or_else(|| Refusal::not_found("there is no such key"))
    }
}

/// A key, and the last change of it.
pub(super) struct Shown {
    pub(super) key: KeyRecord,
    pub(super) at: Revision,
    pub(super) state: KeyState,
}

impl Shown {
    /// Reads it, if whoever looks may see keys. A key can always see itself.
    pub(super) async fn read(visit: &Seen, id: KeyId) -> Result<Self, Refusal> {
        visit.needs(if visit.asked.is_by(id) { Operation::ViewSelf } else { Operation::ViewKeys })?;
        let not_found = || Refusal::not_found("there is no such key");
        // Before the key: one that is too old refuses what is changed by it, one that is too new would not.
        let at = visit.control().store().revision_of(&Resource::Key(id)).await?.ok_or_else(not_found)?;
        let key = visit.control().store().key(id).await?.ok_or_else(not_found)?;
        let state = key.state_at(visit.control().now());
        Ok(Self { key, at, state })
    }

    pub(super) fn path(&self) -> String {
        format!("/keys/{}", self.key.id)
    }

    /// Whether anything of it can be changed.
    pub(super) fn is_revoked(&self) -> bool {
        self.state == KeyState::Revoked
    }

    /// Its name, what has just been saved, and the way to its other pages.
    pub(super) fn header(&self, visit: &Seen, query: &Fields) -> Markup {
        let (key, path) = (&self.key, self.path());
        let mut tabs =
            vec![(path.clone(), "Effective access"), (format!("{path}/roles"), "Manage roles"), (format!("{path}/groups"), "Groups")];
        tabs.push((format!("{path}/secrets"), "Secrets"));
        if visit.may(Operation::Explain) {
            tabs.push((format!("{path}/policies"), "Policies"));
        }
        if visit.may(Operation::ViewAudit) {
            tabs.push((format!("{path}/audit"), "Audit"));
        }
        html! {
            @if visit.may(Operation::ViewKeys) { p { a href="/keys" { "API keys" } } }
            div class="heading" { h1 { (key.name) } (parts::state(self.state)) }
            (parts::saved(query))
            @if !key.description.is_empty() { p { (key.description) } }
            dl class="facts" {
                dt { "Id" } dd { code id="key-id" { (key.id) } " " (parts::copy("#key-id", "Copy id")) }
                dt { "Created" } dd { (parts::time(key.created_at)) }
                dt { "Last used" } dd { (parts::time_or(parts::last_used(key), "never")) }
                dt { "Expires" } dd { (parts::time_or(key.expires_at, "never")) }
                @if let Some(at) = key.disabled_at { dt { "Disabled" } dd { (parts::time(at)) } }
                @if let Some(at) = key.revoked_at { dt { "Revoked" } dd { (parts::time(at)) } }
            }
            (self.actions(visit))
            (parts::tabs("Key", &visit.path, &tabs))
        }
    }

    fn actions(&self, visit: &Seen) -> Markup {
        let path = self.path();
        let switch = |what: &str, label: &str| {
            html! { form method="post" action={ (path) "/" (what) } { (visit.csrf()) (version::at(self.at)) button class="second" { (label) } } }
        };
        html! {
            @if !self.is_revoked() {
                div class="actions" {
                    @if visit.may(Operation::UpdateKey) { a class="button second" href={ (path) "/edit" } { "Edit" } }
                    @if self.key.disabled_at.is_some() {
                        @if visit.may(Operation::EnableKey) { (switch("enable", "Enable")) }
                    } @else if visit.may(Operation::DisableKey) {
                        (switch("disable", "Disable"))
                    }
                    @if visit.may(Operation::RevokeKey) || visit.asked.is_by(self.key.id) {
                        a class="button danger" href={ (path) "/revoke" } { "Revoke …" }
                    }
                }
            }
        }
    }

    /// What makes a form one for this version of the key, or for the one that it was opened with.
    pub(super) fn at_of(&self, fields: &Fields) -> Markup {
        version::at_of(fields, self.at)
    }
}
