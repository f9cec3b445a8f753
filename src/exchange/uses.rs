//! Notes when secrets were last presented with success.
//!
//! A note is a convenience for people (has the old secret gone quiet?), so it costs a request next to nothing and is given up when
//! there are too many: at most one a minute for each secret, gathered in memory, written in batches.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::model::KeyDigest;

/// How many notes are gathered at most.
const MOST: usize = 65_536;
/// How many are worth being written at once: where thousands of keys come by in a second, their notes would be the larger part of memory.
const MANY: usize = 1024;

/// Notes that have not been written yet.
#[derive(Default)]
pub(super) struct Uses {
    noted: Mutex<HashMap<KeyDigest, Timestamp>>,
}

/// The minute that `at` is in, counted from the Unix epoch.
pub(super) fn minute_of(at: Timestamp) -> i64 {
    at.as_second().div_euclid(60)
}

impl Uses {
    /// The secret was presented with success in this minute.
    pub(super) fn note(&self, digest: &KeyDigest, minute: i64) {
        let Ok(at) = Timestamp::from_second(minute.saturating_mul(60)) else { return };
        let mut noted = self.noted();
        if noted.len() < MOST || noted.contains_key(digest) {
            let last = noted.entry(*digest).or_insert(at);
            *last = at.max(*last);
        }
    }

    /// Whether there are so many that they should be written soon.
    pub(super) fn are_many(&self) -> bool {
        self.noted().len() >= MANY
    }

    /// All notes; they are the caller's to write now.
    pub(super) fn take(&self) -> Vec<(KeyDigest, Timestamp)> {
        std::mem::take(&mut *self.noted()).into_iter().collect()
    }

    /// Notes that could not be written are kept for the next time.
    pub(super) fn put_back(&self, uses: &[(KeyDigest, Timestamp)]) {
        for (digest, at) in uses {
            self.note(digest, minute_of(*at));
        }
    }

    fn noted(&self) -> MutexGuard<'_, HashMap<KeyDigest, Timestamp>> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
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
        assert_eq!(taken, [(digest, at(120))]);
        assert!(uses.take().is_empty());
        uses.note(&digest, minute_of(at(180)));
        uses.put_back(&taken);
        assert_eq!(uses.take(), [(digest, at(180))]);
    }

    #[test]
    fn notes_are_bounded() {
        let uses = Uses::default();
        for number in 0..MOST + 10 {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&number.to_le_bytes());
            uses.note(&KeyDigest::from_bytes(bytes), 0);
        }
        assert_eq!(uses.take().len(), MOST);
    }
}
