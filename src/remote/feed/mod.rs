//! A store that a sidecar follows at a control plane: what is in force there, key by key as they are presented.
//!
//! One question is always under way: what has changed after what is in force here? Its answer is what [`Lookup::woken`] waits for, and
//! [`Source::changes_after`] hands it on. What was in force when it was asked is acknowledged by the next one. All else is asked when it is wanted.
//!
//! A control plane is believed as far as it is not behind: what it says of a state that is older than one that was handed on here is passed over,
//! as if it had said nothing, and another one is asked. How long it is since one of them has confirmed what is in force here, is told with it
//! ([`Source::confirmed_at`]), and counts against `store.max_staleness`.

mod key_file;
mod link;
mod planes;
mod pursuit;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::json;
use tokio::task::JoinHandle;

use self::key_file::KeyFile;
use self::link::{Link, not_behind, pursue, read};
use self::planes::Planes;
use self::pursuit::Pursuit;
use super::dialer::Dialer;
use crate::clock::Clock;
use crate::config::ServerUrl;
use crate::model::{
    Changes, FEED_REPORTED_MAX, FeedFound, KeyDigest, ReplicaName, ReplicaReport, Revision, Sample, Snapshot, check_format,
};
use crate::store::{FoundKey, Lookup, Source, StoreError};

/// How many bytes of samples are sent at once.
const SAMPLES_AT_ONCE: usize = 512 << 10;
/// How often it is said that this process is there, where what it asks for does not say so.
const PULSE: Duration = Duration::from_secs(4);

/// What it takes to follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedSettings {
    /// Where control planes are, the first to be asked first.
    pub planes: Vec<ServerUrl>,
    /// The key to ask with, read again when it is not taken any more.
    pub key_file: PathBuf,
    /// Who vouches for control planes, where those that browsers go by do not.
    pub ca: Option<PathBuf>,
    /// How old what is in force may be: it is confirmed several times within that.
    pub max_staleness: Duration,
}

/// Everything but the keys, and when it was asked for.
type Downloaded = Result<(Snapshot, Duration), StoreError>;

/// A store that is followed at a control plane.
pub struct FeedSource {
    link: Arc<Link>,
    /// Ends with it.
    pursuit: JoinHandle<()>,
    /// A snapshot on its way: whoever has waited for it for too long finds it here the next time.
    download: tokio::sync::Mutex<Option<JoinHandle<Downloaded>>>,
}

impl FeedSource {
    /// Begins to follow. Nothing is asked before somebody wants it. Must be called on a runtime, which the questions are asked on.
    ///
    /// # Errors
    /// The key's file cannot be read, or holds no key.
    pub fn open(settings: FeedSettings, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let FeedSettings { planes, key_file, ca, max_staleness } = settings;
        let dialer = Dialer::new(ca.as_deref()).map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let planes = Planes::new(planes, KeyFile::open(key_file)?, dialer, Arc::clone(&clock));
        let link = Arc::new(Link { planes, pursuit: Pursuit::new(max_staleness), clock });
        let pursuit = tokio::spawn(pursue(Arc::clone(&link)));
        Ok(Self { link, pursuit, download: tokio::sync::Mutex::new(None) })
    }
}

impl Drop for FeedSource {
    fn drop(&mut self) {
        self.pursuit.abort();
    }
}

#[async_trait]
impl Lookup for FeedSource {
    async fn find_key(&self, digest: &KeyDigest) -> Result<Option<FoundKey>, StoreError> {
        let handed = self.link.pursuit.handed();
        let judge = |bytes: &[u8]| {
            let found: FeedFound = read(bytes)?;
            check_format(found.format).map_err(|fault| fault.to_string())?;
            not_behind(found.as_of, handed).map(|()| found)
        };
        let FeedFound { as_of, key, format: _ } = self.link.post("/feed/key", &json!({ "sha256": digest.to_hex() }), judge).await?;
        self.link.pursuit.has_shown(as_of);
        Ok(key.map(|key| FoundKey { key: key.record(digest), as_of }))
    }

    async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let mut download = self.download.lock().await;
        let under_way = download.get_or_insert_with(|| {
            let link = Arc::clone(&self.link);
            tokio::spawn(async move { link.download().await })
        });
        // If nobody waits any more, it is there for whoever asks next.
        let ended = under_way.await;
        *download = None;
        let (snapshot, asked_at) = ended.map_err(|error| StoreError::Unavailable(error.to_string()))??;
        self.link.pursuit.has_loaded(snapshot.revision, asked_at);
        Ok(snapshot)
    }

    async fn woken(&self) {
        self.link.pursuit.woken().await;
    }

    async fn key_names(&self, _: u32) -> Result<Option<Vec<String>>, StoreError> {
        // Nobody lists keys with a sidecar's key.
        Ok(None)
    }

    async fn close(&self) {
        self.pursuit.abort();
    }
}

#[async_trait]
impl Source for FeedSource {
    async fn changes_after(&self, seen: Revision) -> Result<Changes, StoreError> {
        match self.link.pursuit.changes_after(seen) {
            Some(known) => known,
            // A key has shown that there is something newer than what was told: it is asked for at once.
            None => self.link.ask_now(seen).await,
        }
    }

    async fn changes_by_now(&self, seen: Revision) -> Result<Changes, StoreError> {
        match self.link.pursuit.changes_after(seen) {
            // Everything is to be read, which is asked for anew.
            Some(Ok(Changes::TooOld)) => Ok(Changes::TooOld),
            Some(Ok(Changes::Since(_)) | Err(_)) | None => self.link.ask_now(seen).await,
        }
    }

    fn confirmed_at(&self) -> Option<Duration> {
        self.link.pursuit.confirmed_at()
    }

    async fn record_use(&self, uses: &[(KeyDigest, Timestamp)]) -> Result<(), StoreError> {
        for some in uses.chunks(FEED_REPORTED_MAX) {
            let uses: Vec<_> = some.iter().map(|(digest, at)| json!({ "sha256": digest.to_hex(), "at": at })).collect();
            self.link.tell("/feed/uses", &json!({ "uses": uses })).await?;
        }
        Ok(())
    }

    async fn keep_samples(&self, samples: &[Sample]) -> Result<(), StoreError> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        for sample in samples {
            let written = serde_json::to_value(sample).map_err(|error| StoreError::Unavailable(error.to_string()))?;
            let length = written.to_string().len();
            if !batch.is_empty() && (bytes + length > SAMPLES_AT_ONCE || batch.len() >= FEED_REPORTED_MAX) {
                let full = std::mem::take(&mut batch);
                self.link.tell("/feed/samples", &json!({ "samples": full })).await?;
                bytes = 0;
            }
            bytes += length;
            batch.push(written);
        }
        // With none there is nothing to be given up, either: that is the control plane's to do.
        if batch.is_empty() { Ok(()) } else { self.link.tell("/feed/samples", &json!({ "samples": batch })).await }
    }

    async fn report_replica(&self, report: &ReplicaReport) -> Result<(), StoreError> {
        self.link.planes.call_oneself(&report.name);
        let now = self.link.clock.monotonic();
        if !self.link.pursuit.is_to_be_reported(report.applied, now, PULSE) {
            return Ok(());
        }
        let ReplicaReport { name: _, version, applied, started_at } = report;
        let body = json!({ "version": version, "applied": applied, "started_at": started_at });
        self.link.tell("/feed/replica", &body).await?;
        self.link.pursuit.has_reported(now);
        Ok(())
    }

    async fn forget_replica(&self, _: &ReplicaName) -> Result<(), StoreError> {
        self.link.delete("/feed/replica").await
    }
}
