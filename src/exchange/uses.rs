//! Notes when secrets were last presented with success.
//!
//! A note is a convenience for people (has the old secret gone quiet?), so it costs a request next to nothing and is given up when
//! there are too many: at most one a minute for each secret, gathered in memory, written in batches.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::model::KeyDigest;
use crate::store::StoreError;

/// How many notes are gathered at most.
const MOST: usize = 65_536;

/// Notes that have not been written yet.
#[derive(Default)]
pub(super) struct Uses {
    /// The minute of the last use; in 32 bits, as there may be a note for every key there is.
    noted: Mutex<HashMap<KeyDigest, u32>>,
}

/// The minute that `at` is in, counted from the Unix epoch.
pub(super) fn minute_of(at: Timestamp) -> i64 {
    at.as_second().div_euclid(60)
}

impl Uses {
    /// The secret was presented with success in this minute.
    pub(super) fn note(&self, digest: &KeyDigest, minute: i64) {
        let Ok(minute) = u32::try_from(minute) else { return };
        let mut noted = self.noted();
        if noted.len() < MOST || noted.contains_key(digest) {
            let last = noted.entry(*digest).or_insert(minute);
            *last = minute.max(*last);
        }
    }

    /// All notes; they are the caller's to write now.
    pub(super) fn take(&self) -> TakenUses<'_> {
        let noted = std::mem::take(&mut *self.noted());
        let at = |minute: u32| Timestamp::from_second(i64::from(minute) * 60).ok();
        TakenUses { of: self, all: noted.into_iter().filter_map(|(digest, minute)| at(minute).map(|at| (digest, at))).collect() }
    }

    fn noted(&self) -> MutexGuard<'_, HashMap<KeyDigest, u32>> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notes that are being written. Those that are not are kept for the next time, also if whoever writes them is interrupted.
pub(super) struct TakenUses<'u> {
    of: &'u Uses,
    all: Vec<(KeyDigest, Timestamp)>,
}

impl TakenUses<'_> {
    pub(super) fn all(&self) -> &[(KeyDigest, Timestamp)] {
        &self.all
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// What has come of it.
    pub(super) fn are_recorded(mut self, recorded: &Result<(), StoreError>) {
        match recorded {
            Ok(()) => self.all.clear(),
            Err(error) => {
                tracing::warn!(%error, secrets = self.all.len(), "the last use of secrets could not be recorded; it is tried again");
            }
        }
    }
}

impl Drop for TakenUses<'_> {
    fn drop(&mut self) {
        for (digest, at) in &self.all {
            self.of.note(digest, minute_of(*at));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_minute_of_a_secret_is_kept_and_survives_a_failed_write() {
        let uses = Uses::default();
        let digest = KeyDigest::from_bytes([7; 32]);
        let at = |second| Timestamp::from_second(second).unwrap();
        uses.note(&digest, minute_of(at(125)));
        uses.note(&digest, minute_of(at(61)));
        let taken = uses.take();
        assert_eq!(taken.all(), [(digest, at(120))]);
        assert!(uses.take().is_empty());
        uses.note(&digest, minute_of(at(180)));
        taken.are_recorded(&Err(StoreError::Unavailable("away".to_owned())));
        let taken = uses.take();
        assert_eq!(taken.all(), [(digest, at(180))]);
        drop(taken);
        assert_eq!(uses.take().all(), [(digest, at(180))], "of a write that was interrupted");
        uses.take().are_recorded(&Ok(()));
        assert!(uses.take().is_empty());
    }

    #[test]
    fn notes_are_bounded() {
        let uses = Uses::default();
        for number in 0..MOST + 10 {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&number.to_le_bytes());
            uses.note(&KeyDigest::from_bytes(bytes), 0);
        }
        assert_eq!(uses.take().all().len(), MOST);
    }
}
