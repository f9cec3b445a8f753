//! Turns of what costs a thread much, and whoever asks for it next to nothing.
//!
//! To answer the first message of a TLS handshake costs as much as many requests, and nor need a client ever go on; frames of HTTP/2 come by the
//! thousand in one read. If all that have come at once were answered at once, everybody else on the thread would wait for all of them; as it is,
//! they wait for one.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use tokio::sync::{Mutex, Notify};

/// A queue: in each round of the event loop one of those in it has its turn, in the order in which they have come.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turns(Arc<Mutex<()>>);

impl Turns {
    /// Waits for its turn. Whoever has it must take it before waiting for anything else.
    pub(crate) fn next(&self) -> impl Future<Output = ()> + Send + use<> {
        let queue = Arc::clone(&self.0);
        async move {
            let turn = queue.lock_owned().await;
            next_round().await;
            drop(turn);
        }
    }
}

/// Until the runtime has looked at all sockets, and whoever they wake has been let go first. A task that is polled meanwhile, because of something
/// else that it waits for, has not had its round: so the runtime wakes a bell, and not the task.
async fn next_round() {
    let bell = Arc::new(Bell(Notify::new()));
    let waker = Waker::from(Arc::clone(&bell));
    let _ = pin!(tokio::task::yield_now()).poll(&mut Context::from_waker(&waker));
    bell.0.notified().await;
}

struct Bell(Notify);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.notify_one();
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
    async fn a_task_that_is_polled_for_another_reason_has_its_turn_no_sooner() {
        let mut turn = Box::pin(Turns::default().next());
        let within_one_round = std::future::poll_fn(|cx| std::task::Poll::Ready((0..5).all(|_| turn.as_mut().poll(cx).is_pending())));
        assert!(within_one_round.await);
        turn.await;
    }
}
