//! A request on its way to an upstream and back: which of its endpoints is asked, and whether another one is where that fails.
//!
//! Where connecting fails, nothing of a request has been sent, and another endpoint is tried whatever it asks for. Once something of it has left,
//! it is sent a second time in three cases: the connection had been closed while it rested; it is idempotent, the connection broke before a byte
//! of the answer came, and the budget allows it; or the upstream says over HTTP/2 that it has not touched it. Never once anything of its body has
//! been taken that is not at hand any more.

use std::borrow::Cow;
use std::cell::Cell;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::header::HOST;
use http::uri::{Authority, Scheme};
use http::{Request, Response, Uri, Version};
use hyper::body::Incoming;

use super::budget::RetryBudget;
use super::endpoint::{Agreed, Endpoint};
use super::error::{ForwardError, Unprocessed, broke, failed};
use super::h1::{H1Body, H1Connection};
use super::h2::{H2Sender, StreamPermit};
use super::head_copy::{HeadCopy, SpareLines};
use super::lent_body::LentBody;
use crate::config::{UpstreamProtocol, UpstreamSettings};
use crate::edge::raw_target;
use crate::proxy::failure_log::FailureLog;
use crate::proxy::headers::{Permitted, Unfit};
use crate::proxy::interim::InterimSink;
use crate::proxy::poll_epoch::PollEpochs;
use crate::proxy::request_body::{RequestBody, UploadState};
use crate::proxy::timer::CoarseTimer;
use crate::telemetry::Metrics;

/// A request waits for so many endpoints that let nobody in; those that refuse are tried one after the other.
const CONNECT_TIMEOUTS_MAX: u32 = 2;

/// Where the body of an answer comes from.
#[derive(Debug)]
pub(crate) enum UpstreamBody {
    Http1(H1Body),
    /// Of a connection that is shared, and the permit to use it.
    Http2 {
        incoming: Incoming,
        _permit: StreamPermit,
    },
}

/// What a thread's upstreams have in common.
#[derive(Clone)]
pub(crate) struct UpstreamParts {
    pub(crate) timer: Rc<CoarseTimer>,
    pub(crate) epochs: Rc<PollEpochs>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) failures: Rc<FailureLog>,
}

/// A thread's way to an upstream.
pub(crate) struct Upstream {
    first: Rc<Endpoint>,
    /// Where there are several. No more than there are bits in [`Attempts::tried`].
    others: Vec<Rc<Endpoint>>,
    /// Which one goes first where all have as much to do.
    turn: Cell<usize>,
    settings: UpstreamSettings,
    budget: RetryBudget,
    spare: SpareLines,
    parts: UpstreamParts,
}

/// What has been tried for a request.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    /// The places of the endpoints, where there are several.
    tried: u64,
    connect_timeouts: u32,
    /// It has been sent a second time, and is not a third.
    repeated: bool,
    /// Who was asked last.
    asked: Option<Rc<Endpoint>>,
}

impl Attempts {
    /// Who was asked last; `None`: nobody.
    pub(crate) fn into_asked(self) -> Option<Rc<Endpoint>> {
        self.asked
    }
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upstream").field("first", &self.first).field("others", &self.others).finish_non_exhaustive()
    }
}

impl Upstream {
    /// `None`: there is no endpoint.
    pub(super) fn new(settings: &UpstreamSettings, endpoints: Vec<Rc<Endpoint>>, parts: &UpstreamParts) -> Option<Self> {
        let mut endpoints = endpoints.into_iter();
        Some(Self {
            first: endpoints.next()?,
            others: endpoints.collect(),
            turn: Cell::new(0),
            settings: settings.clone(),
            budget: RetryBudget::new(),
            spare: SpareLines::default(),
            parts: parts.clone(),
        })
    }

    pub(super) fn settings(&self) -> &UpstreamSettings {
        &self.settings
    }

    /// Whether these are its endpoints, in this order.
    pub(super) fn has(&self, endpoints: &[Rc<Endpoint>]) -> bool {
        self.endpoints().count() == endpoints.len() && self.endpoints().zip(endpoints).all(|(one, other)| Rc::ptr_eq(one, other))
    }

    /// Whether requests are balanced.
    pub(crate) fn has_several(&self) -> bool {
        !self.others.is_empty()
    }

    /// Where it is, as far as it is one place: the first one otherwise.
    pub(crate) fn name(&self) -> &str {
        self.first.name()
    }

    fn endpoints(&self) -> impl Iterator<Item = &Rc<Endpoint>> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// Sends a request in origin form and waits for the head of the answer. Nothing is left of the request afterwards. Interim answers of
    /// an upstream that speaks HTTP/1.1 go to `interim`.
    pub(crate) async fn forward(
        &self,
        request: Permitted<&mut Request<RequestBody>>,
        upload: Option<&UploadState>,
        interim: Option<InterimSink<'_>>,
        attempts: &mut Attempts,
    ) -> Result<Response<UpstreamBody>, ForwardError> {
        let timeout = request.response_timeout().unwrap_or(self.settings.response_timeout);
        let request = request.into_inner();
        let exchange = Exchanged { upload, interim, timeout };
        self.budget.deposit();
        let endpoint = self.choose(attempts);
        match self.settings.protocol {
            UpstreamProtocol::Http1 => {
                let (endpoint, connection) = match endpoint.idle_http1().await {
                    Some(idle) => (endpoint, idle),
                    None => Box::pin(self.fresh_http1(endpoint, attempts)).await?,
                };
                self.forward_over_http1(endpoint, connection, request, exchange, attempts).await
            }
            UpstreamProtocol::Http2 => Box::pin(self.forward_http2(endpoint, None, std::mem::take(request), exchange, attempts)).await,
            UpstreamProtocol::Either => {
                if let Some(open) = endpoint.h2_pool.permit() {
                    return Box::pin(self.forward_http2(endpoint, Some(open), std::mem::take(request), exchange, attempts)).await;
                }
                if let Some(idle) = endpoint.idle_http1().await {
                    return self.forward_over_http1(endpoint, idle, request, exchange, attempts).await;
                }
                let connecting = self.fresh(endpoint, attempts, async |endpoint| endpoint.connect_either().await);
                match Box::pin(connecting).await? {
                    (endpoint, Agreed::Http1(connection)) => {
                        self.forward_over_http1(endpoint, connection, request, exchange, attempts).await
                    }
                    (endpoint, Agreed::Http2(open)) => {
                        Box::pin(self.forward_http2(endpoint, Some(open), std::mem::take(request), exchange, attempts)).await
                    }
                }
            }
        }
    }

    /// Asks for an upgrade, on a connection of its own that is never pooled. The request has no body.
    pub(crate) async fn upgrade(
        &self,
        request: Permitted<&mut Request<RequestBody>>,
        attempts: &mut Attempts,
    ) -> Result<Response<H1Body>, ForwardError> {
        let timeout = request.response_timeout().unwrap_or(self.settings.response_timeout);
        let request = request.into_inner();
        let endpoint = self.choose(attempts);
        let (endpoint, mut connection) = self.fresh_http1(endpoint, attempts).await?;
        connection.begin(request, endpoint.authority())?;
        let head = self.in_time(timeout, None, pin!(std::future::poll_fn(|cx| connection.poll_head(cx, request.body_mut())))).await;
        let head = head.and_then(|head| head.map_err(ForwardError::from)).inspect_err(|error| self.fails(endpoint, error))?;
        self.answers(endpoint);
        let mut response = H1Body::answer(connection, head, &endpoint.h1_pool);
        response.body_mut().closes_after();
        Ok(response)
    }

    /// Who is asked.
    fn choose(&self, attempts: &mut Attempts) -> &Rc<Endpoint> {
        if self.others.is_empty() {
            attempts.asked = Some(Rc::clone(&self.first));
            return &self.first;
        }
        self.another(attempts).unwrap_or(&self.first)
    }

    /// Of those that have not been tried yet the one with the fewest requests under way, and one that is left out only where there is no other.
    fn another(&self, attempts: &mut Attempts) -> Option<&Rc<Endpoint>> {
        let (now, count, turn) = (self.parts.timer.now(), self.others.len() + 1, self.turn.get());
        let untried = self.endpoints().enumerate().filter(|(place, _)| attempts.tried & bit(*place) == 0);
        let rank =
            |(place, endpoint): &(usize, &Rc<Endpoint>)| (!endpoint.health.is_asked(now), endpoint.load(), (place + count - turn) % count);
        let (place, endpoint) = untried.min_by_key(rank)?;
        self.turn.set((turn + 1) % count);
        attempts.tried |= bit(place);
        attempts.asked = Some(Rc::clone(endpoint));
        endpoint.health.begins(&self.parts.timer);
        Some(endpoint)
    }

    /// Where a request goes whose connection to this endpoint was closed while it rested, or as soon as it was used: nobody can tell, and it
    /// is sent twice at most. So it goes to another endpoint that is asked, and to this one if none is, or if that one lets nobody in.
    fn besides<'a>(&'a self, endpoint: &'a Rc<Endpoint>, attempts: &mut Attempts) -> &'a Rc<Endpoint> {
        let now = self.parts.timer.now();
        let is_asked = |other: &Rc<Endpoint>| !Rc::ptr_eq(other, endpoint) && other.health.is_asked(now);
        if !self.endpoints().any(is_asked) {
            return endpoint;
        }
        let another = self.another(attempts).unwrap_or(endpoint);
        if let Some(place) = self.endpoints().position(|known| Rc::ptr_eq(known, endpoint)) {
            attempts.tried &= !bit(place);
        }
        another
    }

    /// It has answered, whatever it said.
    fn answers(&self, endpoint: &Endpoint) {
        // One that is the only one now may have been left out when there were others.
        if endpoint.health.answers() && self.has_several() {
            tracing::info!(upstream = endpoint.name(), "an endpoint of the upstream answers again");
        }
    }

    /// It has not, if that is its fault.
    fn fails(&self, endpoint: &Endpoint, error: &ForwardError) {
        if !self.has_several() || error.kind().is_none() {
            return;
        }
        if let Some(left_out) = endpoint.health.fails(&self.parts.timer) {
            endpoint.health.show(Some(self.parts.metrics.upstream_ejected(endpoint.name())));
            tracing::warn!(upstream = endpoint.name(), %error, left_out = ?left_out, "an endpoint of the upstream fails again and again: it is left out");
        }
    }

    /// Another one is asked, or the same once more, and nobody but an operator hears of why.
    fn tries_again(&self, endpoint: &Endpoint, error: &ForwardError) {
        self.parts.metrics.upstream_retry();
        if let Some(kind) = error.kind() {
            self.parts.failures.warn(kind, endpoint.name(), error.address(), error, None);
        }
    }

    /// A fresh connection to this endpoint, or, where none comes about, to another one.
    async fn fresh<'a, C>(
        &'a self,
        mut endpoint: &'a Rc<Endpoint>,
        attempts: &mut Attempts,
        connect: impl AsyncFn(&Rc<Endpoint>) -> Result<C, ForwardError>,
    ) -> Result<(&'a Rc<Endpoint>, C), ForwardError> {
        loop {
            let error = match connect(endpoint).await {
                Ok(connection) => return Ok((endpoint, connection)),
                Err(error) => error,
            };
            self.fails(endpoint, &error);
            attempts.connect_timeouts += u32::from(error.is_connect_timeout());
            let has_time = attempts.connect_timeouts < CONNECT_TIMEOUTS_MAX;
            let another = if has_time && self.has_several() { self.another(attempts) } else { None };
            let Some(another) = another else { return Err(error) };
            self.tries_again(endpoint, &error);
            endpoint = another;
        }
    }

    async fn fresh_http1<'a>(
        &'a self,
        endpoint: &'a Rc<Endpoint>,
        attempts: &mut Attempts,
    ) -> Result<(&'a Rc<Endpoint>, Box<H1Connection>), ForwardError> {
        self.fresh(endpoint, attempts, async |endpoint| endpoint.connect_http1().await).await
    }

    async fn forward_over_http1<'a>(
        &'a self,
        mut endpoint: &'a Rc<Endpoint>,
        mut connection: Box<H1Connection>,
        request: &mut Request<RequestBody>,
        Exchanged { upload, interim, timeout }: Exchanged<'_>,
        attempts: &mut Attempts,
    ) -> Result<Response<UpstreamBody>, ForwardError> {
        connection.begin(request, endpoint.authority())?;
        let head = loop {
            let heads = std::future::poll_fn(|cx| {
                let head = connection.poll_head(cx, request.body_mut());
                for answer in connection.interim() {
                    if let Some(interim) = interim {
                        interim.say(answer, cx);
                    }
                }
                head
            });
            let fault = match self.in_time(timeout, upload, pin!(heads)).await {
                Ok(Ok(head)) => break head,
                Ok(Err(fault)) => fault,
                Err(late) => {
                    self.fails(endpoint, &late);
                    return Err(late);
                }
            };
            // It was closed while it rested: that is nobody's fault, and costs nothing of the budget.
            if connection.was_stale(&fault) {
                attempts.repeated = true;
                endpoint = self.besides(endpoint, attempts);
            } else {
                let again = connection.may_be_repeated(&fault) && !attempts.repeated && self.budget.withdraw();
                let error = ForwardError::from(fault);
                self.fails(endpoint, &error);
                if !again {
                    return Err(error);
                }
                attempts.repeated = true;
                self.tries_again(endpoint, &error);
                endpoint = self.another_or(endpoint, attempts);
            }
            let (reached, fresh) = Box::pin(self.fresh_http1(endpoint, attempts)).await?;
            endpoint = reached;
            let lost = std::mem::replace(&mut connection, fresh);
            connection.repeat(*lost);
        };
        self.answers(endpoint);
        let mut response = H1Body::answer(connection, head, &endpoint.h1_pool);
        if let Some(upload) = upload {
            upload.answered();
            let body = response.body_mut();
            if body.is_early() {
                body.send_aside(std::mem::take(request.body_mut()), &self.parts.timer, timeout);
            }
        }
        Ok(response.map(UpstreamBody::Http1))
    }

    /// Another endpoint, or this one if there is none.
    fn another_or<'a>(&'a self, endpoint: &'a Rc<Endpoint>, attempts: &mut Attempts) -> &'a Rc<Endpoint> {
        let another = if self.has_several() { self.another(attempts) } else { None };
        another.unwrap_or(endpoint)
    }

    /// Waits for an answer. Only the upstream's own time counts: as long as the client is sending, its body has time-outs of its own.
    async fn in_time<T>(
        &self,
        timeout: Duration,
        upload: Option<&UploadState>,
        mut sent: Pin<&mut impl Future<Output = T>>,
    ) -> Result<T, ForwardError> {
        let whole = self.parts.timer.spanning(timeout);
        let mut deadline = self.parts.timer.deadline_in(whole);
        std::future::poll_fn(|cx| {
            if let Poll::Ready(sent) = sent.as_mut().poll(cx) {
                return Poll::Ready(Ok(sent));
            }
            // How the body came on meanwhile is asked only now: over HTTP/2 it comes on without our being woken, and a request without
            // one pays nothing for it.
            while deadline.has_passed(cx) {
                let left = upload.map_or(0, |upload| whole.saturating_sub(upload.upstream_waited_for(&self.parts.timer)));
                if left == 0 {
                    return Poll::Ready(Err(ForwardError::ResponseTimeout));
                }
                deadline = self.parts.timer.deadline_in(left);
            }
            Poll::Pending
        })
        .await
    }

    /// `open`: a connection that there is already.
    async fn forward_http2<'a>(
        &'a self,
        mut endpoint: &'a Rc<Endpoint>,
        open: Option<(H2Sender, StreamPermit)>,
        request: Request<RequestBody>,
        Exchanged { upload, timeout, .. }: Exchanged<'_>,
        attempts: &mut Attempts,
    ) -> Result<Response<UpstreamBody>, ForwardError> {
        let request = Self::speak_http2(endpoint, request)?;
        let copy = HeadCopy::of(&request, &self.spare);
        let (parts, body) = request.into_parts();
        let (body, mut lender) = LentBody::lend(body);
        let mut request = Request::from_parts(parts, body);
        let mut open = open.or_else(|| endpoint.h2_pool.permit());
        let mut was_unsent = false;
        loop {
            let (mut sender, permit) = if let Some(open) = open.take() {
                open
            } else {
                let connecting = self.fresh(endpoint, attempts, async |endpoint| endpoint.connect_http2().await);
                let (reached, open) = Box::pin(connecting).await?;
                endpoint = reached;
                open
            };
            let mut unsent = match self.in_time(timeout, upload, pin!(sender.try_send_request(request))).await {
                Ok(Ok(response)) => {
                    self.answers(endpoint);
                    if response.headers().len() > endpoint.max_headers() {
                        return Err(Unfit::Lines.into());
                    }
                    if let Some(upload) = upload {
                        upload.answered();
                    }
                    return Ok(response.map(|incoming| UpstreamBody::Http2 { incoming, _permit: permit }));
                }
                Ok(Err(unsent)) => unsent,
                Err(late) => {
                    self.fails(endpoint, &late);
                    return Err(late);
                }
            };
            // It has not left: the connection was about to close.
            if let Some(returned) = unsent.take_message().filter(|_| !was_unsent) {
                permit.leaves();
                (request, was_unsent) = (returned, true);
                continue;
            }
            let (error, said) = (unsent.into_error(), permit.said_by_tls());
            let unprocessed = if said.is_none() { Unprocessed::by(&error) } else { None };
            let breaks = said.is_none() && broke(&error);
            let error = said.map_or_else(|| failed(error, upload), ForwardError::Tls);
            match unprocessed {
                // That is no failure: it is going away.
                Some(Unprocessed::Leaving) => permit.leaves(),
                Some(Unprocessed::Refused) | None => self.fails(endpoint, &error),
            }
            // A body of which something has been taken cannot be had back.
            let body = lender.as_ref().map_or(Some(RequestBody::Empty), |lender| lender.take());
            let (Some(body), false) = (body, attempts.repeated) else { return Err(error) };
            // What the upstream has not touched costs it nothing.
            if unprocessed.is_none() && !(breaks && copy.is_idempotent() && self.budget.withdraw()) {
                return Err(error);
            }
            attempts.repeated = true;
            self.tries_again(endpoint, &error);
            let lent;
            (lent, lender) = LentBody::lend(body);
            request = copy.request(lent);
            endpoint = self.another_or(endpoint, attempts);
            open = endpoint.h2_pool.permit();
        }
    }

    /// Moves the authority from Host to where HTTP/2 has it.
    fn speak_http2(endpoint: &Endpoint, request: Request<RequestBody>) -> Result<Request<RequestBody>, ForwardError> {
        let (mut parts, body) = request.into_parts();
        let host = parts.headers.remove(HOST).unwrap_or_else(|| endpoint.authority().clone());
        let mut uri = http::uri::Parts::default();
        uri.scheme = Some(if endpoint.is_encrypted() { Scheme::HTTPS } else { Scheme::HTTP });
        uri.authority = Some(Authority::try_from(host.as_bytes()).map_err(|_| ForwardError::Unsayable)?);
        // What stands in no URI cannot be said to what takes nothing else.
        uri.path_and_query = match parts.uri.path_and_query().map(|target| (target, raw_target::escaped(target.as_str()))) {
            Some((_, Cow::Owned(escaped))) => Some(escaped.parse().map_err(|_| ForwardError::Unsayable)?),
            Some((target, Cow::Borrowed(_))) => Some(target.clone()),
            None => None,
        };
        parts.uri = Uri::from_parts(uri).map_err(|_| ForwardError::Unsayable)?;
        parts.version = Version::HTTP_2;
        Ok(Request::from_parts(parts, body))
    }
}

/// Of an endpoint, by its place.
fn bit(place: usize) -> u64 {
    u32::try_from(place).ok().and_then(|place| 1_u64.checked_shl(place)).unwrap_or(0)
}

/// What a request has beside itself.
#[derive(Clone, Copy)]
struct Exchanged<'a> {
    upload: Option<&'a UploadState>,
    interim: Option<InterimSink<'a>>,
    timeout: Duration,
}
