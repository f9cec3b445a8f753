//! One stream, from its request to the last byte of its answer.
//!
//! Over HTTP/1 the socket tells that a client takes nothing. Over HTTP/2 every stream has a window of its own; while it is closed, whoever
//! answers waits. When a piece of an answer has lain ready for too long, its stream is given up, which resets it and no other and gives up what
//! it holds of the upstream.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use h2::{Reason, SendStream};
use http::header::{CONTENT_LENGTH, DATE};
use http::{Request, Response};
use http_body::Body as _;

use super::date::DateHeader;
use crate::proxy::client_body::ClientBody;
use crate::proxy::request::RequestHandlers;
use crate::proxy::response_body::ResponseBody;
use crate::proxy::stream::StreamState;
use crate::proxy::timer::CoarseTimer;

/// What the streams of a connection have in common.
pub(super) struct StreamRules {
    pub(super) handlers: RequestHandlers,
    pub(super) timer: Rc<CoarseTimer>,
    pub(super) date: Rc<DateHeader>,
    /// How long a piece of an answer may lie ready.
    pub(super) timeout: Duration,
}

/// Answers a request. Whatever it ends by, what is left of the stream is reset when it is dropped.
pub(super) async fn answer(request: Request<ClientBody>, stream: Rc<StreamState>, rules: Rc<StreamRules>) {
    let answered = {
        let mut answering = pin!(rules.handlers.handle(request, Some(Rc::clone(&stream))));
        let answered = poll_fn(|cx| match answering.as_mut().poll(cx) {
            Poll::Ready(Ok(response)) => Poll::Ready(Some(response)),
            Poll::Pending => stream.poll_reset(cx).map(|()| None),
        });
        answered.await
    };
    // The client has gone.
    let Some(response) = answered else { return };
    let (parts, mut body) = response.into_parts();
    // What is said to the next hop alone has been taken off. Were it not, h2 would refuse to say it.
    let mut head = Response::from_parts(parts, ());
    if !head.headers().contains_key(DATE)
        && let Some(date) = rules.date.value()
    {
        head.headers_mut().insert(DATE, date);
    }
    let ends = body.is_end_stream();
    if !ends && let Some(length) = body.size_hint().exact() {
        head.headers_mut().entry(CONTENT_LENGTH).or_insert_with(|| length.into());
    }
    let Some(mut out) = stream.answer(head, ends) else { return };
    if !ends {
        send(&mut body, &mut out, &stream, &rules).await;
    }
}

/// Sends a body, as fast as its client takes it.
async fn send(body: &mut ResponseBody, out: &mut SendStream<Bytes>, stream: &StreamState, rules: &StreamRules) {
    loop {
        // Nothing is asked of the connection's window before there is something for it: who waits for a slow upstream would keep it from others.
        let next = poll_fn(|cx| match out.poll_reset(cx) {
            Poll::Ready(_) => Poll::Ready(None),
            Poll::Pending => Pin::new(&mut *body).poll_frame(cx).map(Some),
        });
        let frame = match next.await {
            None => return,
            Some(None) => return drop(out.send_data(Bytes::new(), true)),
            Some(Some(Err(_))) => return out.send_reset(Reason::INTERNAL_ERROR),
            Some(Some(Ok(frame))) => frame,
        };
        match frame.into_data() {
            Ok(data) => {
                let ends = body.is_end_stream();
                let has_room = data.is_empty() || has_room(out, stream, rules).await;
                if !has_room || out.send_data(data, ends).is_err() || ends {
                    return;
                }
            }
            Err(frame) => {
                if let Ok(trailers) = frame.into_trailers() {
                    // No data comes any more that would need room.
                    out.reserve_capacity(0);
                    return drop(out.send_trailers(trailers));
                }
            }
        }
    }
}

/// Waits until the client takes something; false: it does not, or is gone.
async fn has_room(out: &mut SendStream<Bytes>, stream: &StreamState, rules: &StreamRules) -> bool {
    // For all of a piece there is room as soon as there is any: h2 asks for the rest when it has it.
    out.reserve_capacity(1);
    let mut deadline = None;
    poll_fn(|cx| {
        if out.poll_reset(cx).is_ready() {
            return Poll::Ready(false);
        }
        while out.capacity() == 0 {
            match out.poll_capacity(cx) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(false),
                Poll::Pending => {
                    if !deadline.get_or_insert_with(|| rules.timer.deadline(rules.timeout)).has_passed(cx) {
                        return Poll::Pending;
                    }
                    stream.give_up();
                    return Poll::Ready(false);
                }
            }
        }
        Poll::Ready(true)
    })
    .await
}
