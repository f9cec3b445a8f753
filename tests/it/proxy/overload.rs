//! As many requests as may be under way at once, and those that come then.

use crate::proxy::http2::{Pieces, connect, request};
use crate::proxy::upstream::{OK, Received, Reply};
use crate::proxy::world::{Answer, Client, World};

const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: y\r\n\r\n";
const STREAM: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
const WEBSOCKET: &str = "GET /ws HTTP/1.1\r\nHost: api\r\nX-API-Key: KEY\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                         Sec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n";
const SHED: &str = "claviger_http_requests_shed_total";

/// Two at once; an upstream that never answers some, and streams to others.
async fn world() -> World {
    let script = |request: &Received| match request.target() {
        "/hang" => Reply::Silence,
        "/stream" => Reply::with(STREAM),
        "/ws" => Reply::Echo(SWITCH.into()),
        _ => Reply::with(OK),
    };
    World::with(script, |settings| settings.limits.max_requests = 2).await
}

async fn asking(world: &World, target: &str) -> Client {
    let (mut client, asked) = (world.client().await, world.upstream.requests().len());
    client.send(&format!("GET {target} HTTP/1.1\r\nHost: api\r\nX-API-Key: KEY\r\n\r\n")).await;
    world.until(|world| world.upstream.requests().len() > asked).await;
    client
}

async fn ask(world: &World, key: &str) -> Answer {
    world.ask(&format!("GET / HTTP/1.1\r\nHost: api\r\n{key}\r\n")).await
}

#[tokio::test]
async fn one_more_than_may_be_is_refused_at_once_and_let_in_when_there_is_room() {
    let world = world().await;
    let first = asking(&world, "/hang").await;
    assert_eq!(ask(&world, "X-API-Key: KEY\r\n").await.status, 200);
    let second = asking(&world, "/hang").await;
    let asked = world.upstream.requests().len();
    for shed in 1..=3 {
        let refused = ask(&world, "X-API-Key: KEY\r\n").await;
        assert_eq!((refused.status, refused.code().as_str(), refused.header("retry-after")), (503, "overloaded", vec!["1"]));
        assert!(refused.header("connection").is_empty(), "the client may try again on the connection that it has");
        assert_eq!(world.series(SHED), shed);
    }
    // Who is not let in is told so, and takes no place.
    for _ in 0..5 {
        assert_eq!((ask(&world, "").await.status, ask(&world, "X-API-Key: nobodys\r\n").await.status), (401, 401));
    }
    assert_eq!(world.upstream.requests().len(), asked);
    drop(second);
    world.until(|world| world.series("claviger_http_requests_in_flight") == 1).await;
    assert_eq!(ask(&world, "X-API-Key: KEY\r\n").await.status, 200);
    drop(first);
    assert_eq!(world.series(SHED), 3);
}

#[tokio::test]
async fn streams_of_http2_count_as_requests_and_grpcs_clients_are_told_in_their_words() {
    let world = world().await;
    let (mut client, _driving) = connect(world.address).await;
    let ask = |path: &str, headers: &[(&str, &str)]| {
        let mut asked = request(&world, headers, Pieces::default());
        *asked.uri_mut() = format!("http://api.example{path}").parse().unwrap();
        asked
    };
    let hanging: Vec<_> = (0..2).map(|_| tokio::spawn(client.send_request(ask("/hang", &[])))).collect();
    world.until(|world| world.upstream.requests().len() == 2).await;
    let refused = client.send_request(ask("/", &[])).await.unwrap();
    assert_eq!((refused.status().as_u16(), &refused.headers()["retry-after"]), (503, &"1".parse().unwrap()));
    let refused = client.send_request(ask("/", &[("content-type", "application/grpc")])).await.unwrap();
    assert_eq!((refused.status().as_u16(), &refused.headers()["grpc-status"]), (200, &"14".parse().unwrap()));
    hanging.iter().for_each(tokio::task::JoinHandle::abort);
    world.until(|world| world.series("claviger_http_requests_in_flight") == 0).await;
    assert_eq!(client.send_request(ask("/", &[])).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_stream_counts_as_long_as_it_lasts_and_a_websocket_does_not() {
    let world = world().await;
    let mut sockets = Vec::new();
    for _ in 0..4 {
        let mut client = world.client().await;
        client.send(WEBSOCKET).await;
        assert_eq!(client.answer().await.status, 101);
        client.send("ping").await;
        assert_eq!(client.text_of(4).await, "ping");
        sockets.push(client);
    }
    let mut streams = Vec::new();
    for _ in 0..2 {
        let mut client = asking(&world, "/stream").await;
        assert!(client.has_answer_within(crate::proxy::world::PATIENCE).await);
        streams.push(client);
    }
    assert_eq!(ask(&world, "X-API-Key: KEY\r\n").await.status, 503);
    streams.pop();
    world.until(|world| world.series("claviger_http_requests_in_flight") == 1).await;
    assert_eq!(ask(&world, "X-API-Key: KEY\r\n").await.status, 200);
}
