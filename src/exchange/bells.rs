//! What wakes whoever waits for changes to a key.

use tokio::sync::Notify;

use crate::model::KeyDigest;

/// How many groups of keys are woken apart.
const BELLS: usize = 256;

/// Rung when a change has been announced.
pub(super) struct Bells(Box<[Notify]>);

impl Bells {
    pub(super) fn new() -> Self {
        Self((0..BELLS).map(|_| Notify::new()).collect())
    }

    /// A change to single keys is in force.
    pub(super) fn ring(&self, digests: &[KeyDigest]) {
        for digest in digests {
            self.of(digest).notify_waiters();
        }
    }

    /// A change that can touch everybody is in force.
    pub(super) fn ring_all(&self) {
        for bell in &self.0 {
            bell.notify_waiters();
        }
    }

    /// Rung for the key with this secret.
    pub(super) fn of(&self, digest: &KeyDigest) -> &Notify {
        let [first, ..] = *digest.as_bytes();
        self.0.get(usize::from(first) % BELLS).expect("a remainder is less than what was divided by")
    }
}
