//! WebSocket: the one upgrade that is passed on.
//!
//! The upgrade has a line of its own that is never pooled. Nothing that the client sends behind its request leaves before the upstream
//! has switched: until then it stays in the buffer of the client's connection, and is the next request if the upstream refuses.

use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Version, header};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use super::headers::{connection_has, insert_websocket};
use super::upstream::{Failure, Upstream};
use super::wire::Watch;
use super::worker::Worker;

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
pub(super) enum Answered {
    /// It has switched: the answer's head, and the upstream's half.
    Switched(Response<()>, OnUpgrade),
    /// It answered like any other request.
    Declined(Response<Incoming>),
}

/// Asks the upstream. The request's headers are ready but for the upgrade itself; it has no body.
pub(super) async fn ask<B>(upstream: &Upstream, request: Request<B>) -> Result<Answered, Failure> {
    let mut request = request.map(|_| Empty::<Bytes>::new());
    upstream.speak_http1(&mut request);
    insert_websocket(request.headers_mut());
    let socket = upstream.connect().await?;
    let (mut sender, driver) = hyper::client::conn::http1::handshake(TokioIo::new(socket)).await.map_err(Failure::Protocol)?;
    tokio::task::spawn_local(driver.with_upgrades());
    let mut response = upstream.in_time(pin!(sender.send_request(request))).await?.map_err(Failure::Protocol)?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        if !switched_to_websocket(response.headers()) {
            return Err(Failure::Unfit(super::headers::Unfit::Switched));
        }
        let upgraded = hyper::upgrade::on(&mut response);
        return Ok(Answered::Switched(response.map(drop), upgraded));
    }
    Ok(Answered::Declined(response))
}

fn switched_to_websocket(headers: &HeaderMap) -> bool {
    let mut protocols = headers.get_all(header::UPGRADE).iter();
    matches!((protocols.next(), protocols.next()), (Some(one), None) if one.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Carries bytes both ways until both ends are done, or until nothing has passed for too long.
pub(super) fn tunnel(worker: &Rc<Worker>, watch: &Arc<Watch>, client: OnUpgrade, upstream: OnUpgrade) {
    watch.tunnel();
    let carried = async move {
        let Ok(client) = client.await else { return };
        let Ok(upstream) = upstream.await else { return };
        // Whichever end breaks, both are closed; there is nobody to tell.
        let _ = tokio::io::copy_bidirectional(&mut TokioIo::new(client), &mut TokioIo::new(upstream)).await;
    };
    tokio::task::spawn_local(Rc::clone(worker).look_after(Arc::clone(watch), carried));
}
