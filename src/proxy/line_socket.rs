//! A line's socket, which remembers what was said on it last until something is heard.
//!
//! An upstream may close a line that rests at the very moment at which the next request is sent on it. That request is lost, hyper keeps
//! no copy of what it has begun to write, and making one of every request would cost each of them an allocation for every header. The
//! bytes cost one copy into a buffer that the line has anyway, and are read back only if they are needed.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use http::{HeaderName, HeaderValue, Method, Request, Uri};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::body::RequestBody;

/// More than a head may have is not kept between requests, in bytes.
const KEPT: usize = 16 * 1024;

/// What has passed on a line since a request was begun.
#[derive(Debug, Default)]
pub(super) struct Memory {
    keeps: Cell<bool>,
    heard: Cell<bool>,
    said: RefCell<Vec<u8>>,
}

impl Memory {
    /// A request is about to be sent. It is remembered if it may be sent twice: it asks for no change and has no body (RFC 9110,
    /// section 9.2.2).
    pub(super) fn begin(&self, request: &Request<RequestBody>) {
        let harmless = matches!(*request.method(), Method::GET | Method::HEAD) && matches!(request.body(), RequestBody::Empty);
        self.keeps.set(harmless);
        self.heard.set(false);
        let mut said = self.said.borrow_mut();
        said.clear();
        said.shrink_to(KEPT);
    }

    /// The request, if it may be sent again: not one byte of an answer has come.
    pub(super) fn lost(&self) -> Option<Request<RequestBody>> {
        if self.heard.get() || !self.keeps.get() {
            return None;
        }
        read_back(&self.said.borrow())
    }
}

/// Reads a head as hyper writes it.
fn read_back(head: &[u8]) -> Option<Request<RequestBody>> {
    let head = head.strip_suffix(b"\r\n\r\n")?;
    let mut lines = head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let mut first = lines.next()?.split(|byte| *byte == b' ');
    let mut request = Request::new(RequestBody::Empty);
    *request.method_mut() = Method::from_bytes(first.next()?).ok()?;
    *request.uri_mut() = Uri::try_from(first.next()?).ok()?;
    for line in lines {
        let (name, value) = line.split_at_checked(line.iter().position(|byte| *byte == b':')?)?;
        let value = HeaderValue::from_bytes(value.strip_prefix(b": ")?).ok()?;
        request.headers_mut().append(HeaderName::from_bytes(name).ok()?, value);
    }
    Some(request)
}

/// A socket with a memory.
#[derive(Debug)]
pub(super) struct LineSocket {
    socket: TcpStream,
    memory: Rc<Memory>,
}

impl LineSocket {
    pub(super) fn new(socket: TcpStream) -> (Self, Rc<Memory>) {
        let memory = Rc::new(Memory::default());
        (Self { socket, memory: Rc::clone(&memory) }, memory)
    }
}

impl AsyncRead for LineSocket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.socket).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            this.memory.heard.set(true);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for LineSocket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.socket).poll_write(cx, bytes));
        if this.memory.keeps.get() {
            // What a dead socket did not take belongs to the request all the same.
            let said = bytes.get(..*written.as_ref().unwrap_or(&bytes.len())).unwrap_or_default();
            this.memory.said.borrow_mut().extend_from_slice(said);
        }
        Poll::Ready(written)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_back_as_it_was_written() {
        let head = b"GET /a?b=%20 HTTP/1.1\r\nhost: api\r\nx-empty: \r\nx-two: a: b\r\nx-two: \xe9\r\n\r\n";
        let request = read_back(head).unwrap();
        assert_eq!((request.method(), request.uri().to_string().as_str()), (&Method::GET, "/a?b=%20"));
        let lines: Vec<_> = request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        assert_eq!(lines, [("host", &b"api"[..]), ("x-empty", b""), ("x-two", b"a: b"), ("x-two", b"\xe9")]);
        assert!(read_back(&head[..head.len() - 1]).is_none(), "half a head is no request");
    }

    #[test]
    fn only_what_asks_for_no_change_and_was_not_answered_may_be_said_again() {
        let memory = Memory::default();
        let lost = |method: Method, heard: bool| {
            let mut request = Request::new(RequestBody::Empty);
            *request.method_mut() = method.clone();
            memory.begin(&request);
            memory.said.borrow_mut().extend_from_slice(format!("{method} / HTTP/1.1\r\n\r\n").as_bytes());
            memory.heard.set(heard);
            memory.lost().is_some()
        };
        assert!(lost(Method::GET, false) && lost(Method::HEAD, false));
        assert!(!lost(Method::GET, true) && !lost(Method::POST, false) && !lost(Method::DELETE, false));
    }
}
