//! The data plane: a request in, the upstream's answer or a refusal out.
//!
//! A thread per core, each with a runtime, an upstream pool and a coarse clock of its own; a connection stays on the thread that it was
//! handed to, and so does everything about it. The way of a request is `Conversation::serve`: six steps in one function, and
//! `Exchange::credential` the only way through.

use std::net::TcpListener;
use std::sync::Arc;

use crate::clock::Clock;
use crate::config::Settings;
use crate::exchange::Exchange;
use crate::telemetry::Metrics;

mod body;
mod conversation;
mod follower;
mod headers;
mod line;
mod listener;
mod pool;
mod record;
mod shared;
mod taking;
mod ticks;
mod turns;
mod unread;
mod upgrade;
mod upstream;
mod wire;
mod worker;

pub use listener::{ProxyError, Running};

/// The data plane.
#[derive(Clone, Copy, Debug)]
pub struct Proxy;

impl Proxy {
    /// Starts serving on `listener`. Must be called on the control runtime, which accepts the connections.
    ///
    /// # Errors
    /// When sockets or threads cannot be had, or the upstream's URL has no host.
    pub fn start(
        settings: &Settings,
        exchange: &Arc<Exchange>,
        clock: &Arc<dyn Clock>,
        metrics: &Arc<Metrics>,
        listener: TcpListener,
    ) -> Result<Running, ProxyError> {
        listener::start(settings, exchange, clock, metrics, listener)
    }
}
