//! The data plane: a request in, the upstream's answer or a refusal out.
//!
//! A thread per core, each with a runtime, an upstream pool and a coarse clock of its own; a connection stays on the thread that it was
//! handed to, and so does everything about it. The way of a request is `RequestHandler::serve`: numbered steps in one function, and
//! `Exchange::credential` the only way through.
//!
//! `server` faces clients, `upstream` faces the API; between the two stand the request and what its thread's requests share.

#![warn(clippy::wildcard_enum_match_arm)]

use std::net::TcpListener;
use std::sync::Arc;

use crate::clock::Clock;
use crate::config::LiveSettings;
use crate::edge::tls::{ListenerTls, UpstreamTls};
use crate::exchange::Exchange;
use crate::telemetry::Metrics;

mod client_body;
mod connection;
mod context;
mod error;
#[doc(hidden)]
pub mod fuzzing {
    //! Doors for the fuzz targets.

    pub use super::server::fuzzing::{Followed, NameAndValue, Rewritten, block, fields, follow, rewrite};
    pub use super::upstream::fuzzing::{chunked, response_head};
}
mod failure_log;
mod headers;
mod in_flight;
mod interim;
mod key_watch;
mod poll_epoch;
mod record;
mod request;
mod request_body;
mod response_body;
mod server;
mod stream;
mod timer;
mod tracker;
mod unread_body;
mod upgrade;
mod upstream;

pub use error::ProxyError;
pub use headers::Permitted;
pub use server::Running;

/// The data plane.
#[derive(Clone, Copy, Debug)]
pub struct Proxy;

impl Proxy {
    /// Starts serving on `listener`, by the settings in force from then on. Must be called on the control runtime, which accepts the connections.
    ///
    /// # Errors
    /// When sockets or threads cannot be had, or the upstream's URL has no host, or it wants TLS and nothing says how that is spoken.
    pub fn start(
        live: impl Into<LiveSettings>,
        exchange: &Arc<Exchange>,
        clock: &Arc<dyn Clock>,
        metrics: &Arc<Metrics>,
        listener: TcpListener,
        (tls, upstream_tls): (&ListenerTls, &UpstreamTls),
    ) -> Result<Running, ProxyError> {
        server::start(&live.into(), exchange, clock, metrics, (listener, tls, upstream_tls))
    }
}
