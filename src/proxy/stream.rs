//! One stream of HTTP/2, as its request, its answer's body and its task see it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, SendStream};
use http::Response;

/// The most of an answer that is given to h2 at once, in bytes. What it has been given lies in memory until the client takes it, even if
/// that is a byte at a time, and the last piece does so unwatched.
pub(super) const PIECE: usize = 16 * 1024;
/// What interim answers may take together, in bytes: nobody can tell whether the client has taken them. What is more is left out, for nobody
/// has to get any of them.
const INTERIM_MAX: usize = 64 * 1024;
/// What a header line takes beside its text (RFC 9113, section 6.5.2).
const LINE: usize = 32;

/// A stream's way to its client; shared by its request, its answer's body and its task.
#[derive(Debug)]
pub(super) struct StreamState {
    reply: RefCell<SendResponse<Bytes>>,
    /// What interim answers have taken.
    interim: Cell<usize>,
    given_up: Cell<bool>,
}

impl StreamState {
    pub(super) fn new(reply: SendResponse<Bytes>) -> Rc<Self> {
        Rc::new(Self { reply: RefCell::new(reply), interim: Cell::new(0), given_up: Cell::new(false) })
    }

    /// Says an interim answer that is fit for a client. Its task, which asks, hears of a reset.
    pub(super) fn say(&self, answer: Response<()>, cx: &mut Context<'_>) {
        let lines = answer.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + LINE);
        let all = self.interim.get().saturating_add(lines.sum::<usize>() + LINE);
        // h2 would say it on a stream that is over.
        if all > INTERIM_MAX || self.poll_reset(cx).is_ready() {
            return;
        }
        if self.reply.borrow_mut().send_informational(answer).is_ok() {
            self.interim.set(all);
        }
    }

    /// Ready when the client wants no answer any more, or cannot be reached. To be asked until the answer begins.
    pub(super) fn poll_reset(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.reply.borrow_mut().poll_reset(cx).map(drop)
    }

    /// Says the head of the answer; `None`: it cannot be said.
    pub(super) fn answer(&self, head: Response<()>, ends: bool) -> Option<SendStream<Bytes>> {
        let mut reply = self.reply.borrow_mut();
        let sent = reply.send_response(head, ends);
        if sent.is_err() {
            reply.send_reset(Reason::INTERNAL_ERROR);
        }
        sent.ok()
    }

    /// The client does not take its answer.
    pub(super) fn give_up(&self) {
        self.given_up.set(true);
    }

    /// Whether the stream ends because of its client.
    pub(super) fn is_given_up(&self) -> bool {
        self.given_up.get()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Waker;

    use http::{Request, StatusCode};

    use super::*;

    #[tokio::test]
    async fn nothing_is_said_on_a_stream_that_is_over() {
        let (near, far) = tokio::io::duplex(1 << 16);
        let (server, client) = tokio::join!(h2::server::handshake(near), h2::client::handshake(far));
        let (mut server, (mut client, connection)) = (server.unwrap(), client.unwrap());
        tokio::spawn(async move { connection.await.unwrap_or_default() });
        let request = || Request::get("http://api/").body(()).unwrap();
        let say = |stream: &StreamState| {
            let mut hints = Response::new(());
            *hints.status_mut() = StatusCode::EARLY_HINTS;
            stream.say(hints, &mut Context::from_waker(Waker::noop()));
        };

        let (asked, _) = client.send_request(request(), true).unwrap();
        let stream = StreamState::new(server.accept().await.unwrap().unwrap().1);
        say(&stream);
        assert_eq!(stream.interim.get(), LINE);
        drop(asked);
        poll_fn(|cx| {
            let _ = server.poll_closed(cx);
            stream.poll_reset(cx)
        })
        .await;
        say(&stream);
        assert_eq!(stream.interim.get(), LINE, "it has left");

        let (_asked, _) = client.send_request(request(), true).unwrap();
        let stream = StreamState::new(server.accept().await.unwrap().unwrap().1);
        assert!(stream.answer(Response::new(()), false).is_some());
        say(&stream);
        assert_eq!(stream.interim.get(), 0, "it has its answer");
    }
}
