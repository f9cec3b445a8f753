//! Upstreams that tell what they got, over HTTP/1.1 and HTTP/2 alike; and one that never lets anybody in.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpStream};
use std::sync::LazyLock;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::runtime::Runtime;

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap());

/// Runs until the process ends. `/slow` takes three seconds, `/hang` ten, `/ws` becomes a WebSocket on which nothing is said.
pub(super) fn start() -> SocketAddr {
    let listener = RUNTIME.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    RUNTIME.spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut first = [0];
                let count = socket.peek(&mut first).await.unwrap_or(0);
                let service = service_fn(move |request| answer(address, request));
                // What the proxy closes is closed: there is nobody to tell.
                if count == 1 && first == *b"P" {
                    let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(socket), service)
                        .await;
                } else {
                    let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service);
                    let _ = connection.with_upgrades().await;
                }
            });
        }
    });
    address
}

async fn answer(address: SocketAddr, mut request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    match request.uri().path() {
        "/slow" => wait(3).await,
        "/hang" => wait(10).await,
        "/ws" => {
            let upgrade = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let _open = upgrade.await;
                std::future::pending::<()>().await;
            });
            let switched = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS).header("connection", "upgrade");
            let accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
            return Ok(switched.header("upgrade", "websocket").header("sec-websocket-accept", accept).body(Full::default()).unwrap());
        }
        _ => {}
    }
    let headers: Vec<(String, String)> =
        request.headers().iter().map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())).collect();
    let body = json!({ "address": address.to_string(), "version": format!("{:?}", request.version()), "headers": headers });
    Ok(Response::new(Full::from(body.to_string())))
}

#[expect(clippy::disallowed_methods, reason = "an upstream that takes its time is what is tested with")]
async fn wait(seconds: u64) {
    tokio::time::sleep(std::time::Duration::from_secs(seconds)).await;
}

/// An address at which the system answers no attempt to connect: its queue is full, and nobody takes from it.
pub(super) struct Silent {
    address: SocketAddr,
    _listener: socket2::Socket,
    _queued: Vec<TcpStream>,
}

impl Silent {
    pub(super) fn start() -> Self {
        let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        listener.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let soon = std::time::Duration::from_millis(200);
        let queued = (0..8).map_while(|_| TcpStream::connect_timeout(&address, soon).ok()).collect();
        Self { address, _listener: listener, _queued: queued }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}
