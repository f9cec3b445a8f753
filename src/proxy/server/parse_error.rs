//! Requests that cannot even be read: hyper answers them by itself, with a bare status, and this puts our answer in the place of its own.
//!
//! Nothing of such a request reaches us but hyper's answer, as bytes on their way to the socket; so it is there that it is recognised. It
//! is hyper's own if no request is being answered and every byte of earlier answers has left: then nothing of ours can be written.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::Method;

use crate::clock::Clock;
use crate::config::{AccessLog, LiveSettings};
use crate::edge::credential::Places;
use crate::edge::problem::{self, Connection};
use crate::edge::request_id::RequestIds;
use crate::model::{Outcome, TooLarge};
use crate::telemetry::{Access, Metrics, Route};

/// What to say instead of hyper. Shared by all connections of a thread, and asked rarely.
pub(super) struct ParseErrors {
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    live: LiveSettings,
    ids: Mutex<RequestIds>,
}

impl std::fmt::Debug for ParseErrors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParseErrors").finish_non_exhaustive()
    }
}

impl ParseErrors {
    pub(super) fn new(clock: Arc<dyn Clock>, metrics: Arc<Metrics>, live: LiveSettings) -> Result<Arc<Self>, getrandom::Error> {
        Ok(Arc::new(Self { clock, metrics, live, ids: Mutex::new(RequestIds::seeded()?) }))
    }

    /// What to say instead of `said`, counted and logged as any refusal; `None` if it is no refusal.
    pub(super) fn answer(&self, said: &[u8]) -> Option<Vec<u8>> {
        let outcome = match said.strip_prefix(b"HTTP/1.1 ").or_else(|| said.strip_prefix(b"HTTP/1.0 "))?.get(..3)? {
            b"400" => Outcome::BadRequest("the request's header section is malformed"),
            b"414" => Outcome::TooLarge(TooLarge::Target),
            b"431" => Outcome::TooLarge(TooLarge::Head),
            _ => return None,
        };
        let now = self.clock.now();
        let id = self.ids.lock().unwrap_or_else(PoisonError::into_inner).next(now.wall);
        let places = Places::of(&self.live.now().proxy.credentials);
        let response = problem::refuse(&outcome, &places, id.value(), Connection::Close);
        // Where there is no head there is no method either: it is counted among the unusual ones.
        let method = Method::from_bytes(b"-").unwrap_or_default();
        self.metrics.request_finished(Route::NONE, &method, response.status(), Duration::ZERO, None);
        if self.live.now().log.access != AccessLog::None {
            let line = Access {
                method: method.as_str(),
                path: "",
                status: response.status().as_u16(),
                code: outcome.code(),
                reason: outcome.reason(),
                route: None,
                policy: None,
                revision: None,
                key: None,
                request_id: id.as_str(),
                trace_id: None,
                took: Duration::ZERO,
                upstream: None,
                endpoint: None,
                client: None,
                certificate: None,
            };
            line.log_refused(now.monotonic);
        }
        let mut bytes = format!("HTTP/1.1 {}\r\ncontent-length: {}\r\n", response.status(), response.body().len()).into_bytes();
        for (name, value) in response.headers() {
            bytes.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
        }
        if let Ok(date) = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&now.wall) {
            bytes.extend(format!("date: {date}\r\n").bytes());
        }
        bytes.extend(b"\r\n");
        bytes.extend(response.body());
        Some(bytes)
    }
}
