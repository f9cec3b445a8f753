//! HTTP/2 towards clients, on h2 itself. hyper's server does the same, but it has no way to say an interim answer.
//!
//! What a client sees of it (settings, limits, pings, how a connection ends) is what hyper's shows.

mod answering;
mod date;
mod keep_alive;

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::server::{Builder, Connection, Handshake, SendResponse};
use h2::{Reason, RecvStream};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Method, Request};
use tokio::io::{AsyncRead, AsyncWrite};

use self::answering::{StreamRules, answer};
pub(super) use self::date::DateHeader;
use self::keep_alive::{KeepAlive, PingTimeouts};
use crate::config::LimitSettings;
use crate::proxy::client_body::{ClientBody, LastHeard, StreamData};
use crate::proxy::context::STREAMS_MAX;
use crate::proxy::request::RequestHandlers;
use crate::proxy::stream::StreamState;
use crate::proxy::timer::CoarseTimer;

/// How much of a request's body, and of all bodies of a connection, may lie here until the upstream takes it, in bytes.
const WINDOW: u32 = 1 << 20;
/// The longest payload of a frame, in bytes; the least that must be taken (RFC 9113, section 4.2).
const FRAME_MAX: u32 = 16 << 10;
/// How much of an answer may wait to leave, in bytes.
const SENDING_MAX: usize = 64 << 10;
/// How many requests may have been reset before anybody has looked at them.
const RESET_UNSEEN_MAX: usize = 20;
/// How many streams may be reset for what their client did wrong.
const RESET_FAULTY_MAX: usize = 100;

/// A client's connection. Ends when all has been answered after a graceful shutdown, or when the client goes, or is found to be gone.
pub(super) struct Http2Connection<T> {
    state: ConnectionPhase<T>,
    heard: Rc<LastHeard>,
    ping_timeouts: PingTimeouts,
    streams: Rc<StreamRules>,
    /// It has been told to end.
    ends: bool,
}

enum ConnectionPhase<T> {
    Greeting(Handshake<T, Bytes>),
    Open { connection: Connection<T, Bytes>, keep_alive: Option<KeepAlive> },
}

impl<T: AsyncRead + AsyncWrite + Unpin> Http2Connection<T> {
    pub(super) fn new(
        socket: T,
        handlers: RequestHandlers,
        limits: &LimitSettings,
        timer: &Rc<CoarseTimer>,
        date: &Rc<DateHeader>,
    ) -> Self {
        let greeting = Builder::new()
            .initial_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .max_frame_size(FRAME_MAX)
            .max_concurrent_streams(STREAMS_MAX)
            .max_header_list_size(u32::try_from(limits.max_header_bytes).unwrap_or(u32::MAX))
            .max_pending_accept_reset_streams(RESET_UNSEEN_MAX)
            .max_local_error_reset_streams(Some(RESET_FAULTY_MAX))
            .max_send_buffer_size(SENDING_MAX)
            .handshake(socket);
        Self {
            state: ConnectionPhase::Greeting(greeting),
            heard: LastHeard::new(timer),
            ping_timeouts: PingTimeouts { silent: limits.idle_timeout, unanswered: limits.header_timeout },
            streams: Rc::new(StreamRules { handlers, timer: Rc::clone(timer), date: Rc::clone(date), timeout: limits.idle_timeout }),
            ends: false,
        }
    }

    /// Takes no more requests than are on their way, and ends when all have been answered.
    pub(super) fn graceful_shutdown(self: Pin<&mut Self>) {
        let this = self.get_mut();
        this.ends = true;
        match &mut this.state {
            ConnectionPhase::Greeting(_) => {}
            ConnectionPhase::Open { connection, .. } => connection.graceful_shutdown(),
        }
    }

    /// A connection whose client has been greeted.
    fn opened(&self, mut connection: Connection<T, Bytes>) -> ConnectionPhase<T> {
        if self.ends {
            connection.graceful_shutdown();
        }
        self.heard.note();
        let keep_alive = connection.ping_pong();
        let keep_alive = keep_alive.map(|pings| KeepAlive::new(pings, &self.heard, &self.streams.timer, self.ping_timeouts));
        ConnectionPhase::Open { connection, keep_alive }
    }

    /// Answers a request, in a task of its own.
    fn begin(&self, request: Request<RecvStream>, reply: SendResponse<Bytes>) {
        self.heard.note();
        let declared = declared_length(request.headers());
        let is_connect = *request.method() == Method::CONNECT;
        // What follows a CONNECT is no body.
        let body =
            |stream| if is_connect { ClientBody::Nothing } else { ClientBody::Http2(StreamData::new(stream, declared, &self.heard)) };
        tokio::task::spawn_local(answer(request.map(body), StreamState::new(reply), Rc::clone(&self.streams)));
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Future for Http2Connection<T> {
    type Output = ();

    /// An error has been answered, or there is nobody left to answer.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        loop {
            match &mut this.state {
                ConnectionPhase::Greeting(greeting) => match ready!(Pin::new(greeting).poll(cx)) {
                    Ok(connection) => this.state = this.opened(connection),
                    Err(_) => return Poll::Ready(()),
                },
                ConnectionPhase::Open { connection, keep_alive } => {
                    if keep_alive.as_mut().is_some_and(|keep_alive| keep_alive.poll_lost(cx).is_ready()) {
                        connection.abrupt_shutdown(Reason::NO_ERROR);
                    }
                    match ready!(connection.poll_accept(cx)) {
                        Some(Ok((request, reply))) => this.begin(request, reply),
                        Some(Err(_)) | None => return Poll::Ready(()),
                    }
                }
            }
        }
    }
}

/// How long a head says that its body is, if it says one thing alone.
fn declared_length(headers: &HeaderMap) -> Option<u64> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    let first = lengths.next().and_then(digits)?;
    lengths.all(|length| digits(length) == Some(first)).then_some(first)
}

/// Digits and nothing else.
fn digits(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text.trim_ascii()).ok()?;
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_length_counts_if_it_is_the_only_one() {
        let cases: [(&[&str], _); 10] = [
            (&[], None),
            (&["5"], Some(5)),
            (&["5", "5"], Some(5)),
            (&["5, 5"], Some(5)),
            (&["5", "6"], None),
            (&["5, 6"], None),
            (&["5", ""], None),
            (&[""], None),
            (&["+5"], None),
            (&["99999999999999999999"], None),
        ];
        for (lines, length) in cases {
            let headers = lines.iter().map(|line| (CONTENT_LENGTH, HeaderValue::from_static(line))).collect();
            assert_eq!(declared_length(&headers), length, "{lines:?}");
        }
    }
}
