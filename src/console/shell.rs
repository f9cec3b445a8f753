//! What all pages have around them.

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use maud::{DOCTYPE, Markup, html};

use super::assets;
use super::parts;
use super::refusal::Refusal;
use super::visit::Seen;
use crate::control::Operation;

/// Where the pages are, what they are called, and what somebody must be able to do to be shown the way.
const PLACES: [(&str, &str, Operation); 12] = [
    ("/", "Overview", Operation::ViewSpaces),
    ("/keys", "API keys", Operation::ViewKeys),
    ("/spaces", "Spaces", Operation::ViewSpaces),
    ("/roles", "Roles", Operation::ViewRoles),
    ("/groups", "Groups", Operation::ViewGroups),
    ("/policies", "Login policies", Operation::ViewPolicies),
    ("/strategy", "Strategy", Operation::ViewStrategy),
    ("/audit", "Audit", Operation::ViewAudit),
    ("/signing-keys", "Signing keys", Operation::ViewSigningKeys),
    ("/replicas", "Replicas", Operation::ViewReplicas),
    ("/settings", "Settings", Operation::ViewSigningKeys),
    ("/docs", "Help", Operation::ViewSelf),
];

/// Where a page is explained: the page of the documentation.
pub(super) const HELP: [(&str, &str); 12] = [
    ("/keys", "admin-api"),
    ("/spaces", "rights"),
    ("/roles", "rights"),
    ("/groups", "rights"),
    ("/policies", "policies"),
    ("/strategy", "policies"),
    ("/samples", "policy-workbench"),
    ("/audit", "audit"),
    ("/signing-keys", "signing-keys"),
    ("/replicas", "operations"),
    ("/in-force", "operations"),
    ("/settings", "operations"),
];

/// A whole document.
fn document(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Claviger" }
                link rel="icon" href=(assets::path("icon.svg")) type="image/svg+xml";
                link rel="stylesheet" href=(assets::path("console.css"));
                script type="module" src=(assets::path("console.js")) {}
            }
            body { (body) }
        }
    }
}

fn response(status: StatusCode, markup: Markup) -> Response {
    let mut response = (status, markup.into_string()).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A page for somebody who has not signed in.
pub(super) fn outside(status: StatusCode, title: &str, body: &Markup) -> Response {
    let body = html! {
        a class="skip" href="#main" { "Skip to the content" }
        header class="top" { span class="brand" { (parts::mark()) "Claviger" } }
        main id="main" class="outside" { (body) }
    };
    response(status, document(title, &body))
}

/// A refusal, to somebody of whom nothing is known.
pub(super) fn refused(refusal: &Refusal) -> Response {
    outside(refusal.status, refusal.title, &refusal_body(refusal))
}

fn refusal_body(refusal: &Refusal) -> Markup {
    html! {
        h1 { (refusal.title) }
        div class="fault" role="alert" {
            p { (parts::sentence(&refusal.detail)) }
            (parts::policy_faults(&refusal.faults))
        }
        @if !refusal.advice.is_empty() { p { (refusal.advice) } }
        @if let Some(code) = refusal.code { p { a href={ "/docs/errors/" (code.as_str()) } { "More about " code { (code.as_str()) } } } }
    }
}

impl Seen {
    /// A page.
    pub(super) fn page(&self, title: &str, body: &Markup) -> Response {
        self.page_with(StatusCode::OK, title, body)
    }

    /// A page that comes with another status: that of a form which was not taken.
    pub(super) fn page_with(&self, status: StatusCode, title: &str, body: &Markup) -> Response {
        let body = html! {
            a class="skip" href="#main" { "Skip to the content" }
            (self.top())
            div class="frame" {
                (self.places())
                main id="main" tabindex="-1" { (self.help()) (body) }
            }
        };
        response(status, document(title, &body))
    }

    pub(super) fn refused(&self, refusal: &Refusal) -> Response {
        self.page_with(refusal.status, refusal.title, &refusal_body(refusal))
    }

    fn top(&self) -> Markup {
        let name = self.standing.key().map(|key| key.name.to_string()).unwrap_or_default();
        html! {
            header class="top" {
                button class="second narrow" popovertarget="places" { "Menu" }
                // Who manages nothing any more is led to what everybody may read.
                a class="brand" href=(if self.may(Operation::ViewSpaces) { "/" } else { "/docs" }) { (parts::mark()) "Claviger" }
                form role="search" action="/search" method="get" {
                    label class="unseen" for="search" { "Search keys, spaces, roles, groups and policies" }
                    input id="search" name="q" type="search" placeholder="Search  ( / )" autocomplete="off" maxlength="200";
                }
                details class="menu" {
                    summary { (name) }
                    div {
                        p { "Signed in as " strong { (name) } }
                        @if let Some(key) = self.standing.key() { p { a href={ "/keys/" (key.id) } { "This key" } } }
                        p { a href="/try" { "Try a key" } }
                        form method="post" action="/sign-out" { (self.csrf()) button { "Sign out" } }
                    }
                }
            }
        }
    }

    fn places(&self) -> Markup {
        let here = self.path.as_str();
        let is_here = |place: &str| here == place || (place != "/" && here.starts_with(place));
        html! {
            nav class="places" id="places" popover aria-label="Console" {
                ul {
                    @for (place, name, needed) in PLACES {
                        @if self.may(needed) {
                            li { a href=(place) aria-current=[is_here(place).then_some("page")] { (name) } }
                        }
                    }
                }
            }
        }
    }

    /// The way to what explains this page.
    fn help(&self) -> Markup {
        let is_here = |place: &str| self.path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let explained = HELP.into_iter().find(|(place, _)| is_here(place));
        html! { @if let Some((_, name)) = explained { p class="help" { a class="button second" href={ "/docs/" (name) } aria-label="Help on this page" title="Help on this page" { "?" } } } }
    }

    /// What makes a form one of this session.
    pub(super) fn csrf(&self) -> Markup {
        html! { input type="hidden" name="csrf" value=(self.token.as_str()); }
    }
}
