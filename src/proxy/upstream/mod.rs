//! Towards the API: connect, send, wait for the head.

mod connect;
mod error;
mod h1;
mod h2;
mod said;

use std::borrow::Cow;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::header::{HOST, HeaderValue};
use http::uri::{Authority, Scheme};
use http::{Request, Response, Uri, Version};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};

use self::connect::Connector;
use self::error::failed;
pub(super) use self::error::{ForwardError, reason};
pub(crate) use self::h1::H1Body;
pub(crate) use self::h1::fuzzing;
use self::h1::{H1Connection, H1Pool, HEAD_MAX, OpenConnections};
use self::h2::{H2Pool, H2Sender, OnThisThread, StreamPermit};
use self::said::{SaidByTls, TellingStream};
use super::headers::{Permitted, Unfit};
use super::interim::InterimAnswers;
use super::poll_epoch::PollEpochs;
use super::request_body::{RequestBody, UploadState};
use super::timer::CoarseTimer;
use crate::config::{UpstreamProtocol, UpstreamSettings};
use crate::edge::raw_target;
use crate::edge::tls::{TlsClient, TlsUpstream, UpstreamStream};

/// Where the body of an answer comes from.
#[derive(Debug)]
pub(super) enum UpstreamBody {
    Http1(H1Body),
    /// Of a connection that is shared, and the permit to use it.
    Http2 {
        incoming: Incoming,
        _permit: StreamPermit,
    },
}

/// A connection to an upstream that has chosen what is spoken.
enum Agreed {
    Http1(Box<H1Connection>),
    Http2((H2Sender, StreamPermit)),
}

/// How much of one answer over HTTP/2 may lie here until its client takes it, in bytes.
const STREAM_WINDOW: u32 = 256 * 1024;
/// The largest there is (RFC 9113, section 6.9.1). What clients do not take counts against the window of the connection that all requests
/// of a thread share: a few that read nothing would use up a smaller one, and all others would wait for them. Memory is bounded by the
/// windows of the streams.
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;

/// A thread's way to the upstream.
pub(super) struct Upstream {
    connector: Connector,
    authority: HeaderValue,
    /// What it was made by, beside what TLS is spoken by.
    settings: UpstreamSettings,
    /// Header lines of an answer.
    max_headers: usize,
    /// Over HTTP/1.1, at most.
    connections: usize,
    timer: Rc<CoarseTimer>,
    h1_pool: Rc<H1Pool>,
    /// Over HTTP/1.1.
    h1_open: Rc<OpenConnections>,
    h2_pool: H2Pool,
}

impl Upstream {
    /// With `connections` over HTTP/1.1 at most. `tls`: what the settings say of TLS, if it is spoken. `None` if the URL has no authority, or
    /// nobody says how TLS is spoken to one that it must be spoken to.
    pub(super) fn new(
        settings: &UpstreamSettings,
        tls: Option<Arc<TlsClient>>,
        max_headers: usize,
        connections: usize,
        timer: Rc<CoarseTimer>,
        epochs: Rc<PollEpochs>,
    ) -> Option<Self> {
        let authority = settings.url.authority()?;
        let tls = if settings.is_encrypted() { Some(TlsUpstream::new(settings, tls?)?) } else { None };
        Some(Self {
            connector: Connector::new(settings.host().to_owned(), settings.port(), tls, settings.connect_timeout),
            authority: HeaderValue::from_str(authority.as_str()).ok()?,
            settings: settings.clone(),
            max_headers,
            connections,
            h1_pool: H1Pool::new(&timer, epochs),
            h1_open: OpenConnections::new(connections),
            h2_pool: H2Pool::new(&timer),
            timer,
        })
    }

    /// Whether it was made like this.
    pub(super) fn is_made_by(
        &self,
        settings: &UpstreamSettings,
        tls: Option<&Arc<TlsClient>>,
        max_headers: usize,
        connections: usize,
    ) -> bool {
        let same_tls = match (self.connector.tls(), tls) {
            (None, None) => true,
            (Some(ours), Some(client)) => ours.is_by(client),
            (Some(_), None) | (None, Some(_)) => false,
        };
        same_tls && self.settings == *settings && (self.max_headers, self.connections) == (max_headers, connections)
    }

    /// Its host and port, as the configuration says it.
    pub(super) fn authority(&self) -> &str {
        self.authority.to_str().unwrap_or_default()
    }

    /// Closes what has rested too long.
    pub(super) fn sweep(&self) {
        self.h1_pool.sweep();
        self.h2_pool.sweep();
    }

    /// Closes the connections that carry nothing.
    pub(super) fn close_idle(&self) {
        self.h1_pool.clear();
    }

    /// Another one is asked from now on. What is under way here goes on, and its connections close behind it.
    pub(super) fn retire(&self) {
        self.h1_pool.retire();
        self.h2_pool.retire();
    }

    /// Sends a request in origin form and waits for the head of the answer. Nothing is left of the request afterwards. Interim answers of
    /// an upstream that speaks HTTP/1.1 go to `interim`.
    pub(super) async fn forward(
        &self,
        request: Permitted<&mut Request<RequestBody>>,
        upload: Option<&UploadState>,
        interim: Option<&InterimAnswers>,
    ) -> Result<Response<UpstreamBody>, ForwardError> {
        let timeout = request.response_timeout().unwrap_or(self.settings.response_timeout);
        let request = request.into_inner();
        match self.settings.protocol {
            UpstreamProtocol::Http1 => self.forward_http1(request, upload, interim, timeout).await,
            UpstreamProtocol::Http2 => Box::pin(self.forward_http2(std::mem::take(request), None, upload, timeout)).await,
            UpstreamProtocol::Either => {
                if let Some(open) = self.h2_pool.permit() {
                    return Box::pin(self.forward_http2(std::mem::take(request), Some(open), upload, timeout)).await;
                }
                if let Some(idle) = self.idle_http1().await {
                    return self.forward_over_http1(idle, request, upload, interim, timeout).await;
                }
                match Box::pin(self.connect_either()).await? {
                    Agreed::Http1(connection) => self.forward_over_http1(connection, request, upload, interim, timeout).await,
                    Agreed::Http2(open) => Box::pin(self.forward_http2(std::mem::take(request), Some(open), upload, timeout)).await,
                }
            }
        }
    }

    async fn forward_http1(
        &self,
        request: &mut Request<RequestBody>,
        upload: Option<&UploadState>,
        interim: Option<&InterimAnswers>,
        timeout: Duration,
    ) -> Result<Response<UpstreamBody>, ForwardError> {
        let connection = match self.idle_http1().await {
            Some(connection) => connection,
            None => Box::pin(self.connect_http1()).await?,
        };
        self.forward_over_http1(connection, request, upload, interim, timeout).await
    }

    async fn idle_http1(&self) -> Option<Box<H1Connection>> {
        std::future::poll_fn(|cx| self.h1_pool.poll_take(cx)).await
    }

    async fn forward_over_http1(
        &self,
        mut connection: Box<H1Connection>,
        request: &mut Request<RequestBody>,
        upload: Option<&UploadState>,
        interim: Option<&InterimAnswers>,
        timeout: Duration,
    ) -> Result<Response<UpstreamBody>, ForwardError> {
        connection.begin(request, &self.authority)?;
        let head = loop {
            let heads = std::future::poll_fn(|cx| {
                let head = connection.poll_head(cx, request.body_mut());
                for answer in connection.interim() {
                    if let Some(interim) = interim {
                        interim.say(answer);
                    }
                }
                head
            });
            match self.in_time(timeout, upload, pin!(heads)).await? {
                Ok(head) => break head,
                // It was closed while it rested. The fresh one has not rested, so this happens once.
                Err(fault) if connection.was_stale(&fault) => {
                    let stale = std::mem::replace(&mut connection, Box::pin(self.connect_http1()).await?);
                    connection.repeat(*stale);
                }
                Err(fault) => return Err(fault.into()),
            }
        };
        let mut response = H1Body::answer(connection, head, &self.h1_pool);
        if let Some(upload) = upload {
            upload.answered();
            let body = response.body_mut();
            if body.is_early() {
                body.send_aside(std::mem::take(request.body_mut()), &self.timer, timeout);
            }
        }
        Ok(response.map(UpstreamBody::Http1))
    }

    /// Asks for an upgrade, on a connection of its own that is never pooled. The request has no body.
    pub(super) async fn upgrade(&self, request: Permitted<&mut Request<RequestBody>>) -> Result<Response<H1Body>, ForwardError> {
        let timeout = request.response_timeout().unwrap_or(self.settings.response_timeout);
        let request = request.into_inner();
        let mut connection = self.connect_http1().await?;
        connection.begin(request, &self.authority)?;
        let head = self.in_time(timeout, None, pin!(std::future::poll_fn(|cx| connection.poll_head(cx, request.body_mut())))).await??;
        let mut response = H1Body::answer(connection, head, &self.h1_pool);
        response.body_mut().closes_after();
        Ok(response)
    }

    /// Waits for an answer. Only the upstream's own time counts: as long as the client is sending, its body has time-outs of its own.
    async fn in_time<T>(
        &self,
        timeout: Duration,
        upload: Option<&UploadState>,
        mut sent: Pin<&mut impl Future<Output = T>>,
    ) -> Result<T, ForwardError> {
        let whole = self.timer.spanning(timeout);
        let mut deadline = self.timer.deadline_in(whole);
        std::future::poll_fn(|cx| {
            if let Poll::Ready(sent) = sent.as_mut().poll(cx) {
                return Poll::Ready(Ok(sent));
            }
            // How the body came on meanwhile is asked only now: over HTTP/2 it comes on without our being woken, and a request without
            // one pays nothing for it.
            while deadline.has_passed(cx) {
                let left = upload.map_or(0, |upload| whole.saturating_sub(upload.upstream_waited_for(&self.timer)));
                if left == 0 {
                    return Poll::Ready(Err(ForwardError::ResponseTimeout));
                }
                deadline = self.timer.deadline_in(left);
            }
            Poll::Pending
        })
        .await
    }

    async fn connect_http1(&self) -> Result<Box<H1Connection>, ForwardError> {
        let open = self.h1_open.open().ok_or(ForwardError::Overloaded)?;
        Ok(H1Connection::new(self.connector.connect(UpstreamProtocol::Http1).await?, self.max_headers, open))
    }

    /// What it speaks is known when the connection is there.
    async fn connect_either(&self) -> Result<Agreed, ForwardError> {
        let open = self.h1_open.open().ok_or(ForwardError::Overloaded)?;
        let stream = self.connector.connect(UpstreamProtocol::Either).await?;
        if stream.agreed_on_http2() {
            return Ok(Agreed::Http2(self.begin_http2(stream).await?));
        }
        Ok(Agreed::Http1(H1Connection::new(stream, self.max_headers, open)))
    }

    /// `open`: a connection that there is already.
    async fn forward_http2(
        &self,
        request: Request<RequestBody>,
        open: Option<(H2Sender, StreamPermit)>,
        upload: Option<&UploadState>,
        timeout: Duration,
    ) -> Result<Response<UpstreamBody>, ForwardError> {
        let mut request = self.speak_http2(request)?;
        let (mut sender, mut permit) = match open.or_else(|| self.h2_pool.permit()) {
            Some(open) => open,
            None => self.connect_http2().await?,
        };
        let mut is_first = true;
        loop {
            match self.in_time(timeout, upload, pin!(sender.try_send_request(request))).await? {
                Ok(response) if response.headers().len() > self.max_headers => return Err(Unfit::Lines.into()),
                Ok(response) => {
                    if let Some(upload) = upload {
                        upload.answered();
                    }
                    return Ok(response.map(|incoming| UpstreamBody::Http2 { incoming, _permit: permit }));
                }
                // It has not left: the connection was about to close.
                Err(mut unsent) => match unsent.take_message() {
                    Some(returned) if is_first => request = returned,
                    _ => return Err(permit.said_by_tls().map_or_else(|| failed(unsent.into_error(), upload), ForwardError::Tls)),
                },
            }
            is_first = false;
            (sender, permit) = self.connect_http2().await?;
        }
    }

    /// Moves the authority from Host to where HTTP/2 has it.
    fn speak_http2(&self, request: Request<RequestBody>) -> Result<Request<RequestBody>, ForwardError> {
        let (mut parts, body) = request.into_parts();
        let host = parts.headers.remove(HOST).unwrap_or_else(|| self.authority.clone());
        let mut uri = http::uri::Parts::default();
        uri.scheme = Some(if self.settings.is_encrypted() { Scheme::HTTPS } else { Scheme::HTTP });
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

    async fn connect_http2(&self) -> Result<(H2Sender, StreamPermit), ForwardError> {
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
