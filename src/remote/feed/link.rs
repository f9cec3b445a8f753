//! Questions to control planes, and what their answers are to sidecars.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use jiff::SignedDuration;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::planes::{Patience, Planes, between};
use super::pursuit::{Pursuit, Told};
use crate::clock::Clock;
use crate::model::{Changes, FeedChanges, FeedSnapshot, Revision, Snapshot};
use crate::store::StoreError;

/// How long a small question may take at one control plane, beside what it is to wait.
const PATIENCE: Duration = Duration::from_secs(1);
/// The same of what is written down there, while nobody waits: that is several ways from there to the database and back.
const LEISURE: Duration = Duration::from_secs(5);
/// How long everything but the keys may take.
const DOWNLOAD: Duration = Duration::from_secs(30);
/// The longest answers, in bytes. Two thousand changes take a quarter of theirs.
const LONGEST: usize = 1 << 20;
const LONGEST_CHANGES: usize = 2 << 20;
const LONGEST_SNAPSHOT: usize = 64 << 20;
/// Between two questions, if one fails.
const RETRY: Duration = Duration::from_millis(200);
/// Between two answers that tell something: what follows within this time is told together.
const BREATH: Duration = Duration::from_millis(5);

/// Control planes, and how far they are followed.
pub(super) struct Link {
    pub(super) planes: Planes,
    pub(super) pursuit: Pursuit,
    pub(super) clock: Arc<dyn Clock>,
}

impl Link {
    /// Asks for what somebody waits for.
    pub(super) async fn post<T>(
        &self,
        path: &str,
        body: &impl Serialize,
        judge: impl Fn(&[u8]) -> Result<T, String>,
    ) -> Result<T, StoreError> {
        self.posted(path, body, Patience::Waits(PATIENCE), judge).await
    }

    /// Says something.
    pub(super) async fn tell(&self, path: &str, body: &impl Serialize) -> Result<(), StoreError> {
        self.posted(path, body, Patience::AtLeisure(LEISURE), |_| Ok(())).await
    }

    async fn posted<T>(
        &self,
        path: &str,
        body: &impl Serialize,
        patience: Patience,
        judge: impl Fn(&[u8]) -> Result<T, String>,
    ) -> Result<T, StoreError> {
        let body = serde_json::to_vec(body).map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let answer = self.planes.ask(&Method::POST, path, Some(Bytes::from(body)), patience, LONGEST, judge).await;
        answer.map_err(StoreError::Unavailable)
    }

    pub(super) async fn delete(&self, path: &str) -> Result<(), StoreError> {
        let answer = self.planes.ask(&Method::DELETE, path, None, Patience::Waits(PATIENCE), LONGEST, |_| Ok(())).await;
        answer.map_err(StoreError::Unavailable)
    }

    /// Everything but the keys, and when it was asked for.
    pub(super) async fn download(&self) -> Result<(Snapshot, Duration), StoreError> {
        let asked_at = self.clock.monotonic();
        let handed = self.pursuit.handed();
        let judge = |bytes: &[u8]| {
            let snapshot = read::<FeedSnapshot>(bytes)?.read().map_err(|fault| fault.to_string())?;
            not_behind(snapshot.revision, handed).map(|()| snapshot)
        };
        let answer = self.planes.ask(&Method::GET, "/feed/snapshot", None, Patience::Follows(DOWNLOAD), LONGEST_SNAPSHOT, judge).await;
        Ok((answer.map_err(StoreError::Unavailable)?, asked_at))
    }

    /// What has changed after what is in force, asked for at once.
    pub(super) async fn ask_now(&self, seen: Revision) -> Result<Changes, StoreError> {
        let told = self.changes_after(seen, Duration::ZERO).await.map_err(StoreError::Unavailable)?;
        Ok(self.pursuit.answered_at_once(seen, told))
    }

    async fn changes_after(&self, after: Revision, wait: Duration) -> Result<Told, String> {
        let asked_at = self.clock.monotonic();
        let path = format!("/feed/changes?after={after}&wait={}", wait.as_secs_f64());
        let known_at = self.pursuit.known_at(after);
        let judge = |bytes: &[u8]| {
            let told: FeedChanges = read(bytes)?;
            not_behind(told.revision, after)?;
            let (after_at, as_of) = (told.after_at, SignedDuration::from_millis(told.as_of_ms));
            let is_another = known_at.is_some() && after_at.is_some() && after_at != known_at;
            if is_another {
                tracing::warn!(
                    revision = after.0,
                    "a control plane has another store than the one that was followed: everything is read anew"
                );
            }
            let changes = if is_another { Changes::TooOld } else { told.read(after).map_err(|fault| fault.to_string())? };
            Ok((changes, after_at, as_of))
        };
        let answer = self.planes.ask(&Method::GET, &path, None, Patience::Follows(wait + PATIENCE), LONGEST_CHANGES, judge).await;
        let (changes, after_at, as_of) = answer?;
        // So long after the question came, the control plane was sure: it came no earlier than it was sent.
        let as_of = SignedDuration::try_from(asked_at).unwrap_or_default().saturating_add(as_of);
        let confirmed = Duration::try_from(as_of).unwrap_or_default().min(self.clock.monotonic());
        Ok(Told { changes, after_at, confirmed })
    }
}

/// Asks what has changed, until it is dropped.
pub(super) async fn pursue(link: Arc<Link>) {
    loop {
        let after = link.pursuit.next().await;
        let answer = link.changes_after(after, link.pursuit.wait()).await;
        pause(if link.pursuit.answered(after, answer) { BREATH } else { between(RETRY / 2, RETRY) }).await;
    }
}

/// JSON, of which what is not known is passed over.
pub(super) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    serde_json::from_slice(bytes).map_err(|error| format!("it answers as no control plane does ({error})"))
}

/// What is in force here must not become older.
pub(super) fn not_behind(found: Revision, here: Revision) -> Result<(), String> {
    if found >= here { Ok(()) } else { Err(format!("it is behind: it knows of revision {found}, and {here} is in force here")) }
}

#[expect(clippy::disallowed_methods, reason = "the pace of a loop that nobody waits for")]
async fn pause(span: Duration) {
    tokio::time::sleep(span).await;
}
