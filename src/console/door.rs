//! The door: only those go on who have signed in.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::Method;

use super::refusal::Untold;
use super::session::{self, CookieText};
use super::shell;
use super::state::ConsoleState;
use super::visit::{Asking, see_other, visitor};

/// Lets only those go on who have signed in and whose key still works as it did; others are asked to sign in. Refusals become pages.
pub(super) async fn signed_in(State(state): State<ConsoleState>, mut request: Request, next: Next) -> Response {
    let asking = Asking::of(&request);
    let visit = match visitor(&state, &asking).await {
        Ok(Some(visit)) => visit,
        Ok(None) => return to_sign_in(&state, &asking, request.method()),
        Err(refusal) => return shell::refused(&refusal),
    };
    request.extensions_mut().insert(visit.clone());
    let mut response = next.run(request).await;
    match response.extensions_mut().remove::<Untold>() {
        Some(Untold(refusal)) => visit.refused(&refusal),
        None => response,
    }
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
    let is_secure = asking.is_secure(state);
    if CookieText::sent(&asking.headers, is_secure).is_some() {
        response.headers_mut().insert(http::header::SET_COOKIE, session::forgotten(is_secure));
    }
    response
}
