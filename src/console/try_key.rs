//! What some key holds, from here and now: for whoever has its text, signed in or not.
//!
//! Nobody signs in by it and nothing is noted: no session begins or changes, the key was not used, and its text is neither kept nor shown.

use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use jiff::Timestamp;
use maud::{Markup, html};

use super::door::{Asking, perhaps};
use super::fields::form;
use super::keys::{policy, said, told};
use super::parts;
use super::refusal::Refusal;
use super::shell;
use super::sign_in::{digest_of, key_field};
use super::state::ConsoleState;
use super::visit::Visit;
use crate::clock::Moment;
use crate::control::{ControlError, Operation};
use crate::exchange::{AsOf, Explanation, Origin};
use crate::model::{KeyDigest, KeyRecord, KeyState, Role, Snapshot};
use crate::store::FoundKey;

pub(super) async fn show(State(state): State<ConsoleState>, request: Request) -> Result<Response, Refusal> {
    let asking = Asking::of(&request);
    drop(request);
    let visit = perhaps(&state, &asking).await?;
    Ok(page(visit.as_ref(), StatusCode::OK, None, &parts::nothing()))
}

/// As a page of the console for somebody who has signed in, and by itself for anybody else.
fn page(visit: Option<&Visit>, status: StatusCode, fault: Option<&str>, found: &Markup) -> Response {
    let body = html! {
        h1 { "Try a key" }
        @if let Some(fault) = fault { div class="fault" role="alert" { p { (fault) } } }
        (found)
        form method="post" action="/try" {
            (key_field("It is looked up once and not kept. Nobody signs in by it, and it does not count as used."))
            button { "Try" }
        }
        @if visit.is_none() { p { a href="/sign-in" { "Sign in" } } }
    };
    match visit {
        Some(visit) => visit.page_with(status, "Try a key", &body),
        None => shell::outside(status, "Try a key", &body),
    }
}

pub(super) async fn make(State(state): State<ConsoleState>, request: Request) -> Result<Response, Refusal> {
    let asking = Asking::of(&request);
    let fields = form(request).await?;
    let visit = perhaps(&state, &asking).await?;
    let (address, control) = (asking.address(&state), state.control());
    let now = Moment { wall: control.now(), monotonic: control.monotonic() };
    // As where somebody signs in: whoever guesses here must not guess twice as often.
    state.turnstile().may_try(address, now.monotonic).map_err(Refusal::rate_limited)?;
    let digest = digest_of(&fields);
    drop(fields);
    let found = match &digest {
        Some(digest) => control.store().find_key(digest).await?.map(|found| (digest, found)),
        None => None,
    };
    let Some((digest, FoundKey { key, .. })) = found else {
        state.turnstile().note_failure(address, now.monotonic).map_err(Refusal::rate_limited)?;
        return Ok(page(visit.as_ref(), StatusCode::OK, Some("No key has this text."), &parts::nothing()));
    };
    state.turnstile().take(digest, now.monotonic).map_err(Refusal::rate_limited)?;
    let state_now = StateOfText::of(&key, digest, now.wall);
    let origin = Origin::at_address(address, now);
    let holds = match state_now {
        StateOfText::Works => {
            let snapshot = control.store().snapshot().await?;
            let answer = control.explain(&key, &origin).await.ok_or(ControlError::Busy)?;
            let traces = traces(visit.as_ref(), &key, &origin).await?;
            held(&snapshot, &answer, traces)
        }
        StateOfText::Key(_) | StateOfText::Ended => parts::nothing(),
    };
    let from = address.map_or_else(|| "an address that is not known".to_owned(), |address| address.to_string());
    let found = html! {
        section aria-label="The key" {
            h2 { (key.name) }
            dl class="facts" {
                dt { "Id" } dd { code { (key.id) } }
                dt { "State" } dd { (state_now.told()) }
                dt { "Expires" } dd { (parts::time_or(key.expires_at, "never")) }
                dt { "Asked from" } dd { code { (from) } " at " (parts::time(now.wall)) }
            }
            (holds)
        }
    };
    Ok(page(visit.as_ref(), StatusCode::OK, None, &found))
}

/// What a text is worth that some key has, or had.
#[derive(Clone, Copy)]
enum StateOfText {
    Works,
    /// The key itself does not work.
    Key(KeyState),
    /// Another secret has taken its place.
    Ended,
}

impl StateOfText {
    fn of(key: &KeyRecord, digest: &KeyDigest, now: Timestamp) -> Self {
        let ended = key.secret(digest).is_none_or(|secret| secret.ended_at(now));
        match key.state_at(now) {
            KeyState::Active if ended => Self::Ended,
            KeyState::Active => Self::Works,
            state @ (KeyState::Disabled | KeyState::Expired | KeyState::Revoked) => Self::Key(state),
        }
    }

    fn told(self) -> Markup {
        match self {
            Self::Works => parts::state(KeyState::Active),
            Self::Key(state) => html! { (parts::state(state)) " It is let in nowhere." },
            Self::Ended => html! { (parts::badge("bad", "ended")) " The key has another secret now: this one is let in nowhere." },
        }
    }
}

/// What each policy says, with the lines of its rules: for whoever may see those.
async fn traces(visit: Option<&Visit>, key: &KeyRecord, origin: &Origin) -> Result<Option<Vec<Markup>>, Refusal> {
    let Some(visit) = visit.filter(|visit| visit.may(Operation::Explain)) else { return Ok(None) };
    let AsOf { explainer, key, .. } = visit.control().as_of(None, key.clone()).await?;
    let heard = tokio::task::block_in_place(|| explainer.trace(&key, origin));
    Ok(Some(heard.iter().map(|(tracer, trace)| policy(tracer, trace)).collect()))
}

/// What it may do, and because of what.
fn held(snapshot: &Snapshot, answer: &Explanation, traces: Option<Vec<Markup>>) -> Markup {
    let mut roles: Vec<&Role> = Vec::new();
    for grant in answer.decision.iter().flat_map(|decision| decision.grants.iter()) {
        roles.extend(snapshot.roles.get(&grant.role).filter(|role| roles.iter().all(|other| other.id != role.id)));
    }
    html! {
        h3 { "Effective access" }
        (told(&snapshot.spaces, answer))
        @if !roles.is_empty() {
            h3 { "What these roles allow" }
            div class="table" {
                table {
                    thead { tr { th scope="col" { "Role" } th scope="col" { "Actions" } } }
                    tbody { @for role in roles { tr { td { (role.name) " " code { (role.id) } } td { ul class="chips" { @for action in &role.actions { li { code { (action) } } } } } } } }
                }
            }
        }
        h3 { "What login policies say" }
        @match traces {
            Some(traces) if !traces.is_empty() => { @for trace in traces { (trace) } }
            Some(_) | None if answer.verdicts.is_empty() => p { "None is asked about this key." },
            Some(_) | None => { @for (name, verdict) in &answer.verdicts { section class="card" { h4 { (name) } (said(verdict)) } } }
        }
    }
}
