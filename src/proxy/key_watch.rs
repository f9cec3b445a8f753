//! Ends what is open when its key no longer passes.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::context::RequestContext;
use crate::edge::routes::Selection;
use crate::exchange::Origin;
use crate::model::{KeyDigest, Refusal};

/// Ready when what was opened with a key is to end, with the refusal that a request would get; `None`: it would get other roles. Boxed, and
/// made only for what does not end at once: a request whose answer is there pays nothing for it.
pub(super) struct KeyWatch(Pin<Box<dyn Future<Output = Option<Refusal>>>>);

impl KeyWatch {
    /// `selection`: for what the request was let in.
    pub(super) fn begin(context: &RequestContext, digest: KeyDigest, origin: Origin, selection: Option<Selection>) -> Self {
        let (exchange, when) = (Arc::clone(&context.exchange), context.end_streams);
        Self(Box::pin(async move {
            let purpose = selection.as_ref().map(Selection::purpose).unwrap_or_default();
            exchange.no_longer_passes(digest, origin, purpose, when).await
        }))
    }
}

impl Future for KeyWatch {
    type Output = Option<Refusal>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.get_mut().0.as_mut().poll(cx)
    }
}

impl fmt::Debug for KeyWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyWatch")
    }
}
