//! HTTP/1.1 to the upstream: our own codec, and connections between two requests.
//!
//! A connection belongs to one thread, and while it serves a request it is polled by that request's task: there is no task of its own, no
//! channel and no wake-up between the two. A request's head, and what is there of its body, leaves in one write; an answer that comes in
//! one piece takes one read.
//!
//! Two clients' answers must never be mixed up. So a connection goes back to its pool from one place alone, `H1Body::end`, and only if
//! the answer came to its end as its framing says, the whole request has left, and there is not one byte behind the answer. Whoever
//! drops one at any other time closes it. What an upstream says behind an answer later than that is looked for when the connection is
//! taken again (`H1Pool::poll_take`, which says what cannot be seen).

mod body;
mod chunked;
mod connection;
mod encode;
mod error;
pub(crate) mod fuzzing;
mod head;
#[cfg(test)]
mod head_tests;
mod open;
mod pool;

pub(crate) use body::H1Body;
pub(super) use connection::H1Connection;
pub(super) use error::H1Error;
pub(super) use head::HEAD_MAX;
pub(crate) use open::OpenConnection;
pub(super) use open::OpenConnections;
pub(super) use pool::H1Pool;
