//! Endpoints of upstreams that are left out, each counted once however many threads do so.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus::proto::MetricFamily;

use super::exposition::{self, Family};

const NAME: &str = "claviger_upstream_endpoints_ejected";
const HELP: &str = "Endpoints of upstreams that a thread or several leave out now, because they failed again and again.";

/// By how many threads each endpoint is left out. Nobody looks here but who leaves one out or asks it again.
#[derive(Clone, Default)]
pub(super) struct LeftOutEndpoints(Arc<Mutex<BTreeMap<Box<str>, usize>>>);

/// A thread leaves out an endpoint for as long as this is there.
#[must_use]
pub struct LeftOut {
    all: LeftOutEndpoints,
    endpoint: Box<str>,
}

impl LeftOutEndpoints {
    pub(super) fn begin(&self, endpoint: &str) -> LeftOut {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(endpoint.into()).or_default() += 1;
        LeftOut { all: self.clone(), endpoint: endpoint.into() }
    }
}

impl Drop for LeftOut {
    fn drop(&mut self) {
        let mut all = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(threads) = all.get_mut(&self.endpoint) {
            *threads -= 1;
            if *threads == 0 {
                all.remove(&self.endpoint);
            }
        }
    }
}

impl std::fmt::Debug for LeftOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("LeftOut").field(&self.endpoint).finish()
    }
}

impl Family for LeftOutEndpoints {
    fn collect(&self) -> MetricFamily {
        let endpoints = self.0.lock().unwrap_or_else(PoisonError::into_inner).len();
        exposition::gauges(NAME, HELP, [([].as_slice(), i64::try_from(endpoints).unwrap_or(i64::MAX))])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_counts_once_until_no_thread_leaves_it_out() {
        let all = LeftOutEndpoints::default();
        let now = || all.0.lock().unwrap().len();
        let (here, there, other) = (all.begin("a"), all.begin("a"), all.begin("b"));
        assert_eq!(now(), 2);
        drop(here);
        assert_eq!(now(), 2);
        drop(other);
        assert_eq!(now(), 1);
        drop(there);
        assert_eq!(now(), 0);
    }
}
