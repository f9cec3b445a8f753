//! Whether the other end of a connection is there still: who has said nothing for long is asked, and has so much time to answer.

use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use h2::{Ping, PingPong};

use crate::proxy::client_body::LastHeard;
use crate::proxy::timer::{CoarseTimer, Deadline};

/// How long a client may say nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct PingTimeouts {
    /// Before it is asked.
    pub(super) silent: Duration,
    /// After that.
    pub(super) unanswered: Duration,
}

/// Asks by `PING` (RFC 9113, section 6.7).
pub(super) struct KeepAlive {
    pings: PingPong,
    heard: Rc<LastHeard>,
    timer: Rc<CoarseTimer>,
    timeouts: PingTimeouts,
    waits: Waits,
}

enum Waits {
    /// Until it has been silent for long.
    ToAsk(Deadline),
    /// For the answer.
    Asked(Deadline),
    /// For nothing more.
    Ended,
}

impl KeepAlive {
    pub(super) fn new(pings: PingPong, heard: &Rc<LastHeard>, timer: &Rc<CoarseTimer>, timeouts: PingTimeouts) -> Self {
        let waits = Waits::ToAsk(timer.deadline(timeouts.silent));
        Self { pings, heard: Rc::clone(heard), timer: Rc::clone(timer), timeouts, waits }
    }

    /// Ready, once, when nobody has answered.
    pub(super) fn poll_lost(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match &mut self.waits {
                Waits::ToAsk(deadline) => {
                    if !deadline.has_passed(cx) {
                        return Poll::Pending;
                    }
                    let silent = self.timer.now().saturating_sub(self.heard.at());
                    let left = self.timer.spanning(self.timeouts.silent).saturating_sub(silent);
                    self.waits = if left > 0 {
                        Waits::ToAsk(self.timer.deadline_in(left))
                    } else if self.pings.send_ping(Ping::opaque()).is_ok() {
                        Waits::Asked(self.timer.deadline(self.timeouts.unanswered))
                    } else {
                        Waits::Ended
                    };
                }
                Waits::Asked(deadline) => match self.pings.poll_pong(cx) {
                    Poll::Ready(Ok(_)) => {
                        self.heard.note();
                        self.waits = Waits::ToAsk(self.timer.deadline(self.timeouts.silent));
                    }
                    // The connection is over.
                    Poll::Ready(Err(_)) => self.waits = Waits::Ended,
                    Poll::Pending if deadline.has_passed(cx) => {
                        self.waits = Waits::Ended;
                        return Poll::Ready(());
                    }
                    Poll::Pending => return Poll::Pending,
                },
                Waits::Ended => return Poll::Pending,
            }
        }
    }
}
