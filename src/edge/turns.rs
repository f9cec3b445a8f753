//! Turns of what costs a thread much, and whoever asks for it next to nothing.
//!
//! To answer the first message of a TLS handshake costs as much as many requests, and nor need a client ever go on; frames of HTTP/2 come by the
//! thousand in one read. If all that have come at once were answered at once, everybody else on the thread would wait for all of them; as it is,
//! they wait for one.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// A queue: in each round of the event loop one of those in it has its turn. Addresses go round, and those of one address go in the order in which they
/// have come. Whoever does not take it, because its client has to read first, keeps it for later and holds up nobody; whoever gives up leaves nothing
/// behind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turns(Arc<Mutex<Queue>>);

#[derive(Debug, Default)]
struct Queue {
    lanes: BTreeMap<Party, Lane>,
    /// Whose turn is next.
    order: BTreeMap<u64, Party>,
    /// The last of them is the longest; of several, the one whose first has waited longest.
    lengths: BTreeSet<(usize, Reverse<u64>, Party)>,
    waiting: usize,
    /// So many may wait; `None`: as many as come.
    most: Option<usize>,
    /// The last number that was given.
    number: u64,
    /// Whether somebody gives turns.
    is_run: bool,
}

/// Whom a turn is for; `None`: it is not told apart from others.
type Party = Option<IpAddr>;

/// Those of one address, by when they have come.
#[derive(Debug)]
struct Lane {
    place: u64,
    waiting: BTreeMap<u64, oneshot::Sender<()>>,
}

/// Of one that waits, until it is dropped.
struct StandsInQueue {
    turns: Turns,
    of: Party,
    number: u64,
}

impl Turns {
    /// At most so many wait: when there is one more, one of those is let go of whom most wait, the one that has waited longest.
    pub(crate) fn of_at_most(most: usize) -> Self {
        Self(Arc::new(Mutex::new(Queue { most: Some(most), ..Queue::default() })))
    }

    /// Waits for its turn.
    pub(crate) fn next(&self) -> impl Future<Output = ()> + Send + use<> {
        let turn = self.wait(None);
        async move {
            turn.await;
        }
    }

    /// The same for a client at this address. Whether it has its turn: if it has not, too many wait, and it is to go.
    pub(crate) fn next_of(&self, address: IpAddr) -> impl Future<Output = bool> + Send + use<> {
        self.wait(Some(network(address)))
    }

    fn wait(&self, of: Party) -> impl Future<Output = bool> + Send + use<> {
        let turns = self.clone();
        async move {
            let (give, given) = oneshot::channel();
            let (number, begins) = turns.begins_with(of, give);
            if begins {
                tokio::spawn(turns.clone().run());
            }
            let _stands = StandsInQueue { turns, of, number };
            // It is given, or there are too many, or the runtime ends.
            given.await.is_ok()
        }
    }

    /// Puts it into the queue: its number, and whether nobody gives turns there yet.
    fn begins_with(&self, of: Party, give: oneshot::Sender<()>) -> (u64, bool) {
        let mut queue = self.queue();
        let number = queue.enter(of, give);
        (number, !std::mem::replace(&mut queue.is_run, true))
    }

    /// Gives turns until nobody waits.
    async fn run(self) {
        loop {
            // Until the runtime has looked at all sockets, and whoever they wake has been let go first.
            tokio::task::yield_now().await;
            if !self.give() {
                return;
            }
        }
    }

    /// Gives one turn; whether there was anybody.
    fn give(&self) -> bool {
        let mut queue = self.queue();
        while let Some(next) = queue.pop() {
            if next.send(()).is_ok() {
                return true;
            }
        }
        queue.is_run = false;
        false
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn enter(&mut self, of: Party, give: oneshot::Sender<()>) -> u64 {
        if self.most.is_some_and(|most| self.waiting >= most) {
            self.let_one_go();
        }
        let number = self.next_number();
        self.change(of, |lane| lane.waiting.insert(number, give));
        self.waiting += 1;
        number
    }

    /// The one whose turn it is. Its address has its next turn behind all others.
    fn pop(&mut self) -> Option<oneshot::Sender<()>> {
        let of = *self.order.first_key_value()?.1;
        let place = self.next_number();
        let (_, next) = self.change(of, |lane| {
            lane.place = place;
            lane.waiting.pop_first()
        })?;
        self.waiting -= 1;
        Some(next)
    }

    /// It waits no longer, if it still does.
    fn leave(&mut self, of: Party, number: u64) {
        if self.lanes.contains_key(&of) && self.change(of, |lane| lane.waiting.remove(&number)).is_some() {
            self.waiting -= 1;
        }
    }

    fn let_one_go(&mut self) {
        let Some((_, _, of)) = self.lengths.last().copied() else { return };
        if self.change(of, |lane| lane.waiting.pop_first()).is_some() {
            self.waiting -= 1;
        }
    }

    /// Changes a lane, which is there as long as somebody waits in it, and what is known of it.
    fn change<T>(&mut self, of: Party, change: impl FnOnce(&mut Lane) -> T) -> T {
        let lane = self.lanes.remove(&of);
        let mut lane = lane.unwrap_or_else(|| Lane { place: self.next_number(), waiting: BTreeMap::new() });
        self.order.remove(&lane.place);
        if let Some(length) = lane.length(of) {
            self.lengths.remove(&length);
        }
        let changed = change(&mut lane);
        if let Some(length) = lane.length(of) {
            self.lengths.insert(length);
            self.order.insert(lane.place, of);
            self.lanes.insert(of, lane);
        }
        changed
    }

    fn next_number(&mut self) -> u64 {
        self.number += 1;
        self.number
    }
}

impl Lane {
    /// `None`: nobody waits.
    fn length(&self, of: Party) -> Option<(usize, Reverse<u64>, Party)> {
        self.waiting.first_key_value().map(|(first, _)| (self.waiting.len(), Reverse(*first), of))
    }
}

impl Drop for StandsInQueue {
    fn drop(&mut self) {
        self.turns.queue().leave(self.of, self.number);
    }
}

/// Whose address it is: of IPv6, whoever has one has 64 bits of others.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() >> 64 << 64).into()),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::pin::Pin;
    use std::rc::Rc;

    use super::*;

    #[tokio::test]
    async fn of_many_that_come_at_once_one_has_its_turn_in_each_round() {
        const MANY: usize = 100;
        let (turns, begun) = (Turns::default(), Rc::new(Cell::new(0)));
        let tasks = tokio::task::LocalSet::new();
        for _ in 0..MANY {
            let (turns, begun) = (turns.clone(), Rc::clone(&begun));
            tasks.spawn_local(async move {
                turns.next().await;
                begun.set(begun.get() + 1);
            });
        }
        tasks
            .run_until(async {
                let mut rounds = 0;
                while begun.get() < MANY {
                    let before = begun.get();
                    tokio::task::yield_now().await;
                    assert!(begun.get() <= before + 1, "{} at once", begun.get() - before);
                    rounds += 1;
                }
                assert!(rounds >= MANY);
            })
            .await;
    }

    #[tokio::test]
    async fn one_that_is_given_up_while_it_waits_holds_up_nobody() {
        let turns = Turns::default();
        for _ in 0..3 {
            // Polled once, and dropped.
            let mut given_up = Box::pin(turns.next());
            assert!(std::future::poll_fn(|cx| std::task::Poll::Ready(given_up.as_mut().poll(cx))).await.is_pending());
        }
        turns.next().await;
    }

    #[tokio::test]
    async fn one_that_does_not_take_its_turn_holds_up_nobody_and_has_it_later() {
        let turns = Turns::default();
        let mut busy: Vec<_> = (0..3).map(|_| Box::pin(turns.next())).collect();
        for waiting in &mut busy {
            assert!(std::future::poll_fn(|cx| std::task::Poll::Ready(waiting.as_mut().poll(cx))).await.is_pending());
        }
        turns.next().await;
        for waiting in busy {
            waiting.await;
        }
        // Whoever comes when all have gone has a turn again.
        tokio::task::yield_now().await;
        turns.next().await;
    }

    #[tokio::test]
    async fn a_task_that_is_polled_for_another_reason_has_its_turn_no_sooner() {
        let mut turn = Box::pin(Turns::default().next());
        let within_one_round = std::future::poll_fn(|cx| std::task::Poll::Ready((0..5).all(|_| turn.as_mut().poll(cx).is_pending())));
        assert!(within_one_round.await);
        turn.await;
    }

    /// Has all of these wait, in their order.
    async fn all_wait(waiting: &mut [Pin<Box<dyn Future<Output = bool> + Send>>]) {
        for one in waiting {
            assert!(std::future::poll_fn(|cx| std::task::Poll::Ready(one.as_mut().poll(cx))).await.is_pending());
        }
    }

    #[tokio::test]
    async fn addresses_go_round_however_many_of_one_wait() {
        let turns = Turns::default();
        let of = |address: &str| -> Pin<Box<dyn Future<Output = bool> + Send>> { Box::pin(turns.next_of(address.parse().unwrap())) };
        // Of IPv6, a network counts as one.
        let mut many: Vec<_> = (0..50).map(|host| of(&format!("2001:db8::{host:x}"))).collect();
        all_wait(&mut many).await;
        let mut others = [of("192.0.2.1"), of("2001:db8:0:1::1"), of("192.0.2.1")];
        all_wait(&mut others).await;

        for other in others {
            assert!(other.await);
        }

        let mut still = 0;
        for mut one in many {
            still += usize::from(std::future::poll_fn(|cx| std::task::Poll::Ready(one.as_mut().poll(cx))).await.is_pending());
        }
        assert!(still > 40, "{still}");
        assert_eq!(turns.queue().waiting, 0);
        assert!(turns.queue().lanes.is_empty() && turns.queue().order.is_empty() && turns.queue().lengths.is_empty());
    }

    #[tokio::test]
    async fn when_too_many_wait_one_goes_of_whom_most_wait_the_first_of_them_and_nobody_else() {
        let turns = Turns::of_at_most(10);
        let of = |address: &str| -> Pin<Box<dyn Future<Output = bool> + Send>> { Box::pin(turns.next_of(address.parse().unwrap())) };
        let mut waiting: Vec<_> = [of("192.0.2.1")].into_iter().chain((0..30).map(|_| of("192.0.2.9"))).chain([of("192.0.2.2")]).collect();
        all_wait(&mut waiting).await;
        assert_eq!(turns.queue().waiting, 10);

        let mut given = Vec::new();
        for one in waiting {
            given.push(one.await);
        }

        let expected: Vec<bool> = (0..32).map(|number| number == 0 || number > 22).collect();
        assert_eq!(given, expected);
    }
}
