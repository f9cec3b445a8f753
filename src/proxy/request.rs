//! A client's connection as a series of requests, and the numbered steps of each.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::header::{CONNECTION, FORWARDED, HeaderMap, HeaderValue, UPGRADE};
use http::{Request, Response, StatusCode, Version};
use hyper::upgrade::OnUpgrade;

use super::client_body::ClientBody;
use super::connection::ConnectionState;
use super::context::{LiveContext, RequestContext};
use super::headers::{ForwardContext, Peer, Permitted, clean_response};
use super::interim::InterimSink;
use super::record::Record;
use super::request_body::{BodyOwner, RequestBody, UploadState};
use super::response_body::{ResponseBody, ResponseContent};
use super::stream::StreamState;
use super::unread_body::UnreadBody;
use super::upgrade::{self, UpgradeResponse};
use super::upstream::{Attempts, ForwardError, Upstream, UpstreamBody};
use crate::config::LimitSettings;
use crate::edge::client_address::X_FORWARDED_FOR;
use crate::edge::problem::{self, Connection, X_REQUEST_ID};
use crate::edge::request_id::{RequestId, is_request_id};
use crate::edge::routes::Selection;
use crate::edge::tls::ShownCertificate;
use crate::edge::{self, Admission, Announced, Authenticated, credential, grpc, target};
use crate::model::{Outcome, RateLimit, TooLarge};

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) peer: IpAddr,
    /// What the peer has said of who is behind it.
    pub(super) announced: Option<Announced>,
    /// Whether what it says is encrypted.
    pub(super) encrypted: bool,
    /// What it has proven itself by while hands were shaken.
    pub(super) certificate: ShownCertificate,
}

/// Answers the requests of one connection, each by the settings that are in force when it begins.
pub(super) struct RequestHandlers {
    contexts: Rc<LiveContext>,
    client: Client,
    connection: Arc<ConnectionState>,
    /// The limits that the connection was made by.
    made_by: LimitSettings,
    /// How many requests have come.
    requests: Cell<u32>,
    current: RefCell<Rc<RequestHandler>>,
}

impl RequestHandlers {
    /// `context`: what the connection is made by.
    pub(super) fn new(contexts: &Rc<LiveContext>, context: Rc<RequestContext>, client: Client, connection: Arc<ConnectionState>) -> Self {
        let made_by = context.settings.limits.clone();
        let first = RequestHandler::new(context, &client, &connection, &made_by);
        let current = RefCell::new(Rc::new(first));
        Self { contexts: Rc::clone(contexts), client, connection, made_by, requests: Cell::new(0), current }
    }

    /// Answers one request; over HTTP/2 the stream tells how its answer is taken.
    pub(super) fn handle(
        &self,
        request: Request<ClientBody>,
        stream: Option<Rc<StreamState>>,
    ) -> impl Future<Output = Result<Response<ResponseBody>, Infallible>> + use<> {
        let number = self.requests.replace(self.requests.get().wrapping_add(1));
        self.now().handle(number, request, stream)
    }

    /// For a request that begins now.
    fn now(&self) -> Rc<RequestHandler> {
        let context = self.contexts.now();
        let mut current = self.current.borrow_mut();
        if !Rc::ptr_eq(&context, &current.context) {
            *current = Rc::new(RequestHandler::new(context, &self.client, &self.connection, &self.made_by));
        }
        Rc::clone(&current)
    }
}

/// Answers the requests of one connection by one set of settings.
struct RequestHandler {
    context: Rc<RequestContext>,
    peer: Peer,
    certificate: ShownCertificate,
    connection: Arc<ConnectionState>,
    /// The connection was made by other settings than those in force. It keeps them, so it ends with this answer.
    outdated: bool,
}

impl RequestHandler {
    fn new(context: Rc<RequestContext>, client: &Client, connection: &Arc<ConnectionState>, made_by: &LimitSettings) -> Self {
        let proxies = &context.trusted_proxies;
        let address = proxies.far_end(client.peer, client.announced);
        let trusted = address.is_some_and(|address| proxies.may_speak_of_others(address));
        let peer = Peer::at(address, trusted, client.encrypted);
        let begins_alike = proxies.must_announce(client.peer) == client.announced.is_some();
        let outdated = !(begins_alike && made_by.make_the_same_connection(&context.settings.limits));
        Self { context, peer, certificate: client.certificate.clone(), connection: Arc::clone(connection), outdated }
    }

    async fn handle(
        self: Rc<Self>,
        number: u32,
        request: Request<ClientBody>,
        stream: Option<Rc<StreamState>>,
    ) -> Result<Response<ResponseBody>, Infallible> {
        let context = &self.context;
        let http2 = request.version() == Version::HTTP_2;
        let unread = !request.body().is_end_stream();
        let grpc = http2 && grpc::is_spoken(request.headers());
        let mut upload = None;
        // From here on it is lent from step to step: it is large, and whoever takes it over has it copied.
        let mut request = request.map(|incoming| {
            let owner = BodyOwner { connection: &self.connection, request: number };
            let (body, state) = RequestBody::new(incoming, owner, &context.header_rules, &context.timer, context.body_timeouts);
            upload = state;
            body
        });
        let mut record = self.record(&request);
        let outcome = match self.serve(number, &mut request, (upload.as_deref(), stream.as_deref()), &mut record).await {
            Ok(mut response) => {
                record.forwards(response.status());
                // Ours, whatever the upstream calls it: the log says the same.
                response.headers_mut().insert(X_REQUEST_ID, record.id.value());
                record.tell_rates(response.headers_mut());
                self.close_if_outdated(http2, &mut response);
                return Ok(response.map(|content| ResponseBody::new(content, record, upload, stream)));
            }
            Err(outcome) => outcome,
        };
        // A body that nobody reads would be taken for the next request, or be waited for in vain.
        let close = !http2 && (unread || self.outdated || matches!(outcome, Outcome::BadRequest(_) | Outcome::TooLarge(_)));
        if close {
            self.connection.linger();
        } else if self.outdated {
            self.connection.outdate();
        }
        let mut response = if grpc {
            grpc::refuse(&outcome, &context.places, record.id.value())
        } else {
            problem::refuse(&outcome, &context.places, record.id.value(), if close { Connection::Close } else { Connection::Keep })
        };
        record.tell_rates(response.headers_mut());
        record.refuses(outcome);
        // gRPC's refusals are one block of headers, which ends the stream.
        let sends_on = http2 && unread && !grpc;
        let rest = sends_on.then(|| Box::new(UnreadBody::new(std::mem::take(request.body_mut()), &context.timer)));
        let refusal = |bytes| if rest.is_some() { ResponseContent::Refusal(bytes, rest) } else { ResponseContent::Whole(bytes) };
        Ok(response.map(|bytes| ResponseBody::new(refusal(bytes), record, upload, stream)))
    }

    /// The client is told that this answer is the last one on its connection, and asks on another, which is made by the limits in force.
    fn close_if_outdated(&self, http2: bool, response: &mut Response<ResponseContent>) {
        if !self.outdated {
            return;
        }
        if http2 {
            self.connection.outdate();
        } else if response.status() != StatusCode::SWITCHING_PROTOCOLS && !self.connection.is_uploading() {
            // Its next request may be on its way.
            self.connection.linger();
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
    }

    fn record(&self, request: &Request<RequestBody>) -> Box<Record> {
        let given = if self.peer.trusted {
            request.headers().get(X_REQUEST_ID).filter(|id| is_request_id(id)).cloned().map(RequestId::Given)
        } else {
            None
        };
        let Peer { address, trusted, .. } = self.peer;
        let client = address.and_then(|address| self.context.trusted_proxies.client(address, trusted, request.headers()));
        self.warn_of_untrusted(request.headers());
        let target = request.uri().path_and_query();
        Box::new(Record::open(
            &self.context,
            &self.connection,
            request.method(),
            target,
            request.headers(),
            given,
            (client, self.certificate.as_ref()),
        ))
    }

    /// Says once that policies read the address of a proxy, where that is likely: the peer tells of a client, and nobody has said that its
    /// word counts.
    fn warn_of_untrusted(&self, headers: &HeaderMap) {
        static WARNED: AtomicBool = AtomicBool::new(false);
        let names = [&X_FORWARDED_FOR, &FORWARDED];
        if self.peer.trusted
            || !self.context.trusted_proxies.reads_headers()
            || WARNED.load(Ordering::Relaxed)
            || !names.iter().any(|name| headers.contains_key(*name))
        {
            return;
        }
        if self.context.exchange.reads_addresses() && !WARNED.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                peer = self.peer.address.map(tracing::field::display),
                "a peer that is not in proxy.trusted_proxies names a client, and a login policy reads addresses: it reads the peer's; if \
                 that is a proxy of yours, set proxy.trusted_proxies and proxy.client_ip"
            );
        }
    }

    /// The way of a request. Each step either hands on what the next one needs or says how the request ends.
    async fn serve(
        &self,
        number: u32,
        request: &mut Request<RequestBody>,
        (upload, stream): (Option<&UploadState>, Option<&StreamState>),
        record: &mut Record,
    ) -> Result<Response<ResponseContent>, Outcome> {
        let context = &*self.context;
        // 0. Only what can be read in one way is looked at.
        if let Some(fault) = self.connection.faults.of(number) {
            return Err(Outcome::BadRequest(fault.detail()));
        }
        // Over HTTP/1.1 hyper counts them.
        if request.headers().len() > context.max_headers {
            return Err(Outcome::TooLarge(TooLarge::Head));
        }
        let was_absolute = request.uri().authority().is_some();
        let host = target::check(request, upload.is_some())?;
        let mut response_timeout = None;
        if let Some(routes) = &context.routes {
            let selection = routes.select(request, host.as_ref(), was_absolute)?;
            let route = &selection.route.settings;
            response_timeout = route.response_timeout;
            let within = route.max_body_bytes.map_or(Ok(()), |most| request.body_mut().limit(most));
            record.goes_by(selection);
            within.map_err(|error| ForwardError::Body(error).outcome())?;
        }
        let admission = match record.selection().and_then(Selection::open) {
            // No key is looked at, and none is passed on, wherever it may stand.
            Some(open) => {
                credential::discard(request, &context.places)?;
                Admission::Open(open)
            }
            None => Admission::Key(self.authenticate(request, record).await?),
        };
        record.take_place()?;
        self.count(&admission, record)?;
        // Over HTTP/2 a body may come that was not declared. The head alone would be the whole of a sound request: it waits.
        let upload = if request.body().claims_to_be_empty() {
            request.body_mut().nothing_comes().await.map_err(|error| ForwardError::Body(error).outcome())?;
            None
        } else {
            upload
        };
        // 4. Identity headers: ours or none.
        let upgrading = upgrade::asked(request);
        let interim = match (stream, request.version()) {
            (Some(stream), _) => Some(InterimSink::Http2(stream)),
            (None, Version::HTTP_11) => Some(InterimSink::Http1(&self.connection.interim)),
            // Over HTTP/1.0 there are none (RFC 9110, section 15.2).
            (None, _) => None,
        };
        let request_id = record.id.value();
        let forward_context = ForwardContext { peer: &self.peer, host: host.as_ref(), request_id, response_timeout };
        let permitted = context.header_rules.rewrite(request, &admission, forward_context);
        drop(admission);
        // 5. To the upstream and back.
        record.asks_upstream();
        let upstream = context.upstream(record.selection());
        let mut attempts = Attempts::default();
        let answered = match upgrading {
            Some(client) if upload.is_none() => Box::pin(self.upgrade(client, upstream, permitted, &mut attempts, record)).await,
            Some(_) => return Err(Outcome::BadRequest("an upgrade has no body")),
            None => self.forward(upstream, permitted, upload, interim, &mut attempts).await,
        };
        record.upstream_done(attempts.into_asked());
        // 6. The record finishes with the answer's last byte.
        answered.map_err(|error| {
            if let Some(kind) = error.kind() {
                context.metrics.upstream_error(kind);
                context.failures.warn(kind, record.upstream_name(), error.address(), &error, Some(record.id.as_str()));
                record.fails(kind.as_str());
            }
            error.outcome()
        })
    }

    /// Steps 1 to 3: the presented key leaves the request, and is exchanged.
    async fn authenticate(&self, request: &mut Request<RequestBody>, record: &mut Record) -> Result<Authenticated, Outcome> {
        let context = &*self.context;
        // 1. The presented key leaves the request.
        let key = credential::extract(request, &context.places, &context.metrics)?;
        // Refused or not, whoever reads the log must be able to tell which key it was.
        record.presents(key.id());
        // 2. and 3. The only way to pass; only the key's digest is known from here on.
        let origin = record.origin();
        let purpose = record.selection().map(Selection::purpose).unwrap_or_default();
        let authenticated = edge::authenticate(&context.exchange, key, &origin, purpose).await.map_err(Outcome::Refused)?;
        record.belongs_to(authenticated.key(), authenticated.digest());
        Ok(authenticated)
    }

    /// Counts the request for the rates of its key and its route. Whoever is not let in uses nothing of either.
    fn count(&self, admission: &Admission, record: &mut Record) -> Result<(), Outcome> {
        let context = &*self.context;
        let number = record.selection().map(|selection| selection.route.number);
        let of_route = number.and_then(|number| context.route_quotas.get(number).copied().flatten());
        let of_key = match admission {
            Admission::Key(authenticated) => context.key_quota.map(|quota| (context.rates.tag(authenticated.key()), quota)),
            Admission::Open(_) => None,
        };
        let now = record.started.monotonic;
        for (limit, counted) in [(RateLimit::Key, of_key), (RateLimit::Route, of_route)] {
            let Some((tag, quota)) = counted else { continue };
            context.rates.take(tag, quota, limit, now, record.rates()).inspect_err(|_| context.metrics.rate_limited(limit))?;
        }
        Ok(())
    }

    async fn forward(
        &self,
        upstream: &Upstream,
        request: Permitted<&mut Request<RequestBody>>,
        upload: Option<&UploadState>,
        interim: Option<InterimSink<'_>>,
        attempts: &mut Attempts,
    ) -> Result<Response<ResponseContent>, ForwardError> {
        let forwarded = upstream.forward(request, upload, interim, attempts).await;
        // Whatever comes next stands behind them.
        if let Some(interim) = interim {
            std::future::poll_fn(|cx| interim.poll_said(cx)).await;
        }
        let mut response = forwarded?;
        clean_response(response.status(), response.headers_mut())?;
        *response.version_mut() = Version::HTTP_11;
        Ok(response.map(ResponseContent::of))
    }

    async fn upgrade(
        &self,
        client: OnUpgrade,
        upstream: &Upstream,
        request: Permitted<&mut Request<RequestBody>>,
        attempts: &mut Attempts,
        record: &Record,
    ) -> Result<Response<ResponseContent>, ForwardError> {
        match upgrade::ask(upstream, request, attempts).await? {
            UpgradeResponse::Switched(mut response, tunnel) => {
                // The status is known to be asked for; the rest is cleaned like any answer.
                clean_response(StatusCode::OK, response.headers_mut())?;
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
                response.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
                upgrade::tunnel(&self.context.connections, &self.connection, client, tunnel, record.key_watch());
                Ok(response.map(|()| ResponseContent::Whole(Bytes::new())))
            }
            UpgradeResponse::Declined(mut response) => {
                clean_response(response.status(), response.headers_mut())?;
                Ok(response.map(|body| ResponseContent::of(UpstreamBody::Http1(body))))
            }
        }
    }
}
