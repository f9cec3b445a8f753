//! What sidecars are told: everything but the keys, what changes, and the keys that they ask for.
//!
//! It is told from what is in force in this process, as far as that is: a sidecar that heard of the store's changes sooner than this process has
//! them would be no better off, and a thousand of them cost the store nothing. Whatever is told is confirmed: if the store has not been read
//! within the last moment, it is read first, and if it cannot be, nothing is told. A sidecar that hears nothing counts how long ago that was.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::caller::{Asked, Caller};
use super::change::works;
use super::error::ControlError;
use super::follower_keys::Known;
use super::manager::{Control, Serving};
use super::rights::Operation;
use super::standing::Standing;
use crate::exchange::Exchange;
use crate::model::{
    Changes, FEED_CHANGES_MAX, FEED_FORMAT, FeedChange, FeedChanges, FeedFound, FeedKey, KeyDigest, KeyId, KeyRecord, ReplicaName,
    ReplicaReport, Revision, Sample, Snapshot,
};
use crate::store::StoreError;

/// How long ago the store may have been read that sidecars are told of. It is read more often than that.
const CONFIRMED_WITHIN: Duration = Duration::from_secs(1);

impl Control {
    /// Whether whoever has just asked may follow, by their key as it was then and by what is in force here.
    ///
    /// # Errors
    /// They may not, or the store is away.
    pub async fn may_follow(&self, asked: &Asked, operation: Operation) -> Result<(), ControlError> {
        match (&asked.caller, &asked.key, &self.serving) {
            (Caller::Key { digest, .. }, Some(key), Some(serving)) => {
                let standing = Standing::of_key(KeyRecord::clone(key), digest, serving.exchange.snapshot());
                Ok(standing.check(operation, &[])?)
            }
            (caller, _, _) => self.may_still_follow(caller, operation).await,
        }
    }

    /// The same of somebody who has asked some time ago: their key is read anew, unless nothing has been put in force here since it was
    /// read last that touches it.
    async fn may_still_follow(&self, caller: &Caller, operation: Operation) -> Result<(), ControlError> {
        let standing = match (caller, &self.serving) {
            (Caller::Key { id, digest }, Some(serving)) => {
                let known = self.follower_key(*id, digest, &serving.exchange).await?;
                if !works(&known.key, digest, self.now()) {
                    return Err(ControlError::NoSuchCaller);
                }
                return Ok(known.standing.check(operation, &[])?);
            }
            (Caller::System | Caller::Operator(_), _) | (Caller::Key { .. }, None) => self.standing(caller).await?,
        };
        Ok(standing.check(operation, &[])?)
    }

    async fn follower_key(&self, id: KeyId, digest: &KeyDigest, exchange: &Exchange) -> Result<Arc<Known>, ControlError> {
        let stamp = exchange.stamp(digest);
        if let Some(known) = self.follower_keys.get(digest, stamp) {
            return Ok(known);
        }
        let key = self.store.key(id).await?.ok_or(ControlError::NoSuchCaller)?;
        let standing = Standing::of_key(key.clone(), digest, exchange.snapshot());
        let known = Arc::new(Known { key, standing });
        self.follower_keys.keep(digest, stamp, &known);
        Ok(known)
    }

    /// Everything but the keys; it is as this change and all before it have left it, or newer.
    ///
    /// # Errors
    /// The store is away.
    pub async fn feed_snapshot(&self) -> Result<(Revision, Arc<Snapshot>), ControlError> {
        let exchange = &self.served()?.exchange;
        // Before the state is read, which is published before the revision is.
        let revision = exchange.confirmed(CONFIRMED_WITHIN).await?;
        Ok((revision, exchange.snapshot()))
    }

    /// What has changed after a revision, up to which everything is in force in the replica that asks. If nothing has, it is waited for so
    /// long, or until [`stop_waiting`](Self::stop_waiting) is called.
    ///
    /// # Errors
    /// The store is away, or the caller's right has ended meanwhile.
    pub async fn feed_changes(
        &self,
        caller: &Caller,
        replica: Option<&ReplicaName>,
        after: Revision,
        wait: Duration,
    ) -> Result<FeedChanges, ControlError> {
        let exchange = &self.served()?.exchange;
        let began = self.monotonic();
        let mut revision = if wait.is_zero() { exchange.catch_up().await? } else { exchange.confirmed(CONFIRMED_WITHIN).await? };
        // Another control plane may have been faster, and it is not known here yet.
        if after > revision {
            revision = exchange.catch_up().await?;
        }
        if let Some(replica) = replica {
            self.followers.acknowledged(replica, after.min(revision), (self.monotonic(), self.now()));
            self.write_down(replica).await;
        }
        if revision >= after && !wait.is_zero() {
            let later = async {
                let Some(replica) = replica else { return std::future::pending().await };
                self.write_down_later(replica).await;
                std::future::pending::<()>().await;
            };
            let told = async {
                exchange.reached(after.next()).await;
                while let Some(pause) = self.fan_out.pause(after, exchange.applied_revision(), self.followers.count(), self.monotonic()) {
                    // Nothing to wait for but time.
                    let _ = tokio::time::timeout(pause, std::future::pending::<()>()).await;
                }
            };
            tokio::select! {
                _ = tokio::time::timeout(wait, told) => {}
                () = self.replicas.stopped() => {}
                () = later => {}
            }
            // A right that has ended meanwhile has ended for whoever waits, too.
            self.may_still_follow(caller, Operation::ReadFeed).await?;
            revision = exchange.confirmed(CONFIRMED_WITHIN).await?;
        }
        let mut told = self.changes_between(after, revision).await?;
        let confirmed = exchange.confirmed_at();
        let later = i64::try_from(confirmed.saturating_sub(began).as_millis()).unwrap_or(i64::MAX);
        let earlier = i64::try_from(began.saturating_sub(confirmed).as_millis()).unwrap_or(i64::MAX);
        told.as_of_ms = later.saturating_sub(earlier);
        Ok(told)
    }

    /// The key of a digest, as of a change.
    ///
    /// # Errors
    /// The store is away.
    pub async fn feed_key(&self, digest: &KeyDigest) -> Result<FeedFound, ControlError> {
        // Before it is looked up: of a key that is not there, it is not said as of when.
        let known = self.served()?.exchange.applied_revision();
        let found = self.store.find_key(digest).await?;
        let as_of = found.as_ref().map_or(known, |found| found.as_of);
        Ok(FeedFound { format: FEED_FORMAT, as_of, key: found.map(|found| FeedKey::of(found.key, digest)) })
    }

    /// Writes down which secrets a sidecar has let pass.
    ///
    /// # Errors
    /// The store is away.
    pub async fn feed_uses(&self, uses: &[(KeyDigest, Timestamp)]) -> Result<(), ControlError> {
        let now = self.now();
        // A clock that is ahead is no reason to believe that a secret will be used.
        let uses: Vec<_> = uses.iter().map(|(digest, at)| (*digest, now.min(*at))).collect();
        Ok(self.store.record_use(&uses).await?)
    }

    /// Keeps what a sidecar's policies wanted kept.
    ///
    /// # Errors
    /// The store is away.
    pub async fn feed_samples(&self, samples: &[Sample]) -> Result<(), ControlError> {
        Ok(self.store.keep_samples(samples).await?)
    }

    /// A sidecar says that it is there, and what is in force in it.
    ///
    /// # Errors
    /// Too many say so with this key.
    pub async fn feed_report(&self, key: KeyId, mut report: ReplicaReport) -> Result<(), ControlError> {
        // Nothing can be in force there that is not even known here.
        report.applied = report.applied.min(self.served()?.exchange.applied_revision());
        let name = report.name.clone();
        if !self.followers.heard(key, report, (self.monotonic(), self.now())) {
            return Err(ControlError::Invalid("too many sidecars are there with this key: give some of them another one".to_owned()));
        }
        self.write_down(&name).await;
        Ok(())
    }

    /// A sidecar says that it ends.
    ///
    /// # Errors
    /// The store is away.
    pub async fn feed_forget(&self, name: &ReplicaName) -> Result<(), ControlError> {
        self.followers.forget(name);
        Ok(self.store.forget_replica(name).await?)
    }

    fn served(&self) -> Result<&Serving, StoreError> {
        self.serving.as_ref().ok_or_else(|| StoreError::Unavailable("nobody serves from it here".to_owned()))
    }

    /// Has the store remember what a sidecar has said last, if it is time to. Nobody is told if it does not: it is tried again.
    ///
    /// While one is written down, others wait, and the next of them writes down all that has been said meanwhile: a thousand that hear of a
    /// change at the same moment are a few transactions.
    async fn write_down(&self, name: &ReplicaName) {
        if !self.followers.is_due(name, self.monotonic()) {
            return;
        }
        let _turn = self.followers.turn().await;
        let due = self.followers.due_with(name, self.monotonic());
        if due.is_empty() {
            return;
        }
        match self.store.report_replicas(&due).await {
            Ok(()) => self.followers.written(&due, self.monotonic()),
            Err(error) => tracing::debug!(%error, "the store cannot be told what is in force in sidecars"),
        }
    }

    async fn write_down_later(&self, name: &ReplicaName) {
        if let Some(pause) = self.followers.written_in(name, self.monotonic()) {
            // Nothing to wait for but time.
            let _ = tokio::time::timeout(pause, std::future::pending::<()>()).await;
            self.write_down(name).await;
        }
    }

    /// Nothing is told that is not in force here: whoever asks what comes after it would hear that this control plane is behind.
    async fn changes_between(&self, after: Revision, revision: Revision) -> Result<FeedChanges, ControlError> {
        let told = |after_at, too_old, changes: Vec<FeedChange>| FeedChanges {
            format: FEED_FORMAT,
            revision,
            after_at,
            as_of_ms: 0,
            too_old,
            changes,
        };
        if after > revision {
            return Ok(told(None, false, Vec::new()));
        }
        let in_force = self.served()?.exchange.snapshot();
        if let Some((after_at, changes)) = self.recent.after(&*self.store, &in_force, after, revision).await? {
            let too_old = changes.len() > FEED_CHANGES_MAX;
            let changes = if too_old { Vec::new() } else { changes.iter().map(FeedChange::from).collect() };
            return Ok(told(after_at, too_old, changes));
        }
        match self.store.changes_after(after).await? {
            Changes::Since(changes) if changes.len() <= FEED_CHANGES_MAX => {
                let in_force = changes.iter().filter(|change| change.revision <= revision);
                Ok(told(None, false, in_force.map(FeedChange::from).collect()))
            }
            Changes::Since(_) | Changes::TooOld => Ok(told(None, true, Vec::new())),
        }
    }
}
