//! Requests, and how long they took.

use std::time::Duration;

use http::{Method, StatusCode};

use prometheus::proto::{self, Metric, MetricFamily};

use super::exposition::{Family as _, pair};
use super::label::{Label, Labels, Member, label};
use super::routes::{Route, RouteCounts};
use super::series::{Counters, Gauge, Histograms, micros};
use crate::model::RateLimit;

static REQUEST_BOUNDS: [Duration; 7] = micros([1_000, 5_000, 25_000, 100_000, 500_000, 1_000_000, 5_000_000]);
static OVERHEAD_BOUNDS: [Duration; 6] = micros([25, 50, 100, 1_000, 5_000, 25_000]);

label! {
    /// Of all requests together.
    enum Undivided: "route" {
        None = "-",
    }
}

/// What the label says where there are routes, and a family does not tell them apart.
const EVERY_ROUTE: &str = "*";

label! {
    /// Methods that have a series of their own. CONNECT and TRACE never get past the proxy; they are counted with what clients make up.
    enum KnownMethod: "method" {
        Get = "GET",
        Head = "HEAD",
        Post = "POST",
        Put = "PUT",
        Patch = "PATCH",
        Delete = "DELETE",
        Options = "OPTIONS",
        MadeUp = "other",
    }
}

label! {
    /// Exact where Claviger itself answers so, and for 200; a class for the rest.
    enum Code: "code" {
        Informational = "1xx",
        Ok = "200",
        Successful = "2xx",
        Redirection = "3xx",
        BadRequest = "400",
        Unauthorized = "401",
        Forbidden = "403",
        NotFound = "404",
        ClientError = "4xx",
        BadGateway = "502",
        Unavailable = "503",
        GatewayTimeout = "504",
        ServerError = "5xx",
    }
}

label! {
    /// What a rate is counted for.
    pub(super) enum LimitedBy: "by" {
        Key = "key",
        Route = "route",
    }
}

impl From<RateLimit> for LimitedBy {
    fn from(limit: RateLimit) -> Self {
        match limit {
            RateLimit::Key => Self::Key,
            RateLimit::Route => Self::Route,
        }
    }
}

label! {
    /// Requests past a limit.
    enum PastLimit: "code" {
        Body = "413",
        Target = "414",
        Head = "431",
        Rate = "429",
    }
}

/// What a request counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answered {
    With(KnownMethod, Code),
    /// Without its method, which may not even have been read.
    TooLarge(PastLimit),
}

impl Answered {
    fn of(method: &Method, status: StatusCode) -> Self {
        let code = match status.as_u16() {
            200 => Code::Ok,
            400 => Code::BadRequest,
            401 => Code::Unauthorized,
            403 => Code::Forbidden,
            404 => Code::NotFound,
            413 => return Self::TooLarge(PastLimit::Body),
            414 => return Self::TooLarge(PastLimit::Target),
            431 => return Self::TooLarge(PastLimit::Head),
            429 => return Self::TooLarge(PastLimit::Rate),
            502 => Code::BadGateway,
            503 => Code::Unavailable,
            504 => Code::GatewayTimeout,
            other => match other / 100 {
                0 | 1 => Code::Informational,
                2 => Code::Successful,
                3 => Code::Redirection,
                4 => Code::ClientError,
                _ => Code::ServerError,
            },
        };
        let method = match *method {
            Method::GET => KnownMethod::Get,
            Method::HEAD => KnownMethod::Head,
            Method::POST => KnownMethod::Post,
            Method::PUT => KnownMethod::Put,
            Method::PATCH => KnownMethod::Patch,
            Method::DELETE => KnownMethod::Delete,
            Method::OPTIONS => KnownMethod::Options,
            _ => KnownMethod::MadeUp,
        };
        Self::With(method, code)
    }

    const MEMBERS: usize = KnownMethod::ALL.len() * Code::ALL.len() + PastLimit::ALL.len();
}

impl Member for (Undivided, Answered) {
    fn all() -> Vec<Labels> {
        let nameless = PastLimit::ALL.iter().map(|code| vec![pair(KnownMethod::NAME, "-"), pair(PastLimit::NAME, code.value())]);
        let of_a_route: Vec<Labels> = <(KnownMethod, Code)>::all().into_iter().chain(nameless).collect();
        let routes = <(Undivided,)>::all();
        routes.iter().flat_map(|route| of_a_route.iter().map(move |answered| [route.as_slice(), answered].concat())).collect()
    }

    fn place(self) -> usize {
        let (route, answered) = self;
        let answered = match answered {
            Answered::With(method, code) => (method, code).place(),
            Answered::TooLarge(limit) => KnownMethod::ALL.len() * Code::ALL.len() + limit.place(),
        };
        route.place() * Answered::MEMBERS + answered
    }
}

pub(super) struct Requests {
    answered: Counters<(Undivided, Answered)>,
    durations: Histograms<(Undivided,)>,
    overheads: Histograms<(Undivided,)>,
    upstream_durations: Histograms<(Undivided,)>,
    routes: RouteCounts,
    limited: Counters<(LimitedBy,)>,
    shed: Counters<()>,
}

impl Requests {
    pub(super) fn new() -> Self {
        Self {
            answered: Counters::new(
                "claviger_http_requests_total",
                "Requests answered; the code is exact where Claviger itself answers so, and for 200. A class of codes for each route.",
            ),
            durations: Histograms::new("claviger_http_request_duration_seconds", "From a request's head to its answer's.", &REQUEST_BOUNDS),
            overheads: Histograms::new(
                "claviger_http_overhead_seconds",
                "Of the request's duration, what was not spent waiting for the upstream.",
                &OVERHEAD_BOUNDS,
            ),
            upstream_durations: Histograms::new(
                "claviger_http_upstream_duration_seconds",
                "Waiting for the upstream's answer.",
                &REQUEST_BOUNDS,
            ),
            routes: RouteCounts::new(),
            limited: Counters::new("claviger_rate_limited_total", "Requests refused because there were more than may pass."),
            shed: Counters::new("claviger_http_requests_shed_total", "Requests refused because as many were under way as may be at once."),
        }
    }

    pub(super) fn in_flight() -> Gauge {
        Gauge::new("claviger_http_requests_in_flight", "Requests being served.")
    }

    pub(super) fn limited(&self) -> &Counters<(LimitedBy,)> {
        &self.limited
    }

    pub(super) fn shed(&self) -> &Counters<()> {
        &self.shed
    }

    pub(super) fn routes(&self) -> &RouteCounts {
        &self.routes
    }

    /// All of them, as there are routes or not.
    pub(super) fn families(&self) -> [MetricFamily; 4] {
        let figures = self.routes.figures();
        let mut families = [self.answered.collect(), self.durations.collect(), self.overheads.collect(), self.upstream_durations.collect()];
        if figures.is_empty() {
            return families;
        }
        let [answered, durations, overheads, upstream_durations] = &mut families;
        let counted = figures.iter().flat_map(|figures| {
            figures.answered.iter().map(|(code, count)| {
                let mut counter = proto::Counter::default();
                #[expect(clippy::cast_precision_loss, reason = "the format has floating-point numbers; counts are exact up to 2^53")]
                counter.set_value(*count as f64);
                let mut metric = Metric::from_label(vec![figures.labels.clone(), pair(KnownMethod::NAME, "-"), code.clone()]);
                metric.set_counter(counter);
                metric
            })
        });
        answered.set_metric(counted.collect());
        let took = figures.iter().map(|figures| {
            let mut metric = Metric::from_label(vec![figures.labels.clone()]);
            metric.set_histogram(figures.duration.clone());
            metric
        });
        durations.set_metric(took.collect());
        for family in [overheads, upstream_durations] {
            for metric in family.mut_metric() {
                metric.set_label(vec![pair(Undivided::NAME, EVERY_ROUTE)]);
            }
        }
        families
    }

    pub(super) fn finished(&self, route: Route, method: &Method, status: StatusCode, total: Duration, upstream: Option<Duration>) {
        let all = Undivided::None;
        self.answered.increment((all, Answered::of(method, status)));
        self.durations.observe((all,), total);
        self.overheads.observe((all,), total.saturating_sub(upstream.unwrap_or_default()));
        if let Some(upstream) = upstream {
            self.upstream_durations.observe((all,), upstream);
        }
        if self.routes.are_in_use() {
            self.routes.finished(route, status, total);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_and_method_has_its_member() {
        let all = <(Undivided, Answered)>::all();
        let (methods, codes): (Vec<_>, Vec<_>) =
            (KnownMethod::ALL.iter().map(|m| m.value()).collect(), Code::ALL.iter().map(|c| c.value().to_owned()).collect());
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW"] {
            for status in 100..1000_u16 {
                let member = &all[(Undivided::None, Answered::of(&method.parse().unwrap(), StatusCode::from_u16(status).unwrap())).place()];
                let (class, exact) = (format!("{}xx", (status / 100).min(5)), status.to_string());
                let (counted_as, code) = match status {
                    413 | 414 | 429 | 431 => ("-", exact),
                    _ => (if methods.contains(&method) { method } else { "other" }, if codes.contains(&exact) { exact } else { class }),
                };
                assert_eq!(*member, [pair("route", "-"), pair("method", counted_as), pair("code", &code)]);
            }
        }
        assert_eq!(all.len(), Answered::MEMBERS);
    }
}
