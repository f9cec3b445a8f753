//! The signing keys of this process: where each stands, and how one takes another one's place.

use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};

use super::fields::{Faults, Fields, Query};
use super::forms::{Field, Form, danger};
use super::parts;
use super::refusal::Refusal;
use super::state::ConsoleState;
use super::submitted::Submitted;
use super::visit::{Seen, Visit, see_other};
use crate::clock::in_largest_unit;
use crate::config::TokenAlgorithm;
use crate::control::{Code, ControlError, Operation, Roll};
use crate::token::{Activate, KeyStanding, ListedKey, Withdraw};

/// A signing key that has signed for longer has been on many disks and in many backups.
const OLD: SignedDuration = SignedDuration::from_hours(180 * 24);

/// What has just been done, as it stands in the address.
const DONE: [(&str, &str); 3] = [
    ("published", "The next key is published: it is in the JWKS, and signs nothing yet."),
    ("activated", "The key signs from now on. The one before it stays in the JWKS until the last of its tokens has expired."),
    ("retired", "The key is deleted."),
];

pub(super) fn routes() -> Router<ConsoleState> {
    Router::new()
        .route("/signing-keys", get(show).post(publish))
        .route("/signing-keys/{kid}/activate", get(ask_to_activate).post(activate))
        .route("/signing-keys/{kid}/retire", get(ask_to_retire).post(retire))
}

async fn show(visit: Visit, Query(query): Query) -> Result<Response, Refusal> {
    page(&visit, StatusCode::OK, &query, &Faults::default()).await
}

async fn page(visit: &Seen, status: StatusCode, fields: &Fields, faults: &Faults) -> Result<Response, Refusal> {
    let (keys, now) = (visit.control().signing_keys(&visit.asked.caller).await?, visit.control().now());
    let has_next = keys.iter().any(|key| matches!(key.standing, KeyStanding::Next { .. }));
    let done = DONE.into_iter().find(|(word, _)| *word == fields.text("done"));
    let body = html! {
        h1 { "Signing keys" }
        @if let Some((_, told)) = done { p class="notice" role="status" { (told) } }
        (Form { fields, faults }.faults())
        (warnings(&keys, now))
        p { "The keys of the process that shows this page. Their private halves lie in its directory; the public ones are in the JWKS, where verifiers read them." }
        (table(visit, &keys, now))
        @if visit.may(Operation::ChangeSigningKeys) {
            h2 { "Roll" }
            @if has_next {
                p { "There is a next key already: activate it when every verifier can be expected to know it, or retire it." }
            } @else {
                p { "First the next key is published, so that verifiers learn of it. Ten minutes later it may sign." }
                form method="post" action="/signing-keys" {
                    (visit.csrf())
                    (algorithms(visit, fields, faults))
                    button { "Publish the next key" }
                }
            }
        }
    };
    Ok(visit.page_with(status, "Signing keys", &body))
}

/// What somebody should look at.
pub(super) fn warnings(keys: &[ListedKey], now: Timestamp) -> Markup {
    let age = |since: Timestamp| in_largest_unit(now.duration_since(since));
    html! {
        @for key in keys {
            @match key.standing {
                KeyStanding::Current { since } if now.duration_since(since) > OLD => {
                    p class="warning" { "The key that signs has done so for " (age(since)) ": it has been on many disks and in many backups. " a href="/signing-keys" { "Publish the next one." } }
                }
                KeyStanding::Next { published_at, may_sign_from } if may_sign_from <= now => {
                    p class="warning" { "A key was published " (age(published_at)) " ago and may sign, but does not yet: " a href={ "/signing-keys/" (key.kid) "/activate" } { "activate it" } ", or retire it." }
                }
                KeyStanding::Retired { since } => {
                    p class="warning" { "No token of the key " code { (key.kid) } " can have been alive for " (age(since)) ", and its file still lies there: " a href={ "/signing-keys/" (key.kid) "/retire" } { "delete it" } "." }
                }
                KeyStanding::Current { .. } | KeyStanding::Next { .. } | KeyStanding::Retiring { .. } => {}
            }
        }
    }
}

fn table(visit: &Seen, keys: &[ListedKey], now: Timestamp) -> Markup {
    let may = visit.may(Operation::ChangeSigningKeys);
    html! {
        div class="table" tabindex="0" {
            table {
                thead {
                    tr {
                        th scope="col" { "State" } th scope="col" { "Kid" } th scope="col" { "Algorithm" } th scope="col" { "Since" } th scope="col" { "For" }
                        th scope="col" { "Then" } @if may { th scope="col" { "Change" } }
                    }
                }
                tbody {
                    @for key in keys {
                        @let (badge, since, then) = told(key.standing, now);
                        tr {
                            td { (badge) }
                            td { code { (key.kid) } }
                            td { (key.algorithm) }
                            td { (parts::time(since)) }
                            td { (in_largest_unit(now.duration_since(since))) }
                            td { (then) }
                            @if may { td { (steps(key)) } }
                        }
                    }
                }
            }
        }
    }
}

/// The word for it, since when, and what comes next.
fn told(standing: KeyStanding, now: Timestamp) -> (Markup, Timestamp, Markup) {
    match standing {
        KeyStanding::Current { since } => (parts::badge("good", "current"), since, html! { "signs until another one is activated" }),
        KeyStanding::Next { published_at, may_sign_from } if now < may_sign_from => {
            (parts::badge("odd", "next"), published_at, html! { "may sign from " (parts::time(may_sign_from)) })
        }
        KeyStanding::Next { published_at, .. } => (parts::badge("odd", "next"), published_at, html! { "may sign" }),
        KeyStanding::Retiring { since, until } => {
            (parts::badge("odd", "retiring"), since, html! { "its tokens live until " (parts::time(until)) })
        }
        KeyStanding::Retired { since } => (parts::badge("", "retired"), since, html! { "out of the JWKS; may be deleted" }),
    }
}

fn steps(key: &ListedKey) -> Markup {
    let step = |what: &str, label: &str| {
        html! { a class="button second" href={ "/signing-keys/" (key.kid) "/" (what) } aria-label={ (label) " the key " (key.kid) } { (label) " …" } " " }
    };
    html! {
        @match key.standing {
            KeyStanding::Current { .. } => span class="quiet" { "none: it signs" },
            KeyStanding::Next { .. } | KeyStanding::Retiring { .. } => { (step("activate", "Activate")) (step("retire", "Retire")) }
            KeyStanding::Retired { .. } => (step("retire", "Delete")),
        }
    }
}

fn algorithms(visit: &Seen, fields: &Fields, faults: &Faults) -> Markup {
    let configured = visit.state.settings().token.algorithm.as_str();
    let label = format!("{configured}, as configured");
    let others = TokenAlgorithm::ALL.map(TokenAlgorithm::as_str).into_iter().filter(|algorithm| *algorithm != configured);
    let all = [("", label.as_str())].into_iter().chain(others.map(|algorithm| (algorithm, algorithm)));
    let hint =
        "A key for another algorithm than token.algorithm can be published ahead, and is activated where the configuration is changed.";
    Form { fields, faults }.choice(Field::optional("algorithm", "Algorithm", hint), all)
}

async fn publish(Submitted { visit, fields }: Submitted) -> Result<Response, Refusal> {
    let mut faults = Faults::default();
    let named = TokenAlgorithm::ALL.into_iter().find(|algorithm| algorithm.as_str() == fields.text("algorithm"));
    // Whoever may not is told so, whatever they have entered.
    if visit.may(Operation::ChangeSigningKeys) && fields.given("algorithm").is_some() && named.is_none() {
        faults.note("algorithm", "it is none of ES256, EdDSA, RS256");
        return page(&visit, StatusCode::UNPROCESSABLE_ENTITY, &fields, &faults).await;
    }
    match roll(&visit, Roll::Publish(named)).await {
        Ok(()) => Ok(see_other("/signing-keys?done=published")),
        Err(refusal) if refusal.code == Some(Code::Forbidden) => Err(refusal),
        Err(refusal) => {
            faults.note("", refusal.detail);
            page(&visit, refusal.status, &fields, &faults).await
        }
    }
}

/// Where it is decided who may, the audit is told of whoever tries and may not.
async fn roll(visit: &Seen, roll: Roll) -> Result<(), Refusal> {
    let (control, asked) = (Arc::clone(visit.control()), visit.asked.clone());
    Ok(visit.to_its_end(async move { control.roll(&asked, roll).await }).await.map(drop)?)
}

/// A step that is asked about before it is made.
#[derive(Clone, Copy)]
enum RollStep {
    Activate,
    Retire,
}

async fn ask_to_activate(visit: Visit, Path(kid): Path<String>) -> Result<Response, Refusal> {
    ask(&visit, RollStep::Activate, &kid, StatusCode::OK, (&Fields::default(), &Faults::default())).await
}

async fn ask_to_retire(visit: Visit, Path(kid): Path<String>) -> Result<Response, Refusal> {
    ask(&visit, RollStep::Retire, &kid, StatusCode::OK, (&Fields::default(), &Faults::default())).await
}

async fn ask(
    visit: &Seen,
    step: RollStep,
    kid: &str,
    status: StatusCode,
    (fields, faults): (&Fields, &Faults),
) -> Result<Response, Refusal> {
    visit.needs(Operation::ChangeSigningKeys)?;
    let (keys, now) = (visit.control().signing_keys(&visit.asked.caller).await?, visit.control().now());
    let key = keys.iter().find(|key| key.kid == kid).ok_or_else(|| Refusal::not_found("there is no such signing key"))?;
    let form = Form { fields, faults };
    let (title, path, what) = match step {
        RollStep::Activate => ("Activate signing key", "activate", "Let it sign"),
        RollStep::Retire => ("Retire signing key", "retire", "Delete it for good"),
    };
    let (badge, since, then) = told(key.standing, now);
    let body = html! {
        p { a href="/signing-keys" { "Signing keys" } }
        h1 { (title) }
        (form.faults())
        dl class="facts" {
            dt { "Kid" } dd { code { (key.kid) } }
            dt { "State" } dd { (badge) " since " (parts::time(since)) "; " (then) }
            dt { "Algorithm" } dd { (key.algorithm) }
        }
        @match step {
            RollStep::Activate => p { "It signs every token from now on. The key that has signed until now stays in the JWKS until the last of its tokens has expired." },
            RollStep::Retire => p { "Its file is deleted, and it leaves the JWKS." },
        }
        form method="post" action={ "/signing-keys/" (key.kid) "/" (path) } {
            (visit.csrf())
            @match (step, key.standing) {
                (RollStep::Activate, KeyStanding::Next { may_sign_from, .. }) if now < may_sign_from => {
                    (form.tick(Field::optional("force", "At once", "Verifiers may not know it yet: they refuse what it signs until they read the JWKS anew.")))
                }
                (RollStep::Retire, KeyStanding::Retiring { .. }) => {
                    (form.tick(Field::optional("force", "At once", "Tokens signed by it are alive: they stop to verify.")))
                }
                (RollStep::Activate | RollStep::Retire, _) => {}
            }
            (danger(what)) " " a class="button second" href="/signing-keys" { "Cancel" }
        }
    };
    Ok(visit.page_with(status, title, &body))
}

async fn activate(Path(kid): Path<String>, Submitted { visit, fields }: Submitted) -> Result<Response, Refusal> {
    let how = if fields.given("force").is_some() { Activate::AtOnce } else { Activate::WhenKnown };
    let done = roll(&visit, Roll::Activate { kid: kid.clone(), how }).await;
    made(&visit, RollStep::Activate, &kid, &fields, done).await
}

async fn retire(Path(kid): Path<String>, Submitted { visit, fields }: Submitted) -> Result<Response, Refusal> {
    let how = if fields.given("force").is_some() { Withdraw::AtOnce } else { Withdraw::WhenQuiet };
    let done = roll(&visit, Roll::Retire { kid: kid.clone(), how }).await;
    made(&visit, RollStep::Retire, &kid, &fields, done).await
}

async fn made(visit: &Seen, step: RollStep, kid: &str, fields: &Fields, done: Result<(), Refusal>) -> Result<Response, Refusal> {
    match (done, step) {
        (Ok(()), RollStep::Activate) => Ok(see_other("/signing-keys?done=activated")),
        (Ok(()), RollStep::Retire) => Ok(see_other("/signing-keys?done=retired")),
        (Err(refusal), _) if refusal.code == Some(Code::Forbidden) => Err(refusal),
        (Err(refusal), _) => {
            let mut faults = Faults::default();
            faults.note("", refusal.detail);
            ask(visit, step, kid, refusal.status, (fields, &faults)).await
        }
    }
}

/// For a page that shows much else: what cannot be read there is told on this one.
pub(super) async fn to_look_at(visit: &Seen) -> Markup {
    if !visit.may(Operation::ViewSigningKeys) {
        return parts::nothing();
    }
    match visit.control().signing_keys(&visit.asked.caller).await {
        Ok(keys) => warnings(&keys, visit.control().now()),
        Err(ControlError::SigningKeys(error)) => html! { p class="warning" { "The signing keys: " (parts::sentence(&error.to_string())) } },
        Err(_) => parts::nothing(),
    }
}
