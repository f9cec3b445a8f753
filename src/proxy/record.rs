//! One request from its head to the end of its answer: counted once, logged at most once.

use std::borrow::Cow;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{HeaderMap, Method, StatusCode};

use super::connection::ConnectionState;
use super::context::RequestContext;
use super::headers::{HeaderRules, TraceId};
use super::in_flight::Room;
use super::key_watch::KeyWatch;
use super::upstream::{Endpoint, ForwardError};
use crate::clock::Moment;
use crate::config::{AccessLog, EndStreams};
use crate::edge::problem;
use crate::edge::rate::RateFields;
use crate::edge::raw_target;
use crate::edge::request_id::RequestId;
use crate::edge::routes::Selection;
use crate::edge::tls::ShownCertificate;
use crate::exchange::Origin;
use crate::model::{ClientCertificate, KeyDigest, KeyId, Outcome, PolicyName, Refusal};
use crate::telemetry::{Access, Route, UpstreamError};

/// Finishes when it is dropped: by then the answer is out, or the client is gone.
pub(super) struct Record {
    context: Rc<RequestContext>,
    connection: Arc<ConnectionState>,
    method: Method,
    /// For the log alone, and only if there may be a line.
    target: Option<PathAndQuery>,
    /// As well.
    trace: Option<TraceId>,
    /// When the request came.
    pub(super) started: Moment,
    /// What it is called, here and at the upstream.
    pub(super) id: RequestId,
    /// Where the request comes from, if that is known.
    pub(super) client: Option<IpAddr>,
    /// What the client has proven itself by, as long as it lasts.
    certificate: ShownCertificate,
    key: Option<KeyId>,
    digest: Option<KeyDigest>,
    /// Its route; none: there are no routes, or none is for it.
    selection: Option<Selection>,
    /// What is told of rates; boxed, since there may be none.
    rates: Option<Box<RateFields>>,
    route: Route,
    sent: Option<Duration>,
    /// Since when the answer's head is there, if nothing has been waited for after it.
    head: Option<Duration>,
    upstream: Option<Duration>,
    /// It has a place among those that may be under way at once.
    counts: bool,
    status: StatusCode,
    outcome: Outcome,
    /// What went wrong with the upstream.
    failure: Option<&'static str>,
    /// Which endpoint of it was asked last.
    endpoint: Option<Rc<Endpoint>>,
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Record").field("id", &self.id).field("status", &self.status).finish_non_exhaustive()
    }
}

impl Record {
    /// A request has come; `id` is what a trusted proxy calls it.
    pub(super) fn open(
        context: &Rc<RequestContext>,
        connection: &Arc<ConnectionState>,
        method: &Method,
        target: Option<&PathAndQuery>,
        headers: &HeaderMap,
        id: Option<RequestId>,
        (client, certificate): (Option<IpAddr>, Option<&Arc<ClientCertificate>>),
    ) -> Self {
        connection.begin();
        context.metrics.http_in_flight.inc();
        let started = context.clock.now();
        Self {
            started,
            target: if context.access_log == AccessLog::None { None } else { target.cloned() },
            trace: if context.access_log == AccessLog::None { None } else { TraceId::of(headers) },
            context: Rc::clone(context),
            connection: Arc::clone(connection),
            method: method.clone(),
            id: id.unwrap_or_else(|| context.request_ids.next(started.wall)),
            client,
            certificate: certificate.filter(|certificate| started.wall < certificate.not_after).cloned(),
            key: None,
            digest: None,
            selection: None,
            rates: None,
            route: Route::NONE,
            sent: None,
            head: None,
            upstream: None,
            counts: false,
            status: problem::status(&Outcome::ClientGone),
            outcome: Outcome::ClientGone,
            failure: None,
            endpoint: None,
        }
    }

    /// For cleaning the trailers of the answer.
    pub(super) fn header_rules(&self) -> &HeaderRules {
        &self.context.header_rules
    }

    /// Which route the request is for.
    pub(super) fn goes_by(&mut self, selection: Selection) {
        self.route = self.context.route_labels.get(selection.route.number).copied().unwrap_or(Route::NONE);
        self.selection = Some(selection);
    }

    /// Takes a place among the requests that may be under way at once, and gives it back with the last byte of its answer.
    pub(super) fn take_place(&mut self) -> Result<(), Outcome> {
        let most = self.context.settings.limits.max_requests;
        if most == 0 {
            return Ok(());
        }
        match self.context.in_flight.enter(most) {
            Room::Taken => self.counts = true,
            Room::Full => {
                self.context.metrics.request_shed();
                return Err(Outcome::Overloaded);
            }
        }
        Ok(())
    }

    /// For what is to be told of the rates that the request counts for.
    pub(super) fn rates(&mut self) -> &mut RateFields {
        self.rates.get_or_insert_default()
    }

    /// Tells it.
    pub(super) fn tell_rates(&self, headers: &mut HeaderMap) {
        if let Some(rates) = &self.rates {
            rates.put(headers);
        }
    }

    /// The route of the request.
    pub(super) fn selection(&self) -> Option<&Selection> {
        self.selection.as_ref()
    }

    /// Which key the request claims to have; `None`: its text does not say.
    pub(super) fn presents(&mut self, key: Option<KeyId>) {
        self.key = key;
    }

    /// Whose request it is.
    pub(super) fn belongs_to(&mut self, key: KeyId, digest: KeyDigest) {
        (self.key, self.digest) = (Some(key), Some(digest));
    }

    /// Where it comes from, for the exchange.
    pub(super) fn origin(&self) -> Origin {
        Origin { address: self.client, certificate: self.certificate.clone(), at: self.started }
    }

    /// Tells when what the request has opened is to end; nothing if it is left alone, or nobody's.
    pub(super) fn key_watch(&self) -> Option<KeyWatch> {
        let digest = self.digest.filter(|_| self.context.end_streams != EndStreams::Never)?;
        Some(KeyWatch::begin(&self.context, digest, self.origin(), self.selection.clone()))
    }

    /// The answer ends here, because a request with its key would be refused by now; `None`: because it would get other roles.
    pub(super) fn ends_with_key(&mut self, refusal: Option<Refusal>) {
        self.head = None;
        if let Some(refusal) = refusal {
            self.outcome = Outcome::Refused(refusal);
        }
    }

    /// The upstream is asked from now on.
    pub(super) fn asks_upstream(&mut self) {
        self.sent = Some(self.context.clock.monotonic());
    }

    /// The upstream has answered, or will not. `endpoint`: which one of its was asked last.
    pub(super) fn upstream_done(&mut self, endpoint: Option<Rc<Endpoint>>) {
        self.endpoint = endpoint;
        let now = self.context.clock.monotonic();
        self.upstream = self.sent.map(|sent| now.saturating_sub(sent));
        self.head = Some(now);
    }

    /// The upstream's answer goes to the client.
    pub(super) fn forwards(&mut self, status: StatusCode) {
        self.status = status;
        self.outcome = Outcome::Forwarded;
    }

    /// Who was asked, or would have been.
    pub(super) fn upstream_name(&self) -> &str {
        self.endpoint.as_deref().map_or_else(|| self.context.upstream(self.selection()).name(), Endpoint::name)
    }

    /// What the upstream did wrong, for the log.
    pub(super) fn fails(&mut self, reason: &'static str) {
        self.failure = Some(reason);
    }

    /// The client gets an answer of our own.
    pub(super) fn refuses(&mut self, outcome: Outcome) {
        self.status = problem::status(&outcome);
        self.outcome = outcome;
    }

    /// Time passes after the head.
    pub(super) fn pauses(&mut self) {
        self.head = None;
    }

    /// The upstream broke off amid its answer; the client sees its connection close.
    pub(super) fn cut_off(&mut self, error: &ForwardError) {
        self.context.metrics.upstream_error(UpstreamError::Reset);
        self.context.failures.warn(UpstreamError::Reset, self.upstream_name(), None, error, Some(self.id.as_str()));
        self.failure = Some(UpstreamError::Reset.as_str());
        self.head = None;
        self.outcome = Outcome::UpstreamFailed;
    }

    fn is_logged(&self) -> bool {
        match self.context.access_log {
            AccessLog::None => false,
            AccessLog::Errors => self.status.is_server_error() || !matches!(self.outcome, Outcome::Forwarded | Outcome::ClientGone),
            AccessLog::All => true,
        }
    }

    fn log(&self, took: Duration, at: Duration) {
        let refusal = match &self.outcome {
            Outcome::Refused(refusal) => Some(refusal),
            Outcome::Forwarded
            | Outcome::BadRequest(_)
            | Outcome::MissingKey
            | Outcome::NoRoute
            | Outcome::RateLimited(..)
            | Outcome::Overloaded
            | Outcome::TooLarge(_)
            | Outcome::UpstreamFailed
            | Outcome::UpstreamTimeout
            | Outcome::Draining
            | Outcome::ClientGone => None,
        };
        let several = self.context.upstream(self.selection()).has_several();
        let line = Access {
            method: self.method.as_str(),
            path: &self.target.as_ref().map_or(Cow::Borrowed(""), |target| raw_target::as_sent(target.path())),
            status: self.status.as_u16(),
            code: self.outcome.code(),
            reason: self.outcome.reason().or(self.failure),
            policy: refusal.and_then(Refusal::policy).map(PolicyName::as_str),
            route: self.selection.as_ref().map(|selection| selection.route.settings.name.as_str()),
            revision: refusal.map(|_| self.context.exchange.applied_revision().0),
            key: self.key,
            request_id: self.id.as_str(),
            trace_id: self.trace.as_ref().map(TraceId::as_str),
            took,
            upstream: self.upstream,
            endpoint: self.endpoint.as_deref().filter(|_| several).map(Endpoint::name),
            client: self.client,
            certificate: self.certificate.as_deref(),
        };
        match self.outcome {
            Outcome::Forwarded => line.log(),
            Outcome::BadRequest(_)
            | Outcome::MissingKey
            | Outcome::Refused(_)
            | Outcome::NoRoute
            | Outcome::RateLimited(..)
            | Outcome::Overloaded
            | Outcome::TooLarge(_)
            | Outcome::UpstreamFailed
            | Outcome::UpstreamTimeout
            | Outcome::Draining
            | Outcome::ClientGone => line.log_refused(at),
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if self.outcome == Outcome::ClientGone && self.context.cutting.get() {
            self.refuses(Outcome::Draining);
        }
        let ended = self.head.unwrap_or_else(|| self.context.clock.monotonic());
        let total = ended.saturating_sub(self.started.monotonic);
        self.context.metrics.request_finished(self.route, &self.method, self.status, total, self.upstream);
        self.context.metrics.http_in_flight.dec();
        if self.counts {
            self.context.in_flight.leave();
        }
        self.connection.end();
        if self.is_logged() {
            self.log(total, ended);
        }
    }
}
