//! Who is served first.
//!
//! A policy may take a thousand times as long for one key as for another, and nobody knows it before it is asked. So everybody is asked with a
//! small [part](crate::policy::allowance) of the limits first, in the quick lane, and who needs more goes on in the slow one, which has threads
//! of its own. Whoever is through in the quick lane waits for others that need little, never for one that takes all that it may; and in each
//! lane keys take turns, so that one that asks much waits for itself.
//!
//! The threads of the slow lane have low priority: others on the machine, the data plane first of all, go before them. Priority can be
//! lowered, and not raised again without privilege, so they keep it. One that has worked and then has nothing to do for a [while](PATIENCE)
//! ends, and another takes its place: what an allocator keeps for a thread that has filled its memory goes back with it. As long as there is
//! something to do it lives on, and fills the same memory again: that of one that ends lies about for a moment, beside what the next one takes.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::model::KeyId;

/// Where a thread takes its work from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    Quick,
    Slow,
}

/// How much lower the priority of the slow lane's threads is than that of all others, as `nice` counts it: a tenth of their share where there
/// is not enough for both. In builds for development the engine is asked in this lane before anybody is answered, often on a machine that is
/// busy with other tests.
const LOWER_BY: i32 = if cfg!(debug_assertions) { 1 } else { 10 };
const LOWEST: i32 = 19;

/// How long a thread of the slow lane that has worked waits for more.
const PATIENCE: Duration = Duration::from_millis(200);

impl Lane {
    /// How long a thread of it that has worked waits for more before another takes its place; `None`: for ever.
    pub(super) fn patience(self) -> Option<Duration> {
        match self {
            Self::Quick => None,
            Self::Slow => Some(PATIENCE),
        }
    }

    /// Gives this thread, which is to work in the lane, the lane's priority.
    pub(super) fn set_priority(self) {
        match self {
            Self::Quick => {}
            Self::Slow => {
                // From that of the first thread: this one's may be lowered already, by whoever has started it. In Linux these are about
                // one thread, whatever they are called.
                let (first, me) = (Some(rustix::process::getpid()), Some(rustix::thread::gettid()));
                let given = rustix::process::getpriority_process(first);
                let lowered = given.and_then(|given| rustix::process::setpriority_process(me, given.saturating_add(LOWER_BY).min(LOWEST)));
                if let Err(error) = lowered {
                    tracing::debug!(%error, "a thread that asks policies keeps its priority");
                }
            }
        }
    }
}

/// Who takes turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Party {
    /// All questions about one key.
    Key(KeyId),
    /// All [comparisons](super::cross_check).
    Comparisons,
}

/// What waits for a thread, each party in turn and within a party in the order of coming. Each that comes wakes one thread, and no thread
/// waits for another to be through the door.
#[derive(Debug)]
pub(super) struct Queue<T> {
    waiting: Mutex<Waiting<T>>,
    changed: Condvar,
    most: usize,
    /// How many wait, so that nobody looks at who does under a lock while nobody does.
    count: AtomicUsize,
}

/// What a thread is to do next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next<T> {
    Item(T),
    /// Nothing has come for as long as was waited.
    Nothing,
    /// Nobody is left who wants anything done.
    Closed,
}

#[derive(Debug)]
struct Waiting<T> {
    by_party: HashMap<Party, VecDeque<T>>,
    /// Who waits, each once; the first is served next.
    turns: VecDeque<Party>,
    count: usize,
    closed: bool,
}

impl<T> Queue<T> {
    /// Has room for so many.
    pub(super) fn new(most: usize) -> Self {
        let waiting = Waiting { by_party: HashMap::new(), turns: VecDeque::new(), count: 0, closed: false };
        Self { waiting: Mutex::new(waiting), changed: Condvar::new(), most, count: AtomicUsize::new(0) }
    }

    /// Takes in what is to be done. What there is no room for comes back: this, or what somebody else wants who has more waiting.
    pub(super) fn put(&self, party: Party, item: T) -> Option<T> {
        let mut waiting = self.waiting();
        let without_room = if waiting.count < self.most { None } else { waiting.give_up(party) };
        if waiting.count >= self.most {
            return Some(item);
        }
        waiting.add(party, item);
        self.count.store(waiting.count, Ordering::Release);
        drop(waiting);
        self.changed.notify_one();
        without_room
    }

    /// What is to be done next, waited for at most `patience`, or for as long as it takes.
    pub(super) fn next(&self, patience: Option<Duration>) -> Next<T> {
        let nothing = |waiting: &mut Waiting<T>| waiting.count == 0 && !waiting.closed;
        let waiting = self.waiting();
        let mut waiting = match patience {
            None => self.changed.wait_while(waiting, nothing).unwrap_or_else(PoisonError::into_inner),
            Some(patience) => self.changed.wait_timeout_while(waiting, patience, nothing).unwrap_or_else(PoisonError::into_inner).0,
        };
        match waiting.take() {
            Some(item) => {
                self.count.store(waiting.count, Ordering::Release);
                Next::Item(item)
            }
            None if waiting.closed => Next::Closed,
            None => Next::Nothing,
        }
    }

    /// How much of the party waits.
    pub(super) fn count_of(&self, party: Party) -> usize {
        if self.count.load(Ordering::Acquire) == 0 {
            return 0;
        }
        self.waiting().by_party.get(&party).map_or(0, VecDeque::len)
    }

    pub(super) fn close(&self) {
        self.waiting().closed = true;
        self.changed.notify_all();
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting<T>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Waiting<T> {
    fn add(&mut self, party: Party, item: T) {
        match self.by_party.entry(party) {
            Entry::Occupied(items) => items.into_mut().push_back(item),
            Entry::Vacant(place) => {
                place.insert(VecDeque::from([item]));
                self.turns.push_back(party);
            }
        }
        self.count += 1;
    }

    fn take(&mut self) -> Option<T> {
        let party = self.turns.pop_front()?;
        let Entry::Occupied(mut items) = self.by_party.entry(party) else { return None };
        let item = items.get_mut().pop_front();
        if items.get().is_empty() {
            items.remove();
        } else {
            self.turns.push_back(party);
        }
        self.count -= 1;
        item
    }

    /// Gives up what came last of whoever has the most waiting, if that is more than the party has.
    fn give_up(&mut self, party: Party) -> Option<T> {
        let own = self.by_party.get(&party).map_or(0, VecDeque::len);
        // At least two, so that somebody keeps one.
        let items = self.by_party.values_mut().max_by_key(|items| items.len()).filter(|items| items.len() > own + 1)?;
        let last = items.pop_back();
        self.count -= 1;
        last
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn key(number: u64) -> Party {
        Party::Key(KeyId::new(number, 1))
    }

    #[test]
    fn keys_take_turns() {
        let queue = Queue::new(16);
        for (party, item) in [(1, "a1"), (1, "a2"), (1, "a3"), (2, "b1"), (3, "c1"), (3, "c2")] {
            assert_eq!(queue.put(key(party), item), None);
        }
        assert_eq!([1, 2, 3, 4].map(|number| queue.count_of(key(number))), [3, 1, 2, 0]);
        assert_eq!(queue.next(Some(Duration::ZERO)), Next::Item("a1"));
        let served: Vec<Next<&str>> = (0..5).map(|_| queue.next(None)).collect();
        assert_eq!(served, ["b1", "c1", "a2", "c2", "a3"].map(Next::Item));
        assert_eq!(queue.count_of(key(1)), 0);
        assert_eq!(queue.next(Some(Duration::ZERO)), Next::Nothing);
        queue.close();
        assert_eq!((queue.next(None), queue.next(Some(Duration::MAX))), (Next::Closed, Next::Closed));
    }

    #[test]
    fn whoever_fills_the_queue_makes_room_for_others() {
        let queue = Queue::new(4);
        for item in 1..=4 {
            assert_eq!(queue.put(key(1), item), None);
        }
        assert_eq!(queue.put(key(1), 5), Some(5));
        assert_eq!(queue.put(key(2), 6), Some(4));
        assert_eq!(queue.put(Party::Comparisons, 7), Some(3));
        // Nobody has more than one more than this one would have.
        assert_eq!(queue.put(key(2), 8), Some(8));
        let served: Vec<Next<i32>> = (0..4).map(|_| queue.next(None)).collect();
        assert_eq!(served, [1, 6, 7, 2].map(Next::Item));
    }

    #[test]
    fn threads_of_the_slow_lane_have_lower_priority() {
        let lowered = |lane: Lane| {
            let nice = || rustix::process::getpriority_process(Some(rustix::thread::gettid())).unwrap();
            let before = nice();
            lane.set_priority();
            nice() - before
        };
        let of = |lane| thread::spawn(move || lowered(lane)).join().unwrap();
        assert_eq!((of(Lane::Quick), of(Lane::Slow)), (0, LOWER_BY));
    }
}
