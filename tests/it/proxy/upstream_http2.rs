//! Connections to an upstream over HTTP/2: how many a burst opens, and what becomes of who waits for one.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use claviger::config::{Settings, UpstreamProtocol};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ALL_VERSIONS;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Barrier;
use tokio_rustls::TlsAcceptor;

use crate::proxy::http2::{Pieces, connect, request};
use crate::proxy::upstream::Reply;
use crate::proxy::upstream_tls::Trust;
use crate::proxy::world::{PATIENCE, World};
use crate::support::certificates::Wish;
use crate::support::tls;

/// How many requests a client has under way on a connection to the proxy.
const EACH: usize = 50;

/// What a connection to the upstream carries, and what there must be before the first request is answered.
struct Carries {
    streams: u32,
    until: Arc<Barrier>,
}

impl Carries {
    /// So many requests on each; so many have to be there.
    fn new(streams: u32, until: usize) -> Self {
        Self { streams, until: Arc::new(Barrier::new(until)) }
    }
}

/// An upstream that answers nobody until so many have asked, and counts the connections to it.
async fn upstream(carries: Carries, tls: Option<TlsAcceptor>) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, connections) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let (counted, all) = (Arc::clone(&connections), carries.until);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(serve(socket, tls.clone(), carries.streams, Arc::clone(&all)));
        }
    });
    (address, connections)
}

async fn serve(socket: TcpStream, tls: Option<TlsAcceptor>, streams: u32, all: Arc<Barrier>) {
    let service = hyper::service::service_fn(move |_: Request<Incoming>| {
        let all = Arc::clone(&all);
        async move {
            all.wait().await;
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("ok"))))
        }
    });
    let mut http2 = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    http2.max_concurrent_streams(streams);
    // Whoever breaks it off is found out by the answers.
    let _ = match tls {
        None => http2.serve_connection(TokioIo::new(socket), service).await,
        Some(acceptor) => {
            let Ok(stream) = acceptor.accept(socket).await else { return };
            if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                http2.serve_connection(TokioIo::new(stream), service).await
            } else {
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await
            }
        }
    };
}

async fn before(address: SocketAddr, change: impl FnOnce(&mut Settings)) -> World {
    let settings = |settings: &mut Settings| {
        settings.upstream.url = format!("http://{address}").parse().unwrap();
        settings.upstream.protocol = UpstreamProtocol::Http2;
        settings.upstream.connect_timeout = PATIENCE;
        change(settings);
    };
    World::with(|_| Reply::Silence, settings).await
}

/// So many requests at once: the statuses of their answers.
async fn burst(world: &World, requests: usize) -> Vec<u16> {
    let mut asked = Vec::new();
    let mut clients = Vec::new();
    for place in 0..requests {
        if place % EACH == 0 {
            clients.push(connect(world.address).await);
        }
        let (client, _driving) = clients.last_mut().unwrap();
        asked.push(tokio::spawn(client.send_request(request(world, &[], Pieces::default()))));
    }
    let mut statuses = Vec::new();
    for asked in asked {
        let answer = tokio::time::timeout(PATIENCE, asked).await.expect("an answer comes").unwrap();
        statuses.push(answer.unwrap().status().as_u16());
    }
    statuses
}

#[tokio::test]
async fn a_burst_that_finds_no_connection_opens_few_and_shares_them() {
    let (address, connections) = upstream(Carries::new(200, 300), None).await;
    let world = before(address, |_| {}).await;
    assert_eq!(burst(&world, 300).await, [200; 300]);
    let opened = connections.load(Ordering::SeqCst);
    assert!(opened <= 6, "{opened} connections for what two can carry");
}

#[tokio::test]
async fn a_burst_that_finds_no_connection_shares_those_on_which_tls_agrees_on_http2() {
    let trust = Trust::new();
    let acceptor = TlsAcceptor::from(tls::server(&trust.issue(Wish::default()), ALL_VERSIONS, &["h2", "http/1.1"], None));
    let (address, connections) = upstream(Carries::new(200, 300), Some(acceptor)).await;
    let world = World::with(|_| Reply::Silence, trust.before(address.port(), |_| {})).await;
    assert_eq!(burst(&world, 300).await, [200; 300]);
    let opened = connections.load(Ordering::SeqCst);
    assert!(opened <= 6, "{opened} connections for what two can carry");
}

#[tokio::test]
async fn each_request_of_a_burst_has_its_own_connection_where_tls_agrees_on_http1() {
    let trust = Trust::new();
    let acceptor = TlsAcceptor::from(tls::server(&trust.issue(Wish::default()), ALL_VERSIONS, &["http/1.1"], None));
    let (address, connections) = upstream(Carries::new(1, 80), Some(acceptor)).await;
    let world = World::with(|_| Reply::Silence, trust.before(address.port(), |_| {})).await;
    assert_eq!(burst(&world, 80).await, [200; 80]);
    assert_eq!(connections.load(Ordering::SeqCst), 80);
}

#[tokio::test]
async fn what_a_connection_does_not_carry_goes_to_another_and_waits_behind_nobody() {
    let (address, connections) = upstream(Carries::new(2, 40), None).await;
    let world = before(address, |_| {}).await;
    assert_eq!(burst(&world, 40).await, [200; 40]);
    let opened = connections.load(Ordering::SeqCst);
    assert!((20..=40).contains(&opened), "{opened} connections that carry two each, for forty");
}

#[tokio::test]
async fn more_than_all_connections_carry_are_refused_at_once_and_the_others_answered() {
    // Nobody is answered, and so makes room, before all the others have been refused.
    let carries = Carries::new(1, 64 + 1);
    let refused = Arc::clone(&carries.until);
    let (address, connections) = upstream(carries, None).await;
    let world = before(address, |_| {}).await;
    let refusals = async {
        world.until(|world| world.series(r#"claviger_http_requests_total{route="-",method="POST",code="503"}"#) == 16).await;
        refused.wait().await;
    };
    let (mut statuses, ()) = tokio::join!(burst(&world, 80), refusals);
    statuses.sort_unstable();
    assert_eq!((statuses.split_off(64), statuses), (vec![503; 16], vec![200; 64]));
    assert_eq!(connections.load(Ordering::SeqCst), 64);
}

#[tokio::test]
async fn who_waits_for_a_connection_learns_that_there_is_none() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let world = before(closed, |_| {}).await;
    assert_eq!(burst(&world, 30).await, [502; 30]);
    let failures = world.series(r#"claviger_upstream_errors_total{kind="connect"}"#);
    assert_eq!(failures, 30, "each request is counted");
}

#[tokio::test]
async fn who_waits_for_a_connection_that_is_closed_at_once_is_told_so_and_opens_no_other() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, connections) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            drop(socket);
        }
    });
    let world = before(address, |_| {}).await;
    assert_eq!(burst(&world, 40).await, [502; 40]);
    let opened = connections.load(Ordering::SeqCst);
    assert!(opened < 10, "{opened} connections");
}

#[tokio::test]
async fn an_upstream_that_says_nothing_lets_nobody_wait_without_end() {
    // It takes connections, and nobody takes them from it.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let change = |settings: &mut Settings| {
        settings.upstream.connect_timeout = Duration::from_millis(300);
        settings.upstream.response_timeout = Duration::from_millis(900);
    };
    let world = before(listener.local_addr().unwrap(), change).await;
    assert_eq!(burst(&world, 30).await, [504; 30]);
}

#[tokio::test]
async fn a_client_that_leaves_takes_no_connection_from_those_who_wait_for_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let world = before(listener.local_addr().unwrap(), |_| {}).await;
    let (mut leaving, driving) = connect(world.address).await;
    let left = tokio::spawn(leaving.send_request(request(&world, &[], Pieces::default())));
    // The connection has come about and nothing was said on it: that request is on it, and the others wait.
    let (socket, _) = listener.accept().await.unwrap();
    let (mut staying, _driving) = connect(world.address).await;
    let waiting: Vec<_> = (0..5).map(|_| tokio::spawn(staying.send_request(request(&world, &[], Pieces::default())))).collect();
    world.until(|world| world.series("claviger_http_requests_in_flight") == 6).await;
    driving.abort();
    left.abort();
    drop(leaving);
    world.until(|world| world.series("claviger_http_requests_in_flight") == 5).await;
    tokio::spawn(serve(socket, None, 200, Arc::new(Barrier::new(1))));
    for waiting in waiting {
        let answer = tokio::time::timeout(PATIENCE, waiting).await.expect("an answer comes").unwrap();
        assert_eq!(answer.unwrap().status().as_u16(), 200);
    }
    let another = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
    assert!(another.is_err(), "one connection carries all");
}
