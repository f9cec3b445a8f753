//! Turns of what costs a thread much, and whoever asks for it next to nothing.
//!
//! To answer the first message of a TLS handshake costs as much as many requests, and nor need a client ever go on; frames of HTTP/2 come by the
//! thousand in one read. If all that have come at once were answered at once, everybody else on the thread would wait for all of them; as it is,
//! they wait for one.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// A queue: in each round of the event loop one of those in it has its turn, in the order in which they have come. Whoever does not take it, because its
/// client has to read first, keeps it for later and holds up nobody.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turns(Arc<Mutex<Queue>>);

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<oneshot::Sender<()>>,
    /// Whether somebody gives turns.
    is_run: bool,
}

impl Turns {
    /// Waits for its turn.
    pub(crate) fn next(&self) -> impl Future<Output = ()> + Send + use<> {
        let turns = self.clone();
        async move {
            let (give, given) = oneshot::channel();
            if turns.begins_with(give) {
                tokio::spawn(turns.run());
            }
            // It is given, or the runtime ends.
            _ = given.await;
        }
    }

    /// Puts it into the queue; whether nobody gives turns there yet.
    fn begins_with(&self, give: oneshot::Sender<()>) -> bool {
        let mut queue = self.queue();
        queue.waiting.push_back(give);
        !std::mem::replace(&mut queue.is_run, true)
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

    /// Gives one turn, to the first who has not gone; whether there was anybody.
    fn give(&self) -> bool {
        let mut queue = self.queue();
        while let Some(next) = queue.waiting.pop_front() {
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;
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
}
