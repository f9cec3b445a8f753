//! Tells a receiver of every entry, in order, each once or more.
//!
//! How far it has been told stands in the store, and is written after the receiver has taken an entry: who is killed in between tells it
//! again. One process at a time does it. An entry that is not taken holds up those behind it, until it is so old that it is skipped.

mod backoff;
mod event;
mod post;

use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use jiff::{SignedDuration, Timestamp};

use self::backoff::Backoff;
use self::event::Event;
use super::pause::pause;
use crate::clock::Clock;
use crate::config::{LiveSettings, WebhookSettings};
use crate::model::{AuditEntry, AuditId};
use crate::store::{AuditOrder, AuditQuery, Held, Receiver, Store, StoreError, Webhook};
use crate::telemetry::Metrics;

/// How many entries are read at a time.
const PAGE: u32 = 50;
/// How long nothing may happen before it is looked all the same.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// How often it is seen whether the settings are still the same.
const SETTINGS: Duration = Duration::from_millis(500);
/// How long a process is the one beyond what an attempt may take.
const HELD_BEYOND: Duration = Duration::from_secs(20);
/// How often a receiver that is no longer one is tried.
const FAREWELLS: u32 = 4;

/// The task.
pub(super) struct Teller {
    holder: String,
    store: Arc<dyn Store>,
    live: LiveSettings,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    held_until: Timestamp,
}

/// Why a round has ended.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("another process tells the webhook")]
    Lost,
    #[error("the settings have changed")]
    Changed,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Teller {
    pub(super) fn new(holder: String, store: Arc<dyn Store>, live: LiveSettings, clock: Arc<dyn Clock>, metrics: Arc<Metrics>) -> Self {
        Self { holder, store, live, clock, metrics, held_until: Timestamp::MIN }
    }

    pub(super) async fn run(mut self) {
        loop {
            match self.round().await {
                End::Changed => {}
                End::Lost => pause(LOOK_AGAIN).await,
                End::Store(error) => {
                    tracing::warn!(%error, "the webhook is told nothing while the store cannot be used");
                    pause(LOOK_AGAIN).await;
                }
            }
        }
    }

    /// Under one state of the settings.
    async fn round(&mut self) -> End {
        let settings = self.live.now().audit.webhook.clone();
        match self.under(&settings).await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    async fn under(&mut self, settings: &WebhookSettings) -> Result<std::convert::Infallible, End> {
        let mut webhook = self.hold(settings).await?;
        self.settle(&mut webhook, settings).await?;
        let Some(url) = &settings.url else {
            self.metrics.webhook_waiting(0);
            // Nobody is told, which another process may see to as well.
            self.store.hold_webhook(&self.holder, self.clock.now().wall).await?;
            loop {
                pause(SETTINGS).await;
                self.is_unchanged(settings)?;
            }
        };
        loop {
            self.is_unchanged(settings)?;
            self.go_on_holding(settings).await?;
            let wanted =
                AuditQuery { order: AuditOrder::OldestFirst, newer_than: Some(webhook.sent), limit: PAGE, ..AuditQuery::default() };
            let page = self.store.audit(&wanted).await?;
            let newest = self.newest().await?;
            self.metrics.webhook_waiting(newest.0.saturating_sub(webhook.sent.0));
            if page.is_empty() {
                // A store that has become another one may have fewer.
                webhook.sent = webhook.sent.min(newest);
                tokio::select! {
                    () = self.store.woken() => {}
                    () = pause(LOOK_AGAIN) => {}
                    () = self.other_settings(settings) => {}
                }
                continue;
            }
            for entry in page {
                self.deliver(&entry, url, settings).await?;
                webhook.sent = entry.id;
                self.keep(&webhook).await?;
                self.metrics.webhook_waiting(newest.0.saturating_sub(webhook.sent.0));
            }
        }
    }

    /// Sees to it that who is told is who is to be told. One who no longer is gets a last event; a new one is told of what comes from now on,
    /// or, if there was another one, of what that one was not.
    async fn settle(&mut self, webhook: &mut Webhook, settings: &WebhookSettings) -> Result<(), End> {
        let secret_file = settings.secret_file.display().to_string();
        let receiver = settings.url.as_ref().map(|url| Receiver { url: url.to_string(), secret_file });
        if webhook.receiver == receiver {
            return Ok(());
        }
        let url = |receiver: &Option<Receiver>| receiver.as_ref().map(|receiver| receiver.url.clone());
        if url(&webhook.receiver) != url(&receiver) {
            match &webhook.receiver {
                Some(old) => self.farewell(old, webhook.sent, settings).await,
                None => webhook.sent = self.newest().await?,
            }
            if receiver.is_some() {
                tracing::info!(after = webhook.sent.0, "the receiver of the audit is told of the entries that come after this one");
            }
        }
        webhook.receiver = receiver;
        self.keep(webhook).await
    }

    async fn farewell(&self, old: &Receiver, sent: AuditId, settings: &WebhookSettings) {
        let Ok(url) = old.url.parse::<Uri>() else { return };
        let mut backoff = Backoff::default();
        for attempt in 1..=FAREWELLS {
            let event = Event::removed(sent, attempt, self.clock.now().wall);
            match post::post(&event, &url, old.secret_file.as_ref(), settings.timeout).await {
                Ok(()) => return tracing::info!(last = sent.0, "the receiver of the audit has been told that it is no longer one"),
                Err(error) => {
                    tracing::debug!(%error, attempt, "the last event was not taken");
                    if attempt < FAREWELLS {
                        pause(backoff.next()).await;
                    }
                }
            }
        }
        tracing::warn!(last = sent.0, "the receiver of the audit that was could not be told that it is no longer one");
    }

    /// Returns when it was taken, or is too old to be tried again.
    async fn deliver(&mut self, entry: &AuditEntry, url: &Uri, settings: &WebhookSettings) -> Result<(), End> {
        let mut backoff = Backoff::default();
        for attempt in 1_u32.. {
            self.go_on_holding(settings).await?;
            let event = Event::entry(entry, attempt, self.clock.now().wall);
            let error = match post::post(&event, url, &settings.secret_file, settings.timeout).await {
                Ok(()) => {
                    if attempt > 1 {
                        tracing::info!(entry = entry.id.0, attempt, "the webhook's receiver has taken an audit entry at last");
                    }
                    return Ok(());
                }
                Err(error) => error,
            };
            if self.is_too_old(entry, settings) {
                self.metrics.webhook_given_up();
                tracing::error!(entry = entry.id.0, attempt, %error, "an audit entry was not taken by the webhook's receiver and is skipped");
                return Ok(());
            }
            if attempt == 1 {
                tracing::warn!(entry = entry.id.0, %error, "an audit entry was not taken by the webhook's receiver; it is tried again");
            } else {
                tracing::debug!(entry = entry.id.0, attempt, %error, "an audit entry was not taken again");
            }
            tokio::select! {
                () = pause(backoff.next()) => {}
                () = self.other_settings(settings) => return Err(End::Changed),
            }
        }
        Ok(())
    }

    fn is_too_old(&self, entry: &AuditEntry, settings: &WebhookSettings) -> bool {
        let age = self.clock.now().wall.duration_since(entry.at);
        SignedDuration::try_from(settings.give_up_after).is_ok_and(|most| age > most)
    }

    /// From now on this process is the one, for as long as an attempt may take and a little longer.
    async fn hold(&mut self, settings: &WebhookSettings) -> Result<Webhook, End> {
        let until = self.later(settings.timeout + HELD_BEYOND);
        let webhook = self.store.hold_webhook(&self.holder, until).await?.ok_or(End::Lost)?;
        self.held_until = until;
        Ok(webhook)
    }

    /// And stays the one.
    async fn go_on_holding(&mut self, settings: &WebhookSettings) -> Result<(), End> {
        if self.held_until < self.later(settings.timeout + HELD_BEYOND / 2) {
            self.hold(settings).await?;
        }
        Ok(())
    }

    fn later(&self, span: Duration) -> Timestamp {
        let now = self.clock.now().wall;
        SignedDuration::try_from(span).ok().and_then(|span| now.checked_add(span).ok()).unwrap_or(Timestamp::MAX)
    }

    async fn keep(&self, webhook: &Webhook) -> Result<(), End> {
        match self.store.set_webhook(&self.holder, webhook).await? {
            Held::Still => Ok(()),
            Held::Lost => Err(End::Lost),
        }
    }

    async fn newest(&self) -> Result<AuditId, StoreError> {
        let newest = self.store.audit(&AuditQuery { limit: 1, ..AuditQuery::default() }).await?;
        Ok(newest.first().map_or(AuditId::default(), |entry| entry.id))
    }

    fn is_unchanged(&self, settings: &WebhookSettings) -> Result<(), End> {
        if self.live.now().audit.webhook == *settings { Ok(()) } else { Err(End::Changed) }
    }

    async fn other_settings(&self, settings: &WebhookSettings) {
        while self.is_unchanged(settings).is_ok() {
            pause(SETTINGS).await;
        }
    }
}
