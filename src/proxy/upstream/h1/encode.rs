//! What is said to the upstream: a request's head, and its body as it comes.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRAILER};
use http::{Method, Request};
use http_body::{Body as _, Frame};
use tokio::io::AsyncWrite;

use super::error::H1Error;
use crate::edge::raw_target;
use crate::proxy::request_body::{BodyError, RequestBody};

/// How much is gathered before it is written, in bytes.
const GATHERED: usize = 16 * 1024;
/// More room than this is given back between requests, in bytes.
const KEPT: usize = 16 * 1024;

/// How the body is framed, and what of it is still to be sent.
#[derive(Debug, Default)]
enum Unsent {
    #[default]
    Nothing,
    Length(u64),
    /// With the names of the trailers that were announced.
    Chunked(Vec<HeaderName>),
}

/// Bytes on their way out.
#[derive(Debug, Default)]
pub(super) struct RequestEncoder {
    bytes: Vec<u8>,
    /// How many of `bytes` have left.
    sent: usize,
    unsent: Unsent,
    /// How many of the whole request have left.
    written: u64,
    /// Something of it may lie where it is encrypted, and has not left.
    unflushed: bool,
    /// Whoever sends it twice asks for no more than who sends it once (RFC 9110, section 9.2.2), and nothing of its body has been taken:
    /// it may be sent again from its beginning.
    repeatable: bool,
}

impl RequestEncoder {
    /// Takes the next request, whose headers are ready but for `Host`, if it has none, and the framing of a body of unknown length.
    pub(super) fn begin(&mut self, request: &Request<RequestBody>, authority: &HeaderValue) -> Result<(), H1Error> {
        let out = &mut self.bytes;
        out.clear();
        out.shrink_to(KEPT);
        out.extend_from_slice(request.method().as_str().as_bytes());
        out.push(b' ');
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        out.extend_from_slice(raw_target::as_sent(target).as_bytes());
        out.extend_from_slice(b" HTTP/1.1\r\n");
        let empty = request.body().is_end_stream();
        let (mut has_host, mut has_te, mut length) = (false, false, None);
        for (name, value) in request.headers() {
            has_host |= *name == HOST;
            has_te |= *name == TE;
            if *name == CONTENT_LENGTH {
                length = Some(value);
            }
            push_line(out, name, value);
        }
        if !has_host {
            push_line(out, &HOST, authority);
        }
        if has_te {
            // It is for the upstream and for nobody behind it (RFC 9110, section 10.1.4).
            out.extend_from_slice(b"connection: te\r\n");
        }
        self.unsent = match length {
            // The upstream would wait for what never comes, or take the next request for it.
            Some(length) if empty && length.as_bytes().iter().any(|digit| *digit != b'0') => return Err(H1Error::Body(BodyError::Client)),
            Some(_) if empty => Unsent::Nothing,
            None if empty => {
                // Strict servers ask for a length where a body would mean something (RFC 9110, section 8.6).
                if matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH) {
                    out.extend_from_slice(b"content-length: 0\r\n");
                }
                Unsent::Nothing
            }
            Some(length) => {
                Unsent::Length(length.to_str().ok().and_then(|digits| digits.parse().ok()).ok_or(H1Error::Body(BodyError::Client))?)
            }
            None => {
                out.extend_from_slice(b"transfer-encoding: chunked\r\n");
                Unsent::Chunked(announced(request.headers()))
            }
        };
        out.extend_from_slice(b"\r\n");
        self.repeatable = request.method().is_idempotent();
        (self.sent, self.written, self.unflushed) = (0, 0, false);
        Ok(())
    }

    /// Sends what there is, and what more there comes of `body`. Ready when all of it has left.
    pub(super) fn poll<W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        socket: &mut W,
        body: &mut RequestBody,
    ) -> Poll<Result<(), H1Error>> {
        loop {
            while !matches!(self.unsent, Unsent::Nothing) && self.bytes.len() - self.sent < GATHERED {
                match Pin::new(&mut *body).poll_frame(cx) {
                    Poll::Ready(frame) => self.take(frame.transpose().map_err(H1Error::Body)?, body)?,
                    Poll::Pending => break,
                }
            }
            let waiting = self.bytes.get(self.sent..).unwrap_or_default();
            if waiting.is_empty() {
                if self.unflushed {
                    ready!(Pin::new(&mut *socket).poll_flush(cx))?;
                    self.unflushed = false;
                }
                return if self.is_done() { Poll::Ready(Ok(())) } else { Poll::Pending };
            }
            match ready!(Pin::new(&mut *socket).poll_write(cx, waiting)) {
                Ok(0) => return Poll::Ready(Err(H1Error::Closed)),
                Ok(written) => {
                    self.sent += written;
                    self.written += written as u64;
                    self.unflushed = true;
                }
                Err(error) => return Poll::Ready(Err(error.into())),
            }
            // What may be sent again is kept until it is answered.
            if !self.repeatable && self.sent == self.bytes.len() {
                self.bytes.clear();
                self.sent = 0;
            }
        }
    }

    /// Frames a piece of the body.
    fn take(&mut self, frame: Option<Frame<Bytes>>, body: &RequestBody) -> Result<(), H1Error> {
        self.repeatable = false;
        let out = &mut self.bytes;
        let frame = match frame.map(Frame::into_data) {
            None => None,
            Some(Ok(data)) => Some(data),
            Some(Err(frame)) => {
                if let Unsent::Chunked(announced) = &self.unsent {
                    out.extend_from_slice(b"0\r\n");
                    for (name, value) in frame.trailers_ref().into_iter().flatten() {
                        if announced.contains(name) {
                            push_line(out, name, value);
                        }
                    }
                    out.extend_from_slice(b"\r\n");
                    self.unsent = Unsent::Nothing;
                    return Ok(());
                }
                None
            }
        };
        match (&mut self.unsent, frame) {
            (Unsent::Length(left), Some(data)) => {
                *left = left.checked_sub(data.len() as u64).ok_or(H1Error::Body(BodyError::Client))?;
                out.extend_from_slice(&data);
                if *left == 0 {
                    self.unsent = Unsent::Nothing;
                }
            }
            (Unsent::Chunked(_), Some(data)) => {
                // No chunk is empty but the last one.
                if !data.is_empty() {
                    out.extend_from_slice(format!("{:x}\r\n", data.len()).as_bytes());
                    out.extend_from_slice(&data);
                    out.extend_from_slice(b"\r\n");
                }
                if body.is_end_stream() {
                    out.extend_from_slice(b"0\r\n\r\n");
                    self.unsent = Unsent::Nothing;
                }
            }
            (Unsent::Chunked(_), None) => {
                out.extend_from_slice(b"0\r\n\r\n");
                self.unsent = Unsent::Nothing;
            }
            (Unsent::Length(0) | Unsent::Nothing, _) => self.unsent = Unsent::Nothing,
            (Unsent::Length(_), None) => return Err(H1Error::Body(BodyError::Client)),
        }
        Ok(())
    }

    /// Whether the whole request has left.
    pub(super) fn is_done(&self) -> bool {
        matches!(self.unsent, Unsent::Nothing) && self.sent == self.bytes.len() && !self.unflushed
    }

    /// How many bytes have left, and whether some are waiting for the upstream to take them.
    pub(super) fn progress(&self) -> (u64, bool) {
        (self.written, self.sent < self.bytes.len() || self.unflushed)
    }

    /// Whether the request, for which there was no answer, may be sent once more: nothing of it has left, or it is idempotent and nothing of
    /// its body has been taken.
    pub(super) fn may_be_repeated(&self) -> bool {
        self.written == 0 || self.repeatable
    }

    /// Takes over, from its beginning, what another connection failed to bring to its end.
    pub(super) fn repeat(&mut self, lost: Self) {
        *self = Self { sent: 0, written: 0, unflushed: false, ..lost };
    }
}

fn push_line(out: &mut Vec<u8>, name: &HeaderName, value: &HeaderValue) {
    out.extend_from_slice(name.as_str().as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value.as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn announced(headers: &HeaderMap) -> Vec<HeaderName> {
    let names = headers.get_all(TRAILER).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    names.filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(request: http::request::Builder) -> Result<RequestEncoder, H1Error> {
        let mut encoder = RequestEncoder::default();
        encoder.begin(&request.body(RequestBody::Empty).unwrap(), &HeaderValue::from_static("upstream:80"))?;
        Ok(encoder)
    }

    fn written(request: http::request::Builder) -> Vec<u8> {
        begun(request).unwrap().bytes
    }

    #[test]
    fn a_head_is_written_line_by_line_and_has_a_host() {
        let value = HeaderValue::from_bytes(b"\xe9").unwrap();
        let request = Request::get("/a?b=%20").header("x-two", "a: b").header("x-two", value).header("x-empty", "").header("host", "api");
        let head = &b"GET /a?b=%20 HTTP/1.1\r\nx-two: a: b\r\nx-two: \xe9\r\nx-empty: \r\nhost: api\r\n\r\n"[..];
        assert_eq!(written(request), head);
        assert_eq!(written(Request::get("/")), b"GET / HTTP/1.1\r\nhost: upstream:80\r\n\r\n");
    }

    #[test]
    fn what_is_said_of_trailers_is_said_to_the_next_hop_alone() {
        let head = b"GET / HTTP/1.1\r\nte: trailers\r\nhost: upstream:80\r\nconnection: te\r\n\r\n";
        assert_eq!(written(Request::get("/").header("te", "trailers")), head);
    }

    #[test]
    fn a_body_that_would_mean_something_and_is_not_there_has_the_length_0() {
        for method in ["POST", "PUT", "PATCH"] {
            let head = written(Request::builder().method(method).uri("/"));
            assert!(head.ends_with(b"\r\ncontent-length: 0\r\n\r\n"), "{method}");
        }
        for method in ["GET", "HEAD", "DELETE", "OPTIONS"] {
            let head = written(Request::builder().method(method).uri("/"));
            assert!(!String::from_utf8_lossy(&head).contains("content-length"), "{method}");
        }
    }

    #[test]
    fn a_length_that_no_body_has_is_not_said() {
        for length in ["5", "05", "x"] {
            let begun = begun(Request::post("/").header("content-length", length));
            assert!(matches!(begun, Err(H1Error::Body(BodyError::Client))), "{length:?}");
        }
        assert!(written(Request::post("/").header("content-length", "0")).ends_with(b"content-length: 0\r\nhost: upstream:80\r\n\r\n"));
    }

    #[test]
    fn only_what_is_idempotent_is_sent_again_once_it_has_left() {
        for (method, idempotent) in [
            ("GET", true),
            ("HEAD", true),
            ("PUT", true),
            ("DELETE", true),
            ("OPTIONS", true),
            ("POST", false),
            ("PATCH", false),
            ("BREW", false),
        ] {
            let mut encoder = begun(Request::builder().method(method).uri("/")).unwrap();
            assert!(encoder.may_be_repeated(), "{method} has not left");
            (encoder.written, encoder.sent) = (5, 5);
            assert_eq!(encoder.may_be_repeated(), idempotent, "{method}");
            let mut again = RequestEncoder::default();
            again.repeat(encoder);
            assert!(again.bytes.starts_with(method.as_bytes()) && !again.is_done() && again.sent == 0, "{method}");
        }
    }
}
