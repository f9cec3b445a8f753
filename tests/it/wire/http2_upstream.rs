//! Upstreams over HTTP/2: one connection carries the requests of many clients, and none of them may be the others' trouble.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use claviger::config::{Settings, UpstreamProtocol};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

use crate::proxy::upstream::Reply;
use crate::proxy::world::World;
use crate::wire::frames::{END_HEADERS, END_STREAM, Frames, HEADERS, block, frame};

type Answer = http_body_util::combinators::BoxBody<Bytes, Infallible>;

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer KEY\r\n\r\n")
}

async fn world_before(address: SocketAddr) -> World {
    let change = |settings: &mut Settings| {
        settings.upstream.url = format!("http://{address}").parse().unwrap();
        settings.upstream.protocol = UpstreamProtocol::Http2;
    };
    World::with(|_| Reply::Silence, change).await
}

/// An upstream that answers by the target.
async fn upstream(answer: impl Fn(&str) -> Response<Answer> + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, answer) = (listener.local_addr().unwrap(), Arc::new(answer));
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let answer = Arc::clone(&answer);
            let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                let answer = answer(request.uri().path());
                async move { Ok::<_, Infallible>(answer) }
            });
            tokio::spawn(hyper::server::conn::http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), service));
        }
    });
    address
}

/// An upstream that answers every request of every connection with these header lines and nothing else.
async fn upstream_of(lines: &'static [(&'static str, &'static str)]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut frames = Frames::serve(socket, &[]).await;
                while let Some(asked) = frames.next().await {
                    if asked.kind == HEADERS {
                        frames.send(&frame(HEADERS, END_HEADERS | END_STREAM, asked.stream, &block(lines))).await;
                    }
                }
            });
        }
    });
    address
}

/// An upstream that takes so many requests at once on a connection, never answers those for `/slow`, and all others at once.
async fn upstream_for(requests: u32) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let service = hyper::service::service_fn(|request: Request<Incoming>| async move {
                if request.uri().path() == "/slow" {
                    std::future::pending::<()>().await;
                }
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("ok"))))
            });
            let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            builder.max_concurrent_streams(requests);
            tokio::spawn(async move { builder.serve_connection(TokioIo::new(socket), service).await });
        }
    });
    address
}

/// A body without end that counts its pieces.
struct Endless(Arc<AtomicUsize>);

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        std::task::Poll::Ready(Some(Ok(http_body::Frame::data(Bytes::from_static(&[b'a'; 16 * 1024])))))
    }
}

#[tokio::test]
async fn clients_that_read_nothing_hold_up_nobody_else() {
    let pieces = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&pieces);
    let address = upstream(move |path| {
        Response::new(match path {
            "/endless" => Endless(Arc::clone(&counted)).boxed(),
            _ => Full::new(Bytes::from("ok")).boxed(),
        })
    })
    .await;
    let world = world_before(address).await;
    let mut deaf = Vec::new();
    for _ in 0..4 {
        let mut client = world.client().await;
        client.send(&get("/endless")).await;
        deaf.push(client);
    }
    // Until nothing more is taken of these answers.
    let mut honest = world.client().await;
    let mut before = 0;
    while before == 0 || before != pieces.load(Ordering::Relaxed) {
        before = pieces.load(Ordering::Relaxed);
        assert!(!honest.is_closed_within(Duration::from_millis(300)).await);
    }
    for _ in 0..3 {
        honest.send(&get("/")).await;
        assert_eq!(honest.answer().await.body, "ok");
    }
}

#[tokio::test]
async fn a_long_head_passes_as_it_does_over_http1() {
    let address = upstream(|_| Response::builder().header("x-long", "a".repeat(300_000)).body(Empty::new().boxed()).unwrap()).await;
    let world = world_before(address).await;
    let answer = world.ask(&get("/")).await;
    assert_eq!((answer.status, answer.header("x-long")[0].len()), (200, 300_000));
}

#[tokio::test]
async fn an_answer_whose_length_is_none_is_a_bad_gateway() {
    for lines in [&[(":status", "200"), ("content-length", "")][..], &[(":status", "204"), ("content-length", "x")]] {
        let world = world_before(upstream_of(lines).await).await;
        let answer = world.ask(&get("/")).await;
        assert_eq!((answer.status, answer.code()), (502, "upstream_failed".to_owned()), "{lines:?}");
    }
}

#[tokio::test]
async fn a_connection_that_is_full_of_slow_requests_is_waited_for_by_nobody() {
    let world = world_before(upstream_for(2).await).await;
    assert_eq!(world.ask(&get("/")).await.body, "ok");
    let mut slow = Vec::new();
    for number in 1..=5 {
        let mut client = world.client().await;
        client.send(&get("/slow")).await;
        slow.push(client);
        world.until(|world| world.series("claviger_http_requests_in_flight") == number).await;
        assert_eq!(world.ask(&get("/")).await.body, "ok", "beside {number} slow ones");
    }
}

#[tokio::test]
async fn a_request_that_no_connection_has_room_for_is_shed() {
    let world = world_before(upstream_for(1).await).await;
    let mut waiting = Vec::new();
    let shed = loop {
        let mut client = world.client().await;
        client.send(&get("/slow")).await;
        if client.has_answer_within(Duration::from_millis(20)).await {
            break client.answer().await;
        }
        waiting.push(client);
        assert!(waiting.len() < 200, "there is no end to the connections");
    };
    assert_eq!((shed.status, shed.code()), (503, "overloaded".to_owned()));
}
