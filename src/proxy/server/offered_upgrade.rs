//! The end of a connection on which a client has offered to switch protocols, and nobody did.
//!
//! hyper gives the socket away then, for whoever switches, instead of shutting it down. Without a shutdown there is no `close_notify`, and
//! what the client still sends of a request that was refused makes the kernel reset the connection, which takes the refusal away. Java's
//! client offers HTTP/2 in this way with its first request on every connection without TLS.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;

use http::Request;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt as _;

use crate::proxy::connection::{ConnectionState, Phase};
use crate::proxy::tracker::{Goodbye, Tracking};

/// What a client has offered last on a connection.
#[derive(Debug, Default)]
pub(super) struct OfferedUpgrade(RefCell<Option<OnUpgrade>>);

impl OfferedUpgrade {
    /// Looks at one request of the connection.
    pub(super) fn note<B>(&self, request: &Request<B>) {
        if let Some(offered) = request.extensions().get::<OnUpgrade>() {
            *self.0.borrow_mut() = Some(offered.clone());
        }
    }

    /// Shuts down a connection that hyper has done with, as hyper does where nothing was offered.
    pub(super) async fn shut_down(&self, state: &ConnectionState, tracking: &Tracking) {
        // Whoever switches has it.
        if state.is(Phase::Tunnel) {
            return;
        }
        let Some(mut offered) = self.0.take() else { return };
        // It is given away in the moment in which hyper has done; if not then, the connection has been cut off, or is broken.
        let left = poll_fn(|cx| match Pin::new(&mut offered).poll(cx) {
            Poll::Ready(left) => Poll::Ready(left.ok()),
            Poll::Pending => Poll::Ready(None),
        });
        let Some(left) = left.await else { return };
        tracking.run(Goodbye::AtOnce, pin!(end(left)), |_| {}).await;
    }
}

async fn end(left: Upgraded) {
    // Nobody is left to be told of an error.
    let _ = TokioIo::new(left).shutdown().await;
}
