//! WebSocket: the one upgrade that is passed on.
//!
//! The upgrade has a connection of its own that is never pooled. Nothing that the client sends behind its request leaves before the upstream
//! has switched: until then it stays in the buffer of the client's connection, and is the next request if the upstream refuses.

use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Version, header};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt as _;

use super::connection::ConnectionState;
use super::headers::{Permitted, Unfit, connection_has};
use super::key_watch::KeyWatch;
use super::request_body::RequestBody;
use super::tracker::{ConnectionTracker, Goodbye};
use super::upstream::{Attempts, ForwardError, H1Body, OpenConnection, Upstream};
use crate::edge::tls::UpstreamStream;

/// Takes the client's half if it asks for WebSocket as RFC 6455, section 4.1, has it. Any other `Upgrade` is not passed on, and the
/// request goes its way without (RFC 9110, section 7.8: a server may ignore it).
pub(super) fn asked<B>(request: &mut Request<B>) -> Option<OnUpgrade> {
    // hyper leaves it only where there is an Upgrade header.
    let client = request.extensions_mut().remove::<OnUpgrade>()?;
    let headers = request.headers();
    let mut protocols = headers.get_all(header::UPGRADE).iter();
    let websocket = matches!((protocols.next(), protocols.next()), (Some(one), None) if one.as_bytes().eq_ignore_ascii_case(b"websocket"));
    let asked =
        websocket && request.version() == Version::HTTP_11 && *request.method() == Method::GET && connection_has(headers, "upgrade");
    asked.then_some(client)
}

/// What the upstream said to the upgrade.
pub(super) enum UpgradeResponse {
    /// It has switched: the answer's head, and the connection.
    Switched(Response<()>, Tunnel),
    /// It answered like any other request.
    Declined(Response<H1Body>),
}

/// A connection that has switched, what came on it behind the head, and its place among those that are open: it counts for as long as it is
/// used.
pub(super) type Tunnel = (UpstreamStream, Bytes, OpenConnection);

/// Asks the upstream. The request's headers are ready but for the upgrade itself; it has no body.
pub(super) async fn ask(
    upstream: &Upstream,
    mut request: Permitted<&mut Request<RequestBody>>,
    attempts: &mut Attempts,
) -> Result<UpgradeResponse, ForwardError> {
    request.ask_for_websocket();
    let response = upstream.upgrade(request, attempts).await?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(UpgradeResponse::Declined(response));
    }
    let (head, body) = response.into_parts();
    match body.into_parts() {
        Some(tunnel) if switched_to_websocket(&head.headers) => Ok(UpgradeResponse::Switched(Response::from_parts(head, ()), tunnel)),
        _ => Err(ForwardError::Unfit(Unfit::Switched)),
    }
}

fn switched_to_websocket(headers: &HeaderMap) -> bool {
    let mut protocols = headers.get_all(header::UPGRADE).iter();
    matches!((protocols.next(), protocols.next()), (Some(one), None) if one.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Carries bytes both ways until both ends are done, until nothing has passed for too long, or until its key no longer passes.
pub(super) fn tunnel(
    tracker: &Rc<ConnectionTracker>,
    connection: &Arc<ConnectionState>,
    client: OnUpgrade,
    (mut upstream, first, open): Tunnel,
    key_watch: Option<KeyWatch>,
) {
    connection.tunnel();
    let tracking = tracker.track(connection);
    let carried = async move {
        let Ok(client) = client.await else { return };
        let mut client = TokioIo::new(client);
        let copied = async {
            if client.write_all(&first).await.is_ok() {
                // Whichever end breaks, both are closed; there is nobody to tell.
                let _ = tokio::io::copy_bidirectional(&mut client, &mut upstream).await;
            }
        };
        let key_ends = async {
            match key_watch {
                Some(watch) => drop(watch.await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = copied => {}
            () = key_ends => {}
        }
        drop(open);
    };
    tokio::task::spawn_local(async move { tracking.run(Goodbye::AtOnce, pin!(carried), |_| {}).await });
}
