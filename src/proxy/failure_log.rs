//! Why the upstream gave no answer, told to whoever must act, and not a thousand times a second.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use super::timer::CoarseTimer;
use crate::telemetry::UpstreamError;

/// Of each kind and endpoint, a thread tells one failure in so much time, and how many it has kept to itself.
const INTERVAL: Duration = Duration::from_secs(1);
/// Those of as many are remembered, which is more than there are until the configuration has named others again and again.
const REMEMBERED_MAX: usize = 1024;

/// A thread's failures.
pub(super) struct FailureLog {
    timer: Rc<CoarseTimer>,
    told: RefCell<Vec<Told>>,
}

/// Of one kind, and one endpoint.
struct Told {
    kind: UpstreamError,
    endpoint: String,
    /// The tick at which one was told.
    at: u64,
    /// How many were not, since then.
    omitted: u64,
}

impl FailureLog {
    pub(super) fn new(timer: &Rc<CoarseTimer>) -> Self {
        Self { timer: Rc::clone(timer), told: RefCell::default() }
    }

    /// `address`: the one of several that was tried. `request_id`: of the request that fails by it; `None`: it goes on elsewhere.
    pub(super) fn warn(
        &self,
        kind: UpstreamError,
        endpoint: &str,
        address: Option<SocketAddr>,
        error: &dyn std::fmt::Display,
        request_id: Option<&str>,
    ) {
        let Some(omitted) = self.admit(kind, endpoint) else { return };
        tracing::warn!(
            reason = kind.as_str(),
            upstream = endpoint,
            address = address.map(tracing::field::display),
            %error,
            request_id,
            omitted = (omitted > 0).then_some(omitted),
            "the upstream failed"
        );
    }

    /// How many were kept back before this one, which is to be told; `None`: it is not.
    fn admit(&self, kind: UpstreamError, endpoint: &str) -> Option<u64> {
        let now = self.timer.now();
        let mut all = self.told.borrow_mut();
        let Some(told) = all.iter_mut().find(|told| told.kind == kind && told.endpoint == endpoint) else {
            if all.len() >= REMEMBERED_MAX {
                all.clear();
            }
            all.push(Told { kind, endpoint: endpoint.to_owned(), at: now, omitted: 0 });
            return Some(0);
        };
        if now.saturating_sub(told.at) < self.timer.spanning(INTERVAL) {
            told.omitted = told.omitted.saturating_add(1);
            return None;
        }
        told.at = now;
        Some(std::mem::take(&mut told.omitted))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::{Clock, ManualClock};

    #[test]
    fn one_of_each_kind_is_told_in_an_interval_and_how_many_were_not() {
        let clock = Arc::new(ManualClock::at(jiff::Timestamp::UNIX_EPOCH));
        let timer = CoarseTimer::for_spans(&[INTERVAL], &(Arc::clone(&clock) as Arc<dyn Clock>));
        let log = FailureLog::new(&timer);
        let told: Vec<_> = (0..5).map(|_| log.admit(UpstreamError::Connect, "api:80")).collect();
        assert_eq!(told, [Some(0), None, None, None, None]);
        assert_eq!(log.admit(UpstreamError::Resolve, "api:80"), Some(0));
        assert_eq!(log.admit(UpstreamError::Connect, "other:80"), Some(0));
        clock.advance(INTERVAL * 2);
        timer.advance();
        assert_eq!(log.admit(UpstreamError::Connect, "api:80"), Some(4));
    }
}
