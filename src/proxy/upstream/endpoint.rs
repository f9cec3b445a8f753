//! One place where an upstream is, and a thread's connections to it.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::header::HeaderValue;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};

use super::connect::Connector;
use super::error::ForwardError;
use super::h1::{H1Connection, H1Pool, HEAD_MAX, OpenConnections};
use super::h2::{H2Pool, H2Sender, OnThisThread, StreamPermit};
use super::health::EndpointHealth;
use super::said::{SaidByTls, TellingStream};
use crate::config::{UpstreamProtocol, UpstreamSettings, UpstreamUrl};
use crate::edge::tls::{TlsClient, TlsUpstream, UpstreamStream};
use crate::proxy::poll_epoch::PollEpochs;
use crate::proxy::timer::CoarseTimer;

/// How much of one answer over HTTP/2 may lie here until its client takes it, in bytes.
const STREAM_WINDOW: u32 = 256 * 1024;
/// The largest there is (RFC 9113, section 6.9.1). What clients do not take counts against the window of the connection that all requests
/// of a thread share: a few that read nothing would use up a smaller one, and all others would wait for them. Memory is bounded by the
/// windows of the streams.
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;

/// What an endpoint is made by. Two that are made alike are one.
#[derive(Clone, Debug)]
pub(super) struct EndpointPlan {
    url: UpstreamUrl,
    protocol: UpstreamProtocol,
    /// What TLS is spoken by, if it is.
    tls: Option<Arc<TlsClient>>,
    connect_timeout: Duration,
    limits: EndpointLimits,
}

/// What is asked of every endpoint alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EndpointLimits {
    /// Header lines of an answer.
    pub(crate) max_headers: usize,
    /// Connections over HTTP/1.1, at most.
    pub(crate) connections: usize,
}

/// A thread's way to one place where an upstream is.
#[derive(Debug)]
pub(crate) struct Endpoint {
    plan: EndpointPlan,
    /// As the configuration says it, without the scheme of a host.
    name: String,
    connector: Connector,
    /// What a request is for that names no host.
    authority: HeaderValue,
    pub(super) h1_pool: Rc<H1Pool>,
    h1_open: Rc<OpenConnections>,
    pub(super) h2_pool: H2Pool,
    pub(super) health: EndpointHealth,
}

/// A connection to an endpoint that has chosen what is spoken.
pub(super) enum Agreed {
    Http1(Box<H1Connection>),
    Http2((H2Sender, StreamPermit)),
}

impl EndpointPlan {
    /// For each url of an upstream. `None`: nobody says how TLS is spoken to one that it must be spoken to.
    pub(super) fn all_of(settings: &UpstreamSettings, tls: Option<&Arc<TlsClient>>, limits: EndpointLimits) -> Option<Vec<Self>> {
        let tls = if settings.is_encrypted() { Some(Arc::clone(tls?)) } else { None };
        let plan = |url: &UpstreamUrl| Self {
            url: url.clone(),
            protocol: settings.protocol,
            tls: tls.clone(),
            connect_timeout: settings.connect_timeout,
            limits,
        };
        Some(settings.url.all().map(plan).collect())
    }

    fn is_like(&self, other: &Self) -> bool {
        let same_tls = match (&self.tls, &other.tls) {
            (None, None) => true,
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (Some(_), None) | (None, Some(_)) => false,
        };
        let of = |plan: &Self| (plan.protocol, plan.connect_timeout, plan.limits);
        same_tls && self.url == other.url && of(self) == of(other)
    }
}

impl Endpoint {
    /// `None`: its host is no name that a certificate could be for, or can stand in no header.
    pub(super) fn new(plan: EndpointPlan, timer: &Rc<CoarseTimer>, epochs: &Rc<PollEpochs>) -> Option<Self> {
        let tls = match &plan.tls {
            None => None,
            Some(client) => Some(TlsUpstream::new(plan.url.host(), Arc::clone(client))?),
        };
        let name = if plan.url.path().is_some() { plan.url.to_string() } else { plan.url.authority().to_owned() };
        Some(Self {
            connector: Connector::new(&plan.url, tls, plan.connect_timeout),
            authority: HeaderValue::from_str(plan.url.authority()).ok()?,
            name,
            h1_pool: H1Pool::new(timer, Rc::clone(epochs)),
            h1_open: OpenConnections::new(plan.limits.connections),
            h2_pool: H2Pool::new(timer),
            health: EndpointHealth::default(),
            plan,
        })
    }

    /// Whether it was made like this.
    pub(super) fn is_made_by(&self, plan: &EndpointPlan) -> bool {
        self.plan.is_like(plan)
    }

    /// Where it is: host and port, or a socket.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn authority(&self) -> &HeaderValue {
        &self.authority
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.plan.url.is_encrypted()
    }

    pub(super) fn max_headers(&self) -> usize {
        self.plan.limits.max_headers
    }

    /// How many requests of this thread are under way there, each open WebSocket among them.
    pub(super) fn load(&self) -> usize {
        // What is open and does not rest is used, or about to be.
        self.h1_open.len().saturating_sub(self.h1_pool.len()) + self.h2_pool.streams()
    }

    /// Closes what has rested too long.
    pub(super) fn sweep(&self) {
        self.h1_pool.sweep();
        self.h2_pool.sweep();
    }

    /// Nobody asks it from now on. What is under way goes on, and its connections close behind it.
    pub(super) fn retire(&self) {
        self.h1_pool.retire();
        self.h2_pool.retire();
        self.health.show(None);
    }

    #[cfg(test)]
    pub(super) fn is_retired(&self) -> bool {
        self.h1_pool.is_retired()
    }

    pub(super) async fn idle_http1(&self) -> Option<Box<H1Connection>> {
        std::future::poll_fn(|cx| self.h1_pool.poll_take(cx)).await
    }

    pub(super) async fn connect_http1(&self) -> Result<Box<H1Connection>, ForwardError> {
        let open = self.h1_open.open().ok_or(ForwardError::Overloaded)?;
        Ok(H1Connection::new(self.connector.connect(UpstreamProtocol::Http1).await?, self.plan.limits.max_headers, open))
    }

    /// What it speaks is known when the connection is there.
    pub(super) async fn connect_either(&self) -> Result<Agreed, ForwardError> {
        let open = self.h1_open.open().ok_or(ForwardError::Overloaded)?;
        let stream = self.connector.connect(UpstreamProtocol::Either).await?;
        if stream.agreed_on_http2() {
            return Ok(Agreed::Http2(self.begin_http2(stream).await?));
        }
        Ok(Agreed::Http1(H1Connection::new(stream, self.plan.limits.max_headers, open)))
    }

    pub(super) async fn connect_http2(&self) -> Result<(H2Sender, StreamPermit), ForwardError> {
        if self.h2_pool.is_full() {
            return Err(ForwardError::Overloaded);
        }
        let stream = self.connector.connect(UpstreamProtocol::Http2).await?;
        self.begin_http2(stream).await
    }

    async fn begin_http2(&self, stream: UpstreamStream) -> Result<(H2Sender, StreamPermit), ForwardError> {
        if self.h2_pool.is_full() {
            return Err(ForwardError::Overloaded);
        }
        let said = SaidByTls::default();
        let (sender, driver) = http2::Builder::new(OnThisThread)
            .timer(TokioTimer::new())
            .keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(10))
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(u32::try_from(HEAD_MAX).unwrap_or(u32::MAX))
            .handshake(TokioIo::new(TellingStream::new(stream, &said)))
            .await
            .map_err(ForwardError::Http2)?;
        Ok(self.h2_pool.add(sender, driver, said))
    }
}
