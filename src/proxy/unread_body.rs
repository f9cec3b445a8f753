//! What a client goes on sending though its request was refused.
//!
//! Over HTTP/2 an answer may end before the request does, and the rest of the request is cut off with `RST_STREAM` and `NO_ERROR` (RFC 9113,
//! section 8.1). Many clients (curl, Node.js, Java's) lose the answer then. So its end is held back while the client sends on: what comes is
//! thrown away. Clients that know what to do with a refusal have had its head and its text by then, and may stop.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use http_body::Body as _;

use super::request_body::RequestBody;
use super::timer::{CoarseTimer, Deadline};
use crate::edge::unread::{LINGER, LINGER_QUIET};

/// The rest of a refused request's body.
#[derive(Debug)]
pub(super) struct UnreadBody {
    body: RequestBody,
    timer: Rc<CoarseTimer>,
    ends: Deadline,
    quiet: Deadline,
}

impl UnreadBody {
    pub(super) fn new(mut body: RequestBody, timer: &Rc<CoarseTimer>) -> Self {
        body.lift_limit();
        Self { body, timer: Rc::clone(timer), ends: timer.deadline(LINGER), quiet: timer.deadline(LINGER_QUIET) }
    }

    /// Ready when the client has come to its end, or is not waited for any longer.
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.ends.has_passed(cx) {
                return Poll::Ready(());
            }
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(_))) => self.quiet = self.timer.deadline(LINGER_QUIET),
                Poll::Ready(None | Some(Err(_))) => return Poll::Ready(()),
                Poll::Pending => return if self.quiet.has_passed(cx) { Poll::Ready(()) } else { Poll::Pending },
            }
        }
    }
}
