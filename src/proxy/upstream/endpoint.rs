//! One place where an upstream is, and a thread's connections to it.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::header::HeaderValue;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};

use super::connect::{ConnectError, Connector};
use super::connect_queue::ConnectQueue;
use super::error::ForwardError;
use super::h1::{H1Connection, H1Pool, HEAD_MAX, OpenConnections};
use super::h2::{H2Fresh, H2Pool, H2Sender, OnThisThread, STREAMS_UNTIL_SAID, StreamPermit};
use super::health::EndpointHealth;
use super::said::{Said, TellingStream};
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
    pub(super) h2_pool: Rc<H2Pool>,
    /// Requests that wait for a connection over HTTP/2, or for one of which it is not known yet.
    queue: Rc<ConnectQueue>,
    /// What it chose last of two, where it may choose, was HTTP/1.1.
    chose_http1: Cell<bool>,
    pub(super) health: EndpointHealth,
}

/// A connection to an endpoint that has chosen what is spoken.
pub(super) enum Agreed {
    Http1(Box<H1Connection>),
    Http2((H2Sender, StreamPermit)),
}

/// A fresh connection.
enum Opened {
    Http1(Box<H1Connection>),
    Http2(Box<H2Fresh>),
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
            h2_pool: Rc::new(H2Pool::new(timer)),
            queue: Rc::default(),
            chose_http1: Cell::new(false),
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

    /// A place on a connection over HTTP/2.
    pub(super) async fn connect_http2(self: &Rc<Self>) -> Result<(H2Sender, StreamPermit), ForwardError> {
        // No other connection is opened there.
        self.shared(async || Ok(self.h2_pool.permit()), |_| None).await
    }

    /// What it speaks is known when a connection is there.
    pub(super) async fn connect_either(self: &Rc<Self>) -> Result<Agreed, ForwardError> {
        let find = async || {
            if let Some(open) = self.h2_pool.permit() {
                return Ok(Some(Agreed::Http2(open)));
            }
            if let Some(idle) = self.idle_http1().await {
                return Ok(Some(Agreed::Http1(idle)));
            }
            if !self.chose_http1.get() {
                return Ok(None);
            }
            // Each request needs one of its own there.
            match self.open().await? {
                Opened::Http1(connection) => Ok(Some(Agreed::Http1(connection))),
                Opened::Http2(fresh) => {
                    self.h2_pool.add(*fresh, self.queue.begin(), self.plan.connect_timeout);
                    Ok(self.h2_pool.permit().map(Agreed::Http2))
                }
            }
        };
        self.shared(find, |connection| Some(Agreed::Http1(connection))).await
    }

    /// What is found, or else waited for: one of those that ask connects for as many as a connection carries.
    async fn shared<T>(
        self: &Rc<Self>,
        find: impl AsyncFn() -> Result<Option<T>, ForwardError>,
        own: impl Fn(Box<H1Connection>) -> Option<T>,
    ) -> Result<T, ForwardError> {
        let finding = async {
            loop {
                if let Some(found) = find().await? {
                    return Ok(found);
                }
                let connecting = self.queue.connecting();
                if self.queue.is_short(self.h2_pool.each()) && self.h2_pool.may_grow(connecting) {
                    self.connect_aside();
                } else if connecting == 0 {
                    return Err(ForwardError::Overloaded);
                }
                match self.queue.wait().await {
                    Ok(None) => {}
                    Ok(Some(connection)) => {
                        if let Some(own) = own(connection) {
                            return Ok(own);
                        }
                    }
                    Err(error) => return find().await?.ok_or(ForwardError::Shared(error)),
                }
            }
        };
        // Once to connect, and once more until it is known how many requests that carries.
        let late = |_| Err(ConnectError::TimedOut { address: None }.into());
        tokio::time::timeout(self.plan.connect_timeout.saturating_mul(2), finding).await.unwrap_or_else(late)
    }

    /// For all that wait, whatever becomes of who asks.
    fn connect_aside(self: &Rc<Self>) {
        let (endpoint, connecting) = (Rc::clone(self), self.queue.begin());
        tokio::task::spawn_local(async move {
            match endpoint.open().await {
                Ok(Opened::Http1(connection)) => drop(connecting.gives(connection)),
                Ok(Opened::Http2(fresh)) => endpoint.h2_pool.add(*fresh, connecting, endpoint.plan.connect_timeout),
                Err(error) => connecting.fails(error),
            }
        });
    }

    /// A connection that speaks whatever the configuration says, or TLS agrees on.
    async fn open(&self) -> Result<Opened, ForwardError> {
        if self.plan.protocol == UpstreamProtocol::Http2 {
            return Self::begin_http2(self.connector.connect(UpstreamProtocol::Http2).await?).await;
        }
        let open = self.h1_open.open().ok_or(ForwardError::Overloaded)?;
        let stream = self.connector.connect(UpstreamProtocol::Either).await?;
        self.chose_http1.set(!stream.agreed_on_http2());
        if stream.agreed_on_http2() {
            return Self::begin_http2(stream).await;
        }
        Ok(Opened::Http1(H1Connection::new(stream, self.plan.limits.max_headers, open)))
    }

    async fn begin_http2(stream: UpstreamStream) -> Result<Opened, ForwardError> {
        let said = Said::default();
        let (sender, driver) = http2::Builder::new(OnThisThread)
            .timer(TokioTimer::new())
            .keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(10))
            .initial_max_send_streams(STREAMS_UNTIL_SAID)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(u32::try_from(HEAD_MAX).unwrap_or(u32::MAX))
            .handshake(TokioIo::new(TellingStream::new(stream, &said)))
            .await
            .map_err(ForwardError::Http2)?;
        Ok(Opened::Http2(Box::new(H2Fresh { sender, driver, said })))
    }
}
