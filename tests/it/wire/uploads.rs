//! Requests that take long to send, and whose fault it is if they do not come to an end: the client's, the upstream's, or nobody's.

use std::time::Duration;

use claviger::config::{Settings, UpstreamProtocol};

use crate::proxy::http2::http2_upstream;
use crate::proxy::upstream::{OK, Received, Reply};
use crate::proxy::world::{Client, PATIENCE, World};
use crate::wire::frames::{DATA, END_HEADERS, Frames, HEADERS, RST_STREAM, block, frame};

const PIECES: usize = 10;
/// More than the least rate for the time between two of them.
const PIECE: &str = "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789\n";

fn ok(_: &Received) -> Reply {
    Reply::with(OK)
}

/// An answer may take less time than sending [`PIECES`] does.
fn short(settings: &mut Settings) {
    settings.upstream.response_timeout = Duration::from_millis(200);
    settings.limits.idle_timeout = Duration::from_secs(2);
}

async fn over_http2(change: impl FnOnce(&mut Settings)) -> World {
    let (address, _) = http2_upstream().await;
    let to = |settings: &mut Settings| {
        change(settings);
        settings.upstream.url = format!("http://{address}").parse().unwrap();
        settings.upstream.protocol = UpstreamProtocol::Http2;
    };
    World::with(|_| Reply::Silence, to).await
}

fn sized(length: usize) -> String {
    format!("POST / HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer KEY\r\nContent-Length: {length}\r\n\r\n")
}

fn chunked() -> String {
    "POST / HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer KEY\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned()
}

fn chunk(data: &str) -> String {
    format!("{:x}\r\n{data}\r\n", data.len())
}

/// Sends a piece whenever nothing has come for a moment; half a second and more in all.
async fn send_slowly(client: &mut Client, framed: impl Fn(&str) -> String) {
    for number in 0..PIECES {
        client.send(&framed(PIECE)).await;
        assert!(!client.has_answer_within(Duration::from_millis(60)).await, "there is an answer after {} pieces", number + 1);
    }
}

#[tokio::test]
async fn an_upload_may_take_longer_than_an_answer() {
    for world in [World::with(ok, short).await, over_http2(short).await] {
        let mut client = world.client().await;
        client.send(&sized(PIECES * PIECE.len() + 1)).await;
        send_slowly(&mut client, str::to_owned).await;
        client.send(".").await;
        assert_eq!(client.answer().await.status, 200);

        let mut client = world.client().await;
        client.send(&chunked()).await;
        send_slowly(&mut client, chunk).await;
        client.send("0\r\n\r\n").await;
        assert_eq!(client.answer().await.status, 200);
    }
}

#[tokio::test]
async fn an_upload_that_does_not_go_on_is_the_clients_fault_however_little_time_an_answer_has() {
    let change = |settings: &mut Settings| {
        settings.upstream.response_timeout = Duration::from_millis(100);
        settings.limits.idle_timeout = Duration::from_millis(500);
    };
    for world in [World::with(ok, change).await, over_http2(change).await] {
        for begun in [chunked() + &chunk("half"), sized(100) + "half"] {
            let answer = world.ask(&begun).await;
            assert_eq!((answer.status, answer.code()), (400, "bad_request".to_owned()), "{begun:?}");
        }
    }
}

#[tokio::test]
async fn an_answer_is_waited_for_from_the_end_of_the_request_on() {
    let world = World::with(|_| Reply::Silence, short).await;
    let mut client = world.client().await;
    client.send(&sized(PIECES * PIECE.len() + 1)).await;
    send_slowly(&mut client, str::to_owned).await;
    client.send(".").await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.code()), (504, "upstream_timeout".to_owned()));
}

#[tokio::test]
async fn an_upstream_that_takes_nothing_of_a_request_is_too_slow() {
    // Connections are made by the kernel; nobody reads.
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let world = World::with(ok, |settings| {
        short(settings);
        settings.upstream.url = format!("http://{}", deaf.local_addr().unwrap()).parse().unwrap();
    })
    .await;
    let mut client = world.client().await;
    client.send(&sized(100_000_000)).await;
    // What comes after the refusal is thrown away.
    assert!(client.sends_whole(&"b".repeat(50_000_000)).await);
    assert_eq!(client.answer().await.status, 504);

    // The same over HTTP/2, which has a window that is not opened.
    let deaf = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let world = World::with(ok, |settings| {
        short(settings);
        settings.upstream.url = format!("http://{}", deaf.local_addr().unwrap()).parse().unwrap();
        settings.upstream.protocol = UpstreamProtocol::Http2;
    })
    .await;
    let serving = tokio::spawn(async move { Frames::serve(deaf.accept().await.unwrap().0, &[]).await.end().await });
    let mut client = world.client().await;
    client.send(&sized(1_000_000)).await;
    client.send(&"b".repeat(200_000)).await;
    assert_eq!(client.answer().await.status, 504);
    serving.abort();
}

/// A head may take less time than sending [`PIECES`] does.
fn impatient_of_heads(settings: &mut Settings) {
    settings.limits.header_timeout = Duration::from_millis(200);
    settings.limits.idle_timeout = Duration::from_secs(2);
}

#[tokio::test]
async fn an_upload_goes_on_after_an_early_answer_has_ended() {
    for (head, end) in [(sized(PIECES * PIECE.len() + 4), "end."), (chunked(), "0\r\n\r\n")] {
        let world = World::with(|_| Reply::Early(OK.into()), impatient_of_heads).await;
        let mut client = world.client().await;
        client.send(&head).await;
        assert_eq!(client.answer().await.body, "ok");
        let framed = |piece: &str| if head == chunked() { chunk(piece) } else { piece.to_owned() };
        send_slowly(&mut client, framed).await;
        client.send(end).await;
        world.until(|world| world.upstream.bytes().ends_with(end)).await;
        assert_eq!(world.upstream.bytes().matches(PIECE).count(), PIECES);
        // And the connection serves the next request.
        client.send("GET / HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer KEY\r\n\r\n").await;
        assert_eq!(client.answer().await.body, "ok");
    }
}

#[tokio::test]
async fn an_upload_whose_answer_has_ended_needs_the_least_rate() {
    for (head, byte) in [(sized(100_000), "a"), (chunked(), "1\r\na\r\n")] {
        let world = World::with(|_| Reply::Early(OK.into()), impatient_of_heads).await;
        let mut client = world.client().await;
        client.send(&head).await;
        assert_eq!(client.answer().await.body, "ok");
        let closed = async {
            while !client.is_closed_within(Duration::from_millis(20)).await {
                client.send(byte).await;
            }
        };
        tokio::time::timeout(PATIENCE, closed).await.expect("an upload that trickles is taken for ever");
    }
}

#[tokio::test]
async fn over_http2_an_upload_that_ends_with_a_reset_is_not_whole_whatever_the_reset_says() {
    let world = World::start(ok).await;
    let mut client = Frames::to(&world).await;
    let lines = [(":method", "POST"), (":path", "/"), (":scheme", "http"), (":authority", "api"), ("x-api-key", &*world.key)];
    for (count, code) in [0_u32, 8].into_iter().enumerate() {
        let stream = 2 * u32::try_from(count).unwrap() + 1;
        client.send(&[frame(HEADERS, END_HEADERS, stream, &block(&lines)), frame(DATA, 0, stream, b"half")].concat()).await;
        world.until(|world| world.upstream.bytes().matches("half").count() == count + 1).await;
        client.send(&frame(RST_STREAM, 0, stream, &code.to_be_bytes())).await;
        world.upstream.until_closed(count + 1).await;
    }
    assert!(world.upstream.requests().iter().all(|request| request.body == "(cut off)"), "{:?}", world.upstream.requests());
}
