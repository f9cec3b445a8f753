//! Handshakes of TLS, one after the other.
//!
//! To answer the first message of one costs as much as many requests, and to send it next to nothing; nor need a client ever go on. If all that have come
//! at once were answered at once, everybody else on the thread would wait for all of them; as it is, they wait for one.

use tokio::sync::Mutex;

/// A thread's handshakes: in each round of its event loop one of them is answered, in the order in which they have come.
#[derive(Debug, Default)]
pub(super) struct HandshakeTurns(Mutex<()>);

impl HandshakeTurns {
    /// Waits for its turn. Whoever has it must take it before waiting for anything else.
    pub(super) async fn next(&self) {
        let turn = self.0.lock().await;
        // The runtime looks at all sockets, and lets whoever they wake go first.
        tokio::task::yield_now().await;
        drop(turn);
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
        let (turns, begun) = (Rc::new(HandshakeTurns::default()), Rc::new(Cell::new(0)));
        let tasks = tokio::task::LocalSet::new();
        for _ in 0..MANY {
            let (turns, begun) = (Rc::clone(&turns), Rc::clone(&begun));
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
        let turns = HandshakeTurns::default();
        for _ in 0..3 {
            // Polled once, and dropped.
            let mut given_up = Box::pin(turns.next());
            assert!(std::future::poll_fn(|cx| std::task::Poll::Ready(given_up.as_mut().poll(cx))).await.is_pending());
        }
        turns.next().await;
    }
}
