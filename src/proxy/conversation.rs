//! A client's connection as a series of requests: the six steps.

use std::cell::Cell;
use std::convert::Infallible;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONNECTION, HeaderValue, UPGRADE};
use http::request::Parts;
use http::{Request, Response, StatusCode, Version};
use http_body::Body as _;
use hyper::body::Incoming;

use super::answer::{self, Connection, X_REQUEST_ID};
use super::body::{AnswerBody, RequestBody, Whence};
use super::headers::{Sender, Stamp, clean_answer, is_request_id};
use super::pool::Lease;
use super::record::Record;
use super::request_id::RequestId;
use super::upgrade::{self, Answered};
use super::upstream::Failure;
use super::wire::Watch;
use super::worker::Worker;
use super::{present, target};
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

    /// Answers one request.
    pub(super) async fn answer(self: Rc<Self>, request: Request<Incoming>) -> Result<Response<AnswerBody>, Infallible> {
        let (parts, body) = request.into_parts();
        let http2 = parts.version == Version::HTTP_2;
        let unread = !body.is_end_stream();
        let mut record = self.record(&parts);
        let outcome = match self.serve(parts, body, &mut record).await {
            Ok(served) => return Ok(served.into_response(record)),
            Err(outcome) => outcome,
        };
        // A body that nobody reads would be taken for the next request, or be waited for in vain.
        let close = !http2 && (unread || matches!(outcome, Outcome::BadRequest(_) | Outcome::TooLarge(_)));
        if close {
            self.watch.linger();
        }
        let response = answer::refuse(&outcome, record.id.value(), if close { Connection::Close } else { Connection::Keep });
        record.refuses(outcome);
        Ok(response.map(|bytes| AnswerBody::whole(bytes, record)))
    }

    fn record(&self, parts: &Parts) -> Record {
        let worker = &self.worker;
        let given = if self.sender.trusted {
            parts.headers.get(X_REQUEST_ID).filter(|id| is_request_id(id)).cloned().map(RequestId::Given)
        } else {
            None
        };
        Record::open(worker, &self.watch, &parts.method, parts.uri.path_and_query(), given)
    }

    /// The way of a request. Each step either hands on what the next one needs or says how the request ends.
    async fn serve(&self, mut parts: Parts, body: Incoming, record: &mut Record) -> Result<Served, Outcome> {
        let worker = &*self.worker;
        // 0. Only what can be read in one way is looked at.
        let request = self.requests.replace(self.requests.get().wrapping_add(1));
        if let Some(fault) = self.watch.faults.of(request) {
            return Err(Outcome::BadRequest(fault.detail()));
        }
        let host = target::check(&mut parts, !body.is_end_stream())?;
        let origin = Origin { address: worker.trust.client(self.peer, self.sender.trusted, &parts.headers), at: record.started };
        record.comes_from(origin.address);
        // 1. The presented key leaves the request.
        let key = self.presented(&mut parts)?;
        // 2. From here on only its digest is known.
        let digest = KeyDigest::of(&key);
        drop(key);
        // 3. The only way to pass.
        let credential = self.credential(&digest, &origin).await?;
        record.belongs_to(credential.key());
        // 4. Identity headers: ours or none.
        let upgrading = upgrade::asked(&mut parts);
        let stamp = Stamp {
            sender: &self.sender,
            version: parts.version,
            host: host.as_ref(),
            request_id: record.id.value(),
            credential: credential.header(),
        };
        worker.hygiene.identify(&mut parts.headers, stamp);
        drop(credential);
        // 5. To the upstream and back.
        record.asks_upstream();
        let answered = match upgrading {
            Some(client) if body.is_end_stream() => self.upgrade(client, parts).await,
            Some(_) => return Err(Outcome::BadRequest("an upgrade has no body")),
            None => self.forward(parts, body, request).await,
        };
        record.upstream_done();
        // 6. The record finishes with the answer's last byte.
        answered.map_err(|failure| {
            if let Some(kind) = failure.kind() {
                worker.metrics.upstream_error(kind);
                tracing::debug!(%failure, "the upstream gave no answer");
            }
            failure.outcome()
        })
    }

    /// Counts what the exchange never sees.
    fn presented(&self, parts: &mut Parts) -> Result<PlainKey, Outcome> {
        present::take(&mut parts.headers, &self.worker.credentials).inspect_err(|outcome| match outcome {
            Outcome::MissingKey => self.worker.metrics.auth_decision(AuthResult::Refuse, "missing_key"),
            Outcome::Refused(refusal) => self.worker.metrics.auth_decision(AuthResult::Refuse, refusal.reason()),
            _ => {}
        })
    }

    async fn credential(&self, digest: &KeyDigest, origin: &Origin) -> Result<Arc<Credential>, Outcome> {
        let exchange = &self.worker.exchange;
        match exchange.cached(digest, origin) {
            Some(known) => known,
            None => exchange.credential(digest, origin).await,
        }
        .map_err(Outcome::Refused)
    }

    async fn forward(&self, parts: Parts, body: Incoming, request: u32) -> Result<Served, Failure> {
        let worker = &*self.worker;
        let whence = Whence { watch: &self.watch, request };
        let (body, sending) = RequestBody::new(body, whence, &worker.hygiene, &worker.ticks, worker.body_patience);
        let request = Request::from_parts(parts, body);
        let (mut response, lease) = worker.upstream.forward(request, sending.as_deref()).await?;
        clean_answer(response.status(), response.headers_mut())?;
        *response.version_mut() = Version::HTTP_11;
        Ok(Served::Streamed(response, lease))
    }

    async fn upgrade(&self, client: hyper::upgrade::OnUpgrade, parts: Parts) -> Result<Served, Failure> {
        let upstream = &self.worker.upstream;
        match upgrade::ask(upstream, parts).await? {
            Answered::Switched(mut response, line) => {
                // The status is known to be asked for; the rest is cleaned like any answer.
                clean_answer(StatusCode::OK, response.headers_mut())?;
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
                response.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
                upgrade::tunnel(client, line);
                Ok(Served::Switched(response))
            }
            Answered::Declined(mut response) => {
                clean_answer(response.status(), response.headers_mut())?;
                Ok(Served::Streamed(response, Lease::none(&upstream.pool, &upstream.ticks)))
            }
        }
    }
}

/// What a request that passed gets.
enum Served {
    Streamed(Response<Incoming>, Lease),
    Switched(Response<()>),
}

impl Served {
    fn into_response(self, mut record: Record) -> Response<AnswerBody> {
        match self {
            Self::Streamed(response, lease) => {
                record.forwards(response.status());
                response.map(|incoming| AnswerBody::streamed(incoming, lease, record))
            }
            Self::Switched(response) => {
                record.forwards(response.status());
                response.map(|()| AnswerBody::whole(Bytes::new(), record))
            }
        }
    }
}
