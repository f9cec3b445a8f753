//! Somebody who has signed in and looks at a page.

use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::header::{HeaderMap, LOCATION};
use http::request::Parts;
use http::{HeaderValue, StatusCode};

use super::refusal::Refusal;
use super::session::{CookieText, FormToken};
use super::state::ConsoleState;
use crate::control::{Asked, Control, ControlError, Made, Operation, Standing};
use crate::edge::service::Peer;
use crate::model::{Mutation, Resource, Revision, SpaceId};
use crate::store::{AuditOrder, AuditQuery};

/// Somebody who has signed in, in one request.
#[derive(Clone)]
pub(super) struct Visit(pub(super) Arc<Seen>);

/// What is known of them.
pub(super) struct Seen {
    pub(super) state: ConsoleState,
    pub(super) asked: Asked,
    /// What they may manage, read for this request.
    pub(super) standing: Standing,
    /// What their forms carry.
    pub(super) token: FormToken,
    pub(super) cookie: CookieText,
    /// Whether the browser keeps the cookie as one of TLS.
    pub(super) is_secure: bool,
    /// Without its query.
    pub(super) path: String,
}

impl Deref for Visit {
    type Target = Seen;

    fn deref(&self) -> &Seen {
        &self.0
    }
}

/// Only behind `door::signed_in`.
impl<S: Sync> FromRequestParts<S> for Visit {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        // A page that nobody has put behind the door is shown to nobody.
        parts.extensions.get::<Self>().cloned().ok_or_else(Refusal::not_signed_in)
    }
}

/// Whether browsers keep the cookie as one of TLS: this listener speaks it, or a proxy that is trusted says that it does.
pub(super) fn is_secure(state: &ConsoleState, peer: Option<Peer>, headers: &HeaderMap) -> bool {
    let said = || headers.get("x-forwarded-proto").is_some_and(|proto| proto.as_bytes().eq_ignore_ascii_case(b"https"));
    state.speaks_tls() || (peer.is_some_and(|Peer(peer)| state.turnstile().trusts(peer)) && said())
}

pub(super) fn address(state: &ConsoleState, peer: Option<Peer>, headers: &HeaderMap) -> Option<IpAddr> {
    peer.map(|Peer(peer)| state.turnstile().address(peer, headers))
}

/// Go there, and look. Only ever to a path of this listener's.
pub(super) fn see_other(path: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    let place = HeaderValue::try_from(path).unwrap_or(HeaderValue::from_static("/"));
    response.headers_mut().insert(LOCATION, place);
    response
}

impl Seen {
    pub(super) fn control(&self) -> &Arc<Control> {
        self.state.control()
    }

    /// Whether they may do this, which is in no space in particular.
    pub(super) fn may(&self, operation: Operation) -> bool {
        self.standing.check(operation, &[]).is_ok()
    }

    /// Whether they may do this there.
    pub(super) fn may_in(&self, operation: Operation, space: &SpaceId) -> bool {
        self.standing.check(operation, std::slice::from_ref(space)).is_ok()
    }

    /// Goes on only if they may.
    ///
    /// # Errors
    /// They may not.
    pub(super) fn needs(&self, operation: Operation) -> Result<(), Refusal> {
        Ok(self.standing.check(operation, &[])?)
    }

    /// Goes on only if they may do this there.
    ///
    /// # Errors
    /// They may not.
    pub(super) fn needs_in(&self, operation: Operation, space: &SpaceId) -> Result<(), Refusal> {
        Ok(self.standing.check(operation, std::slice::from_ref(space))?)
    }

    /// For a form, before anything is read: whoever manages nothing is refused what they want to do, which the audit is told of, and learns nothing of
    /// what is there. Where it is to be done is looked at by whoever does it.
    ///
    /// # Errors
    /// They manage nothing, and may not.
    pub(super) fn wants(&self, operation: Operation) -> Result<(), Refusal> {
        if self.standing.administers().next().is_some() { Ok(()) } else { self.needs(operation) }
    }

    /// Makes a change, though whoever asked for it goes away meanwhile.
    pub(super) async fn change(&self, mutation: Mutation, only_at: Option<Revision>) -> Result<Made, ControlError> {
        let (control, asked) = (Arc::clone(self.control()), self.asked.clone());
        self.to_its_end(async move { control.change(&asked, mutation, only_at).await }).await
    }

    /// Does something to its end, though whoever asked for it goes away meanwhile.
    pub(super) async fn to_its_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, ControlError>> + Send + 'static,
    ) -> Result<T, ControlError> {
        tokio::spawn(work).await.unwrap_or(Err(ControlError::Busy))
    }

    /// Who was faster, and with what: for somebody whose form is of a version that is not the last one.
    pub(super) async fn who_was_faster(&self, resource: &Resource) -> Option<String> {
        self.needs(Operation::ViewAudit).ok()?;
        let store = self.control().store();
        let made = store.revision_of(resource).await.ok()?;
        // What was only tried, by this very form perhaps, was not faster; and what changes a key may be a change of something else.
        let wanted = match made {
            Some(Revision(last)) => {
                let changed_after = Some(Revision(last.saturating_sub(1)));
                AuditQuery { order: AuditOrder::OldestFirst, changed_after, limit: 1, ..AuditQuery::default() }
            }
            None => AuditQuery {
                action: Some(format!("{}.delete", resource.kind())),
                changed_after: Some(Revision(0)),
                resource: Some(resource.id()),
                limit: 1,
                ..AuditQuery::default()
            },
        };
        let last = store.audit(&wanted).await.ok()?.pop().filter(|last| made.is_none() || last.revision == made)?;
        Some(format!("{} by {} at {}", last.action, last.actor, super::parts::utc(last.at)))
    }
}
