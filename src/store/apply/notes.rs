//! What the audit tells though it is no change, and how much of it.
//!
//! Whoever may not change anything can still try, as often as they like and on things of any name. So an actor has a number of entries an
//! hour; what goes beyond it, and what repeats itself, is counted, and the count becomes an entry. A text that was sent in the place of a
//! name is kept, but no more of it than a name may have, and no key's text.

use std::borrow::Cow;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::audit::{Audited, append, tell};
use super::rows::{Attempt, HeldBack, Rows};
use super::texts;
use crate::clock::Clock;
use crate::model::{AuditEntry, AuditId, AuditNote, Cause, EntryHash};
use crate::store::audit::{NOTES_AN_HOUR, SAME_ATTEMPT_WITHIN};
use crate::store::error::StoreError;
use crate::store::stored;

const HOUR: Duration = Duration::from_hours(1);
/// As long as the longest name.
const RESOURCE_CHARS_MAX: usize = 256;

/// Makes an entry of it within the transaction that `rows` stand in, or counts it.
pub(in crate::store) async fn note(
    rows: &mut dyn Rows,
    note: AuditNote,
    cause: &Cause,
    clock: &dyn Clock,
) -> Result<Option<AuditId>, StoreError> {
    rows.lock().await?;
    let at = stored::storable(clock.now().wall);
    tell_held_back(rows, at).await?;
    let actor = cause.actor.label();
    let remote_ip = cause.remote_ip.map(|address| address.to_string());
    let full = rows.note_count(&actor, ago(at, HOUR)).await? >= u64::from(NOTES_AN_HOUR);
    let (action, resource, spaces, refused) = match note {
        AuditNote::SigningKey { action, kid, before, after } => {
            let told = Audited { revision: None, action, resource: kid, before, after, refused: None, spaces: Vec::new() };
            return tell(rows, told, cause, at).await.map(Some);
        }
        AuditNote::SamplesCleared { cleared } => {
            let (action, resource) = (AuditNote::SAMPLES_CLEARED, "samples".to_owned());
            let after = Some(serde_json::json!({ "cleared": cleared }));
            let told = Audited { revision: None, action, resource, before: None, after, refused: None, spaces: Vec::new() };
            return tell(rows, told, cause, at).await.map(Some);
        }
        AuditNote::SignIn { key } => {
            // One that finds no room is told when it comes again.
            if full || rows.has_signed_in(&actor, remote_ip.as_deref()).await? {
                return Ok(None);
            }
            (AuditNote::SIGN_IN, key.to_string(), Vec::new(), None)
        }
        AuditNote::SessionBegan { .. } | AuditNote::SessionEnded { .. } if full => {
            rows.hold_back(&actor, at).await?;
            return Ok(None);
        }
        AuditNote::SessionBegan { key } => (AuditNote::SESSION_BEGIN, key.to_string(), Vec::new(), None),
        AuditNote::SessionEnded { key } => (AuditNote::SESSION_END, key.to_string(), Vec::new(), None),
        AuditNote::Refused { action, resource, spaces, code } => {
            let resource = shown(&resource).into_owned();
            let attempt = Attempt { actor: &actor, action, resource: &resource, code };
            if full || rows.has_refused(&attempt, ago(at, SAME_ATTEMPT_WITHIN)).await? {
                rows.hold_back(&actor, at).await?;
                return Ok(None);
            }
            (action, resource, spaces, Some(code))
        }
    };
    let told = Audited { revision: None, action, resource, before: None, after: None, refused, spaces };
    tell(rows, told, cause, at).await.map(Some)
}

/// Makes entries of what is due by the time, within the transaction that `rows` stand in.
pub(in crate::store) async fn tend(rows: &mut dyn Rows, clock: &dyn Clock) -> Result<(), StoreError> {
    rows.lock().await?;
    tell_held_back(rows, stored::storable(clock.now().wall)).await
}

/// Makes entries of the counts that were begun an hour ago.
async fn tell_held_back(rows: &mut dyn Rows, at: Timestamp) -> Result<(), StoreError> {
    for HeldBack { actor, since, until, attempts } in rows.take_held_back(ago(at, HOUR)).await? {
        let after = serde_json::json!({ "attempts": attempts, "since": since, "until": until });
        let entry = AuditEntry {
            id: AuditId::default(),
            revision: None,
            at,
            resource: actor.clone(),
            actor,
            remote_ip: None,
            action: AuditNote::HELD_BACK.to_owned(),
            before: None,
            after: Some(after),
            request_id: None,
            refused: None,
            hash: EntryHash::NONE,
        };
        append(rows, entry, &[]).await?;
    }
    Ok(())
}

fn shown(resource: &str) -> Cow<'_, str> {
    if texts::holds_key(resource) {
        return Cow::Borrowed("(the text of a key)");
    }
    match resource.char_indices().nth(RESOURCE_CHARS_MAX) {
        Some((end, _)) => Cow::Owned(format!("{}…", resource.get(..end).unwrap_or_default())),
        None => Cow::Borrowed(resource),
    }
}

fn ago(at: Timestamp, span: Duration) -> Timestamp {
    SignedDuration::try_from(span).ok().and_then(|span| at.checked_sub(span).ok()).unwrap_or(Timestamp::MIN)
}
