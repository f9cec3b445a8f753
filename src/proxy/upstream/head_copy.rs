//! The head of a request over HTTP/2, kept until its answer has come: whoever sends it takes it over, and it may have to be sent again.
//!
//! The lists that it is kept in are used again and again, so that it costs no allocation.

use std::cell::RefCell;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Uri, Version};

/// As many lists are kept; more are made where more requests are under way at once.
const SPARE_MAX: usize = 256;

type Lines = Vec<(HeaderName, HeaderValue)>;

/// A thread's empty lists.
#[derive(Debug, Default)]
pub(super) struct SpareLines(RefCell<Vec<Lines>>);

/// What there is to be sent again.
#[derive(Debug)]
pub(super) struct HeadCopy<'a> {
    method: Method,
    uri: Uri,
    lines: Lines,
    spare: &'a SpareLines,
}

impl<'a> HeadCopy<'a> {
    /// Of this request.
    pub(super) fn of<B>(request: &Request<B>, spare: &'a SpareLines) -> Self {
        let mut lines = spare.0.borrow_mut().pop().unwrap_or_default();
        lines.extend(request.headers().iter().map(|(name, value)| (name.clone(), value.clone())));
        Self { method: request.method().clone(), uri: request.uri().clone(), lines, spare }
    }

    pub(super) fn is_idempotent(&self) -> bool {
        self.method.is_idempotent()
    }

    /// The request, once more.
    pub(super) fn request<B>(&self, body: B) -> Request<B> {
        let mut headers = HeaderMap::with_capacity(self.lines.len());
        for (name, value) in &self.lines {
            headers.append(name, value.clone());
        }
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.version_mut() = Version::HTTP_2;
        *request.headers_mut() = headers;
        request
    }
}

impl Drop for HeadCopy<'_> {
    fn drop(&mut self) {
        self.lines.clear();
        let mut spare = self.spare.0.borrow_mut();
        if spare.len() < SPARE_MAX {
            spare.push(std::mem::take(&mut self.lines));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_again_is_what_was_sent() {
        let spare = SpareLines::default();
        let mut request = Request::delete("http://api/things?a").version(Version::HTTP_2).body(()).unwrap();
        for (name, value) in [("x-one", "1"), ("x-two", "a"), ("x-two", "b")] {
            request.headers_mut().append(name, value.parse().unwrap());
        }
        for _ in 0..2 {
            let copy = HeadCopy::of(&request, &spare);
            let again = copy.request(());
            assert_eq!((again.method(), again.uri(), again.headers()), (request.method(), request.uri(), request.headers()));
            assert!(copy.is_idempotent());
        }
        assert_eq!(spare.0.borrow().len(), 1, "the list is used again");
    }
}
