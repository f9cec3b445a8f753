//! HTTP/2 by prior knowledge, in and out, and what changes between the versions.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use claviger::config::{ClientIp, UpstreamProtocol};
use http::{HeaderMap, HeaderValue, Request, Response, Version};
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::proxy::upstream::{OK, Reply};
use crate::proxy::world::{PATIENCE, World};

/// A body in pieces of unknown length.
#[derive(Default)]
pub(crate) struct Pieces(VecDeque<Frame<Bytes>>);

impl Pieces {
    fn with_trailers(trailers: &[(&'static str, &str)]) -> Self {
        let trailers: HeaderMap =
            trailers.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap())).collect();
        Self([Frame::data(Bytes::from("ab")), Frame::data(Bytes::from("cd")), Frame::trailers(trailers)].into())
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.get_mut().0.pop_front().map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }
}

pub(crate) async fn connect(address: SocketAddr) -> (SendRequest<Pieces>, JoinHandle<()>) {
    over(TcpStream::connect(address).await.unwrap()).await
}

async fn over(socket: TcpStream) -> (SendRequest<Pieces>, JoinHandle<()>) {
    let (sender, driver) = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(socket)).await.unwrap();
    let driving = tokio::spawn(async move { driver.await.unwrap_or_default() });
    (sender, driving)
}

pub(crate) fn request(world: &World, headers: &[(&str, &str)], body: Pieces) -> Request<Pieces> {
    let mut request = Request::builder().method("POST").uri("http://api.example/v1/runs?q").header("x-api-key", &world.key);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body).unwrap()
}

async fn whole(response: Response<Incoming>) -> (u16, HeaderMap, String, Option<HeaderMap>) {
    let (parts, body) = response.into_parts();
    let body = tokio::time::timeout(PATIENCE, body.collect()).await.unwrap().unwrap();
    let trailers = body.trailers().cloned();
    (parts.status.as_u16(), parts.headers, String::from_utf8(body.to_bytes().to_vec()).unwrap(), trailers)
}

/// What an upstream over HTTP/2 has seen.
#[derive(Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<Vec<Exchanged>>>);

/// Head, body, trailers.
type Exchanged = (http::request::Parts, String, Option<HeaderMap>);

pub(crate) async fn http2_upstream() -> (SocketAddr, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, seen) = (listener.local_addr().unwrap(), Seen::default());
    let seeing = seen.clone();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let seeing = seeing.clone();
            let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                let seeing = seeing.clone();
                async move {
                    let (parts, body) = request.into_parts();
                    let body = body.collect().await.unwrap();
                    let trailers = body.trailers().cloned();
                    seeing.0.lock().unwrap().push((parts, String::from_utf8(body.to_bytes().to_vec()).unwrap(), trailers));
                    Ok::<_, Infallible>(Response::new(Pieces::with_trailers(&[("grpc-status", "0"), ("x-roles", "evil")])))
                }
            });
            tokio::spawn(hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), service));
        }
    });
    (address, seen)
}

async fn world_over_http2() -> (World, Seen) {
    let (address, seen) = http2_upstream().await;
    let change = |settings: &mut claviger::config::Settings| {
        settings.upstream.url = format!("http://{address}").parse().unwrap();
        settings.upstream.protocol = UpstreamProtocol::Http2;
    };
    (World::with(|_| Reply::Silence, change).await, seen)
}

#[tokio::test]
async fn a_request_over_http2_becomes_one_over_http1() {
    let world = World::start(|_| Reply::with(OK)).await;
    let (mut client, _driving) = connect(world.address).await;
    let headers = [("cookie", "a=b"), ("cookie", "c=d"), ("te", "trailers")];
    let answer = client.send_request(request(&world, &headers, Pieces::with_trailers(&[]))).await.unwrap();
    let (status, headers, body, _) = whole(answer).await;
    assert_eq!((status, &*body), (200, "ok"));
    assert!(!headers.contains_key("connection"));
    let received = world.last();
    assert_eq!(received.head.lines().next().unwrap(), "POST /v1/runs?q HTTP/1.1");
    assert_eq!(received.header("host"), ["api.example"]);
    assert_eq!(received.header("cookie"), ["a=b; c=d"]);
    assert_eq!(received.header("via"), ["2 claviger"]);
    assert_eq!(received.body.replace("\r\n", "|"), "2|ab|2|cd|0||");
    assert!(!world.upstream.bytes().contains(&world.key));
}

#[tokio::test]
async fn what_a_proxy_in_front_says_of_its_client_counts_for_every_stream() {
    let world = World::with(
        |_| Reply::with(OK),
        |settings| {
            settings.proxy.client_ip = ClientIp::ProxyProtocol;
            settings.proxy.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
        },
    )
    .await;
    let mut socket = TcpStream::connect(world.address).await.unwrap();
    socket.write_all(b"PROXY TCP4 192.0.2.7 10.0.0.1 51234 443\r\n").await.unwrap();
    let (mut sender, _driving) = over(socket).await;
    for _ in 0..3 {
        let answer = sender.send_request(request(&world, &[("x-forwarded-for", "6.6.6.6")], Pieces::default())).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(world.last().header("x-forwarded-for"), ["192.0.2.7"]);
    }
}

#[tokio::test]
async fn what_is_refused_over_http1_is_refused_over_http2() {
    let world = World::start(|_| Reply::with(OK)).await;
    let (mut client, _driving) = connect(world.address).await;
    let mut cases = vec![
        (request(&world, &[("host", "other")], Pieces::default()), 400),
        (request(&world, &[("authorization", "Bearer x")], Pieces::default()), 400),
        (request(&world, &[], Pieces::default()), 200),
    ];
    let mut connect = request(&world, &[], Pieces::default());
    *connect.method_mut() = http::Method::CONNECT;
    *connect.uri_mut() = "api.example:443".parse().unwrap();
    cases.push((connect, 400));
    let mut star = request(&world, &[], Pieces::default());
    *star.method_mut() = http::Method::OPTIONS;
    *star.uri_mut() = http::Uri::builder().scheme("http").authority("a").path_and_query("*").build().unwrap();
    cases.push((star, 400));
    for (request, status) in cases {
        let answer = client.send_request(request).await.unwrap();
        assert_eq!(whole(answer).await.0, status);
    }
    assert_eq!(world.upstream.requests().len(), 1);
}

#[tokio::test]
async fn one_limit_of_header_lines_holds_over_both_versions_and_for_answers() {
    let lines = |count: usize| "x: y\r\n".repeat(count);
    let script = move |request: &crate::proxy::upstream::Received| {
        let count = if request.target() == "/many" { 121 } else { 110 };
        Reply::with(&format!("HTTP/1.1 200 OK\r\n{}Content-Length: 0\r\n\r\n", lines(count)))
    };
    let world = World::with(script, |settings| settings.limits.max_headers = 120).await;
    for (target, more, status) in [("/", 110, 200), ("/", 130, 431), ("/many", 0, 502)] {
        let request = format!("GET {target} HTTP/1.1\r\nHost: api\r\nX-Api-Key: KEY\r\n{}\r\n", lines(more));
        assert_eq!(world.ask(&request).await.status, status, "{target} {more}");
    }
    let (mut client, _driving) = connect(world.address).await;
    for (more, status) in [(110, 200), (130, 431)] {
        let names: Vec<String> = (0..more).map(|n| format!("x-{n}")).collect();
        let headers: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "y")).collect();
        let answer = client.send_request(request(&world, &headers, Pieces::default())).await.unwrap();
        assert_eq!(whole(answer).await.0, status, "{more} over HTTP/2");
    }
}

#[tokio::test]
async fn a_grpc_client_is_refused_in_its_own_words() {
    let world = World::start(|_| Reply::with(OK)).await;
    let (mut client, _driving) = connect(world.address).await;
    let mut refused = request(&world, &[("content-type", "application/grpc+proto"), ("te", "trailers")], Pieces::default());
    refused.headers_mut().remove("x-api-key");

    let response = client.send_request(refused).await.unwrap();

    // One head that ends the stream: "trailers-only".
    assert!(response.body().is_end_stream());
    let (status, headers, body, trailers) = whole(response).await;
    assert_eq!((status, body.as_str(), trailers), (200, "", None));
    assert_eq!((headers["grpc-status"].as_bytes(), headers["content-type"].as_bytes()), (&b"16"[..], &b"application/grpc"[..]));
    let id = headers["x-request-id"].to_str().unwrap();
    assert_eq!(
        headers["grpc-message"],
        format!("an API key is needed: send it as `Authorization: Bearer KEY`, or as `x-api-key: KEY` (missing_key, request {id})")
    );
    assert_eq!(world.upstream.bytes(), "");
}

#[tokio::test]
async fn bodies_and_trailers_pass_from_http2_to_http2() {
    let (world, seen) = world_over_http2().await;
    let (mut client, _driving) = connect(world.address).await;
    let sent = Pieces::with_trailers(&[("x-sum", "7"), ("authorization", "Bearer x"), ("x_api_key", "x")]);
    let answer = client.send_request(request(&world, &[("te", "trailers"), ("cookie", "a=b")], sent)).await.unwrap();
    let (status, _, body, trailers) = whole(answer).await;
    assert_eq!((status, &*body), (200, "abcd"));
    let trailers = trailers.unwrap();
    assert_eq!((trailers["grpc-status"].to_str().unwrap(), trailers.len()), ("0", 1));

    let (parts, body, trailers) = seen.0.lock().unwrap().pop().unwrap();
    assert_eq!((parts.version, &*body), (Version::HTTP_2, "abcd"));
    assert_eq!(parts.uri, "http://api.example/v1/runs?q");
    assert_eq!(parts.headers["te"], "trailers");
    assert!(parts.headers["authorization"].to_str().unwrap().starts_with("Bearer ey"));
    assert!(!parts.headers.contains_key("host") && !parts.headers.contains_key("x-api-key"));
    assert_eq!(trailers.unwrap().keys().map(http::HeaderName::as_str).collect::<Vec<_>>(), ["x-sum"]);
}

#[tokio::test]
async fn a_request_over_http1_becomes_one_over_http2() {
    let (world, seen) = world_over_http2().await;
    for _ in 0..3 {
        let answer = world
            .ask("POST /x HTTP/1.1\r\nHost: api\r\nX-API-Key: KEY\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n")
            .await;
        assert_eq!((answer.status, &*answer.body.replace("\r\n", "|")), (200, "2|ab|2|cd|0||"));
    }
    let (parts, body, _) = seen.0.lock().unwrap().pop().unwrap();
    assert_eq!((parts.uri.to_string(), &*body), ("http://api/x".to_owned(), "ab"));
    assert!(!parts.headers.contains_key("connection") && !parts.headers.contains_key("transfer-encoding"));
}

#[tokio::test]
async fn draining_says_goaway_and_finishes_the_streams() {
    let world = World::start(|_| Reply::with(OK)).await;
    let (mut client, driving) = connect(world.address).await;
    let answer = client.send_request(request(&world, &[], Pieces::default())).await.unwrap();
    assert_eq!(whole(answer).await.0, 200);
    world.running.drain(Duration::from_secs(10)).await;
    tokio::time::timeout(PATIENCE, driving).await.unwrap().unwrap();
    assert!(client.is_closed());
}

#[tokio::test]
async fn an_upstream_over_http2_is_told_in_escapes_what_stands_in_no_uri() {
    let (world, seen) = world_over_http2().await;
    let answer = world.ask("GET /<a>?`{|}%3c HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer KEY\r\n\r\n").await;
    assert_eq!(answer.status, 200);
    assert_eq!(seen.0.lock().unwrap()[0].0.uri.path_and_query().unwrap().as_str(), "/%3Ca%3E?%60{|}%3c");
}
