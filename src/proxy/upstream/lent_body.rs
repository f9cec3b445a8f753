//! A request's body in the hands of whoever sends it over HTTP/2, and the way back: one of which nothing has been taken may go with the request
//! to another connection.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::proxy::request_body::{BodyError, RequestBody};

/// Where a body comes back to.
#[derive(Debug, Default)]
pub(super) struct BodyReturn {
    /// Something of it is gone.
    taken: Cell<bool>,
    back: RefCell<Option<RequestBody>>,
}

/// A body that comes back when it is dropped, if nothing of it has been taken.
#[derive(Debug)]
pub(in crate::proxy) struct LentBody {
    body: RequestBody,
    /// `None`: there is nothing that could come back.
    lender: Option<Rc<BodyReturn>>,
}

impl BodyReturn {
    /// The body, if it has come back.
    pub(super) fn take(&self) -> Option<RequestBody> {
        self.back.take()
    }
}

impl LentBody {
    /// The body, and where it comes back to if there is one.
    pub(super) fn lend(body: RequestBody) -> (Self, Option<Rc<BodyReturn>>) {
        let lender = match &body {
            RequestBody::Empty => None,
            RequestBody::Streamed(_) => Some(Rc::<BodyReturn>::default()),
        };
        (Self { body, lender: lender.clone() }, lender)
    }
}

impl Drop for LentBody {
    fn drop(&mut self) {
        if let Some(lender) = self.lender.take().filter(|lender| !lender.taken.get()) {
            lender.back.replace(Some(std::mem::take(&mut self.body)));
        }
    }
}

impl Body for LentBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let frame = Pin::new(&mut this.body).poll_frame(cx);
        if let (Poll::Ready(_), Some(lender)) = (&frame, &this.lender) {
            lender.taken.set(true);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
