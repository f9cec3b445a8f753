//! Signing in with an API key, and out; and trying a key without signing in.

use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use http::header::SET_COOKIE;
use maud::{Markup, html};

use super::fields::{Fields, Query, form};
use super::once;
use super::refusal::Refusal;
use super::session;
use super::shell;
use super::state::ConsoleState;
use super::submitted::Submitted;
use super::visit::{address, is_secure, see_other};
use crate::control::{Asked, ControlError, Operation};
use crate::edge::request_id::RequestId;
use crate::edge::service::Peer;
use crate::model::{KeyDigest, PlainKey};

/// The door.
pub(super) async fn show(Query(query): Query) -> Response {
    page(StatusCode::OK, None, query.text("next"))
}

fn page(status: StatusCode, fault: Option<&str>, next: &str) -> Response {
    let body = html! {
        h1 { "Sign in" }
        @if let Some(fault) = fault { div class="fault" role="alert" { p { (fault) } } }
        form method="post" action="/sign-in" {
            @if let Some(next) = own_path(next) { input type="hidden" name="next" value=(next); }
            (key_field("An API key that administers a space, or root. It is not kept: a session of its own begins, which ends when you sign out, when it \
                is not used for half an hour, and with any change of the key."))
            button { "Sign in" }
        }
        p class="quiet" { "Want to know what some key holds? " a href="/try" { "Try a key" } " without signing in." }
    };
    shell::outside(status, "Sign in", &body)
}

pub(super) fn key_field(hint: &str) -> Markup {
    html! {
        div class="field" {
            label for="key" { "API key" }
            input id="key" name="key" type="password" required autocomplete="current-password" spellcheck="false" autocapitalize="off" maxlength="512"
                aria-describedby="key-hint" autofocus;
            p class="hint" id="key-hint" { (hint) }
        }
    }
}

/// A path of these pages, and of nobody else's: what comes after the first slash is not taken for a host by any browser.
pub(super) fn own_path(path: &str) -> Option<&str> {
    let rest = path.strip_prefix('/')?;
    let plain = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    (plain && !rest.starts_with('/')).then_some(path)
}

/// Takes a key, and begins a session.
pub(super) async fn begin(State(state): State<ConsoleState>, request: Request) -> Result<Response, Refusal> {
    let (headers, peer) = (request.headers().clone(), request.extensions().get::<Peer>().copied());
    let request_id = request.extensions().get::<RequestId>().map(|id| id.as_str().into());
    let fields = form(request).await?;
    let (address, now) = (address(&state, peer, &headers), state.control().monotonic());
    state.turnstile().may_try(address, now).map_err(Refusal::rate_limited)?;
    let next = fields.text("next");
    let Some(digest) = digest_of(&fields) else {
        state.turnstile().note_failure(address, now).map_err(Refusal::rate_limited)?;
        return Ok(page(StatusCode::UNAUTHORIZED, Some("This is no API key that works."), next));
    };
    let asked = match state.control().identify(digest, address, request_id).await {
        Ok(asked) => asked,
        Err(ControlError::NoSuchCaller) => {
            tracing::info!(?address, "somebody has tried to sign in to the console with a key that does not work");
            state.turnstile().note_failure(address, now).map_err(Refusal::rate_limited)?;
            return Ok(page(StatusCode::UNAUTHORIZED, Some("This is no API key that works."), next));
        }
        Err(error) => return Err(error.into()),
    };
    state.turnstile().take(&digest, now).map_err(Refusal::rate_limited)?;
    enter(&state, &asked, is_secure(&state, peer, &headers), next).await
}

async fn enter(state: &ConsoleState, asked: &Asked, is_secure: bool, next: &str) -> Result<Response, Refusal> {
    // Before the key is looked at once more: no session outlives a change that this look has not seen.
    let key_at = state.sessions().key_at(asked).await?;
    let standing = state.control().standing(&asked.caller).await?;
    if standing.check(Operation::ViewSpaces, &[]).is_err() {
        let why = "This key works, but has nothing to manage: a role space-admin in a space is needed. What it holds, \"Try a key\" shows.";
        return Ok(page(StatusCode::FORBIDDEN, Some(why), next));
    }
    let cookie = state.sessions().begin(asked, key_at).await?;
    let mut response = see_other(own_path(next).unwrap_or("/"));
    response.headers_mut().insert(SET_COOKIE, cookie.kept(is_secure));
    Ok(response)
}

/// The key that stands in a form, which is not kept.
pub(super) fn digest_of(fields: &Fields) -> Option<KeyDigest> {
    PlainKey::presented(fields.text("key").as_bytes()).map(|plain| KeyDigest::of(&plain))
}

/// What a link that signs in once leads to: nothing has happened yet, so that whoever looks at links before people do does not use it up.
pub(super) async fn show_once(Query(query): Query) -> Response {
    let body = html! {
        h1 { "Sign in" }
        p { "This link signs in once, as the key that was printed with it." }
        form method="post" action=(once::PATH) data-send {
            input type="hidden" name="ticket" value=(query.text("ticket"));
            button autofocus { "Sign in" }
        }
    };
    shell::outside(StatusCode::OK, "Sign in", &body)
}

/// Takes a ticket, and begins a session.
pub(super) async fn begin_once(State(state): State<ConsoleState>, request: Request) -> Result<Response, Refusal> {
    let (headers, peer) = (request.headers().clone(), request.extensions().get::<Peer>().copied());
    let request_id = request.extensions().get::<RequestId>().map(|id| id.as_str().into());
    let fields = form(request).await?;
    let (address, now) = (address(&state, peer, &headers), state.control().monotonic());
    state.turnstile().may_try(address, now).map_err(Refusal::rate_limited)?;
    let Some(digest) = state.tickets().take(fields.text("ticket"), now) else {
        state.turnstile().note_failure(address, now).map_err(Refusal::rate_limited)?;
        return Ok(page(StatusCode::UNAUTHORIZED, Some("This link was used, or is too old. Sign in with the key itself."), ""));
    };
    match state.control().identify(digest, address, request_id).await {
        Ok(asked) => enter(&state, &asked, is_secure(&state, peer, &headers), "").await,
        Err(ControlError::NoSuchCaller) => {
            Ok(page(StatusCode::UNAUTHORIZED, Some("The key that this link was for does not work any more."), ""))
        }
        Err(error) => Err(error.into()),
    }
}

/// Ends the session, here and everywhere.
pub(super) async fn end(Submitted { visit, .. }: Submitted) -> Result<Response, Refusal> {
    visit.state.sessions().end(&visit.cookie, &visit.asked).await?;
    let mut response = see_other("/sign-in");
    response.headers_mut().insert(SET_COOKIE, session::forgotten(visit.is_secure));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::own_path;

    #[test]
    fn nobody_is_sent_elsewhere_after_signing_in() {
        for path in ["/", "/keys?q=a%20b", "/policies/of?name=x"] {
            assert_eq!(own_path(path), Some(path));
        }
        for path in [
            "",
            "keys",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/\t/evil.example",
            "javascript:alert(1)",
            "/a\nb",
            "\\\\evil",
        ] {
            assert_eq!(own_path(path), None, "{path:?}");
        }
    }
}
