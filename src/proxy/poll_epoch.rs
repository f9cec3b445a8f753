//! Epochs of the event loop: whether it has looked at the sockets since something happened.
//!
//! The runtime remembers of every socket whether there is something to read, and learns it when it asks the kernel about all of them at
//! once, between two rounds of tasks. What arrives within a round lies in the kernel and is not known of. Asking about one socket would
//! be a system call; here it is found out for nothing whether the runtime has asked.

use std::cell::Cell;

use tokio::runtime::RuntimeMetrics;

/// After how many polls of tasks the runtime asks the kernel at the latest. What it does by itself; both must be the same.
pub(super) const POLLS_MAX: u32 = 61;

/// A thread's epochs.
#[derive(Debug)]
pub(super) struct PollEpochs {
    runtime: RuntimeMetrics,
    polls: Cell<u64>,
}

/// One of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct PollEpoch {
    parked: u64,
    polls: u64,
}

impl PollEpochs {
    /// Of a runtime of one thread, built with [`POLLS_MAX`] as its event interval.
    pub(super) fn of(runtime: RuntimeMetrics) -> Self {
        Self { runtime, polls: Cell::new(0) }
    }

    /// A task is being polled. Not every task needs to say so.
    pub(super) fn polled(&self) {
        self.polls.set(self.polls.get().wrapping_add(1));
    }

    pub(super) fn now(&self) -> PollEpoch {
        PollEpoch { parked: self.runtime.worker_park_unpark_count(0), polls: self.polls.get() }
    }
}

impl PollEpoch {
    /// Whether the kernel has been asked since `self`, as of `now`: the runtime has slept, or has been so busy that it had to.
    pub(super) fn is_over(self, now: Self) -> bool {
        self.parked != now.parked || now.polls.wrapping_sub(self.polls) > u64::from(POLLS_MAX)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    #[tokio::test]
    async fn an_epoch_is_over_when_the_runtime_has_slept() {
        let epochs = PollEpochs::of(tokio::runtime::Handle::current().metrics());
        let before = epochs.now();
        assert!(!before.is_over(epochs.now()));

        let (mut here, there) = pair();
        here.write_all(b"a").await.unwrap();
        there.readable().await.unwrap();

        assert!(before.is_over(epochs.now()));
    }

    #[tokio::test]
    async fn an_epoch_is_over_when_more_was_polled_than_one_holds() {
        let epochs = PollEpochs::of(tokio::runtime::Handle::current().metrics());
        let before = epochs.now();
        (0..POLLS_MAX).for_each(|_| epochs.polled());
        assert!(!before.is_over(epochs.now()));
        epochs.polled();
        assert!(before.is_over(epochs.now()));
    }

    fn pair() -> (tokio::net::UnixStream, tokio::net::UnixStream) {
        tokio::net::UnixStream::pair().unwrap()
    }
}
