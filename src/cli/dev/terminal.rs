//! The terminal that `dev` was started at: it is to end with it.

use std::io::{self, IsTerminal};
use std::time::Duration;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::timeout;

/// For the system to tell what it knows already.
const A_MOMENT: Duration = Duration::from_millis(200);

/// stdin, if it is a terminal.
pub(super) struct Terminal {
    is_there: bool,
}

impl Terminal {
    pub(super) fn of_stdin() -> Self {
        Self { is_there: io::stdin().is_terminal() }
    }

    pub(super) fn is_there(&self) -> bool {
        self.is_there
    }

    /// Whether that is why nothing can be written to it.
    pub(super) async fn has_hung_up(&self) -> bool {
        timeout(A_MOMENT, self.hung_up()).await.is_ok()
    }

    /// Returns when the terminal is gone; never, if there was none. What is typed at it is left alone.
    #[expect(deprecated, reason = "what takes its place is unsafe to call; stdin stays open as long as the process")]
    pub(super) async fn hung_up(&self) {
        let gone = async {
            let watched = AsyncFd::with_interest(io::stdin(), Interest::READABLE)?;
            loop {
                let mut ready = watched.readable().await?;
                if ready.ready().is_read_closed() {
                    return io::Result::Ok(());
                }
                ready.clear_ready();
            }
        };
        if !self.is_there || gone.await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
