//! Who is let in to the pages behind the door, and where the others are sent.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::HeaderMap;
use http::{Method, Uri};

use super::refusal::{Refusal, Untold};
use super::session::{self, CookieText};
use super::shell;
use super::state::ConsoleState;
use super::visit::{Seen, Visit, address, is_secure, see_other};
use crate::control::ControlError;
use crate::edge::request_id::RequestId;
use crate::edge::service::Peer;

/// Lets only those go on who have signed in and whose key still works as it did; others are asked to sign in. Refusals become pages.
pub(super) async fn signed_in(State(state): State<ConsoleState>, mut request: Request, next: Next) -> Response {
    let asking = Asking::of(&request);
    let visit = match visitor(&state, &asking).await {
        Ok(Some(visit)) => visit,
        Ok(None) => return to_sign_in(&state, &asking, request.method()),
        Err(refusal) => return shell::refused(&refusal),
    };
    let changes = request.method() != Method::GET;
    request.extensions_mut().insert(visit.clone());
    let mut response = next.run(request).await;
    match response.extensions_mut().remove::<Untold>() {
        Some(Untold(refusal)) => {
            if let Some(operation) = refusal.wanted.filter(|_| changes) {
                visit.control().note_forbidden(operation, &visit.path, &visit.asked).await;
            }
            visit.refused(&refusal)
        }
        None => response,
    }
}

/// Somebody who may have signed in: for a page that everybody is shown.
pub(super) async fn perhaps(state: &ConsoleState, asking: &Asking) -> Result<Option<Visit>, Refusal> {
    visitor(state, asking).await
}

/// What says who asks for what.
pub(super) struct Asking {
    peer: Option<Peer>,
    headers: HeaderMap,
    request_id: Option<Box<str>>,
    uri: Uri,
}

impl Asking {
    /// From where, as far as it is known.
    pub(super) fn address(&self, state: &ConsoleState) -> Option<IpAddr> {
        address(state, self.peer, &self.headers)
    }

    pub(super) fn of(request: &Request) -> Self {
        Self {
            peer: request.extensions().get::<Peer>().copied(),
            headers: request.headers().clone(),
            request_id: request.extensions().get::<RequestId>().map(|id| id.as_str().into()),
            uri: request.uri().clone(),
        }
    }
}

async fn visitor(state: &ConsoleState, asking: &Asking) -> Result<Option<Visit>, Refusal> {
    let (peer, headers) = (asking.peer, &asking.headers);
    let is_secure = is_secure(state, peer, headers);
    let Some(cookie) = CookieText::sent(headers, is_secure) else { return Ok(None) };
    let control = state.control();
    let Some(session) = state.sessions().find(&cookie).await? else { return Ok(None) };
    let asked = match control.identify(session.secret, address(state, peer, headers), asking.request_id.clone()).await {
        Ok(asked) if asked.is_by(session.key) => asked,
        Ok(_) | Err(ControlError::NoSuchCaller) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    state.turnstile().take(&session.secret, control.monotonic()).map_err(Refusal::rate_limited)?;
    let standing = control.standing(&asked.caller).await?;
    let path = asking.uri.path().to_owned();
    Ok(Some(Visit(Arc::new(Seen { state: state.clone(), asked, standing, token: cookie.form_token(), cookie, is_secure, path }))))
}

/// What they wanted to look at is where they come to afterwards; what they wanted to do is not done.
fn to_sign_in(state: &ConsoleState, asking: &Asking, method: &Method) -> Response {
    let mut response = match (method, asking.uri.path_and_query()) {
        (&Method::GET, Some(wanted)) if wanted.as_str() != "/" => {
            let next: String = form_urlencoded::byte_serialize(wanted.as_str().as_bytes()).collect();
            see_other(&format!("/sign-in?next={next}"))
        }
        _ => see_other("/sign-in"),
    };
    let headers = &asking.headers;
    let is_secure = is_secure(state, asking.peer, headers);
    if CookieText::sent(headers, is_secure).is_some() {
        response.headers_mut().insert(http::header::SET_COOKIE, session::forgotten(is_secure));
    }
    response
}
