//! All upstreams of a thread: the one that every request is for, and those that routes have of their own.
//!
//! Other settings make other upstreams, of the same endpoints as far as they are wanted still: connections to those that stay stay open.

use std::rc::Rc;
use std::sync::Arc;

use super::endpoint::{Endpoint, EndpointLimits, EndpointPlan};
use super::forward::{Upstream, UpstreamParts};
use crate::config::{Settings, UpstreamSettings, UpstreamTlsSettings};
use crate::edge::tls::TlsClient;

/// All upstreams of a thread.
#[derive(Debug)]
pub(crate) struct Upstreams {
    main: Rc<Upstream>,
    /// Of each route that has one of its own, by its place.
    of_routes: Vec<Option<Rc<Upstream>>>,
    all: Vec<Rc<Upstream>>,
    /// Each once, however many upstreams have it.
    endpoints: Vec<Rc<Endpoint>>,
}

impl Upstreams {
    /// Those that these settings want. `before`: what there is; what is not wanted any more is closed when what runs on it has ended. `tls`:
    /// what is in force by which TLS is spoken. `None`: it says nothing of one to which TLS must be spoken, and all is as it was.
    pub(crate) fn of(
        settings: &Settings,
        limits: EndpointLimits,
        tls: impl Fn(&UpstreamTlsSettings) -> Option<Arc<TlsClient>>,
        before: Option<&Self>,
        parts: &UpstreamParts,
    ) -> Option<Self> {
        let mut making = Making { limits, tls, before, parts, upstreams: Vec::new(), endpoints: Vec::new() };
        let main = making.upstream(&settings.upstream)?;
        let mut of_routes = Vec::new();
        for route in &settings.routes {
            of_routes.push(match &route.upstream {
                None => None,
                Some(own) => Some(making.upstream(&own.settings)?),
            });
        }
        let Making { upstreams: all, endpoints, .. } = making;
        let gone = before.into_iter().flat_map(|before| &before.endpoints);
        gone.filter(|known| !endpoints.iter().any(|kept| Rc::ptr_eq(kept, known))).for_each(|gone| gone.retire());
        Some(Self { main, of_routes, all, endpoints })
    }

    /// The one that requests of this route are for, by its place.
    pub(crate) fn of_route(&self, number: Option<usize>) -> &Rc<Upstream> {
        let own = number.and_then(|number| self.of_routes.get(number)).and_then(Option::as_ref);
        own.unwrap_or(&self.main)
    }

    /// Closes what has rested too long.
    pub(crate) fn sweep(&self) {
        self.endpoints.iter().for_each(|endpoint| endpoint.sweep());
    }

    /// Closes the connections that carry nothing.
    pub(crate) fn close_idle(&self) {
        self.endpoints.iter().for_each(|endpoint| endpoint.h1_pool.clear());
    }
}

struct Making<'a, T> {
    limits: EndpointLimits,
    tls: T,
    before: Option<&'a Upstreams>,
    parts: &'a UpstreamParts,
    upstreams: Vec<Rc<Upstream>>,
    endpoints: Vec<Rc<Endpoint>>,
}

impl<T: Fn(&UpstreamTlsSettings) -> Option<Arc<TlsClient>>> Making<'_, T> {
    fn upstream(&mut self, settings: &UpstreamSettings) -> Option<Rc<Upstream>> {
        if let Some(made) = self.upstreams.iter().find(|made| made.settings() == settings) {
            return Some(Rc::clone(made));
        }
        let tls = settings.encryption().and_then(&self.tls);
        let plans = EndpointPlan::all_of(settings, tls.as_ref(), self.limits)?;
        let endpoints = plans.into_iter().map(|plan| self.endpoint(plan)).collect::<Option<Vec<_>>>()?;
        let before = self.before.into_iter().flat_map(|before| &before.all);
        let same = before.filter(|known| known.settings() == settings).find(|known| known.has(&endpoints)).cloned();
        let upstream = match same {
            Some(same) => same,
            None => Rc::new(Upstream::new(settings, endpoints, self.parts)?),
        };
        self.upstreams.push(Rc::clone(&upstream));
        Some(upstream)
    }

    fn endpoint(&mut self, plan: EndpointPlan) -> Option<Rc<Endpoint>> {
        let before = self.before.into_iter().flat_map(|before| &before.endpoints);
        let known = self.endpoints.iter().chain(before).find(|known| known.is_made_by(&plan)).cloned();
        if let Some(known) = known {
            if !self.endpoints.iter().any(|made| Rc::ptr_eq(made, &known)) {
                self.endpoints.push(Rc::clone(&known));
            }
            return Some(known);
        }
        let made = Rc::new(Endpoint::new(plan, &self.parts.timer, &self.parts.epochs)?);
        self.endpoints.push(Rc::clone(&made));
        Some(made)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::{Clock, ManualClock};
    use crate::proxy::failure_log::FailureLog;
    use crate::proxy::poll_epoch::PollEpochs;
    use crate::proxy::timer::CoarseTimer;
    use crate::telemetry::Metrics;

    fn parts() -> UpstreamParts {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(jiff::Timestamp::UNIX_EPOCH));
        let timer = CoarseTimer::for_spans(&[Duration::from_secs(1)], &clock);
        UpstreamParts {
            epochs: Rc::new(PollEpochs::of(tokio::runtime::Handle::current().metrics())),
            metrics: Arc::new(Metrics::new()),
            failures: Rc::new(FailureLog::new(&timer)),
            timer,
        }
    }

    fn upstreams(toml: &str, max_headers: usize, before: Option<&Upstreams>, parts: &UpstreamParts) -> Option<Upstreams> {
        let settings = Settings::from_toml(toml).unwrap_or_else(|faults| panic!("{faults}")).settings;
        Upstreams::of(&settings, EndpointLimits { max_headers, connections: 10 }, |_| None, before, parts)
    }

    fn endpoints(upstreams: &Upstreams) -> Vec<&str> {
        upstreams.endpoints.iter().map(|endpoint| endpoint.name()).collect()
    }

    #[tokio::test]
    async fn endpoints_that_are_wanted_still_stay_and_the_others_go() {
        let parts = parts();
        let first = upstreams("upstream.url = [\"http://a\", \"http://b\"]", 100, None, &parts).unwrap();
        let toml = "upstream.url = [\"http://b\", \"http://c\"]\nroutes = [{ path = \"/\", upstream = \"http://a:80\" }]";
        let second = upstreams(toml, 100, Some(&first), &parts).unwrap();
        assert_eq!((endpoints(&first), endpoints(&second)), (vec!["a", "b"], vec!["b", "c", "a:80"]));
        assert!(Rc::ptr_eq(&first.endpoints[1], &second.endpoints[0]));
        assert_eq!([first.endpoints[0].is_retired(), first.endpoints[1].is_retired()], [true, false]);
        // What is asked of all of them alike makes others.
        let third = upstreams(toml, 50, Some(&second), &parts).unwrap();
        assert!(second.endpoints.iter().all(|endpoint| endpoint.is_retired()) && endpoints(&second) == endpoints(&third));
    }

    #[tokio::test]
    async fn upstreams_of_which_the_same_is_said_are_one() {
        let parts = parts();
        let toml = "[upstreams.a]\nurl = \"http://a\"\n[[routes]]\npath = \"/a\"\nupstream = \"a\"\n[[routes]]\npath = \"/b\"\nupstream = \"http://a\"\n\
                    [[routes]]\npath = \"/c\"\n";
        let first = upstreams(toml, 100, None, &parts).unwrap();
        assert!(Rc::ptr_eq(first.of_route(Some(0)), first.of_route(Some(1))));
        assert!(Rc::ptr_eq(first.of_route(Some(2)), first.of_route(None)) && !Rc::ptr_eq(first.of_route(Some(0)), first.of_route(None)));
        let again = upstreams(toml, 100, Some(&first), &parts).unwrap();
        assert!(Rc::ptr_eq(first.of_route(Some(0)), again.of_route(Some(0))), "nothing has changed");
    }

    #[tokio::test]
    async fn where_nobody_says_how_tls_is_spoken_all_stays_as_it_was() {
        let parts = parts();
        let first = upstreams("", 100, None, &parts).unwrap();
        let secret = "routes = [{ path = \"/\", upstream = \"https://a\" }]\nupstream.url = \"http://b\"";
        assert!(upstreams(secret, 100, Some(&first), &parts).is_none());
        assert!(!first.endpoints[0].is_retired());
    }
}
