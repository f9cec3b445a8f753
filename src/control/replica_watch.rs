//! Looks at the replicas as long as somebody waits for them: once for all who wait, and when the store says that something may have changed.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use crate::model::Replicas;
use crate::store::Store;

/// A hint that another one has taken is made up for after this time.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// What the store says of replicas; `None`: it has not been asked yet.
pub(super) type Reading = Option<Arc<Replicas>>;

/// Looks at the replicas as long as somebody waits.
pub(super) struct ReplicaWatch {
    store: Arc<dyn Store>,
    following: Mutex<Weak<watch::Sender<Reading>>>,
    stop: watch::Sender<bool>,
}

impl ReplicaWatch {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, following: Mutex::default(), stop: watch::Sender::new(false) }
    }

    /// What is read from now on. Once nobody has such a receiver any more, nothing is read; one that was got just then ends, and must be got anew.
    pub(super) fn subscribe(&self) -> watch::Receiver<Reading> {
        let mut following = self.following.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = following.upgrade() {
            return sender.subscribe();
        }
        let sender = Arc::new(watch::Sender::new(None));
        *following = Arc::downgrade(&sender);
        let receiver = sender.subscribe();
        tokio::spawn(follow(Arc::clone(&self.store), sender));
        receiver
    }

    /// Nobody is to wait any more.
    pub(super) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Returns when nobody is to wait any more.
    pub(super) async fn stopped(&self) {
        // An error says that there is nobody any more who could say so.
        let mut stop = self.stop.subscribe();
        let _stopped = stop.wait_for(|stop| *stop).await;
    }
}

async fn follow(store: Arc<dyn Store>, sender: Arc<watch::Sender<Reading>>) {
    while !sender.is_closed() {
        match store.replicas().await {
            Ok(replicas) => _ = sender.send_replace(Some(Arc::new(replicas))),
            Err(error) => tracing::debug!(%error, "somebody waits for replicas of which the store cannot tell"),
        }
        tokio::select! {
            () = sender.closed() => {}
            _ = timeout(LOOK_AGAIN, store.woken()) => {}
        }
    }
}
