//! The way to the upstream and back: connect, send, wait for the head.

use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use http::header::{HOST, HeaderValue};
use http::uri::{Authority, Scheme};
use http::{Request, Response, Uri, Version};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

use super::body::{Broken, RequestBody, Sending};
use super::line::{Fault, HEAD_MAX, Inflow, Line};
use super::pool::Pool;
use super::shared::{OnThisThread, Place, Sender, Shared};
use super::ticks::Ticks;
use super::turns::Turns;
use crate::config::UpstreamSettings;
use crate::model::{Outcome, Refusal};
use crate::telemetry::UpstreamError;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("cannot connect: {0}")]
    Connect(#[source] io::Error),
    #[error("connecting took too long")]
    ConnectTimeout,
    #[error("no response in time")]
    ResponseTimeout,
    #[error("the connection failed: {0}")]
    Http1(#[source] Fault),
    #[error("the connection failed: {0}")]
    Http2(#[source] hyper::Error),
    #[error("the upstream accepts no further requests")]
    Overloaded,
    #[error("the request cannot be written for the upstream")]
    Unsayable,
    #[error(transparent)]
    Unfit(#[from] super::headers::Unfit),
    /// The client's fault.
    #[error(transparent)]
    Body(Broken),
}

impl Failure {
    /// How the request ends.
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::Connect(_) | Self::Http1(_) | Self::Http2(_) | Self::Unfit(_) => Outcome::UpstreamFailed,
            Self::ConnectTimeout | Self::ResponseTimeout => Outcome::UpstreamTimeout,
            Self::Overloaded => Outcome::Refused(Refusal::Overloaded),
            Self::Unsayable => Outcome::BadRequest("the authority is malformed"),
            Self::Body(Broken::Stalled) => Outcome::BadRequest("the body did not arrive in time"),
            Self::Body(Broken::Client | Broken::Upstream) => Outcome::BadRequest("the body is malformed"),
        }
    }

    /// What to count; `None`: it is not the upstream's.
    pub(super) fn kind(&self) -> Option<UpstreamError> {
        match self {
            Self::Connect(_) => Some(UpstreamError::Connect),
            Self::ConnectTimeout => Some(UpstreamError::ConnectTimeout),
            Self::ResponseTimeout => Some(UpstreamError::ResponseTimeout),
            Self::Http1(Fault::Malformed(_)) | Self::Unfit(_) => Some(UpstreamError::Protocol),
            Self::Http2(error) if error.is_parse() => Some(UpstreamError::Protocol),
            Self::Http1(Fault::Closed | Fault::Io(_) | Fault::Body(_)) | Self::Http2(_) => Some(UpstreamError::Reset),
            Self::Overloaded | Self::Unsayable | Self::Body(_) => None,
        }
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Body(broken) => Self::Body(broken),
            fault => Self::Http1(fault),
        }
    }
}

/// Where the body of an answer comes from.
#[derive(Debug)]
pub(super) enum Source {
    Line(Inflow),
    /// Of a connection that is shared, and the place there.
    Http2 {
        incoming: Incoming,
        _place: Place,
    },
}

/// Finds a host that has vanished amid an answer, or behind a WebSocket, within minutes. One that is alive may pause as long as it likes:
/// no time-out can tell an event that is far apart from one that will never come.
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new().with_time(Duration::from_mins(1)).with_interval(Duration::from_secs(15));

/// How much of one answer over HTTP/2 may lie here until its client takes it, in bytes.
const STREAM_WINDOW: u32 = 256 * 1024;
/// The largest there is (RFC 9113, section 6.9.1). What clients do not take counts against the window of the connection that all requests
/// of a thread share: a few that read nothing would use up a smaller one, and all others would wait for them. Memory is bounded by the
/// windows of the streams.
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;

/// A thread's way to the upstream.
pub(super) struct Upstream {
    host: String,
    port: u16,
    authority: HeaderValue,
    http2: bool,
    connect_timeout: Duration,
    response_timeout: Duration,
    ticks: Rc<Ticks>,
    pub(super) pool: Rc<Pool>,
    shared: Shared,
}

impl Upstream {
    /// `None` if the URL has no authority.
    pub(super) fn new(settings: &UpstreamSettings, ticks: Rc<Ticks>, turns: Rc<Turns>) -> Option<Self> {
        let authority = settings.url.authority()?;
        Some(Self {
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(80),
            authority: HeaderValue::from_str(authority.as_str()).ok()?,
            http2: settings.http2,
            connect_timeout: settings.connect_timeout,
            response_timeout: settings.response_timeout,
            pool: Pool::new(&ticks, turns),
            shared: Shared::new(&ticks),
            ticks,
        })
    }

    /// Closes what has rested too long.
    pub(super) fn sweep(&self) {
        self.pool.sweep();
        self.shared.sweep();
    }

    /// Sends a request in origin form and waits for the head of the answer. Nothing is left of the request afterwards.
    pub(super) async fn forward(&self, request: &mut Request<RequestBody>, sending: Option<&Sending>) -> Result<Response<Source>, Failure> {
        if self.http2 {
            Box::pin(self.forward_http2(std::mem::take(request), sending)).await
        } else {
            self.forward_http1(request, sending).await
        }
    }

    async fn forward_http1(&self, request: &mut Request<RequestBody>, sending: Option<&Sending>) -> Result<Response<Source>, Failure> {
        let rested = std::future::poll_fn(|cx| self.pool.poll_take(cx)).await;
        let mut line = match rested {
            Some(line) => line,
            None => Box::pin(self.connect_http1()).await?,
        };
        line.begin(request, &self.authority)?;
        let head = loop {
            match self.in_time(sending, pin!(std::future::poll_fn(|cx| line.poll_head(cx, request.body_mut())))).await? {
                Ok(head) => break head,
                // It was closed while it rested. The fresh line has not rested, so this happens once.
                Err(fault) if line.was_stale(&fault) => {
                    let stale = std::mem::replace(&mut line, Box::pin(self.connect_http1()).await?);
                    line.repeat(*stale);
                }
                Err(fault) => return Err(fault.into()),
            }
        };
        let mut response = Inflow::answer(line, head, &self.pool);
        if let Some(sending) = sending {
            sending.answered();
            let inflow = response.body_mut();
            if inflow.is_early() {
                inflow.send_aside(std::mem::take(request.body_mut()), &self.ticks, self.response_timeout);
            }
        }
        Ok(response.map(Source::Line))
    }

    /// Asks for an upgrade, on a line of its own that is never pooled. The request has no body.
    pub(super) async fn upgrade(&self, request: &mut Request<RequestBody>) -> Result<Response<Inflow>, Failure> {
        let mut line = self.connect_http1().await?;
        line.begin(request, &self.authority)?;
        let head = self.in_time(None, pin!(std::future::poll_fn(|cx| line.poll_head(cx, request.body_mut())))).await??;
        let mut response = Inflow::answer(line, head, &self.pool);
        response.body_mut().closes_after();
        Ok(response)
    }

    /// Waits for an answer. Only the upstream's own time counts: as long as the client is sending, its body has time-outs of its own.
    async fn in_time<T>(&self, sending: Option<&Sending>, mut sent: Pin<&mut impl Future<Output = T>>) -> Result<T, Failure> {
        let whole = self.ticks.spanning(self.response_timeout);
        let mut alarm = self.ticks.alarm_in(whole);
        std::future::poll_fn(|cx| {
            if let Poll::Ready(sent) = sent.as_mut().poll(cx) {
                return Poll::Ready(Ok(sent));
            }
            // How the body came on meanwhile is asked only now: over HTTP/2 it comes on without our being woken, and a request without
            // one pays nothing for it.
            while alarm.is_up(cx) {
                let left = sending.map_or(0, |sending| whole.saturating_sub(sending.upstream_waited_for(&self.ticks)));
                if left == 0 {
                    return Poll::Ready(Err(Failure::ResponseTimeout));
                }
                alarm = self.ticks.alarm_in(left);
            }
            Poll::Pending
        })
        .await
    }

    async fn connect_http1(&self) -> Result<Box<Line>, Failure> {
        Ok(Line::new(self.connect().await?))
    }

    /// A fresh connection.
    async fn connect(&self) -> Result<TcpStream, Failure> {
        let connecting = TcpStream::connect((self.host.as_str(), self.port));
        let socket =
            tokio::time::timeout(self.connect_timeout, connecting).await.map_err(|_| Failure::ConnectTimeout)?.map_err(Failure::Connect)?;
        socket.set_nodelay(true).and_then(|()| SockRef::from(&socket).set_tcp_keepalive(&KEEPALIVE)).map_err(Failure::Connect)?;
        Ok(socket)
    }

    async fn forward_http2(&self, request: Request<RequestBody>, sending: Option<&Sending>) -> Result<Response<Source>, Failure> {
        let mut request = self.speak_http2(request)?;
        let (mut sender, mut place) = match self.shared.place() {
            Some(open) => open,
            None => self.connect_http2().await?,
        };
        let mut is_first = true;
        loop {
            match self.in_time(sending, pin!(sender.try_send_request(request))).await? {
                Ok(response) => {
                    if let Some(sending) = sending {
                        sending.answered();
                    }
                    return Ok(response.map(|incoming| Source::Http2 { incoming, _place: place }));
                }
                // It has not left: the connection was about to close.
                Err(mut unsent) => match unsent.take_message() {
                    Some(returned) if is_first => request = returned,
                    _ => return Err(failed(unsent.into_error(), sending)),
                },
            }
            is_first = false;
            (sender, place) = self.connect_http2().await?;
        }
    }

    /// Moves the authority from Host to where HTTP/2 has it.
    fn speak_http2(&self, request: Request<RequestBody>) -> Result<Request<RequestBody>, Failure> {
        let (mut parts, body) = request.into_parts();
        let host = parts.headers.remove(HOST).unwrap_or_else(|| self.authority.clone());
        let mut uri = http::uri::Parts::default();
        uri.scheme = Some(Scheme::HTTP);
        uri.authority = Some(Authority::try_from(host.as_bytes()).map_err(|_| Failure::Unsayable)?);
        uri.path_and_query = parts.uri.path_and_query().cloned();
        parts.uri = Uri::from_parts(uri).map_err(|_| Failure::Unsayable)?;
        parts.version = Version::HTTP_2;
        Ok(Request::from_parts(parts, body))
    }

    async fn connect_http2(&self) -> Result<(Sender, Place), Failure> {
        if self.shared.is_full() {
            return Err(Failure::Overloaded);
        }
        let socket = self.connect().await?;
        let (sender, driver) = http2::Builder::new(OnThisThread)
            .timer(TokioTimer::new())
            .keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(10))
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(u32::try_from(HEAD_MAX).unwrap_or(u32::MAX))
            .handshake(TokioIo::new(socket))
            .await
            .map_err(Failure::Http2)?;
        Ok(self.shared.add(sender, driver))
    }
}

/// Whose fault it is that a request failed.
fn failed(error: hyper::Error, sending: Option<&Sending>) -> Failure {
    sending.and_then(Sending::broken).map_or(Failure::Http2(error), Failure::Body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, ManualClock};

    #[tokio::test]
    async fn a_host_that_vanishes_is_noticed_by_its_connection() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let clock: std::sync::Arc<dyn Clock> = std::sync::Arc::new(ManualClock::at(jiff::Timestamp::UNIX_EPOCH));
        let ticks = Ticks::for_spans(&[Duration::from_secs(1)], &clock);
        let turns = Rc::new(Turns::of(tokio::runtime::Handle::current().metrics()));
        let upstream = Upstream::new(&UpstreamSettings { url, ..UpstreamSettings::default() }, ticks, turns).unwrap();

        let socket = upstream.connect().await.unwrap();

        assert!(SockRef::from(&socket).keepalive().unwrap());
    }
}
