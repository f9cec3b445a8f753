//! Forms that change what is there: of which version they are, and what is said if that is not the last one any more.

use std::sync::Arc;

use http::StatusCode;
use maud::{Markup, html};

use super::fields::Fields;
use super::refusal::Refusal;
use super::visit::Seen;
use crate::control::{Code, ControlError};
use crate::model::{Resource, Revision, Snapshot};

/// The revision that last changed this, and everything but the keys as of then or later.
///
/// # Errors
/// It is not there.
pub(super) async fn versioned(visit: &Seen, resource: &Resource) -> Result<(Revision, Arc<Snapshot>), Refusal> {
    let store = visit.control().store();
    let not_found = || Refusal::not_found(format!("there is no {resource}"));
    let at = store.revision_of(resource).await?.ok_or_else(not_found)?;
    let known = visit.standing.snapshot();
    // A form that shows an older version than it says would undo what it has not shown.
    Ok((at, if at <= known.revision { Arc::clone(known) } else { Arc::new(store.snapshot().await?) }))
}

/// What makes a form one for this version.
pub(super) fn at(revision: Revision) -> Markup {
    html! { input type="hidden" name="at" value=(revision); }
}

/// The same of a form that may have been refused already: it stays one for the version that it was opened with, so that what has come since is
/// looked at before anything is done about it.
pub(super) fn at_of(fields: &Fields, shown: Revision) -> Markup {
    at(fields.at().unwrap_or(shown))
}

/// What is said of a change that is not made: whoever was faster is named.
pub(super) async fn stale_or(visit: &Seen, resource: &Resource, error: ControlError) -> (StatusCode, String) {
    let refusal = Refusal::from(error);
    if refusal.code == Some(Code::PreconditionFailed) {
        return (refusal.status, stale(visit, resource).await);
    }
    (refusal.status, refusal.detail)
}

/// That a form is of a version that is not the last one.
pub(super) async fn stale(visit: &Seen, resource: &Resource) -> String {
    let last = visit.who_was_faster(resource).await.map(|last| format!(": {last}")).unwrap_or_default();
    let kind = resource.kind();
    format!("the {kind} has been changed since this form was opened{last}; load the page again, look at what is there now, and decide anew")
}

/// That what a form is about is not there any more.
pub(super) async fn gone(visit: &Seen, resource: &Resource) -> String {
    let last = visit.who_was_faster(resource).await.map(|last| format!(": {last}")).unwrap_or_default();
    format!("there is no such {}, or not any more{last}", resource.kind())
}
