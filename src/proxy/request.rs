//! A client's connection as a series of requests: the six steps.

use std::cell::Cell;
use std::convert::Infallible;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONNECTION, HeaderMap, HeaderValue, UPGRADE};
use http::{Request, Response, StatusCode, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;

use super::body::{AnswerBody, Content, RequestBody, Sending, Whence};
use super::headers::{Sender, Stamp, clean_answer};
use super::record::Record;
use super::taking::Taking;
use super::upgrade::{self, Answered};
use super::upstream::{Failure, Source};
use super::wire::Watch;
use super::worker::Worker;
use crate::edge::problem::{self, Connection, X_REQUEST_ID};
use crate::edge::request_id::{RequestId, is_request_id};
use crate::edge::{credential, target};
use crate::exchange::{Credential, Origin};
use crate::model::{KeyDigest, Outcome, PlainKey};
use crate::telemetry::AuthResult;

/// What a connection's requests have in common.
pub(super) struct Conversation {
    worker: Rc<Worker>,
    sender: Sender,
    peer: IpAddr,
    watch: Arc<Watch>,
    /// How many requests have come.
    requests: Cell<u32>,
}

impl Conversation {
    pub(super) fn new(worker: &Rc<Worker>, sender: Sender, peer: IpAddr, watch: Arc<Watch>) -> Self {
        Self { worker: Rc::clone(worker), sender, peer, watch, requests: Cell::new(0) }
    }

    /// Answers one request; over HTTP/2 the stream tells how its answer is taken.
    pub(super) async fn answer(
        self: Rc<Self>,
        request: Request<Incoming>,
        stream: Option<Rc<Taking>>,
    ) -> Result<Response<AnswerBody>, Infallible> {
        let worker = &self.worker;
        let number = self.requests.replace(self.requests.get().wrapping_add(1));
        let http2 = request.version() == Version::HTTP_2;
        let unread = !request.body().is_end_stream();
        let mut sending = None;
        // From here on it is lent from step to step: it is large, and whoever takes it over has it copied.
        let mut request = request.map(|incoming| {
            let whence = Whence { watch: &self.watch, request: number };
            let (body, progress) = RequestBody::new(incoming, whence, &worker.hygiene, &worker.ticks, worker.body_patience);
            sending = progress;
            body
        });
        let mut record = self.record(&request);
        let outcome = match self.serve(number, &mut request, sending.as_deref(), &mut record).await {
            Ok(response) => {
                record.forwards(response.status());
                return Ok(response.map(|content| AnswerBody::new(content, record, sending, stream)));
            }
            Err(outcome) => outcome,
        };
        // A body that nobody reads would be taken for the next request, or be waited for in vain.
        let close = !http2 && (unread || matches!(outcome, Outcome::BadRequest(_) | Outcome::TooLarge(_)));
        if close {
            self.watch.linger();
        }
        let response = problem::refuse(&outcome, record.id.value(), if close { Connection::Close } else { Connection::Keep });
        record.refuses(outcome);
        Ok(response.map(|bytes| AnswerBody::new(Content::Whole(bytes), record, sending, stream)))
    }

    fn record(&self, request: &Request<RequestBody>) -> Box<Record> {
        let given = if self.sender.trusted {
            request.headers().get(X_REQUEST_ID).filter(|id| is_request_id(id)).cloned().map(RequestId::Given)
        } else {
            None
        };
        Box::new(Record::open(&self.worker, &self.watch, request.method(), request.uri().path_and_query(), given))
    }

    /// The way of a request. Each step either hands on what the next one needs or says how the request ends.
    async fn serve(
        &self,
        number: u32,
        request: &mut Request<RequestBody>,
        sending: Option<&Sending>,
        record: &mut Record,
    ) -> Result<Response<Content>, Outcome> {
        let worker = &*self.worker;
        // 0. Only what can be read in one way is looked at.
        if let Some(fault) = self.watch.faults.of(number) {
            return Err(Outcome::BadRequest(fault.detail()));
        }
        let host = target::check(request, sending.is_some())?;
        let origin = Origin { address: worker.trust.client(self.peer, self.sender.trusted, request.headers()), at: record.started };
        record.comes_from(origin.address);
        // 1. The presented key leaves the request.
        let key = self.presented(request.headers_mut())?;
        // Refused or not, whoever reads the log must be able to tell which key it was.
        record.presents(key.id());
        // 2. From here on only its digest is known.
        let digest = KeyDigest::of(&key);
        drop(key);
        // 3. The only way to pass.
        let credential = self.credential(&digest, &origin).await?;
        record.belongs_to(credential.key());
        // 4. Identity headers: ours or none.
        let upgrading = upgrade::asked(request);
        let stamp = Stamp {
            sender: &self.sender,
            version: request.version(),
            host: host.as_ref(),
            request_id: record.id.value(),
            credential: credential.header(),
        };
        worker.hygiene.identify(request.headers_mut(), stamp);
        drop(credential);
        // 5. To the upstream and back.
        record.asks_upstream();
        let answered = match upgrading {
            Some(client) if sending.is_none() => Box::pin(self.upgrade(client, std::mem::take(request))).await,
            Some(_) => return Err(Outcome::BadRequest("an upgrade has no body")),
            None => self.forward(request, sending).await,
        };
        record.upstream_done();
        // 6. The record finishes with the answer's last byte.
        answered.map_err(|failure| {
            if let Some(kind) = failure.kind() {
                worker.metrics.upstream_error(kind);
                tracing::debug!(%failure, "no response from the upstream");
            }
            failure.outcome()
        })
    }

    /// Counts what the exchange never sees.
    fn presented(&self, headers: &mut HeaderMap) -> Result<PlainKey, Outcome> {
        credential::extract(headers, &self.worker.credentials).inspect_err(|outcome| match outcome {
            Outcome::MissingKey => self.worker.metrics.auth_decision(AuthResult::Refuse, "missing_key"),
            Outcome::Refused(refusal) => self.worker.metrics.auth_decision(AuthResult::Refuse, refusal.reason()),
            _ => {}
        })
    }

    async fn credential(&self, digest: &KeyDigest, origin: &Origin) -> Result<Credential, Outcome> {
        let exchange = &self.worker.exchange;
        match exchange.cached(digest, origin) {
            Some(known) => known,
            // What is seldom needed is boxed here and below, so that the room for it is not made, and moved, for every request.
            None => Box::pin(exchange.credential(digest, origin)).await,
        }
        .map_err(Outcome::Refused)
    }

    async fn forward(&self, request: &mut Request<RequestBody>, sending: Option<&Sending>) -> Result<Response<Content>, Failure> {
        let mut response = self.worker.upstream.forward(request, sending).await?;
        clean_answer(response.status(), response.headers_mut())?;
        *response.version_mut() = Version::HTTP_11;
        Ok(response.map(Content::of))
    }

    async fn upgrade(&self, client: OnUpgrade, request: Request<RequestBody>) -> Result<Response<Content>, Failure> {
        match upgrade::ask(&self.worker.upstream, request).await? {
            Answered::Switched(mut response, tunnel) => {
                // The status is known to be asked for; the rest is cleaned like any answer.
                clean_answer(StatusCode::OK, response.headers_mut())?;
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
                response.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
                upgrade::tunnel(&self.worker, &self.watch, client, tunnel);
                Ok(response.map(|()| Content::Whole(Bytes::new())))
            }
            Answered::Declined(mut response) => {
                clean_answer(response.status(), response.headers_mut())?;
                Ok(response.map(|inflow| Content::of(Source::Line(inflow))))
            }
        }
    }
}
