//! How many requests may wait: each keeps a connection, of which there are few.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::model::KeyDigest;

/// At a time: a quarter of the connections that the listener has.
const MOST: usize = 64;
/// Of one key: nobody keeps all others from waiting.
const OF_ONE: usize = 16;

/// Who waits, and how often.
#[derive(Clone, Default)]
pub(super) struct Seats(Arc<Mutex<HashMap<KeyDigest, usize>>>);

/// Given back when it is dropped.
pub(super) struct Seat {
    seats: Seats,
    of: KeyDigest,
}

impl Seats {
    /// `None`: there is none left.
    pub(super) fn take(&self, of: KeyDigest) -> Option<Seat> {
        let mut taken = self.taken();
        if taken.values().sum::<usize>() >= MOST || taken.get(&of).is_some_and(|own| *own >= OF_ONE) {
            return None;
        }
        *taken.entry(of).or_default() += 1;
        Some(Seat { seats: self.clone(), of })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<KeyDigest, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken();
        let left = taken.get(&self.of).map_or(0, |own| own.saturating_sub(1));
        if left == 0 {
            taken.remove(&self.of);
        } else {
            taken.insert(self.of, left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_one_nor_all_together_take_more_than_there_are_and_what_is_given_back_is_there_again() {
        let seats = Seats::default();
        let of = |number: u8| seats.take(KeyDigest::from_bytes([number; 32]));
        let mut own: Vec<Seat> = (0..OF_ONE).filter_map(|_| of(0)).collect();
        assert_eq!((own.len(), of(0).is_none()), (OF_ONE, true));
        let others: Vec<Seat> = (1..=100).filter_map(of).collect();
        assert_eq!(others.len(), MOST - OF_ONE);
        own.pop();
        assert!(of(0).is_some() && of(101).is_some());
        drop((own, others));
        assert!(seats.taken().is_empty());
    }
}
