//! Many ask, one works: questions that have the same answer share one piece of work.
//!
//! What makes two questions the same is the caller's key; questions under different keys never share. Who asks first gets a [`Pilot`]
//! and owes an answer; all others wait in a [`Seat`]. A pilot that is dropped without landing, by a panic or otherwise, leaves seats
//! that say so, so nobody waits for ever. Flights and seats are bounded.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// Work that is under way, by what it answers.
pub(super) struct Flights<K, V> {
    running: Mutex<HashMap<K, watch::Receiver<Option<V>>>>,
    most_running: usize,
    seated: AtomicUsize,
    most_seated: usize,
}

/// What happens to a question.
pub(super) enum Boarding<K: Eq + Hash + Clone, V> {
    /// It is the first: whoever holds the pilot must work and land. The seat gets that answer.
    First(Pilot<K, V>, Seat<K, V>),
    /// The work is under way.
    Joined(Seat<K, V>),
    /// Too much is under way, or too many wait.
    Full,
}

/// The duty to answer.
pub(super) struct Pilot<K: Eq + Hash + Clone, V> {
    flights: Arc<Flights<K, V>>,
    /// Until it has landed.
    key: Option<K>,
    answer: watch::Sender<Option<V>>,
}

/// The right to the answer.
pub(super) struct Seat<K, V> {
    flights: Arc<Flights<K, V>>,
    answer: watch::Receiver<Option<V>>,
}

impl<K: Eq + Hash + Clone, V: Clone> Flights<K, V> {
    /// At most `most_running` pieces of work, and `most_seated` that wait for them.
    pub(super) fn new(most_running: usize, most_seated: usize) -> Arc<Self> {
        Arc::new(Self { running: Mutex::new(HashMap::new()), most_running, seated: AtomicUsize::new(0), most_seated })
    }

    /// Begins the work for `key`, or joins it.
    pub(super) fn board(self: &Arc<Self>, key: K) -> Boarding<K, V> {
        // Counted before it is known whether there is room: a count that is too high for a moment refuses, one too low would not.
        if self.seated.fetch_add(1, Ordering::Relaxed) >= self.most_seated {
            self.seated.fetch_sub(1, Ordering::Relaxed);
            return Boarding::Full;
        }
        let mut running = self.running();
        let full = running.len() >= self.most_running;
        match running.entry(key) {
            Entry::Occupied(flight) => Boarding::Joined(Seat { flights: Arc::clone(self), answer: flight.get().clone() }),
            Entry::Vacant(_) if full => {
                self.seated.fetch_sub(1, Ordering::Relaxed);
                Boarding::Full
            }
            Entry::Vacant(place) => {
                let (sender, receiver) = watch::channel(None);
                let pilot = Pilot { flights: Arc::clone(self), key: Some(place.key().clone()), answer: sender };
                place.insert(receiver.clone());
                Boarding::First(pilot, Seat { flights: Arc::clone(self), answer: receiver })
            }
        }
    }
}

impl<K: Eq + Hash + Clone, V> Flights<K, V> {
    fn running(&self) -> MutexGuard<'_, HashMap<K, watch::Receiver<Option<V>>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash + Clone, V> Pilot<K, V> {
    /// Answers everybody who waits. Whoever asks from now on begins anew, or finds what was remembered.
    pub(super) fn land(mut self, answer: V) {
        // In this order, or else whoever has got the answer and asks again at once would join what has landed.
        self.leave();
        self.answer.send_replace(Some(answer));
    }

    fn leave(&mut self) {
        if let Some(key) = self.key.take() {
            self.flights.running().remove(&key);
        }
    }
}

impl<K: Eq + Hash + Clone, V> Drop for Pilot<K, V> {
    fn drop(&mut self) {
        self.leave();
    }
}

impl<K, V: Clone> Seat<K, V> {
    /// The answer; `None` if the work came to nothing.
    pub(super) async fn answer(mut self) -> Option<V> {
        match self.answer.wait_for(Option::is_some).await {
            Ok(answer) => answer.clone(),
            Err(_crashed) => None,
        }
    }
}

impl<K, V> Drop for Seat<K, V> {
    fn drop(&mut self) {
        self.flights.seated.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn those_who_ask_the_same_share_one_answer() {
        let flights = Flights::new(8, 8);
        let Boarding::First(pilot, first) = flights.board("a") else { panic!("nothing is under way") };
        let Boarding::Joined(second) = flights.board("a") else { panic!("the work is under way") };
        let Boarding::First(_other, _seat) = flights.board("b") else { panic!("another question is another flight") };
        pilot.land(7);
        assert_eq!((first.answer().await, second.answer().await), (Some(7), Some(7)));
        assert!(matches!(flights.board("a"), Boarding::First(..)), "what has landed is not joined");
    }

    #[tokio::test]
    async fn work_that_panics_leaves_nobody_waiting() {
        let flights = Flights::<_, u8>::new(8, 8);
        let Boarding::First(pilot, first) = flights.board("a") else { panic!("nothing is under way") };
        let Boarding::Joined(second) = flights.board("a") else { panic!("the work is under way") };
        let crash = tokio::spawn(async move {
            let _pilot = pilot;
            panic!("as a policy engine may");
        });
        assert_eq!((first.answer().await, second.answer().await), (None, None));
        assert!(crash.await.is_err());
        assert!(matches!(flights.board("a"), Boarding::First(..)), "the next one tries again");
    }

    #[test]
    fn flights_and_seats_are_bounded_and_given_back() {
        let flights = Flights::<_, u8>::new(1, 2);
        let Boarding::First(pilot, first) = flights.board(1) else { panic!("there is room") };
        assert!(matches!(flights.board(2), Boarding::Full), "one flight at a time");
        let Boarding::Joined(second) = flights.board(1) else { panic!("there is a second seat") };
        assert!(matches!(flights.board(1), Boarding::Full), "two seats");
        drop((pilot, first, second));
        assert!(matches!(flights.board(2), Boarding::First(..)));
    }
}
