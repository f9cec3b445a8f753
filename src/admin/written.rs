//! Everything but the keys, as it is written for sidecars: once, however many of them want it.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use http_body::Frame;

use super::problem::ApiError;
use crate::control::Code;
use crate::model::{FeedContent, Snapshot};

/// The content of the last snapshot that was asked for, as it is written: sidecars that follow a change together share it.
#[derive(Default)]
pub(super) struct Written(Mutex<Option<(Arc<Snapshot>, Bytes)>>);

impl Written {
    pub(super) fn of(&self, snapshot: &Arc<Snapshot>) -> Result<Bytes, ApiError> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, written)) = &*last
            && Arc::ptr_eq(of, snapshot)
        {
            return Ok(written.clone());
        }
        let written = serde_json::to_vec(&FeedContent::from(&**snapshot));
        let written: Bytes = written.map_err(|error| ApiError::new(Code::Unavailable, error.to_string()))?.into();
        *last = Some((Arc::clone(snapshot), written.clone()));
        Ok(written)
    }
}

/// A body in parts, of which others may have some, too.
pub(super) fn in_parts<const MANY: usize>(parts: [Bytes; MANY]) -> Body {
    Body::new(Parts(parts.into()))
}

struct Parts(VecDeque<Bytes>);

impl http_body::Body for Parts {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(self.0.pop_front().map(|part| Ok(Frame::data(part))))
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(self.0.iter().map(|part| u64::try_from(part.len()).unwrap_or(u64::MAX)).sum())
    }
}
