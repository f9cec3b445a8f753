//! Clients of HTTP/2 that begin and do not go on, and what must happen: the stream ends in time and gives back what it holds of the
//! upstream, and the other streams of its connection notice nothing.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::proxy::upstream::{OK, Received, Reply};
use crate::proxy::world::{PATIENCE, World};
use crate::wire::frames::{
    ACK, DATA, END_HEADERS, END_STREAM, End, Frames, GOAWAY, HEADERS, PING, SETTINGS, WINDOW_UPDATE, block, frame, setting,
};

const CANCEL: u32 = 8;
const SETTINGS_INITIAL_WINDOW_SIZE: u16 = 4;

fn impatient(settings: &mut claviger::config::Settings) {
    settings.limits.idle_timeout = Duration::from_millis(400);
}

/// The head of a request for `path`; `flags` says whether there is a body behind it.
fn head(world: &World, stream: u32, path: &str, flags: u8, more: &[(&str, &str)]) -> Vec<u8> {
    let usual = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "api"), ("x-api-key", &world.key)];
    let lines: Vec<_> = usual.into_iter().chain(more.iter().copied()).collect();
    frame(HEADERS, END_HEADERS | flags, stream, &block(&lines))
}

fn request(world: &World, stream: u32, path: &str) -> Vec<u8> {
    head(world, stream, path, END_STREAM, &[])
}

async fn windowless(world: &World) -> Frames {
    let mut client = Frames::connect(world.address).await;
    client.send(&frame(SETTINGS, 0, 0, &setting(SETTINGS_INITIAL_WINDOW_SIZE, 0))).await;
    client
}

/// An upstream with an answer of this many bytes at `/long`, that begins to answer without end at `/begun`, and says nothing at `/silent`.
fn of_length(length: usize) -> impl Fn(&Received) -> Reply {
    move |request| match request.target() {
        "/long" => Reply::with(&format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{}", "a".repeat(length))),
        "/begun" => Reply::Early(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab".to_vec()),
        "/early" => Reply::Early(OK.into()),
        "/silent" => Reply::Silence,
        _ => Reply::with(OK),
    }
}

#[tokio::test]
async fn a_body_that_does_not_come_is_answered_and_gives_its_line_back() {
    let world = World::with(of_length(0), impatient).await;
    let mut client = Frames::connect(world.address).await;
    for (stream, more) in [(1, &[][..]), (3, &[("content-length", "10")][..])] {
        client.send(&[head(&world, stream, "/x", 0, more), frame(DATA, 0, stream, b"half")].concat()).await;
        assert_eq!(client.end_of(stream).await, End::Answered(400));
        world.upstream.until_closed(usize::try_from(stream).unwrap().div_ceil(2)).await;
    }
    client.send(&request(&world, 5, "/x")).await;
    assert_eq!(client.end_of(5).await, End::Answered(200));
}

#[tokio::test]
async fn a_body_whose_answer_has_ended_does_not_hold_its_line_for_ever() {
    let world = World::with(of_length(0), impatient).await;
    let mut client = Frames::connect(world.address).await;
    client.send(&[head(&world, 1, "/early", 0, &[]), frame(DATA, 0, 1, b"half")].concat()).await;
    assert_eq!(client.end_of(1).await, End::Answered(200));
    // Others keep the connection busy meanwhile.
    client.send(&request(&world, 3, "/begun")).await;
    world.upstream.until_closed(1).await;
    client.send(&request(&world, 5, "/x")).await;
    assert_eq!(client.end_of(5).await, End::Answered(200));
}

#[tokio::test]
async fn two_that_talk_may_pause_as_long_as_they_like() {
    let world = World::with(of_length(0), impatient).await;
    let mut client = Frames::connect(world.address).await;
    client.send(&[head(&world, 1, "/begun", 0, &[]), frame(DATA, 0, 1, b"half")].concat()).await;
    // By the time that this body has been waited for in vain, the other one has been as silent for as long.
    client.send(&[head(&world, 3, "/x", 0, &[]), frame(DATA, 0, 3, b"half")].concat()).await;
    assert_eq!(client.end_of(3).await, End::Answered(400));
    client.send(&frame(DATA, END_STREAM, 1, b"more")).await;
    world.until(|world| world.upstream.bytes().contains("more")).await;
}

#[tokio::test]
async fn an_answer_that_is_not_taken_is_reset_alone_and_gives_its_line_back() {
    // Short ones lie whole in the buffers, long ones hold up the upstream.
    for length in [10, 5_000_000] {
        let world = World::with(of_length(length), impatient).await;
        let mut client = windowless(&world).await;
        client.send(&[request(&world, 1, "/silent"), request(&world, 3, "/long")].concat()).await;
        assert_eq!(client.end_of(3).await, End::Reset(CANCEL), "{length}");
        if length > 10 {
            world.upstream.until_closed(1).await;
        }
        // The connection goes on, and so does a stream on it that does take its answer.
        client.send(&[request(&world, 5, "/x"), frame(WINDOW_UPDATE, 0, 5, &100_u32.to_be_bytes())].concat()).await;
        assert_eq!(client.end_of(5).await, End::Answered(200), "{length}");
        assert_eq!(world.series("claviger_http_requests_in_flight"), 1);
    }
}

#[tokio::test]
async fn a_client_that_neither_sends_nor_takes_holds_nothing() {
    let mut long = b"HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n".to_vec();
    long.resize(5_000_000, b'a');
    let world = World::with(move |_| Reply::Early(long.clone()), impatient).await;
    let mut client = windowless(&world).await;
    client.send(&[head(&world, 1, "/x", 0, &[]), frame(DATA, 0, 1, b"half")].concat()).await;
    assert!(matches!(client.end_of(1).await, End::Reset(_)));
    world.upstream.until_closed(1).await;
    assert_eq!(world.series("claviger_http_requests_in_flight"), 0);
}

#[tokio::test]
async fn an_answer_that_is_taken_slowly_comes_whole() {
    const LENGTH: usize = 600_000;
    let world = World::with(of_length(LENGTH), impatient).await;
    let mut client = windowless(&world).await;
    client.send(&request(&world, 1, "/long")).await;
    let mut taken = 0;
    let mut window = 0;
    loop {
        if window == 0 {
            window = 20_000;
            client.send(&frame(WINDOW_UPDATE, 0, 1, &20_000_u32.to_be_bytes())).await;
            client.send(&frame(WINDOW_UPDATE, 0, 0, &20_000_u32.to_be_bytes())).await;
        }
        let next = client.next().await.unwrap();
        if next.kind == DATA {
            assert!(next.payload.iter().all(|byte| *byte == b'a'));
            (taken, window) = (taken + next.payload.len(), window - next.payload.len());
            if next.flags & END_STREAM != 0 {
                break;
            }
        }
    }
    assert_eq!(taken, LENGTH);
}

#[tokio::test]
async fn an_upstream_that_pauses_is_not_the_clients_fault() {
    let world = World::with(of_length(0), impatient).await;
    let mut client = Frames::connect(world.address).await;
    client.send(&[request(&world, 1, "/begun"), head(&world, 3, "/x", 0, &[]), frame(DATA, 0, 3, b"half")].concat()).await;
    // Both have waited as long, one for the upstream and one for its client.
    assert_eq!(client.end_of(3).await, End::Answered(400));
    assert_eq!(world.series("claviger_http_requests_in_flight"), 1);
}

#[tokio::test]
async fn a_connection_that_does_not_answer_pings_is_closed_even_with_a_request_on_it() {
    let world = World::with(of_length(0), |settings| {
        settings.limits.idle_timeout = Duration::from_millis(300);
        settings.limits.header_timeout = Duration::from_millis(300);
    })
    .await;
    let mut client = Frames::connect(world.address).await;
    client.send(&request(&world, 1, "/silent")).await;
    let mut pinged = false;
    while let Some(frame) = client.next().await {
        pinged |= frame.kind == PING;
    }
    assert!(pinged);
    world.upstream.until_closed(1).await;
}

#[tokio::test]
async fn a_connection_that_answers_pings_stays_open_however_long_a_request_on_it_takes() {
    let world = World::with(of_length(0), |settings| {
        settings.limits.idle_timeout = Duration::from_millis(100);
        settings.limits.header_timeout = Duration::from_secs(10);
    })
    .await;
    let mut client = Frames::connect(world.address).await;
    client.send(&request(&world, 1, "/silent")).await;
    for _ in 0..5 {
        let ping = loop {
            let next = client.next().await.expect("an open connection");
            assert!(next.kind != GOAWAY, "{next:?}");
            if next.kind == PING {
                break next;
            }
        };
        client.send(&frame(PING, ACK, 0, &ping.payload)).await;
    }
    client.send(&request(&world, 3, "/x")).await;
    assert_eq!(client.end_of(3).await, End::Answered(200));
}

#[tokio::test]
async fn a_client_that_does_not_say_that_it_has_heard_of_the_end_does_not_hold_up_the_drain() {
    let world = World::start(of_length(0)).await;
    let mut client = Frames::connect(world.address).await;
    client.send(&request(&world, 1, "/x")).await;
    assert_eq!(client.end_of(1).await, End::Answered(200));
    tokio::time::timeout(PATIENCE, world.running.drain(6 * PATIENCE)).await.expect("the drain waits for a client that rests");
}

#[tokio::test]
async fn a_connection_of_http2_that_rests_is_told_to_go_and_closed() {
    let world = World::with(of_length(0), |settings| {
        impatient(settings);
        settings.limits.header_timeout = Duration::from_millis(400);
    })
    .await;
    let mut client = Frames::connect(world.address).await;
    client.send(&request(&world, 1, "/x")).await;
    assert_eq!(client.end_of(1).await, End::Answered(200));
    let mut told = false;
    while let Some(frame) = client.next().await {
        told |= frame.kind == GOAWAY;
    }
    assert!(told);
}

/// What a client that trickles takes of its answer, and how long it waits before the next byte.
const TRICKLE: (u32, Duration) = (1, Duration::from_millis(20));

#[tokio::test]
async fn an_answer_that_is_taken_a_byte_at_a_time_needs_the_least_rate() {
    let world = World::with(of_length(5_000_000), impatient).await;
    let mut client = windowless(&world).await;
    client.send(&request(&world, 1, "/long")).await;
    let reset = async {
        loop {
            client.send(&frame(WINDOW_UPDATE, 0, 1, &TRICKLE.0.to_be_bytes())).await;
            if let Ok(end) = tokio::time::timeout(TRICKLE.1, client.end_of(1)).await {
                break end;
            }
        }
    };
    let end = tokio::time::timeout(PATIENCE, reset).await.expect("an answer may be taken for ever");
    assert_eq!(end, End::Reset(CANCEL));
    world.upstream.until_closed(1).await;
}

#[tokio::test]
async fn an_answer_over_http1_that_is_taken_a_byte_at_a_time_needs_the_least_rate() {
    // More than the kernel keeps for a reader that does not read.
    let world = World::with(of_length(50_000_000), impatient).await;
    let mut client = tokio::net::TcpStream::connect(world.address).await.unwrap();
    let request = format!("GET /long HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer {}\r\n\r\n", world.key);
    client.write_all(request.as_bytes()).await.unwrap();
    let trickle = async {
        let mut byte = [0];
        while tokio::time::timeout(TRICKLE.1, world.upstream.until_closed(1)).await.is_err() {
            let _ = client.read_exact(&mut byte).await;
        }
    };
    tokio::time::timeout(PATIENCE, trickle).await.expect("an answer may be taken for ever");
}
