//! Tells what is open, a stream or a WebSocket, when its key no longer passes.
//!
//! A request is decided about once, and what it opens may go on for days. So whoever carries it waits beside it: a change that can touch the
//! key wakes it, and it asks what a request would get now. Nothing is registered and nothing is kept for each stream: it waits for the bell
//! of the group that its key is in, as stamps are counted by groups of keys, and a change rings the bells of those that it can touch.

use std::pin::pin;
use std::time::Duration;

use jiff::SignedDuration;

use super::credential::Credential;
use super::origin::Origin;
use super::purpose::Purpose;
use super::service::Exchange;
use crate::clock::Moment;
use crate::config::EndStreams;
use crate::model::{KeyDigest, Refusal};

/// When what could not be decided is asked again: seldom enough for thousands of streams while the store is away.
const AGAIN: Duration = Duration::from_secs(1);
/// Ends that are nearer than this are looked at together.
const SOON: Duration = Duration::from_millis(50);

impl Exchange {
    /// Returns when what was opened with this key from there, for this purpose, is to end: at once when a change is in force after which a request
    /// would be refused, or, for [`EndStreams::AnyChange`], would get other roles or groups; and when the key ends by itself. Never if
    /// streams are left alone, and not for what cannot be decided: that does not say that the key passes no more.
    ///
    /// The refusal that a request would get; `None` where it would get other roles or groups.
    pub async fn no_longer_passes(&self, digest: KeyDigest, opened: Origin, purpose: Purpose<'_>, when: EndStreams) -> Option<Refusal> {
        if when == EndStreams::Never {
            return std::future::pending().await;
        }
        let mut opened_with = None;
        let mut seen = None;
        loop {
            // Begun before the stamp is read, or a change in between would ring for nobody.
            let mut bell = pin!(self.bells.of(&digest).notified());
            bell.as_mut().enable();
            let stamp = self.cache.stamp(&digest);
            let mut wait = Duration::MAX;
            if seen != Some(stamp) {
                let origin = Origin { at: self.clock.now(), ..opened.clone() };
                match self.passes(&digest, &origin, purpose).await {
                    Ok(credential) => {
                        if when == EndStreams::AnyChange
                            && !opened_with.get_or_insert_with(|| credential.clone()).says_the_same_as(&credential)
                        {
                            return None;
                        }
                        seen = Some(stamp);
                        wait = self.ends_in(&digest, &credential, origin.at).min(left_of_certificate(&origin));
                    }
                    Err(Refusal::Unavailable(_) | Refusal::Overloaded) => wait = AGAIN,
                    Err(
                        refusal @ (Refusal::InvalidKey(_)
                        | Refusal::Denied(_)
                        | Refusal::NotAllowed
                        | Refusal::NoRoles
                        | Refusal::TokenTooLarge(_)
                        | Refusal::MissingAction(_)),
                    ) => return Some(refusal),
                }
            }
            if tokio::time::timeout(wait, bell).await.is_err() {
                // The key's own end, or another try.
                seen = None;
            }
        }
    }

    /// How long the key works by itself; where that is not known any more, how long its token lasts.
    fn ends_in(&self, digest: &KeyDigest, credential: &Credential, now: Moment) -> Duration {
        match self.cache.entry(digest, self.cache.stamp(digest)).map(|entry| entry.usable_until()) {
            Some(None) => Duration::MAX,
            Some(Some(end)) => Duration::try_from(end.duration_since(now.wall)).unwrap_or(Duration::ZERO).max(SOON),
            None => credential.until().monotonic.saturating_sub(now.monotonic).max(SOON),
        }
    }
}

/// How long it is until the client's certificate ends, after which it may pass no more; for ever where there is none, or it has ended.
fn left_of_certificate(origin: &Origin) -> Duration {
    let left = origin.certificate.as_ref().map(|certificate| certificate.not_after.duration_since(origin.at.wall));
    left.filter(SignedDuration::is_positive).and_then(|left| Duration::try_from(left).ok()).map_or(Duration::MAX, |left| left.max(SOON))
}
