//! `[limits]`: what one client may take.

use std::time::Duration;

use super::parse::{duration, number, size};
use super::quantity::{hours, millis, secs};
use super::rate::RateSettings;
use super::reader::Section;

/// `[limits]`
#[derive(Clone, Debug, PartialEq)]
pub struct LimitSettings {
    /// The head of a request, in bytes.
    pub max_header_bytes: usize,
    /// Header lines, of a request as of an answer.
    pub max_headers: usize,
    /// Connections of clients at one time.
    pub max_connections: usize,
    /// Requests under way at one time; 0: as many as come.
    pub max_requests: usize,
    /// How long the head of a request may take.
    pub header_timeout: Duration,
    /// How long a connection may say nothing.
    pub idle_timeout: Duration,
    /// How long nothing may pass through a WebSocket.
    pub websocket_idle_timeout: Duration,
    /// `[limits.rate]`: how many requests of one key may pass; none: as many as come.
    pub rate: Option<RateSettings>,
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            max_header_bytes: 32 << 10,
            max_headers: 100,
            max_connections: 10_000,
            max_requests: 0,
            header_timeout: secs(10),
            idle_timeout: secs(75),
            websocket_idle_timeout: hours(1),
            rate: None,
        }
    }
}

impl LimitSettings {
    /// Whether a client's connection is made in the same way by these and by others: what it is made by, it keeps.
    #[must_use]
    pub fn make_the_same_connection(&self, other: &Self) -> bool {
        let made_by = |limits: &Self| (limits.max_header_bytes, limits.max_headers, limits.header_timeout, limits.idle_timeout);
        made_by(self) == made_by(other)
    }

    pub(super) fn read(section: &mut Section<'_, '_>) -> Self {
        let default = Self::default();
        let max_connections = u32::try_from(default.max_connections).unwrap_or(u32::MAX);
        let max_requests = u32::try_from(default.max_requests).unwrap_or(u32::MAX);
        let max_headers = u32::try_from(default.max_headers).unwrap_or(u32::MAX);
        Self {
            // hyper has no smaller buffer.
            max_header_bytes: section.live("max_header_bytes", default.max_header_bytes, size(8 << 10..=1 << 20)),
            max_headers: section.live("max_headers", max_headers, number(16..=1_000)) as usize,
            max_connections: section.live("max_connections", max_connections, number(1..=1_000_000)) as usize,
            max_requests: section.live("max_requests", max_requests, number(0..=1_000_000)) as usize,
            header_timeout: section.live("header_timeout", default.header_timeout, duration(millis(100)..=secs(300))),
            idle_timeout: section.live("idle_timeout", default.idle_timeout, duration(secs(1)..=hours(24))),
            websocket_idle_timeout: section.live("websocket_idle_timeout", default.websocket_idle_timeout, duration(secs(1)..=hours(24))),
            rate: section.optional("rate", RateSettings::read).flatten(),
        }
    }
}
