//! Single flight: questions that have the same answer share one piece of work.
//!
//! What makes two questions the same is the caller's key; questions under different keys never share. Who asks first becomes the
//! [`Leader`] and owes an answer; all others are [`Waiter`]s. A leader that is dropped without an answer, by a panic or otherwise, tells
//! its waiters so, and nobody waits for ever. Flights and waiters are bounded.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// Work that is under way, by what it answers.
pub(super) struct SingleFlight<K, V> {
    running: Mutex<HashMap<K, watch::Receiver<Option<V>>>>,
    most_running: usize,
    waiting: AtomicUsize,
    most_waiting: usize,
}

/// What happens to a question.
pub(super) enum Join<K: Eq + Hash + Clone, V> {
    /// It is the first: whoever holds the leader must work and answer.
    Lead(Leader<K, V>),
    /// The work is under way.
    Follow(Waiter<K, V>),
    /// Too much is under way, or too many wait.
    Full,
}

/// The duty to answer.
pub(super) struct Leader<K: Eq + Hash + Clone, V> {
    flights: Arc<SingleFlight<K, V>>,
    /// Until it has answered.
    key: Option<K>,
    answer: watch::Sender<Option<V>>,
}

/// The right to the answer.
pub(super) struct Waiter<K, V> {
    flights: Arc<SingleFlight<K, V>>,
    answer: watch::Receiver<Option<V>>,
}

impl<K: Eq + Hash + Clone, V: Clone> SingleFlight<K, V> {
    /// At most `most_running` pieces of work, and `most_waiting` questions that wait for the answer to another.
    pub(super) fn new(most_running: usize, most_waiting: usize) -> Arc<Self> {
        Arc::new(Self { running: Mutex::new(HashMap::new()), most_running, waiting: AtomicUsize::new(0), most_waiting })
    }

    /// Begins the work for `key`, or joins it.
    pub(super) fn join(self: &Arc<Self>, key: K) -> Join<K, V> {
        let mut running = self.running();
        let full = running.len() >= self.most_running;
        match running.entry(key) {
            // Whoever is counted while the lock is held is counted exactly; those who leave meanwhile only make room.
            Entry::Occupied(_) if self.waiting.load(Ordering::Relaxed) >= self.most_waiting => Join::Full,
            Entry::Occupied(flight) => Join::Follow(Waiter::new(Arc::clone(self), flight.get().clone())),
            Entry::Vacant(_) if full => Join::Full,
            Entry::Vacant(place) => {
                let (sender, receiver) = watch::channel(None);
                let leader = Leader { flights: Arc::clone(self), key: Some(place.key().clone()), answer: sender };
                place.insert(receiver);
                Join::Lead(leader)
            }
        }
    }
}

impl<K: Eq + Hash + Clone, V> SingleFlight<K, V> {
    fn running(&self) -> MutexGuard<'_, HashMap<K, watch::Receiver<Option<V>>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash + Clone, V> Leader<K, V> {
    /// For a leader whose work is done elsewhere. Always had: there are no more of them than flights.
    pub(super) fn waiter(&self) -> Waiter<K, V> {
        Waiter::new(Arc::clone(&self.flights), self.answer.subscribe())
    }

    /// Answers everybody who waits. Whoever asks from now on begins anew, or finds what was remembered.
    pub(super) fn answer(mut self, answer: V) {
        // In this order, or else whoever has got the answer and asks again at once would join what has ended.
        self.leave();
        self.answer.send_replace(Some(answer));
    }

    fn leave(&mut self) {
        if let Some(key) = self.key.take() {
            self.flights.running().remove(&key);
        }
    }
}

impl<K: Eq + Hash + Clone, V> Drop for Leader<K, V> {
    fn drop(&mut self) {
        self.leave();
    }
}

impl<K, V> Waiter<K, V> {
    fn new(flights: Arc<SingleFlight<K, V>>, answer: watch::Receiver<Option<V>>) -> Self {
        flights.waiting.fetch_add(1, Ordering::Relaxed);
        Self { flights, answer }
    }
}

impl<K, V: Clone> Waiter<K, V> {
    /// The answer; `None` if the work came to nothing.
    pub(super) async fn answer(mut self) -> Option<V> {
        match self.answer.wait_for(Option::is_some).await {
            Ok(answer) => answer.clone(),
            Err(_crashed) => None,
        }
    }
}

impl<K, V> Drop for Waiter<K, V> {
    fn drop(&mut self) {
        self.flights.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn those_who_ask_the_same_share_one_answer() {
        let flights = SingleFlight::new(8, 8);
        let Join::Lead(leader) = flights.join("a") else { panic!("nothing is under way") };
        let first = leader.waiter();
        let Join::Follow(second) = flights.join("a") else { panic!("the work is under way") };
        let Join::Lead(_other) = flights.join("b") else { panic!("another question is another flight") };
        leader.answer(7);
        assert_eq!((first.answer().await, second.answer().await), (Some(7), Some(7)));
        assert!(matches!(flights.join("a"), Join::Lead(_)), "what has ended is not joined");
    }

    #[tokio::test]
    async fn work_that_panics_leaves_nobody_waiting() {
        let flights = SingleFlight::<_, u8>::new(8, 8);
        let Join::Lead(leader) = flights.join("a") else { panic!("nothing is under way") };
        let first = leader.waiter();
        let Join::Follow(second) = flights.join("a") else { panic!("the work is under way") };
        let crash = tokio::spawn(async move {
            let _leader = leader;
            panic!("as a policy engine may");
        });
        assert_eq!((first.answer().await, second.answer().await), (None, None));
        assert!(crash.await.is_err());
        assert!(matches!(flights.join("a"), Join::Lead(_)), "the next one tries again");
    }

    #[test]
    fn flights_and_waiters_are_bounded_and_given_back() {
        let flights = SingleFlight::<_, u8>::new(1, 1);
        let Join::Lead(leader) = flights.join(1) else { panic!("there is room") };
        assert!(matches!(flights.join(2), Join::Full), "one flight at a time");
        let Join::Follow(waiter) = flights.join(1) else { panic!("there is room for one who waits") };
        assert!(matches!(flights.join(1), Join::Full), "and for one only");
        drop((leader, waiter));
        assert!(matches!(flights.join(2), Join::Lead(_)));
    }
}
