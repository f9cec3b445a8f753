//! How many requests may be under way at once. More are refused at once, while those that are there are still answered in time.
//!
//! Whoever is let in counts, and nobody else: a client without a key takes no place, however long it leaves its answer lying. A request
//! counts until the last byte of its answer, a stream for as long as it lasts, and a WebSocket until it is one: then it is a connection.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Requests under way, of all threads together.
#[derive(Debug, Default)]
pub(super) struct RequestsInFlight(AtomicUsize);

/// Whether there is room for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    Taken,
    Full,
}

impl RequestsInFlight {
    /// Takes a place, of which there are `most`.
    pub(super) fn enter(&self, most: usize) -> Room {
        if self.0.fetch_add(1, Ordering::Relaxed) < most {
            return Room::Taken;
        }
        self.leave();
        Room::Full
    }

    /// Gives one back that was taken.
    pub(super) fn leave(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;

    #[test]
    fn there_are_never_more_than_may_be_and_a_place_that_is_given_back_is_taken_again() {
        const MOST: usize = 3;
        let (requests, inside, exceeded) = (RequestsInFlight::default(), AtomicUsize::new(0), AtomicBool::new(false));
        let ask = || {
            let mut taken = 0;
            for _ in 0..20_000 {
                if requests.enter(MOST) == Room::Taken {
                    exceeded.fetch_or(inside.fetch_add(1, Ordering::SeqCst) >= MOST, Ordering::SeqCst);
                    inside.fetch_sub(1, Ordering::SeqCst);
                    requests.leave();
                    taken += 1;
                }
            }
            taken
        };
        let taken: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert!(taken > 0 && !exceeded.into_inner());
        assert_eq!([(); 4].map(|()| requests.enter(MOST)), [Room::Taken, Room::Taken, Room::Taken, Room::Full]);
        requests.leave();
        assert_eq!(requests.enter(MOST), Room::Taken);
    }
}
